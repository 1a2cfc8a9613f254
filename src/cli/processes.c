/* Processes that a command waits for; see processes.h. */
#include "cli/processes.h"

#include <errno.h>
#include <time.h>
#include <unistd.h>

#include "gen/os/pidfd.h"
#include "gen/wire/wire.h"

#define LOOK_AGAIN (20 * 1000 * 1000) /* ns */

bool mo_processes_elsewhere(const json_t *status)
{
	json_int_t theirs = json_integer_value(json_object_get(status, "pid_namespace"));
	json_int_t ours = (json_int_t)mo_pid_namespace();

	return theirs && ours && theirs != ours;
}

bool mo_processes_know(const mo_processes *p, int pid)
{
	for (size_t i = 0; i < p->n; i++)
		if (p->all[i].pid == pid)
			return true;
	return false;
}

void mo_processes_add(mo_processes *p, const json_t *number)
{
	int pid = (int)json_integer_value(number), fd;

	if (pid <= 0 || p->n == MO_PROCESSES_MAX || mo_processes_know(p, pid))
		return;
	fd = mo_pidfd_open(pid);
	if (fd < 0 && errno == ESRCH)
		return; /* it has ended */
	p->all[p->n].pid = pid;
	p->all[p->n++].fd = fd;
}

static void wait_for(int pid, int fd)
{
	if (fd >= 0)
		mo_wire_await(fd, MOLT_FOREVER);
	while (fd < 0 && !mo_pidfd_ended(fd, pid))
		nanosleep(&(struct timespec){ 0, LOOK_AGAIN }, NULL);
}

void mo_processes_wait(const mo_processes *p)
{
	for (size_t i = 0; i < p->n; i++)
		wait_for(p->all[i].pid, p->all[i].fd);
}

void mo_processes_forget(mo_processes *p)
{
	for (size_t i = 0; i < p->n; i++)
		if (p->all[i].fd >= 0)
			close(p->all[i].fd);
	p->n = 0;
}
