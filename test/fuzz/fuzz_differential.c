/* Our HTTP/1 parser beside llhttp in its strict mode: whatever ours accepts,
 * llhttp must accept with the same method, target, version, fields, framing and
 * keep-alive, the head must end at the same byte, and a chunked body that ours
 * decodes must be the same bytes with the same end.
 *
 * Deliberate differences:
 *   - llhttp knows a list of methods, we take any token of 32 bytes; an unknown
 *     one is replaced before llhttp sees it.  So are those that it takes only
 *     with another protocol (RTSP, ICE) or as an HTTP/2 preface.
 *   - HTAB is white space like SP (RFC 9110 section 5.6.3); llhttp knows only SP
 *     behind the words of Transfer-Encoding, Connection and Content-Length.
 *   - HTTP/1.0 with both close and keep-alive stays open for llhttp; we close.
 *   - Chunk extensions may hold the white space of RFC 9112 section 7.1.1; llhttp
 *     knows none there, and llhttp 8.1 refuses a second one behind one with a value.
 *   - Trailers are dropped, also those named Content-Length or
 *     Transfer-Encoding, which llhttp refuses. */
#include <llhttp.h>

#include "base/buf.h"
#include "base/str.h"
#include "fuzz.h"
#include "http/h1/chunk.h"
#include "http/h1/h1_parse.h"

static const mo_head_limits usual = { 16384, 8192, MO_MAX_FIELDS };

/* What llhttp said of one message. */
typedef struct seen {
	mo_buf url, body, names[MO_MAX_FIELDS + 1], values[MO_MAX_FIELDS + 1];
	size_t nfields;
	int method, major, minor, flags;
	uint64_t length;
	bool keep_alive, upgrade, head_done, message_done;
} seen;

static int on_url(llhttp_t *p, const char *at, size_t n)
{
	mo_buf_add(&((seen *)p->data)->url, at, n);
	return 0;
}

static int on_name(llhttp_t *p, const char *at, size_t n)
{
	seen *s = p->data;

	if (!s->head_done) /* no trailers */
		mo_buf_add(&s->names[s->nfields], at, n);
	return 0;
}

static int on_value(llhttp_t *p, const char *at, size_t n)
{
	seen *s = p->data;

	if (!s->head_done)
		mo_buf_add(&s->values[s->nfields], at, n);
	return 0;
}

static int on_value_end(llhttp_t *p)
{
	seen *s = p->data;

	if (!s->head_done) {
		s->nfields++;
		MO_CHECK(s->nfields <= MO_MAX_FIELDS);
	}
	return 0;
}

static int on_head(llhttp_t *p)
{
	seen *s = p->data;

	s->method = llhttp_get_method(p);
	s->major = llhttp_get_http_major(p);
	s->minor = llhttp_get_http_minor(p);
	s->flags = p->flags;
	s->length = p->content_length;
	s->keep_alive = llhttp_should_keep_alive(p);
	s->upgrade = llhttp_get_upgrade(p);
	s->head_done = true;
	return 0;
}

static int on_body(llhttp_t *p, const char *at, size_t n)
{
	mo_buf_add(&((seen *)p->data)->body, at, n);
	return 0;
}

static int on_message(llhttp_t *p)
{
	((seen *)p->data)->message_done = true;
	return HPE_PAUSED;
}

static void free_seen(seen *s)
{
	mo_buf_free(&s->url);
	mo_buf_free(&s->body);
	for (size_t i = 0; i <= MO_MAX_FIELDS; i++) {
		mo_buf_free(&s->names[i]);
		mo_buf_free(&s->values[i]);
	}
	free(s);
}

static bool is_known_method(molt_str method)
{
#define NAME(num, name, string) MO_STR(#string),
	static const molt_str known[] = { HTTP_METHOD_MAP(NAME) };
#undef NAME
	for (size_t i = 0; i < MO_COUNTOF(known); i++)
		if (mo_str_eq(method, known[i]))
			return !mo_str_eq(method, MO_STR("PRI")) &&
			       !mo_str_eq(method, MO_STR("SOURCE"));
	return false;
}

/* The input with a method that llhttp knows. */
static void rewrite(mo_buf *text, const char *data, size_t n, const mo_head *h)
{
	const char *behind = h->method.ptr + h->method.len;

	if (is_known_method(h->method)) {
		mo_buf_add(text, data, n);
		return;
	}
	mo_buf_puts(text, "POST");
	mo_buf_add(text, behind, (size_t)(data + n - behind));
}

static void check_field(const mo_field *f, const mo_buf *name, const mo_buf *value)
{
	MO_CHECK(mo_str_eq(f->name, mo_strn(name->data, name->len)));
	MO_CHECK(mo_str_eq(f->value, mo_str_trim(mo_strn(value->data, value->len))));
}

static bool closes(const mo_head *h, const seen *s)
{
	return h->minor == 0 && (s->flags & F_CONNECTION_CLOSE);
}

static void check_head(const mo_head *h, const mo_field *fields, const seen *s)
{
	MO_CHECK(mo_str_eq(h->target, mo_strn(s->url.data, s->url.len)));
	if (is_known_method(h->method))
		MO_CHECK(mo_str_eq(h->method,
				   mo_str(llhttp_method_name((llhttp_method_t)s->method))));
	MO_CHECK(s->major == 1 && s->minor == h->minor);
	MO_CHECK(s->nfields == h->nfields);
	for (size_t i = 0; i < h->nfields; i++)
		check_field(&fields[i], &s->names[i], &s->values[i]);
	MO_CHECK(h->chunked == ((s->flags & F_CHUNKED) != 0));
	MO_CHECK(h->has_length == ((s->flags & F_CONTENT_LENGTH) != 0));
	MO_CHECK(!h->has_length || h->length == s->length);
	MO_CHECK(h->keep_alive == (s->keep_alive && !closes(h, s)));
	MO_CHECK(!h->upgrade || s->upgrade);
}

/* Was it refused at, or right behind, white space? */
static bool at_space(const llhttp_t *p)
{
	const char *at = llhttp_get_error_pos(p);

	return at[0] == ' ' || at[0] == '\t' || at[-1] == ' ' || at[-1] == '\t';
}

/* Did llhttp refuse what we deliberately skip? */
static bool refused_skipped(const llhttp_t *p)
{
	switch (llhttp_get_errno(p)) {
	case HPE_UNEXPECTED_CONTENT_LENGTH:
	case HPE_INVALID_CONTENT_LENGTH:
	case HPE_INVALID_TRANSFER_ENCODING:
		return p->flags & F_TRAILING;
	case HPE_STRICT:
		return strstr(llhttp_get_error_reason(p), "chunk extensions") != NULL;
	case HPE_INVALID_CHUNK_SIZE:
		return at_space(p) || llhttp_get_error_pos(p)[-1] == ';';
	default:
		return false;
	}
}

static void check_body_end(llhttp_t *p, seen *s, const char *body, size_t n, molt_str decoded)
{
	llhttp_errno_t r = llhttp_execute(p, body, n - 1);

	if (r == HPE_OK) {
		MO_CHECK(!s->message_done);
		r = llhttp_execute(p, body + n - 1, 1);
	}
	if (refused_skipped(p))
		return;
	MO_CHECK(r == HPE_PAUSED && s->message_done);
	MO_CHECK(mo_str_eq(decoded, mo_strn(s->body.data, s->body.len)));
}

/* Does llhttp find the same end of the body, and the same bytes in it? */
static void check_body(llhttp_t *p, seen *s, const char *body, size_t n)
{
	mo_buf out = { 0 };
	size_t used;
	mo_chunked c;

	mo_chunked_init(&c);
	mo_buf_reserve(&out, n + 1);
	if (mo_chunked_decode(&c, body, n, &used, out.data, n, &out.len) == 1)
		check_body_end(p, s, body, used, mo_strn(out.data, out.len));
	mo_buf_free(&out);
}

/* Makes every HTAB of a framing field a space; ours must not see a difference. */
static void replace_tabs(char *data, size_t n, mo_head *h, mo_field *fields)
{
	mo_head before = *h;

	for (size_t i = 0; i < h->nfields; i++) {
		char *at = data + (fields[i].value.ptr - data);

		for (; fields[i].id != MO_F_OTHER && *at != '\r'; at++)
			*at = *at == '\t' ? ' ' : *at;
	}
	MO_CHECK(mo_h1_parse(data, n, &usual, h, fields) == (int)before.size);
	MO_CHECK(h->chunked == before.chunked && h->has_length == before.has_length);
	MO_CHECK(h->length == before.length && h->keep_alive == before.keep_alive);
}

static void compare(const char *data, size_t n, const mo_head *h, const mo_field *fields)
{
	llhttp_settings_t settings;
	seen *s = calloc(1, sizeof(*s));
	mo_buf text = { 0 };
	size_t head;
	llhttp_t p;

	MO_CHECK(s != NULL);
	llhttp_settings_init(&settings);
	settings.on_url = on_url;
	settings.on_header_field = on_name;
	settings.on_header_value = on_value;
	settings.on_header_value_complete = on_value_end;
	settings.on_headers_complete = on_head;
	settings.on_body = on_body;
	settings.on_message_complete = on_message;
	llhttp_init(&p, HTTP_REQUEST, &settings);
	p.data = s;

	rewrite(&text, data, n, h);
	head = h->size + text.len - n;
	MO_CHECK(llhttp_execute(&p, text.data, head - 1) == HPE_OK);
	MO_CHECK(!s->head_done);
	llhttp_execute(&p, text.data + head - 1, 1);
	MO_CHECK(s->head_done);
	check_head(h, fields, s);
	if (h->chunked)
		check_body(&p, s, text.data + head, text.len - head);
	mo_buf_free(&text);
	free_seen(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *bytes = exact_copy(data, size);
	mo_field fields[MO_MAX_FIELDS];
	mo_head head;

	if (mo_h1_parse(bytes, size, &usual, &head, fields) > 0) {
		replace_tabs(bytes, size, &head, fields);
		compare(bytes, size, &head, fields);
	}
	free(bytes);
	return 0;
}
