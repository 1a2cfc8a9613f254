/* What the fields of a request head mean for its framing.  Called by h1_parse.c for
 * each field line, in their order.
 *
 * Always holds: two recipients of an accepted head can only agree on where its
 * body ends; what could be read in two ways is refused here. */
#include <string.h>

#include "base/str.h"
#include "http/h1/h1_parse_internal.h"

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
