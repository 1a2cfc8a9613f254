/* HTTP/1 on a connection: reads heads, makes exchanges, runs them one after
 * another, sends their gathered answers, and keeps or ends the connection.  See
 * h1.h for the parts and conn.h for the states.
 *
 * Always: at most one exchange; its memory is its own (the head is copied), so
 * the input buffer is free for what comes behind; nothing is read while an
 * exchange runs unless it reads its body. */
#include "http/h1.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"

#define REQUESTS_PER_TURN 32
#define BYTES_PER_TURN (1024u * 1024)
#define REFUSED_LINE_MAX 200u

enum next { NEXT_PARTIAL, NEXT_REFUSED, NEXT_PARKED, NEXT_DONE };

static const mo_exchange_ops ops;

/* ---- input ---- */

static void give_back_input(mo_conn *c)
{
	mo_h1 *h = mo_h1_of(c);

	if (h->in_cap == MO_LOOP_BUFFER)
		mo_loop_buffer_put(mo_conn_loop(c), h->in);
	else
		free(h->in);
	h->in = NULL;
	h->in_at = h->in_end = h->in_cap = 0;
}

void mo_h1_consume(mo_conn *c, size_t n)
{
	mo_h1 *h = mo_h1_of(c);

	MO_CHECK(n <= mo_h1_unread(h));
	h->in_at += n;
	if (h->in && h->in_at == h->in_end)
		give_back_input(c);
}

static void grow_input(mo_conn *c, size_t limit)
{
	mo_h1 *h = mo_h1_of(c);
	size_t n = h->in_end, cap = h->in_cap * 2 < limit ? h->in_cap * 2 : limit;
	char *bigger = mo_malloc(cap);

	memcpy(bigger, h->in, n);
	give_back_input(c);
	h->in = bigger;
	h->in_end = n;
	h->in_cap = cap;
}

/* Makes room to read into: at the end, else by moving, else by growing. */
static bool make_room(mo_conn *c, size_t limit)
{
	mo_h1 *h = mo_h1_of(c);

	if (!h->in) {
		h->in = mo_loop_buffer_get(mo_conn_loop(c));
		h->in_cap = MO_LOOP_BUFFER;
	}
	if (h->in_at > 0 && h->in_cap - h->in_end < h->in_cap / 2) {
		memmove(h->in, h->in + h->in_at, mo_h1_unread(h));
		h->in_end -= h->in_at;
		h->in_at = 0;
	}
	if (h->in_end == h->in_cap && h->in_at == 0 && h->in_cap < limit)
		grow_input(c, limit);
	return h->in_end < h->in_cap;
}

ssize_t mo_h1_fill(mo_conn *c, size_t limit)
{
	mo_h1 *h = mo_h1_of(c);
	ssize_t n;

	if (!make_room(c, limit))
		return -ENOBUFS;
	n = c->stream->ops->read(c->stream, h->in + h->in_end, h->in_cap - h->in_end);
	if (n > 0)
		h->in_end += (size_t)n;
	else
		mo_h1_consume(c, 0); /* gives an empty buffer back */
	return n;
}

/* The largest input buffer: a head of the largest size and some of what follows. */
static size_t head_room(const mo_conn *c)
{
	return c->server->lim.max_header + MO_LOOP_BUFFER;
}

/* ---- waiting in the coroutine ---- */

void mo_h1_die(mo_conn *c)
{
	mo_h1 *h = mo_h1_of(c);

	h->dead = true;
	h->out_at = h->out_end;
	atomic_store_explicit(&h->gone, true, memory_order_relaxed);
	if (h->req)
		h->req->r.cut = true;
	mo_conn_watch(c, 0);
}

int mo_h1_wait(mo_conn *c, int events, molt_time timeout)
{
	mo_h1 *h = mo_h1_of(c);
	int rc;

	if (h->dead)
		return -EPIPE;
	MO_CHECK(!h->waiting);
	h->waiting = true;
	h->spent = 0;
	mo_conn_watch(c, events);
	rc = mo_park_wait(&h->io, timeout);
	h->waiting = false;
	return h->dead ? -EPIPE : rc;
}

static void wake(mo_h1 *h)
{
	if (!h->waiting)
		return;
	h->waiting = false;
	mo_park_wake(&h->io, 0);
}

void mo_h1_spend(mo_conn *c, size_t n)
{
	mo_h1 *h = mo_h1_of(c);

	h->spent += n;
	if (h->spent < BYTES_PER_TURN || h->dead)
		return;
	mo_conn_later(c);
	(void)mo_h1_wait(c, c->watched, MOLT_FOREVER);
}

/* ---- exchanges ---- */

/* Where the head's bytes were, and where their copy is. */
struct copied {
	const char *from;
	char *to;
	size_t size;
	mo_arena *arena;
};

static bool inside(const struct copied *k, const char *p)
{
	return p >= k->from && p < k->from + k->size;
}

/* The same string in the copy, ended there with a NUL: what follows a name, a
 * value, the method and the target is a delimiter that nobody needs any more. */
static molt_str moved(const struct copied *k, molt_str s)
{
	char *p;

	if (s.len == 0 || !inside(k, s.ptr))
		return mo_strn(mo_arena_strndup(k->arena, s.ptr, s.len), s.len);
	p = k->to + (s.ptr - k->from);
	p[s.len] = '\0';
	return mo_strn(p, s.len);
}

/* A part of the target cannot end in place unless the target ends there too. */
static molt_str moved_part(const struct copied *k, molt_str s, molt_str whole)
{
	bool part = s.ptr >= whole.ptr && s.ptr + s.len < whole.ptr + whole.len;

	if (part)
		return mo_strn(mo_arena_strndup(k->arena, s.ptr, s.len), s.len);
	return moved(k, s);
}

static void copy_head(molt_req *r, const char *data, const mo_head *head, const mo_field *fields)
{
	struct copied k = { .from = data, .size = head->size, .arena = &r->arena };

	k.to = mo_arena_alloc(&r->arena, head->size + 1);
	memcpy(k.to, data, head->size);
	r->fields = mo_arena_alloc(&r->arena, (head->nfields + 1) * sizeof(*fields));
	r->nfields = head->nfields;
	for (size_t i = 0; i < head->nfields; i++) {
		r->fields[i].id = fields[i].id;
		r->fields[i].name = moved(&k, fields[i].name);
		r->fields[i].value = moved(&k, fields[i].value);
	}
	r->method = moved(&k, head->method);
	r->target = moved(&k, head->target);
	r->raw_path = moved_part(&k, head->path, head->target);
	r->query = moved_part(&k, head->query, head->target);
	r->host = moved_part(&k, head->host, head->target);
	r->minor = head->minor;
	r->chunked = head->chunked;
	r->has_length = head->has_length;
	r->length = head->length;
	r->expect_continue = head->expect_continue;
	r->upgrade = head->upgrade;
}

static mo_h1_req *exchange_new(mo_conn *c, const mo_head *head, const mo_field *fields)
{
	mo_h1 *h = mo_h1_of(c);
	mo_loop *l = mo_conn_loop(c);
	mo_h1_req *q;
	mo_arena arena;

	mo_arena_init(&arena, &l->chunks);
	q = mo_arena_zalloc(&arena, sizeof(*q));
	q->r = (molt_req){
		.magic = MO_REQ_MAGIC,
		.ops = &ops,
		.conn = c,
		.loop = l,
		.server = c->server,
		.arena = arena,
		.tls = c->tls,
		.peer = &c->peer,
		.started = mo_loop_now(l),
		.id = mo_conns_next_id(c->home),
		.body_max = c->server->lim.max_body,
		.status = 200,
		.out = mo_conns_buf_get(c->home),
		.res_length = -1,
		.write_deadline = INT64_MAX,
		.stack_size = c->server->lim.stack_size,
	};
	q->r.out_tail = &q->r.out_fields;
	copy_head(&q->r, h->in + h->in_at, head, fields);
	q->keep_alive = head->keep_alive;
	q->head_only = mo_str_eq(q->r.method, MO_STR("HEAD"));
	mo_h1_body_init(q);
	return q;
}

static void count_start(mo_http_server *s)
{
	atomic_fetch_add_explicit(&s->requests, 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&s->total_requests, 1, memory_order_relaxed);
}

static void count_answer(mo_http_server *s, int status)
{
	int class = status / 100;

	if (class >= 1 && class <= 5)
		atomic_fetch_add_explicit(&s->by_class[class], 1, memory_order_relaxed);
}

/* The last step of an exchange, in its coroutine if it has one.  The connection
 * goes on in the driver: below on the stack, or in the next turn. */
static void exchange_end(mo_h1_req *q)
{
	mo_conn *c = mo_h1_conn(q);
	mo_h1 *h = mo_h1_of(c);
	molt_req *r = &q->r;

	r->cut |= h->dead;
	h->cut = r->cut;
	h->reset = r->cut && r->head_sent && q->framing == MO_H1_UNTIL_CLOSE;
	h->closing = r->close || r->cut || r->body_state != MO_BODY_NONE;
	count_answer(c->server, r->status);
	c->server->app.done(r);
	h->req = NULL;
	h->unsent++;
	mo_conns_buf_put(c->home, &r->out);
	r->magic = 0;
	mo_arena_fini(&r->arena);
	if (!h->driving)
		mo_conn_later(c);
}

static void exchange_main(void *arg)
{
	mo_h1_req *q = arg;

	q->r.server->app.handle(&q->r);
	mo_h1_finish(q);
	exchange_end(q);
}

static enum next without_handler(mo_h1_req *q, int status)
{
	mo_h1_answer_status(q, status);
	exchange_end(q);
	return NEXT_DONE;
}

static enum next exchange_run(mo_conn *c, mo_h1_req *q)
{
	mo_h1 *h = mo_h1_of(c);
	molt_req *r = &q->r;
	enum next next;

	c->state = MO_CONN_RUNNING;
	h->req = q;
	h->driving = true;
	count_start(c->server);
	c->server->app.route(r);
	if (r->has_length && r->length > r->body_max) {
		next = without_handler(q, 413);
	} else {
		r->co = mo_co_new(r->loop, r->stack_size, exchange_main, q);
		if (!r->co)
			next = without_handler(q, 503);
		else
			next = mo_co_resume(r->co) ? NEXT_DONE : NEXT_PARKED;
	}
	h->driving = false;
	return next;
}

/* ---- the driver ---- */

static void all_sent(mo_conn *c)
{
	mo_h1 *h = mo_h1_of(c);

	h->blocked = false;
	if (h->unsent == 0)
		return;
	atomic_fetch_sub_explicit(&c->server->requests, h->unsent, memory_order_relaxed);
	h->unsent = 0;
}

/* TLS says that this is the end; for TCP the close says it. */
static void close_politely(mo_conn *c)
{
	if (c->tls)
		(void)c->stream->ops->finish(c->stream);
	mo_conn_close(c);
}

static void close_after_answer(mo_conn *c)
{
	mo_h1 *h = mo_h1_of(c);

	if (h->reset)
		mo_conn_reset(c);
	else if (h->cut || h->dead)
		mo_conn_close(c);
	else
		mo_conn_linger(c);
}

/* Sends what is gathered.  false: it has to wait, or the connection has been
 * closed; the driver returns then. */
static bool send_gathered(mo_conn *c)
{
	mo_h1 *h = mo_h1_of(c);
	size_t before = mo_h1_gathered(h);
	int rc = mo_h1_flush(c);

	if (rc == 0) {
		all_sent(c);
		return true;
	}
	if (rc == -EAGAIN) {
		if (!h->blocked || mo_h1_gathered(h) < before)
			mo_conn_deadline(c, c->server->lim.write_timeout);
		h->blocked = true;
		mo_conn_watch(c, c->stream->want);
		return false;
	}
	if (!h->req)
		close_after_answer(c);
	return false;
}

static molt_str first_line(const mo_h1 *h)
{
	size_t n = mo_h1_unread(h) < REFUSED_LINE_MAX ? mo_h1_unread(h) : REFUSED_LINE_MAX;
	molt_str all = n ? mo_strn(h->in + h->in_at, n) : MO_STR("");

	for (size_t i = 0; i < all.len; i++)
		if (all.ptr[i] == '\r' || all.ptr[i] == '\n')
			all.len = i;
	return all;
}

/* A request that cannot be understood: nothing after it can be, either. */
static void refuse(mo_conn *c, int status, molt_str text)
{
	mo_h1 *h = mo_h1_of(c);

	c->state = MO_CONN_RUNNING;
	mo_h1_gather_refusal(c, status, text);
	count_answer(c->server, status);
	c->server->app.refused(c->server, &c->peer, status, first_line(h));
	mo_h1_consume(c, mo_h1_unread(h));
	h->closing = true;
}

static enum next next_request(mo_conn *c)
{
	const mo_http_limits *lim = &c->server->lim;
	mo_head_limits limits = { lim->max_header, lim->max_target, lim->max_fields };
	mo_field fields[MO_MAX_FIELDS];
	mo_h1 *h = mo_h1_of(c);
	mo_head head;
	mo_h1_req *q;
	int n = mo_h1_parse(h->in + h->in_at, mo_h1_unread(h), &limits, &head, fields);

	if (n == 0 && mo_h1_unread(h) < head_room(c))
		return NEXT_PARTIAL;
	if (n <= 0) {
		refuse(c, n < 0 ? -n : 431, (molt_str){ 0 });
		return NEXT_REFUSED;
	}
	q = exchange_new(c, &head, fields);
	h->head_began = 0;
	mo_h1_consume(c, head.size);
	return exchange_run(c, q);
}

/* An empty line between two requests is nothing to wait on (RFC 9112 section 2.2). */
static bool only_crlf(const mo_h1 *h)
{
	return mo_h1_unread(h) == 2 && memcmp(h->in + h->in_at, "\r\n", 2) == 0;
}

/* Everything that was complete is answered and sent: waits for more. */
static void settle(mo_conn *c)
{
	mo_h1 *h = mo_h1_of(c);
	const mo_http_limits *lim = &c->server->lim;

	if (h->closing) {
		close_after_answer(c);
		return;
	}
	if (only_crlf(h))
		mo_h1_consume(c, 2);
	if (h->eof) {
		close_politely(c);
		return;
	}
	if (mo_h1_unread(h) == 0 && c->state != MO_CONN_IDLE) {
		c->state = MO_CONN_IDLE;
		mo_conn_deadline(c, lim->idle_timeout);
	} else if (mo_h1_unread(h) > 0 && c->state != MO_CONN_HEAD) {
		c->state = MO_CONN_HEAD;
		h->head_began = mo_loop_now(mo_conn_loop(c));
		mo_conn_deadline(c, lim->header_timeout);
	}
	mo_conn_watch(c, UV_READABLE);
	if (c->stream->ops->pending(c->stream))
		mo_conn_later(c);
}

/* Runs the requests that are buffered, then sends their answers together. */
static void drive(mo_conn *c)
{
	mo_h1 *h = mo_h1_of(c);
	enum next next = NEXT_DONE;
	int count = 0;

	if (h->blocked && !send_gathered(c))
		return;
	while (next == NEXT_DONE && mo_h1_unread(h) > 0 && !h->closing && !h->dead) {
		if (mo_h1_gathered(h) > MO_H1_GATHER && !send_gathered(c))
			return;
		if (count++ == REQUESTS_PER_TURN)
			break;
		next = next_request(c);
	}
	if (next == NEXT_PARKED) {
		/* It may wait long; the answers before it must not. */
		if (!h->waiting && mo_h1_gathered(h) > 0)
			(void)send_gathered(c);
		return;
	}
	if (!send_gathered(c))
		return;
	if (count > REQUESTS_PER_TURN)
		mo_conn_later(c);
	else
		settle(c);
}

/* ---- events ---- */

/* Could the bytes that came last have completed a head, or made it too long? */
static bool worth_parsing(const mo_conn *c, size_t old)
{
	const mo_h1 *h = mo_h1_of(c);
	size_t n = mo_h1_unread(h);

	return c->state == MO_CONN_IDLE || n > c->server->lim.max_header ||
	       memchr(h->in + h->in_at + old, '\n', n - old) != NULL;
}

static void read_more(mo_conn *c)
{
	mo_h1 *h = mo_h1_of(c);
	size_t old = mo_h1_unread(h);
	ssize_t n = mo_h1_fill(c, head_room(c));

	if (n == -EAGAIN) {
		mo_conn_watch(c, c->stream->want);
		return;
	}
	if (n < 0 && n != -ENOBUFS) {
		mo_conn_close(c);
		return;
	}
	if (n == 0) {
		h->eof = true;
		atomic_store_explicit(&h->gone, true, memory_order_relaxed);
		mo_conn_watch(c, 0);
	}
	if (n <= 0 || worth_parsing(c, old))
		drive(c);
}

/* An exchange runs and does not wait for the descriptor. */
static void while_running(mo_conn *c, int events)
{
	mo_h1 *h = mo_h1_of(c);

	if (events < 0) {
		mo_h1_die(c);
	} else if (events & UV_DISCONNECT) {
		atomic_store_explicit(&h->gone, true, memory_order_relaxed);
		mo_conn_watch(c, 0);
	} else {
		mo_conn_watch(c, UV_DISCONNECT);
	}
}

static void h1_on_ready(mo_conn *c, int events)
{
	mo_h1 *h = mo_h1_of(c);

	if (c->state != MO_CONN_RUNNING)
		read_more(c);
	else if (h->waiting)
		wake(h);
	else if (h->blocked && h->req)
		(void)send_gathered(c);
	else if (h->req)
		while_running(c, events);
	else
		drive(c);
}

static void h1_on_turn(mo_conn *c)
{
	mo_h1 *h = mo_h1_of(c);

	if (h->waiting)
		wake(h);
	else if (c->state == MO_CONN_RUNNING && !h->req)
		drive(c);
	else if (c->state != MO_CONN_RUNNING && c->stream->ops->pending(c->stream))
		read_more(c);
}

static void h1_on_timeout(mo_conn *c)
{
	mo_h1 *h = mo_h1_of(c);

	if (c->state == MO_CONN_IDLE) {
		close_politely(c);
	} else if (c->state == MO_CONN_HEAD) {
		refuse(c, 408, (molt_str){ 0 });
		drive(c);
	} else if (h->blocked) {
		mo_h1_die(c);
		if (!h->req)
			mo_conn_close(c);
	}
}

static void h1_cut(mo_conn *c)
{
	mo_h1 *h = mo_h1_of(c);
	mo_h1_req *q = h->req;

	if (!q) {
		mo_conn_close(c);
		return;
	}
	/* The client is to see it now; but an answer that ends with the connection
	 * is seen as cut only by the reset that comes with its end. */
	if (!q->r.head_sent || q->framing != MO_H1_UNTIL_CLOSE)
		(void)shutdown(c->stream->fd, SHUT_RDWR);
	mo_h1_die(c);
	mo_co_cancel(q->r.co, -ECANCELED);
	wake(h);
}

static void h1_open(mo_conn *c)
{
	c->data = mo_calloc(1, sizeof(mo_h1));
}

static void h1_closed(mo_conn *c)
{
	mo_h1 *h = mo_h1_of(c);

	MO_CHECK(!h->req && !h->waiting);
	all_sent(c);
	if (h->in)
		give_back_input(c);
	if (h->out)
		mo_loop_buffer_put(mo_conn_loop(c), h->out);
	free(h);
	c->data = NULL;
}

static void h1_not_tls(mo_conn *c)
{
	h1_open(c);
	refuse(c, 400, MO_STR("This port speaks HTTPS, the request was plain HTTP.\n"));
	(void)mo_h1_flush(c);
}

static bool h1_gone(const molt_req *r)
{
	return atomic_load_explicit(&mo_h1_of(r->conn)->gone, memory_order_relaxed);
}

static const mo_exchange_ops ops = {
	.read = mo_h1_body_read,
	.send = mo_h1_send,
	.send_file = mo_h1_send_file,
	.gone = h1_gone,
};

const mo_protocol mo_protocol_h1 = {
	.name = "http/1.1",
	.open = h1_open,
	.on_ready = h1_on_ready,
	.on_timeout = h1_on_timeout,
	.on_turn = h1_on_turn,
	.cut = h1_cut,
	.closed = h1_closed,
	.not_tls = h1_not_tls,
};
