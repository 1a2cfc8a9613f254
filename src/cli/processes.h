/* Processes that a command waits for.  Each is held by its descriptor from before the
 * wait on, so none of them can be mistaken for another that got its number later.
 *
 * Numbers of another pid namespace (a program in a container, its control socket
 * mounted here) name strangers: such processes are never waited for. */
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
/* pid: a number of JSON, or something else, which is left out as what has ended is. */
void mo_processes_add(mo_processes *p, const json_t *pid);
bool mo_processes_know(const mo_processes *p, int pid);
/* Returns when each of them has ended. */
void mo_processes_wait(const mo_processes *p);
/* Closes the descriptors; none is known afterwards. */
void mo_processes_forget(mo_processes *p);

#endif
