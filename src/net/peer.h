/* The user on the other side of a connection within this machine, as the kernel tells it. */
#ifndef MO_NET_PEER_H
#define MO_NET_PEER_H

#include <stdbool.h>
#include <sys/types.h>

/* The user whose socket the peer of fd is.  A unix socket: who connected.  TCP: who
 * made the other socket, which must be open on this machine, in this network
 * namespace.  Makes some system calls; never waits.  [any]
 * -ESRCH     there is no such socket (any more)
 * -EOVERFLOW a user whom this user namespace does not know
 * another    the kernel does not tell (no sock_diag, a forbidden family, another
 *            kind of socket) */
int mo_peer_uid(int fd, uid_t *uid);
/* The same, and is that user root or the one whose rights this process has?
 * 1, 0 or as above. */
int mo_peer_is_ours(int fd);

#endif
