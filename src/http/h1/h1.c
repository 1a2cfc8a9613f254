/* HTTP/1 on a connection: reads heads, makes exchanges, runs them one after
 * another, sends their gathered answers, and keeps or ends the connection.  See
 * h1_internal.h for the parts and conn_state.h for the states.
 *
 * Always: at most one exchange; its memory is its own (the head is copied), so
 * the input buffer is free for what comes behind; nothing is read while an
 * exchange runs unless it reads its body. */
#include "http/h1/h1_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/check.h"
#include "base/mem.h"
#include "base/str.h"

#define REQUESTS_PER_TURN 32
#define REFUSED_LINE_MAX 200u

/* What a client of HTTP/2 sends first (RFC 9113 section 3.4). */
static const molt_str preface = { "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 24 };

enum next { NEXT_PARTIAL, NEXT_REFUSED, NEXT_PARKED, NEXT_DONE };

/* ---- the driver ---- */

static void all_sent(mo_conn *c)
{
	mo_h1 *h = mo_h1_of(c);

	h->blocked = false;
	if (h->unsent == 0)
		return;
	mo_http_count_requests(c->count, -h->unsent);
	h->unsent = 0;
}

/* TLS says that this is the end; for TCP the close says it. */
static void close_politely(mo_conn *c)
{
	if (c->tls && !c->stream->parted)
		(void)c->stream->ops->finish(c->stream);
	mo_conn_close(c);
}

static void close_after_answer(mo_conn *c)
{
	mo_h1 *h = mo_h1_of(c);
	/* Nothing is left to discard: a client that has announced the end must not
	 * send more (RFC 9112 section 9.6). */
	bool all_read = h->last && h->drained && mo_h1_unread(h) == 0;

	mo_h1_consume(c, mo_h1_unread(h));
	if (h->reset)
		mo_conn_reset(c);
	else if (h->cut || h->dead)
		mo_conn_close(c);
	else if (all_read)
		close_politely(c);
	else
		mo_conn_linger(c);
}

/* Sends what is gathered.  false: it has to wait, or the connection has been
 * closed; the driver returns then. */
static bool send_gathered(mo_conn *c)
{
	mo_h1 *h = mo_h1_of(c);
	size_t before = mo_h1_gathered(h);
	int rc;

	h->soon = false;
	c->stream->last = h->closing && !h->req && !h->reset && !h->cut;
	rc = mo_h1_flush(c);
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

/* The largest input buffer: a head of the largest size and some of what follows. */
static size_t head_room(const mo_conn *c)
{
	return c->server->lim.max_header + MO_LOOP_BUFFER;
}

/* A request that cannot be understood: nothing after it can be, either. */
static void refuse(mo_conn *c, int status, molt_str text)
{
	mo_h1 *h = mo_h1_of(c);

	mo_conn_set_state(c, MO_CONN_RUNNING);
	/* No content answers a HEAD (RFC 9110 section 9.3.2), however bad the rest is. */
	mo_h1_gather_refusal(c, status, text, mo_str_has_prefix(first_line(h), MO_STR("HEAD ")));
	mo_http_count_answer(c->count, status);
	c->server->app.refused(c->server, &c->peer, status, first_line(h));
	mo_h1_consume(c, mo_h1_unread(h));
	h->closing = true;
}

/* Are the first bytes those of HTTP/2, or the beginning of it?  One that came from a former
 * generation may not have spoken yet. */
static bool begins_h2(const mo_conn *c)
{
	const mo_h1 *h = mo_h1_of(c);
	size_t n = mo_h1_unread(h) < preface.len ? mo_h1_unread(h) : preface.len;

	return !h->spoken && !c->tls && c->server->lim.h2_cleartext && n > 0 &&
	       memcmp(h->in + h->in_at, preface.ptr, n) == 0;
}

/* The connection is HTTP/2's, with what was read. */
static void become_h2(mo_conn *c)
{
	mo_h1 *h = mo_h1_of(c);
	mo_h1 input = *h;

	h->in = NULL;
	h->in_at = h->in_end = 0;
	c->proto->closed(c);
	c->proto = c->transport = &mo_protocol_h2;
	c->proto->open(c);
	c->proto->restore(c, mo_strn(input.in + input.in_at, mo_h1_unread(&input)));
	mo_h1_input_put(&input, mo_conn_loop(c));
}

static enum next next_request(mo_conn *c)
{
	const mo_http_limits *lim = &c->server->lim;
	mo_head_limits limits = { lim->max_header, lim->max_target, lim->max_fields };
	mo_field fields[MO_MAX_FIELDS];
	mo_h1 *h = mo_h1_of(c);
	mo_head head;
	mo_h1_req *q;
	int n;

	if (begins_h2(c)) /* not all of it */
		return NEXT_PARTIAL;
	n = mo_h1_parse(h->in + h->in_at, mo_h1_unread(h), &limits, &head, fields);
	if (n == 0 && mo_h1_unread(h) < head_room(c) && !h->no_room)
		return NEXT_PARTIAL;
	if (n <= 0) {
		if (h->no_room)
			mo_memory_refused();
		refuse(c, n < 0 ? -n : h->no_room ? 503 : 431, (molt_str){ 0 });
		return NEXT_REFUSED;
	}
	h->spoken = true;
	mo_conn_request_begins(c);
	q = mo_h1_exchange_new(c, &head, fields);
	h->head_began = 0;
	mo_h1_consume(c, head.size);
	return mo_h1_exchange_run(q) ? NEXT_DONE : NEXT_PARKED;
}

/* An empty line between two requests is nothing to wait on (RFC 9112 section 2.2). */
static bool only_crlf(const mo_h1 *h)
{
	return mo_h1_unread(h) == 2 && memcmp(h->in + h->in_at, "\r\n", 2) == 0;
}

/* Unread bytes that fit one borrowed buffer travel along; an exchange, gathered
 * answers and a half-closed connection do not. */
static bool h1_movable(const mo_conn *c)
{
	const mo_h1 *h = mo_h1_of(c);

	return !h->req && !h->waiting && !h->blocked && !h->closing && !h->dead && !h->eof &&
	       mo_h1_gathered(h) == 0 && mo_h1_unread(h) <= MO_LOOP_BUFFER;
}

/* One that leaves for the successor reads nothing more here. */
static void wait_for_more(mo_conn *c)
{
	if (mo_conn_leaves(c) && h1_movable(c) && c->stream->ops->settled(c->stream)) {
		mo_conn_offer(c);
		return;
	}
	mo_conn_watch(c, UV_READABLE);
	if (c->stream->ops->pending(c->stream))
		mo_conn_next_turn(c);
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
	c->unheard = false;
	if (mo_h1_unread(h) == 0 && c->state != MO_CONN_IDLE) {
		mo_conn_shed(c); /* not sooner: one that ends with its answer saves nothing by it */
		mo_conn_set_state(c, MO_CONN_IDLE);
		mo_conn_deadline(c, lim->idle_timeout);
	} else if (mo_h1_unread(h) > 0 && c->state != MO_CONN_HEAD) {
		mo_conn_set_state(c, MO_CONN_HEAD);
		h->head_began = mo_loop_now(mo_conn_loop(c));
		mo_conn_deadline(c, lim->header_timeout);
	}
	wait_for_more(c);
}

/* Answers of one turn are sent one after another at its end: reading and handling
 * keep the caches to themselves, and so does the kernel's way out. */
static bool may_wait(const mo_conn *c)
{
	const mo_h1 *h = mo_h1_of(c);

	return !h->soon && !h->blocked && !h->closing && !h->dead && !c->fresh &&
	       mo_h1_gathered(h) > 0;
}

/* Answers whole requests one after another.  false: the answers so far do not leave. */
static bool answer_whole(mo_conn *c, enum next *next, int *count)
{
	mo_h1 *h = mo_h1_of(c);

	while (*next == NEXT_DONE && mo_h1_unread(h) > 0 && !h->closing && !h->dead &&
	       !h->upgraded) {
		if (mo_h1_gathered(h) > MO_H1_GATHER && !send_gathered(c))
			return false;
		if ((*count)++ == REQUESTS_PER_TURN)
			break;
		*next = next_request(c);
	}
	return true;
}

/* Runs the requests that are buffered, then sends their answers together. */
static void drive(mo_conn *c)
{
	mo_h1 *h = mo_h1_of(c);
	enum next next = NEXT_DONE;
	int count = 0;

	if (h->blocked && !send_gathered(c))
		return;
	if (!answer_whole(c, &next, &count))
		return;
	if (h->upgraded) {
		if (!h->req)
			free(h);
		return;
	}
	if (next == NEXT_PARKED) {
		/* It may wait long; the answers before it must not. */
		if (!h->waiting && mo_h1_gathered(h) > 0)
			(void)send_gathered(c);
		return;
	}
	if (count <= REQUESTS_PER_TURN && may_wait(c) && mo_conn_turn_end(c)) {
		h->soon = true;
		return;
	}
	if (!send_gathered(c))
		return;
	if (count > REQUESTS_PER_TURN)
		mo_conn_next_turn(c);
	else
		settle(c);
}

/* The turn's end.  Of its own, for the fewest calls around the one that sends. */
static void send_now(mo_conn *c)
{
	mo_h1 *h = mo_h1_of(c);

	if (mo_h1_unread(h) > 0)
		drive(c);
	else if (send_gathered(c))
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

static void understand(mo_conn *c)
{
	if (mo_h1_unread(mo_h1_of(c)) >= preface.len && begins_h2(c))
		become_h2(c);
	else
		drive(c);
}

static void read_more(mo_conn *c)
{
	mo_h1 *h = mo_h1_of(c);
	size_t old = mo_h1_unread(h);
	ssize_t n = mo_h1_fill(c, head_room(c));

	if (c->fresh && !c->tls)
		mo_conns_learn(c->home, n != -EAGAIN);
	if (n == -EAGAIN) {
		mo_conn_watch(c, c->stream->want);
		return;
	}
	if (n < 0 && n != -ENOBUFS) {
		/* An alert that was sent is to be seen: a reset for what was not read would
		 * take it away. */
		if (n == -EPROTO)
			mo_conn_linger(c);
		else
			mo_conn_close(c);
		return;
	}
	if (n == 0) {
		h->eof = true;
		mo_h1_peer_ended(h);
		mo_conn_watch(c, 0);
	}
	if (n <= 0 || worth_parsing(c, old))
		understand(c);
	else
		wait_for_more(c);
}

/* An exchange runs and does not wait for the descriptor. */
static void while_running(mo_conn *c, int events)
{
	mo_h1 *h = mo_h1_of(c);

	if (events < 0) {
		mo_h1_die(c);
	} else if (events & UV_DISCONNECT) {
		mo_h1_peer_ended(h);
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
		mo_h1_wake(h);
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
		mo_h1_wake(h);
	else if (c->state == MO_CONN_RUNNING && !h->req && h->soon)
		send_now(c);
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
		if (h->soon)
			(void)mo_h1_flush(c); /* it was answered before the cut */
		mo_conn_close(c);
		return;
	}
	/* The client is to see it now; but an answer that ends with the connection
	 * is seen as cut only by the reset that comes with its end. */
	if (!q->r.head_sent || q->framing != MO_H1_UNTIL_CLOSE)
		(void)shutdown(c->stream->fd, SHUT_RDWR);
	mo_h1_die(c);
	mo_co_cancel(q->r.co, -ECANCELED);
	mo_h1_wake(h);
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
		mo_h1_consume(c, mo_h1_unread(h));
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

static molt_str h1_unread(const mo_conn *c)
{
	const mo_h1 *h = mo_h1_of(c);

	return h->in ? mo_strn(h->in + h->in_at, mo_h1_unread(h)) : MO_STR("");
}

static void h1_restore(mo_conn *c, molt_str bytes)
{
	mo_h1 *h = mo_h1_of(c);

	MO_CHECK(!h->in && bytes.len > 0 && bytes.len <= MO_LOOP_BUFFER);
	h->in = mo_loop_buffer_get(mo_conn_loop(c));
	h->in_cap = MO_LOOP_BUFFER;
	memcpy(h->in, bytes.ptr, bytes.len);
	h->in_end = (uint32_t)bytes.len;
	understand(c);
}

/* Also one that waited to be packed and does not leave after all. */
static void h1_retire(mo_conn *c)
{
	if (c->state == MO_CONN_RUNNING)
		mo_conn_next_turn(c);
	else if (c->state == MO_CONN_IDLE || c->state == MO_CONN_HEAD)
		wait_for_more(c);
}

const mo_protocol mo_protocol_h1 = {
	.name = "http/1.1",
	.alpn = "http/1.1",
	.ends_silently = true,
	.open = h1_open,
	.on_ready = h1_on_ready,
	.on_timeout = h1_on_timeout,
	.on_turn = h1_on_turn,
	.cut = h1_cut,
	.closed = h1_closed,
	.not_tls = h1_not_tls,
	.movable = h1_movable,
	.unread = h1_unread,
	.restore = h1_restore,
	.revive = mo_h1_revive,
	.resume = mo_h1_resume,
	.drop = mo_h1_drop,
	.retire = h1_retire,
};
