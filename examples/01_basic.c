/* One server on port 8199 that can be restarted while it serves: open /sleep,
 * then click Restart on /debug/admin; the request ends where it began. */
#include <molt.h>
#include <unistd.h>

static void hello(molt_req *r)
{
	molt_res_puts(r, "Hello!");
}

static void pid(molt_req *r)
{
	molt_res_printf(r, "%d\n", getpid());
}

static void slow(molt_req *r)
{
	molt_res_printf(r, "%d\n", getpid());
	molt_sleep(10 * MOLT_SECOND); /* parks this request only */
	molt_res_printf(r, "%d\n", getpid());
}

int main(void)
{
	molt_server *s = molt_server_get(NULL);

	molt_bind(molt_routes(s), "/", hello, NULL);
	molt_bind(molt_routes(s), "/pid", pid, NULL);
	molt_bind(molt_routes(s), "/sleep", slow, NULL);
	molt_server_set_graceful(s, true);
	molt_server_enable_admin(s, NULL); /* /debug/admin */
	molt_server_set_port(s, 8199);
	return molt_server_run(s);
}
