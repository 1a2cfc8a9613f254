/* The path of a listening unix socket: who may have it, and who may connect there.
 *
 * A socket is bound under the very name that clients use: ss(8), /proc/net/unix and
 * systemd-tmpfiles know a socket by that name, and the last one removes the file of
 * a socket that it does not find by it.  So a path cannot be taken by rename(): who
 * takes it holds a lock of its directory meanwhile, and servers that start at once
 * come one after the other.
 *
 * Between bind() and listen() nobody can connect.  The file gets its mode and owner
 * then, so they are right for the first client. */
#ifndef MO_NET_UNIX_PATH_H
#define MO_NET_UNIX_PATH_H

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/un.h>

typedef struct mo_unix_access {
	mode_t mode;
	uid_t uid; /* -1: the process's */
	gid_t gid; /* -1: the process's */
} mo_unix_access;

/* As of nginx and of systemd's SocketMode=: whoever reaches the directory. */
#define MO_UNIX_MODE 0666

/* The names or numbers of a user and a group; NULL: not set.  -EINVAL, *why: malloc'd. */
int mo_unix_access_find(int mode, const char *user, const char *group, mo_unix_access *out,
			char **why);
/* Could this process give the file at path these owners?  -EPERM ... with *why
 * (malloc'd, "what; what to do"). */
int mo_unix_access_check(const char *path, const mo_unix_access *a, char **why);
/* Gives the socket file at path this mode and these owners; no link is followed.
 * *now: what is there then.  -ENOTSOCK, -EPERM ... with *why as above. */
int mo_unix_access_set(const char *path, const mo_unix_access *a, struct stat *now, char **why);

/* Waits until nobody else takes a path in the directory of path, at most for two
 * seconds: anybody who may read a directory can lock it, and must not hold us up.
 * -1: without the lock.  Not for long; others wait. */
int mo_unix_lock(const char *path);
void mo_unix_unlock(int lock);

/* Binds, gives mode and owners, listens; the path must be free.  The file is removed
 * again on failure.  *why may be NULL after a failure: its code says all. */
int mo_unix_listen(int fd, const struct sockaddr_un *a, socklen_t len, int backlog,
		   const mo_unix_access *access, struct stat *now, char **why);

#endif
