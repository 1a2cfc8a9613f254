/* The numbers of well-known fields, by their names; see field.h. */
#include "http/syntax/field.h"

#include "base/str.h"
#include "base/word.h"

/* Lower case, and each of at least 4 bytes. */
static const molt_str names[MO_F_COUNT] = {
	[MO_F_HOST] = MO_STR("host"),
	[MO_F_CONNECTION] = MO_STR("connection"),
	[MO_F_CONTENT_LENGTH] = MO_STR("content-length"),
	[MO_F_CONTENT_TYPE] = MO_STR("content-type"),
	[MO_F_TRANSFER_ENCODING] = MO_STR("transfer-encoding"),
	[MO_F_EXPECT] = MO_STR("expect"),
	[MO_F_UPGRADE] = MO_STR("upgrade"),
	[MO_F_COOKIE] = MO_STR("cookie"),
	[MO_F_AUTHORIZATION] = MO_STR("authorization"),
	[MO_F_USER_AGENT] = MO_STR("user-agent"),
	[MO_F_REFERER] = MO_STR("referer"),
	[MO_F_ORIGIN] = MO_STR("origin"),
	[MO_F_RANGE] = MO_STR("range"),
	[MO_F_IF_RANGE] = MO_STR("if-range"),
	[MO_F_IF_MATCH] = MO_STR("if-match"),
	[MO_F_IF_NONE_MATCH] = MO_STR("if-none-match"),
	[MO_F_IF_MODIFIED_SINCE] = MO_STR("if-modified-since"),
	[MO_F_IF_UNMODIFIED_SINCE] = MO_STR("if-unmodified-since"),
	[MO_F_ACCEPT] = MO_STR("accept"),
	[MO_F_ACCEPT_ENCODING] = MO_STR("accept-encoding"),
	[MO_F_SEC_FETCH_SITE] = MO_STR("sec-fetch-site"),
};

/* A perfect hash of length, first and last letter: one candidate a name.  Two
 * fields in one slot would be a warning of the compiler. */
#define SLOT(len, first, last) (((len) + (first)*6u + (last)*16u) % 64u)
static const uint8_t slots[64] = {
	[SLOT(4, 'h', 't')] = MO_F_HOST,
	[SLOT(10, 'c', 'n')] = MO_F_CONNECTION,
	[SLOT(14, 'c', 'h')] = MO_F_CONTENT_LENGTH,
	[SLOT(12, 'c', 'e')] = MO_F_CONTENT_TYPE,
	[SLOT(17, 't', 'g')] = MO_F_TRANSFER_ENCODING,
	[SLOT(6, 'e', 't')] = MO_F_EXPECT,
	[SLOT(7, 'u', 'e')] = MO_F_UPGRADE,
	[SLOT(6, 'c', 'e')] = MO_F_COOKIE,
	[SLOT(13, 'a', 'n')] = MO_F_AUTHORIZATION,
	[SLOT(10, 'u', 't')] = MO_F_USER_AGENT,
	[SLOT(7, 'r', 'r')] = MO_F_REFERER,
	[SLOT(6, 'o', 'n')] = MO_F_ORIGIN,
	[SLOT(5, 'r', 'e')] = MO_F_RANGE,
	[SLOT(8, 'i', 'e')] = MO_F_IF_RANGE,
	[SLOT(8, 'i', 'h')] = MO_F_IF_MATCH,
	[SLOT(13, 'i', 'h')] = MO_F_IF_NONE_MATCH,
	[SLOT(17, 'i', 'e')] = MO_F_IF_MODIFIED_SINCE,
	[SLOT(19, 'i', 'e')] = MO_F_IF_UNMODIFIED_SINCE,
	[SLOT(6, 'a', 't')] = MO_F_ACCEPT,
	[SLOT(15, 'a', 'g')] = MO_F_ACCEPT_ENCODING,
	[SLOT(14, 's', 'e')] = MO_F_SEC_FETCH_SITE,
};

/* Are n >= 4 bytes of a token the lower-case name?  Among token bytes only 'A'
 * and 'a' become 'a' with bit 0x20 set, and only '-' becomes '-'. */
static inline bool same_name(const char *token, const char *name, size_t n)
{
	const uint64_t bits = 0x2020202020202020u;
	uint64_t diff = 0;

	if (n < 8)
		return (((mo_load4(token) | (uint32_t)bits) ^ mo_load4(name)) |
			((mo_load4(token + n - 4) | (uint32_t)bits) ^ mo_load4(name + n - 4))) == 0;
	for (size_t i = 0; i + 8 < n; i += 8)
		diff |= (mo_load8(token + i) | bits) ^ mo_load8(name + i);
	return (diff | ((mo_load8(token + n - 8) | bits) ^ mo_load8(name + n - 8))) == 0;
}

enum mo_field_id mo_field_id_of(molt_str name)
{
	enum mo_field_id id;

	if (name.len < 4)
		return MO_F_OTHER;
	id = slots[SLOT(name.len, (uint8_t)name.ptr[0] | 0x20u,
			(uint8_t)name.ptr[name.len - 1] | 0x20u)];
	if (names[id].len != name.len || !same_name(name.ptr, names[id].ptr, name.len))
		return MO_F_OTHER;
	return id;
}
