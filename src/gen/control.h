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
 *   ENDED       molt_wait() has returned           NEW: servers may be started
 *                                                  once more
 *
 * Who may ask for what, and hears what: request.h.
 *
 * Always: one restart at a time. */
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
/* NULL before start.  For the control thread itself, and for who is gone before it. */
mo_loop *mo_control_loop(void);
/* As mo_loop_post() and mo_loop_spawn(), at any time: false before the start and from the
 * end of molt_wait() on. [any] */
bool mo_control_post(void (*fn)(void *arg), void *arg);
bool mo_control_spawn(void (*fn)(void *arg), void *arg);
/* 0: another thread's call can wait for it; -EDEADLK: it is the caller; -ENOTSUP. [any] */
int mo_control_reachable(void);
const mo_gen_host *mo_control_host(void);

/* A server accepts, and no switch was needed: the first generation serves from
 * its first one on. */
void mo_control_serving(void);

int mo_control_shutdown(void);		 /* [any] */
int mo_control_wait(void);		 /* see molt_wait(); not in a handler */
void mo_control_stop(void);		 /* ends the thread; after wait; tests */
/* Has this process begun to end, or to leave the service to another one?  [any] */
bool mo_control_ends(void);

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
enum mo_gen_state mo_control_state(void); /* [any] */
void mo_control_end(int result); /* ENDED: wait() returns result */
void mo_control_run_stop(void *unused); /* a coroutine: STOPPING, from its drain to the end */
void mo_control_shutdown_now(void *unused); /* somebody asked */
void mo_control_set_state(enum mo_gen_state s);
void mo_control_set_identity(unsigned generation, int predecessor_pid, bool alive);
void mo_control_set_successor(int pid);
/* From SERVING to DRAINING, for the predecessor; false: not now. */
bool mo_control_withdraw(void);
bool mo_control_shutdown_asked(void); /* how often: at least once */
unsigned mo_control_shutdown_count(void);
void mo_control_fire(enum molt_event e);
/* Sleeps in a coroutine of the control loop, but not past the next request to
 * shut down or the next poke; one that came since the last nap ends it at once. */
void mo_control_nap(molt_time ms);
void mo_control_wake(void); /* ends a nap, or the next one */
/* Wakes the napping coroutine: a connection became movable.  [any] */
void mo_control_poke(void);

#endif
