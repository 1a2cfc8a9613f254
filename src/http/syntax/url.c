/* Paths, queries, cookies; see url.h.
 *
 * Called with raw bytes of the request head and of form bodies, so nothing here
 * trusts its input.  Every function is linear in the input's length, and each
 * result is at most as long as the input, which bounds what the arena gives.
 * A piece is decoded exactly once, and decided on (".", "..", '/') only after
 * that: there is no second form in which a dot could hide.  An encoded slash is
 * a byte of its own from then on, so nothing has to look for "%2F" again. */
#include "http/syntax/url.h"

#include <errno.h>

#include "base/str.h"
#include "base/word.h"

/* The byte that "%XX" at p stands for, or -1.  end: behind the last byte. */
static int escape_value(const char *p, const char *end)
{
	int hi, lo;

	if (end - p < 3)
		return -1;
	hi = mo_hex_digit(p[1]);
	lo = mo_hex_digit(p[2]);
	return hi < 0 || lo < 0 ? -1 : hi * 16 + lo;
}

static bool is_control(int byte)
{
	return byte < 0x20 || byte == 0x7f;
}

/* Decodes one segment from *in up to '/' or end to out.  Returns the new end of
 * out, or NULL for a bad escape or a control byte. */
static char *decode_segment(const char **in, const char *end, char *out)
{
	const char *p = *in;

	while (p < end && *p != '/') {
		int byte = (unsigned char)*p;
		size_t width = 1;

		if (byte == '%') {
			byte = escape_value(p, end);
			width = 3;
		}
		if (byte < 0 || is_control(byte))
			return NULL;
		*out++ = byte == '/' && width == 3 ? MO_KEPT_SLASH : (char)byte;
		p += width;
	}
	*in = p;
	return out;
}

static bool segment_is(const char *start, const char *end, const char *what)
{
	size_t n = strlen(what);

	return (size_t)(end - start) == n && memcmp(start, what, n) == 0;
}

/* Where a path of eight bytes is not its own decoded form: an escape, a control byte,
 * a segment that is empty or begins with a dot.  slash: bit 7 when the byte before
 * them was one; becomes the same for those behind. */
static inline uint64_t not_plain(uint64_t v, uint64_t *slash)
{
	uint64_t slashes = mo_bytes_are(v, '/');
	uint64_t after = slashes << 8 | *slash;

	*slash = slashes >> 56;
	return mo_bytes_control(v) | mo_bytes_are(v, '%') |
	       (after & (slashes | mo_bytes_are(v, '.')));
}

bool mo_url_path_is_plain(molt_str raw)
{
	const char *p = raw.ptr;
	uint64_t found = 0, slash = 0;
	size_t n = raw.len;

	if (n == 0 || *p != '/')
		return false;
	for (; n >= 8; n -= 8, p += 8)
		found |= not_plain(mo_load8(p), &slash);
	if (n > 0) {
		/* Spaces behind the last bytes: they change nothing. */
		uint64_t fill = MO_EACH_BYTE(' ') << (8 * n);

		found |= not_plain(mo_load_few(p, n) | fill, &slash);
	}
	return found == 0;
}

int mo_url_path(mo_arena *a, molt_str raw, molt_str *out)
{
	const char *p = raw.ptr, *end;
	char *base, *at;

	if (raw.len == 0 || *p != '/')
		return -EINVAL;
	end = p + raw.len;
	base = at = mo_arena_alloc(a, raw.len + 1);
	*at++ = '/';
	/* Here base[0..at) is the result so far and ends with '/'. */
	while (p < end) {
		char *start = at;

		p++;
		at = decode_segment(&p, end, start);
		if (!at)
			return -EINVAL;
		if (at == start || segment_is(start, at, ".")) {
			at = start;
		} else if (segment_is(start, at, "..")) {
			at = start - 1;
			if (at == base)
				return -EINVAL;
			while (at[-1] != '/')
				at--;
		} else if (p < end) {
			*at++ = '/';
		}
	}
	*at = '\0';
	*out = mo_strn(base, (size_t)(at - base));
	return 0;
}

molt_str mo_url_shown(mo_arena *a, molt_str path, const char *slash)
{
	size_t width = strlen(slash), kept = 0;
	char *base, *at;

	for (size_t i = 0; i < path.len; i++)
		kept += path.ptr[i] == MO_KEPT_SLASH;
	base = at = mo_arena_alloc(a, path.len + kept * (width - 1) + 1);
	for (size_t i = 0; i < path.len; i++) {
		if (path.ptr[i] == MO_KEPT_SLASH)
			at = mempcpy(at, slash, width);
		else
			*at++ = path.ptr[i];
	}
	*at = '\0';
	return mo_strn(base, (size_t)(at - base));
}

molt_str mo_url_decode(mo_arena *a, molt_str raw, bool plus)
{
	char *base = mo_arena_alloc(a, raw.len + 1), *at = base;
	const char *end = raw.len ? raw.ptr + raw.len : raw.ptr;

	for (const char *p = raw.ptr; p < end; p++) {
		int byte = *p == '%' ? escape_value(p, end) : -1;

		if (byte >= 0) {
			*at++ = (char)byte;
			p += 2;
		} else {
			*at++ = plus && *p == '+' ? ' ' : *p;
		}
	}
	*at = '\0';
	return mo_strn(base, (size_t)(at - base));
}

/* RFC 3986 section 2.3. */
static bool is_unreserved(char c)
{
	char l = mo_lower(c);

	return (l >= 'a' && l <= 'z') || mo_is_digit(c) || c == '-' || c == '.' || c == '_' ||
	       c == '~';
}

void mo_url_encode(mo_buf *out, molt_str s, bool keep_slash)
{
	static const char hex[] = "0123456789ABCDEF";

	mo_buf_reserve(out, s.len);
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.ptr[i];

		if (is_unreserved((char)c) || (keep_slash && c == '/')) {
			mo_buf_putc(out, (char)c);
			continue;
		}
		mo_buf_putc(out, '%');
		mo_buf_putc(out, hex[c >> 4]);
		mo_buf_putc(out, hex[c & 15]);
	}
}

/* ---- lists ---- */

/* Appends a pair at *tail and returns the new tail. */
static mo_pair **append(mo_arena *a, mo_pair **tail, molt_str name, molt_str value)
{
	mo_pair *pair = mo_arena_alloc(a, sizeof(*pair));

	*pair = (mo_pair){ .name = name, .value = value };
	*tail = pair;
	return &pair->next;
}

mo_pair *mo_query_parse(mo_arena *a, molt_str query)
{
	mo_pair *list = NULL, **tail = &list;
	unsigned count = 0;

	while (query.len && count < MO_MAX_PAIRS) {
		molt_str value = mo_str_split(&query, '&'), name;

		if (value.len == 0)
			continue;
		name = mo_str_split(&value, '=');
		tail = append(a, tail, mo_url_decode(a, name, true), mo_url_decode(a, value, true));
		count++;
	}
	return list;
}

const mo_pair *mo_pair_find(const mo_pair *list, const char *name)
{
	molt_str wanted = mo_str(name);

	while (list && !mo_str_eq(list->name, wanted))
		list = list->next;
	return list;
}

/* A copy of s in the arena, so that it is NUL-terminated. */
static molt_str copied(mo_arena *a, molt_str s)
{
	return mo_strn(mo_arena_strndup(a, s.ptr, s.len), s.len);
}

mo_pair *mo_cookie_parse(mo_arena *a, molt_str field)
{
	mo_pair *list = NULL, **tail = &list;
	unsigned count = 0;

	while (field.len && count < MO_MAX_PAIRS) {
		molt_str value = mo_str_split(&field, ';');
		molt_str name = mo_str_trim(mo_str_split(&value, '='));

		if (!value.ptr || name.len == 0)
			continue;
		value = mo_str_trim(value);
		if (value.len >= 2 && value.ptr[0] == '"' && value.ptr[value.len - 1] == '"')
			value = mo_strn(value.ptr + 1, value.len - 2);
		tail = append(a, tail, copied(a, name), copied(a, value));
		count++;
	}
	return list;
}
