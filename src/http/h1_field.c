/* What the fields of a request head mean for its framing, and the numbers of
 * well-known fields.  Called by h1_parse.c for each field line, in their order.
 *
 * Always holds: two recipients of an accepted head can only agree on where its
 * body ends; what could be read in two ways is refused here. */
#include <string.h>

#include "base/str.h"
#include "base/word.h"
#include "http/h1_part.h"

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

enum mo_field_id mo_h1_field_id(molt_str name)
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

static bool is_token(molt_str s)
{
	return s.len > 0 && mo_h1_token_end(s.ptr, s.ptr + s.len) == s.ptr + s.len;
}

/* The next element of a comma list, trimmed; false at the end. */
static bool next_element(molt_str *list, molt_str *out)
{
	if (!list->ptr)
		return false;
	*out = mo_str_trim(mo_str_split(list, ','));
	return true;
}

/* Only "chunked" by itself is understood.  Other codings before a final chunked
 * are well framed but unknown, 501; anything else leaves the end of the body to
 * guessing, 400 (RFC 9112 sections 6.1 and 6.3). */
static int note_transfer_encoding(mo_head *h, molt_str value)
{
	molt_str coding;
	bool others = false, chunked = false;

	if (h->minor == 0 || h->has_length)
		return -400;
	while (next_element(&value, &coding)) {
		if (chunked || !is_token(coding))
			return -400;
		chunked = mo_str_eq_ci(coding, MO_STR("chunked"));
		others |= !chunked;
	}
	h->chunked = chunked;
	return !chunked ? -400 : others ? -501 : 0;
}

static int note_content_length(mo_head *h, molt_str value)
{
	if (h->chunked || h->has_length || !mo_str_u64(value, INT64_MAX, &h->length))
		return -400;
	h->has_length = true;
	return 0;
}

static int note_host(mo_h1_facts *x, mo_head *h, molt_str value)
{
	if (value.len > 0 && !mo_h1_host(value))
		return -400;
	if (!x->host_by_target)
		h->host = value;
	return 0;
}

static int note_connection(mo_h1_facts *x, molt_str value)
{
	molt_str option;

	while (next_element(&value, &option)) {
		x->close |= mo_str_eq_ci(option, MO_STR("close"));
		x->keep_alive |= mo_str_eq_ci(option, MO_STR("keep-alive"));
		x->upgrade |= mo_str_eq_ci(option, MO_STR("upgrade"));
	}
	return 0;
}

/* HTTP/1.0 knows no expectations (RFC 9110 section 10.1.1). */
static int note_expect(bool again, mo_head *h, molt_str value)
{
	if (h->minor == 0)
		return 0;
	h->expect_continue = !again && mo_str_eq_ci(value, MO_STR("100-continue"));
	return h->expect_continue ? 0 : -417;
}

int mo_h1_note(mo_h1_facts *x, mo_head *h, const mo_field *f)
{
	bool again = x->seen & 1u << f->id;

	x->seen |= 1u << f->id;
	switch (f->id) {
	case MO_F_HOST:
		return again ? -400 : note_host(x, h, f->value);
	case MO_F_CONNECTION:
		return note_connection(x, f->value);
	case MO_F_CONTENT_LENGTH:
		return note_content_length(h, f->value);
	case MO_F_TRANSFER_ENCODING:
		return again ? -400 : note_transfer_encoding(h, f->value);
	case MO_F_EXPECT:
		return note_expect(again, h, f->value);
	case MO_F_UPGRADE:
		x->protocol |= f->value.len > 0;
		return 0;
	default:
		return 0;
	}
}

int mo_h1_conclude(const mo_h1_facts *x, mo_head *h)
{
	bool body = h->chunked || h->length > 0;

	if (h->minor == 1 && !(x->seen & 1u << MO_F_HOST))
		return -400;
	/* What follows a CONNECT is a tunnel, never a body (RFC 9110 section 9.3.6). */
	if (body && mo_str_eq(h->method, MO_STR("CONNECT")))
		return -400;
	h->keep_alive = !x->close && (h->minor == 1 || x->keep_alive);
	h->expect_continue &= body;
	h->upgrade = h->minor == 1 && !body && x->upgrade && x->protocol;
	return 0;
}
