/* Reading the request's head: path, host, parameters, query, fields, cookies,
 * client, and the values that middleware leaves for handlers.  The body is in
 * body.c.
 *
 * What needs work is made when it is first asked for and kept in mo_web; every
 * result lies in the request's arena.  Lists that a client fills are limited by
 * the head's size and searched in order, so no choice of names is slow. */
#include "web/core/request.h"

#include <errno.h>
#include <stdatomic.h>

#include "base/buf.h"
#include "base/digits.h"
#include "base/str.h"
#include "net/tls_facts.h"

static const molt_str nothing = { NULL, 0 };

const char *molt_req_method(const molt_req *r)
{
	return mo_web_of(r)->req->method.ptr;
}

const char *molt_req_path(const molt_req *r)
{
	mo_web *w = mo_web_of(r);

	if (w->path.ptr == r->raw_path.ptr) /* it was not decoded */
		return w->path.ptr;
	if (!w->shown_path)
		w->shown_path = mo_url_shown(&w->req->arena, w->path, "%2F").ptr;
	return w->shown_path;
}

const char *molt_req_target(const molt_req *r)
{
	return mo_web_of(r)->req->target.ptr;
}

bool molt_req_is_tls(const molt_req *r)
{
	return mo_web_of(r)->req->tls;
}

const char *molt_req_tls(const molt_req *r, molt_tls_fact what)
{
	_Static_assert((int)MOLT_TLS_SESSION == (int)MO_FACT_SESSION, "one order of facts");
	return r->tls ? r->ops->tls_fact(r, (int)what) : NULL;
}

bool molt_req_gone(const molt_req *r)
{
	return mo_web_of(r)->failed == -EPIPE || r->ops->gone(r);
}

bool molt_req_draining(const molt_req *r)
{
	return atomic_load_explicit(&mo_web_of(r)->req->server->closing, memory_order_relaxed) !=
	       MO_CLOSING_NONE;
}

void *molt_req_arg(const molt_req *r)
{
	return mo_web_of(r)->arg;
}

molt_server *molt_req_server(const molt_req *r)
{
	return mo_web_of(r)->server;
}

/* Without the port and a final '.', in lower case. */
static const char *plain_host(molt_req *r)
{
	molt_str host = r->host;
	const char *end = host.len && host.ptr[0] == '[' ? memchr(host.ptr, ']', host.len)
							 : memchr(host.ptr, ':', host.len);
	char *out;

	if (end)
		host.len = (size_t)(end - host.ptr) + (*end == ']');
	if (host.len && host.ptr[host.len - 1] == '.')
		host.len--;
	out = mo_arena_strndup(&r->arena, host.ptr, host.len);
	for (char *p = out; *p; p++)
		*p = mo_lower(*p);
	return out;
}

const char *molt_req_host(const molt_req *r)
{
	mo_web *w = mo_web_of(r);

	if (!w->host)
		w->host = r->host.len ? plain_host(w->req) : "";
	return w->host;
}

const char *molt_req_client_ip(const molt_req *r)
{
	mo_web *w = mo_web_of(r);

	if (!w->client_ip) {
		char ip[INET6_ADDRSTRLEN];

		mo_addr_ip(r->peer, ip);
		w->client_ip = mo_arena_strndup(&w->req->arena, ip, strlen(ip));
	}
	return w->client_ip;
}

static const char *id_text(molt_req *r)
{
	char *text = mo_arena_alloc(&r->arena, MO_HEX_MAX + 1);

	*mo_put_hex16(text, r->id) = '\0';
	return text;
}

const char *molt_req_id(const molt_req *r)
{
	mo_web *w = mo_web_of(r);

	if (!w->id)
		w->id = id_text(w->req);
	return w->id;
}

/* ---- parameters ---- */

molt_str molt_req_param_str(const molt_req *r, const char *name)
{
	mo_web *w = mo_web_of(r);

	for (unsigned i = 0; name && *name && i < w->match.nparams; i++) {
		mo_param *p = &w->match.params[i];

		if (!mo_str_eq(p->name, mo_str(name)))
			continue;
		if (!(w->decoded & (1u << i))) {
			bool is_rest = w->match.takes_rest && i + 1 == w->match.nparams;

			/* In one segment a kept slash can no longer be taken for a
			 * separator; the rest that {name...} takes is a path of its own. */
			p->value = mo_url_shown(&w->req->arena, p->value, is_rest ? "%2F" : "/");
			w->decoded |= 1u << i;
		}
		return p->value;
	}
	return nothing;
}

/* ---- query, fields, cookies ---- */

static molt_str pair_value(const mo_pair *list, const char *name)
{
	const mo_pair *p = name ? mo_pair_find(list, name) : NULL;

	return p ? p->value : nothing;
}

molt_str molt_req_query_str(const molt_req *r, const char *name)
{
	mo_web *w = mo_web_of(r);

	if (!w->has_query) {
		w->query = mo_query_parse(&w->req->arena, r->query);
		w->has_query = true;
	}
	return pair_value(w->query, name);
}

static const mo_joined *joined_find(const mo_web *w, molt_str name)
{
	for (const mo_joined *j = w->joined; j; j = j->next) {
		if (mo_str_eq_ci(j->name, name))
			return j;
	}
	return NULL;
}

/* Joins all fields of that name from the first one on, once. */
static molt_str join_fields(mo_web *w, size_t first)
{
	molt_req *r = w->req;
	molt_str name = r->fields[first].name;
	const mo_joined *known = joined_find(w, name);
	mo_joined *j;
	mo_buf b = { 0 };

	if (known)
		return known->value;
	for (size_t i = first; i < r->nfields; i++) {
		if (!mo_str_eq_ci(r->fields[i].name, name))
			continue;
		if (i > first)
			mo_buf_puts(&b, r->fields[i].id == MO_F_COOKIE ? "; " : ", ");
		mo_buf_str(&b, r->fields[i].value);
	}
	j = mo_arena_alloc(&r->arena, sizeof(*j));
	*j = (mo_joined){ .next = w->joined,
			  .name = name,
			  .value = mo_strn(mo_arena_strndup(&r->arena, b.data, b.len), b.len) };
	w->joined = j;
	mo_buf_free(&b);
	return j->value;
}

molt_str molt_req_header_str(const molt_req *r, const char *name)
{
	mo_web *w = mo_web_of(r);
	molt_str want = mo_str(name);
	size_t first = SIZE_MAX;

	for (size_t i = 0; i < r->nfields; i++) {
		if (!mo_str_eq_ci(r->fields[i].name, want))
			continue;
		if (first != SIZE_MAX)
			return join_fields(w, first);
		first = i;
	}
	return first == SIZE_MAX ? nothing : r->fields[first].value;
}

molt_str molt_req_cookie_str(const molt_req *r, const char *name)
{
	mo_web *w = mo_web_of(r);

	if (!w->has_cookies) {
		molt_str field = molt_req_header_str(r, "Cookie");

		if (field.ptr)
			w->cookies = mo_cookie_parse(&w->req->arena, field);
		w->has_cookies = true;
	}
	return pair_value(w->cookies, name);
}

/* ---- the same as texts ---- */

/* A value with a NUL is longer than the text that a C string would show, and whoever
 * looked at that text would judge another value than the one that was sent. */
const char *mo_req_text(const molt_req *r, molt_str value)
{
	mo_web *w = mo_web_of(r);

	if (!value.ptr || !memchr(value.ptr, '\0', value.len))
		return value.ptr;
	if (!w->failed && !w->nul_refused)
		w->failed = -EBADMSG;
	w->nul_refused = true;
	return NULL;
}

const char *molt_req_param(const molt_req *r, const char *name)
{
	return mo_req_text(r, molt_req_param_str(r, name));
}

const char *molt_req_query(const molt_req *r, const char *name)
{
	return mo_req_text(r, molt_req_query_str(r, name));
}

const char *molt_req_header(const molt_req *r, const char *name)
{
	return mo_req_text(r, molt_req_header_str(r, name));
}

const char *molt_req_cookie(const molt_req *r, const char *name)
{
	return mo_req_text(r, molt_req_cookie_str(r, name));
}

/* ---- values ---- */

static void release(mo_value *v)
{
	if (v->release && v->value)
		v->release(v->value);
	v->release = NULL;
	v->value = NULL;
}

/* With the request's end; the newest first. */
static void release_all(void *arg)
{
	mo_web *w = arg;

	while (w->values) {
		mo_value *v = w->values;

		w->values = v->next;
		release(v);
	}
}

static mo_value *value_find(const mo_web *w, const char *key)
{
	for (mo_value *v = w->values; v && key; v = v->next) {
		if (strcmp(v->key, key) == 0)
			return v;
	}
	return NULL;
}

int molt_req_set(molt_req *r, const char *key, void *value, void (*fn)(void *))
{
	mo_web *w = mo_web_of(r);
	mo_value *v = value_find(w, key);

	if (!key)
		return -EINVAL;
	if (v) {
		release(v);
	} else {
		if (!w->values)
			mo_arena_defer(&r->arena, release_all, w);
		v = mo_arena_alloc(&r->arena, sizeof(*v));
		*v = (mo_value){ .next = w->values,
				 .key = mo_arena_strndup(&r->arena, key, strlen(key)) };
		w->values = v;
	}
	v->value = value;
	v->release = fn;
	return 0;
}

void *molt_req_get(const molt_req *r, const char *key)
{
	const mo_value *v = value_find(mo_web_of(r), key);

	return v ? v->value : NULL;
}
