/* Who asks for a restart, a takeover or a rollback, and waits for its outcome.
 *
 *   asked      state       answer
 *   restart    SERVING     begins; its end is the answer
 *   restart    RESTARTING  the same target joins, another one is -EBUSY
 *   rollback   SERVING     the predecessor that stands by takes the service back;
 *                          without one, a restart into the previous program
 *   rollback   DRAINING    we take the service back, while we stand by
 *   restart    NEW         waits until this generation serves
 *   anything   other       -EBUSY
 *
 * Always: each who asked hears once how it ended, after it has ended. */
#ifndef MO_GEN_ENGINE_RESTART_REQUEST_H
#define MO_GEN_ENGINE_RESTART_REQUEST_H

#include "gen/gen.h"

int mo_request_restart(const char *exe); /* see molt_restart() [any] [parks] */
/* The same for a program that a client of the network chose: what it prints goes to our
 * log, and to nobody who can read receipts. */
int mo_request_restart_chosen(const char *exe);
/* See molt_rollback(); by: who asks, for the receipt. [any] [parks] */
int mo_request_rollback(const char *by);

/* The rest on the control thread. */
void mo_request_by_signal(void);
/* A process that is no child of ours takes over; owns t. */
struct mo_taker;
void mo_request_takeover(struct mo_taker *t);
/* This generation serves now, or never will: who asked before is answered. */
void mo_request_begun(void);
/* The predecessor has gone for good: who asked it to serve again hears so. */
void mo_request_no_predecessor(void);
/* The control thread ends: threads that wait are told -EBUSY. */
void mo_request_end(void);

#endif
