/* A growable row of bytes; see buf.h. */
#include "base/buf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/digits.h"
#include "base/mem.h"

size_t mo_buf_grown(const mo_buf *b, size_t more)
{
	size_t want, cap = b->cap ? b->cap : 256;

	MO_CHECK(more <= SIZE_MAX / 2 - b->len);
	want = b->len + more;
	while (cap < want)
		cap *= 2;
	return cap;
}

void mo_buf_reserve(mo_buf *b, size_t more)
{
	if (b->cap - b->len >= more)
		return;
	b->cap = mo_buf_grown(b, more);
	b->data = mo_realloc(b->data, b->cap);
}

void mo_buf_fit(mo_buf *b, size_t cap)
{
	if (cap < b->len)
		cap = b->len;
	b->data = mo_realloc(b->data, cap);
	b->cap = cap;
}

void mo_buf_add(mo_buf *b, const void *p, size_t n)
{
	if (n == 0)
		return;
	if (b->cap - b->len < n)
		mo_buf_reserve(b, n);
	memcpy(b->data + b->len, p, n);
	b->len += n;
}

void mo_buf_str(mo_buf *b, molt_str s)
{
	mo_buf_add(b, s.ptr, s.len);
}

void mo_buf_puts(mo_buf *b, const char *s)
{
	mo_buf_add(b, s, strlen(s));
}

void mo_buf_putc(mo_buf *b, char c)
{
	if (b->cap == b->len)
		mo_buf_reserve(b, 1);
	b->data[b->len++] = c;
}

void mo_buf_u64(mo_buf *b, uint64_t value)
{
	mo_buf_reserve(b, MO_DECIMAL_MAX);
	b->len = (size_t)(mo_put_u64(b->data + b->len, value) - b->data);
}

static void add_signed(mo_buf *b, int64_t value)
{
	if (value < 0)
		mo_buf_putc(b, '-');
	mo_buf_u64(b, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
}

/* One conversion at p, behind its '%'; the end, or NULL: it is none of those below. */
static const char *add_plain(mo_buf *b, const char *p, va_list *ap)
{
	const char *s;

	switch (*p) {
	case '%':
		mo_buf_putc(b, '%');
		return p + 1;
	case 'c':
		mo_buf_putc(b, (char)va_arg(*ap, int));
		return p + 1;
	case 'd':
		add_signed(b, va_arg(*ap, int));
		return p + 1;
	case 'u':
		mo_buf_u64(b, va_arg(*ap, unsigned));
		return p + 1;
	case 's':
		s = va_arg(*ap, const char *);
		mo_buf_puts(b, s ? s : "(null)");
		return p + 1;
	case 'l':
		if (p[1] == 'd')
			add_signed(b, va_arg(*ap, long));
		else if (p[1] == 'u')
			mo_buf_u64(b, va_arg(*ap, unsigned long));
		else
			return NULL;
		return p + 2;
	case 'z':
		if (p[1] != 'u')
			return NULL;
		mo_buf_u64(b, va_arg(*ap, size_t));
		return p + 2;
	default:
		return NULL;
	}
}

/* What most formats are made of, without the C library's printf, which takes some
 * thousand instructions.  false: there is more to it, and b is as it was. */
static bool fmt_plain(mo_buf *b, const char *fmt, va_list from)
{
	size_t before = b->len;
	va_list ap;

	va_copy(ap, from);
	while (fmt && *fmt) {
		const char *percent = strchr(fmt, '%');
		size_t n = percent ? (size_t)(percent - fmt) : strlen(fmt);

		mo_buf_add(b, fmt, n);
		fmt = percent ? add_plain(b, percent + 1, &ap) : fmt + n;
	}
	va_end(ap);
	if (!fmt)
		b->len = before;
	return fmt != NULL;
}

void mo_buf_vfmt(mo_buf *b, const char *fmt, va_list ap)
{
	va_list again;
	int n;

	if (fmt_plain(b, fmt, ap))
		return;
	va_copy(again, ap);
	mo_buf_reserve(b, 64);
	n = vsnprintf(b->data + b->len, b->cap - b->len, fmt, ap);
	MO_CHECK(n >= 0);
	if ((size_t)n >= b->cap - b->len) {
		mo_buf_reserve(b, (size_t)n + 1);
		n = vsnprintf(b->data + b->len, b->cap - b->len, fmt, again);
	}
	va_end(again);
	b->len += (size_t)n;
}

void mo_buf_fmt(mo_buf *b, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	mo_buf_vfmt(b, fmt, ap);
	va_end(ap);
}

void mo_buf_consume(mo_buf *b, size_t n)
{
	MO_CHECK(n <= b->len);
	b->len -= n;
	if (b->len)
		memmove(b->data, b->data + n, b->len);
}

const char *mo_buf_cstr(mo_buf *b)
{
	mo_buf_reserve(b, 1);
	b->data[b->len] = '\0';
	return b->data;
}

void mo_buf_free(mo_buf *b)
{
	free(b->data);
	*b = (mo_buf){ 0 };
}
