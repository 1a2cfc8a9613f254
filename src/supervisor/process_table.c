/* The processes that the supervisor watches; see process_table.h. */
#include "supervisor/process_table.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "gen/os/pidfd.h"

static mo_process *all;
static size_t count;

/* The last one whose end was seen before its status was known. */
static struct {
	pid_t pid;
	int status;
} late = { .status = -1 };

mo_process *mo_processes_find(pid_t pid)
{
	for (size_t i = 0; i < count; i++)
		if (all[i].pid == pid)
			return &all[i];
	return NULL;
}

mo_process *mo_processes_watch(pid_t pid)
{
	mo_process *known = mo_processes_find(pid);
	int fd;

	if (known)
		return known;
	fd = mo_pidfd_open(pid);
	all = mo_realloc(all, (count + 1) * sizeof(*all));
	all[count] = (mo_process){
		.pid = pid, .pidfd = fd, .gone = fd < 0 && errno == ESRCH, .status = -1
	};
	return &all[count++];
}

static void signal_to(const mo_process *p, int number)
{
	if (!p->gone)
		mo_pidfd_signal(p->pidfd, p->pid, number);
}

bool mo_processes_signal_one(pid_t pid, int number)
{
	const mo_process *p = mo_processes_find(pid);

	if (!p || p->gone || mo_pidfd_ended(p->pidfd, pid))
		return false;
	signal_to(p, number);
	return true;
}

mo_process *mo_processes_candidate(void)
{
	for (size_t i = 0; i < count; i++)
		if (all[i].candidate && !all[i].gone && !all[i].doomed)
			return &all[i];
	return NULL;
}

void mo_processes_doom_candidates(void)
{
	mo_process *p;

	while ((p = mo_processes_candidate()) != NULL) {
		p->doomed = true;
		signal_to(p, SIGKILL);
	}
}

size_t mo_processes_count(void)
{
	return count;
}

const mo_process *mo_processes_at(size_t i)
{
	return &all[i];
}

void mo_processes_restore(mo_process p)
{
	all = mo_realloc(all, (count + 1) * sizeof(*all));
	all[count++] = p;
}

nfds_t mo_processes_poll(struct pollfd *out)
{
	for (size_t i = 0; i < count; i++)
		out[i] = (struct pollfd){ .fd = all[i].pidfd, .events = POLLIN };
	return count;
}

bool mo_processes_blind(void)
{
	for (size_t i = 0; i < count; i++)
		if (all[i].pidfd < 0)
			return true;
	return false;
}

/* ---- ends ------------------------------------------------------------------- */

void mo_processes_status(pid_t pid, int status)
{
	mo_process *p = mo_processes_find(pid);

	if (p && (p->gone || mo_pidfd_ended(p->pidfd, pid)))
		p->status = status;
	else if (!p && pid == late.pid)
		late.status = status;
}

int mo_processes_late_status(void)
{
	return late.status;
}

/* Children that nobody told us of are reaped too: they were orphans. */
static void reap(void)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		mo_process *p = mo_processes_find(pid);

		/* Another one may have that number by now. */
		if (p && !mo_pidfd_ended(p->pidfd, pid))
			continue;
		if (p)
			p->gone = true;
		mo_processes_status(pid, status);
	}
}

/* A serving generation may be the child of its predecessor, which reaps it, and tells
 * the status, or ends and leaves it to us. */
static void look_at(mo_process *p)
{
	int status;

	if (p->gone)
		return;
	p->gone = mo_pidfd_ended(p->pidfd, p->pid);
	/* It may have ended since reap() looked. */
	if (p->gone && mo_pidfd_reap(p->pidfd, p->pid, &status) == 1)
		p->status = status;
}

void mo_processes_look(void)
{
	reap();
	for (size_t i = 0; i < count; i++)
		look_at(&all[i]);
}

bool mo_processes_ended(mo_process *out)
{
	for (size_t i = 0; i < count; i++) {
		if (!all[i].gone)
			continue;
		if (all[i].pidfd >= 0)
			close(all[i].pidfd);
		*out = all[i];
		if (out->status < 0) {
			late.pid = out->pid;
			late.status = -1;
		}
		all[i] = all[--count];
		return true;
	}
	return false;
}

int mo_process_exit_status(int status)
{
	if (status < 0)
		return 1;
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

char *mo_process_end(const mo_process *p)
{
	if (p->status < 0)
		return mo_fmt("pid %d ended", (int)p->pid);
	if (WIFSIGNALED(p->status))
		return mo_fmt("pid %d was killed by signal %d (%s)", (int)p->pid,
			      WTERMSIG(p->status), strsignal(WTERMSIG(p->status)));
	return mo_fmt("pid %d exited with status %d", (int)p->pid, WEXITSTATUS(p->status));
}

/* ---- signals ------------------------------------------------------------------ */

void mo_processes_kill_stopped(void)
{
	for (size_t i = 0; i < count; i++) {
		if (!mo_sigstop_for(&all[i].stopped, all[i].pid, MO_SIGSTOP_TIME))
			continue;
		mo_error("supervisor: pid %d is stopped and serves nobody: it is killed",
			 (int)all[i].pid);
		signal_to(&all[i], SIGKILL);
	}
}

void mo_processes_signal(int number)
{
	for (size_t i = 0; i < count; i++) {
		all[i].asked = true;
		signal_to(&all[i], number);
	}
}

void mo_processes_kill_all(void)
{
	char path[64];
	int pid;
	FILE *f;

	mo_processes_signal(SIGKILL);
	snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
	f = fopen(path, "re");
	while (f && fscanf(f, "%d", &pid) == 1)
		kill(pid, SIGKILL); /* ours to reap, so the number is its own */
	if (f)
		fclose(f);
}
