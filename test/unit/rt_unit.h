/* For the tests of the rt layer: a loop on the test's own thread. */
#ifndef RT_UNIT_H
#define RT_UNIT_H

#include "unit.h"

#include <errno.h>

#include "base/clock.h"
#include "rt/loop.h"

static inline void run_and_free(mo_loop *l)
{
	mo_loop_stop(l);
	mo_loop_run(l);
	mo_loop_free(l);
}

/* A loop with each of n functions as a coroutine, fns[i](arg); runs until these and all that
 * they started have ended, and frees the loop. */
static inline void run_cos(void (*const *fns)(void *arg), size_t n, void *arg)
{
	mo_loop *l = mo_loop_new(0);

	assert_non_null(l);
	for (size_t i = 0; i < n; i++)
		assert_true(mo_loop_spawn(l, fns[i], arg));
	run_and_free(l);
}
/* RUN_COS(arg, one, two, ...) */
#define RUN_COS(arg, ...)                                                                          \
	do {                                                                                       \
		void (*const fns_[])(void *) = { __VA_ARGS__ };                                    \
		run_cos(fns_, sizeof(fns_) / sizeof(fns_[0]), arg);                                \
	} while (0)

static inline void run_co(void (*fn)(void *arg), void *arg)
{
	run_cos(&fn, 1, arg);
}

/* The same with fn(arg) alone, as a callback of the loop. */
static inline void run_on_loop(void (*fn)(void *arg), void *arg)
{
	mo_loop *l = mo_loop_new(0);

	assert_non_null(l);
	assert_true(mo_loop_post(l, fn, arg));
	run_and_free(l);
}

#endif
