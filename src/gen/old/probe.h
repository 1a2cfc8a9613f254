/* PROBE: a successor that is ready, but does not accept yet, is asked what the
 * configuration of its predecessor says, and must answer as it says.  Each request
 * goes over a socket pair, whose other end the successor serves as a connection.
 *
 * Called by predecessor.c in the restart's coroutine; the reading of the
 * configuration's text by config/settings.c. */
#ifndef MO_GEN_OLD_PROBE_H
#define MO_GEN_OLD_PROBE_H

#include <jansson.h>

#include "gen/gen.h"
#include "gen/old/child.h"

#define MO_PROBES_MAX 64

typedef struct mo_probe {
	molt_str method, path; /* borrowed from the text */
	int status;            /* wanted */
} mo_probe;

/* "GET /health 200"; false: not of that form. */
bool mo_probe_parse(molt_str text, mo_probe *out);

/* Asks for everything that h wants to be asked of a successor that has said "ready"
 * (its message), one after another; each may take the time of h->probe_timeout().
 * *told becomes the array for the receipt, NULL when there is nothing to ask.
 * The first failure ends it: -EREMOTEIO another answer, -ETIMEDOUT, -ECHILD. */
int mo_probes_run(mo_child *c, const mo_gen_host *h, const json_t *ready, json_t **told);

#endif
