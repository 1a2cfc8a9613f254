/* Bytes of text by eights, as numbers whose lowest byte is the first: for hashes and
 * for looking at many bytes at once. */
#ifndef MO_BASE_WORD_H
#define MO_BASE_WORD_H

#include <stdint.h>
#include <string.h>

#define MO_EACH_BYTE(b) ((uint64_t)(b)*UINT64_C(0x0101010101010101))

static inline uint64_t mo_load8(const char *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	v = __builtin_bswap64(v);
#endif
	return v;
}

static inline uint32_t mo_load4(const char *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	v = __builtin_bswap32(v);
#endif
	return v;
}

/* n < 8 bytes, zeros behind them. */
static inline uint64_t mo_load_few(const char *p, size_t n)
{
	uint64_t v = 0;

	if (n >= 4) {
		v = mo_load4(p + n - 4);
		return v >> (64 - 8 * n) << 32 | mo_load4(p);
	}
	for (size_t i = 0; i < n; i++)
		v |= (uint64_t)(unsigned char)p[i] << (8 * i);
	return v;
}

/* Bit 7 of each byte of v that is b.  Of a byte above such a one it may be set, too. */
static inline uint64_t mo_bytes_are(uint64_t v, unsigned char b)
{
	v ^= MO_EACH_BYTE(b);
	return (v - MO_EACH_BYTE(1)) & ~v & MO_EACH_BYTE(0x80);
}

/* The same for control bytes, tabs among them. */
static inline uint64_t mo_bytes_control(uint64_t v)
{
	return ((v - MO_EACH_BYTE(' ')) & ~v & MO_EACH_BYTE(0x80)) | mo_bytes_are(v, 0x7f);
}

#endif
