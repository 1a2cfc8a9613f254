/* The connection of an event stream; see sse.h.  Always: whole events are in the
 * output, so whatever is not yet sent may move as bytes. */
#include "http/live/sse.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/mem.h"
#include "base/str.h"
#include "http/conn/push.h"

#define MO_SSE_MAGIC 0x73736521u
#define END_WAIT (3 * MOLT_SECOND)
#define DISCARD_MAX (64u * 1024)

struct mo_sse {
	uint32_t magic;
	const mo_sse_user *user;
	void *arg;
	mo_conn *c;  /* NULL: not begun, or gone */
	molt_req *r; /* of mo_sse_serve(), instead */
	mo_push out;
	size_t max_queue, discarded;
	molt_time alive, close_spread;
	bool chunked;
	bool held;    /* the exchange that began it still runs */
	bool leaving; /* the timer says when the drain ends it */
	bool ending;  /* its end is in the output */
	bool lost;
};

static mo_sse *sse_of(const mo_conn *c)
{
	mo_sse *s = c->data;

	MO_MAGIC_OK(s, MO_SSE_MAGIC);
	return s;
}

mo_sse *mo_sse_new(const mo_sse_user *user, void *arg, bool chunked, const mo_http_limits *lim)
{
	mo_sse *s = mo_calloc(1, sizeof(*s));

	s->magic = MO_SSE_MAGIC;
	s->user = user;
	s->arg = arg;
	s->chunked = chunked;
	s->max_queue = lim->ws_max_queue;
	s->alive = lim->ws_ping;
	s->close_spread = lim->ws_close_spread;
	return s;
}

void mo_sse_free(mo_sse *s)
{
	MO_MAGIC_OK(s, MO_SSE_MAGIC);
	MO_CHECK(!s->c);
	mo_push_free(&s->out, NULL);
	s->magic = 0;
	free(s);
}

bool mo_sse_chunked(const mo_sse *s)
{
	return s->chunked;
}

molt_str mo_sse_output(const mo_sse *s)
{
	return mo_push_bytes(&s->out);
}

void mo_sse_put_output(mo_sse *s, molt_str bytes)
{
	MO_CHECK(!s->c && mo_push_pending(&s->out) == 0);
	mo_push_add(&s->out, NULL, bytes.ptr, bytes.len);
}

/* ---- output ---- */

static void add(mo_sse *s, molt_str bytes)
{
	mo_conns *home = s->c ? s->c->home : NULL;
	char size[24];

	if (s->chunked)
		mo_push_add(&s->out, home, size,
			    (size_t)snprintf(size, sizeof(size), "%zx\r\n", bytes.len));
	mo_push_add(&s->out, home, bytes.ptr, bytes.len);
	if (s->chunked)
		mo_push_add(&s->out, home, "\r\n", 2);
}

void mo_sse_write(mo_sse *s, molt_str events)
{
	MO_MAGIC_OK(s, MO_SSE_MAGIC);
	if (s->ending || s->lost || events.len == 0)
		return;
	if (mo_push_too_much(&s->out, events.len, s->max_queue))
		s->lost = true;
	else
		add(s, events);
	if (!s->lost && !mo_push_relieve(&s->out, s->c))
		s->lost = true;
	if (s->c)
		mo_conn_next_turn(s->c);
	else if (s->r)
		s->r->ops->wake(s->r);
}

void mo_sse_end(mo_sse *s, molt_time ms)
{
	char text[48];
	int n = snprintf(text, sizeof(text), "retry: %lld\n\n", (long long)ms);

	if (s->ending || s->lost)
		return;
	add(s, mo_strn(text, (size_t)n));
	if (s->chunked)
		mo_push_add(&s->out, s->c ? s->c->home : NULL, "0\r\n\r\n", 5);
	s->ending = true;
	if (!s->c)
		return;
	mo_conn_deadline(s->c, END_WAIT);
	mo_conn_next_turn(s->c);
}

/* ---- on a stream of HTTP/2 ---- */

/* More may gather while this is on its way. */
static int send_output(mo_sse *s, molt_req *r)
{
	mo_push mine = s->out;
	molt_str bytes = mo_push_bytes(&mine);
	int rc;

	s->out = (mo_push){ 0 };
	rc = r->ops->send(r, bytes.ptr, bytes.len, false);
	mo_push_free(&mine, NULL);
	return rc;
}

/* When the drain is to end it, from now; MOLT_FOREVER: it does not drain. */
static molt_time until_it_leaves(mo_sse *s, const molt_req *r, molt_time *leave)
{
	int closing = atomic_load_explicit(&r->server->closing, memory_order_relaxed);
	molt_time now = mo_loop_now(r->loop);
	molt_time spread = closing == MO_CLOSING_UNMOVABLE ? s->close_spread : 0;

	if (closing == MO_CLOSING_NONE)
		s->leaving = false;
	else if (!s->leaving || spread == 0)
		*leave = now + (spread > 0 ? (molt_time)(r->id % (uint64_t)spread) : 0);
	s->leaving = closing != MO_CLOSING_NONE;
	if (!s->leaving)
		return MOLT_FOREVER;
	return *leave > now ? *leave - now : 0;
}

static int wait_for_output(mo_sse *s, molt_req *r, molt_time *leave)
{
	molt_time left = until_it_leaves(s, r, leave);
	int rc;

	if (left == 0) {
		mo_sse_end(s, 1);
		return 0;
	}
	rc = r->ops->wait(r, left > 0 ? left : s->alive);
	if (rc != -ETIMEDOUT)
		return rc;
	if (!s->leaving)
		add(s, MO_STR(":\n\n"));
	return 0;
}

void mo_sse_serve(mo_sse *s, molt_req *r)
{
	molt_time leave = 0;
	int rc = r->ops->send(r, r->out.data, r->out.len, false);

	MO_MAGIC_OK(s, MO_SSE_MAGIC);
	r->out.len = 0;
	s->r = r;
	while (rc == 0 && !s->lost) {
		if (mo_push_pending(&s->out) > 0)
			rc = send_output(s, r);
		else if (s->ending)
			break;
		else
			rc = wait_for_output(s, r, &leave);
	}
	s->r = NULL;
	r->cut |= s->lost;
}

/* ---- the connection ---- */

static void detach(mo_sse *s)
{
	mo_push_free(&s->out, s->c->home);
	s->c->data = NULL;
	s->c = NULL;
}

static void leave(mo_sse *s)
{
	mo_conn *c = s->c;
	bool politely = !s->lost;

	detach(s);
	if (politely)
		mo_conn_end(c); /* a client sends nothing on a stream */
	else
		mo_conn_close(c);
	s->user->gone(s->arg);
}

static void settle(mo_sse *s)
{
	int rc = s->lost ? -EPIPE : mo_push_flush(&s->out, s->c);

	s->lost |= rc == -EPIPE;
	if (s->held) /* its exchange is about to end */
		return;
	if (s->lost || (s->ending && rc == 0))
		leave(s);
	else
		mo_conn_watch(s->c, UV_READABLE | (rc == -EAGAIN ? s->c->stream->want : 0));
}

/* Nothing is expected from the client but its end. */
static void look_for_end(mo_sse *s)
{
	char trash[4096];
	ssize_t n;

	do {
		n = s->c->stream->ops->read(s->c->stream, trash, sizeof(trash));
		s->discarded += n > 0 ? (size_t)n : 0;
	} while (n > 0 && s->discarded <= DISCARD_MAX);
	s->lost |= n != -EAGAIN;
}

static void sse_on_ready(mo_conn *c, int events)
{
	mo_sse *s = sse_of(c);

	if (events < 0)
		s->lost = true;
	else if (events & UV_READABLE)
		look_for_end(s);
	settle(s);
}

static void sse_on_turn(mo_conn *c)
{
	settle(sse_of(c));
}

static void sse_on_timeout(mo_conn *c)
{
	mo_sse *s = sse_of(c);
	int closing = atomic_load_explicit(&c->server->closing, memory_order_relaxed);

	if (s->ending) {
		s->lost = true;
	} else if (s->leaving && closing != MO_CLOSING_NONE) {
		/* They have been spread already; they come again at once. */
		mo_sse_end(s, 1);
	} else {
		s->leaving = false;
		add(s, MO_STR(":\n\n"));
		s->lost |= mo_push_pending(&s->out) > s->max_queue;
		mo_conn_deadline(c, s->alive);
	}
	settle(s);
}

static void sse_retire(mo_conn *c)
{
	mo_sse *s = sse_of(c);
	int closing = atomic_load_explicit(&c->server->closing, memory_order_relaxed);
	molt_time spread = closing == MO_CLOSING_UNMOVABLE ? s->close_spread : 0;

	if (s->ending || s->lost || closing == MO_CLOSING_NONE ||
	    (closing == MO_CLOSING_UNMOVABLE && mo_conn_may_move(c))) {
		mo_conn_next_turn(c);
		return;
	}
	s->leaving = true;
	mo_conn_deadline(c, spread > 0 ? (molt_time)(mo_conns_next_id(c->home) % (uint64_t)spread)
				       : 0);
	mo_conn_next_turn(c);
}

/* bytes: a second request behind the first, which will not be answered. */
static void sse_begin(mo_conn *c, molt_str bytes)
{
	mo_sse *s = sse_of(c);

	s->c = c;
	s->held = c->state == MO_CONN_RUNNING;
	s->discarded = bytes.len;
	mo_conn_watch(c, 0);
	mo_conn_deadline(c, s->alive);
	if (atomic_load_explicit(&c->server->closing, memory_order_relaxed) != MO_CLOSING_NONE)
		sse_retire(c);
	mo_conn_next_turn(c);
}

static void sse_alone(mo_conn *c)
{
	sse_of(c)->held = false;
	mo_conn_set_state(c, MO_CONN_IDLE);
	mo_conn_next_turn(c);
}

static bool sse_movable(const mo_conn *c)
{
	const mo_sse *s = c->data;

	return s && !s->held && !s->ending && !s->lost && mo_push_pending(&s->out) <= MO_PUSH_MOVES;
}

static molt_str sse_unread(const mo_conn *c)
{
	return (molt_str){ "", 0 };
}

static molt_str sse_state(mo_conn *c)
{
	mo_sse *s = sse_of(c);

	return s->user->state(s->arg);
}

static void sse_cut(mo_conn *c)
{
	mo_sse *s = sse_of(c);

	mo_sse_end(s, 1);
	if (!s->lost)
		(void)mo_push_flush(&s->out, c);
	s->lost = true;
	settle(s);
}

static void sse_closed(mo_conn *c)
{
	mo_sse *s = sse_of(c);

	MO_CHECK(!s->held);
	detach(s);
	s->user->gone(s->arg);
}

const mo_protocol mo_protocol_sse = {
	.name = "event-stream",
	.state_form = { 1, 1 },
	.on_ready = sse_on_ready,
	.on_timeout = sse_on_timeout,
	.on_turn = sse_on_turn,
	.cut = sse_cut,
	.closed = sse_closed,
	.movable = sse_movable,
	.unread = sse_unread,
	.begin = sse_begin,
	.alone = sse_alone,
	.state = sse_state,
	.retire = sse_retire,
};
