/* The successor as its predecessor sees it; see child.h. */
#include "gen/old/child.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include "gen/control.h"
#include "gen/join/supervisor_client.h"
#include "gen/os/pidfd.h"
#include "gen/wire/messages.h"

void mo_child_init(mo_child *c, const char *path)
{
	*c = (mo_child){ .path = path,
			 .channel = -1,
			 .tail_fd = -1,
			 .pidfd = -1,
			 .speaker.pidfd = -1,
			 .next.pidfd = -1 };
}

void mo_child_adopt(mo_child *c, int channel, pid_t pid, int pidfd)
{
	c->foreign = true;
	c->channel = channel;
	c->pid = c->started = pid;
	c->pidfd = pidfd;
}

void mo_child_fini(mo_child *c)
{
	if (c->channel >= 0)
		close(c->channel);
	if (c->tail_fd >= 0)
		close(c->tail_fd);
	if (c->pidfd >= 0)
		close(c->pidfd);
	if (c->speaker.pidfd >= 0)
		close(c->speaker.pidfd);
	if (c->next.pidfd >= 0)
		close(c->next.pidfd);
	mo_stderr_tail_free(c->tail);
	free(c->why);
	free(c->said);
	free(c->asks_back);
}

int mo_child_fail(mo_child *c, int code, char *why)
{
	if (c->why)
		free(why);
	else
		c->why = why;
	return code;
}

const char *mo_child_why(mo_child *c, int code)
{
	if (c->said)
		return c->said;
	if (!c->why)
		c->why = mo_strdup(strerror(-code));
	return c->why;
}

/* ---- the process ----------------------------------------------------------- */

static int open_tail(mo_child *c, int *writing)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	*writing = fds[1];
	c->tail_fd = fcntl(fds[0], F_DUPFD_CLOEXEC, 3);
	if (c->tail_fd < 0) {
		int rc = -errno;

		close(fds[0]);
		return rc;
	}
	c->tail = mo_stderr_tail_new(mo_control_loop(), fds[0], mo_outlet_stderr());
	return 0;
}

static ino_t socket_number(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 ? st.st_ino : 0;
}

int mo_child_spawn(mo_child *c, const mo_program *program, const char *argv0)
{
	int theirs = -1, writing = -1;
	int rc = MO_FAULT("step", "spawn", -1);

	if (rc == 0)
		rc = mo_wire_pair(&c->channel, &theirs);
	if (rc == 0)
		rc = open_tail(c, &writing);
	if (rc == 0)
		rc = mo_spawn(program, argv0, writing, theirs, &c->pid);
	if (rc == 0) {
		c->started = c->pid;
		c->pidfd = mo_pidfd_open_child(c->pid);
		c->lost = c->pidfd < 0 && errno == ESRCH;
		c->theirs = socket_number(theirs);
	}
	if (theirs >= 0)
		close(theirs);
	if (writing >= 0)
		close(writing);
	if (rc < 0) {
		c->pid = 0;
		return mo_child_fail(c, rc, mo_fmt("cannot start %s: %s", c->path, strerror(-rc)));
	}
	return 0;
}

/* Without a descriptor of the process, its end of the channel tells. */
static bool foreign_gone(mo_child *c)
{
	struct pollfd p = { .fd = c->pidfd >= 0 ? c->pidfd : c->channel };

	p.events = c->pidfd >= 0 ? POLLIN : 0;
	if (!c->gone && poll(&p, 1, 0) > 0 && p.revents & (POLLIN | POLLHUP))
		c->gone = true;
	return c->gone;
}

bool mo_child_reap(mo_child *c)
{
	int rc;

	if (c->foreign)
		return foreign_gone(c);
	if (c->pid == 0)
		return true;
	rc = c->lost ? -ECHILD : mo_pidfd_reap(c->pidfd, c->pid, &c->status);
	if (rc == 0)
		return false;
	/* ECHILD: somebody else (SIGCHLD ignored) took the status. */
	c->status_known = rc > 0;
	if (c->status_known)
		mo_supervisor_client_ended(c->pid, c->status);
	c->pid = 0;
	return true;
}

static void cancel(const mo_child *c)
{
	if (c->channel >= 0)
		mo_wire_send(c->channel,
			     mo_message_new(MO_MSG_CANCEL, "{s:s}", "why",
					    c->why ? c->why : "it was given up"),
			     NULL, 0);
}

/* What cannot be killed from here (another container's) ends by the message. */
static void kill_foreign(mo_child *c)
{
	molt_time deadline = mo_deadline(MOLT_SECOND);

	cancel(c);
	if (c->pidfd >= 0)
		mo_pidfd_signal(c->pidfd, 0, SIGKILL);
	while (!mo_child_reap(c) && mo_left(deadline) > 0)
		mo_control_nap(2);
	if (!c->gone)
		mo_warn("%s, which wanted to take over, still runs; it ends when it reads that",
			c->path);
}

/* Has that process the other end of our channel?  Where /proc does not tell, its word
 * on the channel does. */
static bool holds_channel(const mo_child *c, pid_t pid)
{
	char path[64], wanted[64], link[64];
	struct dirent *one;
	bool found = false;
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	snprintf(wanted, sizeof(wanted), "socket:[%llu]", (unsigned long long)c->theirs);
	d = opendir(path);
	if (!d)
		return errno != ENOENT;
	while (!found && (one = readdir(d)) != NULL) {
		ssize_t n = readlinkat(dirfd(d), one->d_name, link, sizeof(link) - 1);

		link[n > 0 ? n : 0] = '\0';
		found = strcmp(link, wanted) == 0;
	}
	closedir(d);
	return found;
}

/* The descriptor is opened first: what is looked at then is the process that it names. */
void mo_child_spoke(mo_child *c, pid_t pid)
{
	int fd;

	if (c->foreign || pid <= 0 || pid == c->started || pid == c->speaker.pid)
		return;
	fd = mo_pidfd_open(pid);
	if (fd >= 0 && !holds_channel(c, pid)) {
		close(fd);
		return;
	}
	if (c->speaker.pidfd >= 0)
		close(c->speaker.pidfd);
	c->speaker.pid = pid;
	c->speaker.pidfd = fd;
}

/* Not our child: its end is told by its descriptor alone. */
void mo_child_kill_speaker(mo_child *c)
{
	molt_time deadline = mo_deadline(MOLT_SECOND);

	if (!c->speaker.pid)
		return;
	mo_pidfd_signal(c->speaker.pidfd, c->speaker.pid, SIGKILL);
	while (!mo_pidfd_ended(c->speaker.pidfd, c->speaker.pid) && mo_left(deadline) > 0)
		mo_control_nap(1);
}

/* One that the dead one has killed itself, for its restart had failed, is gone already. */
void mo_child_kill_next(mo_child *c)
{
	if (c->next.pidfd < 0 || mo_pidfd_ended(c->next.pidfd, c->next.pid))
		return;
	mo_warn("pid %d, which was to follow the process that has died, is killed",
		(int)c->next.pid);
	mo_pidfd_signal(c->next.pidfd, c->next.pid, SIGKILL);
}

void mo_child_kill(mo_child *c)
{
	if (c->foreign) {
		kill_foreign(c);
		return;
	}
	cancel(c);
	if (c->pid && !c->lost)
		mo_pidfd_signal(c->pidfd, c->pid, SIGKILL);
	while (!mo_child_reap(c))
		mo_control_nap(1);
	mo_child_kill_speaker(c);
}

/* Owns why, which is better than how it ended. */
void mo_child_kill_for(mo_child *c, char *why)
{
	mo_child_kill(c);
	free(c->why);
	c->why = why;
	c->killed = true;
}

void mo_child_kill_stopped(mo_child *c)
{
	if (!mo_sigstop_for(&c->stopped, c->pid, MO_SIGSTOP_TIME))
		return;
	mo_error("the successor (pid %d) is stopped and keeps others waiting: it is killed",
		 (int)c->pid);
	mo_child_kill_for(c,
			  mo_fmt("it was killed, for it was stopped for %d ms", MO_SIGSTOP_TIME));
}

char *mo_child_end(const mo_child *c, const char *when)
{
	if (!c->status_known)
		return mo_fmt("it ended %s", when);
	if (WIFSIGNALED(c->status))
		return mo_fmt("it was killed by signal %d (%s) %s", WTERMSIG(c->status),
			      strsignal(WTERMSIG(c->status)), when);
	return mo_fmt("it exited with status %d %s", WEXITSTATUS(c->status), when);
}

bool mo_child_ended_well(const mo_child *c)
{
	return c->status_known && WIFEXITED(c->status) && WEXITSTATUS(c->status) == 0;
}

void mo_child_record_end(const mo_child *c, json_t *receipt)
{
	if (!c->status_known)
		return;
	if (WIFSIGNALED(c->status))
		json_object_set_new(receipt, "signal", json_integer(WTERMSIG(c->status)));
	else
		json_object_set_new(receipt, "exit_status", json_integer(WEXITSTATUS(c->status)));
}
