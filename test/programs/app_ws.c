/* WebSockets and event streams of the test application.
 *
 *   /ws/count    movable: answers "K MESSAGE", K counts this socket's messages and
 *                is saved and restored; "!close CODE", "!pid", "!big N", "!slow MS"
 *   /ws/close    closes the newest of them behind the switch of a restart, 300 ms later
 *   /ws/topic    movable: subscribes to ?topic=
 *   /ws/stays    without save(): echoes
 *   /ws/broken   save() fails
 *   /ws/line     straight-line: echoes
 *   /events      event stream of ?topic=, movable
 *   /events-line event stream, straight-line: ?n= events, ?ms= apart
 *   /publish     POST: ?topic= &event= &id=, the body is the data */
#include "app.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct counter {
	unsigned long count;
};

static _Atomic(molt_ws *) newest;

static void say(molt_ws *w, const char *text)
{
	molt_ws_send(w, MOLT_WS_TEXT, text, strlen(text));
}

static int count_open(molt_ws *w, molt_req *r)
{
	const char *hello = molt_req_query(r, "hello");

	if (molt_req_query(r, "refuse"))
		return -EACCES;
	molt_ws_set(w, calloc(1, sizeof(struct counter)));
	newest = w;
	if (hello)
		say(w, hello);
	return 0;
}

static void send_big(molt_ws *w, long n)
{
	char *p = malloc((size_t)n + 1);

	memset(p, 'x', (size_t)n);
	molt_ws_send(w, MOLT_WS_TEXT, p, (size_t)n);
	free(p);
}

static void count_message(molt_ws *w, const molt_ws_msg *m)
{
	struct counter *c = molt_ws_get(w);
	char head[32], *out;
	int n = snprintf(head, sizeof(head), "%lu ", ++c->count);

	if (m->data.len > 7 && memcmp(m->data.ptr, "!close ", 7) == 0) {
		molt_ws_close(w, atoi(m->data.ptr + 7), "asked");
		return;
	}
	if (m->data.len > 5 && memcmp(m->data.ptr, "!big ", 5) == 0) {
		send_big(w, atol(m->data.ptr + 5));
		return;
	}
	if (m->data.len > 6 && memcmp(m->data.ptr, "!slow ", 6) == 0)
		molt_sleep(atoi(m->data.ptr + 6));
	if (strcmp(m->data.ptr, "!pid") == 0) {
		snprintf(head, sizeof(head), "%d", getpid());
		say(w, head);
		return;
	}
	out = malloc((size_t)n + m->data.len);
	memcpy(out, head, (size_t)n);
	memcpy(out + n, m->data.ptr, m->data.len);
	molt_ws_send(w, m->type, out, (size_t)n + m->data.len);
	free(out);
}

/* What molt.h does not promise: the socket is used outside of its callbacks (of one loop,
 * and not after its end). */
static void close_newest(molt_req *r)
{
	while (newest && !molt_req_draining(r))
		molt_sleep(10);
	molt_sleep(300);
	molt_res_printf(r, "%d\n", newest ? molt_ws_close(newest, 3000, "by another") : 1);
}

static void count_close(molt_ws *w, int code)
{
	molt_ws *mine = w;

	atomic_compare_exchange_strong(&newest, &mine, NULL);
	if (code != MOLT_WS_MOVED)
		molt_log(MOLT_INFO, "ws closed %d", code);
	free(molt_ws_get(w));
}

static int count_save(molt_ws *w, void **buf, size_t *len)
{
	*buf = malloc(sizeof(struct counter));
	memcpy(*buf, molt_ws_get(w), sizeof(struct counter));
	*len = sizeof(struct counter);
	return 0;
}

static int count_restore(molt_ws *w, const void *buf, size_t len)
{
	const char *slow = getenv("APP_RESTORE_MS");
	struct counter *c;

	if (len != sizeof(*c))
		return -EINVAL;
	if (slow) {
		molt_log(MOLT_INFO, "restoring");
		molt_sleep(abs(atoi(slow)));
		if (atoi(slow) < 0)
			return -ECANCELED;
	}
	c = malloc(sizeof(*c));
	memcpy(c, buf, sizeof(*c));
	molt_ws_set(w, c);
	return 0;
}

static int topic_open(molt_ws *w, molt_req *r)
{
	return molt_ws_subscribe(w, molt_req_query(r, "topic"));
}

static int nothing_save(molt_ws *w, void **buf, size_t *len)
{
	*buf = NULL;
	*len = 0;
	return 0;
}

static int nothing_restore(molt_ws *w, const void *buf, size_t len)
{
	return 0;
}

static int failing_save(molt_ws *w, void **buf, size_t *len)
{
	return -EIO;
}

static void echo_message(molt_ws *w, const molt_ws_msg *m)
{
	molt_ws_send(w, m->type, m->data.ptr, m->data.len);
}

static void line(molt_req *r)
{
	molt_ws *w = molt_ws_accept(r, "chat");
	molt_ws_msg m = MOLT_WS_MSG();

	if (!w)
		return;
	while (molt_ws_recv(w, &m, MOLT_FOREVER) == 1)
		molt_ws_send(w, m.type, m.data.ptr, m.data.len);
	molt_log(MOLT_INFO, "line closed %d", molt_ws_code(w));
}

static void events(molt_req *r)
{
	int err = molt_sse_subscribe(r, molt_req_query(r, "topic"));

	if (err)
		molt_res_error(r, 400, molt_strerror(err));
	else
		molt_res_puts(r, ": welcome\n");
}

static void events_line(molt_req *r)
{
	int n = app_number(r, "n", 5), ms = app_number(r, "ms", 100);

	molt_sse_open(r);
	for (int i = 1; i <= n; i++) {
		char text[32];

		snprintf(text, sizeof(text), "%d", i);
		if (molt_sse_send(r, "tick", text, text) < 0)
			break;
		molt_sleep(ms);
	}
}

static void publish(molt_req *r)
{
	molt_str body = { "", 0 };
	int err = molt_req_body(r, &body);
	char pid[16];

	snprintf(pid, sizeof(pid), "%d", getpid());
	if (!err)
		err = molt_publish(molt_req_query(r, "topic"), molt_req_query(r, "event"),
				   molt_req_query(r, "id"), body.ptr, body.len);
	molt_res_header(r, "X-Pid", pid);
	molt_res_printf(r, "%s\n", err ? molt_strerror(err) : "ok");
}

void app_ws_routes(molt_server *s)
{
	static const molt_ws_endpoint count =
		MOLT_WS_ENDPOINT(.on_open = count_open, .on_message = count_message,
				 .on_close = count_close, .save = count_save,
				 .restore = count_restore, .subprotocol = "count");
	static const molt_ws_endpoint topic =
		MOLT_WS_ENDPOINT(.on_open = topic_open, .save = nothing_save,
				 .restore = nothing_restore);
	static const molt_ws_endpoint stays = MOLT_WS_ENDPOINT(.on_message = echo_message);
	static const molt_ws_endpoint broken =
		MOLT_WS_ENDPOINT(.on_message = echo_message, .save = failing_save,
				 .restore = nothing_restore);
	molt_group *g = molt_routes(s);

	molt_ws_bind(g, "/ws/count", &count, NULL);
	molt_bind(g, "/ws/close", close_newest, NULL);
	molt_ws_bind(g, "/ws/topic", &topic, NULL);
	molt_ws_bind(g, "/ws/stays", &stays, NULL);
	molt_ws_bind(g, "/ws/broken", &broken, NULL);
	if (strcmp(BUILD, "1") == 0)
		molt_ws_bind(g, "/ws/old", &topic, NULL);
	molt_bind(g, "/ws/line", line, NULL);
	molt_bind(g, "/events", events, NULL);
	molt_bind(g, "/events-line", events_line, NULL);
	molt_bind(g, "POST /publish", publish, NULL);
}
