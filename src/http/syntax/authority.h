/* uri-host [":" port] (RFC 3986 section 3.2), as Host and :authority hold it. */
#ifndef MO_HTTP_SYNTAX_AUTHORITY_H
#define MO_HTTP_SYNTAX_AUTHORITY_H

#include <stdbool.h>

#include "molt.h"

/* A name, an IPv4 address, or an IPv6 address in brackets; not empty.  port_needed: with a
 * port that is not empty. */
bool mo_authority(molt_str s, bool port_needed);
/* Digits of a port, 0 to 65535; needed: there are some. */
bool mo_authority_port(molt_str s, bool needed);

#endif
