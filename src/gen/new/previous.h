/* What this generation can go back to: the predecessor while it stands by, and
 * then its program, whose file is kept open, so that it is the one that served
 * whatever has been put at its path since.
 *
 * A script is kept by its path only, because its interpreter wants a path.  A file
 * that was written over in place is no longer that program, and is refused. */
#ifndef MO_GEN_NEW_PREVIOUS_H
#define MO_GEN_NEW_PREVIOUS_H

#include <jansson.h>
#include <stdbool.h>

#include "gen/os/spawn.h"
#include "gen/wire/wire.h"

/* Tells a successor what it could go back to: this program. */
int mo_previous_offer(int (*send)(void *arg, json_t *body, const int *fds, int n), void *arg);

/* In the successor: the message "previous" of its offer. */
void mo_previous_take(mo_wire_msg *m);
/* The predecessor stands by, bake_ms or longer; -1: no more. */
void mo_previous_stands_by(molt_time bake_ms);

char *mo_previous_path(void); /* of its program, malloc'd; NULL: there is none */
/* The kept program, when there is one, to be started.  -ESTALE ... and *why, a
 * malloc'd sentence. */
int mo_previous_program(mo_program *out, char **why);

/* For the status: null, or how, generation, pid, exe, build, until.  A new
 * reference. [any] */
json_t *mo_previous_status(void);

#endif
