/* PREFLIGHT, the part that looks at the machine: may the program's file be trusted,
 * is there memory for a second process, are there descriptors for a restart?  What
 * is no program for this machine has been refused before (mo_program_open).
 *
 * Called by predecessor.c on the control thread, before anything is started.
 *
 * Always: what cannot be found out (no /proc, an old kernel) refuses nothing. */
#ifndef MO_GEN_OS_PREFLIGHT_H
#define MO_GEN_OS_PREFLIGHT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "gen/os/spawn.h"

#define MO_PREFLIGHT_SPARE 32 /* descriptors that a restart opens, at most */

typedef struct mo_preflight {
	bool owner;             /* look at owner and mode of the file and its directories */
	int64_t memory;         /* so many per cent of our own size must be free; 0: none */
	bool descriptors;       /* look at the limits of open files */
	uid_t own, program;     /* who may own the file besides root */
	const char *proc, *sys; /* where the kernel tells: "/proc", "/sys" */
} mo_preflight;

/* Every check, for this process. */
void mo_preflight_init(mo_preflight *c);

/* 0, or the first refusal, *why (malloc'd) saying what, how much, and what to do:
 *   -EACCES           others could have put another program there
 *   -ENOMEM           a second process of our size does not fit
 *   -EMFILE, -ENFILE  the process, the system has too few descriptors left
 * What was found is added to *found, an object. */
int mo_preflight_run(const mo_preflight *c, const mo_program *p, json_t *found, char **why);

#endif
