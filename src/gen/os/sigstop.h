/* Processes of a restart that a SIGSTOP has stopped: they hold connections and keep
 * others waiting, so that after a time (MO_SIGSTOP_TIME) whoever waits for one kills
 * it.  One that a debugger has stopped is left alone.
 *
 * Always: the time is added up per look, at most one second each, so that an observer that
 * was suspended too (Ctrl-Z in a shell) does not count its own suspension. */
#ifndef MO_GEN_OS_SIGSTOP_H
#define MO_GEN_OS_SIGSTOP_H

#include <stdbool.h>
#include <sys/types.h>

#include "molt.h"

#define MO_SIGSTOP_LOOK (250 * MOLT_MS)
#define MO_SIGSTOP_LOOK_MAX MOLT_SECOND
#define MO_SIGSTOP_TIME (5 * MOLT_SECOND)

typedef struct mo_sigstop {
	molt_time looked;
	molt_time stopped; /* ms that the last looks in a row found it stopped */
} mo_sigstop;

/* Has a SIGSTOP stopped the process, now? */
bool mo_sigstop_now(pid_t pid);
/* To be called at least every MO_SIGSTOP_LOOK_MAX.  True when it is stopped for limit. */
bool mo_sigstop_for(mo_sigstop *s, pid_t pid, molt_time limit);

#endif
