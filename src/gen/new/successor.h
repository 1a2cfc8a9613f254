/* The new side of a restart.
 *
 *   step       thread             what
 *   report     any, before main   warnings and errors also go to the predecessor
 *   begin      first start        the offer is read: listeners, identity
 *   take       starts             a server finds its address among the listeners
 *   ready      control coroutine  "ready", then waits for "commit"; standard error
 *                                 is put in place; accepts; "serving"
 *   listen     control coroutine  waits for the predecessor's last receipt and end,
 *                                 or withdraws when that is asked (withdraw.h)
 *
 * Always: a predecessor that dies before the commit has committed: the service
 * must go on, and we are ready.  One that dies before we are ready is the same,
 * as soon as we are. */
#ifndef MO_GEN_NEW_SUCCESSOR_H
#define MO_GEN_NEW_SUCCESSOR_H

#include "gen/gen.h"
#include "gen/wire/forms.h"
#include "gen/wire/messages.h"

bool mo_successor_is(void); /* was this process started by a predecessor? */
void mo_successor_report_log(void);
/* Reads the offer, once; a failure stays.  -EPROTO and a sentence (malloc'd). */
int mo_successor_begin(char **why);
/* The inherited listener for a server's address: the same server and text
 * first, then any that text would bind.  NULL: bind it anew. */
mo_listener *mo_successor_take(const char *server, const char *text);
/* To a predecessor that may serve again: the history of that time is this one's too. */
void mo_successor_tell_receipt(const json_t *receipt);
/* Tells the predecessor why this program gives up. */
void mo_successor_failed(const char *why);
/* The same, because what the predecessor says is not understood. */
void mo_successor_broken(const char *why);
/* This generation has ended: what is started in this process from now on has no
 * predecessor, and may take over from who serves then. */
void mo_successor_forget(void);
/* How many listeners were bound anew, for the report. */
void mo_successor_count_bound(void);

/* One word to the predecessor, while it is there; it may be lost. */
void mo_successor_say(enum mo_msg what);
/* What is done when the predecessor passes a shutdown on; before the control thread. */
void mo_successor_on_shutdown(void (*fn)(void *unused));
/* That we have started pid, which would serve in our place if we died now; with the
 * descriptor of its process, or -1: the kernel gives none. */
void mo_successor_say_begun(int pid, int pidfd);
/* "replaced", which may not: 0, or why the predecessor cannot be told.  [parks] */
int mo_successor_say_replaced(molt_time limit);
/* Asks the predecessor to serve again (mo_withdraw_ask()).  -ENOENT: there is none
 * that would. */
int mo_successor_ask_back(const char *by);
/* Does a predecessor stand by? */
bool mo_successor_has_way_back(void);

/* What has been counted, to a predecessor that may serve again; at most each second. */
void mo_successor_tell_counts(void);

int mo_successor_ready(const mo_gen_host *host);
/* Until the predecessor has ended, or until it serves again: then true, and
 * mo_withdraw_drain() follows. */
bool mo_successor_listen(void);
/* What the predecessor has said: one message; all that is there (-EAGAIN, or 0: it
 * is gone). */
void mo_successor_hear(mo_wire_msg *m);
int mo_successor_hear_all(void);
int mo_successor_channel(void); /* -1 */
/* There is no predecessor any more. */
void mo_successor_alone(void);
void mo_successor_close(void);

/* What the predecessor reads of what is given back to it. */
void mo_successor_forms(mo_forms *f);

#endif
