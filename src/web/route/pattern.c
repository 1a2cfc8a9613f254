/* Reads patterns; see pattern.h.  Called by the router while a program sets up
 * its routes, so clarity of the refusal matters more than speed; only
 * mo_mixed_match() runs for requests. */
#include "web/route/pattern.h"

#include <errno.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/str.h"
#include "http/syntax/url.h"
#include "web/route/methods.h"

/* One pattern while it is read. */
typedef struct reader {
	mo_arena *arena;
	mo_pattern *out;
	const char *given; /* for the sentences */
	char **why;
} reader;

static int refuse(reader *r, const char *what)
{
	if (!*r->why)
		*r->why = mo_fmt("pattern \"%s\": %s", r->given, what);
	return -EINVAL;
}

/* ---- methods and host ---- */

static bool is_method_byte(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || mo_is_digit(c) || c == '-' ||
	       c == '_';
}

/* The end of the methods at the pattern's start, or NULL when there are none. */
static const char *methods_end(const char *p)
{
	const char *start = p;

	while (is_method_byte(*p) || *p == ',')
		p++;
	return p > start && (*p == ' ' || *p == ':') ? p : NULL;
}

static int add_method(reader *r, molt_str name)
{
	mo_pattern *out = r->out;
	char *upper = mo_arena_strndup(r->arena, name.ptr, name.len);
	molt_str m = mo_strn(upper, name.len);
	bool changed = false;

	for (char *p = upper; *p; p++) {
		if (*p >= 'a' && *p <= 'z') {
			*p = (char)(*p - 'a' + 'A');
			changed = true;
		}
	}
	if (name.len == 0 || (changed && !mo_method_is_known(m) && !mo_str_eq(m, MO_STR("ALL"))))
		return refuse(r, "methods are upper case words with ',' between them");
	if (mo_str_eq(m, MO_STR("CONNECT")))
		return refuse(r, "CONNECT has no path and cannot be bound");
	for (unsigned i = 0; i < out->nmethods; i++) {
		if (mo_str_eq(out->methods[i], m))
			return refuse(r, "the same method twice");
	}
	if (out->nmethods == MO_MAX_METHODS)
		return refuse(r, "too many methods");
	out->methods[out->nmethods++] = m;
	return 0;
}

static int read_methods(reader *r, molt_str list)
{
	mo_pattern *out = r->out;
	mo_buf text = { 0 };

	while (list.ptr) {
		int err = add_method(r, mo_str_split(&list, ','));

		if (err)
			return err;
	}
	if (out->nmethods == 1 && mo_str_eq(out->methods[0], MO_STR("ALL")))
		out->nmethods = 0;
	for (unsigned i = 0; i < out->nmethods; i++) {
		if (mo_str_eq(out->methods[i], MO_STR("ALL"))) {
			mo_buf_free(&text);
			return refuse(r, "ALL stands alone");
		}
		mo_buf_fmt(&text, "%s%s", i ? "," : "", out->methods[i].ptr);
	}
	if (out->nmethods)
		out->methods_text = mo_arena_strndup(r->arena, text.data, text.len);
	mo_buf_free(&text);
	return 0;
}

static int read_host(reader *r, molt_str host)
{
	char *lower = mo_arena_strndup(r->arena, host.ptr, host.len);
	bool v6 = host.len > 2 && lower[0] == '[' && lower[host.len - 1] == ']';

	for (char *p = lower; *p; p++) {
		bool letter;

		*p = mo_lower(*p);
		letter = (*p >= 'a' && *p <= 'z') || mo_is_digit(*p);
		if (letter || *p == '-' || *p == '.' || *p == '_')
			continue;
		if (v6 && (*p == ':' || p == lower || p[1] == '\0'))
			continue;
		return refuse(r, *p == ':' ? "a host is written without a port"
					   : "neither a path that begins with '/' nor a host");
	}
	r->out->host = lower;
	return 0;
}

/* ---- segments ---- */

static bool is_name_byte(char c)
{
	char l = mo_lower(c);

	return (l >= 'a' && l <= 'z') || mo_is_digit(c) || c == '_' || c == '-';
}

static int add_name(reader *r, molt_str name)
{
	mo_pattern *out = r->out;

	for (size_t i = 0; i < name.len; i++) {
		if (!is_name_byte(name.ptr[i]))
			return refuse(r, "a name holds letters, digits, '_' and '-' only");
	}
	for (unsigned i = 0; i < out->nnames && name.len; i++) {
		if (mo_str_eq(out->names[i], name))
			return refuse(r, "the same name twice");
	}
	if (out->nnames == MO_MAX_PARAMS)
		return refuse(r, "too many names");
	out->names[out->nnames++] =
		mo_strn(mo_arena_strndup(r->arena, name.ptr, name.len), name.len);
	return 0;
}

/* Literal text is compared with decoded paths, so "%41" becomes "A" here, and "%2F" the
 * byte that mo_url_path() makes of it. */
static int decode_literal(reader *r, molt_str raw, molt_str *out)
{
	char *base = mo_arena_alloc(r->arena, raw.len + 1), *at = base;

	for (size_t i = 0; i < raw.len; i++) {
		int byte = (unsigned char)raw.ptr[i];

		if (byte == '%') {
			int hi = i + 2 < raw.len ? mo_hex_digit(raw.ptr[i + 1]) : -1;
			int lo = i + 2 < raw.len ? mo_hex_digit(raw.ptr[i + 2]) : -1;

			byte = hi < 0 || lo < 0 ? 0 : hi * 16 + lo;
			i += 2;
			if (byte == '/') {
				*at++ = MO_KEPT_SLASH;
				continue;
			}
		} else if (byte == '?' || byte == '#' || byte == ' ' || byte == '*') {
			return refuse(r, "a path holds no '?', '#' or space, and '*' only begins "
					 "its last segment");
		}
		if (byte < 0x20 || byte == 0x7f)
			return refuse(r, "a bad escape or a control byte");
		*at++ = (char)byte;
	}
	*at = '\0';
	*out = mo_strn(base, (size_t)(at - base));
	return 0;
}

/* Splits "lit{name}lit..." into s->lits and the pattern's names. */
static int read_braces(reader *r, molt_str text, mo_segment *s)
{
	molt_str rest = text;
	int err;

	s->lits = mo_arena_zalloc(r->arena, (MO_MAX_PARAMS + 1) * sizeof(*s->lits));
	for (;;) {
		molt_str lit = mo_str_split(&rest, '{'), name;

		if (memchr(lit.ptr, '}', lit.len))
			return refuse(r, "'}' without '{'");
		err = decode_literal(r, lit, &s->lits[s->nlits]);
		if (err)
			return err;
		s->fixed += s->lits[s->nlits++].len;
		if (!rest.ptr)
			return 0;
		name = mo_str_split(&rest, '}');
		if (!rest.ptr)
			return refuse(r, "'{' without '}'");
		if (s->nlits > 1 && s->lits[s->nlits - 1].len == 0)
			return refuse(r, "two names need text between them");
		err = add_name(r, name);
		if (err)
			return err;
	}
}

/* "{}.{}": what tells two mixed segments apart. */
static molt_str mixed_form(mo_arena *a, const mo_segment *s)
{
	mo_buf b = { 0 };
	molt_str form;

	for (unsigned i = 0; i < s->nlits; i++) {
		mo_buf_puts(&b, i ? "{}" : "");
		mo_buf_str(&b, s->lits[i]);
	}
	form = mo_strn(mo_arena_strndup(a, b.data, b.len), b.len);
	mo_buf_free(&b);
	return form;
}

static int read_segment(reader *r, molt_str text, mo_segment *s)
{
	size_t n = text.len;
	int err;

	*s = (mo_segment){ .kind = MO_SEG_LITERAL };
	if (n && (text.ptr[0] == ':' || text.ptr[0] == '*')) {
		s->kind = text.ptr[0] == ':' ? MO_SEG_NAME : MO_SEG_REST;
		return add_name(r, mo_strn(text.ptr + 1, n - 1));
	}
	if (n >= 5 && text.ptr[0] == '{' && memcmp(text.ptr + n - 4, "...}", 4) == 0 &&
	    memchr(text.ptr, '}', n) == text.ptr + n - 1) {
		s->kind = MO_SEG_REST;
		return add_name(r, mo_strn(text.ptr + 1, n - 5));
	}
	err = read_braces(r, text, s);
	if (err)
		return err;
	if (s->nlits == 2 && s->fixed == 0) {
		s->kind = MO_SEG_NAME;
	} else if (s->nlits > 1) {
		s->kind = MO_SEG_MIXED;
		s->text = mixed_form(r->arena, s);
	} else {
		s->text = s->lits[0];
	}
	return 0;
}

static bool is_dots(molt_str s)
{
	return mo_str_eq(s, MO_STR(".")) || mo_str_eq(s, MO_STR(".."));
}

static int add_segment(reader *r, molt_str text, bool last)
{
	mo_pattern *out = r->out;
	mo_segment *s;
	int err;

	if (out->nsegments == MO_MAX_SEGMENTS)
		return refuse(r, "too many segments");
	s = &out->segments[out->nsegments++];
	err = read_segment(r, text, s);
	if (err)
		return err;
	if (s->kind == MO_SEG_REST && !last)
		return refuse(r, "{name...} and *name stand at the end only");
	if (s->kind == MO_SEG_LITERAL && ((s->text.len == 0 && !last) || is_dots(s->text)))
		return refuse(r, "\"//\", \".\" and \"..\" never are in a path");
	return 0;
}

static int read_path(reader *r, molt_str path)
{
	molt_str rest;

	if (path.len == 0 || path.ptr[0] != '/')
		return refuse(r, "a path begins with '/'");
	rest = mo_strn(path.ptr + 1, path.len - 1);
	for (bool last = false; !last;) {
		molt_str text = mo_str_split(&rest, '/');
		int err;

		last = rest.ptr == NULL;
		err = add_segment(r, text, last);
		if (err)
			return err;
	}
	return 0;
}

/* The path with every name in braces: "/users/{id}". */
static const char *normal_path(mo_arena *a, const mo_pattern *p)
{
	mo_buf b = { 0 };
	unsigned name = 0;
	const char *text;

	for (unsigned i = 0; i < p->nsegments; i++) {
		const mo_segment *s = &p->segments[i];

		mo_buf_putc(&b, '/');
		if (s->kind == MO_SEG_NAME || s->kind == MO_SEG_REST)
			mo_buf_fmt(&b, "{%s%s}", p->names[name++].ptr,
				   s->kind == MO_SEG_REST ? "..." : "");
		else if (s->kind == MO_SEG_LITERAL)
			mo_buf_str(&b, s->text);
		for (unsigned k = 0; s->kind == MO_SEG_MIXED && k < s->nlits; k++) {
			if (k)
				mo_buf_fmt(&b, "{%s}", p->names[name++].ptr);
			mo_buf_str(&b, s->lits[k]);
		}
	}
	text = mo_url_shown(a, mo_strn(b.data, b.len), "%2F").ptr;
	mo_buf_free(&b);
	return text;
}

int mo_pattern_parse(mo_arena *a, const char *prefix, const char *pattern, mo_pattern *out,
		     char **why)
{
	reader r = { .arena = a, .out = out, .given = pattern, .why = why };
	const char *at = pattern, *end, *slash, *full;
	int err = 0;

	*why = NULL;
	*out = (mo_pattern){ .methods_text = "ALL", .host = "" };
	if (strlen(prefix) + strlen(pattern) > MO_MAX_PATTERN)
		return refuse(&r, "too long");
	end = methods_end(at);
	if (end) {
		err = read_methods(&r, mo_strn(at, (size_t)(end - at)));
		at = end + 1;
		while (*at == ' ')
			at++;
	}
	slash = strchrnul(at, '/');
	if (!err && slash > at && !*slash)
		err = refuse(&r, "a path begins with '/'");
	if (!err && slash > at)
		err = read_host(&r, mo_strn(at, (size_t)(slash - at)));
	full = mo_arena_fmt(a, "%s%s", prefix, slash);
	if (!err)
		err = read_path(&r, mo_str(full));
	if (err)
		return err;
	out->path = normal_path(a, out);
	out->text = mo_arena_fmt(a, "%s%s%s%s", out->nmethods ? out->methods_text : "",
				 out->nmethods ? " " : "", out->host, out->path);
	return 0;
}

/* The last place of lit in s, or NULL. */
static const char *find_last(molt_str s, molt_str lit)
{
	for (size_t i = s.len - lit.len + 1; s.len >= lit.len && i-- > 0;) {
		if (memcmp(s.ptr + i, lit.ptr, lit.len) == 0)
			return s.ptr + i;
	}
	return NULL;
}

/* From the right: each literal as far right as it can be, which leaves the most
 * room for those before it, so that no choice is ever taken back. */
bool mo_mixed_match(const mo_segment *s, molt_str segment, molt_str *values)
{
	molt_str first = s->lits[0], last = s->lits[s->nlits - 1], left;

	if (segment.len < s->fixed + s->nlits - 1 || !mo_str_has_prefix(segment, first) ||
	    !mo_str_has_suffix(segment, last))
		return false;
	left = mo_strn(segment.ptr + first.len, segment.len - first.len - last.len);
	for (unsigned i = s->nlits - 2; i > 0; i--) {
		const char *at =
			left.len ? find_last(mo_strn(left.ptr, left.len - 1), s->lits[i]) : NULL;
		size_t behind;

		if (!at)
			return false;
		behind = (size_t)(at - left.ptr) + s->lits[i].len;
		values[i] = mo_strn(left.ptr + behind, left.len - behind);
		left.len = (size_t)(at - left.ptr);
	}
	values[0] = left;
	return left.len > 0;
}
