/* HTTP/1: an exchange from its head to its end; see exchange.h for what it is
 * and h1_internal.h for where it runs.  Started by the driver; ended by its own coroutine,
 * or by the driver when no handler runs.
 *
 * Always: its memory is its own arena, head included, so the input buffer is
 * free for what comes behind; done() is called once for each route(). */
#include "http/h1/h1_internal.h"

#include <errno.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "base/str.h"
#include "net/peer.h"

#define CLIENT_GONE 499 /* in the access log: nobody was there to be answered */

static bool h1_gone(const molt_req *r)
{
	return atomic_load_explicit(&mo_h1_req_of(r)->h1->peer, memory_order_relaxed) !=
	       MO_H1_PEER_THERE;
}

static bool h1_broken(const molt_req *r)
{
	return atomic_load_explicit(&mo_h1_req_of(r)->h1->peer, memory_order_relaxed) ==
	       MO_H1_PEER_LOST;
}

const char *mo_h1_tls_fact(const molt_req *r, int fact)
{
	mo_stream *s = mo_h1_req_of(r)->c->stream;

	return s->ops->fact(s, fact);
}

int mo_h1_peer_is_ours(const molt_req *r)
{
	return mo_peer_is_ours(mo_h1_req_of(r)->c->stream->fd);
}

static const mo_exchange_ops ops = {
	.tls_fact = mo_h1_tls_fact,
	.peer_is_ours = mo_h1_peer_is_ours,
	.read = mo_h1_body_read,
	.send = mo_h1_send,
	.send_file = mo_h1_send_file,
	.gone = h1_gone,
	.broken = h1_broken,
	.upgrade = mo_h1_upgrade,
	.suspend = mo_h1_suspend,
};

/* Where the head's bytes were, and where their copy is. */
struct copied {
	const char *from;
	char *to;
	size_t size;
	mo_arena *arena;
};

/* The same string in the copy, ended there with a NUL: what follows a name, a
 * value, the method and the target is a delimiter that nobody needs any more. */
static inline molt_str in_copy(const struct copied *k, molt_str s)
{
	char *p = k->to + (s.ptr - k->from);

	p[s.len] = '\0';
	return mo_strn(p, s.len);
}

/* A part of the target cannot end in place unless the target ends there too; and
 * the path of an absolute target without one lies elsewhere. */
static molt_str part(const struct copied *k, molt_str s, molt_str target)
{
	if (s.len == 0)
		return MO_STR("");
	if (s.ptr >= k->from && s.ptr < k->from + k->size &&
	    (s.ptr >= target.ptr + target.len || s.ptr + s.len == target.ptr + target.len))
		return in_copy(k, s);
	return mo_strn(mo_arena_strndup(k->arena, s.ptr, s.len), s.len);
}

static void copy_head(molt_req *r, const char *data, const mo_head *head, const mo_field *fields)
{
	size_t room = (head->nfields + 1) * sizeof(*fields);
	struct copied k = { .from = data, .size = head->size, .arena = &r->arena };

	r->fields = mo_arena_alloc(&r->arena, room + head->size + 1);
	k.to = (char *)r->fields + room;
	memcpy(k.to, data, head->size);
	r->nfields = head->nfields;
	for (size_t i = 0; i < head->nfields; i++) {
		r->fields[i].id = fields[i].id;
		r->fields[i].name = in_copy(&k, fields[i].name);
		r->fields[i].value = in_copy(&k, fields[i].value);
	}
	r->method = in_copy(&k, head->method);
	r->target = in_copy(&k, head->target);
	r->raw_path = part(&k, head->path, head->target);
	r->query = part(&k, head->query, head->target);
	r->host = part(&k, head->host, head->target);
}

/* Runs behind every deferred call of the upper layer. */
static void forget(void *arg)
{
	mo_h1_req *q = arg;

	mo_memory_track(&q->r.out_counted, 0);
	mo_memory_count(q->head_size, 0);
	mo_conns_buf_put(q->c->home, &q->r.out);
	q->r.magic = 0;
}

mo_h1_req *mo_h1_exchange_new(mo_conn *c, const mo_head *head, const mo_field *fields)
{
	mo_h1 *h = mo_h1_of(c);
	mo_loop *l = mo_conn_loop(c);
	mo_arena arena;
	mo_h1_req *q;
	molt_req *r;

	mo_arena_init(&arena, &l->chunks);
	q = mo_arena_alloc(&arena, sizeof(*q));
	mo_zero(q, sizeof(*q));
	r = &q->r;
	r->arena = arena;
	mo_exchange_init(r, &ops, l, c->server);
	r->tls = c->tls;
	r->peer = &c->peer;
	r->id = mo_conns_next_id(c->home);
	r->out = mo_conns_buf_get(c->home);
	r->version = (uint8_t)(MO_HTTP_1_0 + head->minor);
	r->body_length = head->chunked ? -1 : (int64_t)head->length;
	r->upgrade = head->upgrade;
	mo_arena_defer(&r->arena, forget, q);
	copy_head(r, h->in + h->in_at, head, fields);
	q->c = c;
	q->in_chunks = head->chunked;
	q->expect_continue = head->expect_continue && head->minor >= 1;
	q->head_size = head->size;
	mo_memory_count(0, q->head_size);
	q->h1 = h;
	q->keep_alive = head->keep_alive;
	q->head_only = mo_str_eq(r->method, MO_STR("HEAD"));
	mo_h1_body_init(q);
	return q;
}

/* The last step of an exchange, in its coroutine if it has one.  The connection
 * goes on in the driver: below on the stack, or in the next turn. */
static void exchange_end(mo_h1_req *q)
{
	mo_conn *c = mo_h1_conn(q);
	mo_h1 *h = q->h1;
	molt_req *r = &q->r;

	if (h->upgraded) {
		mo_h1_upgrade_end(q);
		return;
	}
	r->cut |= h->dead;
	h->cut = r->cut;
	h->reset = r->cut && r->head_sent && q->framing == MO_H1_UNTIL_CLOSE;
	h->closing = r->close || r->cut || r->body_state != MO_BODY_NONE;
	h->last = h->closing && !q->keep_alive && r->body_state == MO_BODY_NONE;
	mo_http_count_answer(c->count, r->status);
	c->server->app.done(r);
	mo_arena_fini(&r->arena); /* deferred calls may still park */
	h->req = NULL;
	h->unsent++;
	if (!h->driving)
		mo_conn_next_turn(c);
}

static void exchange_main(void *arg)
{
	mo_h1_req *q = arg;

	q->r.server->app.handle(&q->r);
	mo_h1_finish(q);
	exchange_end(q);
}

static bool without_handler(mo_h1_req *q, int status)
{
	mo_exchange_answer_status(&q->r, status);
	exchange_end(q);
	return true;
}

static bool start(mo_h1_req *q)
{
	molt_req *r = &q->r;

	r->co = mo_co_new(r->loop, r->stack_size, exchange_main, q);
	if (!r->co)
		return without_handler(q, 503);
	return mo_co_resume(r->co);
}

bool mo_h1_exchange_run(mo_h1_req *q)
{
	mo_conn *c = mo_h1_conn(q);
	mo_h1 *h = mo_h1_of(c);
	molt_req *r = &q->r;
	bool ended;

	mo_conn_set_state(c, MO_CONN_RUNNING);
	h->req = q;
	h->driving = true;
	mo_http_count_requests(c->count, 1);
	mo_http_count_one(&c->count->total_requests);
	c->server->app.route(r);
	if (r->body_length > 0 && (uint64_t)r->body_length > r->body_max)
		ended = without_handler(q, 413);
	else
		ended = start(q);
	h->driving = false;
	return ended;
}

void mo_h1_resume(molt_req *r, void *waited)
{
	mo_h1_req *q = mo_h1_req_of(r);

	q->h1->req = q;
	r->server->app.resume(r, waited);
	(void)start(q);
}

/* An answer is sent as far as the socket takes it: the loop is about to end. */
void mo_h1_drop(molt_req *r, int status)
{
	mo_h1_req *q = mo_h1_req_of(r);
	mo_conn *c = mo_h1_conn(q);
	mo_h1 *h = mo_h1_of(c);

	h->req = q;
	if (status) {
		(void)without_handler(q, status);
		(void)mo_h1_flush(c);
	} else {
		mo_h1_die(c);
		if (!q->r.head_sent)
			q->r.status = CLIENT_GONE;
		exchange_end(q);
	}
	if (h->reset)
		mo_conn_reset(c);
	else
		mo_conn_close(c);
}
