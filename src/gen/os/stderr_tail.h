/* The standard error of a successor until the switch.
 *
 * The successor's descriptor 2 is a pipe.  Its reader copies everything to the
 * real standard error at once and keeps the last lines for the receipt, so that
 * "error while loading shared libraries" reaches whoever asked for the restart.
 * At the switch the successor puts the real one in place and reads the pipe
 * itself from then on (children that it started may still write to it); it has
 * held the reading end since the offer, so no writer ever meets a closed pipe. */
#ifndef MO_GEN_OS_STDERR_TAIL_H
#define MO_GEN_OS_STDERR_TAIL_H

#include <jansson.h>

#include "base/outlet.h"
#include "rt/loop.h"

#define MO_TAIL_LINES 20
#define MO_TAIL_LINE 512

typedef struct mo_stderr_tail mo_stderr_tail;

/* Reads from_fd (owned from now on) on the loop and copies to that outlet, which
 * nobody has to wait for.  On the loop's thread. */
mo_stderr_tail *mo_stderr_tail_new(mo_loop *l, int from_fd, mo_outlet *to);
/* Adds a line that came another way (a "log" message). */
void mo_stderr_tail_add(mo_stderr_tail *t, const char *line, size_t n);
void mo_stderr_tail_read_now(mo_stderr_tail *t);       /* what is in the pipe at this moment */
json_t *mo_stderr_tail_lines(const mo_stderr_tail *t); /* new reference: array of strings */
/* Stops reading; closes from_fd. */
void mo_stderr_tail_free(mo_stderr_tail *t);

#endif
