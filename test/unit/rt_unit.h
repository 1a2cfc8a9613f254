/* For the tests of the rt layer: a loop on the test's own thread. */
#ifndef RT_UNIT_H
#define RT_UNIT_H

#include "unit.h"

#include <errno.h>

#include "base/clock.h"
#include "rt/loop.h"

/* A loop with fn(arg) as a coroutine; runs until that and all it started has
 * ended, and frees the loop. */
static inline void run_co(void (*fn)(void *arg), void *arg)
{
	mo_loop *l = mo_loop_new(0);

	assert_non_null(l);
	assert_true(mo_loop_spawn(l, fn, arg));
	mo_loop_stop(l);
	mo_loop_run(l);
	mo_loop_free(l);
}

/* The same with fn(arg) as a callback of the loop. */
static inline void run_on_loop(void (*fn)(void *arg), void *arg)
{
	mo_loop *l = mo_loop_new(0);

	assert_non_null(l);
	assert_true(mo_loop_post(l, fn, arg));
	mo_loop_stop(l);
	mo_loop_run(l);
	mo_loop_free(l);
}

#endif
