/* Processes by their descriptors; see pidfd.h. */
#include "gen/os/pidfd.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

static int open_pidfd(pid_t pid)
{
#ifdef SYS_pidfd_open
	return (int)syscall(SYS_pidfd_open, pid, 0);
#else
	errno = ENOSYS;
	return -1;
#endif
}

uint64_t mo_pid_namespace(void)
{
	struct stat st;

	return stat("/proc/self/ns/pid", &st) == 0 ? (uint64_t)st.st_ino : 0;
}

int mo_pidfd_open(pid_t pid)
{
	static _Atomic bool told;
	int fd = pid > 0 ? open_pidfd(pid) : -1;

	if (pid > 0 && fd < 0 && errno == ENOSYS && !atomic_exchange(&told, true))
		mo_warn("this kernel has no pidfd_open(): processes are known by their numbers, "
			"which a program that reaps all its children may give away");
	return fd;
}

static bool is_child(int fd)
{
	siginfo_t info;

	return waitid(P_PIDFD, (id_t)fd, &info, WEXITED | WNOHANG | WNOWAIT) == 0 ||
	       errno != ECHILD;
}

int mo_pidfd_open_child(pid_t pid)
{
	int fd = mo_pidfd_open(pid);

	if (fd < 0 || is_child(fd))
		return fd;
	close(fd);
	errno = ESRCH;
	return -1;
}

bool mo_pidfd_ended(int fd, pid_t pid)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	if (fd >= 0)
		return poll(&p, 1, 0) > 0;
	return kill(pid, 0) < 0 && errno == ESRCH;
}

int mo_pidfd_signal(int fd, pid_t pid, int number)
{
	if (fd < 0)
		return pid > 0 && kill(pid, number) == 0 ? 0 : -ESRCH;
#ifdef SYS_pidfd_send_signal
	if (syscall(SYS_pidfd_send_signal, fd, number, NULL, 0) == 0)
		return 0;
#else
	errno = ENOSYS;
#endif
	return -errno;
}

static int as_status(const siginfo_t *i)
{
	if (i->si_code == CLD_EXITED)
		return (i->si_status & 0xff) << 8;
	return i->si_status | (i->si_code == CLD_DUMPED ? 0x80 : 0);
}

/* By the number: the kernel has no waitid() by descriptor (before Linux 5.4), or no
 * descriptor at all. */
static int reap_number(int fd, pid_t pid, int *status)
{
	pid_t got = waitpid(pid, status, WNOHANG);

	if (got > 0)
		return 1;
	if (got == 0 || errno == EINTR)
		return 0;
	return mo_pidfd_ended(fd, pid) ? -ECHILD : 0;
}

int mo_pidfd_reap(int fd, pid_t pid, int *status)
{
	siginfo_t info = { 0 };

	if (fd < 0)
		return reap_number(fd, pid, status);
	if (waitid(P_PIDFD, (id_t)fd, &info, WEXITED | WNOHANG) == 0) {
		if (info.si_pid == 0)
			return 0;
		*status = as_status(&info);
		return 1;
	}
	if (errno == EINVAL)
		return reap_number(fd, pid, status);
	return errno == ECHILD && mo_pidfd_ended(fd, pid) ? -ECHILD : 0;
}
