/* A growable row of bytes; see buf.h. */
#include "base/buf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/digits.h"
#include "base/mem.h"

void mo_buf_reserve(mo_buf *b, size_t more)
{
	size_t want, cap = b->cap ? b->cap : 256;

	if (b->cap - b->len >= more)
		return;
	MO_CHECK(more <= SIZE_MAX / 2 - b->len);
	want = b->len + more;
	while (cap < want)
		cap *= 2;
	b->data = mo_realloc(b->data, cap);
	b->cap = cap;
}

void mo_buf_add(mo_buf *b, const void *p, size_t n)
{
	if (n == 0)
		return;
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
	mo_buf_reserve(b, 1);
	b->data[b->len++] = c;
}

void mo_buf_u64(mo_buf *b, uint64_t value)
{
	mo_buf_reserve(b, MO_DECIMAL_MAX);
	b->len = (size_t)(mo_put_u64(b->data + b->len, value) - b->data);
}

void mo_buf_vfmt(mo_buf *b, const char *fmt, va_list ap)
{
	va_list again;
	int n;

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
