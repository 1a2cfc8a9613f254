/* The HTTP/1 request head: request line, field lines, limits; see h1_parse.h.
 *
 * Strictly left to right: what a byte means depends only on the bytes before it.
 * So a refusal of a prefix is the refusal of every continuation, with the same
 * status, and a complete head stays what it is whatever follows.
 *
 *   part      bytes                        -> next
 *   (start)   one CRLF                     -> line
 *   line      token SP target SP version CRLF -> fields
 *   fields    token ":" value CRLF         -> fields
 *   fields    CRLF                         -> complete
 *   any       end of the bytes             -> unfinished
 *   any       anything else                -> refused
 *
 * Inside this file a step returns 1 (taken), 0 (unfinished) or -status. */
#include "http/h1/h1_parse.h"

#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "http/h1/h1_parse_internal.h"

#define METHOD_MAX 32

typedef struct cursor {
	const char *base, *p, *end;
} cursor;

#define T MO_C_TOKEN
#define U MO_C_TARGET
#define V MO_C_VALUE
const uint8_t mo_h1_classes[256] = {
	['\t'] = V,
	[' '] = V,
	['!'] = T | U | V,
	['"'] = U | V,
	['#'] = T | V,
	['$'] = T | U | V,
	['%'] = T | U | V,
	['&' ... '\''] = T | U | V,
	['(' ... ')'] = U | V,
	['*' ... '+'] = T | U | V,
	[','] = U | V,
	['-' ... '.'] = T | U | V,
	['/'] = U | V,
	['0' ... '9'] = T | U | V,
	[':'] = U | V,
	[';'] = U | V,
	['<'] = U | V,
	['='] = U | V,
	['>' ... '@'] = U | V,
	['A' ... 'Z'] = T | U | V,
	['[' ... ']'] = U | V,
	['^'] = T | U | V,
	['_'] = T | U | V,
	['`'] = T | U | V,
	['a' ... 'z'] = T | U | V,
	['{'] = U | V,
	['|'] = T | U | V,
	['}'] = U | V,
	['~'] = T | U | V,
	[0x80 ... 0xff] = V,
};
#undef T
#undef U
#undef V

static inline int take_crlf(cursor *c)
{
	if (c->end - c->p >= 2 && c->p[0] == '\r' && c->p[1] == '\n') {
		c->p += 2;
		return 1;
	}
	return c->p == c->end || (c->p[0] == '\r' && c->end - c->p == 1) ? 0 : -400;
}

static int take_method(cursor *c, mo_head *h)
{
	const char *stop = c->end - c->p > METHOD_MAX ? c->p + METHOD_MAX + 1 : c->end;
	const char *at = mo_h1_token_end(c->p, stop);

	if (at - c->p > METHOD_MAX)
		return -501;
	if (at == c->end)
		return 0;
	if (at == c->p || *at != ' ')
		return -400;
	h->method = (molt_str){ c->p, (size_t)(at - c->p) };
	c->p = at + 1;
	return 1;
}

/* Finds the target's end and its '?'; its form is judged when the line is whole. */
static int take_target(cursor *c, mo_head *h, size_t max)
{
	const char *start = c->p;
	const char *stop = (size_t)(c->end - start) > max ? start + max + 1 : c->end;
	const char *at = mo_h1_target_end(c->base, start, stop, '?');

	h->path = (molt_str){ start, (size_t)(at - start) };
	h->query = (molt_str){ "", 0 };
	h->has_query = at < stop && *at == '?';
	if (h->has_query) {
		h->query.ptr = at + 1;
		at = mo_h1_target_end(c->base, at + 1, stop, '#');
		h->query.len = (size_t)(at - h->query.ptr);
	}
	if ((size_t)(at - start) > max)
		return -414;
	if (at == c->end)
		return 0;
	if (at == start || *at != ' ')
		return -400;
	h->target = (molt_str){ start, (size_t)(at - start) };
	c->p = at + 1;
	return 1;
}

/* "HTTP/" DIGIT "." DIGIT CRLF */
static int take_version(cursor *c, mo_head *h)
{
	static const char form[] = "HTTP/0.0";
	const char *v = c->p;
	int r;

	h->minor = 1;
	if (c->end - v >= 10 && memcmp(v, "HTTP/1.1\r\n", 10) == 0) {
		c->p = v + 10;
		return 1;
	}
	for (size_t i = 0; i < sizeof(form) - 1; i++, c->p++) {
		if (c->p == c->end)
			return 0;
		if (form[i] == '0' ? *c->p < '0' || *c->p > '9' : *c->p != form[i])
			return -400;
	}
	r = take_crlf(c);
	if (r <= 0)
		return r;
	h->minor = v[7] - '0';
	return v[5] == '1' && h->minor <= 1 ? 1 : -505;
}

static int take_line(cursor *c, mo_head *h, const mo_head_limits *lim)
{
	int r = take_method(c, h);

	if (r > 0)
		r = take_target(c, h, lim->max_target);
	if (r > 0)
		r = take_version(c, h);
	if (r > 0)
		r = mo_h1_target(h) ? -400 : 1;
	return r;
}

static inline bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static inline int take_field(cursor *c, mo_field *f)
{
	const char *name = c->p, *colon = mo_h1_token_end(name, c->end), *value, *end;
	int r;

	if (colon == c->end)
		return 0;
	if (*colon != ':' || colon == name)
		return -400;
	for (value = colon + 1; value < c->end && is_blank(*value);)
		value++;
	end = mo_h1_value_end(c->base, value, c->end);
	c->p = end;
	r = take_crlf(c);
	if (r <= 0)
		return r;
	while (end > value && is_blank(end[-1]))
		end--;
	f->name = (molt_str){ name, (size_t)(colon - name) };
	f->value = (molt_str){ value, (size_t)(end - value) };
	f->id = mo_field_id_of(f->name);
	return 1;
}

static int take_fields(cursor *c, mo_head *h, size_t max, mo_field *fields, mo_h1_facts *x)
{
	size_t n = 0;

	for (;; n++) {
		int r;

		if (c->p == c->end)
			return 0;
		if (*c->p == '\r')
			break;
		if (n == max)
			return -431;
		r = take_field(c, &fields[n]);
		if (r <= 0)
			return r;
		if (MO_H1_FRAMING & 1u << fields[n].id)
			r = mo_h1_note(x, h, &fields[n]);
		if (r < 0)
			return r;
	}
	h->nfields = n;
	return take_crlf(c);
}

static int take_head(cursor *c, const mo_head_limits *lim, mo_head *h, mo_field *fields)
{
	mo_h1_facts facts = { 0 };
	int r = 1;

	if (c->p < c->end && *c->p == '\r')
		r = take_crlf(c);
	if (r > 0)
		r = take_line(c, h, lim);
	if (r > 0) {
		facts.host_by_target = h->host.len > 0;
		r = take_fields(c, h, lim->max_fields, fields, &facts);
	}
	if (r > 0 && mo_h1_conclude(&facts, h))
		r = -400;
	return r;
}

int mo_h1_parse(const char *data, size_t n, const mo_head_limits *lim, mo_head *out,
		mo_field *fields)
{
	size_t window = n < lim->max_head ? n : lim->max_head;
	cursor c = { .base = data, .p = data, .end = data + window };
	int r;

	MO_CHECK(lim->max_fields <= MO_MAX_FIELDS);
	mo_zero(out, sizeof(*out));
	out->host.ptr = "";
	r = take_head(&c, lim, out, fields);
	if (r == 0 && n >= lim->max_head)
		return -431;
	if (r <= 0)
		return r;
	out->size = (size_t)(c.p - data);
	return (int)out->size;
}
