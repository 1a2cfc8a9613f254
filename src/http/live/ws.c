/* A WebSocket and its connection: reading, sending, pings, the drain, the end.
 * See ws.h for the states; messages are made in ws_frame.c.
 *
 * Always: the connection is closed or left from here only, in a turn of the loop
 * and never while an exchange runs on it. */
#include "http/live/ws.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/check.h"
#include "base/mem.h"
#include "base/str.h"
#include "http/conn/memory.h"
#include "http/live/ws_deflate.h"
#include "http/live/ws_internal.h"

#define CLOSE_WAIT (3 * MOLT_SECOND)

enum { CODE_AWAY = 1001, CODE_LOST = 1006, CODE_RESTART = 1012 };

static mo_ws *ws_of(const mo_conn *c)
{
	mo_ws *w = c->data;

	MO_MAGIC_OK(w, MO_WS_MAGIC);
	return w;
}

mo_ws *mo_ws_new(const mo_ws_user *user, void *arg, bool line, bool deflate,
		 const mo_http_limits *lim)
{
	mo_ws *w = mo_calloc(1, sizeof(*w));

	w->magic = MO_WS_MAGIC;
	w->user = user;
	w->arg = arg;
	w->line = line;
	w->deflate = deflate;
	w->max_message = lim->ws_max_message;
	w->max_queue = lim->ws_max_queue;
	w->ping = lim->ws_ping;
	w->close_spread = lim->ws_close_spread;
	mo_ws_frames_init(w);
	return w;
}

void mo_ws_free(mo_ws *w)
{
	MO_MAGIC_OK(w, MO_WS_MAGIC);
	MO_CHECK(!w->c);
	wslay_event_context_free(w->frames);
	mo_push_free(&w->out, NULL);
	mo_buf_free(&w->in);
	mo_buf_free(&w->msg);
	mo_memory_track(&w->counted, 0);
	w->magic = 0;
	free(w);
}

void mo_ws_drop(mo_ws *w)
{
	MO_CHECK(!w->c);
	w->over = true;
	w->code = CODE_LOST;
}

int mo_ws_code(const mo_ws *w)
{
	return w->code;
}

void mo_ws_want_room(mo_ws *w)
{
	w->room_wanted = true;
}

size_t mo_ws_queued(const mo_ws *w)
{
	return mo_push_pending(&w->out);
}

bool mo_ws_deflates(const mo_ws *w)
{
	return w->deflate;
}

molt_str mo_ws_output(const mo_ws *w)
{
	return mo_push_bytes(&w->out);
}

void mo_ws_put_output(mo_ws *w, molt_str bytes)
{
	MO_CHECK(!w->c && mo_push_pending(&w->out) == 0);
	mo_push_add(&w->out, NULL, bytes.ptr, bytes.len);
}

/* ---- the end ---- */

/* Nothing will be read or sent any more; detached when no exchange runs. */
static void end(mo_ws *w, int code)
{
	mo_conn *c = w->c;

	if (w->over)
		return;
	w->over = true;
	if (w->code == 0)
		w->code = code;
	atomic_store_explicit(&c->lost, true, memory_order_relaxed);
	mo_conn_watch(c, 0);
	mo_timer_stop(mo_conn_loop(c), &c->timer);
	if (w->held || w->room_wanted)
		w->user->ready(w->arg);
	w->room_wanted = false;
}

static void lost(mo_ws *w)
{
	w->code = w->code ? w->code : CODE_LOST;
	mo_push_free(&w->out, w->c->home);
	w->full = true; /* there is nothing to linger for */
	end(w, CODE_LOST);
}

static void detach(mo_ws *w)
{
	mo_conns *home = w->home;

	if (w->in.data)
		mo_conns_buf_put(home, &w->in);
	mo_push_free(&w->out, home);
	w->c->data = NULL;
	w->c = NULL;
	w->home = NULL;
}

static void leave(mo_ws *w)
{
	mo_conn *c = w->c;
	bool politely = !w->full;

	detach(w);
	if (politely)
		mo_conn_linger(c);
	else
		mo_conn_close(c);
	w->user->gone(w->arg);
}

/* ---- after each event ---- */

static void start_close(mo_ws *w, int code)
{
	(void)mo_ws_close(w, code, (molt_str){ "", 0 });
}

/* Whoever has begun the closing handshake, the client has so long for its part. */
static void time_close(mo_ws *w)
{
	if (!w->closing || w->close_timed || w->over)
		return;
	w->close_timed = true;
	mo_conn_deadline(w->c, CLOSE_WAIT);
}

static void watch(mo_ws *w, bool blocked)
{
	int events = 0;

	if (mo_ws_hungry(w)) {
		events |= UV_READABLE;
		if (w->c->stream->ops->pending(w->c->stream))
			mo_conn_next_turn(w->c);
	}
	if (blocked)
		events |= w->c->stream->want;
	mo_conn_watch(w->c, events);
}

/* Sends, then waits for what is needed next, or leaves.  w may be gone after it. */
static void settle(mo_ws *w)
{
	bool blocked = false;

	time_close(w);
	if (!w->over) {
		int rc = w->full ? -EPIPE : mo_push_flush(&w->out, w->c);

		blocked = rc == -EAGAIN;
		if (rc == -EPIPE)
			lost(w);
		else if (w->ending && !blocked)
			end(w, CODE_LOST);
	}
	if (!blocked && w->room_wanted) {
		w->room_wanted = false;
		w->user->ready(w->arg);
	}
	if (!w->over)
		watch(w, blocked);
	else if (!w->held)
		leave(w);
}

/* Makes a message if there is none, and tells. */
static void pump(mo_ws *w)
{
	bool ended = w->ending;

	w->turn_count = 0;
	if (!w->taken)
		mo_ws_decode(w);
	if (w->ending && !ended)
		mo_conn_deadline(w->c, CLOSE_WAIT);
	/* A line form that waits for room or for a message is woken by either. */
	if (w->has_msg || w->line)
		w->user->ready(w->arg);
}

static void read_some(mo_ws *w)
{
	mo_conn *c = w->c;
	ssize_t n;

	if (!w->in.data)
		w->in = mo_conns_buf_get(c->home);
	if (w->in_at > 0) {
		mo_buf_consume(&w->in, w->in_at);
		w->in_at = 0;
	}
	if (w->in.cap < MO_LOOP_BUFFER)
		mo_buf_reserve(&w->in, MO_LOOP_BUFFER - w->in.len);
	n = c->stream->ops->read(c->stream, w->in.data + w->in.len, w->in.cap - w->in.len);
	if (n > 0) {
		w->in.len += (size_t)n;
		w->pinged = false;
		if (!w->closing && !w->leaving && !w->ending)
			mo_conn_deadline(c, w->ping);
	} else {
		if (w->in.len == 0)
			mo_conns_buf_put(c->home, &w->in);
		if (n != -EAGAIN)
			lost(w);
	}
}

static void look_around(mo_conn *c);

static void ws_on_ready(mo_conn *c, int events)
{
	mo_ws *w = ws_of(c);

	if (events < 0)
		lost(w);
	else if (mo_ws_hungry(w))
		read_some(w);
	if (!w->over)
		pump(w);
	settle(w);
}

static void ws_on_turn(mo_conn *c)
{
	mo_ws *w = ws_of(c);

	if (w->over) {
		settle(w);
		return;
	}
	if (w->fresh)
		look_around(c);
	if (mo_ws_hungry(w) && c->stream->ops->pending(c->stream))
		read_some(w);
	if (!w->over)
		pump(w);
	settle(w);
}

static void ws_on_timeout(mo_conn *c)
{
	mo_ws *w = ws_of(c);
	int closing = atomic_load_explicit(&c->server->closing, memory_order_relaxed);

	if (w->closing || w->ending) {
		lost(w);
	} else if (w->leaving && closing != MO_CLOSING_NONE) {
		start_close(w, atomic_load(&c->server->replaced) ? CODE_RESTART : CODE_AWAY);
	} else if (w->pinged && mo_ws_hungry(w)) {
		lost(w);
	} else {
		/* While the upper layer works on a message, nothing is read, and no
		 * pong can be seen. */
		w->leaving = false;
		w->pinged = mo_ws_hungry(w);
		if (w->pinged)
			mo_ws_ping(w);
		mo_conn_deadline(c, w->ping);
	}
	settle(w);
}

/* ---- beginning, moving, draining ---- */

static void ws_begin(mo_conn *c, molt_str bytes)
{
	mo_ws *w = ws_of(c);

	w->c = c;
	w->home = c->home;
	w->held = c->state == MO_CONN_RUNNING;
	if (bytes.len)
		mo_buf_add(&w->in, bytes.ptr, bytes.len);
	mo_conn_deadline(c, w->ping);
	mo_conn_watch(c, 0);
	w->fresh = true;
	if (w->line || !w->held)
		mo_conn_next_turn(c);
}

/* One that began while the server drains has not been told. */
static void look_around(mo_conn *c)
{
	ws_of(c)->fresh = false;
	if (atomic_load_explicit(&c->server->closing, memory_order_relaxed) != MO_CLOSING_NONE)
		c->proto->retire(c);
}

static void ws_alone(mo_conn *c)
{
	mo_ws *w = ws_of(c);

	w->held = false;
	mo_conn_set_state(c, MO_CONN_IDLE);
	if (w->line && !w->over)
		start_close(w, 1000);
	mo_conn_next_turn(c);
}

static void go_on(mo_ws *w)
{
	w->hold = false;
	w->user->save(w->arg, false);
	mo_conn_next_turn(w->c);
}

static void ws_retire(mo_conn *c)
{
	mo_ws *w = ws_of(c);
	int closing = atomic_load_explicit(&c->server->closing, memory_order_relaxed);
	molt_time spread = closing == MO_CLOSING_UNMOVABLE ? w->close_spread : 0;

	if (w->over || w->closing || w->ending)
		return;
	if (mo_conn_leaves(c) && !w->line) {
		w->hold = true;
		w->user->save(w->arg, true);
		/* Without save() it does not move. */
		if (w->hold)
			return;
	}
	if (w->hold || c->stays || closing == MO_CLOSING_NONE)
		go_on(w);
	if (closing == MO_CLOSING_NONE)
		return;
	w->leaving = true;
	mo_conn_deadline(c, spread > 0 ? (molt_time)(mo_conns_next_id(c->home) % (uint64_t)spread)
				       : 0);
}

void mo_ws_stay(mo_ws *w)
{
	w->hold = false;
	w->fresh = true;
	w->c->stays = true;
	mo_conn_next_turn(w->c);
}

static bool ws_movable(const mo_conn *c)
{
	const mo_ws *w = c->data;

	return w && !w->held && w->hold && !w->closing && !w->ending && !w->over && !w->has_msg &&
	       !w->taken && !w->full && mo_ws_at_boundary(w) &&
	       mo_push_pending(&w->out) <= MO_PUSH_MOVES &&
	       w->in.len - w->in_at <= MO_LOOP_BUFFER && w->user->saved(w->arg);
}

static molt_str ws_unread(const mo_conn *c)
{
	const mo_ws *w = ws_of(c);

	return (molt_str){ w->in.data ? w->in.data + w->in_at : "", w->in.len - w->in_at };
}

static molt_str ws_state(mo_conn *c)
{
	mo_ws *w = ws_of(c);

	return w->user->state(w->arg);
}

static void ws_cut(mo_conn *c)
{
	mo_ws *w = ws_of(c);

	if (!w->closing && !w->ending)
		start_close(w, atomic_load(&c->server->replaced) ? CODE_RESTART : CODE_AWAY);
	(void)mo_push_flush(&w->out, c);
	w->full = true;
	w->user->cut(w->arg);
	end(w, CODE_LOST);
	settle(w);
}

static void ws_closed(mo_conn *c)
{
	mo_ws *w = ws_of(c);

	MO_CHECK(!w->held);
	/* The close frame is the taker's to send, and it has not heard of it. */
	if (c->moved && w->closing)
		(void)shutdown(c->stream->fd, SHUT_RDWR);
	w->over = true;
	w->code = c->moved ? 0 : w->code ? w->code : CODE_LOST;
	detach(w);
	w->user->gone(w->arg);
}

static void ws_loop_ends(mo_conns *home)
{
	mo_ws_zlib_free(home->zlib);
	home->zlib = NULL;
}

const mo_protocol mo_protocol_ws = {
	.name = "websocket",
	.state_form = { 1, 1 },
	.on_ready = ws_on_ready,
	.on_timeout = ws_on_timeout,
	.on_turn = ws_on_turn,
	.cut = ws_cut,
	.closed = ws_closed,
	.movable = ws_movable,
	.unread = ws_unread,
	.begin = ws_begin,
	.alone = ws_alone,
	.state = ws_state,
	.retire = ws_retire,
	.loop_ends = ws_loop_ends,
};
