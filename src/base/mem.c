/* Heap memory that never fails; see mem.h. */
#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"

void *mo_malloc(size_t n)
{
	void *p = malloc(n ? n : 1);

	if (!p)
		MO_DIE("out of memory (%zu bytes)", n);
	return p;
}

void *mo_calloc(size_t count, size_t size)
{
	void *p = calloc(count ? count : 1, size ? size : 1);

	if (!p)
		MO_DIE("out of memory (%zu times %zu bytes)", count, size);
	return p;
}

void *mo_realloc(void *p, size_t n)
{
	void *q = realloc(p, n ? n : 1);

	if (!q)
		MO_DIE("out of memory (%zu bytes)", n);
	return q;
}

/* A compiler that sees callers and these together would put it there again. */
#if defined(__GNUC__) && !defined(__clang__)
#define AS_CALL __attribute__((noipa))
#else
#define AS_CALL __attribute__((noinline))
#endif

AS_CALL void mo_zero(void *p, size_t n)
{
	memset(p, 0, n);
}

AS_CALL void *mo_copy(void *to, const void *from, size_t n)
{
	return memcpy(to, from, n);
}

void mo_strset(char **at, const char *s)
{
	char *copy = mo_strdup(s);

	free(*at);
	*at = copy;
}

char *mo_strndup(const char *s, size_t n)
{
	char *p = mo_malloc(n + 1);

	if (n)
		memcpy(p, s, n);
	p[n] = '\0';
	return p;
}

char *mo_strdup(const char *s)
{
	return s ? mo_strndup(s, strlen(s)) : NULL;
}

char *mo_fmt(const char *fmt, ...)
{
	va_list ap;
	char *p = NULL;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&p, fmt, ap);
	va_end(ap);
	if (n < 0)
		MO_DIE("out of memory (format \"%s\")", fmt);
	return p;
}
