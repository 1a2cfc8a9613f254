/* What this process is: its generation, its neighbours' pids, its state, the host around
 * it; who wants to hear of events; whether its end has been asked for.
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
 * Always: it calls nobody else of this folder. */
#ifndef MO_GEN_SELF_H
#define MO_GEN_SELF_H

#include "gen/gen.h"

/* clang-format off */
enum mo_gen_state {
	MO_GEN_NEW, MO_GEN_SERVING, MO_GEN_RESTARTING, MO_GEN_DRAINING, MO_GEN_STOPPING,
	MO_GEN_ENDED
};
/* clang-format on */
const char *mo_gen_state_name(enum mo_gen_state s);

typedef struct mo_gen_info {
	enum mo_gen_state state;
	unsigned generation;
	int predecessor_pid;    /* 0: none */
	bool predecessor_alive; /* it still drains */
	int successor_pid;      /* 0: none; while RESTARTING or DRAINING */
	molt_time since;        /* start of this process, monotonic ms */
} mo_gen_info;
void mo_self_info(mo_gen_info *out);   /* [any] */
unsigned mo_self_generation(void);     /* [any] */
enum mo_gen_state mo_self_state(void); /* [any] */
const mo_gen_host *mo_self_host(void); /* NULL before the start */
/* Has this process begun to end, or to leave the service to another one?  [any] */
bool mo_self_ends(void);

/* The rest on the control thread. */
void mo_self_set_state(enum mo_gen_state s);
void mo_self_set_identity(unsigned generation, int predecessor_pid, bool alive);
void mo_self_set_successor(int pid);
/* From SERVING to DRAINING, for the predecessor; false: not now. */
bool mo_self_withdraw(void);
void mo_self_fire(enum molt_event e); /* to those who have called molt_on() */
/* A shutdown is asked for: the how-manieth time; how often it was. */
unsigned mo_self_ask_shutdown(void);
unsigned mo_self_shutdowns(void);
bool mo_self_shutdown_asked(void); /* at least once */

/* For the engine: the first start of servers; ENDED, and who waits for that; servers may
 * be started once more. */
void mo_self_begin(const mo_gen_host *host);
void mo_self_end(int result);
int mo_self_await_end(void); /* the result */
void mo_self_begin_anew(void);

#endif
