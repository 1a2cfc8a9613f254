/* The control thread: signals, requests to restart or shut down, the state of
 * this generation.  One loop of its own; each piece of work (a restart, a
 * drain) is a coroutine on it, so it reads from top to bottom.
 *
 *   state       event                              next
 *   NEW         first generation started           SERVING
 *   NEW         successor: commit, or the          SERVING
 *               predecessor died
 *   SERVING     restart asked                      RESTARTING
 *   RESTARTING  refused, failed (any phase)        SERVING
 *   RESTARTING  the successor serves               DRAINING
 *   RESTARTING  shutdown asked before commit       STOPPING (successor killed)
 *   SERVING     shutdown asked                     STOPPING
 *   NEW         shutdown asked                     STOPPING
 *   SERVING     the predecessor takes the service  DRAINING (withdraw.h)
 *               back
 *   DRAINING    the successor died, or we take     SERVING
 *               the service back
 *   DRAINING    taken back, but the predecessor    SERVING
 *               is gone
 *   DRAINING    last connection gone, or deadline  ENDED
 *   DRAINING    shutdown asked                     DRAINING, with the shutdown's
 *                                                  rule; asked again: cut
 *   STOPPING    last connection gone, or deadline, ENDED
 *               or shutdown asked again
 *
 * Always: one restart at a time; a request for the same target joins it and
 * gets its outcome; another target is -EBUSY. */
#ifndef MO_GEN_CONTROL_H
#define MO_GEN_CONTROL_H

#include "gen/gen.h"
#include "rt/loop.h"

enum mo_gen_state {
	MO_GEN_NEW, MO_GEN_SERVING, MO_GEN_RESTARTING, MO_GEN_DRAINING, MO_GEN_STOPPING,
	MO_GEN_ENDED
};

/* Starts the thread and takes the signals over; later calls do nothing. */
int mo_control_start(const mo_gen_host *host);
mo_loop *mo_control_loop(void); /* NULL before start */
const mo_gen_host *mo_control_host(void);

/* A server accepts, and no switch was needed: the first generation serves from
 * its first one on. */
void mo_control_serving(void);

int mo_control_restart(const char *exe); /* see molt_restart() [any] [parks] */
/* A process that is no child of ours takes over; owns t.  On the control thread. */
struct mo_taker;
void mo_control_take_over(struct mo_taker *t);
/* See molt_rollback(); by: who asks, for the receipt. [any] [parks] */
int mo_control_rollback(const char *by);
int mo_control_shutdown(void);		 /* [any] */
int mo_control_wait(void);		 /* see molt_wait(); not in a handler */
void mo_control_stop(void);		 /* ends the thread; after wait; tests */

typedef struct mo_gen_info {
	enum mo_gen_state state;
	unsigned generation;
	int predecessor_pid;	/* 0: none */
	bool predecessor_alive; /* it still drains */
	int successor_pid;	/* 0: none; while RESTARTING or DRAINING */
	molt_time since;	/* start of this process, monotonic ms */
} mo_gen_info;
void mo_control_info(mo_gen_info *out); /* [any] */
unsigned mo_control_generation(void); /* [any] */
const char *mo_gen_state_name(enum mo_gen_state s);

/* For the other files of gen, on the control thread. */
void mo_control_set_state(enum mo_gen_state s);
void mo_control_set_identity(unsigned generation, int predecessor_pid, bool alive);
void mo_control_set_successor(int pid);
/* From SERVING to DRAINING, for the predecessor; false: not now. */
bool mo_control_withdraw(void);
/* Who asked in this process for a rollback that has not ended; NULL: nobody. */
const char *mo_control_rollback_by(void);
/* It has ended so: for everybody who asked in this process. */
void mo_control_rolled_back(int result);
/* The predecessor has gone for good: who asked it to serve again hears so. */
void mo_control_no_predecessor(void);
bool mo_control_shutdown_asked(void); /* how often: at least once */
unsigned mo_control_shutdown_count(void);
void mo_control_fire(enum molt_event e);
/* Sleeps in a coroutine of the control loop, but not past the next request to
 * shut down or the next poke; one that came since the last nap ends it at once. */
void mo_control_nap(molt_time ms);
/* There may be something to do for who naps: a connection can move.  [any] */
void mo_control_poke(void);

#endif
