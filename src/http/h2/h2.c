/* HTTP/2 on a connection: reads, starts the exchanges of what has come, sends, and keeps or
 * ends the connection.  See h2_internal.h for the parts and conn_state.h for the states:
 *
 *   state     of HTTP/2
 *   IDLE      no request runs, and none is half here; idle_timeout
 *   HEAD      none runs, and a head has come in part; header_timeout
 *   RUNNING   handlers run
 *
 * While handlers run, their connection is read and written all the same: the socket is
 * readable by what other streams want.  It is not read while the socket takes nothing and
 * answers to control frames pile up behind that.
 *
 * Always: at most one nghttp2 function is on the stack, and the driver is never inside a
 * coroutine. */
#include "http/h2/h2_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/check.h"
#include "base/mem.h"
#include "base/str.h"

#define READS_PER_EVENT 4
#define REPLIES_ENOUGH 64u /* waiting, while the socket takes nothing: no more is read */

void mo_h2_soon(mo_h2 *h)
{
	if (h->driving || h->soon)
		return;
	h->soon = mo_conn_turn_end(h->c);
	if (!h->soon)
		mo_conn_next_turn(h->c);
}

void mo_h2_die(mo_h2 *h)
{
	h->dead = true;
	mo_h2_output_free(h);
	mo_h2_exchanges_lost(h);
	mo_conn_watch(h->c, 0);
}

/* ---- reading ---- */

static void peer_ended(mo_h2 *h)
{
	h->eof = true;
	MO_LIST_EACH (node, &h->exchanges) {
		mo_h2_req *q = MO_CONTAINER_OF(node, mo_h2_req, node);
		uint8_t there = MO_H2_PEER_THERE;

		atomic_compare_exchange_strong(&q->peer, &there, MO_H2_PEER_ENDED);
		mo_h2_wake(q);
	}
}

static molt_time idle_from_now(const mo_conn *c)
{
	molt_time limit = c->server->lim.idle_timeout;

	return limit < 0 ? MO_H2_NEVER : mo_loop_now(mo_conn_loop(c)) + limit;
}

/* false: no more can come. */
static bool fed(mo_h2 *h, const char *data, size_t n)
{
	mo_conn *c = h->c;

	if (c->unheard) {
		c->unheard = false;
		h->idle_due = idle_from_now(c);
	}
	if (!mo_h2_session_feed(h, data, n))
		return false;
	if (!c->server->lim.keep_alive && !mo_list_empty(&h->starting))
		mo_h2_drain_end(h);
	return true;
}

/* One read.  false: there is no more for now. */
static bool read_some(mo_h2 *h, char *buf)
{
	mo_conn *c = h->c;
	ssize_t n = mo_stream_read(c->stream, buf, MO_LOOP_BUFFER);

	h->read_want = UV_READABLE;
	if (n > 0)
		return fed(h, buf, (size_t)n) &&
		       (n == MO_LOOP_BUFFER || c->stream->ops->pending(c->stream));
	if (n == 0)
		peer_ended(h);
	else if (n == -EAGAIN)
		h->read_want = (uint8_t)c->stream->want;
	else
		mo_h2_die(h);
	return false;
}

static bool reads(const mo_h2 *h)
{
	return !h->eof && !h->over && !h->dead && !h->error &&
	       !(h->blocked &&
		 nghttp2_session_get_outbound_queue_size(h->session) > REPLIES_ENOUGH);
}

static void read_input(mo_h2 *h)
{
	char *buf = mo_loop_buffer_get(mo_conn_loop(h->c));
	bool more = reads(h);

	for (int i = 0; more && i < READS_PER_EVENT; i++)
		more = read_some(h, buf);
	mo_loop_buffer_put(mo_conn_loop(h->c), buf);
}

/* ---- how it goes on ---- */

static void free_unbegun(mo_h2 *h)
{
	MO_LIST_EACH (node, &h->starting)
		mo_h2_exchange_free(MO_CONTAINER_OF(node, mo_h2_req, node));
	MO_LIST_EACH (reading, &h->reading)
		mo_h2_exchange_free(MO_CONTAINER_OF(reading, mo_h2_req, node));
}

/* Over or dead.  Its handlers, whose calls fail, may still run. */
static void end(mo_conn *c)
{
	mo_h2 *h = mo_h2_of(c);

	mo_conn_watch(c, 0);
	mo_conn_deadline(c, MOLT_FOREVER);
	free_unbegun(h);
	if (h->running > 0)
		return;
	if (h->dead)
		mo_conn_close(c);
	else
		mo_conn_linger(c);
}

/* Streams may be left whose clients have not said the end of a body that nobody reads. */
static bool is_over(const mo_h2 *h)
{
	bool busy = h->running > 0 || !mo_list_empty(&h->reading) || !mo_list_empty(&h->starting);
	bool leaves = h->drain == MO_H2_ENDS || h->peer_leaves || h->eof;

	if (h->out.len > h->out_at || nghttp2_session_want_write(h->session))
		return false;
	return !nghttp2_session_want_read(h->session) || (leaves && !busy);
}

static void arm(mo_conn *c)
{
	const mo_h2 *h = mo_h2_of(c);
	molt_time due = c->state == MO_CONN_IDLE ? h->idle_due : MO_H2_NEVER;
	molt_time now = mo_loop_now(mo_conn_loop(c));

	due = h->head_due < due ? h->head_due : due;
	due = h->write_due < due ? h->write_due : due;
	due = h->drain_due < due ? h->drain_due : due;
	mo_conn_deadline(c, due == MO_H2_NEVER ? MOLT_FOREVER : due > now ? due - now : 0);
}

static void choose_state(mo_conn *c)
{
	mo_h2 *h = mo_h2_of(c);
	enum mo_conn_state state = h->running > 0                ? MO_CONN_RUNNING
				   : !mo_list_empty(&h->reading) ? MO_CONN_HEAD
								 : MO_CONN_IDLE;

	if (state == c->state)
		return;
	mo_conn_set_state(c, state);
	if (state != MO_CONN_IDLE)
		return;
	h->idle_due = idle_from_now(c);
	mo_conn_shed(c);
}

static void settle(mo_conn *c)
{
	mo_h2 *h = mo_h2_of(c);

	if (!h->dead && !h->over && is_over(h)) {
		h->over = true;
		mo_h2_exchanges_lost(h);
	}
	if (h->dead || h->over) {
		end(c);
		return;
	}
	choose_state(c);
	mo_conn_watch(c, (reads(h) ? h->read_want : 0) | (h->blocked ? UV_WRITABLE : 0));
	if (reads(h) && c->stream->ops->pending(c->stream))
		mo_conn_next_turn(c);
	arm(c);
}

/* Its connections do not move yet. */
static bool must_leave(const mo_conn *c)
{
	return atomic_load_explicit(&c->server->closing, memory_order_relaxed) != MO_CLOSING_NONE;
}

void mo_h2_drive(mo_conn *c)
{
	mo_h2 *h = mo_h2_of(c);

	h->driving = true;
	if (must_leave(c))
		mo_h2_drain(h);
	while (!mo_list_empty(&h->starting))
		mo_h2_exchange_start(MO_CONTAINER_OF(h->starting.next, mo_h2_req, node));
	if (!h->dead && !h->over)
		(void)mo_h2_flush(h);
	if (h->error && !h->dead && !h->failed) { /* by what was sent */
		mo_h2_fail(h, h->error);
		(void)mo_h2_flush(h);
	}
	h->driving = false;
	settle(c);
}

/* ---- the row of the protocol ---- */

static void h2_on_ready(mo_conn *c, int events)
{
	mo_h2 *h = mo_h2_of(c);

	if (events < 0)
		mo_h2_die(h);
	else if (events & UV_READABLE || h->read_want == UV_WRITABLE)
		read_input(h);
	mo_h2_drive(c);
}

static void h2_on_turn(mo_conn *c)
{
	mo_h2 *h = mo_h2_of(c);

	h->soon = false;
	if (reads(h) && c->stream->ops->pending(c->stream))
		read_input(h);
	mo_h2_drive(c);
}

static void h2_on_timeout(mo_conn *c)
{
	mo_h2 *h = mo_h2_of(c);
	molt_time now = mo_loop_now(mo_conn_loop(c));

	if (h->write_due <= now)
		mo_h2_die(h);
	else if (h->head_due <= now)
		mo_h2_fail(h, NGHTTP2_ENHANCE_YOUR_CALM);
	else if (h->drain_due <= now || (c->state == MO_CONN_IDLE && h->idle_due <= now))
		mo_h2_drain_end(h);
	if (h->head_due <= now)
		h->head_due = MO_H2_NEVER;
	mo_h2_drive(c);
}

static void cancel(mo_h2 *h)
{
	MO_LIST_EACH (node, &h->exchanges) {
		mo_h2_req *q = MO_CONTAINER_OF(node, mo_h2_req, node);

		if (q->r.co)
			mo_co_cancel(q->r.co, -ECANCELED);
	}
}

static void h2_goodbye(mo_conn *c)
{
	mo_h2 *h = mo_h2_of(c);

	h->driving = true;
	mo_h2_drain_end(h);
	(void)mo_h2_flush(h);
}

static void h2_cut(mo_conn *c)
{
	mo_h2 *h = mo_h2_of(c);

	if (h->running == 0) {
		h2_goodbye(c);
		mo_conn_close(c);
		return;
	}
	(void)shutdown(c->stream->fd, SHUT_RDWR); /* the client is to see it now */
	cancel(h);
	mo_h2_die(h);
}

static unsigned h2_requests(const mo_conn *c)
{
	return mo_h2_of(c)->running;
}

static void count_connections(mo_conn *c, int n)
{
	_Atomic int *open = &c->count->h2_connections;

	atomic_store_explicit(open, atomic_load_explicit(open, memory_order_relaxed) + n,
			      memory_order_relaxed);
}

static void h2_open(mo_conn *c)
{
	mo_h2 *h = mo_calloc(1, sizeof(*h));

	h->c = c;
	h->read_want = UV_READABLE;
	mo_list_init(&h->reading);
	mo_list_init(&h->starting);
	mo_list_init(&h->exchanges);
	h->head_due = h->write_due = h->drain_due = MO_H2_NEVER;
	h->idle_due = mo_timer_active(&c->timer) ? c->timer.due : MO_H2_NEVER;
	c->data = h;
	h->session = mo_h2_session_new(h);
	count_connections(c, 1);
	mo_http_count_one(&c->count->h2_total_connections);
}

static void h2_closed(mo_conn *c)
{
	mo_h2 *h = mo_h2_of(c);

	MO_CHECK(h->running == 0);
	h->driving = true; /* there is no next turn */
	free_unbegun(h);
	mo_h2_output_free(h);
	mo_http_count_requests(c->count, -h->unsent);
	nghttp2_session_del(h->session);
	count_connections(c, -1);
	free(h);
	c->data = NULL;
}

static void h2_retire(mo_conn *c)
{
	MO_LIST_EACH (node, &mo_h2_of(c)->exchanges)
		mo_h2_wake(MO_CONTAINER_OF(node, mo_h2_req, node));
	mo_h2_drive(c);
}

static bool h2_movable(const mo_conn *c)
{
	return false;
}

static molt_str h2_unread(const mo_conn *c)
{
	return MO_STR("");
}

/* What HTTP/1 has read before it knew. */
static void h2_restore(mo_conn *c, molt_str bytes)
{
	(void)fed(mo_h2_of(c), bytes.ptr, bytes.len);
	mo_h2_drive(c);
}

const mo_protocol mo_protocol_h2 = {
	.name = "h2",
	.alpn = "h2",
	.open = h2_open,
	.on_ready = h2_on_ready,
	.on_timeout = h2_on_timeout,
	.on_turn = h2_on_turn,
	.cut = h2_cut,
	.requests = h2_requests,
	.closed = h2_closed,
	.goodbye = h2_goodbye,
	.movable = h2_movable,
	.unread = h2_unread,
	.restore = h2_restore,
	.retire = h2_retire,
};
