/* HTTP/1: handing the connection to another protocol, as a WebSocket, an event
 * stream, or a request that waits (h1_step.c).  Called in the coroutine of the exchange that asked for it.
 *
 *   mo_h1_upgrade    head sent; the connection and unread bytes are the other's
 *   (the handler)    may go on, the other protocol works meanwhile
 *   exchange ends    mo_h1_upgrade_end: the HTTP/1 state is freed, alone() called
 *
 * Always: between the two, c->data is the other's and the exchange reaches its
 * own state by q->h1 only; every operation of the exchange fails. */
#include <errno.h>
#include <stdlib.h>

#include "http/h1/h1_internal.h"

static long read_nothing(molt_req *r, void *buf, size_t n)
{
	return 0;
}

static int send_nothing(molt_req *r, const void *data, size_t n, bool last)
{
	return -EPIPE;
}

static int send_no_file(molt_req *r, int fd, off_t off, size_t n, bool last)
{
	return -EPIPE;
}

static bool lost(const molt_req *r)
{
	return atomic_load_explicit(&mo_h1_req_of(r)->c->lost, memory_order_relaxed);
}

static int upgrade_again(molt_req *r, const struct mo_protocol *proto, void *data)
{
	return -EALREADY;
}

static int suspend_never(molt_req *r, struct mo_step *s)
{
	return -EALREADY;
}

static const mo_exchange_ops upgraded_ops = {
	.tls_fact = mo_h1_tls_fact,
	.peer_is_ours = mo_h1_peer_is_ours,
	.read = read_nothing,
	.send = send_nothing,
	.send_file = send_no_file,
	.gone = lost,
	.broken = lost,
	.upgrade = upgrade_again,
	.suspend = suspend_never,
};

void mo_h1_hand_over(mo_h1_req *q, const struct mo_protocol *proto, void *data)
{
	mo_conn *c = mo_h1_conn(q);
	mo_h1 *h = q->h1;
	molt_str unread;

	q->r.finished = true;
	q->r.ops = &upgraded_ops;
	h->upgraded = true;
	unread = (molt_str){ h->in ? h->in + h->in_at : "", mo_h1_unread(h) };
	c->proto = proto;
	c->data = data;
	proto->begin(c, unread);
	if (h->in)
		mo_h1_input_put(h, mo_conn_loop(c));
}

int mo_h1_upgrade(molt_req *r, const struct mo_protocol *proto, void *data)
{
	int rc;

	if (r->body_state != MO_BODY_NONE)
		return -EBUSY;
	rc = mo_h1_send(r, r->out.data, r->out.len, false);
	r->out.len = 0;
	if (rc == 0)
		mo_h1_hand_over(mo_h1_req_of(r), proto, data);
	return rc;
}

void mo_h1_upgrade_end(mo_h1_req *q)
{
	mo_conn *c = mo_h1_conn(q);
	mo_h1 *h = q->h1;
	bool waits = q->waits;
	int ended = h->unsent + !waits; /* one that waits is still in progress */

	if (!waits) {
		mo_http_count_answer(c->count, q->r.status);
		c->server->app.done(&q->r);
	}
	mo_arena_fini(&q->r.arena); /* deferred calls may still park */
	mo_http_count_requests(c->count, -ended);
	h->req = NULL;
	if (!h->driving)
		free(h); /* else the driver, below on the stack, does */
	mo_conn_shed(c);
	c->proto->alone(c);
}
