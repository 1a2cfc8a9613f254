/* Request bodies of HTTP/1: ops->read, and what becomes of the rest that a
 * handler did not read.  Runs in the exchange's coroutine.
 *
 *   body_state  event                                 -> next
 *   PENDING     the last byte of the framing was read -> NONE
 *   PENDING     bad framing, too long, too slow, end  -> FAILED (the answer closes)
 *
 * Always: no byte behind the body's end is taken for the body; a body that was
 * not read to its end closes the connection. */
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "http/h1/h1_internal.h"

#define DIRECT_READ 4096u       /* larger reads go past the input buffer */
#define DRAIN_MAX (256u * 1024) /* that much is read away to keep a connection */

void mo_h1_body_init(mo_h1_req *q)
{
	molt_time limit = q->r.server->lim.read_timeout;
	molt_time began = mo_h1_of(mo_h1_conn(q))->head_began;

	q->body_due = limit < 0 ? INT64_MAX : (began ? began : q->r.started) + limit;
	q->r.body_state = MO_BODY_NONE;
	if (q->in_chunks) {
		mo_chunked_init(&q->chunked);
		q->r.body_state = MO_BODY_PENDING;
	} else if (q->r.body_length > 0) {
		q->body_left = (uint64_t)q->r.body_length;
		q->r.body_state = MO_BODY_PENDING;
	}
}

static long failed(mo_h1_req *q, int err)
{
	q->r.body_state = MO_BODY_FAILED;
	q->body_error = err;
	q->r.close = true;
	return err;
}

/* made bytes of the body were given to the handler. */
static long account(mo_h1_req *q, size_t made)
{
	molt_req *r = &q->r;

	r->body_read += made;
	if (r->body_read > r->body_max)
		return failed(q, -E2BIG);
	if (!q->in_chunks) {
		q->body_left -= made;
		if (q->body_left == 0)
			r->body_state = MO_BODY_NONE;
	}
	return (long)made;
}

/* From the input buffer.  0 with the body still PENDING: more must be read. */
static long take(mo_h1_req *q, char *buf, size_t n)
{
	mo_conn *c = mo_h1_conn(q);
	mo_h1 *h = mo_h1_of(c);
	size_t have = mo_h1_unread(h), used = 0, made = 0;
	int rc;

	if (have == 0)
		return 0;
	if (!q->in_chunks) {
		n = n < have ? n : have;
		n = n < q->body_left ? n : (size_t)q->body_left;
		memcpy(buf, h->in + h->in_at, n);
		mo_h1_consume(c, n);
		return account(q, n);
	}
	rc = mo_chunked_decode(&q->chunked, h->in + h->in_at, have, &used, buf, n, &made);
	mo_h1_consume(c, used);
	if (rc < 0)
		return failed(q, rc);
	if (rc > 0)
		q->r.body_state = MO_BODY_NONE;
	made = (size_t)account(q, made);
	/* A chunk that cannot fit is refused when its size is said. */
	if (q->r.body_state == MO_BODY_PENDING && q->chunked.left > q->r.body_max - q->r.body_read)
		return failed(q, -E2BIG);
	return q->r.body_state == MO_BODY_FAILED ? q->body_error : (long)made;
}

static bool client_waits(const mo_h1_req *q)
{
	return q->expect_continue && !q->continue_sent && q->r.body_read == 0 &&
	       mo_h1_unread(mo_h1_of(mo_h1_conn(q))) == 0;
}

static void send_continue(mo_h1_req *q)
{
	static const char text[] = "HTTP/1.1 100 Continue\r\n\r\n";

	if (!client_waits(q) || q->r.head_sent)
		return;
	q->continue_sent = true;
	mo_h1_gather_interim(q, (molt_str){ text, sizeof(text) - 1 });
}

/* Nothing is there yet.  What the client waits for is sent first. */
static int wait_for_more(mo_h1_req *q)
{
	mo_conn *c = mo_h1_conn(q);
	molt_time limit = q->r.server->lim.body_timeout, left;
	int want = c->stream->want, rc;

	send_continue(q);
	rc = mo_h1_flush_wait(q);
	if (rc)
		return rc;
	left = mo_left(q->body_due);
	if (left == 0)
		return -ETIMEDOUT;
	return mo_h1_wait(c, want, mo_shorter(left, limit));
}

/* Reads from the stream: into buf (> 0 bytes), or into the input buffer (0). */
static long read_stream(mo_h1_req *q, char *buf, size_t n)
{
	mo_conn *c = mo_h1_conn(q);
	mo_h1 *h = mo_h1_of(c);
	bool direct = !q->in_chunks && n >= DIRECT_READ && mo_h1_unread(h) == 0;
	ssize_t got;

	if (direct)
		got = c->stream->ops->read(c->stream, buf,
					   n < q->body_left ? n : (size_t)q->body_left);
	else
		got = mo_h1_fill(c, MO_LOOP_BUFFER);
	if (got > 0) {
		mo_h1_spend(c, (size_t)got);
		return direct ? account(q, (size_t)got) : 0;
	}
	if (got == -EAGAIN)
		return wait_for_more(q);
	if (got == 0) {
		h->eof = true;
		mo_h1_peer_ended(h);
	} else {
		mo_h1_die(c);
	}
	return -ECONNRESET;
}

long mo_h1_body_read(molt_req *r, void *buf, size_t n)
{
	mo_h1_req *q = mo_h1_req_of(r);
	uint64_t room = r->body_max < r->body_read ? 0 : r->body_max - r->body_read;
	long got = 0;

	if (n > room) /* one more byte shows that it is too long */
		n = (size_t)room + 1;
	while (got == 0 && n > 0 && r->body_state == MO_BODY_PENDING) {
		if (q->h1->dead)
			return failed(q, -ECONNRESET);
		got = take(q, buf, n);
		if (got == 0 && r->body_state == MO_BODY_PENDING)
			got = read_stream(q, buf, n);
	}
	if (r->body_state == MO_BODY_FAILED)
		return q->body_error;
	return got < 0 ? failed(q, got == -EPIPE ? -ECONNRESET : (int)got) : got;
}

bool mo_h1_body_drainable(const mo_h1_req *q)
{
	if (q->r.body_state != MO_BODY_PENDING)
		return q->r.body_state == MO_BODY_NONE;
	return !client_waits(q) && (q->in_chunks || q->body_left <= DRAIN_MAX);
}

void mo_h1_body_drain(mo_h1_req *q)
{
	molt_req *r = &q->r;
	molt_time due;
	size_t total = 0;
	char *scratch;
	long n;

	if (r->body_state != MO_BODY_PENDING || r->close || !mo_h1_body_drainable(q))
		return;
	due = mo_deadline(r->server->lim.body_timeout);
	if (due < q->body_due)
		q->body_due = due;
	r->body_max = SIZE_MAX;
	scratch = mo_loop_buffer_get(r->loop);
	do {
		n = mo_h1_body_read(r, scratch, MO_LOOP_BUFFER);
		total += n > 0 ? (size_t)n : 0;
	} while (n > 0 && total <= DRAIN_MAX);
	mo_loop_buffer_put(r->loop, scratch);
}
