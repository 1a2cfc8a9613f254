/* Numbers as text, written where the caller has room.  An answer's head and a line of the
 * access log hold a dozen numbers, for which printf() would take longer than all the rest of
 * a small request. */
#ifndef MO_BASE_DIGITS_H
#define MO_BASE_DIGITS_H

#include <endian.h>
#include <stdint.h>
#include <string.h>

#define MO_DECIMAL_MAX 20u /* bytes of the longest number */
#define MO_HEX_MAX 16u

/* The last two decimal digits of n, always both. */
static inline char *mo_put_2digits(char *p, unsigned n)
{
	p[0] = (char)('0' + n / 10 % 10);
	p[1] = (char)('0' + n % 10);
	return p + 2;
}

static inline char *mo_put_3digits(char *p, unsigned n)
{
	p[0] = (char)('0' + n / 100 % 10);
	return mo_put_2digits(p + 1, n);
}

/* Decimal; all return the end, without a NUL. */
static inline char *mo_put_byte(char *p, uint8_t n)
{
	if (n >= 100)
		return mo_put_3digits(p, n);
	if (n >= 10)
		return mo_put_2digits(p, n);
	*p = (char)('0' + n);
	return p + 1;
}

static inline char *mo_put_u64(char *p, uint64_t n)
{
	char digits[MO_DECIMAL_MAX], *d = digits + sizeof(digits);
	size_t len;

	if (n < 10) {
		*p = (char)('0' + n);
		return p + 1;
	}
	do {
		*--d = (char)('0' + n % 10);
		n /= 10;
	} while (n > 0);
	len = (size_t)(digits + sizeof(digits) - d);
	memcpy(p, d, len);
	return p + len;
}

/* Hexadecimal in lower case, all 16 digits: each half's nibbles are spread over the
 * bytes of a word, which become digits together. */
static inline char *mo_put_hex16(char *p, uint64_t n)
{
	for (int half = 0; half < 2; half++, n <<= 32) {
		uint64_t x = n >> 32, letters;

		x = (x | x << 16) & 0x0000ffff0000ffffu;
		x = (x | x << 8) & 0x00ff00ff00ff00ffu;
		x = (x | x << 4) & 0x0f0f0f0f0f0f0f0fu;
		letters = (x + 0x0606060606060606u) >> 4 & 0x0101010101010101u;
		x = htobe64(x + 0x3030303030303030u + letters * ('a' - '0' - 10));
		memcpy(p, &x, sizeof(x));
		p += sizeof(x);
	}
	return p;
}

/* ... exactly that many digits. */
static inline char *mo_put_hex_digits(char *p, uint64_t n, int digits)
{
	static const char hex[] = "0123456789abcdef";

	for (int i = digits - 1; i >= 0; i--, n >>= 4)
		p[i] = hex[n & 15];
	return p + digits;
}

/* ... and as many as it takes. */
static inline char *mo_put_hex(char *p, uint64_t n)
{
	return mo_put_hex_digits(p, n, n ? (67 - __builtin_clzll(n)) / 4 : 1);
}

#endif
