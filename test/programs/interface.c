/* A program that test/e2e/test_interface.py compiles with changed copies of molt.h and runs
 * with the library as it is:
 *
 *   OLDER   each struct has a member fewer; behind each lie bytes that are not the library's
 *   NEWER   each struct has a member more, "newer"; argv[1] names the struct where it is set
 *
 * Usage: interface [STRUCT]; the directory is served below /files. */
#include <molt.h>
#include <stdio.h>
#include <string.h>

static const char *set_in = "";

/* A struct with bytes behind it that are neither to be read (no pointer, no time, no size
 * that would be taken) nor to be written. */
#define GUARDED(type, name, value)                                                                 \
	struct {                                                                                   \
		type it;                                                                           \
		unsigned char behind[64];                                                          \
	} name = { .it = value };                                                                  \
	memset(name.behind, 0xaa, sizeof(name.behind))

#ifdef NEWER
#define MARK(what, s) ((s).it.newer = strcmp(set_in, what) == 0)
#else
#define MARK(what, s) ((void)(s))
#endif

static const char *touched(const unsigned char *behind)
{
	for (int i = 0; i < 64; i++)
		if (behind[i] != 0xaa)
			return "touched";
	return "whole";
}

static void info(molt_req *r)
{
	GUARDED(molt_process_info, i, MOLT_PROCESS_INFO());
	int err = molt_process_get(&i.it);

	molt_res_printf(r, "%d generation %u %s\n", err, i.it.generation, touched(i.behind));
}

static void upload(molt_req *r)
{
	GUARDED(molt_file, f, MOLT_FILE());
	int err = molt_req_file(r, "f", &f.it);

	molt_res_printf(r, "%d %s %s %s\n", err, f.it.name, f.it.type, touched(f.behind));
}

static void cookie(molt_req *r)
{
	GUARDED(molt_cookie, c, MOLT_COOKIE(.name = "a", .value = "b", .http_only = true));

	MARK("molt_cookie", c);
	molt_res_printf(r, "%s\n", molt_strerror(molt_res_cookie(r, &c.it)));
}

static void line(molt_req *r)
{
	molt_ws *w = molt_ws_accept(r, NULL);
	GUARDED(molt_ws_msg, m, MOLT_WS_MSG());

	while (w && molt_ws_recv(w, &m.it, MOLT_FOREVER) == 1) {
		const char *said = m.it.type == MOLT_WS_TEXT ? "text" : "binary";

		molt_ws_send(w, MOLT_WS_TEXT, said, strlen(said));
		molt_ws_send(w, MOLT_WS_TEXT, touched(m.behind), strlen(touched(m.behind)));
	}
}

static void said(molt_ws *w, const molt_ws_msg *m)
{
	molt_ws_send(w, m->type, "heard", 5);
}

static void step(molt_req *r)
{
	molt_res_puts(r, "stepped");
}

static void steps(molt_req *r)
{
	molt_continue(r, "step", 0, NULL, 0);
}

static void set_up(molt_server *s, molt_group *g)
{
	GUARDED(molt_server_opts, server, MOLT_SERVER_OPTS(.workers = 1));
	GUARDED(molt_listen_opts, listening, MOLT_LISTEN_OPTS(.backlog = 10));
	GUARDED(molt_route_opts, route, MOLT_ROUTE_OPTS(.blocking = true));
	GUARDED(molt_static_opts, files, MOLT_STATIC_OPTS(.list = true));
	GUARDED(molt_ws_endpoint, endpoint, MOLT_WS_ENDPOINT(.on_message = said));

	MARK("molt_server_opts", server);
	MARK("molt_listen_opts", listening);
	MARK("molt_route_opts", route);
	MARK("molt_static_opts", files);
	MARK("molt_ws_endpoint", endpoint);
	molt_server_configure(s, &server.it);
	molt_server_listen(s, "127.0.0.1:0", &listening.it);
	molt_bind_opts(g, "/info", info, NULL, &route.it);
	molt_step_bind_opts(s, "step", step, NULL, &route.it);
	molt_static(g, "/files", ".", &files.it);
	molt_ws_bind(g, "/ws", &endpoint.it, NULL);
}

int main(int argc, char **argv)
{
	molt_server *s = molt_server_get(NULL);
	molt_group *g = molt_routes(s);

	if (argc > 1)
		set_in = argv[1];
	set_up(s, g);
	molt_bind(g, "POST /upload", upload, NULL);
	molt_bind(g, "/cookie", cookie, NULL);
	molt_bind(g, "/line", line, NULL);
	molt_bind(g, "/steps", steps, NULL);
	return molt_server_run(s);
}
