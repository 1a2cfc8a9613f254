/* Two servers of two ports each in one process; a restart moves all four
 * listeners, a shutdown ends both servers. */
#include <molt.h>

static void serve(const char *name, int port1, int port2)
{
	molt_server *s = molt_server_get(name);

	molt_server_set_graceful(s, true);
	molt_server_enable_admin(s, NULL);
	molt_server_set_port(s, port1);
	molt_server_set_port(s, port2);
	molt_server_start(s);
}

int main(void)
{
	serve("s1", 8100, 8200);
	serve("s2", 8300, 8400);
	return molt_wait() != 0;
}
