/* The texts of a multipart form: the boundary in its type, and the head of a part
 * (RFC 7578, RFC 2046 section 5.1); see multipart_internal.h.
 *
 * The few texts that are needed are copied.  NUL and other control bytes are refused. */
#include "http/syntax/multipart_internal.h"

#include <errno.h>

#include "base/str.h"

#define MAX_PARAMS 16

static molt_str skip(molt_str s, size_t n)
{
	return mo_strn(s.ptr + n, s.len - n);
}

static bool has_control(molt_str s, bool tab_is_fine)
{
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.ptr[i];

		if ((c < 0x20 && !(c == '\t' && tab_is_fine)) || c == 0x7f)
			return true;
	}
	return false;
}

/* ---- "value; name=token; name="quoted"" ---- */

/* value: as it was sent, between the quotes. */
typedef struct param {
	molt_str name, value;
	bool quoted;
} param;

/* A backslash escapes a quote or a backslash only: some clients send whole paths. */
static bool is_escape(molt_str s, size_t i)
{
	return s.ptr[i] == '\\' && i + 1 < s.len && (s.ptr[i + 1] == '"' || s.ptr[i + 1] == '\\');
}

/* Takes a quoted string; *s begins behind the opening quote. */
static bool take_quoted(molt_str *s, molt_str *out)
{
	for (size_t i = 0; i < s->len; i++) {
		if (s->ptr[i] == '"') {
			*out = mo_strn(s->ptr, i);
			*s = skip(*s, i + 1);
			return true;
		}
		i += is_escape(*s, i);
	}
	return false;
}

static void take_token(molt_str *s, molt_str *out)
{
	size_t n = 0;

	while (n < s->len && s->ptr[n] != ';')
		n++;
	*out = mo_str_trim(mo_strn(s->ptr, n));
	*s = skip(*s, n);
}

/* Takes "; name=value" from *s.  0 at its end, 1 for one, -EINVAL. */
static int take_param(molt_str *s, param *p)
{
	const char *equals;

	*s = mo_str_trim(*s);
	if (s->len == 0)
		return 0;
	if (*s->ptr != ';')
		return -EINVAL;
	*s = mo_str_trim(skip(*s, 1));
	if (s->len == 0)
		return 0;
	equals = memchr(s->ptr, '=', s->len);
	if (!equals)
		return -EINVAL;
	p->name = mo_str_trim(mo_strn(s->ptr, (size_t)(equals - s->ptr)));
	*s = mo_str_trim(skip(*s, (size_t)(equals - s->ptr) + 1));
	p->quoted = s->len && *s->ptr == '"';
	if (p->quoted) {
		*s = skip(*s, 1);
		return take_quoted(s, &p->value) ? 1 : -EINVAL;
	}
	take_token(s, &p->value);
	return 1;
}

/* The value of p, without escapes. */
static molt_str copy_value(mo_arena *a, const param *p)
{
	char *copy = mo_arena_alloc(a, p->value.len + 1);
	size_t n = 0;

	for (size_t i = 0; i < p->value.len; i++) {
		if (p->quoted && is_escape(p->value, i))
			i++;
		copy[n++] = p->value.ptr[i];
	}
	copy[n] = '\0';
	return mo_strn(copy, n);
}

/* Finds the parameters names[0..n) of a field's value, and copies only those; one that is
 * not there stays {NULL, 0}.  -EINVAL: broken, too many, or one of them twice. */
static int find_params(mo_arena *a, molt_str s, const char *const *names, molt_str *values,
		       size_t n)
{
	unsigned count = 0;
	param p;
	int rc;

	while ((rc = take_param(&s, &p)) > 0) {
		if (++count > MAX_PARAMS)
			return -EINVAL;
		for (size_t i = 0; i < n; i++) {
			if (!mo_str_eq_ci(p.name, mo_str(names[i])))
				continue;
			if (values[i].ptr)
				return -EINVAL;
			values[i] = copy_value(a, &p);
		}
	}
	return rc;
}

/* Splits "type; parameters": true when type is what. */
static bool is_type(molt_str *s, const char *what)
{
	size_t n = 0;

	while (n < s->len && s->ptr[n] != ';')
		n++;
	if (!mo_str_eq_ci(mo_str_trim(mo_strn(s->ptr, n)), mo_str(what)))
		return false;
	*s = skip(*s, n);
	return true;
}

/* ---- one part ---- */

/* The last component, whatever the client's system; never "." or "..". */
static molt_str base_name(molt_str path)
{
	size_t i = path.len;

	while (i > 0 && path.ptr[i - 1] != '/' && path.ptr[i - 1] != '\\')
		i--;
	path = skip(path, i);
	if (mo_str_eq(path, MO_STR(".")) || mo_str_eq(path, MO_STR("..")))
		path = skip(path, path.len);
	return path;
}

static int read_disposition(mo_arena *a, molt_str value, mo_part *part)
{
	static const char *const names[] = { "name", "filename" };
	molt_str found[2] = { { NULL, 0 }, { NULL, 0 } };

	if (part->name.ptr || !is_type(&value, "form-data"))
		return -EINVAL;
	if (find_params(a, value, names, found, 2) < 0 || !found[0].ptr)
		return -EINVAL;
	if (has_control(found[0], false) || has_control(found[1], false))
		return -EINVAL;
	part->name = found[0];
	if (found[1].ptr) {
		part->is_file = true;
		part->filename = base_name(found[1]);
	}
	return 0;
}

static int read_field(mo_arena *a, molt_str line, mo_part *part)
{
	molt_str value = line, name = mo_str_split(&value, ':');

	if (!value.ptr || name.len == 0 || has_control(line, true) ||
	    mo_str_trim(name).len != name.len)
		return -EINVAL;
	value = mo_str_trim(value);
	if (mo_str_eq_ci(name, MO_STR("content-disposition")))
		return read_disposition(a, value, part);
	if (mo_str_eq_ci(name, MO_STR("content-type")) && !part->type.len && value.len)
		part->type = mo_strn(mo_arena_strndup(a, value.ptr, value.len), value.len);
	return 0;
}

int mo_multipart_head(mo_arena *a, molt_str head, mo_part *part)
{
	*part = (mo_part){ .filename = MO_STR(""), .type = MO_STR("") };
	while (head.len) {
		const char *eol = memmem(head.ptr, head.len, "\r\n", 2);
		size_t n = eol ? (size_t)(eol - head.ptr) : head.len;

		if (read_field(a, mo_strn(head.ptr, n), part) < 0)
			return -EINVAL;
		head = skip(head, eol ? n + 2 : n);
	}
	return part->name.ptr ? 0 : -EINVAL;
}

int mo_multipart_boundary(mo_arena *a, molt_str content_type, molt_str *out)
{
	static const char *const names[] = { "boundary" };
	molt_str b = { NULL, 0 };

	if (has_control(content_type, true) || !is_type(&content_type, "multipart/form-data") ||
	    find_params(a, content_type, names, &b, 1) < 0)
		return -EINVAL;
	if (b.len < 1 || b.len > MO_MULTIPART_BOUNDARY || b.ptr[b.len - 1] == ' ' ||
	    has_control(b, false))
		return -EINVAL;
	*out = b;
	return 0;
}
