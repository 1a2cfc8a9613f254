/* Listen addresses as text and as the system's structures.
 * Forms: ":80" and "80" (all addresses, IPv6 and IPv4 on one socket when the
 * system has IPv6), "127.0.0.1:80", "[::1]:80", "unix:/path", "localhost:80", and
 * "systemd:NAME", a socket that the service manager passes. */
#ifndef MO_NET_ADDR_H
#define MO_NET_ADDR_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "molt.h"

typedef struct mo_addr {
	socklen_t len;
	bool any; /* ":80": any family */
	/* Last: where memory counts, what the family does not need is left away. */
	union {
		struct sockaddr sa;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
		struct sockaddr_un un;
	} u;
} mo_addr;

#define MO_ADDR_TEXT 160
#define MO_ADDR_PATH_MAX 95 /* unix path; leaves room for the name of one that is replaced */

/* -EINVAL, -ENAMETOOLONG (unix path).  A unix path begins with '/'.  "localhost"
 * is 127.0.0.1; no other name is looked up.  "systemd:NAME" has the family
 * AF_UNSPEC, and its name where a path would be. */
int mo_addr_parse(const char *text, mo_addr *out);
/* "127.0.0.1:80", "[::1]:80", ":80" when any, "unix:/path". */
void mo_addr_format(const mo_addr *a, char out[MO_ADDR_TEXT]);
int mo_addr_port(const mo_addr *a); /* 0 for unix */
/* "systemd:NAME": not to be bound. */
bool mo_addr_is_passed(const char *text);
/* The bytes of a that are in use, which is less than all but for a unix path; and
 * a copy of those alone. */
size_t mo_addr_size(const mo_addr *a);
void mo_addr_copy(mo_addr *to, const mo_addr *from);
/* Same family, address and port (or path, or name). */
bool mo_addr_equal(const mo_addr *a, const mo_addr *b);
bool mo_addr_is_loopback(const mo_addr *a); /* 127/8, ::1, ::ffff:127/104, unix */
/* The address alone: "127.0.0.1" (also for ::ffff:127.0.0.1), "::1", "unix". */
void mo_addr_ip(const mo_addr *a, char out[INET6_ADDRSTRLEN]);

#endif
