/* The process at the other end of a successor's channel, its predecessor or its
 * supervisor, as the successor sees it.  Used by successor.c on the control thread.
 *
 * A channel that is closed does not say that the process is gone, and two that serve
 * are worse than one: only its end makes a successor take its place.  And a
 * predecessor that is stopped for MO_SIGSTOP_TIME is killed, because until the commit
 * nobody else serves; after it there is more time, for it keeps only what has not moved. */
#ifndef MO_GEN_NEW_PARENT_H
#define MO_GEN_NEW_PARENT_H

#include <stdbool.h>
#include <sys/types.h>

#include "molt.h"

void mo_parent_set(pid_t pid);
/* Waits for its end, no longer than timeout, and not when we end ourselves. [parks] */
bool mo_parent_ended(molt_time timeout);
/* From now on it is killed when it is stopped for limit. */
void mo_parent_watch(molt_time limit);
void mo_parent_unwatch(void);
void mo_parent_kill(void);

#endif
