/* Bound listening sockets; see listener.h.  Made at set-up or adopted from the
 * predecessor, then used by every loop at once: accepting changes nothing here. */
#include "net/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "base/mem.h"
#include "net/unix_path.h"

#define LISTENER_MAGIC 0x6c73746eu

/* The step that failed and its errno, for the sentence. */
struct failure {
	int code;           /* negative errno */
	const char *advice; /* may be NULL: chosen by the code */
	char *whole;        /* may be NULL; what and what to do, without the code; owned */
};

static int fail(struct failure *f, int code, const char *advice)
{
	*f = (struct failure){ .code = code, .advice = advice };
	return code;
}

static const char *advice_for(const mo_addr *a, int code)
{
	int port = mo_addr_port(a);

	switch (-code) {
	case EACCES:
		if (a->u.sa.sa_family == AF_UNIX)
			return "this user may not write to the directory";
		if (port > 0 && port < 1024)
			return "ports below 1024 need CAP_NET_BIND_SERVICE";
		return NULL;
	case EADDRINUSE:
		return a->u.sa.sa_family == AF_UNIX
			       ? "a running program accepts there; stop it or choose another path"
			       : "stop the program that listens there or choose another port";
	case EADDRNOTAVAIL:
		return "this machine does not have that address";
	case EAFNOSUPPORT:
		return "this system has no such kind of address";
	case ENOENT:
		return "make the directory first";
	case EMFILE:
		return "raise the limit of open files (ulimit -n)";
	default:
		return NULL;
	}
}

static char *sentence(const char *text, const mo_addr *a, const struct failure *f)
{
	const char *advice = f->advice ? f->advice : advice_for(a, f->code);
	char *reason = mo_strdup(strerror(-f->code));
	char *s;

	if (f->whole) {
		free(reason);
		s = mo_fmt("cannot listen on %s: %s", text, f->whole);
		free(f->whole);
		return s;
	}
	if (reason[0] >= 'A' && reason[0] <= 'Z')
		reason[0] = (char)(reason[0] | 0x20);
	s = mo_fmt("cannot listen on %s: %s%s%s", text, reason, advice ? "; " : "",
		   advice ? advice : "");
	free(reason);
	return s;
}

static int set_int(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof(value)) < 0 ? -errno : 0;
}

static int get_int(int fd, int level, int name, int *value)
{
	socklen_t len = sizeof(*value);

	return getsockopt(fd, level, name, value, &len) < 0 ? -errno : 0;
}

static int open_socket(int family)
{
	int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	return fd < 0 ? -errno : fd;
}

/* The kernel cuts a larger backlog down to net.core.somaxconn. */
static int start_listening(int fd, int backlog)
{
	return listen(fd, backlog > 0 ? backlog : INT_MAX) < 0 ? -errno : 0;
}

static int bind_inet(const mo_addr *a, int backlog)
{
	int fd = open_socket(a->u.sa.sa_family), err;

	if (fd < 0)
		return fd;
	err = set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	/* Accepted sockets inherit it, so accepting costs one call. */
	if (!err)
		err = set_int(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	if (!err && a->u.sa.sa_family == AF_INET6)
		err = set_int(fd, IPPROTO_IPV6, IPV6_V6ONLY, !a->any);
	if (!err && bind(fd, &a->u.sa, a->len) < 0)
		err = -errno;
	if (!err)
		err = start_listening(fd, backlog);
	if (err) {
		close(fd);
		return err;
	}
	return fd;
}

/* ":80" on a system without IPv6, or with IPv6 switched off. */
static int bind_any(mo_addr *a, int backlog)
{
	int fd = bind_inet(a, backlog);
	uint16_t port = a->u.in6.sin6_port;

	if (fd != -EAFNOSUPPORT && fd != -EADDRNOTAVAIL)
		return fd;
	memset(&a->u, 0, sizeof(a->u));
	a->u.in.sin_family = AF_INET;
	a->u.in.sin_port = port;
	a->len = sizeof(a->u.in);
	return bind_inet(a, backlog);
}

/* May a socket take the place of what is at the path?  Only of nothing, 0, or of a
 * socket file that nobody accepts on, 1. */
static int check_path(const mo_addr *a, struct failure *f)
{
	struct stat st;
	int fd, err;

	if (lstat(a->u.un.sun_path, &st) < 0)
		return errno == ENOENT ? 0 : fail(f, -errno, NULL);
	if (!S_ISSOCK(st.st_mode))
		return fail(f, -EEXIST, "it is no socket; remove it or choose another path");
	fd = open_socket(AF_UNIX);
	if (fd < 0)
		return fail(f, fd, NULL);
	err = connect(fd, &a->u.sa, a->len) < 0 ? -errno : 0;
	close(fd);
	if (err == -ECONNREFUSED || err == -ENOENT)
		return 1;
	if (err == 0 || err == -EAGAIN || err == -EINPROGRESS)
		return fail(f, -EADDRINUSE, NULL);
	return fail(f, err, "cannot tell whether the socket there is in use");
}

/* Under the lock: a socket that a starting server has bound and that does not listen
 * yet would look like one of a dead process. */
static int bind_locked(const mo_addr *a, int backlog, const mo_unix_access *access,
		       struct stat *now, struct failure *f)
{
	int fd, err = check_path(a, f);

	if (err < 0)
		return err;
	if (err == 1 && unlink(a->u.un.sun_path) < 0 && errno != ENOENT)
		return fail(f, -errno, "remove the socket there, which nobody accepts on");
	fd = open_socket(AF_UNIX);
	if (fd < 0)
		return fail(f, fd, NULL);
	fail(f, 0, NULL);
	err = mo_unix_listen(fd, &a->u.un, a->len, backlog > 0 ? backlog : INT_MAX, access, now,
			     &f->whole);
	if (err == 0)
		return fd;
	f->code = err;
	close(fd);
	return err;
}

static int bind_unix(const mo_addr *a, int backlog, const mo_unix_access *access, struct stat *now,
		     struct failure *f)
{
	int lock = mo_unix_lock(a->u.un.sun_path);
	int fd = bind_locked(a, backlog, access, now, f);

	mo_unix_unlock(lock);
	return fd;
}

/* Reads the address as bound.  A unix socket's is the configured one: that of an
 * older version may bear another name. */
static int read_address(mo_listener *l, const mo_addr *configured)
{
	mo_addr *a = &l->addr;
	int v6only = 1;

	*a = *configured;
	if (a->u.sa.sa_family == AF_UNIX)
		return 0;
	if (a->u.sa.sa_family == AF_UNSPEC)
		memset(a, 0, sizeof(*a));
	a->len = sizeof(a->u);
	if (getsockname(l->fd, &a->u.sa, &a->len) < 0)
		return -errno;
	if (a->u.sa.sa_family == AF_INET6) {
		get_int(l->fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6only);
		a->any = !v6only && IN6_IS_ADDR_UNSPECIFIED(&a->u.in6.sin6_addr);
	} else {
		a->any = configured->any && a->u.in.sin_addr.s_addr == htonl(INADDR_ANY);
	}
	return 0;
}

static void read_path_identity(mo_listener *l)
{
	struct stat st;

	if (l->addr.u.sa.sa_family == AF_UNIX && lstat(l->addr.u.un.sun_path, &st) == 0)
		mo_listener_set_file(l, st.st_dev, st.st_ino);
}

/* The handle for an open listening descriptor, which it owns on success. */
static int wrap(int fd, const char *text, const mo_addr *configured, mo_listener **out)
{
	mo_listener *l = mo_calloc(1, sizeof(*l));
	int err;

	l->magic = LISTENER_MAGIC;
	l->fd = fd;
	err = read_address(l, configured);
	if (err) {
		free(l);
		return err;
	}
	snprintf(l->text, sizeof(l->text), "%s", text);
	mo_addr_format(&l->addr, l->bound);
	/* The path of a passed socket is its owner's to remove. */
	if (configured->u.sa.sa_family != AF_UNSPEC)
		read_path_identity(l);
	*out = l;
	return 0;
}

static char *unreadable(const char *text, int err)
{
	if (err == -ENAMETOOLONG)
		return mo_fmt("cannot listen on %s: the path is longer than %d bytes; choose a "
			      "shorter one",
			      text, MO_ADDR_PATH_MAX);
	return mo_fmt("cannot listen on \"%s\": write \":80\", \"127.0.0.1:80\", \"[::1]:80\", "
		      "\"unix:/path\" or \"systemd:NAME\"",
		      text ? text : "");
}

static int finish(int fd, const char *text, const mo_addr *a, struct failure *f, mo_listener **out,
		  char **why)
{
	int err = fd < 0 ? fd : wrap(fd, text, a, out);

	if (err && fd >= 0) {
		fail(f, err, NULL);
		close(fd);
	}
	if (err)
		*why = sentence(text, a, f);
	return err;
}

/* The file is known from under the lock. */
static int finish_unix(const mo_addr *a, const char *text, int backlog,
		       const mo_unix_access *access, struct failure *f, mo_listener **out,
		       char **why)
{
	struct stat now;
	int fd = bind_unix(a, backlog, access, &now, f), err = finish(fd, text, a, f, out, why);

	if (err == 0)
		mo_listener_set_file(*out, now.st_dev, now.st_ino);
	return err;
}

/* The directory of a private socket: ours or root's, and nobody else may write. */
static int check_directory(const mo_addr *a, struct failure *f)
{
	const char *path = a->u.un.sun_path, *slash = strrchr(path, '/');
	char dir[sizeof(a->u.un.sun_path)];
	struct stat st;

	snprintf(dir, sizeof(dir), "%.*s", slash == path ? 1 : (int)(slash - path), path);
	if (mkdir(dir, 0700) < 0 && errno != EEXIST)
		return fail(f, -errno, NULL);
	if (stat(dir, &st) < 0)
		return fail(f, -errno, NULL);
	if ((st.st_uid != geteuid() && st.st_uid != 0) || st.st_mode & (S_IWGRP | S_IWOTH))
		return fail(
			f, -EPERM,
			"its directory must be this user's or root's, and nobody else may write "
			"there (chmod 0700)");
	return 0;
}

static int check_private(const char *text, mo_addr *a, struct failure *f, char **why)
{
	int err = mo_addr_parse(text, a);

	*why = NULL;
	if (!err && a->u.sa.sa_family != AF_UNIX)
		err = -EINVAL;
	if (err) {
		*why = unreadable(text, err);
		return err;
	}
	return check_directory(a, f);
}

int mo_listener_check_private(const char *text, char **why)
{
	struct failure f;
	mo_addr a;
	int err = check_private(text, &a, &f, why);

	if (err && !*why)
		*why = sentence(text, &a, &f);
	return err;
}

int mo_listener_bind_private(const char *text, mo_listener **out, char **why)
{
	static const mo_unix_access access = { 0600, (uid_t)-1, (gid_t)-1 };
	struct failure f;
	mo_addr a;
	int err = check_private(text, &a, &f, why);

	*out = NULL;
	if (*why)
		return err;
	return err ? finish(err, text, &a, &f, out, why)
		   : finish_unix(&a, text, 0, &access, &f, out, why);
}

int mo_listener_bind(const char *text, int backlog, mo_listener **out, char **why)
{
	static const mo_unix_access access = { MO_UNIX_MODE, (uid_t)-1, (gid_t)-1 };

	return mo_listener_bind_as(text, backlog, &access, out, why);
}

int mo_listener_bind_as(const char *text, int backlog, const mo_unix_access *access,
			mo_listener **out, char **why)
{
	struct failure f;
	mo_addr a;
	int fd, err = mo_addr_parse(text, &a);

	*out = NULL;
	*why = NULL;
	if (err) {
		*why = unreadable(text, err);
		return err;
	}
	if (a.u.sa.sa_family == AF_UNSPEC) {
		*why = mo_fmt("cannot listen on %s: the service manager did not pass it", text);
		return -ENOENT;
	}
	if (a.u.sa.sa_family == AF_UNIX)
		return finish_unix(&a, text, backlog, access, &f, out, why);
	fd = a.any ? bind_any(&a, backlog) : bind_inet(&a, backlog);
	if (fd < 0)
		fail(&f, fd, NULL);
	return finish(fd, text, &a, &f, out, why);
}

static int check_inherited(int fd, sa_family_t family)
{
	int type, listening, domain;
	int err = get_int(fd, SOL_SOCKET, SO_TYPE, &type);

	if (!err)
		err = get_int(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening);
	if (!err)
		err = get_int(fd, SOL_SOCKET, SO_DOMAIN, &domain);
	if (err)
		return err;
	if (type != SOCK_STREAM || !listening)
		return -EINVAL;
	if (family != AF_UNSPEC && (domain == AF_UNIX) != (family == AF_UNIX))
		return -EINVAL;
	/* As for our own; a passed socket may be without it. */
	if (domain != AF_UNIX)
		set_int(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	return 0;
}

/* O_NONBLOCK belongs to the open file description that both generations share:
 * it is set, never cleared. */
static int set_flags(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ||
	    fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
		return -errno;
	return 0;
}

int mo_listener_adopt(int fd, const char *text, mo_listener **out)
{
	mo_addr a;
	int err = mo_addr_parse(text, &a);

	*out = NULL;
	if (!err)
		err = check_inherited(fd, a.u.sa.sa_family);
	if (!err)
		err = set_flags(fd);
	if (!err)
		err = wrap(fd, text, &a, out);
	if (!err)
		(*out)->inherited = true;
	return err;
}

int mo_listener_set_backlog(mo_listener *l, int backlog)
{
	MO_MAGIC_OK(l, LISTENER_MAGIC);
	return start_listening(l->fd, backlog);
}

bool mo_listener_matches(const mo_listener *l, const char *text)
{
	mo_addr a, configured;

	MO_MAGIC_OK(l, LISTENER_MAGIC);
	if (mo_addr_parse(text, &a) < 0)
		return false;
	if (mo_addr_equal(&a, &l->addr))
		return true;
	return mo_addr_parse(l->text, &configured) == 0 && mo_addr_equal(&a, &configured);
}

bool mo_listener_same(const mo_listener *a, const mo_listener *b)
{
	uint64_t one, other;
	socklen_t n = sizeof(one), m = sizeof(other);

	MO_MAGIC_OK(a, LISTENER_MAGIC);
	MO_MAGIC_OK(b, LISTENER_MAGIC);
	return getsockopt(a->fd, SOL_SOCKET, SO_COOKIE, &one, &n) == 0 &&
	       getsockopt(b->fd, SOL_SOCKET, SO_COOKIE, &other, &m) == 0 && one == other;
}

/* ---- the file of a unix socket ---- */

void mo_listener_set_file(mo_listener *l, uint64_t dev, uint64_t ino)
{
	MO_MAGIC_OK(l, LISTENER_MAGIC);
	l->path_dev = dev;
	l->path_ino = ino;
}

static bool has_file(const mo_listener *l)
{
	return l->addr.u.sa.sa_family == AF_UNIX && l->path_ino != 0;
}

static bool is_there(const mo_listener *l)
{
	struct stat st;

	return lstat(l->addr.u.un.sun_path, &st) == 0 && S_ISSOCK(st.st_mode) &&
	       st.st_dev == l->path_dev && st.st_ino == l->path_ino;
}

/* One that this process may not look for is not known to be lost. */
bool mo_listener_is_lost(const mo_listener *l)
{
	MO_MAGIC_OK(l, LISTENER_MAGIC);
	errno = 0;
	return has_file(l) && !is_there(l) && (errno == 0 || errno == ENOENT || errno == ENOTDIR);
}

int mo_listener_check_access(const mo_listener *l, const mo_unix_access *access, char **why)
{
	*why = NULL;
	if (!has_file(l) || !is_there(l))
		return 0;
	return mo_unix_access_check(l->addr.u.un.sun_path, access, why);
}

int mo_listener_set_access(mo_listener *l, const mo_unix_access *access, char **why)
{
	struct stat now;
	int rc;

	*why = NULL;
	if (!has_file(l) || !is_there(l))
		return 0;
	rc = mo_unix_access_set(l->addr.u.un.sun_path, access, &now, why);
	if (rc < 0 && !*why)
		*why = mo_strdup(strerror(-rc));
	return rc;
}

void mo_listener_remove_path(mo_listener *l)
{
	MO_MAGIC_OK(l, LISTENER_MAGIC);
	if (has_file(l) && is_there(l))
		unlink(l->addr.u.un.sun_path);
}

void mo_listener_close(mo_listener *l)
{
	if (!l)
		return;
	MO_MAGIC_OK(l, LISTENER_MAGIC);
	close(l->fd);
	l->magic = 0;
	free(l);
}

/* Errors of the connection that was first in the queue, not of the listener;
 * each such call has taken one out, so trying again ends. */
static bool died_in_queue(int err)
{
	return err == EINTR || err == ECONNABORTED || err == ENETDOWN || err == EPROTO ||
	       err == ENOPROTOOPT || err == EHOSTDOWN || err == EHOSTUNREACH || err == ENETUNREACH;
}

int mo_listener_accept(mo_listener *l, mo_addr *peer)
{
	mo_addr unwanted;
	int fd;

	MO_MAGIC_OK(l, LISTENER_MAGIC);
	if (!peer)
		peer = &unwanted;
	mo_zero(peer, sizeof(*peer));
	do {
		peer->len = sizeof(peer->u);
		fd = accept4(l->fd, &peer->u.sa, &peer->len, SOCK_NONBLOCK | SOCK_CLOEXEC);
	} while (fd < 0 && died_in_queue(errno));
	return fd < 0 ? -errno : fd;
}
