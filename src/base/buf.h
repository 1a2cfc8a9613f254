/* A growable row of bytes on the heap.  All zero is an empty one.  The owner
 * frees it.  Bytes at data[0..len) are valid; room beyond them is the caller's
 * to fill before it raises len. */
#ifndef MO_BASE_BUF_H
#define MO_BASE_BUF_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "molt.h"

typedef struct mo_buf {
	char *data;
	size_t len, cap;
} mo_buf;

void mo_buf_reserve(mo_buf *b, size_t more); /* cap - len becomes >= more */
size_t mo_buf_grown(const mo_buf *b, size_t more); /* the capacity that makes */
void mo_buf_fit(mo_buf *b, size_t cap);      /* the capacity becomes cap, or len */
void mo_buf_add(mo_buf *b, const void *p, size_t n);
void mo_buf_str(mo_buf *b, molt_str s);
void mo_buf_puts(mo_buf *b, const char *s);
void mo_buf_putc(mo_buf *b, char c);
void mo_buf_u64(mo_buf *b, uint64_t value); /* decimal digits */
void mo_buf_fmt(mo_buf *b, const char *fmt, ...) MOLT_PRINTF(2, 3);
void mo_buf_vfmt(mo_buf *b, const char *fmt, va_list ap) MOLT_PRINTF(2, 0);
void mo_buf_consume(mo_buf *b, size_t n); /* drops the first n bytes */
const char *mo_buf_cstr(mo_buf *b);	  /* NUL-terminated view, len unchanged */
void mo_buf_free(mo_buf *b);		  /* frees and empties */

#endif
