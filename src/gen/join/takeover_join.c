/* The path of a takeover, and the side of the program that starts; see takeover.h. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/json.h"
#include "base/mem.h"
#include "gen/join/takeover_internal.h"
#include "gen/os/origin.h"
#include "gen/wire/forms.h"
#include "gen/wire/messages.h"
#include "net/listener.h"
#include "net/peer.h"

#define QUEUE 16
#define ANSWER_TIME (10 * MOLT_SECOND)

static char *wanted;

const char *mo_takeover_path(void)
{
	return wanted;
}

bool mo_takeover_wanted(void)
{
	return wanted != NULL;
}

bool mo_takeover_is(const char *path)
{
	return wanted && strcmp(wanted, path) == 0;
}

/* ---- the path ------------------------------------------------------------------ */

static int fail(char **why, int code, const char *path, const char *text)
{
	*why = mo_fmt("takeover at %s: %s", path, text ? text : strerror(-code));
	return code;
}

static socklen_t fill(struct sockaddr_un *a, const char *path)
{
	*a = (struct sockaddr_un){ .sun_family = AF_UNIX };
	snprintf(a->sun_path, sizeof(a->sun_path), "%s", path);
	return sizeof(*a);
}

/* Only a socket may be in the way; -ENOENT: nothing is. */
static int look(const char *path, char **why)
{
	struct stat st;

	if (lstat(path, &st) < 0)
		return errno == ENOENT ? -ENOENT : fail(why, -errno, path, NULL);
	return S_ISSOCK(st.st_mode) ? 0
				    : fail(why, -EEXIST, path,
					   "it is no socket; remove it or choose another path");
}

int mo_takeover_set(const char *path, char **why)
{
	char *text;
	int rc;

	if (mo_takeover_is(path))
		return 0;
	text = mo_fmt("unix:%s", path);
	rc = mo_listener_check_private(text, why);
	free(text);
	if (rc == 0 && look(path, why) == -EEXIST)
		rc = -EEXIST;
	if (rc == 0)
		wanted = mo_strdup(path);
	return rc;
}

/* A name of our own, whatever pid namespaces there are. */
static char *name_aside(const char *path)
{
	unsigned n = (unsigned)getpid();

	if (getrandom(&n, sizeof(n), GRND_NONBLOCK) < 0)
		n = (unsigned)getpid();
	return mo_fmt("%s.%08x", path, n);
}

/* The socket of the generation before stands aside until ours is there. */
static int take_path(int fd, const char *path, char **why)
{
	static const mo_unix_access access = { 0600, (uid_t)-1, (gid_t)-1 };
	struct sockaddr_un a;
	socklen_t n = fill(&a, path);
	char *aside = name_aside(path), *said = NULL;
	struct stat now;
	bool was = rename(path, aside) == 0;
	int rc = was || errno == ENOENT ? 0 : -errno;

	if (rc == 0)
		rc = mo_unix_listen(fd, &a, n, QUEUE, &access, &now, &said);
	if (rc < 0)
		fail(why, rc, path, said);
	if (rc < 0 && was)
		rename(aside, path);
	else if (was)
		unlink(aside);
	free(said);
	free(aside);
	return rc;
}

/* Under the lock of the directory: whoever looks and finds nobody looks again when the
 * lock is free. */
int mo_takeover_bind(const char *path, char **why)
{
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), rc, lock;

	if (fd < 0)
		return fail(why, -errno, path, NULL);
	lock = mo_unix_lock(path);
	rc = look(path, why);
	if (rc == 0 || rc == -ENOENT)
		rc = take_path(fd, path, why);
	mo_unix_unlock(lock);
	if (rc == 0)
		return fd;
	close(fd);
	return rc;
}

bool mo_takeover_admits(int fd, pid_t *pid)
{
	struct ucred peer = { 0 };
	socklen_t n = sizeof(peer);
	bool known = getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &n) == 0;

	*pid = peer.pid;
	return known && mo_peer_is_ours(fd) > 0;
}

/* ---- joining ---------------------------------------------------------------------- */

static int say_hello(int fd, char **why)
{
	const mo_origin *start = mo_origin_get();
	json_t *body;
	pid_t pid;
	int rc;

	if (!mo_takeover_admits(fd, &pid))
		return fail(why, -EPERM, wanted, "it belongs to another user's process");
	mo_wire_prepare(fd);
	body = mo_message_new(MO_MSG_TAKEOVER, "{s:o, s:s}", "exe",
			      mo_json_text(start->exe ? start->exe : "?"), "build", start->build);
	mo_forms_name_protocol(body);
	rc = mo_wire_send(fd, body, NULL, 0);
	if (rc == -EPIPE || rc == -ECONNRESET)
		return -EAGAIN;
	return rc < 0 ? fail(why, rc, wanted, NULL) : 1;
}

/* Until the first message is there: 1; 0: the other side is gone. */
static int await_word(int fd, char **why)
{
	char byte;
	ssize_t n;

	if (!mo_wire_await(fd, ANSWER_TIME))
		return fail(why, -ETIMEDOUT, wanted, "the program there does not answer");
	n = recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
	if (n < 0 && errno == ECONNRESET) /* its word may be behind that, as in wire.c */
		n = recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
	return n > 0;
}

/* 1, 0 or -errno as below; -EAGAIN: who listened is gone, another may be there now. */
static int try_to_join(int *channel, char **why)
{
	struct sockaddr_un a;
	socklen_t n = fill(&a, wanted);
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), rc;

	if (fd < 0)
		return fail(why, -errno, wanted, NULL);
	rc = connect(fd, (struct sockaddr *)&a, n) < 0 ? -errno : 1;
	if (rc == -ENOENT || rc == -ECONNREFUSED)
		rc = 0;
	else if (rc == -EAGAIN)
		rc = fail(why, -EBUSY, wanted, "the program there takes no connections");
	else if (rc < 0)
		fail(why, rc, wanted, NULL);
	if (rc == 1)
		rc = say_hello(fd, why);
	if (rc == 1) {
		rc = await_word(fd, why);
		rc = rc == 0 ? -EAGAIN : rc;
	}
	if (rc == 1)
		*channel = fd;
	else
		close(fd);
	return rc;
}

/* Waits until no generation is just taking the path. */
static void await_path(void)
{
	mo_unix_unlock(mo_unix_lock(wanted));
}

/* The path may pass to another generation between connect() and accept(). */
int mo_takeover_join(int *channel, char **why)
{
	bool sure = false;
	int rc = wanted ? -EAGAIN : 0;

	for (int i = 0; rc == -EAGAIN && i < 50; i++) {
		if (i > 0)
			poll(NULL, 0, 5);
		rc = try_to_join(channel, why);
		if (rc == 0 && !sure) {
			await_path();
			sure = true;
			rc = -EAGAIN;
		}
	}
	return rc == -EAGAIN ? fail(why, rc, wanted, "whoever is there closes the connection") : rc;
}
