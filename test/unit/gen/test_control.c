/* What other threads may call while molt_wait() ends, and afterwards (src/gen/control.c):
 * they reach the control thread, or are told that it is gone. */
#include "unit.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>

#include "base/str.h"
#include "gen/control.h"
#include "gen/engine/engine.h"
#include "gen/engine/restart_request.h"
#include "gen/receipt/receipt.h"
#include "gen/transfer/event_bus.h"

#define ROUNDS 40
#define CALLERS 3

static void event(struct mo_event *e)
{
	(void)e;
}

static mo_rate answered(void)
{
	return (mo_rate){ 0 };
}

static const mo_gen_host host = { .event = event, .answered = answered };

static _Atomic bool ending;
static _Atomic unsigned reached, gone;

static void *call(void *unused)
{
	while (!atomic_load(&ending)) {
		mo_event *e = mo_event_new(MO_STR("t"), MO_STR("n"), MO_STR("1"), MO_STR("d"));

		if (mo_event_bus_publish(e)) {
			atomic_fetch_add(&reached, 1);
		} else {
			atomic_fetch_add(&gone, 1);
			mo_event_unref(e);
		}
		mo_control_poke();
		/* There is nothing to go back to; or nobody to ask. */
		assert_true(mo_request_rollback("a thread") < 0);
		json_decref(mo_receipts_all());
	}
	return NULL;
}

/* So many more as there are now. */
static void await_more(_Atomic unsigned *count)
{
	unsigned now = atomic_load(count);

	while (atomic_load(count) < now + CALLERS)
		sched_yield();
}

int __real_mo_loop_start(mo_loop *l, const char *name);
int __wrap_mo_loop_start(mo_loop *l, const char *name);

static int start_result; /* of the next one; 0: as it is */

int __wrap_mo_loop_start(mo_loop *l, const char *name)
{
	int rc = start_result;

	start_result = 0;
	return rc ? rc : __real_mo_loop_start(l, name);
}

static void post_it(void *done)
{
	sem_post(done);
}

/* Threads can be scarce for a moment. */
static void a_start_that_fails_leaves_nothing_and_the_next_one_works(void **state)
{
	sem_t done;

	sem_init(&done, 0, 0);
	start_result = -EAGAIN;
	assert_int_equal(mo_engine_start(&host), -EAGAIN);
	assert_false(mo_control_post(post_it, &done));
	assert_int_equal(mo_engine_start(&host), 0);
	assert_true(mo_control_post(post_it, &done));
	while (sem_wait(&done) < 0)
		continue;
	mo_engine_stop();
	sem_destroy(&done);
}

static void any_thread_may_call_while_the_control_thread_ends(void **state)
{
	pthread_t callers[CALLERS];

	for (int i = 0; i < CALLERS; i++)
		assert_int_equal(pthread_create(&callers[i], NULL, call, NULL), 0);
	for (int i = 0; i < ROUNDS; i++) {
		assert_int_equal(mo_engine_start(&host), 0);
		await_more(&reached);
		mo_engine_stop();
		await_more(&gone);
	}
	atomic_store(&ending, true);
	for (int i = 0; i < CALLERS; i++)
		pthread_join(callers[i], NULL);
}

static void afterwards_each_says_that_nobody_is_there(void **state)
{
	assert_int_equal(mo_engine_shutdown(), -EINVAL);
	assert_int_equal(mo_request_restart(NULL), -ENOTSUP);
	assert_int_equal(mo_request_rollback("a thread"), -ENOENT);
	assert_false(mo_control_post(NULL, NULL));
	mo_control_poke();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_start_that_fails_leaves_nothing_and_the_next_one_works),
		cmocka_unit_test(any_thread_may_call_while_the_control_thread_ends),
		cmocka_unit_test(afterwards_each_says_that_nobody_is_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
