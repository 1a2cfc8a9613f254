/* The program of the README: a little of everything, to be restarted while it
 * works.  Usage: demo [config.yaml]; without a file it listens on port 8199.
 * DEMO_STATIC is the folder of /static/, for want of that of the source tree. */
#include <molt.h>
#include <stdlib.h>
#include <unistd.h>

#ifndef STATIC_DIR
#define STATIC_DIR "examples/static"
#endif

/* The number in query parameter name, when it is one from 0 to max. */
static int query_number(molt_req *r, const char *name, int fallback, int max)
{
	const char *text = molt_req_query(r, name);
	char *end;
	long n;

	if (!text || !*text)
		return fallback;
	n = strtol(text, &end, 10);
	return *end || n < 0 || n > max ? fallback : (int)n;
}

static void hello(molt_req *r)
{
	molt_res_puts(r, "Hello!");
}

static void pid(molt_req *r)
{
	molt_res_printf(r, "%d\n", getpid());
}

/* The pid, a pause, the pid again: the same one, whatever happens meanwhile. */
static void slow(molt_req *r)
{
	molt_res_printf(r, "%d\n", getpid());
	molt_sleep(query_number(r, "s", 10, 3600) * MOLT_SECOND);
	molt_res_printf(r, "%d\n", getpid());
}

/* The same in two parts: a restart in between moves the request, and the second pid
 * is the new program's.  ?stream=1 sends the first one at once. */
static void sleep_steps(molt_req *r)
{
	molt_res_printf(r, "%d\n", getpid());
	if (query_number(r, "stream", 0, 1))
		molt_res_flush(r);
	molt_continue(r, "sleep-steps.end", query_number(r, "s", 10, 3600) * MOLT_SECOND, NULL, 0);
}

static void echo(molt_req *r)
{
	molt_str body;

	if (molt_req_body(r, &body) != 0)
		return; /* the status is set; the client learns it */
	molt_res_header(r, "Content-Type", "application/octet-stream");
	molt_res_write(r, body.ptr, body.len);
}

/* A line a second, each sent at once. */
static void stream(molt_req *r)
{
	int lines = query_number(r, "n", 10, 100000);

	molt_res_header(r, "Content-Type", "text/plain; charset=utf-8");
	for (int i = 1; i <= lines; i++) {
		molt_res_printf(r, "%d %d\n", getpid(), i);
		if (molt_res_flush(r) != 0)
			return; /* the client has gone */
		if (i < lines)
			molt_sleep(MOLT_SECOND);
	}
}

/* A WebSocket that repeats what it hears. */
static void repeat(molt_ws *w, const molt_ws_msg *m)
{
	molt_ws_send(w, m->type, m->data.ptr, m->data.len);
}

/* It knows nothing that the next generation would miss, and moves. */
static int save(molt_ws *w, void **buf, size_t *len)
{
	*buf = NULL;
	*len = 0;
	return 0;
}

static int restore(molt_ws *w, const void *buf, size_t len)
{
	return 0;
}

/* A program that is installed somewhere else goes without that route. */
static void bind_static(molt_group *g)
{
	const char *dir = getenv("DEMO_STATIC");

	if (!dir || !*dir)
		dir = STATIC_DIR;
	if (access(dir, R_OK | X_OK) == 0)
		molt_static(g, "/static/", dir, NULL);
	else
		molt_log(MOLT_WARN, "no /static/: %s cannot be read; set DEMO_STATIC", dir);
}

int main(int argc, char **argv)
{
	static const molt_ws_endpoint ws = MOLT_WS_ENDPOINT(.on_message = repeat, .save = save,
							    .restore = restore);
	molt_server *s;
	molt_group *g;

	if (argc > 1 && molt_config_load(argv[1]) != 0)
		return 1;
	s = molt_server_get(NULL);
	g = molt_routes(s);
	molt_bind(g, "/", hello, NULL);
	molt_bind(g, "/pid", pid, NULL);
	molt_bind(g, "/sleep", slow, NULL);
	molt_bind(g, "/sleep-steps", sleep_steps, NULL);
	molt_step_bind(s, "sleep-steps.end", pid, NULL);
	molt_bind(g, "POST /echo", echo, NULL);
	molt_bind(g, "/stream", stream, NULL);
	molt_ws_bind(g, "/ws", &ws, NULL);
	bind_static(g);
	molt_server_set_graceful(s, true);
	molt_server_enable_admin(s, NULL);
	if (!molt_config_str("server.address", NULL))
		molt_server_set_port(s, 8199);
	return molt_server_run(s);
}
