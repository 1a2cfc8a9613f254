/* Bodies of answers of HTTP/2.  A handler's bytes stay where they are; its coroutine waits
 * until nghttp2 has fetched them all into DATA frames: as far as the two windows and the
 * room in `out` let it.
 *
 *   ops->send, send_file   set what there is (data, or fd and off; n), wait until n is 0
 *   mo_h2_data_length      nghttp2 asks how much may go into a frame
 *   mo_h2_data_put         it wants that frame: its head and the bytes go into `out`
 *
 * An answer that broke off (cut) ends with RST_STREAM, so that its client sees it.  So does
 * a body of a request that nobody read to its end: with NO_ERROR, behind the answer (RFC
 * 9113 section 8.1). */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "http/h2/h2_internal.h"
#include "rt/disk.h"

#define FRAME_HEAD 9u

/* ---- nghttp2 fetches ---- */

ssize_t mo_h2_data_length(nghttp2_session *s, int32_t id, uint8_t *buf, size_t length,
			  uint32_t *flags, nghttp2_data_source *source, void *user)
{
	mo_h2_req *q = nghttp2_session_get_stream_user_data(s, id);
	size_t n;

	if (!q) /* its exchange has ended without it */
		return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
	n = q->n < length ? q->n : length;
	if (n == 0 && !q->last)
		return NGHTTP2_ERR_DEFERRED;
	*flags |= NGHTTP2_DATA_FLAG_NO_COPY;
	if (n == q->n && q->last)
		*flags |= NGHTTP2_DATA_FLAG_EOF;
	return (ssize_t)n;
}

static bool copy_from_file(mo_h2_req *q, char *to, size_t n)
{
	while (n > 0) {
		ssize_t k = pread(q->fd, to, n, q->off);

		if (k < 0 && errno == EINTR)
			continue;
		if (k <= 0)
			return false;
		to += k;
		q->off += k;
		n -= (size_t)k;
	}
	return true;
}

static bool copy_piece(mo_h2_req *q, char *to, size_t n)
{
	if (!q->data)
		return copy_from_file(q, to, n);
	memcpy(to, q->data, n);
	q->data += n;
	return true;
}

static bool all_taken(const mo_h2_req *q)
{
	return q->n == 0 && (!q->last || q->ended);
}

static void piece_taken(mo_h2_req *q, size_t n, bool end)
{
	q->n -= n;
	q->taken += n;
	q->h->taken += n;
	q->r.bytes_sent += n;
	q->ended |= end;
	if (all_taken(q))
		mo_h2_wake(q);
}

int mo_h2_data_put(nghttp2_session *s, nghttp2_frame *frame, const uint8_t *frame_head,
		   size_t length, nghttp2_data_source *source, void *user)
{
	mo_h2 *h = user;
	mo_h2_req *q = nghttp2_session_get_stream_user_data(s, frame->hd.stream_id);
	char *to;

	if (!q)
		return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
	to = mo_h2_out_room(h, FRAME_HEAD + length);
	memcpy(to, frame_head, FRAME_HEAD);
	if (length > 0 && !copy_piece(q, to + FRAME_HEAD, length)) {
		q->broken_file = true;
		mo_h2_wake(q);
		return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
	}
	h->out.len += FRAME_HEAD + length;
	mo_h2_limit_earn(h, 2);
	piece_taken(q, length, frame->hd.flags & NGHTTP2_FLAG_END_STREAM);
	return mo_h2_out_full(h) ? NGHTTP2_ERR_PAUSE : 0;
}

/* ---- the handler gives ---- */

/* The handler's bytes are its own again. */
static int give_up(mo_h2_req *q, int rc)
{
	q->n = 0;
	q->data = NULL;
	q->last = false;
	q->r.cut = true;
	return rc;
}

/* How long the client may take for the next piece. */
static molt_time patience(const mo_h2_req *q)
{
	return mo_shorter(mo_left(q->r.write_deadline), q->r.server->lim.write_timeout);
}

/* Has the client taken nothing since?  A stream that its client has given room is served when
 * those before it are; meanwhile what they get counts. */
static bool stalled(const mo_h2_req *q, uint64_t mine, uint64_t all)
{
	nghttp2_session *s = q->h->session;

	if (q->taken != mine)
		return false;
	return q->h->taken == all || nghttp2_session_get_stream_remote_window_size(s, q->id) <= 0;
}

/* Waits until all is in frames.  0, -EPIPE, -ETIMEDOUT, -EIO: of the file. */
static int wait_until_taken(mo_h2_req *q)
{
	while (!all_taken(q)) {
		uint64_t mine = q->taken, all = q->h->taken;
		int rc;

		mo_h2_pull(q->h);
		if (all_taken(q))
			break;
		if (q->broken_file)
			return give_up(q, -EIO);
		if (mo_h2_lost(q))
			return give_up(q, -EPIPE);
		mo_h2_soon(q->h);
		rc = patience(q) == 0 ? -ETIMEDOUT : mo_h2_wait(q, patience(q));
		if (rc == 0 || all_taken(q))
			continue;
		if (mo_h2_lost(q) || mo_exchange_overdue(&q->r) || stalled(q, mine, all))
			return give_up(q, mo_h2_lost(q) ? -EPIPE : rc);
	}
	mo_h2_soon(q->h);
	return 0;
}

static int may_send(const mo_h2_req *q)
{
	const molt_req *r = &q->r;

	if (r->finished || r->cut)
		return -EPIPE;
	if (mo_h2_lost(q) && !(q->ended && r->head_sent && q->empty))
		return -EPIPE;
	return mo_exchange_overdue(r) ? -ETIMEDOUT : 0;
}

/* How many of n bytes the length lets through. */
static size_t clip(mo_h2_req *q, size_t n)
{
	if (q->empty)
		return 0;
	if (!q->has_length)
		return n;
	n = n < q->left ? n : (size_t)q->left;
	q->left -= n;
	return n;
}

/* Of n bytes `fit` go; a body that is shorter than was said gets no end. */
static int give(mo_h2_req *q, size_t fit, bool last)
{
	bool short_body = last && !q->empty && q->has_length && q->left > 0;
	int rc;

	q->n = fit;
	q->last = last && !short_body;
	if (!q->empty)
		nghttp2_session_resume_data(q->h->session, q->id);
	rc = wait_until_taken(q);
	if (rc < 0)
		return rc;
	q->r.finished = last;
	q->r.cut |= short_body;
	return 0;
}

static int overlong(const mo_h2_req *q, size_t fit, size_t n)
{
	bool body = mo_status_has_body(q->r.status) && q->has_length;

	return body && fit < n && (!q->empty || q->left == 0) ? -EMSGSIZE : 0;
}

/* The head is on its way, and *fit of the n bytes may follow. */
static int begin(mo_h2_req *q, size_t n, bool last, size_t *fit)
{
	int rc = may_send(q);

	if (rc)
		return rc;
	if (!q->r.head_sent)
		mo_h2_answer_begin(q, n, last);
	*fit = clip(q, n);
	return 0;
}

int mo_h2_send(molt_req *r, const void *data, size_t n, bool last)
{
	mo_h2_req *q = mo_h2_req_of(r);
	size_t fit;
	int rc = begin(q, n, last, &fit);

	if (rc)
		return rc;
	q->data = data ? data : "";
	rc = give(q, fit, last);
	return rc ? rc : overlong(q, fit, n);
}

/* Bytes that are in no cache are fetched first, a window at a time. */
static int give_file(mo_h2_req *q, off_t off, size_t n, bool last)
{
	int rc = 0;

	do {
		size_t piece = n < MO_DISK_WINDOW ? n : MO_DISK_WINDOW;

		if (piece > 0)
			mo_disk_fetch(q->fd, off, piece);
		rc = mo_h2_lost(q) && piece > 0 ? give_up(q, -EPIPE) : 0;
		if (rc == 0) {
			q->off = off;
			rc = give(q, piece, last && piece == n);
		}
		off += (off_t)piece;
		n -= piece;
	} while (rc == 0 && n > 0);
	return rc;
}

int mo_h2_send_file(molt_req *r, int fd, off_t off, size_t n, bool last)
{
	mo_h2_req *q = mo_h2_req_of(r);
	size_t fit;
	int rc = begin(q, n, last, &fit);

	if (rc)
		return rc;
	q->data = NULL;
	q->fd = fd;
	rc = give_file(q, off, fit, last);
	return rc ? rc : overlong(q, fit, n);
}

/* ---- the end ---- */

void mo_h2_finish(mo_h2_req *q)
{
	molt_req *r = &q->r;

	if (mo_exchange_ends(r))
		(void)mo_h2_send(r, r->out.data, r->out.len, true);
	if (mo_h2_lost(q))
		return;
	if (!q->ended)
		nghttp2_submit_rst_stream(q->h->session, NGHTTP2_FLAG_NONE, q->id,
					  NGHTTP2_INTERNAL_ERROR);
	else if (!q->complete && r->body_state != MO_BODY_NONE)
		nghttp2_submit_rst_stream(q->h->session, NGHTTP2_FLAG_NONE, q->id,
					  NGHTTP2_NO_ERROR);
}
