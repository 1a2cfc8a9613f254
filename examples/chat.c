/* A chat whose rooms go on through restarts: what a WebSocket says goes to every
 * WebSocket and event stream of its room.
 *
 *   ws://localhost:8199/ws/ROOM      says and hears
 *   http://localhost:8199/events/ROOM  hears
 *
 * Each line begins with the number that its socket has counted; save() and
 * restore() carry that count into the next generation. */
#include <molt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROOM_MAX 64

struct member {
	char room[ROOM_MAX];
	unsigned said;
};

static int joined(molt_ws *w, molt_req *r)
{
	const char *room = molt_req_param(r, "room");
	struct member *m;

	if (strlen(room) >= ROOM_MAX)
		return -1;
	m = calloc(1, sizeof(*m));
	if (!m)
		return -1;
	strcpy(m->room, room);
	molt_ws_set(w, m);
	return molt_ws_subscribe(w, room);
}

static void said(molt_ws *w, const molt_ws_msg *msg)
{
	struct member *m = molt_ws_get(w);
	char line[4096];
	int n = snprintf(line, sizeof(line), "%u: %s", ++m->said, msg->data.ptr);

	if (msg->type == MOLT_WS_TEXT && n < (int)sizeof(line))
		molt_publish(m->room, "said", NULL, line, (size_t)n);
	else
		molt_ws_close(w, 1009, "a line of text, please");
}

static void left(molt_ws *w, int code)
{
	free(molt_ws_get(w));
}

static int save(molt_ws *w, void **buf, size_t *len)
{
	*len = sizeof(struct member);
	*buf = malloc(*len);
	if (!*buf)
		return -1;
	memcpy(*buf, molt_ws_get(w), *len);
	return 0;
}

static int restore(molt_ws *w, const void *buf, size_t len)
{
	struct member *m = malloc(sizeof(*m));

	if (!m || len != sizeof(*m)) {
		free(m);
		return -1;
	}
	memcpy(m, buf, len);
	molt_ws_set(w, m);
	return 0;
}

static void events(molt_req *r)
{
	if (molt_sse_subscribe(r, molt_req_param(r, "room")) < 0)
		molt_res_error(r, 400, "no such room");
}

int main(void)
{
	static const molt_ws_endpoint chat =
		MOLT_WS_ENDPOINT(.on_open = joined, .on_message = said, .on_close = left,
				 .save = save, .restore = restore);
	molt_server *s = molt_server_get(NULL);

	molt_ws_bind(molt_routes(s), "/ws/{room}", &chat, NULL);
	molt_bind(molt_routes(s), "GET /events/{room}", events, NULL);
	molt_server_set_graceful(s, true);
	molt_server_enable_admin(s, NULL);
	molt_server_set_port(s, 8199);
	return molt_server_run(s);
}
