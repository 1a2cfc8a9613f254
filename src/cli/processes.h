/* Processes that a command waits for.  Each process is held by a descriptor that was opened
 * before the wait, so a later process with the same number is never taken for it.
 *
 * A number of another pid namespace (a program in a container whose control socket is
 * mounted here) names a stranger: the command never waits for such a process. */
#ifndef MO_CLI_PROCESSES_H
#define MO_CLI_PROCESSES_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#define MO_PROCESSES_MAX 64

typedef struct mo_processes {
	struct {
		int pid;
		int fd; /* -1: the kernel has none */
	} all[MO_PROCESSES_MAX];
	size_t n; /* 0 at first */
} mo_processes;

/* Are the numbers in that status those of another pid namespace than ours? */
bool mo_processes_elsewhere(const json_t *status);
/* pid: a JSON number.  Other JSON values and processes that have ended are left out. */
void mo_processes_add(mo_processes *p, const json_t *pid);
bool mo_processes_know(const mo_processes *p, int pid);
/* Returns when each of them has ended. */
void mo_processes_wait(const mo_processes *p);
/* Closes the descriptors; the list is empty afterwards. */
void mo_processes_forget(mo_processes *p);

#endif
