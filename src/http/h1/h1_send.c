/* Answers of HTTP/1: the head, the framing of the body, and getting both to the
 * client.  Small answers are gathered in the connection's output buffer, which
 * the driver sends; what does not fit, files, and what a handler flushes is sent
 * from the exchange's coroutine, which waits for slow readers.
 *
 * Always: bytes leave in the order in which they were gathered; an answer that
 * broke off (cut) never gets its proper end. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "http/h1/h1_internal.h"
#include "rt/disk.h"
#include "rt/loop.h"

#define FILE_PIECE (512u * 1024)
#define SMALL_BODY 8192u /* looked at before all else */
#define SMALL_FILE 8192u /* read into the output buffer, to go out with the head */
#define PIECES 5

/* What one call adds to the answer: first into the output buffer, and when that
 * is full as pieces behind it. */
struct pieces {
	mo_h1_req *q;
	struct iovec v[1 + PIECES]; /* v[0] is for the output buffer */
	int n;
	char size_line[24];
};

/* ---- the output buffer ---- */

static size_t room(mo_conn *c)
{
	mo_h1 *h = mo_h1_of(c);

	if (!h->out) {
		h->out = mo_loop_buffer_get(mo_conn_loop(c));
		h->out_at = h->out_end = 0;
	}
	if (h->out_at > 0 && MO_LOOP_BUFFER - h->out_end < MO_LOOP_BUFFER / 2) {
		memmove(h->out, h->out + h->out_at, mo_h1_gathered(h));
		h->out_end -= h->out_at;
		h->out_at = 0;
	}
	return MO_LOOP_BUFFER - h->out_end;
}

static void give_back_output(mo_conn *c)
{
	mo_h1 *h = mo_h1_of(c);

	if (h->out)
		mo_loop_buffer_put(mo_conn_loop(c), h->out);
	h->out = NULL;
	h->out_at = h->out_end = 0;
}

static void gather(mo_conn *c, const void *p, size_t n)
{
	mo_h1 *h = mo_h1_of(c);

	memcpy(h->out + h->out_end, p, n);
	h->out_end += (uint32_t)n;
}

int mo_h1_flush_on(mo_conn *c, ssize_t n)
{
	mo_h1 *h = mo_h1_of(c);

	while (!h->dead && mo_h1_gathered(h) > 0) {
		if (n == -EAGAIN)
			return -EAGAIN;
		if (n > 0)
			h->out_at += (uint32_t)n;
		else
			mo_h1_die(c);
		if (mo_h1_gathered(h) > 0)
			n = mo_h1_send_gathered(c);
	}
	if (h->dead)
		return -EPIPE;
	give_back_output(c);
	return 0;
}

/* ---- sending from the coroutine ---- */

/* Waits until the client takes more; one that does not is cut. */
static int wait_to_send(mo_h1_req *q)
{
	mo_conn *c = mo_h1_conn(q);
	molt_time left = mo_shorter(mo_left(q->r.write_deadline), q->r.server->lim.write_timeout);
	int rc = -ETIMEDOUT;

	if (left != 0)
		rc = mo_h1_wait(c, c->stream->want, left);
	if (rc == -ETIMEDOUT)
		mo_h1_die(c);
	return rc;
}

static int advance(struct iovec **v, int count, size_t n)
{
	while (count > 0 && n >= (*v)->iov_len) {
		n -= (*v)->iov_len;
		(*v)++;
		count--;
	}
	if (count > 0) {
		(*v)->iov_base = (char *)(*v)->iov_base + n;
		(*v)->iov_len -= n;
	}
	return count;
}

/* Sends the output buffer and v[1..count).  v[0] is overwritten. */
static int send_all(mo_h1_req *q, struct iovec *v, int count)
{
	mo_conn *c = mo_h1_conn(q);
	mo_h1 *h = mo_h1_of(c);
	int rc = 0;

	h->blocked = false;
	v[0].iov_base = h->out ? h->out + h->out_at : NULL;
	v[0].iov_len = mo_h1_gathered(h);
	count = advance(&v, count, 0);
	while (rc == 0 && count > 0) {
		ssize_t n = h->dead ? -EPIPE : c->stream->ops->writev(c->stream, v, count);

		if (n > 0) {
			count = advance(&v, count, (size_t)n);
			mo_h1_spend(c, (size_t)n);
		} else if (n == -EAGAIN) {
			rc = wait_to_send(q);
		} else {
			mo_h1_die(c);
			rc = -EPIPE;
		}
	}
	if (rc == 0)
		give_back_output(c);
	return rc;
}

int mo_h1_flush_wait(mo_h1_req *q)
{
	mo_h1 *h = mo_h1_of(mo_h1_conn(q));
	struct iovec v[1];

	if (h->dead)
		return -EPIPE;
	return mo_h1_gathered(h) > 0 ? send_all(q, v, 1) : 0;
}

static void add(struct pieces *p, const void *data, size_t n)
{
	mo_conn *c = mo_h1_conn(p->q);

	if (n == 0)
		return;
	if (p->n == 0 && n <= room(c)) {
		gather(c, data, n);
		return;
	}
	MO_CHECK(p->n < PIECES);
	p->v[++p->n] = (struct iovec){ (void *)(uintptr_t)data, n };
}

/* Sends the pieces; without any, leaves the output to be gathered if it may. */
static int send_pieces(struct pieces *p, bool now)
{
	int rc = 0;

	if (p->n > 0)
		rc = send_all(p->q, p->v, 1 + p->n);
	else if (now)
		rc = mo_h1_flush_wait(p->q);
	p->n = 0;
	return rc;
}

/* ---- the head and the body ---- */

/* Decides all that the head says, and adds it.  n: bytes of body of this call. */
static void begin(struct pieces *p, size_t n, bool last)
{
	mo_h1_req *q = p->q;
	mo_conn *c = mo_h1_conn(q);
	molt_req *r = &q->r;
	size_t bound;
	char *head;

	mo_h1_head_decide(q, n, last);
	bound = mo_h1_head_bound(q);
	if (bound <= room(c)) {
		mo_h1 *h = mo_h1_of(c);

		h->out_end = (uint32_t)(mo_h1_head_put(h->out + h->out_end, q) - h->out);
		return;
	}
	head = mo_arena_alloc(&r->arena, bound);
	add(p, head, (size_t)(mo_h1_head_put(head, q) - head));
}

static bool takes_body(const mo_h1_req *q)
{
	return !q->head_only && q->framing != MO_H1_NO_BODY;
}

/* How many of n bytes the framing lets through. */
static size_t clip(mo_h1_req *q, size_t n)
{
	if (!takes_body(q))
		return 0;
	if (q->framing != MO_H1_LENGTH)
		return n;
	n = n < q->left ? n : (size_t)q->left;
	q->left -= n;
	return n;
}

static void add_chunk_start(struct pieces *p, size_t n)
{
	int len;

	if (n == 0 || p->q->framing != MO_H1_CHUNKED)
		return;
	len = snprintf(p->size_line, sizeof(p->size_line), "%zx\r\n", n);
	add(p, p->size_line, (size_t)len);
}

/* Behind n bytes of body.  A body that is shorter than was said gets no end. */
static void add_end(struct pieces *p, size_t n, bool last)
{
	mo_h1_req *q = p->q;

	p->q->r.bytes_sent += n;
	if (takes_body(q) && q->framing == MO_H1_CHUNKED) {
		if (n > 0)
			add(p, "\r\n", 2);
		if (last)
			add(p, "0\r\n\r\n", 5);
	}
	if (!last)
		return;
	q->r.finished = true;
	if (takes_body(q) && q->framing == MO_H1_LENGTH && q->left > 0)
		q->r.cut = true;
}

static int may_send(const molt_req *r)
{
	if (mo_h1_req_of(r)->h1->dead || r->finished || r->cut)
		return -EPIPE;
	return mo_exchange_overdue(r) ? -ETIMEDOUT : 0;
}

/* A whole answer that fits behind what is gathered, which most do.  Its framing is
 * the length, or it has no body. */
static int send_whole(mo_h1_req *q, const void *data, size_t n)
{
	mo_h1 *h = mo_h1_of(mo_h1_conn(q));
	size_t fit;
	char *p;

	mo_h1_head_decide(q, n, true);
	p = mo_h1_head_put(h->out + h->out_end, q);
	fit = clip(q, n);
	if (fit > 0)
		mo_copy(p, data, fit);
	h->out_end = (uint32_t)((size_t)(p - h->out) + fit);
	q->r.bytes_sent += fit;
	q->r.finished = true;
	if (!takes_body(q))
		return 0;
	q->r.cut |= q->left > 0; /* shorter than was said */
	return fit < n ? -EMSGSIZE : 0;
}

static int send_part(molt_req *r, const void *data, size_t n, bool last)
{
	struct pieces p = { .q = mo_h1_req_of(r) };
	size_t fit;
	int rc;

	if (!r->head_sent)
		begin(&p, n, last);
	fit = clip(p.q, n);
	add_chunk_start(&p, fit);
	add(&p, data, fit);
	add_end(&p, fit, last);
	rc = send_pieces(&p, !last);
	if (rc == 0 && fit < n && takes_body(p.q))
		return -EMSGSIZE;
	return rc;
}

int mo_h1_send(molt_req *r, const void *data, size_t n, bool last)
{
	mo_h1_req *q = mo_h1_req_of(r);
	int rc = may_send(r);

	if (rc)
		return rc;
	if (last && !r->head_sent && n <= SMALL_BODY && mo_h1_head_bound(q) + n <= room(q->c))
		return send_whole(q, data, n);
	return send_part(r, data, n, last);
}

/* A small file goes into the output buffer, so that one write sends it all. */
static int gather_file(mo_h1_req *q, int fd, off_t off, size_t n)
{
	mo_h1 *h = mo_h1_of(mo_h1_conn(q));

	while (n > 0) {
		ssize_t k = pread(fd, h->out + h->out_end, n, off);

		if (k < 0 && errno == EINTR)
			continue;
		if (k <= 0)
			return k < 0 ? -errno : -EIO;
		h->out_end += (uint32_t)k;
		off += k;
		n -= (size_t)k;
	}
	return 0;
}

static ssize_t send_piece(mo_stream *s, int fd, off_t *off, size_t n)
{
	ssize_t k;

	mo_loop_inside("sends a file");
	k = s->ops->sendfile(s, fd, off, n);
	mo_loop_inside(NULL);
	return k;
}

static int stream_file(mo_h1_req *q, int fd, off_t off, size_t n)
{
	mo_conn *c = mo_h1_conn(q);
	off_t fetched = off; /* up to here it need not be looked at */
	int rc = 0;

	while (rc == 0 && n > 0) {
		size_t piece = n < FILE_PIECE ? n : FILE_PIECE;
		ssize_t k;

		if (off >= fetched) {
			mo_disk_fetch(fd, off, n);
			fetched = off + (off_t)MO_DISK_WINDOW;
		}
		k = mo_h1_of(c)->dead ? -EPIPE : send_piece(c->stream, fd, &off, piece);
		if (k > 0) {
			n -= (size_t)k;
			mo_h1_spend(c, (size_t)k);
		} else if (k == -EAGAIN) {
			rc = wait_to_send(q);
		} else if (k == -EIO || k == -EINVAL || k == -EBADF) {
			rc = (int)k; /* of the file, not of the client */
		} else {
			mo_h1_die(c);
			rc = -EPIPE;
		}
	}
	return rc;
}

int mo_h1_send_file(molt_req *r, int fd, off_t off, size_t n, bool last)
{
	struct pieces p = { .q = mo_h1_req_of(r) };
	int rc = may_send(r);
	size_t fit;

	if (rc)
		return rc;
	if (n <= SMALL_FILE) { /* before anything is gathered, for the loop goes on */
		mo_disk_fetch(fd, off, n);
		rc = may_send(r);
		if (rc)
			return rc;
	}
	if (!r->head_sent)
		begin(&p, n, last);
	fit = clip(p.q, n);
	add_chunk_start(&p, fit);
	if (p.n == 0 && fit <= SMALL_FILE && fit <= room(p.q->c)) {
		rc = gather_file(p.q, fd, off, fit);
	} else {
		mo_stream *s = mo_h1_conn(p.q)->stream;

		s->more = fit > 0; /* the head and the file's beginning in one segment */
		rc = send_pieces(&p, true);
		s->more = false;
		if (rc == 0)
			rc = stream_file(p.q, fd, off, fit);
	}
	if (rc) {
		r->cut = true;
		return rc;
	}
	add_end(&p, fit, last);
	rc = send_pieces(&p, !last);
	if (rc == 0 && fit < n && takes_body(p.q))
		return -EMSGSIZE;
	return rc;
}

/* ---- the end, and answers without an exchange ---- */

void mo_h1_finish(mo_h1_req *q)
{
	molt_req *r = &q->r;

	if (mo_exchange_ends(r))
		(void)mo_h1_send(r, r->out.data, r->out.len, true);
	if (!r->cut)
		mo_h1_body_drain(q);
}

void mo_h1_gather_interim(mo_h1_req *q, molt_str text)
{
	struct pieces p = { .q = q };

	if (text.len > room(mo_h1_conn(q)))
		(void)mo_h1_flush_wait(q);
	if (!mo_h1_of(mo_h1_conn(q))->dead)
		add(&p, text.ptr, text.len);
}

/* The driver keeps more room than this takes. */
void mo_h1_gather_refusal(mo_conn *c, int status, molt_str text, bool head_only)
{
	char answer[MO_H1_REFUSAL_MAX];
	size_t n = mo_h1_refusal_put(answer, c, status, text, head_only);

	MO_CHECK(n <= room(c));
	gather(c, answer, n);
}
