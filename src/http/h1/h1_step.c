/* HTTP/1: an exchange that becomes bytes while its request waits for the next
 * step, and one again when that runs; see step.h.
 *
 *   mo_h1_suspend   in its coroutine: what was gathered is sent, the rest kept
 *   (waiting)       no exchange, no HTTP/1 state; the connection is step.c's
 *   mo_h1_revive    on the loop: both again, for mo_h1_resume() or mo_h1_drop()
 *
 * Always: the head that is kept is the one that was parsed, so parsing it again
 * gives the same request. */
#include <errno.h>
#include <string.h>

#include "base/blob.h"
#include "base/check.h"
#include "base/mem.h"
#include "http/h1/h1_internal.h"

#define KEPT_MAX (1u << 30)

static void add_field(mo_buf *b, molt_str name, molt_str value)
{
	mo_buf_str(b, name);
	mo_buf_puts(b, ": ");
	mo_buf_str(b, value);
	mo_buf_puts(b, "\r\n");
}

static void write_head(const molt_req *r, mo_buf *b)
{
	mo_buf_str(b, r->method);
	mo_buf_putc(b, ' ');
	mo_buf_str(b, r->target);
	mo_buf_fmt(b, " HTTP/1.%d\r\n", r->version % 10);
	for (size_t i = 0; i < r->nfields; i++)
		add_field(b, r->fields[i].name, r->fields[i].value);
	mo_buf_puts(b, "\r\n");
}

static void write_fields(const molt_req *r, mo_buf *b)
{
	for (const mo_out_field *f = r->out_fields; f && !r->head_sent; f = f->next) {
		mo_blob_put(b, f->name);
		mo_blob_put(b, f->value);
	}
}

static molt_str bytes_of(const mo_buf *b)
{
	return b->len ? mo_strn(b->data, b->len) : MO_STR("");
}

static void keep(const mo_h1_req *q, mo_step *s)
{
	const molt_req *r = &q->r;
	mo_buf head = { 0 }, fields = { 0 };

	write_head(r, &head);
	write_fields(r, &fields);
	mo_step_keep(s,
		     &(mo_step_state){ .id = r->id,
				       .bytes_sent = r->bytes_sent,
				       .left = r->head_sent ? q->left : 0,
				       .res_length = r->res_length,
				       .wait = MOLT_FOREVER,
				       .write = MOLT_FOREVER,
				       .status = r->status,
				       .framing = r->head_sent ? (int)q->framing : 0,
				       .head_sent = r->head_sent,
				       .close = r->close,
				       .head = bytes_of(&head),
				       .fields = bytes_of(&fields),
				       .out = bytes_of(&r->out),
				       .user = MO_STR("") },
		     r->started, r->write_deadline);
	mo_buf_free(&head);
	mo_buf_free(&fields);
}

int mo_h1_suspend(molt_req *r, mo_step *s)
{
	mo_h1_req *q = mo_h1_req_of(r);
	int rc;

	if (r->body_state != MO_BODY_NONE)
		return -EBUSY;
	if (r->out.len > KEPT_MAX)
		return -EFBIG;
	rc = mo_h1_flush_wait(q);
	if (rc < 0)
		return rc;
	keep(q, s);
	q->waits = true;
	mo_h1_hand_over(q, &mo_protocol_step, s);
	return 0;
}

/* The head in front of what was read behind it, as if both had just come. */
static void put_input(mo_conn *c, molt_str head, molt_str unread)
{
	mo_h1 *h = mo_h1_of(c);
	size_t n = head.len + unread.len;

	MO_CHECK(!h->in);
	h->in_cap = n > MO_LOOP_BUFFER ? (uint32_t)n : MO_LOOP_BUFFER;
	h->in = n > MO_LOOP_BUFFER ? mo_malloc(n) : mo_loop_buffer_get(mo_conn_loop(c));
	mo_memory_count(0, h->in_cap);
	memcpy(h->in, head.ptr, head.len);
	if (unread.len)
		memcpy(h->in + head.len, unread.ptr, unread.len);
	h->in_end = (uint32_t)n;
}

static molt_str copied(molt_req *r, molt_str s)
{
	return mo_strn(mo_arena_strndup(&r->arena, s.ptr, s.len), s.len);
}

static void put_fields(molt_req *r, molt_str list)
{
	molt_str name, value;

	while (mo_blob_get(&list, &name) && mo_blob_get(&list, &value)) {
		mo_out_field *f = mo_arena_zalloc(&r->arena, sizeof(*f));

		f->name = copied(r, name);
		f->value = copied(r, value);
		*r->out_tail = f;
		r->out_tail = &f->next;
	}
}

molt_req *mo_h1_revive(mo_conn *c, const mo_step_state *st, molt_str unread)
{
	mo_head_limits all = { st->head.len, st->head.len, MO_MAX_FIELDS };
	mo_field fields[MO_MAX_FIELDS];
	mo_head head;
	mo_h1_req *q;
	molt_req *r;

	c->proto = &mo_protocol_h1;
	c->proto->open(c);
	put_input(c, st->head, unread);
	MO_CHECK(mo_h1_parse(mo_h1_of(c)->in, st->head.len, &all, &head, fields) > 0);
	q = mo_h1_exchange_new(c, &head, fields);
	mo_h1_consume(c, head.size);
	r = &q->r;
	r->id = st->id;
	r->status = st->status;
	r->bytes_sent = st->bytes_sent;
	r->res_length = st->res_length;
	r->head_sent = st->head_sent;
	r->close = st->close;
	r->body_state = MO_BODY_NONE; /* it was read before the request could wait */
	q->framing = (enum mo_h1_framing)st->framing;
	q->left = st->left;
	put_fields(r, st->fields);
	mo_buf_add(&r->out, st->out.ptr, st->out.len);
	mo_out_count(r);
	return r;
}
