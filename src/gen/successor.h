/* The new side of a restart.
 *
 *   step       thread             what
 *   report     any, before main   warnings and errors also go to the predecessor
 *   begin      first start        the offer is read: listeners, identity
 *   take       starts             a server finds its address among the listeners
 *   ready      control coroutine  "ready", then waits for "commit"; standard error
 *                                 is put in place; accepts; "serving"
 *   listen     control coroutine  waits for the predecessor's last receipt and end
 *
 * Always: a predecessor that dies before the commit has committed: the service
 * must go on, and we are ready.  One that dies before we are ready is the same,
 * as soon as we are. */
#ifndef MO_GEN_SUCCESSOR_H
#define MO_GEN_SUCCESSOR_H

#include "gen/gen.h"

bool mo_successor_is(void); /* was this process started by a predecessor? */
void mo_successor_report_log(void);
/* Reads the offer, once; a failure stays.  -EPROTO and a sentence (malloc'd). */
int mo_successor_begin(char **why);
/* The inherited listener for a server's address: the same server and text
 * first, then any that text would bind.  NULL: bind it anew. */
mo_listener *mo_successor_take(const char *server, const char *text);
/* Tells the predecessor why this program gives up. */
void mo_successor_failed(const char *why);
/* How many listeners were bound anew, for the report. */
void mo_successor_count_bound(void);

/* One word to the predecessor, while it is there: "stopping", "replaced". */
void mo_successor_say(const char *type);

/* What has been counted, to a predecessor that may serve again; at most each second. */
void mo_successor_tell_counts(void);

int mo_successor_ready(const mo_gen_host *host);
void mo_successor_listen(void);
void mo_successor_close(void);

#endif
