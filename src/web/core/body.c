/* Reading the request's body: whole, in pieces, as a form.
 *
 *   first call        then molt_req_read()          then molt_req_body()
 *   molt_req_body()   gives the kept bytes          gives them again
 *   molt_req_read()   goes on with the client's     gives what is left
 *
 *   bytes of a multipart body      where                       the CR behind a part
 *   form asked for, not the body   body; parts lie inside      is a NUL
 *   body asked for, then the form  body, given; parts in twin  is one; a NUL in twin
 *   form asked for, then the body  body; twin is given         is a NUL; is one in twin
 *
 * The protocol decodes, counts and refuses (r->body_max); a failure is kept, and
 * its status becomes the answer's unless the handler says otherwise.  Reading
 * happens on the loop, wherever the handler runs. */
#include "web/core/request.h"

#include <errno.h>

#include "base/clock.h"
#include "base/sized.h"
#include "base/str.h"
#include "http/conn/memory.h"
#include "rt/park.h"
#include "rt/pool.h"

#define FIRST_READ 4096u
#define LARGEST_READ ((size_t)256 << 10)
#define ROOM_WAIT (1 * MOLT_SECOND)
#define ROOM_LOOK 20

static int status_of(long err)
{
	switch (err) {
	case -E2BIG:
		return 413;
	case -EBADMSG:
	case -ECONNRESET: /* it ended too early; the client may still listen */
		return 400;
	case -ETIMEDOUT:
		return 408;
	case -ENOBUFS:
		return 503;
	default:
		return 0;
	}
}

/* Keeps a failure for later calls and for the answer. */
static void body_failed(molt_req *r, long err)
{
	mo_web *w = mo_web_of(r);
	int status = status_of(err);

	w->has_body = true;
	w->body_error = (int)err;
	w->body.len = 0;
	if (status && !r->head_sent)
		r->status = status;
	if (status == 503 && !r->head_sent)
		mo_res_set(r, "Retry-After", "1");
}

static void free_body(void *arg)
{
	mo_buf *b = arg;

	mo_memory_count(b->cap, 0);
	mo_buf_free(b);
}

/* Other bodies may end soon, and meanwhile the client waits in its socket.  -ENOBUFS. */
static int wait_for_room(size_t more)
{
	molt_time until = mo_deadline(ROOM_WAIT);

	while (mo_memory_over(more)) {
		if (mo_left(until) == 0) {
			mo_memory_refused();
			return -ENOBUFS;
		}
		if (mo_co_sleep(ROOM_LOOK) < 0)
			return -ECONNRESET;
	}
	return 0;
}

static bool length_known(const molt_req *r)
{
	return r->body_length >= 0;
}

static uint64_t left_to_come(const molt_req *r)
{
	uint64_t length = (uint64_t)r->body_length;

	return length > r->body_read ? length - r->body_read : 0;
}

static void fit(mo_buf *b, size_t cap)
{
	size_t before = b->cap;

	mo_buf_fit(b, cap);
	mo_memory_count(before, b->cap);
}

/* Room for n more: twice what was there, but no more than can come, the byte that shows the
 * end, and a NUL.  0, or why there is none. */
static int make_room(const molt_req *r, mo_buf *b, size_t n)
{
	size_t cap = b->cap ? b->cap : 256;
	int rc = 0;

	if (b->cap - b->len >= n)
		return 0;
	while (cap - b->len < n)
		cap *= 2;
	if (length_known(r) && left_to_come(r) + 2 < cap - b->len)
		cap = b->len + (size_t)left_to_come(r) + 2;
	if (cap > MO_MEMORY_FROM)
		rc = wait_for_room(cap - b->cap);
	if (rc == 0)
		fit(b, cap);
	return rc;
}

/* Room follows what has come, never what was announced. */
static long read_more(molt_req *r, mo_buf *b)
{
	size_t n = b->len < FIRST_READ ? FIRST_READ : b->len;
	long got;

	if (n > LARGEST_READ)
		n = LARGEST_READ;
	/* No room for what cannot come; a byte, to see the end. */
	if (length_known(r) && n > left_to_come(r))
		n = left_to_come(r) ? (size_t)left_to_come(r) : 1;
	got = make_room(r, b, n + 1);
	if (got < 0)
		return got;
	got = r->ops->read(r, b->data + b->len, n);
	if (got > 0)
		b->len += (size_t)got;
	return got;
}

void mo_req_put_body(molt_req *r, molt_str body)
{
	mo_web *w = mo_web_of(r);

	w->has_body = true;
	if (body.len == 0)
		return;
	mo_arena_defer(&r->arena, free_body, &w->body);
	fit(&w->body, body.len + 1);
	mo_buf_str(&w->body, body);
}

static void body_on_loop(void *arg)
{
	molt_req *r = arg;
	mo_web *w = mo_web_of(r);
	long got = 0;

	mo_arena_defer(&r->arena, free_body, &w->body);
	do {
		got = read_more(r, &w->body);
		if (got > 0 && w->body.len > r->body_max)
			got = -E2BIG;
	} while (got > 0);
	if (got < 0)
		body_failed(r, got);
	else if (w->body.cap - w->body.len > FIRST_READ) /* its length was not known */
		fit(&w->body, w->body.len + 1);
	w->has_body = true;
}

int mo_req_read_body(molt_req *r)
{
	mo_web *w = mo_web_of(r);

	if (!w->has_body && r->body_state == MO_BODY_NONE)
		w->has_body = true;
	if (!w->has_body)
		mo_on_loop(body_on_loop, r);
	return w->body_error;
}

void mo_req_body_as_sent(mo_web *w, bool as_sent)
{
	if (w->parts_inside)
		mo_multipart_end(w->parts, w->body.data, w->body.data, as_sent ? '\r' : '\0');
}

void mo_req_drop_body(mo_web *w)
{
	free_body(&w->body);
	free_body(&w->twin);
}

static void twin_on_loop(void *arg)
{
	molt_req *r = arg;
	mo_web *w = mo_web_of(r);
	size_t n = w->body.len + 1;
	int rc = n > MO_MEMORY_FROM ? wait_for_room(n) : 0;

	if (rc < 0) {
		body_failed(r, rc);
		return;
	}
	mo_arena_defer(&r->arena, free_body, &w->twin);
	fit(&w->twin, n);
	mo_buf_add(&w->twin, w->body.data, w->body.len);
}

/* A second body, once: what molt_req_body() gives has its CRs, and the parts have NULs. */
static int make_twin(molt_req *r)
{
	mo_web *w = mo_web_of(r);

	if (w->twin.len == 0)
		mo_on_loop(twin_on_loop, r);
	return w->body_error;
}

int molt_req_body(molt_req *r, molt_str *out)
{
	mo_web *w = mo_web_of(r);
	mo_buf *b = &w->body;

	*out = (molt_str){ "", 0 };
	if (mo_req_read_body(r) < 0 || b->len == 0)
		return w->body_error;
	if (w->parts_inside) {
		if (make_twin(r) < 0)
			return w->body_error;
		b = &w->twin;
		mo_multipart_end(w->parts, w->body.data, b->data, '\r');
	}
	w->body_given = true;
	*out = mo_strn(mo_buf_cstr(b), b->len);
	return 0;
}

struct piece {
	molt_req *r;
	void *buf;
	size_t n;
	long got;
};

static void piece_on_loop(void *arg)
{
	struct piece *p = arg;

	p->got = p->r->ops->read(p->r, p->buf, p->n);
}

ssize_t molt_req_read(molt_req *r, void *buf, size_t n)
{
	mo_web *w = mo_web_of(r);
	struct piece p = { .r = r, .buf = buf, .n = n };

	if (n == 0 || w->body_error)
		return w->body_error;
	if (w->has_body) {
		size_t left = w->body.len - w->body_at;

		n = n < left ? n : left;
		mo_req_body_as_sent(w, true);
		if (n)
			memcpy(buf, w->body.data + w->body_at, n);
		mo_req_body_as_sent(w, false);
		w->body_at += n;
		return (long)n;
	}
	if (r->body_state == MO_BODY_NONE)
		return 0;
	mo_on_loop(piece_on_loop, &p);
	if (p.got < 0)
		body_failed(r, p.got);
	return p.got;
}

/* ---- forms ---- */

static bool type_is(molt_str type, molt_str want)
{
	return mo_str_eq_ci(mo_str_trim(mo_str_split(&type, ';')), want);
}

/* In the body itself, unless its bytes were given away. */
static void read_parts(molt_req *r, molt_str type)
{
	mo_web *w = mo_web_of(r);
	mo_buf *b = &w->body;

	if (w->body_given) {
		if (make_twin(r) < 0)
			return;
		b = &w->twin;
	}
	if (mo_multipart_parse(&r->arena, type, b->data, b->len, &w->parts) == 0) {
		w->parts_inside = b == &w->body;
		return;
	}
	w->parts = NULL;
	if (!r->head_sent)
		r->status = 400;
}

static void forget_texts(void *arg)
{
	mo_memory_track(arg, 0);
}

static void texts_on_loop(void *arg)
{
	molt_req *r = arg;
	mo_web *w = mo_web_of(r);
	int rc = w->body.len > MO_MEMORY_FROM ? wait_for_room(w->body.len) : 0;

	if (rc < 0) {
		body_failed(r, rc);
		return;
	}
	mo_arena_defer(&r->arena, forget_texts, &w->form_counted);
	mo_memory_track(&w->form_counted, w->body.len);
}

/* The texts are copies, decoded: of the body's size together. */
static void read_texts(molt_req *r)
{
	mo_web *w = mo_web_of(r);

	if (w->body.len > MO_MEMORY_FROM)
		mo_on_loop(texts_on_loop, r);
	if (!w->body_error)
		w->form = mo_query_parse(&r->arena, mo_strn(w->body.data, w->body.len));
}

/* Parses the body once, by its type.  A body that is no form gives empty lists;
 * one that claims to be and is broken is a 400. */
static void read_form(molt_req *r)
{
	mo_web *w = mo_web_of(r);
	const mo_field *type = mo_req_field(r, MO_F_CONTENT_TYPE);
	bool plain = type && type_is(type->value, MO_STR("application/x-www-form-urlencoded"));
	bool parts = type && type_is(type->value, MO_STR("multipart/form-data"));

	if (w->has_form)
		return;
	w->has_form = true;
	if ((!plain && !parts) || mo_req_read_body(r) < 0)
		return;
	if (plain)
		read_texts(r);
	else
		read_parts(r, type->value);
}

static const mo_part *part_find(const mo_web *w, const char *name, bool is_file)
{
	for (const mo_part *p = w->parts; p; p = p->next) {
		if (p->is_file == is_file && mo_str_eq(p->name, mo_str(name)))
			return p;
	}
	return NULL;
}

molt_str molt_req_form_str(molt_req *r, const char *name)
{
	mo_web *w = mo_web_of(r);
	const mo_pair *pair;
	const mo_part *part;

	if (!name)
		return (molt_str){ NULL, 0 };
	read_form(r);
	pair = mo_pair_find(w->form, name);
	if (pair)
		return pair->value;
	part = part_find(w, name, false);
	return part ? part->data : (molt_str){ NULL, 0 };
}

const char *molt_req_form(molt_req *r, const char *name)
{
	return mo_req_text(r, molt_req_form_str(r, name));
}

int molt_req_file(molt_req *r, const char *name, molt_file *out)
{
	const mo_part *part;
	molt_file file;
	int err = MO_SIZED_CHECK(molt_file, out, NULL);

	if (err < 0)
		return err;
	if (!name)
		return -ENOENT;
	read_form(r);
	part = part_find(mo_web_of(r), name, true);
	if (!part)
		return -ENOENT;
	file = MOLT_FILE(.name = part->filename.ptr, .type = part->type.ptr, .data = part->data);
	return MO_SIZED_OUT(molt_file, out, &file, NULL);
}
