/* A connection on its way from one process to another, as data: what the folders http (which
 * takes connections out of service), gen (which sends them) and web (which puts them into
 * service) say to each other.
 *
 * Strings are borrowed from the giver's connection, or from the message; the owner of the
 * descriptor is said where the record is used. */
#ifndef MO_NET_MOVING_H
#define MO_NET_MOVING_H

#include "molt.h"
#include "net/addr.h"

typedef struct mo_moving {
	int fd;
	mo_addr peer;
	molt_time left;       /* of its present deadline, ms; MOLT_FOREVER: none */
	molt_str bytes;       /* read, but not yet a whole request */
	const char *protocol; /* what is spoken on it (http/conn/protocol.h) */
	molt_str state;       /* of a protocol other than HTTP/1 */
	molt_str stream;      /* of TLS: keys and all; empty: plain */
} mo_moving;

#endif
