/* Request bodies of HTTP/2: DATA frames become bytes in the exchange, at most a window of
 * them, and the handler's reads give both windows back.
 *
 *   body_state  event                                     -> next
 *   PENDING     the last byte was read, and END_STREAM    -> NONE
 *               is here, or the length was said
 *   PENDING     too long, too slow, the stream is reset   -> FAILED
 *
 * That content-length and DATA agree is seen by nghttp2, which resets the stream.
 *
 * Always: each byte that came is given back to the connection's window once: when it is
 * read, or when the exchange ends. */
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "http/h2/h2_internal.h"

void mo_h2_body_init(mo_h2_req *q)
{
	molt_time limit = q->r.server->lim.read_timeout;

	q->body_due = limit < 0 ? INT64_MAX : q->r.started + limit;
	q->r.body_state = q->r.body_length == 0 || (q->complete && q->in.len == 0)
				  ? MO_BODY_NONE
				  : MO_BODY_PENDING;
}

static size_t waiting(const mo_h2_req *q)
{
	return q->in.len - q->in_at;
}

static void give_back(mo_h2_req *q, size_t n)
{
	nghttp2_session *s = q->h->session;

	if (n == 0)
		return;
	if (q->closed)
		nghttp2_session_consume_connection(s, n);
	else
		nghttp2_session_consume(s, q->id, n);
	mo_h2_soon(q->h);
}

static void put_buffer(mo_h2_req *q)
{
	mo_memory_track(&q->in_counted, 0);
	mo_conns_buf_put(q->c->home, &q->in);
	q->in_at = 0;
}

void mo_h2_body_add(mo_h2_req *q, const void *data, size_t n)
{
	if (!q->in.data)
		q->in = mo_conns_buf_get(q->c->home);
	if (q->in_at > 0 && q->in_at >= q->in.len / 2) {
		mo_buf_consume(&q->in, q->in_at);
		q->in_at = 0;
	}
	mo_buf_add(&q->in, data, n);
	mo_memory_track(&q->in_counted, q->in.cap);
	mo_h2_wake(q);
}

void mo_h2_body_drop(mo_h2_req *q)
{
	give_back(q, waiting(q));
	put_buffer(q);
}

static long failed(mo_h2_req *q, int err)
{
	q->r.body_state = MO_BODY_FAILED;
	q->body_error = err;
	return err;
}

static bool at_end(const mo_h2_req *q)
{
	const molt_req *r = &q->r;

	if (r->body_length >= 0 && r->body_read >= (uint64_t)r->body_length)
		return true;
	return q->complete && waiting(q) == 0;
}

static long take(mo_h2_req *q, char *buf, size_t n)
{
	size_t have = waiting(q);

	n = n < have ? n : have;
	memcpy(buf, q->in.data + q->in_at, n);
	q->in_at += n;
	if (q->in_at == q->in.len)
		put_buffer(q);
	give_back(q, n);
	q->r.body_read += n;
	if (q->r.body_read > q->r.body_max)
		return failed(q, -E2BIG);
	if (at_end(q))
		q->r.body_state = MO_BODY_NONE;
	return (long)n;
}

/* Nothing is there yet.  What the client waits for is sent first. */
static int wait_for_more(mo_h2_req *q)
{
	molt_time limit = q->r.server->lim.body_timeout, left = mo_left(q->body_due);

	if (mo_h2_lost(q) || q->h->eof)
		return -ECONNRESET;
	if (q->expect_continue && !q->continue_sent && !q->r.head_sent)
		mo_h2_answer_continue(q);
	mo_h2_soon(q->h);
	if (left == 0)
		return -ETIMEDOUT;
	return mo_h2_wait(q, mo_shorter(left, limit));
}

long mo_h2_body_read(molt_req *r, void *buf, size_t n)
{
	mo_h2_req *q = mo_h2_req_of(r);
	uint64_t room = r->body_max < r->body_read ? 0 : r->body_max - r->body_read;

	if (n > room) /* one more byte shows that it is too long */
		n = (size_t)room + 1;
	while (n > 0 && r->body_state == MO_BODY_PENDING) {
		int rc;

		if (waiting(q) > 0)
			return take(q, buf, n);
		if (q->complete) {
			r->body_state = MO_BODY_NONE;
			break;
		}
		rc = wait_for_more(q);
		if (rc < 0 && waiting(q) == 0 && !q->complete)
			return failed(q, rc == -EPIPE ? -ECONNRESET : rc);
	}
	return r->body_state == MO_BODY_FAILED ? q->body_error : 0;
}
