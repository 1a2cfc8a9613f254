/* Authorities, see authority.h.  A name's bytes are those of RFC 3986: unreserved,
 * sub-delims, and escapes. */
#include "http/syntax/authority.h"

#include <arpa/inet.h>
#include <string.h>

#include "base/str.h"

#define PORT_DIGITS 5

bool mo_authority_port(molt_str s, bool needed)
{
	unsigned port = 0;

	if (s.len > PORT_DIGITS)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		if (!mo_is_digit(s.ptr[i]))
			return false;
		port = port * 10 + (unsigned)(s.ptr[i] - '0');
	}
	return port <= 65535 && (s.len > 0 || !needed);
}

static bool of_name(char c)
{
	char lower = mo_lower(c);

	return (lower >= 'a' && lower <= 'z') || mo_is_digit(c) ||
	       (c && strchr("-._~!$&'()*+,;=", c));
}

/* Where the reg-name that begins at p ends; NULL: at a bad escape. */
static const char *reg_name_end(const char *p, const char *end)
{
	for (;;) {
		while (p < end && of_name(*p))
			p++;
		if (p == end || *p != '%')
			return p;
		if (end - p < 3 || mo_hex_digit(p[1]) < 0 || mo_hex_digit(p[2]) < 0)
			return NULL;
		p += 3;
	}
}

/* s: what stands between the brackets. */
static bool ipv6_ok(molt_str s)
{
	char text[INET6_ADDRSTRLEN];
	struct in6_addr addr;

	if (s.len >= sizeof(text) || memchr(s.ptr, 0, s.len))
		return false;
	memcpy(text, s.ptr, s.len);
	text[s.len] = '\0';
	return inet_pton(AF_INET6, text, &addr) == 1;
}

bool mo_authority(molt_str s, bool port_needed)
{
	const char *end = s.ptr + s.len, *at;

	if (s.len == 0)
		return false;
	if (s.ptr[0] == '[') {
		at = memchr(s.ptr, ']', s.len);
		if (!at || !ipv6_ok((molt_str){ s.ptr + 1, (size_t)(at - s.ptr) - 1 }))
			return false;
		at++;
	} else {
		at = reg_name_end(s.ptr, end);
		if (!at || at == s.ptr)
			return false;
	}
	if (at == end)
		return !port_needed;
	return *at == ':' &&
	       mo_authority_port((molt_str){ at + 1, (size_t)(end - at) - 1 }, port_needed);
}
