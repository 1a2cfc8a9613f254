/* The control thread: one loop of its own, on which everything of a restart runs; each
 * piece of work (a restart, a drain) is a coroutine there, so it reads from top to bottom.
 * This file is the way to the loop, and the nap of who waits there.  What the process is:
 * self.h.  Who starts the loop and what runs on it: engine.h.
 *
 * Always: it calls nobody else of this folder. */
#ifndef MO_GEN_CONTROL_H
#define MO_GEN_CONTROL_H

#include "rt/loop.h"

/* NULL before start.  For the control thread itself, and for who is gone before it. */
mo_loop *mo_control_loop(void);
/* As mo_loop_post() and mo_loop_spawn(), at any time: false before the start and from the
 * end of molt_wait() on. [any] */
bool mo_control_post(void (*fn)(void *arg), void *arg);
bool mo_control_spawn(void (*fn)(void *arg), void *arg);
/* 0: another thread's call can wait for it; -EDEADLK: it is the caller; -ENOTSUP. [any] */
int mo_control_reachable(void);

/* Sleeps in a coroutine of the control loop, but not past the next request to
 * shut down or the next poke; one that came since the last nap ends it at once. */
void mo_control_nap(molt_time ms);
void mo_control_wake(void);  /* ends a nap, or the next one */
void mo_control_rouse(void); /* ends a nap, if there is one */
/* Wakes the napping coroutine: a connection became movable.  [any] */
void mo_control_poke(void);

/* For the engine.  The loop runs; it takes nothing more; it has ended. */
void mo_control_open(mo_loop *l);
void mo_control_close(void);
void mo_control_forget(void);

#endif
