/* Coroutines with stacks of their own (stackful, symmetric to one resumer).
 *
 * Owner: the loop that made it; resume() from another thread is an invariant
 * broken.  A coroutine is never unwound: its function always runs to its
 * return.  Stacks are guarded below, reused last in first out.
 *
 *   state      who moves it
 *   NEW        mo_co_new
 *   RUNNING    mo_co_resume (by the owner's thread, not from inside a coroutine)
 *   PARKED     mo_co_yield (by itself)
 *   DONE       its function returned; the object went back to the pool
 */
#ifndef MO_RT_CO_H
#define MO_RT_CO_H

#include <stdbool.h>
#include <stddef.h>

typedef struct mo_co mo_co;
typedef struct mo_loop mo_loop;

/* A coroutine that will run fn(arg) when first resumed.  stack: bytes wanted
 * (0: 64 KiB), rounded up to a power of two, at least 16 KiB.  NULL when no
 * stack can be had (over 1 GiB, limits of the system): the caller refuses the
 * work. */
mo_co *mo_co_new(mo_loop *loop, size_t stack, void (*fn)(void *), void *arg);

/* Runs it until it yields or ends.  true: it ended, co is gone. */
bool mo_co_resume(mo_co *co);

/* Back to the resumer; returns when resumed again.  errno is kept. */
void mo_co_yield(void);

/* The one that runs on this thread, or NULL. */
mo_co *mo_co_self(void);
mo_loop *mo_co_loop(const mo_co *co);

/* A short text that the watchdog and the overflow report name.  Borrowed: it is
 * read by another thread, so it must live as long as the loop (a route's own
 * text does; a request's does not). */
void mo_co_set_name(mo_co *co, const char *name);
const char *mo_co_name(const mo_co *co); /* NULL when none */

#endif
