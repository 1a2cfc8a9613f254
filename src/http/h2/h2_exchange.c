/* HTTP/2: an exchange from its head to its end; see exchange.h for what it is and
 * h2_internal.h for its states and where it runs.
 *
 * Always: its memory is its own arena; done() is called once for each route(); it is in the
 * list of its connection until its memory goes, so that whatever ends the connection finds
 * it. */
#include <errno.h>

#include "base/check.h"
#include "base/mem.h"
#include "base/str.h"
#include "http/h2/h2_internal.h"
#include "net/peer.h"

#define CLIENT_GONE 499 /* in the access log: nobody was there to be answered */

/* ---- waiting ---- */

bool mo_h2_lost(const mo_h2_req *q)
{
	return q->closed || q->h->dead || q->h->over;
}

int mo_h2_wait(mo_h2_req *q, molt_time timeout)
{
	int rc;

	MO_CHECK(!q->waiting);
	q->waiting = true;
	rc = mo_park_wait(&q->io, timeout);
	q->waiting = false;
	return rc;
}

void mo_h2_wake(mo_h2_req *q)
{
	if (!q->waiting)
		return;
	q->waiting = false;
	mo_park_wake(&q->io, 0);
}

/* ---- what its owner asks and does ---- */

static int peer_of(const molt_req *r)
{
	return atomic_load_explicit(&mo_h2_req_of(r)->peer, memory_order_relaxed);
}

static bool h2_gone(const molt_req *r)
{
	return peer_of(r) != MO_H2_PEER_THERE;
}

static bool h2_broken(const molt_req *r)
{
	return peer_of(r) == MO_H2_PEER_LOST;
}

static const char *tls_fact(const molt_req *r, int fact)
{
	mo_stream *s = mo_h2_req_of(r)->c->stream;

	return s->ops->fact(s, fact);
}

static int peer_is_ours(const molt_req *r)
{
	return mo_peer_is_ours(mo_h2_req_of(r)->c->stream->fd);
}

/* A whole connection is not an exchange's to give away. */
static int no_upgrade(molt_req *r, const struct mo_protocol *proto, void *data)
{
	return -EPROTONOSUPPORT;
}

static int no_suspend(molt_req *r, struct mo_step *s)
{
	return -EPROTONOSUPPORT;
}

static int wait_op(molt_req *r, molt_time ms)
{
	mo_h2_req *q = mo_h2_req_of(r);
	int rc;

	if (h2_gone(r))
		return -EPIPE;
	rc = mo_h2_wait(q, ms);
	return h2_gone(r) ? -EPIPE : rc;
}

static void wake_op(molt_req *r)
{
	mo_h2_wake(mo_h2_req_of(r));
}

static const mo_exchange_ops ops = {
	.tls_fact = tls_fact,
	.peer_is_ours = peer_is_ours,
	.read = mo_h2_body_read,
	.send = mo_h2_send,
	.send_file = mo_h2_send_file,
	.gone = h2_gone,
	.broken = h2_broken,
	.upgrade = no_upgrade,
	.suspend = no_suspend,
	.wait = wait_op,
	.wake = wake_op,
};

/* ---- the beginning ---- */

/* Runs behind every deferred call of the upper layer. */
static void forget(void *arg)
{
	mo_h2_req *q = arg;

	mo_memory_track(&q->r.out_counted, 0);
	mo_conns_buf_put(q->c->home, &q->r.out);
	mo_list_remove(&q->node);
	q->r.magic = 0;
}

mo_h2_req *mo_h2_exchange_new(mo_h2 *h, int32_t id)
{
	mo_conn *c = h->c;
	mo_loop *l = mo_conn_loop(c);
	mo_arena arena;
	mo_h2_req *q;
	molt_req *r;

	mo_arena_init(&arena, &l->chunks);
	q = mo_arena_alloc(&arena, sizeof(*q));
	mo_zero(q, sizeof(*q));
	r = &q->r;
	r->arena = arena;
	mo_exchange_init(r, &ops, l, c->server);
	mo_list_append(&h->reading, &q->node);
	r->tls = c->tls;
	r->peer = &c->peer;
	r->id = mo_conns_next_id(c->home);
	r->version = MO_HTTP_2;
	q->c = c;
	q->h = h;
	q->id = id;
	mo_arena_defer(&r->arena, forget, q);
	return q;
}

static void let_go(mo_h2_req *q)
{
	if (!q->closed)
		nghttp2_session_set_stream_user_data(q->h->session, q->id, NULL);
}

void mo_h2_exchange_free(mo_h2_req *q)
{
	let_go(q);
	mo_h2_body_drop(q);
	mo_arena_fini(&q->r.arena);
}

/* ---- the end ---- */

/* The last step of an exchange, in its coroutine if it has one. */
static void exchange_end(mo_h2_req *q)
{
	mo_conn *c = q->c;
	mo_h2 *h = q->h;
	molt_req *r = &q->r;

	if (mo_h2_lost(q) && !q->ended) {
		r->cut = true;
		if (!r->head_sent)
			r->status = CLIENT_GONE;
	}
	let_go(q);
	mo_h2_body_drop(q);
	mo_http_count_answer(c->count, r->status);
	c->server->app.done(r);
	mo_arena_fini(&r->arena); /* deferred calls may still park */
	h->running--;
	h->unsent++;
	mo_h2_soon(h);
}

static void exchange_main(void *arg)
{
	mo_h2_req *q = arg;

	q->r.server->app.handle(&q->r);
	mo_h2_finish(q);
	exchange_end(q);
}

static void without_handler(mo_h2_req *q, int status)
{
	q->r.status = status;
	if (!q->closed)
		mo_h2_answer_status(q->h, q->id, status, mo_str_eq(q->r.method, MO_STR("HEAD")));
	q->r.head_sent = q->r.finished = q->ended = true;
	exchange_end(q);
}

/* There is no exchange for it: what the access log says of it is its request line. */
static void refuse(mo_h2_req *q)
{
	mo_conn *c = q->c;
	molt_req *r = &q->r;
	const char *line = mo_arena_fmt(&r->arena, "%.*s %.*s HTTP/2.0", (int)r->method.len,
					r->method.ptr, (int)r->target.len, r->target.ptr);

	mo_h2_answer_status(q->h, q->id, q->refuse, mo_str_eq(r->method, MO_STR("HEAD")));
	mo_http_count_answer(c->count, q->refuse);
	c->server->app.refused(c->server, &c->peer, q->refuse, mo_str(line));
	mo_h2_exchange_free(q);
}

static void run(mo_h2_req *q)
{
	mo_h2 *h = q->h;
	mo_conn *c = q->c;
	molt_req *r = &q->r;

	mo_list_append(&h->exchanges, &q->node);
	if (c->state != MO_CONN_RUNNING)
		mo_conn_set_state(c, MO_CONN_RUNNING);
	h->running++;
	mo_conn_request_begins(c);
	r->started = mo_loop_now(r->loop);
	r->out = mo_conns_buf_get(c->home);
	mo_http_count_requests(c->count, 1);
	mo_http_count_one(&c->count->total_requests);
	mo_http_count_one(&c->count->h2_requests);
	mo_h2_body_init(q);
	c->server->app.route(r);
	if (r->body_length > 0 && (uint64_t)r->body_length > r->body_max) {
		without_handler(q, 413);
		return;
	}
	r->co = mo_co_new(r->loop, r->stack_size, exchange_main, q);
	if (r->co)
		(void)mo_co_resume(r->co);
	else
		without_handler(q, 503);
}

void mo_h2_exchange_start(mo_h2_req *q)
{
	mo_list_remove(&q->node);
	if (mo_h2_lost(q))
		mo_h2_exchange_free(q);
	else if (q->refuse)
		refuse(q);
	else
		run(q);
}

/* ---- its stream ends ---- */

static void lose(mo_h2_req *q)
{
	if (!q->ended)
		atomic_store_explicit(&q->peer, MO_H2_PEER_LOST, memory_order_relaxed);
	mo_h2_wake(q);
}

void mo_h2_exchange_closed(mo_h2_req *q)
{
	q->closed = true;
	if (!q->begun) {
		mo_h2_exchange_free(q);
		return;
	}
	lose(q);
}

void mo_h2_exchanges_lost(mo_h2 *h)
{
	MO_LIST_EACH (node, &h->exchanges)
		lose(MO_CONTAINER_OF(node, mo_h2_req, node));
}
