/* The other end of a successor's channel; see parent.h. */
#include "gen/new/parent.h"

#include <errno.h>
#include <signal.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "gen/control.h"
#include "gen/os/pidfd.h"
#include "gen/os/sigstop.h"
#include "rt/park.h"
#include "rt/timer.h"

static struct {
	pid_t pid;
	int pidfd; /* -1: the kernel has none */
	bool gone; /* it had ended before we looked, or is not watched any more */
	mo_sigstop stopped;
	molt_time limit;
	mo_timer timer;
} parent = { .pidfd = -1 };

void mo_parent_set(pid_t pid)
{
	if (pid == parent.pid)
		return;
	if (parent.pidfd >= 0)
		close(parent.pidfd);
	parent.pid = pid;
	parent.pidfd = mo_pidfd_open(pid);
	parent.gone = pid > 0 && parent.pidfd < 0 && errno == ESRCH;
}

static bool is_gone(void)
{
	if (parent.pid <= 0 || parent.gone)
		return true; /* of another container: the end of the channel is all we know */
	return mo_pidfd_ended(parent.pidfd, parent.pid);
}

void mo_parent_kill(void)
{
	if (parent.pid > 0 && !parent.gone)
		mo_pidfd_signal(parent.pidfd, parent.pid, SIGKILL);
}

bool mo_parent_ended(molt_time timeout)
{
	molt_time deadline = mo_deadline(timeout);

	while (!is_gone()) {
		if (mo_left(deadline) == 0 || mo_co_sleep(5) < 0)
			return false;
	}
	return true;
}

static void look(mo_timer *t)
{
	if (mo_sigstop_for(&parent.stopped, parent.pid, parent.limit) && !is_gone()) {
		mo_error("the predecessor (pid %d) is stopped and keeps others waiting: it is "
			 "killed",
			 (int)parent.pid);
		mo_parent_kill();
	}
	mo_timer_start(mo_control_loop(), t, MO_SIGSTOP_LOOK);
}

void mo_parent_watch(molt_time limit)
{
	parent.limit = limit;
	if (!parent.timer.fn)
		mo_timer_init(&parent.timer, look);
	mo_timer_start(mo_control_loop(), &parent.timer, MO_SIGSTOP_LOOK);
}

void mo_parent_unwatch(void)
{
	if (parent.timer.fn)
		mo_timer_stop(mo_control_loop(), &parent.timer);
	if (parent.pidfd >= 0)
		close(parent.pidfd);
	parent.pidfd = -1;
	parent.gone = true; /* the number is anybody's now */
}
