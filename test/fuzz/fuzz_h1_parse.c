/* The HTTP/1 head parser:
 *   - a prefix is unfinished, or judged as the whole is;
 *   - what is accepted holds only legal bytes, inside the input, and as many
 *     lines as there are fields;
 *   - written again from its parts, a head is read as the same parts;
 *   - a limit changes the judgement only to its own status. */
#include "base/buf.h"
#include "base/str.h"
#include "fuzz.h"
#include "http/h1/h1_parse_internal.h"
#include "http/syntax/authority.h"

static const mo_head_limits usual = { 16384, 8192, MO_MAX_FIELDS };

typedef struct parsed {
	char *bytes;
	int r;
	mo_head head;
	mo_field fields[MO_MAX_FIELDS];
} parsed;

static void parse(parsed *p, const void *data, size_t n, const mo_head_limits *lim)
{
	p->bytes = exact_copy(data, n);
	p->r = mo_h1_parse(p->bytes, n, lim, &p->head, p->fields);
	MO_CHECK(p->r <= (int)n);
}

static int judge(const void *data, size_t n, const mo_head_limits *lim)
{
	parsed p;

	parse(&p, data, n, lim);
	free(p.bytes);
	return p.r;
}

static void check_inside(const parsed *p, molt_str s)
{
	MO_CHECK(s.ptr >= p->bytes && s.ptr + s.len <= p->bytes + p->r);
}

static void check_bytes(molt_str s, enum mo_h1_class k)
{
	for (size_t i = 0; i < s.len; i++)
		MO_CHECK(mo_h1_is(s.ptr[i], k));
}

static void check_fields(const parsed *p)
{
	for (size_t i = 0; i < p->head.nfields; i++) {
		const mo_field *f = &p->fields[i];

		check_inside(p, f->name);
		check_inside(p, f->value);
		check_bytes(f->name, MO_C_TOKEN);
		check_bytes(f->value, MO_C_VALUE);
		MO_CHECK(f->name.len > 0 && mo_str_eq(mo_str_trim(f->value), f->value));
		MO_CHECK(f->id < MO_F_COUNT && f->id == mo_field_id_of(f->name));
	}
}

static void check_lines(const parsed *p)
{
	size_t lines = 0, n = (size_t)p->r;

	for (size_t i = 0; i < n; i++) {
		MO_CHECK(p->bytes[i] != '\r' || (i + 1 < n && p->bytes[i + 1] == '\n'));
		MO_CHECK(p->bytes[i] != '\n' || (i > 0 && p->bytes[i - 1] == '\r'));
		lines += p->bytes[i] == '\n';
	}
	MO_CHECK(lines == p->head.nfields + 2 + (p->bytes[0] == '\r'));
	MO_CHECK(n > 4 && memcmp(p->bytes + n - 4, "\r\n\r\n", 4) == 0);
}

static void check_head(const parsed *p)
{
	const mo_head *h = &p->head;

	MO_CHECK(h->size == (size_t)p->r);
	check_inside(p, h->method);
	check_inside(p, h->target);
	check_bytes(h->method, MO_C_TOKEN);
	check_bytes(h->target, MO_C_TARGET);
	MO_CHECK(h->method.len >= 1 && h->method.len <= 32);
	MO_CHECK(h->path.len > 0 && h->host.ptr && h->query.ptr);
	MO_CHECK(h->host.len == 0 || mo_authority(h->host, false));
	MO_CHECK(!h->chunked || (!h->has_length && h->minor == 1));
	MO_CHECK(h->has_length || h->length == 0);
	MO_CHECK(h->length <= INT64_MAX && h->minor >= 0 && h->minor <= 1);
	MO_CHECK(!h->expect_continue || h->chunked || h->length > 0);
	MO_CHECK(!h->upgrade || !(h->chunked || h->length > 0));
	check_fields(p);
	check_lines(p);
}

static void check_same(const mo_head *a, const mo_head *b)
{
	MO_CHECK(mo_str_eq(a->method, b->method) && mo_str_eq(a->target, b->target));
	MO_CHECK(mo_str_eq(a->path, b->path) && mo_str_eq(a->query, b->query));
	MO_CHECK(mo_str_eq(a->host, b->host) && a->has_query == b->has_query);
	MO_CHECK(a->minor == b->minor && a->keep_alive == b->keep_alive);
	MO_CHECK(a->chunked == b->chunked && a->has_length == b->has_length);
	MO_CHECK(a->length == b->length && a->upgrade == b->upgrade);
	MO_CHECK(a->expect_continue == b->expect_continue && a->nfields == b->nfields);
}

static void check_written_again(const parsed *p)
{
	static const mo_head_limits wide = { 1 << 20, 8192, MO_MAX_FIELDS };
	mo_buf text = { 0 };
	parsed again;

	mo_buf_str(&text, p->head.method);
	mo_buf_putc(&text, ' ');
	mo_buf_str(&text, p->head.target);
	mo_buf_fmt(&text, " HTTP/1.%d\r\n", p->head.minor);
	for (size_t i = 0; i < p->head.nfields; i++) {
		mo_buf_str(&text, p->fields[i].name);
		mo_buf_puts(&text, ": ");
		mo_buf_str(&text, p->fields[i].value);
		mo_buf_puts(&text, "\r\n");
	}
	mo_buf_puts(&text, "\r\n");
	parse(&again, text.data, text.len, &wide);
	MO_CHECK(again.r == (int)text.len);
	check_same(&p->head, &again.head);
	for (size_t i = 0; i < p->head.nfields; i++)
		MO_CHECK(mo_str_eq(p->fields[i].name, again.fields[i].name) &&
			 mo_str_eq(p->fields[i].value, again.fields[i].value));
	free(again.bytes);
	mo_buf_free(&text);
}

static void check_prefixes(const uint8_t *data, size_t size, int whole)
{
	size_t step = size / 128 + 1;

	for (size_t n = 0; n < size; n += step) {
		int r = judge(data, n, &usual);

		MO_CHECK(r == 0 || r == whole);
	}
}

static void check_limits(const uint8_t *data, size_t size, int whole)
{
	size_t half = size / 2 + 1;
	const mo_head_limits tight = { half < usual.max_head ? half : usual.max_head, 16, 4 };
	int r = judge(data, size, &tight);

	MO_CHECK(r == whole || r == -431 || r == -414);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	parsed p;

	parse(&p, data, size, &usual);
	if (p.r > 0) {
		check_head(&p);
		check_written_again(&p);
	}
	check_prefixes(data, size, p.r);
	check_limits(data, size, p.r);
	free(p.bytes);
	return 0;
}
