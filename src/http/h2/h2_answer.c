/* HTTP/2: what an answer's head says; h2_send.c sends what follows.
 *
 *   the body                           its head                      its end
 *   none (HEAD, 204, 304, no byte)     END_STREAM                    the head
 *   its length is known                content-length                END_STREAM behind it
 *   it is not                          -                             END_STREAM with last
 *
 * Fields of a connection have no meaning here (RFC 9113 section 8.2.2) and are left out:
 * nothing that a handler says of its connection reaches the client. */
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/digits.h"
#include "base/str.h"
#include "http/h2/h2_internal.h"

#define OWN_FIELDS 4u /* :status, date, server, content-length */
#define SERVER_MAX 1024u
#define STATUS_LINE 64u

typedef struct head {
	nghttp2_nv *nv;
	size_t n;
	char status[3], length[24];
} head;

/* nghttp2 copies both. */
static void put(head *x, const char *name, size_t nlen, const char *value, size_t vlen)
{
	x->nv[x->n++] = (nghttp2_nv){ .name = (uint8_t *)(uintptr_t)name,
				      .value = (uint8_t *)(uintptr_t)value,
				      .namelen = nlen,
				      .valuelen = vlen };
}

static void put_status(head *x, int status)
{
	mo_put_3digits(x->status, (unsigned)status);
	put(x, ":status", 7, x->status, 3);
}

static void put_length(head *x, uint64_t n)
{
	put(x, "content-length", 14, x->length, (size_t)(mo_put_u64(x->length, n) - x->length));
}

static bool of_connection(molt_str name)
{
	static const molt_str names[] = { { "Connection", 10 },
					  { "Keep-Alive", 10 },
					  { "Proxy-Connection", 16 },
					  { "Transfer-Encoding", 17 },
					  { "Upgrade", 7 } };

	for (size_t i = 0; i < MO_COUNTOF(names); i++)
		if (mo_str_eq_ci(name, names[i]))
			return true;
	return false;
}

static const char *lower(molt_req *r, molt_str name)
{
	char *p = mo_arena_strndup(&r->arena, name.ptr, name.len);

	for (size_t i = 0; i < name.len; i++)
		p[i] = mo_lower(p[i]);
	return p;
}

static size_t count_fields(const mo_out_field *f)
{
	size_t n = 0;

	for (; f; f = f->next)
		n++;
	return n;
}

/* What the program says itself goes before the configured name. */
static bool has_server_field(const mo_out_field *f)
{
	while (f && !mo_str_eq_ci(f->name, MO_STR("Server")))
		f = f->next;
	return f != NULL;
}

static void put_start(head *x, mo_loop *l, const mo_http_server *s, int status,
		      const mo_out_field *fields)
{
	molt_str server = mo_str(s->server_field);

	put_status(x, status);
	put(x, "date", 4, mo_loop_http_date(l), 29);
	if (server.len > 0 && server.len <= SERVER_MAX && !has_server_field(fields))
		put(x, "server", 6, server.ptr, server.len);
}

static void decide(mo_h2_req *q, size_t n, bool last)
{
	molt_req *r = &q->r;
	bool body = mo_status_has_body(r->status);

	q->has_length = body && (r->res_length >= 0 || last);
	q->left = r->res_length >= 0 ? (uint64_t)r->res_length : n;
	q->empty = !body || mo_str_eq(r->method, MO_STR("HEAD")) || (q->has_length && !q->left);
	r->head_sent = true;
}

void mo_h2_answer_begin(mo_h2_req *q, size_t n, bool last)
{
	molt_req *r = &q->r;
	nghttp2_data_provider fetch = { .source.ptr = q, .read_callback = mo_h2_data_length };
	head x = { .nv = mo_arena_alloc(&r->arena, (count_fields(r->out_fields) + OWN_FIELDS) *
							   sizeof(nghttp2_nv)) };

	decide(q, n, last);
	put_start(&x, r->loop, r->server, r->status, r->out_fields);
	for (const mo_out_field *f = r->out_fields; f; f = f->next)
		if (!of_connection(f->name))
			put(&x, lower(r, f->name), f->name.len, f->value.ptr, f->value.len);
	if (q->has_length)
		put_length(&x, q->left);
	nghttp2_submit_response(q->h->session, q->id, x.nv, x.n, q->empty ? NULL : &fetch);
}

void mo_h2_answer_continue(mo_h2_req *q)
{
	nghttp2_nv nv[1];
	head x = { .nv = nv };

	q->continue_sent = true;
	put_status(&x, 100);
	nghttp2_submit_headers(q->h->session, NGHTTP2_FLAG_NONE, q->id, NULL, x.nv, x.n, NULL);
}

/* ---- without a handler ---- */

static int line_of(char out[STATUS_LINE], int status)
{
	return snprintf(out, STATUS_LINE, "%d %s\n", status, mo_status_text(status));
}

static ssize_t fetch_line(nghttp2_session *s, int32_t id, uint8_t *buf, size_t length,
			  uint32_t *flags, nghttp2_data_source *source, void *user)
{
	char line[STATUS_LINE];
	int n = line_of(line, source->fd);

	*flags |= NGHTTP2_DATA_FLAG_EOF;
	if ((size_t)n > length) /* a window of some bytes: the status has said it */
		return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
	memcpy(buf, line, (size_t)n);
	return n;
}

void mo_h2_answer_status(mo_h2 *h, int32_t id, int status, bool head_only)
{
	nghttp2_data_provider fetch = { .source.fd = status, .read_callback = fetch_line };
	nghttp2_nv nv[OWN_FIELDS + 2];
	head x = { .nv = nv };
	char line[STATUS_LINE];

	put_start(&x, mo_conn_loop(h->c), h->c->server, status, NULL);
	put(&x, "content-type", 12, "text/plain; charset=utf-8", 25);
	put_length(&x, (uint64_t)line_of(line, status));
	if (status == 503)
		put(&x, "retry-after", 11, "1", 1);
	nghttp2_submit_response(h->session, id, x.nv, x.n, head_only ? NULL : &fetch);
}
