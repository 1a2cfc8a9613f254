/* The old side of a restart, from PREFLIGHT to END; one coroutine of the
 * control loop runs it from top to bottom.
 *
 *   phase      what happens                                   on failure
 *   PREFLIGHT  program, memory and descriptors are checked    refused
 *   SPAWN      exec by that descriptor                        refused
 *   OFFER      listeners, state, standard error are sent      killed
 *   INIT       the program starts up, deadline ready_timeout  killed
 *   READY      its report is checked                          killed
 *   PROBE      it answers the configured requests             killed
 *   SWITCH     loops stop accepting, commit, it serves (5 s)  killed, accept again
 *   HANDOVER   connections that can move are given            they end with their
 *                                                             next answer
 *   DRAIN      what runs is finished; what becomes movable    taken back: we serve
 *              is given; at least for the bake time we stay   again
 *              with the listeners open (rollback.c)
 *   END        the receipt is final and goes to the successor -
 *
 * Always: until the successor says that it serves, nothing of ours is closed;
 * on any failure it is killed and reaped before we accept again, or has stopped
 * accepting by itself, so there are never two owners.  One that is replaced itself says so before it commits, and
 * from then on we never come back. */
#ifndef MO_GEN_OLD_PREDECESSOR_H
#define MO_GEN_OLD_PREDECESSOR_H

#include "gen/gen.h"
#include "gen/wire/messages.h"

typedef struct mo_predecessor mo_predecessor;

struct mo_taker;

/* target: absolute path, or NULL: the file we were started from.  taker: who takes
 * over, in place of PREFLIGHT and SPAWN; owned from now on; or NULL.  back_by:
 * somebody who asks for the previous program, which is kept; or NULL. */
mo_predecessor *mo_predecessor_new(const mo_gen_host *host, const char *target,
				   struct mo_taker *taker, const char *back_by);
/* What the program prints is written to our log, but not into the receipt. */
void mo_predecessor_keep_quiet(mo_predecessor *p);
int mo_predecessor_run(mo_predecessor *p); /* 0: the successor serves */
/* true: this generation has ended.  false: the successor died, we serve again. */
bool mo_predecessor_drain(mo_predecessor *p);
/* Of a service that was taken back: 0, or -EADDRINUSE when a listener is missing. */
int mo_predecessor_back_result(const mo_predecessor *p);
/* We serve again: takes what a successor that lives gives back, until it has ended.
 * The next restart may run meanwhile. */
void mo_predecessor_receive(mo_predecessor *p);
void mo_predecessor_free(mo_predecessor *p);

/* Would this generation, which drains, serve again when asked? */
bool mo_predecessor_stands_by(void);
/* Does a successor that was rolled back still give connections back? */
bool mo_predecessor_receives(void);
/* One word to each of those; it may be lost. */
void mo_predecessor_say(enum mo_msg what);
/* "replaced", which may not: 0, or why one of them cannot be told.  [parks] */
int mo_predecessor_say_replaced(molt_time limit);
/* Ends what waits for them; by mo_engine_stop(). [any] */
void mo_predecessor_close(void);

#endif
