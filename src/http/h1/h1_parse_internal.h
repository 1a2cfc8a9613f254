/* What the pieces of the HTTP/1 head parser share: classes of bytes, vectorised
 * searches, and the functions of h1_target.c and h1_field.c.  Included by these,
 * by h1_parse.c, by chunk.c (the classes) and by their tests; nobody else.
 *
 * A search never reads outside [base, end): the last, short piece is looked at
 * by one load that ends at `end` and overlaps what was already seen. */
#ifndef MO_HTTP_H1_H1_PARSE_INTERNAL_H
#define MO_HTTP_H1_H1_PARSE_INTERNAL_H

#include <stdint.h>

#include "http/h1/h1_parse.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

enum mo_h1_class {
	MO_C_TOKEN = 1,    /* tchar, RFC 9110 section 5.6.2 */
	MO_C_TARGET = 2,   /* 0x21 to 0x7e but '#' */
	MO_C_VALUE = 4,    /* HTAB, SP, 0x21 to 0x7e, obs-text */
};
extern const uint8_t mo_h1_classes[256];

static inline bool mo_h1_is(char c, enum mo_h1_class k)
{
	return mo_h1_classes[(uint8_t)c] & k;
}

#ifdef __SSE2__

/* The bytes of 16 that are no letter, digit or '-', which names are made of mostly. */
static inline unsigned mo_h1_name_stops(const char *p)
{
	__m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
	/* Moves the range to the top of the signed bytes, where one comparison is enough. */
	__m128i letter =
		_mm_add_epi8(_mm_or_si128(v, _mm_set1_epi8(0x20)), _mm_set1_epi8(INT8_MAX - 'z'));
	__m128i digit = _mm_add_epi8(v, _mm_set1_epi8(INT8_MAX - '9'));
	__m128i ok = _mm_or_si128(_mm_cmpgt_epi8(letter, _mm_set1_epi8(INT8_MAX - 26)),
				  _mm_cmpgt_epi8(digit, _mm_set1_epi8(INT8_MAX - 10)));

	ok = _mm_or_si128(ok, _mm_cmpeq_epi8(v, _mm_set1_epi8('-')));
	return (unsigned)_mm_movemask_epi8(ok) ^ 0xffffu;
}

/* Those that are no '.' either, which names of hosts are made of. */
static inline unsigned mo_h1_host_stops(const char *p)
{
	__m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
	__m128i dot = _mm_cmpeq_epi8(v, _mm_set1_epi8('.'));

	return mo_h1_name_stops(p) & ~(unsigned)_mm_movemask_epi8(dot);
}

#endif

/* The first byte of [p, end) that is no tchar, or end. */
static inline const char *mo_h1_token_end(const char *p, const char *end)
{
#ifdef __SSE2__
	while (end - p >= 16) {
		unsigned stops = mo_h1_name_stops(p);

		p += stops ? __builtin_ctz(stops) : 16;
		if (stops)
			break;
	}
#endif
	/* The last bytes, and what is a tchar but none of those. */
	while (p < end && mo_h1_is(*p, MO_C_TOKEN))
		p++;
	return p;
}

/* The first byte of [p, end) that may not stand in a field value, or end. */
static inline const char *mo_h1_value_end_plain(const char *p, const char *end)
{
	while (p < end && mo_h1_is(*p, MO_C_VALUE))
		p++;
	return p;
}

/* The first byte of [p, end) that may not stand in a target or is `also`, or end. */
static inline const char *mo_h1_target_end_plain(const char *p, const char *end, char also)
{
	while (p < end && mo_h1_is(*p, MO_C_TARGET) && *p != also)
		p++;
	return p;
}

#ifdef __SSE2__

static inline unsigned mo_h1_value_stops(const char *p)
{
	__m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
	__m128i ctl = _mm_cmpeq_epi8(_mm_min_epu8(v, _mm_set1_epi8(0x1f)), v);
	__m128i tab = _mm_cmpeq_epi8(v, _mm_set1_epi8('\t'));
	__m128i del = _mm_cmpeq_epi8(v, _mm_set1_epi8(0x7f));

	return (unsigned)_mm_movemask_epi8(_mm_or_si128(_mm_andnot_si128(tab, ctl), del));
}

static inline unsigned mo_h1_target_stops(const char *p, char also)
{
	__m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
	/* As signed bytes, 0x80 and above are below the space as well. */
	__m128i low = _mm_cmplt_epi8(v, _mm_set1_epi8(0x21));
	__m128i del = _mm_cmpeq_epi8(v, _mm_set1_epi8(0x7f));
	__m128i hash = _mm_cmpeq_epi8(v, _mm_set1_epi8('#'));
	__m128i mark = _mm_cmpeq_epi8(v, _mm_set1_epi8(also));

	return (unsigned)_mm_movemask_epi8(
		_mm_or_si128(_mm_or_si128(low, del), _mm_or_si128(hash, mark)));
}

/* Walks [p, end) by 16 bytes with stops(p), a mask of the bytes that end it. */
#define MO_H1_WALK(stops, base, p, end)                                                            \
	do {                                                                                       \
		for (; (end) - (p) >= 16; (p) += 16) {                                             \
			unsigned mask = stops((p));                                                \
			if (mask)                                                                  \
				return (p) + __builtin_ctz(mask);                                  \
		}                                                                                  \
		if ((p) < (end) && (end) - (base) >= 16) {                                         \
			unsigned mask = stops((end)-16) >> (16 - ((end) - (p)));                   \
			return mask ? (p) + __builtin_ctz(mask) : (end);                           \
		}                                                                                  \
	} while (0)

static inline const char *mo_h1_value_end(const char *base, const char *p, const char *end)
{
	MO_H1_WALK(mo_h1_value_stops, base, p, end);
	return mo_h1_value_end_plain(p, end);
}

static inline const char *mo_h1_target_end(const char *base, const char *p, const char *end,
					   char also)
{
#define STOPS(at) mo_h1_target_stops(at, also)
	MO_H1_WALK(STOPS, base, p, end);
#undef STOPS
	return mo_h1_target_end_plain(p, end, also);
}

#else

static inline const char *mo_h1_value_end(const char *base, const char *p, const char *end)
{
	(void)base;
	return mo_h1_value_end_plain(p, end);
}

static inline const char *mo_h1_target_end(const char *base, const char *p, const char *end,
					   char also)
{
	(void)base;
	return mo_h1_target_end_plain(p, end, also);
}

#endif

/* The target's form (h1_target.c).  h->method, target and version are set, h->path
 * is the target up to its '?', h->query the rest.  Sets path and, for the absolute
 * and authority forms, host.  0 or -400. */
int mo_h1_target(mo_head *h);
/* mo_authority() of what a Host field holds, without a need of a port.  At least 16 bytes
 * of the head stand before its end, as the request line and the name are longer. */
bool mo_h1_host(molt_str s);

/* What the fields of a head said that mo_head does not hold (h1_field.c). */
typedef struct mo_h1_facts {
	uint32_t seen;                   /* a bit for each mo_field_id */
	bool close, keep_alive, upgrade; /* named by Connection */
	bool protocol;                   /* Upgrade names one */
	bool host_by_target;
} mo_h1_facts;

/* Notes one field; only these matter.  0 or -status. */
#define MO_H1_FRAMING                                                                              \
	(1u << MO_F_HOST | 1u << MO_F_CONNECTION | 1u << MO_F_CONTENT_LENGTH |                     \
	 1u << MO_F_TRANSFER_ENCODING | 1u << MO_F_EXPECT | 1u << MO_F_UPGRADE)
int mo_h1_note(mo_h1_facts *x, mo_head *h, const mo_field *f);
/* The last decisions, when all fields are known.  0 or -400. */
int mo_h1_conclude(const mo_h1_facts *x, mo_head *h);

#endif
