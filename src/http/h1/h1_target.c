/* The four forms of a request target (RFC 9112 section 3.2), and a quick look at
 * the value of Host.  Called by h1_parse.c when the request line is whole; the target's
 * bytes are already known to be visible ASCII without '#', the fields' values only to hold
 * no control bytes. */
#include <string.h>

#include "base/str.h"
#include "http/h1/h1_parse_internal.h"
#include "http/syntax/authority.h"

bool mo_h1_host(molt_str s)
{
#ifdef __SSE2__
	if (s.len > 0 && s.len <= 16) {
		const char *end = s.ptr + s.len;
		unsigned stops = mo_h1_host_stops(end - 16) >> (16 - s.len);
		size_t name = stops ? (size_t)__builtin_ctz(stops) : s.len;

		if (name == s.len)
			return true;
		if (name > 0 && s.ptr[name] == ':')
			return mo_authority_port(mo_strn(s.ptr + name + 1, s.len - name - 1),
						 false);
	}
#endif
	return mo_authority(s, false);
}

static size_t scheme_length(molt_str s)
{
	static const molt_str schemes[] = { { "http://", 7 }, { "https://", 8 } };

	for (size_t i = 0; i < 2; i++)
		if (s.len > schemes[i].len &&
		    mo_str_eq_ci((molt_str){ s.ptr, schemes[i].len }, schemes[i]))
			return schemes[i].len;
	return 0;
}

/* http://host:port/path; an empty path means "/" (RFC 9110 section 4.2.3). */
static int absolute_form(mo_head *h)
{
	molt_str s = h->path;
	size_t skip = scheme_length(s);
	const char *slash;

	if (skip == 0)
		return -400;
	s = (molt_str){ s.ptr + skip, s.len - skip };
	slash = memchr(s.ptr, '/', s.len);
	h->path = slash ? (molt_str){ slash, s.len - (size_t)(slash - s.ptr) } : MO_STR("/");
	h->host = (molt_str){ s.ptr, slash ? (size_t)(slash - s.ptr) : s.len };
	return mo_authority(h->host, false) ? 0 : -400;
}

int mo_h1_target(mo_head *h)
{
	if (mo_str_eq(h->method, MO_STR("CONNECT"))) {
		h->host = h->target;
		return mo_authority(h->target, true) ? 0 : -400;
	}
	if (h->path.len > 0 && h->path.ptr[0] == '/')
		return 0;
	if (mo_str_eq(h->target, MO_STR("*")))
		return mo_str_eq(h->method, MO_STR("OPTIONS")) ? 0 : -400;
	return absolute_form(h);
}
