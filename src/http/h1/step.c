/* The connection of a request that waits; see step.h.  Always: nothing is read
 * from it, and only its end is watched for. */
#include "http/h1/step.h"

#include <errno.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"
#include "http/conn/conn_protocol.h"
#include "http/h1/step_state.h"

#define MO_STEP_MAGIC 0x73746570u
#define AGAIN (1 * MOLT_SECOND) /* the longest wait for events that begins in a drain */
#define FIXED_SIZE 256u
#define OFFER_TIME 20 /* ms that a wait of 0 lasts at most when a successor could take it */

struct mo_step {
	uint32_t magic;
	const mo_step_user *user;
	void *arg;
	mo_conn *c;     /* NULL: NEW */
	molt_req *r;    /* of mo_step_wait_here(), instead */
	mo_buf in;      /* read behind the request */
	mo_buf request; /* mo_step_state without times and the user's part */
	mo_buf packed;
	size_t counted; /* of the request and what was read, in the budget (memory.h) */
	/* Monotonic; INT64_MAX: never. */
	molt_time started, until, write_deadline;
	molt_time leave; /* the drain wants it to end then */
	bool listens, woken;
	bool met_turn;     /* a turn of the loop has passed in which it could move */
	molt_time offered; /* until then it waits to be taken; 0: not yet */
	bool held;         /* the exchange that began it still runs */
	bool cut;          /* ... and it is to be cut then */
};

static mo_step *step_of(const mo_conn *c)
{
	mo_step *s = c->data;

	MO_MAGIC_OK(s, MO_STEP_MAGIC);
	return s;
}

mo_step *mo_step_new(const mo_step_user *user, void *arg)
{
	mo_step *s = mo_calloc(1, sizeof(*s));

	s->magic = MO_STEP_MAGIC;
	s->user = user;
	s->arg = arg;
	s->leave = INT64_MAX;
	return s;
}

static void forget(mo_step *s)
{
	mo_buf_free(&s->in);
	mo_buf_free(&s->request);
	mo_buf_free(&s->packed);
	mo_memory_track(&s->counted, 0);
	s->c = NULL;
	s->leave = INT64_MAX;
	s->woken = s->met_turn = false;
	s->offered = 0;
}

void mo_step_free(mo_step *s)
{
	MO_MAGIC_OK(s, MO_STEP_MAGIC);
	MO_CHECK(!s->c);
	forget(s);
	s->magic = 0;
	free(s);
}

static molt_time moment(molt_time now, molt_time ms)
{
	return ms < 0 ? INT64_MAX : now + (ms < MO_STEP_LONGEST ? ms : MO_STEP_LONGEST);
}

static molt_time from_now(molt_time now, molt_time at)
{
	if (at == INT64_MAX)
		return MOLT_FOREVER;
	return at > now ? at - now : 0;
}

void mo_step_set(mo_step *s, molt_time wait, bool listens)
{
	MO_CHECK(!s->c);
	s->until = moment(mo_now(), wait);
	s->listens = listens;
	s->woken = false;
}

void mo_step_wake(mo_step *s)
{
	s->woken = true;
	if (s->c)
		mo_conn_next_turn(s->c);
	else if (s->r)
		s->r->ops->wake(s->r);
}

/* ---- in the coroutine of its exchange ---- */

/* The drain's wish, as step_retire() and step_begin() have it. */
static void leave_soon(mo_step *s, const molt_req *r, molt_time now)
{
	int closing = atomic_load_explicit(&r->server->closing, memory_order_relaxed);
	molt_time spread = r->server->lim.ws_close_spread;

	if (closing == MO_CLOSING_NONE)
		s->leave = INT64_MAX;
	else if (s->leave == INT64_MAX)
		s->leave = now + (closing == MO_CLOSING_ALL || spread <= 0
					  ? 0
					  : (molt_time)(r->id % (uint64_t)spread));
}

int mo_step_wait_here(mo_step *s, molt_req *r)
{
	int rc = 0;

	s->r = r;
	if (atomic_load_explicit(&r->server->closing, memory_order_relaxed) != MO_CLOSING_NONE)
		s->leave = mo_loop_now(r->loop) + AGAIN;
	while (rc != -EPIPE && !s->woken) {
		molt_time now = mo_loop_now(r->loop), due = s->until;

		leave_soon(s, r, now);
		if (s->listens && s->leave < due)
			due = s->leave;
		if (due <= now)
			break;
		rc = r->ops->wait(r, from_now(now, due));
	}
	s->r = NULL;
	s->leave = INT64_MAX;
	s->woken = false;
	return rc == -EPIPE ? rc : 0;
}

/* ---- as bytes ---- */

void mo_step_keep(mo_step *s, const mo_step_state *st, molt_time started, molt_time write_deadline)
{
	MO_CHECK(!s->c);
	mo_step_state_write(st, &s->request);
	s->started = started;
	s->write_deadline = write_deadline;
}

static mo_step_state request_of(const mo_step *s)
{
	mo_step_state st;

	MO_CHECK(mo_step_state_read(mo_strn(s->request.data, s->request.len), &st));
	return st;
}

static molt_str step_state(mo_conn *c)
{
	mo_step *s = step_of(c);
	mo_step_state st = request_of(s);
	molt_time now = mo_loop_now(mo_conn_loop(c));
	mo_buf part = { 0 };

	s->user->state(s->arg, &part);
	st.age = now > s->started ? now - s->started : 0;
	st.wait = from_now(now, s->until);
	st.write = from_now(now, s->write_deadline);
	st.listens = s->listens;
	st.user = mo_strn(part.data, part.len);
	s->packed.len = 0;
	mo_step_state_write(&st, &s->packed);
	mo_buf_free(&part);
	return mo_strn(s->packed.data, s->packed.len);
}

mo_step *mo_step_restore(const mo_step_user *user, void *arg, molt_str state, molt_str *part)
{
	molt_time now = mo_now();
	mo_step_state st;
	mo_step *s;

	if (!mo_step_state_read(state, &st))
		return NULL;
	*part = st.user;
	st.user = MO_STR("");
	s = mo_step_new(user, arg);
	mo_step_keep(s, &st, now - st.age, moment(now, st.write));
	s->until = moment(now, st.wait);
	s->listens = st.listens;
	return s;
}

/* ---- its end ---- */

/* The connection is its transport's again, with the exchange as it was. */
static molt_req *revive(mo_step *s)
{
	mo_step_state st = request_of(s);
	molt_req *r = s->c->transport->revive(s->c, &st, mo_strn(s->in.data, s->in.len));

	r->started = s->started;
	r->write_deadline = s->write_deadline;
	forget(s);
	return r;
}

static void go_on(mo_step *s)
{
	const mo_protocol *transport = s->c->transport;

	transport->resume(revive(s), s->arg);
}

/* status 0: the client has gone. */
static void end(mo_step *s, int status)
{
	const mo_protocol *transport = s->c->transport;

	transport->drop(revive(s), status);
	s->user->gone(s->arg);
}

/* ---- the connection ---- */

static bool stays(const mo_step *s)
{
	return !mo_conn_may_move(s->c) ||
	       s->request.len + s->in.len + s->user->size(s->arg) + FIXED_SIZE > MO_PACK_BYTES;
}

/* Does a drain wait for it? */
static bool in_the_way(const mo_step *s, int closing)
{
	return closing == MO_CLOSING_ALL || (closing == MO_CLOSING_UNMOVABLE && stays(s));
}

static int closing_of(const mo_step *s)
{
	return atomic_load_explicit(&s->c->server->closing, memory_order_relaxed);
}

static bool leaves(const mo_step *s)
{
	return mo_conn_leaves(s->c) && !stays(s);
}

static void wait_until(mo_step *s, molt_time now, molt_time due)
{
	mo_conn_deadline(s->c, from_now(now, due));
	mo_conn_watch(s->c, UV_DISCONNECT);
	if (leaves(s) && s->c->server->app.movable)
		s->c->server->app.movable();
}

/* A wait that is over as soon as it begins (of no time, or with an event there already)
 * could never move: the loop hears of a move only between two turns.  So each wait meets
 * one such moment, and while a successor takes what moves, it waits a little for that.
 * false: it has done so. */
static bool wait_for_offer(mo_step *s, molt_time now)
{
	if (leaves(s)) {
		if (!s->offered)
			s->offered = now + OFFER_TIME;
		if (now < s->offered) {
			wait_until(s, now, s->offered);
			return true;
		}
	} else if (!s->met_turn) {
		s->met_turn = true;
		mo_conn_next_turn(s->c);
		return true;
	}
	return false;
}

static void settle(mo_step *s)
{
	molt_time now = mo_loop_now(mo_conn_loop(s->c)), due = s->until;

	if (s->held)
		return;
	if (s->listens && s->leave < due)
		due = s->leave;
	if (s->cut) {
		end(s, 503);
	} else if (due > now && !s->woken) {
		s->met_turn = true;
		wait_until(s, now, due);
	} else if (!wait_for_offer(s, now)) {
		go_on(s);
	}
}

static void step_on_ready(mo_conn *c, int events)
{
	mo_step *s = step_of(c);

	if (!s->held && (events < 0 || events & UV_DISCONNECT))
		end(s, 0);
}

static void step_on_time(mo_conn *c)
{
	settle(step_of(c));
}

static void step_cut(mo_conn *c)
{
	mo_step *s = step_of(c);

	if (s->held)
		s->cut = true;
	else
		end(s, 503);
}

/* It has moved. */
static void step_closed(mo_conn *c)
{
	mo_step *s = step_of(c);

	MO_CHECK(!s->held);
	mo_http_count_requests(c->count, -1);
	forget(s);
	c->data = NULL;
	s->user->gone(s->arg);
}

static bool step_movable(const mo_conn *c)
{
	const mo_step *s = c->data;

	return s && !s->held && !s->cut && !stays(s);
}

static molt_str step_unread(const mo_conn *c)
{
	const mo_step *s = step_of(c);

	return s->in.len ? mo_strn(s->in.data, s->in.len) : MO_STR("");
}

/* At the end of a drain it is told again, for a last answer. */
static void step_retire(mo_conn *c)
{
	mo_step *s = step_of(c);
	int closing = closing_of(s);
	molt_time now = mo_loop_now(mo_conn_loop(c)), spread = c->server->lim.ws_close_spread;

	if (!in_the_way(s, closing))
		s->leave = INT64_MAX;
	else if (closing == MO_CLOSING_ALL)
		s->leave = now;
	else if (s->leave == INT64_MAX)
		s->leave = now +
			   (spread > 0 ? (molt_time)(mo_conns_next_id(c->home) % (uint64_t)spread)
				       : 0);
	mo_conn_next_turn(c);
}

static void step_begin(mo_conn *c, molt_str bytes)
{
	mo_step *s = step_of(c);

	s->c = c;
	s->held = c->state == MO_CONN_RUNNING;
	if (!s->held) {
		mo_conn_set_state(c, MO_CONN_RUNNING);
		mo_http_count_requests(c->count, 1);
	}
	mo_buf_add(&s->in, bytes.ptr, bytes.len);
	mo_memory_track(&s->counted, s->request.cap + s->in.cap + s->user->size(s->arg));
	mo_conn_watch(c, 0);
	mo_conn_deadline(c, MOLT_FOREVER);
	/* A step that waits again and again must not spin in a drain. */
	if (in_the_way(s, closing_of(s)))
		s->leave = mo_loop_now(mo_conn_loop(c)) + AGAIN;
	mo_conn_next_turn(c);
}

static void step_alone(mo_conn *c)
{
	step_of(c)->held = false;
	mo_conn_next_turn(c);
}

const mo_protocol mo_protocol_step = {
	.name = "http/1.1+step",
	.state_form = { MO_STEP_STATE_VERSION, MO_STEP_STATE_VERSION },
	.on_ready = step_on_ready,
	.on_timeout = step_on_time,
	.on_turn = step_on_time,
	.cut = step_cut,
	.closed = step_closed,
	.movable = step_movable,
	.unread = step_unread,
	.begin = step_begin,
	.alone = step_alone,
	.state = step_state,
	.retire = step_retire,
};
