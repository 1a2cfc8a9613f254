/* multipart/form-data (RFC 7578, RFC 2046 section 5.1); see url.h.
 *
 * Called with a whole body that the server's limit already bounds.  The end of a
 * part is looked for first, and everything else only inside it, so that the work
 * is linear in the body.  A part's data stays where it is, so that a form takes little more
 * than its body; the head's few texts are copied.  NUL and other control bytes are data in a part's data
 * and refused everywhere else.
 *
 *   body   = [preamble CRLF] delimiter *(part delimiter) close [epilogue]
 *   part   = 1*(field CRLF) CRLF data CRLF       (a form's part has a name) */
#include <errno.h>

#include "base/str.h"
#include "http/url.h"

#define MAX_BOUNDARY 70
#define MAX_PART_HEAD 8192
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

static int read_part(mo_arena *a, molt_str raw, mo_part *part)
{
	size_t window = raw.len < MAX_PART_HEAD ? raw.len : MAX_PART_HEAD;
	const char *end = memmem(raw.ptr, window, "\r\n\r\n", 4);
	molt_str head;

	*part = (mo_part){ .filename = MO_STR(""), .type = MO_STR("") };
	if (!end)
		return -EINVAL;
	head = mo_strn(raw.ptr, (size_t)(end - raw.ptr));
	part->data = skip(raw, head.len + 4);
	while (head.len) {
		const char *eol = memmem(head.ptr, head.len, "\r\n", 2);
		size_t n = eol ? (size_t)(eol - head.ptr) : head.len;

		if (read_field(a, mo_strn(head.ptr, n), part) < 0)
			return -EINVAL;
		head = skip(head, eol ? n + 2 : n);
	}
	return part->name.ptr ? 0 : -EINVAL;
}

/* ---- framing ---- */

typedef struct delimiter {
	char text[4 + MAX_BOUNDARY]; /* CR LF "--" boundary */
	size_t len;
} delimiter;

static int read_boundary(mo_arena *a, molt_str content_type, delimiter *d)
{
	static const char *const names[] = { "boundary" };
	molt_str b = { NULL, 0 };

	if (has_control(content_type, true) || !is_type(&content_type, "multipart/form-data") ||
	    find_params(a, content_type, names, &b, 1) < 0)
		return -EINVAL;
	if (b.len < 1 || b.len > MAX_BOUNDARY || b.ptr[b.len - 1] == ' ' || has_control(b, false))
		return -EINVAL;
	memcpy(d->text, "\r\n--", 4);
	memcpy(d->text + 4, b.ptr, b.len);
	d->len = 4 + b.len;
	return 0;
}

/* The next delimiter in s, or NULL.  Each byte is looked at a limited number of
 * times, whatever the body. */
static const char *find_delimiter(molt_str s, const delimiter *d)
{
	const char *end = s.ptr + s.len, *at = s.ptr;

	while ((size_t)(end - at) >= d->len) {
		at = memchr(at, '\r', (size_t)(end - at) - d->len + 1);
		if (!at || memcmp(at, d->text, d->len) == 0)
			return at;
		at++;
	}
	return NULL;
}

enum line_end { LINE_NONE, LINE_PART, LINE_CLOSE };

/* What follows a boundary: white space and CRLF, or "--".  *s is moved behind
 * it.  Anything else means that the boundary was part of a longer word. */
static enum line_end take_line_end(molt_str *s)
{
	size_t n = 0;

	if (s->len >= 2 && memcmp(s->ptr, "--", 2) == 0)
		return LINE_CLOSE;
	while (n < s->len && (s->ptr[n] == ' ' || s->ptr[n] == '\t'))
		n++;
	if (s->len - n < 2 || memcmp(s->ptr + n, "\r\n", 2) != 0)
		return LINE_NONE;
	*s = skip(*s, n + 2);
	return LINE_PART;
}

/* Moves *s behind the next delimiter line; *before is what lay in front of it.
 * The first delimiter may begin the body, and then has no CRLF before it. */
static enum line_end take_delimiter(molt_str *s, const delimiter *d, bool at_start,
				    molt_str *before)
{
	molt_str all = *s;
	enum line_end kind;

	if (at_start && mo_str_has_prefix(all, mo_strn(d->text + 2, d->len - 2))) {
		*before = mo_strn(all.ptr, 0);
		*s = skip(all, d->len - 2);
		kind = take_line_end(s);
		if (kind != LINE_NONE)
			return kind;
	}
	for (;;) {
		const char *at = s->len ? find_delimiter(*s, d) : NULL;

		if (!at)
			return LINE_NONE;
		*before = mo_strn(all.ptr, (size_t)(at - all.ptr));
		*s = skip(*s, (size_t)(at - s->ptr) + d->len);
		kind = take_line_end(s);
		if (kind != LINE_NONE)
			return kind;
	}
}

void mo_multipart_end(const mo_part *list, const char *parsed, char *to, char end)
{
	for (const mo_part *p = list; p; p = p->next)
		to[(size_t)(p->data.ptr - parsed) + p->data.len] = end;
}

int mo_multipart_parse(mo_arena *a, molt_str content_type, char *body, size_t len, mo_part **out)
{
	molt_str rest = mo_strn(body, len);
	mo_part *list = NULL, **tail = &list;
	enum line_end kind;
	unsigned count = 0;
	molt_str raw;
	delimiter d;

	if (read_boundary(a, content_type, &d) < 0)
		return -EINVAL;
	kind = take_delimiter(&rest, &d, true, &raw);
	if (kind == LINE_CLOSE && raw.len)
		return -EINVAL; /* a preamble alone is no form */
	while (kind == LINE_PART) {
		mo_part *part;

		kind = take_delimiter(&rest, &d, false, &raw);
		if (kind == LINE_NONE)
			break;
		if (++count > MO_MAX_PARTS)
			return -E2BIG;
		part = mo_arena_alloc(a, sizeof(*part));
		if (read_part(a, raw, part) < 0)
			return -EINVAL;
		*tail = part;
		tail = &part->next;
	}
	if (kind != LINE_CLOSE)
		return -EINVAL;
	mo_multipart_end(list, body, body, '\0');
	*out = list;
	return 0;
}
