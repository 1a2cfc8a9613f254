/* The supervisor's state between two images of it: JSON in a sealed memfd, with the
 * numbers of the descriptors that stay open.  Used by upgrade.c.
 *
 * Always: a state without a version that both know, or with anything missing, is refused
 * as a whole, before anything of it is used. */
#ifndef MO_UPGRADE_STATE_H
#define MO_UPGRADE_STATE_H

#include <jansson.h>
#include <stdbool.h>

#include "base/versions.h"

/* The highest is raised when members are added that a reader must know of; the lowest when
 * an older reader could not go on with the rest.  Weak, and no constant (those are folded),
 * for the tests have a program of other ones. */
extern mo_versions mo_upgrade_versions;

/* Of mo_sup and what belongs to it; asker: who wants the answer.  NULL: a path is no
 * UTF-8. */
json_t *mo_upgrade_state(int asker);
/* The memfd, or -errno. */
int mo_upgrade_write(const json_t *state);
/* Reads and checks.  -EPROTO, -EINVAL ... and a sentence. */
int mo_upgrade_read(int memfd, json_t **state, char **why);
/* Lets the descriptors through the next exec, or closes them at it. */
void mo_upgrade_keep_open(const json_t *state, bool on);
/* The opposite of mo_upgrade_state(); returns the asker. */
int mo_upgrade_restore(const json_t *state);

#endif
