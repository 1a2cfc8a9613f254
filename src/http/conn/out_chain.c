/* The stages of an answer's body; see out_chain.h.
 *
 * Always: when a call of the program has returned 0, the head has been sent; an answer that
 * broke off (cut) never gets its proper end; each stage is given one END at the most. */
#include "http/conn/out_chain.h"

#include <errno.h>

#include "base/check.h"
#include "base/str.h"
#include "rt/disk.h"

struct mo_out_chain {
	mo_out_stage *first; /* from the program's side; once begun, those that take part */
	int64_t left;        /* of the length that the program has said; -1: it said none */
	bool begun;
};

static void release(void *arg)
{
	mo_out_stage *s = arg;

	s->ops->release(s);
}

int mo_out_add(molt_req *r, mo_out_stage *s)
{
	if (r->head_sent || r->finished || (r->chain && r->chain->begun))
		return -EALREADY;
	if (!r->chain)
		r->chain = mo_arena_zalloc(&r->arena, sizeof(*r->chain));
	s->next = r->chain->first;
	r->chain->first = s;
	if (s->ops->release)
		mo_arena_defer(&r->arena, release, s);
	return 0;
}

bool mo_out_is_staged(const molt_req *r)
{
	return r->chain && r->chain->begun && r->chain->first;
}

/* ---- the head ---- */

static bool is_head(const molt_req *r)
{
	return mo_str_eq(r->method, MO_STR("HEAD"));
}

static bool is_strong(molt_str etag)
{
	return etag.len > 0 && etag.ptr[0] == '"';
}

/* The bytes are no longer those of which the fields tell. */
static void amend_fields(molt_req *r)
{
	mo_out_field **at = &r->out_fields;

	while (*at) {
		mo_out_field *f = *at;

		if (mo_str_eq_ci(f->name, MO_STR("Accept-Ranges"))) {
			*at = f->next;
			continue;
		}
		if (mo_str_eq_ci(f->name, MO_STR("ETag")) && is_strong(f->value))
			f->value = mo_str(
				mo_arena_fmt(&r->arena, "W/%.*s", (int)f->value.len, f->value.ptr));
		at = &f->next;
	}
	r->out_tail = at;
}

/* Asks the stages.  length: of the body, or -1. */
static void begin(molt_req *r, int64_t length)
{
	struct mo_out_chain *chain = r->chain;
	mo_out_stage **at = &chain->first;
	bool changed = false;

	chain->begun = true;
	chain->left = is_head(r) ? -1 : r->res_length;
	if (!mo_status_has_body(r->status))
		*at = NULL;
	while (*at) {
		mo_out_stage *s = *at;
		bool asked = !s->ops->changes || r->status != 206;

		if (!asked || !s->ops->takes_part(s, r, length)) {
			*at = s->next;
			continue;
		}
		if (s->ops->changes) {
			changed = true;
			length = -1;
		}
		at = &s->next;
	}
	if (changed) {
		r->res_length = -1;
		amend_fields(r);
	}
}

/* 0 when the answer may go on, and has begun. */
static int ready(molt_req *r, int64_t length)
{
	if (r->finished || r->cut)
		return -EPIPE;
	if (r->chain->begun)
		return 0;
	if (r->ops->broken(r))
		return -EPIPE;
	if (mo_exchange_overdue(r))
		return -ETIMEDOUT;
	begin(r, length);
	return 0;
}

/* ---- the bytes ---- */

static int give(mo_out_stage *s, molt_req *r, const void *p, size_t n, enum mo_flow flow)
{
	if (s)
		return s->ops->bytes(s, r, p, n, flow);
	if (n == 0 && flow == MO_FLOW_MORE)
		return 0;
	return r->ops->send(r, p, n, flow == MO_FLOW_END);
}

int mo_out_pass(mo_out_stage *s, molt_req *r, const void *p, size_t n, enum mo_flow flow)
{
	return give(s->next, r, p, n, flow);
}

/* The first stage of all: what the program said of the length holds.  A body that ends too
 * early is flushed and not ended. */
static int hold_to_length(molt_req *r, const void *p, size_t n, enum mo_flow flow)
{
	struct mo_out_chain *chain = r->chain;
	size_t fit = n;
	bool early = false;
	int rc;

	if (chain->left >= 0) {
		fit = (uint64_t)chain->left < n ? (size_t)chain->left : n;
		chain->left -= (int64_t)fit;
		early = flow == MO_FLOW_END && chain->left > 0;
	}
	rc = give(chain->first, r, p, fit, early ? MO_FLOW_FLUSH : flow);
	if (rc == 0 && flow != MO_FLOW_END && !r->head_sent)
		rc = r->ops->send(r, "", 0, false); /* they keep everything back */
	r->cut |= early;
	return rc == 0 && fit < n ? -EMSGSIZE : rc;
}

/* An answer of which nothing was sent has fields of the stages by now: another one, without
 * them, takes its place. */
static int settle(molt_req *r, int rc, enum mo_flow flow)
{
	if (rc == 0 || rc == -EMSGSIZE) {
		r->cut |= flow == MO_FLOW_END && !r->finished; /* a stage kept the end */
		return rc;
	}
	if (rc != -EPIPE)
		mo_exchange_answer_status(r, rc == -ETIMEDOUT ? 503 : 500);
	return rc;
}

int mo_out_send_staged(molt_req *r, const void *p, size_t n, enum mo_flow flow)
{
	bool whole = flow == MO_FLOW_END && r->res_length < 0;
	int rc = ready(r, whole ? (int64_t)n : r->res_length);

	if (rc)
		return rc;
	if (!r->chain->first)
		return r->ops->send(r, p, n, flow == MO_FLOW_END);
	return settle(r, hold_to_length(r, p, n, flow), flow);
}

/* Reads the file through the stages, a buffer of the loop at a time. */
static int read_through(molt_req *r, int fd, off_t off, size_t n, enum mo_flow flow)
{
	char *buf = mo_loop_buffer_get(r->loop);
	int rc = 0;

	while (rc == 0 && n > 0) {
		ssize_t got = mo_disk_read(fd, buf, n < MO_LOOP_BUFFER ? n : MO_LOOP_BUFFER, off);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0) {
			rc = got < 0 ? -errno : -EIO;
			break;
		}
		off += got;
		n -= (size_t)got;
		rc = hold_to_length(r, buf, (size_t)got, n ? MO_FLOW_MORE : flow);
	}
	mo_loop_buffer_put(r->loop, buf);
	return rc;
}

/* HEAD has the head that GET has, for which no byte is read. */
static int send_head_alone(molt_req *r, enum mo_flow flow)
{
	int rc = hold_to_length(r, "", 0, MO_FLOW_MORE);

	return rc == 0 && flow != MO_FLOW_MORE ? hold_to_length(r, "", 0, flow) : rc;
}

int mo_out_file_staged(molt_req *r, int fd, off_t off, size_t n, enum mo_flow flow)
{
	int rc = ready(r, r->res_length);

	if (rc)
		return rc;
	if (!r->chain->first)
		return r->ops->send_file(r, fd, off, n, flow == MO_FLOW_END);
	rc = is_head(r) || n == 0 ? send_head_alone(r, flow) : read_through(r, fd, off, n, flow);
	return settle(r, rc, flow);
}

void mo_out_end(molt_req *r)
{
	(void)mo_out_send_staged(r, r->out.data, r->out.len, MO_FLOW_END);
	r->cut |= !r->finished;
}
