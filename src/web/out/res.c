/* Writing the answer: status, body, pages, redirects, flushing.
 *
 * A body gathers in r->out; the protocol sends it with its length when the
 * handler has returned, or molt_res_flush() sends what there is and the rest
 * follows in pieces; both through the answer's stages, when it has any
 * (http/conn/out_chain.h).  The first write that fails decides for all later ones, so
 * a handler that ignores results is safe:
 *
 *   client gone                 -EPIPE
 *   route's timeout is over     -ETIMEDOUT (dispatch.c then answers 503, or cuts)
 *   a text held a NUL           -EBADMSG (the same with 400)
 *   memoryBudget is used up     -ENOBUFS (the same with 503 and Retry-After)
 *   answer already complete     -EALREADY */
#include "web/core/request.h"

#include <errno.h>

#include "base/clock.h"
#include "base/str.h"
#include "http/conn/out_chain.h"
#include "rt/pool.h"

static const molt_str type_text = { "text/plain; charset=utf-8", 25 };
static const molt_str type_html = { "text/html; charset=utf-8", 24 };
static const molt_str type_json = { "application/json", 16 };

/* 0 when the body may grow. */
static int write_check(molt_req *r)
{
	mo_web *w = mo_web_of(r);

	if (w->failed)
		return w->failed;
	if (r->finished)
		return -EALREADY;
	if (r->write_deadline != INT64_MAX && mo_now() >= r->write_deadline)
		w->failed = -ETIMEDOUT;
	else if (r->ops->broken(r))
		w->failed = -EPIPE;
	return w->failed;
}

/* 0 when status and fields may change. */
static int head_check(const molt_req *r)
{
	MO_MAGIC_OK(r, MO_REQ_MAGIC);
	return r->head_sent ? -EALREADY : 0;
}

/* ---- status ---- */

int molt_res_status(molt_req *r, int status)
{
	int err = head_check(r);

	if (err)
		return err;
	if (status < 200 || status > 599)
		return -EINVAL;
	r->status = status;
	return 0;
}

int molt_res_get_status(const molt_req *r)
{
	MO_MAGIC_OK(r, MO_REQ_MAGIC);
	return r->status;
}

int molt_res_length(molt_req *r, size_t n)
{
	int err = head_check(r);

	if (err)
		return err;
	if (n > INT64_MAX)
		return -EINVAL;
	r->res_length = (int64_t)n;
	return 0;
}

/* ---- body ---- */

/* Whoever has gathered too much gives what it has back at once. */
static int over_budget(molt_req *r)
{
	mo_memory_refused();
	mo_buf_free(&r->out);
	mo_out_count(r);
	return mo_web_of(r)->failed = -ENOBUFS;
}

/* Room for n more bytes of body.  A large one that is written at once gets no more. */
static int make_room(molt_req *r, size_t n)
{
	mo_buf *b = &r->out;
	size_t cap;

	if (b->cap - b->len >= n)
		return 0;
	cap = b->len == 0 && n > MO_MEMORY_FROM ? n : mo_buf_grown(b, n);
	if (!mo_memory_may_grow(b->cap, cap))
		return over_budget(r);
	mo_buf_fit(b, cap);
	mo_out_count(r);
	return 0;
}

int mo_res_grown(molt_req *r, size_t before)
{
	if (r->out.cap == before)
		return 0;
	if (!mo_memory_may_grow(before, r->out.cap))
		return over_budget(r);
	mo_out_count(r);
	return 0;
}

int molt_res_write(molt_req *r, const void *buf, size_t n)
{
	int err = write_check(r);

	if (!err)
		err = make_room(r, n);
	if (!err)
		mo_buf_add(&r->out, buf, n);
	return err;
}

int molt_res_puts(molt_req *r, const char *line)
{
	size_t n = line ? strlen(line) : 0;
	int err = write_check(r);

	if (!err)
		err = make_room(r, n + 1);
	if (err)
		return err;
	if (n)
		mo_buf_add(&r->out, line, n);
	mo_buf_putc(&r->out, '\n');
	return 0;
}

int molt_res_printf(molt_req *r, const char *fmt, ...)
{
	int err = write_check(r);
	size_t before = r->out.cap;
	va_list ap;

	if (err)
		return err;
	va_start(ap, fmt);
	mo_buf_vfmt(&r->out, fmt, ap);
	va_end(ap);
	return mo_res_grown(r, before);
}

/* Status, type and more body. */
static int put_typed(molt_req *r, int status, molt_str type, const char *body)
{
	int err = molt_res_status(r, status);

	if (err)
		return err;
	mo_res_set_type(r, type);
	return body ? molt_res_write(r, body, strlen(body)) : 0;
}

int molt_res_text(molt_req *r, int status, const char *text)
{
	return put_typed(r, status, type_text, text);
}

int molt_res_html(molt_req *r, int status, const char *html)
{
	return put_typed(r, status, type_html, html);
}

int molt_res_json(molt_req *r, int status, const char *json)
{
	return put_typed(r, status, type_json, json);
}

void mo_res_default_type(molt_req *r)
{
	if (r->out.len && !mo_res_has_type(r))
		mo_res_set_type(r, type_text);
}

/* ---- errors and redirects ---- */

int molt_res_error(molt_req *r, int status, const char *why)
{
	int err = status < 400 ? -EINVAL : write_check(r);

	if (!err)
		err = molt_res_status(r, status);
	if (err)
		return err;
	mo_error_page(r, why);
	mo_web_of(r)->error_page = true;
	return 0;
}

int molt_res_redirect(molt_req *r, int status, const char *location)
{
	int err = head_check(r);

	if (err)
		return err;
	if (status < 300 || status > 399 || !location || !mo_is_location(location))
		return -EINVAL;
	r->status = status;
	r->out.len = 0;
	r->res_length = -1;
	mo_res_set(r, "Content-Type", NULL);
	mo_res_set(r, "Location", location);
	return 0;
}

/* ---- flushing ---- */

struct flush {
	molt_req *r;
	int result;
};

static void flush_on_loop(void *arg)
{
	struct flush *f = arg;
	molt_req *r = f->r;

	f->result = mo_out_send(r, r->out.data, r->out.len, MO_FLOW_FLUSH);
	r->out.len = 0;
}

int molt_res_flush(molt_req *r)
{
	struct flush f = { .r = r };
	int err = write_check(r);

	if (err)
		return err;
	if (!r->head_sent)
		mo_res_default_type(r);
	mo_on_loop(flush_on_loop, &f);
	if (f.result < 0)
		mo_web_of(r)->failed = f.result;
	return f.result;
}
