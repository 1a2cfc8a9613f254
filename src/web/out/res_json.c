/* Strings of JSON (RFC 8259 section 7), written straight into the answer.  What
 * comes out is always valid UTF-8 and valid JSON, whatever goes in. */
#include "web/core/request.h"

#include "base/str.h"

/* Length of the UTF-8 sequence at s (RFC 3629: no surrogates, no overlong form,
 * nothing above U+10FFFF); 0 when there is none, then *bad is how many bytes one
 * U+FFFD stands for.  s ends with a NUL, which no sequence holds. */
static size_t utf8_sequence(const unsigned char *s, size_t *bad)
{
	unsigned char first = s[0], low = 0x80, high = 0xbf;
	size_t n;

	*bad = 1;
	if (first < 0x80)
		return 1;
	if (first < 0xc2 || first > 0xf4)
		return 0;
	n = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
	if (first == 0xe0)
		low = 0xa0;
	else if (first == 0xed)
		high = 0x9f;
	else if (first == 0xf0)
		low = 0x90;
	else if (first == 0xf4)
		high = 0x8f;
	for (size_t i = 1; i < n; i++) {
		if (s[i] < low || s[i] > high) {
			*bad = i;
			return 0;
		}
		low = 0x80;
		high = 0xbf;
	}
	return n;
}

/* The letter of the short escape of c, or 0. */
static char short_escape(unsigned char c)
{
	switch (c) {
	case '"':
	case '\\':
		return (char)c;
	case '\b':
		return 'b';
	case '\f':
		return 'f';
	case '\n':
		return 'n';
	case '\r':
		return 'r';
	case '\t':
		return 't';
	default:
		return 0;
	}
}

static void put_string(mo_buf *out, const unsigned char *s)
{
	mo_buf_putc(out, '"');
	while (*s) {
		char letter = short_escape(*s);
		size_t bad, n = utf8_sequence(s, &bad);

		if (letter) {
			mo_buf_putc(out, '\\');
			mo_buf_putc(out, letter);
		} else if (*s < 0x20) {
			mo_buf_fmt(out, "\\u%04x", *s);
		} else if (n == 0) {
			mo_buf_puts(out, "\xef\xbf\xbd");
		} else {
			mo_buf_add(out, s, n);
		}
		s += n ? n : bad;
	}
	mo_buf_putc(out, '"');
}

int molt_res_json_str(molt_req *r, const char *s)
{
	int err = molt_res_write(r, "", 0);
	size_t before = r->out.cap;

	if (err)
		return err;
	if (s)
		put_string(&r->out, (const unsigned char *)s);
	else
		mo_buf_puts(&r->out, "null");
	return mo_res_grown(r, before);
}
