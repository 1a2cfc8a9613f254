/* Waiting inside a coroutine.
 *
 * A mo_park is one place where one coroutine waits; it usually lives in that
 * coroutine's stack or in an object of the same loop.  All calls are made on
 * the loop's thread, except those marked [any].
 *
 *   state     event          -> next     done
 *   EMPTY     mo_park_wait   -> WAITING  the coroutine yields
 *   EMPTY     mo_park_wake   -> WOKEN    remembered: the next wait returns at once
 *   WAITING   mo_park_wake   -> EMPTY    resumed with the given result
 *   WAITING   time out       -> EMPTY    resumed with -ETIMEDOUT
 *   WOKEN     mo_park_wake   -> WOKEN    the later result counts
 *   WOKEN     mo_park_wait   -> EMPTY    returns the result without yielding
 */
#ifndef MO_RT_PARK_H
#define MO_RT_PARK_H

#include "molt.h"
#include "rt/co.h"

typedef struct mo_park {
	mo_co *co; /* the waiter, or NULL */
	int result;
	bool woken;
} mo_park;

/* Waits until woken: the result given to mo_park_wake(); -ETIMEDOUT after
 * timeout ms (MOLT_FOREVER: none; as coarse as timer.h).  Only inside a coroutine. */
int mo_park_wait(mo_park *p, molt_time timeout);
/* Wakes it.  The waiter is resumed from the loop, not inside this call. */
void mo_park_wake(mo_park *p, int result);

/* Sleeps.  0, or what mo_co_cancel() gave. */
int mo_co_sleep(molt_time ms);
/* Waits for a descriptor: UV_READABLE and/or UV_WRITABLE.  The events that
 * came (> 0), -ETIMEDOUT, -EBADF, -EEXIST when the loop already watches it, or
 * what mo_co_cancel() gave. */
int mo_co_wait_fd(int fd, int events, molt_time timeout);

/* Makes the present and every later mo_co_sleep() and mo_co_wait_fd() of co
 * return result (<0) at once.  Parks are not touched. */
void mo_co_cancel(mo_co *co, int result);

#endif
