/* The log files of all generations that live, opened anew after a rotation.
 *
 *   generation              is told by
 *   serving                 the call
 *   drains, stands by       "reopen" on its line to whoever serves (gen/drain/older_generations.h)
 *   gives back              the same, when it has offered its line
 *   was started, waits      "commit", when it was asked for after its start
 *
 * Always: the files are opened on threads that may wait for a disk, neither on a loop nor
 * on the control thread.  Whoever has passed the service on refuses: then it is the other
 * generation's to ask everybody. */
#ifndef MO_WEB_RUN_LOG_REOPEN_H
#define MO_WEB_RUN_LOG_REOPEN_H

#include "molt.h"

/* Blocks the thread until every generation has done it, and for no more than
 * MO_REOPEN_TIME ms on the others.  0: all have, *others of them besides us; or -errno and
 * a sentence that names who has not (malloc'd); -EBUSY: another generation serves.
 * [any], but neither the control thread nor a loop */
int mo_log_reopen_everywhere(int *others, char **why);
#define MO_REOPEN_TIME (5 * MOLT_SECOND)

#endif
