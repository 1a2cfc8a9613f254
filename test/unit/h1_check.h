/* Helpers of the tests of the HTTP/1 head parser.  Every parse works on a heap
 * copy of exactly the given bytes, so that the sanitizers see a read beyond. */
#ifndef TEST_H1_CHECK_H
#define TEST_H1_CHECK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/str.h"
#include "http/h1/h1_parse.h"

/* Bytes with their number, for literals that hold NULs. */
#define BYTES(lit) (lit), sizeof(lit) - 1

static const mo_head_limits usual = { 16384, 8192, 100 };

typedef struct parsed {
	int r;
	char *bytes; /* what head and fields point into */
	mo_head head;
	mo_field fields[MO_MAX_FIELDS];
} parsed;

static inline void parse(parsed *p, const char *bytes, size_t n, const mo_head_limits *lim)
{
	p->bytes = malloc(n ? n : 1);
	assert_non_null(p->bytes);
	memcpy(p->bytes, bytes, n);
	p->r = mo_h1_parse(p->bytes, n, lim, &p->head, p->fields);
}

static inline int parse_result(const char *bytes, size_t n)
{
	parsed p;

	parse(&p, bytes, n, &usual);
	free(p.bytes);
	return p.r;
}

static inline void assert_str(molt_str got, const char *want)
{
	if (got.len != strlen(want) || memcmp(got.ptr, want, got.len) != 0)
		fail_msg("got '%.*s', want '%s'", (int)got.len, got.ptr, want);
}

/* A refusal holds for the bytes alone, for each continuation, and no prefix of
 * them is judged otherwise than by 0 or by the same status. */
static inline void assert_refused(const char *bytes, size_t n, int status)
{
	char longer[70000];

	assert_true(n + 8 <= sizeof(longer));
	for (size_t i = 0; i <= n; i++) {
		int r = parse_result(bytes, i);

		if (r != -status && !(r == 0 && i < n))
			fail_msg("%d instead of -%d after %zu of '%.*s'", r, status, i, (int)n,
				 bytes);
	}
	memcpy(longer, bytes, n);
	memcpy(longer + n, "a: b\r\n\r\n", 8);
	assert_int_equal(parse_result(longer, n + 8), -status);
}

/* Complete exactly at its last byte, whatever follows. */
static inline void assert_accepted(const char *bytes, size_t n)
{
	char longer[70000];

	assert_true(n + 8 <= sizeof(longer));
	for (size_t i = 0; i < n; i++)
		if (parse_result(bytes, i) != 0)
			fail_msg("not unfinished after %zu of '%.*s'", i, (int)n, bytes);
	if (parse_result(bytes, n) != (int)n)
		fail_msg("%d for '%.*s'", parse_result(bytes, n), (int)n, bytes);
	memcpy(longer, bytes, n);
	memcpy(longer + n, "\0\xff\r\n: \n\r", 8);
	assert_int_equal(parse_result(longer, n + 8), (int)n);
}

/* The same for "GET / HTTP/1.1", Host and the given field lines. */
static inline void assert_fields_refused(const char *lines, int status)
{
	char text[4096];
	int n = snprintf(text, sizeof(text), "POST / HTTP/1.1\r\nHost: a\r\n%s\r\n", lines);

	assert_refused(text, (size_t)n, status);
}

static inline void parse_fields(parsed *p, const char *version, const char *lines)
{
	char text[4096];
	int n = snprintf(text, sizeof(text), "POST / HTTP/%s\r\nHost: a\r\n%s\r\n", version, lines);

	assert_accepted(text, (size_t)n);
	parse(p, text, (size_t)n, &usual);
	free(p->bytes);
}

#endif
