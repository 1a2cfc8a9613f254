/* HTTP/1: what an answer's head says, and with it how its body is framed and
 * whether the connection goes on.  Pure text and decisions; h1_send.c sends.
 *
 *   framing      when                                   the body's end
 *   NO_BODY      204, 304                               the head
 *   LENGTH       the length is known (res_length, or    that many bytes
 *                the whole body is there)
 *   CHUNKED      it is not, HTTP/1.1                    a chunk of size 0
 *   UNTIL_CLOSE  it is not, HTTP/1.0                    the connection's
 */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/digits.h"
#include "base/str.h"
#include "http/h1/h1_internal.h"

#define FIXED_HEAD 256u /* bound of what a head holds besides fields of others */
#define SERVER_MAX 1024u

static char *put(char *p, const char *s, size_t n)
{
	memcpy(p, s, n);
	return p + n;
}
#define PUT(p, literal) put(p, literal, sizeof(literal) - 1)

static char *put_field(char *p, const char *name, size_t nlen, const char *value, size_t vlen)
{
	p = put(p, name, nlen);
	p = PUT(p, ": ");
	p = put(p, value, vlen);
	return PUT(p, "\r\n");
}

static molt_str server_field(const mo_http_server *s)
{
	molt_str v = mo_str(s->server_field);

	return v.len <= SERVER_MAX ? v : (molt_str){ 0 };
}

size_t mo_h1_head_bound(const mo_h1_req *q)
{
	size_t n = FIXED_HEAD + server_field(q->r.server).len;

	for (const mo_out_field *f = q->r.out_fields; f; f = f->next)
		n += f->name.len + f->value.len + 4;
	return n;
}

/* What the program says itself goes before the configured name. */
static bool has_server_field(const mo_out_field *f)
{
	while (f && !mo_str_eq_ci(f->name, MO_STR("Server")))
		f = f->next;
	return f != NULL;
}

static char *put_start(char *p, mo_loop *l, const mo_http_server *s, int status,
		       const mo_out_field *fields)
{
	molt_str server = server_field(s);

	if (status == 200) {
		p = PUT(p, "HTTP/1.1 200 OK\r\nDate: ");
	} else {
		molt_str text = mo_str(mo_status_text(status));

		p = PUT(p, "HTTP/1.1 ");
		p = mo_put_u64(p, (uint64_t)status);
		*p++ = ' ';
		p = put(p, text.ptr, text.len);
		p = PUT(p, "\r\nDate: ");
	}
	p = put(p, mo_loop_http_date(l), 29);
	p = PUT(p, "\r\n");
	if (server.len > 0 && !has_server_field(fields))
		p = put_field(p, "Server", 6, server.ptr, server.len);
	return p;
}

char *mo_h1_head_put(char *p, const mo_h1_req *q)
{
	const molt_req *r = &q->r;

	p = put_start(p, r->loop, r->server, r->status, r->out_fields);
	for (const mo_out_field *f = r->out_fields; f; f = f->next)
		p = put_field(p, f->name.ptr, f->name.len, f->value.ptr, f->value.len);
	if (q->framing == MO_H1_LENGTH) {
		p = PUT(p, "Content-Length: ");
		p = mo_put_u64(p, q->left);
		p = PUT(p, "\r\n");
	} else if (q->framing == MO_H1_CHUNKED) {
		p = PUT(p, "Transfer-Encoding: chunked\r\n");
	}
	if (r->close)
		p = PUT(p, "Connection: close\r\n");
	else if (r->version == MO_HTTP_1_0)
		p = PUT(p, "Connection: keep-alive\r\n");
	return PUT(p, "\r\n");
}

static enum mo_h1_framing choose_framing(const mo_h1_req *q, bool last)
{
	if (!mo_status_has_body(q->r.status))
		return MO_H1_NO_BODY;
	if (q->r.res_length >= 0 || last)
		return MO_H1_LENGTH;
	return q->r.version > MO_HTTP_1_0 ? MO_H1_CHUNKED : MO_H1_UNTIL_CLOSE;
}

static bool ends_by_drain(const mo_conn *c)
{
	int closing = atomic_load_explicit(&c->server->closing, memory_order_relaxed);

	return closing == MO_CLOSING_ALL ||
	       (closing == MO_CLOSING_UNMOVABLE && !mo_conn_may_move(c));
}

/* Requests that were sent behind this one are answered before the connection
 * ends: the last of them says so. */
static bool next_is_here(const mo_h1_req *q)
{
	const mo_conn *c = q->c;
	char byte;

	if (q->r.body_state != MO_BODY_NONE)
		return false;
	return mo_h1_unread(mo_h1_of(c)) > 0 || c->stream->ops->pending(c->stream) ||
	       recv(c->stream->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

/* last: nothing more will be read of the request. */
static bool must_close(const mo_h1_req *q, bool last)
{
	const molt_req *r = &q->r;

	if (r->status == 101)
		return false;
	if (r->close || !q->keep_alive || !r->server->lim.keep_alive)
		return true;
	if (q->framing == MO_H1_UNTIL_CLOSE || r->body_state == MO_BODY_FAILED)
		return true;
	if (ends_by_drain(q->c) && !next_is_here(q))
		return true;
	return (last || (q->expect_continue && !q->continue_sent)) && !mo_h1_body_drainable(q);
}

void mo_h1_head_decide(mo_h1_req *q, size_t n, bool last)
{
	molt_req *r = &q->r;

	q->framing = choose_framing(q, last);
	q->left = r->res_length >= 0 ? (uint64_t)r->res_length : n;
	r->close = must_close(q, last);
	r->head_sent = true;
}

size_t mo_h1_refusal_put(char out[MO_H1_REFUSAL_MAX], mo_conn *c, int status, molt_str text,
			 bool head_only)
{
	const char *reason = mo_status_text(status);
	char *p = put_start(out, mo_conn_loop(c), c->server, status, NULL);

	p = PUT(p, "Content-Type: text/plain; charset=utf-8\r\nContent-Length: ");
	if (text.len == 0)
		p = mo_put_u64(p, 3 + 1 + strlen(reason) + 1);
	else
		p = mo_put_u64(p, text.len);
	if (status == 503)
		p = PUT(p, "\r\nRetry-After: 1");
	p = PUT(p, "\r\nConnection: close\r\n\r\n");
	if (head_only)
		return (size_t)(p - out);
	if (text.len > 0)
		p = put(p, text.ptr, text.len);
	else
		p += sprintf(p, "%03d %s\n", status, reason);
	return (size_t)(p - out);
}
