/* The same over HTTPS on port 8200.  A new certificate is read by the new
 * program at a restart.  Usage: 02_https [certificate key] */
#include <molt.h>

static void hello(molt_req *r)
{
	molt_res_puts(r, "Hello!");
}

int main(int argc, char **argv)
{
	molt_server *s = molt_server_get(NULL);

	molt_bind(molt_routes(s), "/", hello, NULL);
	molt_server_set_graceful(s, true);
	molt_server_enable_https(s, argc > 2 ? argv[1] : "server.crt",
				 argc > 2 ? argv[2] : "server.key");
	molt_server_enable_admin(s, NULL);
	molt_server_set_port(s, 8200);
	return molt_server_run(s);
}
