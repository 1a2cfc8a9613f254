/* SOCK_SEQPACKET sockets of AF_UNIX as Linux has them; see sim.h.
 *
 *   a read of a channel                 gives
 *   the peer ended with words unread    ECONNRESET, once, whatever else is there
 *   a packet is there                   the packet
 *   the peer ended, or shut down        the end
 *   else                                EAGAIN
 *
 * A write to one that has ended gives EPIPE, to a full one EAGAIN.  Files in packets that
 * nobody reads are closed with the channel. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/check.h"
#include "gen/wire/wire.h"
#include "net/unix_path.h"
#include "sim.h"

#define ROOM ((size_t)400 * 1024)
#define PACKET_COSTS 1024u
#define QUEUE 16u
#define PATHS 4u

/* ---- channels -------------------------------------------------------------------- */

void sim_channel_pair(sim_file *ends[2], pid_t maker)
{
	for (int i = 0; i < 2; i++) {
		ends[i] = sim_file_new(SIM_CHANNEL);
		ends[i]->maker = maker;
	}
	ends[0]->peer = ends[1];
	ends[1]->peer = ends[0];
}

bool sim_channel_readable(const sim_file *f)
{
	return f->first || !f->peer || f->shut || f->reset;
}

static void packet_free(sim_packet *k)
{
	for (unsigned i = 0; i < k->nfiles; i++)
		sim_file_unref(k->files[i]);
	free(k);
}

void sim_channel_close(sim_file *f)
{
	sim_file *peer = f->peer;

	if (peer) {
		peer->reset = f->first != NULL;
		peer->peer = NULL;
	}
	while (f->first) {
		sim_packet *k = f->first;

		f->first = k->next;
		packet_free(k);
	}
}

static int take_error(sim_file *f)
{
	bool was = f->reset;

	f->reset = false;
	return was ? -ECONNRESET : 0;
}

/* ---- messages --------------------------------------------------------------------- */

static ssize_t fail(int code)
{
	errno = -code;
	return -1;
}

/* A call of this process that was chosen to fail. */
static int chosen_to_fail(void)
{
	sim_process *p = sim_self();

	return p->points == p->fails_at ? p->fails_with : 0;
}

ssize_t __wrap_sendmsg(int fd, const struct msghdr *m, int flags);
ssize_t __wrap_recvmsg(int fd, struct msghdr *m, int flags);
ssize_t __wrap_recv(int fd, void *at, size_t n, int flags);

/* The messages begin with their type. */
static void tell(const char *does, const sim_packet *k)
{
	const char *type = k->bytes + sizeof("{\"type\":\"") - 1;

	if (sim_tells)
		sim_tell("    pid %d %s \"%.*s\"", (int)sim_self()->pid, does,
			 (int)strcspn(type, "\""), type);
}

static sim_packet *packet_of(const struct msghdr *m)
{
	size_t n = m->msg_iov[0].iov_len;
	sim_packet *k = malloc(sizeof(*k) + n);

	k->next = NULL;
	k->size = n;
	k->from = sim_self()->pid;
	k->nfiles = 0;
	memcpy(k->bytes, m->msg_iov[0].iov_base, n);
	if (m->msg_control) {
		const struct cmsghdr *c = m->msg_control;
		size_t nfds = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		for (size_t i = 0; i < nfds; i++) {
			int fd;
			sim_file *f;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(fd), sizeof(fd));
			f = sim_fd(fd);
			if (!f) {
				packet_free(k);
				return NULL;
			}
			k->files[k->nfiles++] = sim_file_ref(f);
		}
	}
	return k;
}

ssize_t __wrap_sendmsg(int fd, const struct msghdr *m, int flags)
{
	sim_file *f, *to;
	sim_packet *k;
	int rc;

	(void)flags;
	sim_point();
	f = sim_fd(fd);
	if (!f || f->kind != SIM_CHANNEL)
		return fail(f ? -ENOTSOCK : -EBADF);
	rc = chosen_to_fail();
	if (rc == 0)
		rc = take_error(f);
	if (rc < 0)
		return fail(rc);
	to = f->peer;
	if (!to || f->shut)
		return fail(-EPIPE);
	if (to->queued && to->queued + m->msg_iov[0].iov_len > ROOM)
		return fail(-EAGAIN);
	k = packet_of(m);
	if (!k)
		return fail(-EBADF);
	if (to->first)
		to->last->next = k;
	else
		to->first = k;
	to->last = k;
	to->queued += k->size + PACKET_COSTS;
	tell("says", k);
	return (ssize_t)k->size;
}

static void put_control(struct msghdr *m, const sim_packet *k, const int *fds, unsigned n)
{
	struct cmsghdr *c = m->msg_control;
	size_t bytes = n * sizeof(int);
	struct ucred who = { .pid = k->from };

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_CREDENTIALS;
	c->cmsg_len = CMSG_LEN(sizeof(who));
	memcpy(CMSG_DATA(c), &who, sizeof(who));
	m->msg_controllen = CMSG_SPACE(sizeof(who));
	if (n == 0)
		return;
	c = (struct cmsghdr *)(void *)((char *)m->msg_control + CMSG_SPACE(sizeof(who)));
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(bytes);
	memcpy(CMSG_DATA(c), fds, bytes);
	m->msg_controllen += CMSG_SPACE(bytes);
}

ssize_t __wrap_recvmsg(int fd, struct msghdr *m, int flags)
{
	int fds[72], rc;
	unsigned n = 0;
	sim_file *f;
	sim_packet *k;
	size_t size;

	(void)flags;
	sim_point();
	f = sim_fd(fd);
	if (!f || f->kind != SIM_CHANNEL)
		return fail(f ? -ENOTSOCK : -EBADF);
	rc = take_error(f);
	if (rc < 0)
		return fail(rc);
	k = f->first;
	if (!k && (!f->peer || f->shut))
		return 0;
	if (!k)
		return fail(-EAGAIN);
	f->first = k->next;
	tell("hears", k);
	size = k->size;
	f->queued -= size + PACKET_COSTS;
	MO_CHECK(size <= m->msg_iov[0].iov_len);
	memcpy(m->msg_iov[0].iov_base, k->bytes, size);
	m->msg_flags = 0;
	for (unsigned i = 0; i < k->nfiles; i++) {
		/* Descriptors that do not fit are lost, and the message says so. */
		int got = chosen_to_fail() ? -EMFILE
					   : sim_fd_new(sim_self(), sim_file_ref(k->files[i]));

		if (got < 0)
			m->msg_flags |= MSG_CTRUNC;
		else
			fds[n++] = got;
	}
	put_control(m, k, fds, n);
	packet_free(k);
	return (ssize_t)size;
}

/* To look whether a word is there: MSG_PEEK. */
ssize_t __wrap_recv(int fd, void *at, size_t n, int flags)
{
	sim_file *f = sim_fd(fd);
	int rc = f ? take_error(f) : -EBADF;

	(void)flags;
	if (rc < 0)
		return fail(rc);
	if (f->first) {
		*(char *)at = f->first->bytes[0];
		return n ? 1 : 0;
	}
	return !f->peer || f->shut ? 0 : fail(-EAGAIN);
}

int __wrap_socketpair(int domain, int type, int protocol, int sv[2]);

int __wrap_socketpair(int domain, int type, int protocol, int sv[2])
{
	sim_file *ends[2];

	(void)domain;
	(void)type;
	(void)protocol;
	sim_point();
	if (chosen_to_fail())
		return (int)fail(-EMFILE);
	sim_channel_pair(ends, sim_self()->pid);
	sv[0] = sim_fd_new(sim_self(), ends[0]);
	sv[1] = sim_fd_new(sim_self(), ends[1]);
	MO_CHECK(sv[0] >= 0 && sv[1] >= 0);
	return 0;
}

int __wrap_shutdown(int fd, int how);

int __wrap_shutdown(int fd, int how)
{
	sim_file *f = sim_fd(fd);

	(void)how;
	if (!f)
		return (int)fail(-EBADF);
	f->shut = true;
	if (f->peer)
		f->peer->shut = true;
	return 0;
}

/* ---- the path of a takeover --------------------------------------------------------- */

static struct place {
	char path[108];
	sim_file *file; /* NULL: its socket is closed, the name is there still */
	ino_t number;
} places[PATHS];
static sim_process *lock_owner;

void sim_paths_reset(void)
{
	memset(places, 0, sizeof(places));
	lock_owner = NULL;
}

static struct place *find(const char *path)
{
	for (unsigned i = 0; i < PATHS; i++)
		if (places[i].number && strcmp(places[i].path, path) == 0)
			return &places[i];
	return NULL;
}

void sim_path_close(sim_file *f)
{
	for (unsigned i = 0; i < PATHS; i++)
		if (places[i].file == f)
			places[i].file = NULL;
	for (unsigned i = 0; i < f->nwaiting; i++)
		sim_file_unref(f->waiting[i]);
	f->nwaiting = 0;
}

int mo_unix_listen(int fd, const struct sockaddr_un *a, socklen_t n, int backlog,
		   const mo_unix_access *access, struct stat *now, char **why)
{
	sim_file *f = sim_fd(fd);
	struct place *at = NULL;

	(void)n;
	(void)backlog;
	(void)access;
	(void)why;
	sim_point();
	if (find(a->sun_path))
		return -EADDRINUSE;
	for (unsigned i = 0; i < PATHS && !at; i++)
		at = places[i].number ? NULL : &places[i];
	MO_CHECK(at != NULL);
	snprintf(at->path, sizeof(at->path), "%s", a->sun_path);
	at->file = f;
	at->number = f->number;
	f->listens = true;
	f->maker = sim_self()->pid;
	now->st_ino = f->number;
	return 0;
}

static bool lock_is_free(void *unused)
{
	(void)unused;
	return !lock_owner || lock_owner->state != SIM_RUNS;
}

int mo_unix_lock(const char *path)
{
	(void)path;
	sim_wait(lock_is_free, NULL, INT64_MAX);
	lock_owner = sim_self();
	return 0;
}

void mo_unix_unlock(int lock)
{
	(void)lock;
	lock_owner = NULL;
}

int __wrap_connect(int fd, const struct sockaddr *a, socklen_t n);
int __wrap_accept4(int fd, struct sockaddr *a, socklen_t *n, int flags);
int __wrap_rename(const char *from, const char *to);
int __wrap_unlink(const char *path);
int __wrap_lstat64(const char *path, struct stat *st);

int __wrap_connect(int fd, const struct sockaddr *a, socklen_t n)
{
	const struct place *at = find(((const struct sockaddr_un *)(const void *)a)->sun_path);
	sim_file *f = sim_fd(fd), *other;

	(void)n;
	sim_point();
	if (!at)
		return (int)fail(-ENOENT);
	if (!at->file)
		return (int)fail(-ECONNREFUSED);
	if (at->file->nwaiting == QUEUE)
		return (int)fail(-EAGAIN);
	other = sim_file_new(SIM_CHANNEL);
	f->kind = SIM_CHANNEL;
	f->maker = at->file->maker;
	other->maker = sim_self()->pid;
	f->peer = other;
	other->peer = f;
	at->file->waiting[at->file->nwaiting++] = other;
	return 0;
}

int __wrap_accept4(int fd, struct sockaddr *a, socklen_t *n, int flags)
{
	sim_file *f = sim_fd(fd), *one;

	(void)a;
	(void)n;
	(void)flags;
	sim_point();
	if (f->nwaiting == 0)
		return (int)fail(-EAGAIN);
	one = f->waiting[0];
	memmove(f->waiting, f->waiting + 1, --f->nwaiting * sizeof(f->waiting[0]));
	return sim_fd_new(sim_self(), one);
}

int __wrap_rename(const char *from, const char *to)
{
	struct place *at = find(from);

	sim_point();
	if (!at)
		return (int)fail(-ENOENT);
	if (find(to))
		find(to)->number = 0;
	snprintf(at->path, sizeof(at->path), "%s", to);
	return 0;
}

int __wrap_unlink(const char *path)
{
	struct place *at = find(path);

	sim_point();
	if (!at)
		return (int)fail(-ENOENT);
	*at = (struct place){ .number = 0 };
	return 0;
}

int __wrap_lstat64(const char *path, struct stat *st)
{
	struct place *at = find(path);

	memset(st, 0, sizeof(*st));
	if (!at)
		return (int)fail(-ENOENT);
	st->st_mode = S_IFSOCK | 0600;
	st->st_ino = at->number;
	return 0;
}
