/* Requests in parts.  Those to pids, old, show and big may be held (hold.c): their step
 * comes again and again, and does what it is for when the test has released it.
 *
 *   /step/pids    the pid in each part: ?ms= apart, ?hops= steps (1), ?mode= nothing,
 *                 "stream" (flushed) or "length" (flushed, with its length said);
 *                 an event of ?topic= ends the wait
 *   /step/zero    waits of 0 ms until ?moves= (1) other processes had it; all pids
 *   /step/show/{x}  what the step sees of the request; ?ms=
 *   /step/big     ?n= bytes buffered, then a step after ?ms=
 *   /step/blocking  the step blocks a pool thread, as long as it is held
 *   /step/old     its step is bound in build 1 only; ?ms=, ?stream=
 *   /step/tail    writes each event of ?topic= until one says "end"; ?ms= for each
 *   /step/stream  its step makes an event stream of ?topic=
 *   /step/ws      its step opens a WebSocket that echoes
 *   /step/lost/{x}  its step says 404, its group has a page for that
 *   /step/poll    a long poll: the lines of the store behind ?after=, waits for
 *                 some at most ?ms=
 *   /step/post    POST: adds a line to the store and publishes
 *   /step/errors  what molt_continue() refuses
 *   /step/guarded its two steps have middleware: each line names who ran around it;
 *                 ?refuse=1: the middleware answers the steps itself */
#include "app.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *text_or(const char *text, const char *other)
{
	return text ? text : other;
}

/* ---- held ones ---- */

enum { HELD_MS = 5 };

/* The first part: says that it has begun; the delay of its step, ms unless it is held. */
static int hold_delay(molt_req *r, int ms)
{
	return app_hold(r) ? HELD_MS : ms;
}

/* In a step: true when it is held and will come again, with the state that it has. */
static bool comes_again(molt_req *r, const char *step)
{
	size_t len;
	const void *state = molt_req_state(r, &len);

	return app_held(molt_req_query(r, "hold")) &&
	       molt_continue(r, step, HELD_MS, state, len) == 0;
}

/* ---- pids ---- */

struct pids {
	int ms, hops;
	bool flush, padded;
};

static void pids_go_on(molt_req *r, struct pids p)
{
	const char *topic = molt_req_query(r, "topic");

	molt_res_printf(r, p.padded ? "%09d\n" : "%d\n", getpid());
	if (p.flush)
		molt_res_flush(r);
	if (p.hops-- <= 0)
		return;
	if (topic)
		molt_continue_on(r, "pids", topic, p.ms, &p, sizeof(p));
	else
		molt_continue(r, "pids", p.ms, &p, sizeof(p));
}

static void pids(molt_req *r)
{
	const char *mode = text_or(molt_req_query(r, "mode"), "");
	struct pids p = { .ms = hold_delay(r, app_number(r, "ms", 1000)),
			  .hops = app_number(r, "hops", 1),
			  .flush = *mode,
			  .padded = strcmp(mode, "length") == 0 };

	if (p.padded)
		molt_res_length(r, 10 * (size_t)(p.hops + 1));
	pids_go_on(r, p);
}

static void pids_step(molt_req *r)
{
	size_t len;
	const void *state = molt_req_state(r, &len);
	struct pids p;

	if (comes_again(r, "pids"))
		return;
	if (len != sizeof(p)) {
		molt_res_error(r, 500, "the state is of another program");
		return;
	}
	memcpy(&p, state, sizeof(p));
	molt_log(MOLT_INFO, "step of %s", molt_req_id(r));
	pids_go_on(r, p);
}

/* ---- waits of no time ---- */

struct zero {
	int moves, pid;
};

static void zero_go_on(molt_req *r, struct zero z)
{
	if (z.pid != getpid()) {
		molt_res_printf(r, "%d\n", getpid());
		z.pid = getpid();
		z.moves--;
	}
	if (z.moves >= 0)
		molt_continue(r, "zero", 0, &z, sizeof(z));
}

static void zero(molt_req *r)
{
	zero_go_on(r, (struct zero){ .moves = app_number(r, "moves", 1) });
}

static void zero_step(molt_req *r)
{
	struct zero z;

	memcpy(&z, molt_req_state(r, NULL), sizeof(z));
	zero_go_on(r, z);
}

/* ---- what a step sees ---- */

static void note(void *what)
{
	molt_log(MOLT_INFO, "ended: %s", (const char *)what);
}

static void show(molt_req *r)
{
	const char *id = molt_req_id(r);

	molt_defer(r, note, app_text("deferred"));
	molt_req_set(r, "value", app_text("a value"), note);
	molt_res_status(r, 202);
	molt_res_header(r, "X-First", "one");
	molt_res_header_add(r, "X-First", "two");
	molt_res_printf(r, "id=%s\n", id);
	molt_continue(r, "show", hold_delay(r, app_number(r, "ms", 100)), id, strlen(id));
}

static void show_step(molt_req *r)
{
	molt_str body;
	size_t len;

	if (comes_again(r, "show"))
		return;
	molt_req_body(r, &body);
	molt_res_header_add(r, "X-Second", "three");
	molt_res_printf(r,
			"method=%s\ntarget=%s\npath=%s\nparam=%s\nquery=%s\nfield=%s\ncookie=%s\n"
			"host=%s\nip=%s\nid=%s\narg=%s\nvalue=%s\nstate=%s\nform=%s\nbody=",
			molt_req_method(r), molt_req_target(r), molt_req_path(r),
			text_or(molt_req_param(r, "x"), "-"), text_or(molt_req_query(r, "q"), "-"),
			text_or(molt_req_header(r, "x-field"), "-"),
			text_or(molt_req_cookie(r, "c"), "-"), molt_req_host(r),
			molt_req_client_ip(r), molt_req_id(r), (char *)molt_req_arg(r),
			text_or(molt_req_get(r, "value"), "-"), (char *)molt_req_state(r, &len),
			text_or(molt_req_form(r, "f"), "-"));
	molt_res_write(r, body.ptr, body.len);
	molt_res_puts(r, "");
}

/* ---- sizes, threads, builds ---- */

static void big(molt_req *r)
{
	int left = app_number(r, "n", 0);
	char line[100];

	memset(line, 'x', sizeof(line));
	for (; left > 0; left -= (int)sizeof(line))
		molt_res_write(r, line, left < (int)sizeof(line) ? (size_t)left : sizeof(line));
	molt_continue(r, "pid", hold_delay(r, app_number(r, "ms", 0)), NULL, 0);
}

static void pid_step(molt_req *r)
{
	if (comes_again(r, molt_req_arg(r)))
		return;
	molt_res_printf(r, "%d\n", getpid());
}

static void blocking(molt_req *r)
{
	molt_continue(r, "blocking", 0, NULL, 0);
}

static void blocking_step(molt_req *r)
{
	app_hold_thread(app_hold(r));
	molt_res_puts(r, "blocked");
}

static void lost(molt_req *r)
{
	molt_continue(r, "lost", 0, NULL, 0);
}

static void lost_step(molt_req *r)
{
	molt_res_error(r, 404, NULL);
}

static void lost_page(molt_req *r)
{
	molt_res_printf(r, "the group's page about %s\n", molt_req_param(r, "x"));
}

static void old(molt_req *r)
{
	molt_res_puts(r, "first");
	if (molt_req_query(r, "stream"))
		molt_res_flush(r);
	if (molt_continue(r, "old", hold_delay(r, app_number(r, "ms", 1000)), NULL, 0) == -ENOENT)
		molt_res_error(r, 410, NULL);
}

/* ---- events ---- */

static void tail(molt_req *r)
{
	const molt_news *news = molt_req_news(r);
	int err;

	if (news)
		molt_res_printf(r, "%d %s %s\n", getpid(), news->id, news->data.ptr);
	else
		molt_res_puts(r, "begun");
	molt_res_flush(r);
	if (news && strcmp(news->data.ptr, "end") == 0)
		return;
	if (news)
		molt_sleep(app_number(r, "ms", 0));
	err = molt_continue_on(r, "tail", molt_req_query(r, "topic"), 60 * MOLT_SECOND, NULL, 0);
	if (err)
		molt_res_printf(r, "tail: %s\n", molt_strerror(err));
}

static FILE *store(const char *mode)
{
	const char *path = getenv("APP_STORE");

	return path ? fopen(path, mode) : NULL;
}

/* Writes the lines behind line number after; how many there were. */
static int write_lines(molt_req *r, int after)
{
	FILE *f = store("re");
	char line[256];
	int n = 0, at = 0;

	while (f && fgets(line, sizeof(line), f)) {
		if (at++ < after)
			continue;
		molt_res_printf(r, "%s", line);
		n++;
	}
	if (f)
		fclose(f);
	return n;
}

/* Subscribes first and looks then: nothing falls between. */
static void poll_lines(molt_req *r)
{
	int err = molt_continue_on(r, "poll", "store", app_number(r, "ms", 30000), NULL, 0);

	molt_res_header(r, "Content-Type", "text/plain");
	if (err)
		molt_res_error(r, 500, molt_strerror(err));
	else if (write_lines(r, app_number(r, "after", 0)) > 0)
		molt_continue(r, "done", 0, NULL, 0);
}

static void poll_step(molt_req *r)
{
	molt_res_header(r, "X-Early", molt_req_draining(r) ? "yes" : "no");
	if (!molt_req_news(r)) {
		molt_res_status(r, 204);
		return;
	}
	write_lines(r, app_number(r, "after", 0));
}

static void done_step(molt_req *r)
{
}

static void post(molt_req *r)
{
	molt_str body;
	FILE *f = store("ae");

	if (molt_req_body(r, &body) == 0 && f) {
		fprintf(f, "%s\n", body.ptr);
		fflush(f);
		molt_publish("store", NULL, NULL, NULL, 0);
	}
	if (f)
		fclose(f);
	molt_res_puts(r, f ? "ok" : "no store");
}

/* ---- a step that makes something else of the connection ---- */

static void stream(molt_req *r)
{
	molt_continue(r, "stream", 20, NULL, 0);
}

static void stream_step(molt_req *r)
{
	if (molt_sse_subscribe(r, molt_req_query(r, "topic")) == 0)
		molt_res_puts(r, ": welcome\n");
}

static void ws(molt_req *r)
{
	molt_continue(r, "ws", 20, NULL, 0);
}

static void ws_step(molt_req *r)
{
	molt_ws *w = molt_ws_accept(r, NULL);
	molt_ws_msg m = MOLT_WS_MSG();

	while (w && molt_ws_recv(w, &m, MOLT_FOREVER) == 1)
		molt_ws_send(w, m.type, m.data.ptr, m.data.len);
}

/* ---- what is refused ---- */

static void errors(molt_req *r)
{
	static char huge[MOLT_STATE_MAX + 1];

	molt_res_printf(r, "unknown: %s\n",
			molt_strerror(molt_continue(r, "no such step", 0, NULL, 0)));
	molt_res_printf(r, "large: %s\n",
			molt_strerror(molt_continue(r, "pid", 0, huge, sizeof(huge))));
	molt_res_printf(r, "delay: %s\n", molt_strerror(molt_continue(r, "pid", -1, NULL, 0)));
	molt_res_printf(r, "topic: %s\n",
			molt_strerror(molt_continue_on(r, "pid", "", 0, NULL, 0)));
}

static void unread(molt_req *r)
{
	molt_res_printf(r, "%s\n", molt_strerror(molt_continue(r, "pid", 0, NULL, 0)));
}

/* ---- guarded ---- */

static void around(molt_req *r)
{
	molt_res_printf(r, "%s(", (const char *)molt_req_arg(r));
	molt_next(r);
	molt_res_puts(r, ")");
}

static void guard(molt_req *r)
{
	if (molt_req_query(r, "refuse")) {
		molt_res_error(r, 403, "not any more");
		return;
	}
	molt_req_set(r, "who", molt_req_arg(r), NULL);
	molt_next(r);
}

static void guarded(molt_req *r)
{
	molt_res_printf(r, "first");
	molt_continue(r, "guarded", 0, "2", 1);
}

static void guarded_step(molt_req *r)
{
	size_t len;
	const char *state = molt_req_state(r, &len);

	molt_res_printf(r, "%s %s", (const char *)molt_req_get(r, "who"),
			(const char *)molt_req_arg(r));
	if (*state > '1')
		molt_continue(r, "guarded", 0, "1", 1);
}

static void bind_guarded(molt_server *s)
{
	molt_group *outer = molt_group_new(molt_routes(s), "/step/guarded"),
		   *inner = molt_group_new(outer, "/in");

	molt_group_use(outer, around, app_text("use"));
	molt_group_use_steps(outer, around, app_text("outer"));
	molt_group_use_steps(inner, guard, app_text("guard"));
	molt_group_use_steps(inner, around, app_text("inner"));
	molt_bind(inner, "/{x}", guarded, NULL);
	molt_step_bind(s, "guarded", guarded_step, app_text("step"));
}

void app_step_routes(molt_server *s)
{
	molt_group *g = molt_routes(s), *lost_group = molt_group_new(g, "/step/lost");
	molt_route_opts pool = MOLT_ROUTE_OPTS(.blocking = true),
			streamed = MOLT_ROUTE_OPTS(.stream_body = true);

	molt_bind(g, "/step/pids", pids, NULL);
	molt_bind(g, "/step/zero", zero, NULL);
	molt_step_bind(s, "pids", pids_step, NULL);
	molt_step_bind(s, "zero", zero_step, NULL);
	molt_bind(g, "/step/show/{x}", show, NULL);
	molt_step_bind(s, "show", show_step, app_text("an argument"));
	molt_bind(g, "/step/big", big, NULL);
	molt_step_bind(s, "pid", pid_step, app_text("pid"));
	molt_bind_opts(g, "/step/blocking", blocking, NULL, &pool);
	molt_step_bind_opts(s, "blocking", blocking_step, NULL, &pool);
	molt_bind(g, "/step/old", old, NULL);
	molt_group_on_status(lost_group, 404, lost_page, NULL);
	molt_bind(lost_group, "/{x}", lost, NULL);
	molt_step_bind(s, "lost", lost_step, NULL);
	if (strcmp(BUILD, "1") == 0)
		molt_step_bind(s, "old", pid_step, app_text("old"));
	molt_bind(g, "/step/stream", stream, NULL);
	molt_step_bind(s, "stream", stream_step, NULL);
	molt_bind(g, "/step/ws", ws, NULL);
	molt_step_bind(s, "ws", ws_step, NULL);
	molt_bind(g, "/step/tail", tail, NULL);
	molt_step_bind(s, "tail", tail, NULL);
	molt_bind(g, "/step/poll", poll_lines, NULL);
	molt_step_bind(s, "poll", poll_step, NULL);
	molt_step_bind(s, "done", done_step, NULL);
	molt_bind(g, "POST /step/post", post, NULL);
	molt_bind(g, "/step/errors", errors, NULL);
	molt_bind_opts(g, "POST /step/unread", unread, NULL, &streamed);
	bind_guarded(s);
}
