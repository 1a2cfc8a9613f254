/* Listen addresses as text and as the system's structures; see addr.h.  Called
 * by the listeners, and for the address of each peer.  Nothing here asks the
 * network: no names are looked up. */
#include "net/addr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"

#define PASSED "systemd:"

/* It goes into messages, status and logs. */
static bool is_text(molt_str s)
{
	for (size_t i = 0; i < s.len; i++)
		if ((unsigned char)s.ptr[i] < 0x20 || s.ptr[i] == 0x7f)
			return false;
	return mo_str_is_utf8(s);
}

static int parse_unix(molt_str path, mo_addr *out)
{
	if (path.len > MO_ADDR_PATH_MAX)
		return -ENAMETOOLONG;
	if (path.len < 2 || path.ptr[0] != '/' || path.ptr[path.len - 1] == '/' || !is_text(path))
		return -EINVAL;
	out->u.un.sun_family = AF_UNIX;
	memcpy(out->u.un.sun_path, path.ptr, path.len); /* zeroed by the caller */
	out->len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + path.len + 1);
	return 0;
}

/* Names as systemd has them: FileDescriptorName=, or the unit's name. */
static int parse_passed(molt_str name, mo_addr *out)
{
	if (name.len == 0 || name.len > MO_ADDR_PATH_MAX)
		return -EINVAL;
	for (size_t i = 0; i < name.len; i++)
		if (name.ptr[i] <= ' ' || name.ptr[i] > '~' || name.ptr[i] == ':')
			return -EINVAL;
	memcpy(out->u.un.sun_path, name.ptr, name.len); /* zeroed by the caller */
	return 0;
}

bool mo_addr_is_passed(const char *text)
{
	return mo_str_has_prefix(mo_str(text), MO_STR(PASSED));
}

static void set_v4(mo_addr *out, struct in_addr ip, uint16_t port)
{
	out->u.in.sin_family = AF_INET;
	out->u.in.sin_addr = ip;
	out->u.in.sin_port = htons(port);
	out->len = sizeof(out->u.in);
}

static void set_v6(mo_addr *out, struct in6_addr ip, uint16_t port)
{
	out->u.in6.sin6_family = AF_INET6;
	out->u.in6.sin6_addr = ip;
	out->u.in6.sin6_port = htons(port);
	out->len = sizeof(out->u.in6);
}

/* host is what stands before the last ':', as written. */
static int parse_host(molt_str host, uint16_t port, mo_addr *out)
{
	char text[INET6_ADDRSTRLEN];
	struct in6_addr v6;
	struct in_addr v4;
	bool brackets = host.len >= 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']';

	if (host.len == 0) {
		set_v6(out, in6addr_any, port);
		out->any = true;
		return 0;
	}
	if (brackets)
		host = mo_strn(host.ptr + 1, host.len - 2);
	else if (mo_str_eq_ci(host, MO_STR("localhost")))
		host = MO_STR("127.0.0.1");
	if (host.len >= sizeof(text))
		return -EINVAL;
	memcpy(text, host.ptr, host.len);
	text[host.len] = '\0';
	if (brackets && inet_pton(AF_INET6, text, &v6) == 1)
		set_v6(out, v6, port);
	else if (!brackets && inet_pton(AF_INET, text, &v4) == 1)
		set_v4(out, v4, port);
	else
		return -EINVAL;
	return 0;
}

int mo_addr_parse(const char *text, mo_addr *out)
{
	molt_str all = mo_str(text), host = { "", 0 }, port = all;
	const char *colon;
	uint64_t n;

	memset(out, 0, sizeof(*out));
	if (mo_addr_is_passed(text))
		return parse_passed(mo_strn(all.ptr + strlen(PASSED), all.len - strlen(PASSED)),
				    out);
	if (mo_str_has_prefix(all, MO_STR("unix:")))
		return parse_unix(mo_strn(all.ptr + 5, all.len - 5), out);
	if (all.len == 0)
		return -EINVAL;
	colon = strrchr(text, ':');
	if (colon) {
		host = mo_strn(text, (size_t)(colon - text));
		port = mo_str(colon + 1);
	}
	if (port.len > 5 || !mo_str_u64(port, UINT16_MAX, &n))
		return -EINVAL;
	return parse_host(host, (uint16_t)n, out);
}

void mo_addr_format(const mo_addr *a, char out[MO_ADDR_TEXT])
{
	char ip[INET6_ADDRSTRLEN];
	int port = mo_addr_port(a);

	if (a->u.sa.sa_family == AF_UNIX) {
		snprintf(out, MO_ADDR_TEXT, "unix:%.*s", (int)sizeof(a->u.un.sun_path),
			 a->u.un.sun_path);
	} else if (a->u.sa.sa_family == AF_UNSPEC) {
		snprintf(out, MO_ADDR_TEXT, PASSED "%.*s", MO_ADDR_PATH_MAX, a->u.un.sun_path);
	} else if (a->any) {
		snprintf(out, MO_ADDR_TEXT, ":%d", port);
	} else {
		mo_addr_ip(a, ip);
		snprintf(out, MO_ADDR_TEXT, strchr(ip, ':') ? "[%s]:%d" : "%s:%d", ip, port);
	}
}

size_t mo_addr_size(const mo_addr *a)
{
	if (a->u.sa.sa_family == AF_INET || a->u.sa.sa_family == AF_INET6)
		return offsetof(mo_addr, u) + sizeof(a->u.in6);
	return sizeof(*a);
}

void mo_addr_copy(mo_addr *to, const mo_addr *from)
{
	memcpy(to, from, mo_addr_size(from));
}

int mo_addr_port(const mo_addr *a)
{
	if (a->u.sa.sa_family == AF_INET)
		return ntohs(a->u.in.sin_port);
	if (a->u.sa.sa_family == AF_INET6)
		return ntohs(a->u.in6.sin6_port);
	return 0;
}

bool mo_addr_equal(const mo_addr *a, const mo_addr *b)
{
	if (a->any || b->any)
		return a->any && b->any && mo_addr_port(a) == mo_addr_port(b);
	if (a->u.sa.sa_family != b->u.sa.sa_family || mo_addr_port(a) != mo_addr_port(b))
		return false;
	switch (a->u.sa.sa_family) {
	case AF_INET:
		return a->u.in.sin_addr.s_addr == b->u.in.sin_addr.s_addr;
	case AF_INET6:
		return IN6_ARE_ADDR_EQUAL(&a->u.in6.sin6_addr, &b->u.in6.sin6_addr);
	case AF_UNSPEC:
	case AF_UNIX:
		return strncmp(a->u.un.sun_path, b->u.un.sun_path, sizeof(a->u.un.sun_path)) == 0;
	default:
		return false;
	}
}

bool mo_addr_is_loopback(const mo_addr *a)
{
	const struct in6_addr *v6 = &a->u.in6.sin6_addr;

	switch (a->u.sa.sa_family) {
	case AF_INET:
		return ntohl(a->u.in.sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
	case AF_INET6:
		return IN6_IS_ADDR_LOOPBACK(v6) ||
		       (IN6_IS_ADDR_V4MAPPED(v6) && v6->s6_addr[12] == IN_LOOPBACKNET);
	case AF_UNIX:
		return true;
	default:
		return false;
	}
}

void mo_addr_ip(const mo_addr *a, char out[INET6_ADDRSTRLEN])
{
	const struct in6_addr *v6 = &a->u.in6.sin6_addr;

	if (a->u.sa.sa_family == AF_UNIX)
		snprintf(out, INET6_ADDRSTRLEN, "unix");
	else if (a->u.sa.sa_family == AF_INET)
		inet_ntop(AF_INET, &a->u.in.sin_addr, out, INET6_ADDRSTRLEN);
	else if (IN6_IS_ADDR_V4MAPPED(v6))
		inet_ntop(AF_INET, &v6->s6_addr[12], out, INET6_ADDRSTRLEN);
	else
		inet_ntop(AF_INET6, v6, out, INET6_ADDRSTRLEN);
}
