/* One bound listening socket.  All loops and all generations share its one open
 * file description: it is bound once, given on by descriptor, never shut down
 * (that would end it for everybody), only closed.
 *
 * A unix socket is bound under its own path, see unix_path.h; the file is removed
 * only by mo_listener_remove_path(), when it is still ours.  A stale socket file
 * (nobody accepts there) may be replaced, any other file never. */
#ifndef MO_NET_LISTENER_H
#define MO_NET_LISTENER_H

#include "net/addr.h"
#include "net/unix_path.h"

typedef struct mo_listener {
	uint32_t magic;
	int fd;
	mo_addr addr;             /* as bound: the real port */
	char text[MO_ADDR_TEXT];  /* as configured, ":0" stays ":0" */
	char bound[MO_ADDR_TEXT]; /* as bound, for people: ":8199" */
	bool inherited;
	uint64_t path_dev, path_ino; /* unix: its file; 0: none that is ours */
} mo_listener;

/* Opens, binds and listens.  backlog 0: net.core.somaxconn.  *why gets a
 * sentence (malloc'd) on failure.  -EADDRINUSE, -EACCES, ... */
int mo_listener_bind(const char *text, int backlog, mo_listener **out, char **why);
/* The same; the file of a unix socket gets that mode and those owners instead of
 * MO_UNIX_MODE.  -EPERM. */
int mo_listener_bind_as(const char *text, int backlog, const mo_unix_access *access,
			mo_listener **out, char **why);
/* The same for a unix socket that nobody but this user and root can reach: its
 * file has mode 0600, in a directory where nobody else can put another one.  A
 * directory that is not there is made, with mode 0700.  -EPERM. */
int mo_listener_bind_private(const char *text, mo_listener **out, char **why);
/* Could it be bound there?  Makes the directory. -EPERM, -EINVAL ... */
int mo_listener_check_private(const char *text, char **why);
/* Takes an inherited descriptor: checks that it is a listening stream socket,
 * sets O_NONBLOCK and CLOEXEC, reads its address.  A text "systemd:NAME" takes
 * one of any address, whose path, if it has one, is not removed at the end.  Owns
 * fd on success.
 * -ENOTSOCK, -EINVAL (not listening). */
int mo_listener_adopt(int fd, const char *text, mo_listener **out);
/* Applies another backlog (listen() again). */
int mo_listener_set_backlog(mo_listener *l, int backlog);
/* Would binding text give this socket? */
bool mo_listener_matches(const mo_listener *l, const char *text);
/* Are both descriptors of one socket?  Its address alone does not say so. */
bool mo_listener_same(const mo_listener *a, const mo_listener *b);
/* The file of a unix socket, which may be another socket's by now: what it was when it
 * was bound; whether it is there no more, so that nobody can connect; whether it can
 * be given that mode and those owners, and that it is (a file that is not ours is left
 * alone: 0).  *why: malloc'd, without the address. */
void mo_listener_set_file(mo_listener *l, uint64_t dev, uint64_t ino);
bool mo_listener_is_lost(const mo_listener *l);
int mo_listener_check_access(const mo_listener *l, const mo_unix_access *access, char **why);
int mo_listener_set_access(mo_listener *l, const mo_unix_access *access, char **why);
void mo_listener_remove_path(mo_listener *l);
void mo_listener_close(mo_listener *l); /* closes and frees; NULL accepted */

/* accept4 with NONBLOCK and CLOEXEC; TCP_NODELAY is inherited from the listener.
 * peer may be NULL.  fd, or -EAGAIN, -EMFILE ...; a connection that died in the
 * queue is passed over. */
int mo_listener_accept(mo_listener *l, mo_addr *peer);

#endif
