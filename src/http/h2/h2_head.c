/* The head of a request of HTTP/2: from its fields, one after another, to what molt_req says
 * (RFC 9113 section 8.3).  nghttp2 has refused by then what is malformed for every server:
 * upper case, names and values with wrong bytes, missing, repeated, late and unknown fields
 * that begin with ':', fields of a connection, a content-length that is no number.
 *
 *   what is wrong                                       answer
 *   the bytes or the form of :path, :authority or Host  RST_STREAM with PROTOCOL_ERROR
 *   :authority and Host name two things                 the same
 *   more fields than maxFields allows, or longer than   431
 *   http2MaxHeaderList
 *   a target over its limit                             414
 *   a method over 32 bytes                              501
 *   an Expect that is no 100-continue                   417
 *
 * The pieces of a Cookie field become one (section 8.2.3), and :authority is the Host field
 * of a request that has none, so that handlers see what they see of HTTP/1.
 *
 * Always: every text lies in the exchange's arena and ends with a NUL. */
#include "base/str.h"
#include "http/h2/h2_internal.h"
#include "http/syntax/authority.h"

#define FIELDS_FIRST 24u
#define METHOD_MAX 32u
#define FIELD_COST 32u /* RFC 9113 section 6.5.2 */

static molt_str copied(molt_req *r, molt_str s)
{
	return mo_strn(mo_arena_strndup(&r->arena, s.ptr, s.len), s.len);
}

static mo_field *next_field(mo_h2_req *q)
{
	molt_req *r = &q->r;

	if (r->nfields == q->fields_room) {
		unsigned room = q->fields_room ? 2 * q->fields_room : FIELDS_FIRST;
		mo_field *more = mo_arena_alloc(&r->arena, room * sizeof(*more));

		if (r->nfields)
			memcpy(more, r->fields, r->nfields * sizeof(*more));
		r->fields = more;
		q->fields_room = room;
	}
	return &r->fields[r->nfields++];
}

static void pseudo(mo_h2_req *q, molt_str name, molt_str value)
{
	molt_str text = copied(&q->r, value);

	if (mo_str_eq(name, MO_STR(":method")))
		q->r.method = text;
	else if (mo_str_eq(name, MO_STR(":path")))
		q->path = text;
	else if (mo_str_eq(name, MO_STR(":authority")))
		q->authority = text;
	else
		q->scheme = text;
}

void mo_h2_head_field(mo_h2_req *q, molt_str name, molt_str value)
{
	const mo_http_limits *lim = &q->r.server->lim;
	enum mo_field_id id;
	mo_field *f;

	q->list_size += name.len + value.len + FIELD_COST;
	if (q->list_size > lim->h2_header_list)
		q->refuse = 431;
	if (name.ptr[0] == ':') { /* those are few, and the access log wants them */
		if (q->list_size <= 2 * lim->h2_header_list)
			pseudo(q, name, value);
		return;
	}
	if (q->refuse)
		return;
	id = mo_field_id_of(name);
	q->crumbs += id == MO_F_COOKIE;
	q->others += id != MO_F_COOKIE;
	if (q->others > lim->max_fields) {
		q->refuse = 431;
		return;
	}
	f = next_field(q);
	f->name = copied(&q->r, name);
	f->value = copied(&q->r, value);
	f->id = id;
}

/* ---- the whole ---- */

static void join_cookies(mo_h2_req *q)
{
	molt_req *r = &q->r;
	size_t total = 0, kept = 0;
	mo_field *first = NULL;
	char *p;

	if (q->crumbs < 2)
		return;
	for (size_t i = 0; i < r->nfields; i++)
		if (r->fields[i].id == MO_F_COOKIE)
			total += r->fields[i].value.len + 2;
	p = mo_arena_alloc(&r->arena, total + 1);
	for (size_t i = 0; i < r->nfields; i++) {
		mo_field f = r->fields[i];

		if (f.id != MO_F_COOKIE || !first) {
			r->fields[kept] = f;
			if (f.id == MO_F_COOKIE) {
				first = &r->fields[kept];
				first->value = mo_strn(p, 0);
			}
			kept++;
		} else {
			p[first->value.len] = ';';
			p[first->value.len + 1] = ' ';
			first->value.len += 2;
		}
		if (f.id == MO_F_COOKIE) {
			memcpy(p + first->value.len, f.value.ptr, f.value.len);
			first->value.len += f.value.len;
			p[first->value.len] = '\0';
		}
	}
	r->nfields = kept;
}

static bool target_bytes(molt_str s)
{
	for (size_t i = 0; i < s.len; i++) {
		unsigned char b = (unsigned char)s.ptr[i];

		if (b <= ' ' || b >= 0x7f || b == '#')
			return false;
	}
	return s.len > 0;
}

/* As in HTTP/1: a path, or "*" for OPTIONS; of CONNECT the authority. */
static bool take_target(mo_h2_req *q)
{
	molt_req *r = &q->r;
	const char *mark;

	if (mo_str_eq(r->method, MO_STR("CONNECT"))) {
		r->target = r->raw_path = q->authority;
		return mo_authority(q->authority, true);
	}
	r->target = r->raw_path = q->path;
	if (!target_bytes(q->path))
		return false;
	if (q->path.ptr[0] != '/')
		return mo_str_eq(q->path, MO_STR("*")) && mo_str_eq(r->method, MO_STR("OPTIONS"));
	mark = memchr(q->path.ptr, '?', q->path.len);
	if (mark) {
		r->query = mo_str(mark + 1);
		r->raw_path = copied(r, mo_strn(q->path.ptr, (size_t)(mark - q->path.ptr)));
	}
	return true;
}

static bool take_host(mo_h2_req *q)
{
	molt_req *r = &q->r;
	const mo_field *host = mo_req_field(r, MO_F_HOST);
	mo_field *f;

	for (size_t i = 0; i < r->nfields; i++)
		if (r->fields[i].id == MO_F_HOST && &r->fields[i] != host)
			return false;
	if (!q->authority.ptr) {
		r->host = host ? host->value : MO_STR("");
		return mo_authority(r->host, false);
	}
	if (!mo_authority(q->authority, false))
		return false;
	r->host = q->authority;
	if (host)
		return mo_str_eq_ci(host->value, q->authority);
	f = next_field(q);
	*f = (mo_field){ .name = MO_STR("host"), .value = q->authority, .id = MO_F_HOST };
	return true;
}

static bool take_length(mo_h2_req *q)
{
	const mo_field *f = mo_req_field(&q->r, MO_F_CONTENT_LENGTH);
	uint64_t n = 0;

	if (f && !mo_str_u64(f->value, INT64_MAX, &n))
		return false;
	q->r.body_length = f ? (int64_t)n : q->complete ? 0 : -1;
	return true;
}

static int refused(mo_h2_req *q)
{
	const mo_field *expect = mo_req_field(&q->r, MO_F_EXPECT);

	if (q->r.method.len > METHOD_MAX)
		return 501;
	if (q->r.target.len > q->r.server->lim.max_target)
		return 414;
	if (!expect)
		return 0;
	q->expect_continue = !q->complete && mo_str_eq_ci(expect->value, MO_STR("100-continue"));
	return mo_str_eq_ci(expect->value, MO_STR("100-continue")) ? 0 : 417;
}

static bool known_scheme(molt_str s)
{
	return mo_str_eq_ci(s, MO_STR("http")) || mo_str_eq_ci(s, MO_STR("https"));
}

/* Some of its fields may not have been kept: enough for the access log. */
static void take_refused(mo_h2_req *q)
{
	q->r.target = q->r.raw_path = q->path.ptr ? q->path : MO_STR("");
	q->r.host = q->authority.ptr ? q->authority : MO_STR("");
	if (!q->r.method.ptr)
		q->r.method = MO_STR("");
}

void mo_h2_head_end(mo_h2_req *q)
{
	q->r.query = MO_STR("");
	if (q->refuse) {
		take_refused(q);
		return;
	}
	join_cookies(q);
	if (!take_target(q) || !take_host(q) || !take_length(q) ||
	    (q->scheme.ptr && !known_scheme(q->scheme)))
		q->malformed = true;
	else
		q->refuse = refused(q);
}
