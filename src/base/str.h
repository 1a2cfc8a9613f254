/* Slices of text: molt_str with a few comparisons and conversions.  No copies,
 * no allocation, no locale: ASCII rules only. */
#ifndef MO_BASE_STR_H
#define MO_BASE_STR_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "molt.h"

#define MO_STR(lit) ((molt_str){ "" lit, sizeof(lit) - 1 })

static inline molt_str mo_str(const char *s)
{
	return (molt_str){ s, s ? strlen(s) : 0 };
}

static inline molt_str mo_strn(const char *p, size_t n)
{
	return (molt_str){ p, n };
}

static inline char mo_lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

static inline bool mo_is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static inline bool mo_str_eq(molt_str a, molt_str b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

bool mo_str_eq_ci(molt_str a, molt_str b);
/* How many bytes must be changed, added or removed to make b of a (Levenshtein).  any_case:
 * upper and lower case are the same.  b has at most MO_STR_NEAR_MAX bytes. */
#define MO_STR_NEAR_MAX 63
unsigned mo_str_distance(molt_str a, molt_str b, bool any_case);
bool mo_str_has_prefix(molt_str s, molt_str prefix);
bool mo_str_has_suffix(molt_str s, molt_str suffix);
molt_str mo_str_trim(molt_str s); /* spaces and tabs at both ends */

/* Splits at the first sep: the part before it is returned, *rest is what
 * follows; without sep the whole of it, and *rest becomes {NULL, 0}. */
molt_str mo_str_split(molt_str *rest, char sep);

/* Digits only, no sign, no space, at most max.  false otherwise. */
bool mo_str_u64(molt_str s, uint64_t max, uint64_t *out);

/* Well-formed UTF-8 (RFC 3629): nothing overlong, no surrogate, at most U+10FFFF. */
bool mo_str_is_utf8(molt_str s);
/* Bytes of the character that s begins with; 0: none that a terminal may be given: a
 * control character (C0, DEL, C1), one that turns the direction of text or ends a line
 * (U+2028, U+202A to U+202E, U+2066 to U+2069 ...), no UTF-8, or s is empty. */
size_t mo_str_visible(molt_str s);

/* 0 to 15, or -1. */
int mo_hex_digit(char c);

#endif
