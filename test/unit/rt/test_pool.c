/* Promises of the pool of threads: rt/pool.h. */
#include "rt_unit.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <time.h>

#include "rt/park.h"
#include "rt/pool.h"

static void block_ms(long ms)
{
	struct timespec t = { ms / 1000, ms % 1000 * 1000000 };

	nanosleep(&t, NULL);
}

static int forget_pool(void **state)
{
	mo_pool_fini();
	mo_pool_set_limit(64);
	return 0;
}

/* ---- running ------------------------------------------------------------ */

static void on_pool(void *arg)
{
	char name[16];
	sigset_t mask;

	assert_true(mo_on_pool_thread());
	assert_null(mo_loop_self());
	assert_null(mo_co_self());
	pthread_getname_np(pthread_self(), name, sizeof(name));
	assert_string_equal(name, "molt-pool");
	pthread_sigmask(SIG_SETMASK, NULL, &mask);
	assert_int_equal(sigismember(&mask, SIGTERM), 1);
	block_ms(20);
	*(bool *)arg = true;
}

static void runs_one(void *arg)
{
	bool ran = false;

	assert_false(mo_on_pool_thread());
	assert_int_equal(mo_pool_run(on_pool, &ran), 0);
	assert_true(ran);
	assert_non_null(mo_co_self());
	*(bool *)arg = ran;
}

static void a_call_runs_on_a_pool_thread_and_returns_when_done(void **state)
{
	bool ran = false;

	run_co(runs_one, &ran);
	assert_true(ran);
}

#define WAIT_MS 20000

/* Calls that stay until all have come: as many as may run do, the others wait. */
typedef struct crowd {
	atomic_int now, most, done, missed;
	int calls, together;
	atomic_bool met;
	mo_pool_state state; /* when they had met */
} crowd;

static void crowd_met(crowd *c, const mo_pool_state *s)
{
	if (!atomic_exchange(&c->met, true))
		c->state = *s;
}

static void busy_call(void *arg)
{
	crowd *c = arg;
	int now = atomic_fetch_add(&c->now, 1) + 1, most = atomic_load(&c->most);
	molt_time until = mo_deadline(WAIT_MS);

	while (now > most && !atomic_compare_exchange_weak(&c->most, &most, now))
		;
	while (!atomic_load(&c->met) && mo_now() < until) {
		mo_pool_state s = mo_pool_state_now();

		if (atomic_load(&c->now) >= c->together && s.queued == c->calls - c->together)
			crowd_met(c, &s);
		else
			block_ms(1);
	}
	if (!atomic_load(&c->met))
		atomic_fetch_add(&c->missed, 1);
	atomic_fetch_sub(&c->now, 1);
	atomic_fetch_add(&c->done, 1);
}

static void runs_busy(void *arg)
{
	assert_int_equal(mo_pool_run(busy_call, arg), 0);
}

static void run_crowd(crowd *c, int limit)
{
	mo_loop *l = mo_loop_new(0);

	mo_pool_set_limit(limit);
	for (int i = 0; i < c->calls; i++)
		mo_loop_spawn(l, runs_busy, c);
	mo_loop_stop(l);
	mo_loop_run(l);
	mo_loop_free(l);
	assert_int_equal(atomic_load(&c->done), c->calls);
	assert_int_equal(atomic_load(&c->missed), 0);
	assert_int_equal(atomic_load(&c->most), c->together);
	assert_int_equal(c->state.threads, c->together);
	assert_int_equal(c->state.busy, c->together);
}

static void calls_run_side_by_side(void **state)
{
	crowd c = { .calls = 16, .together = 16 };

	run_crowd(&c, 64);
}

static void no_more_threads_than_the_limit_and_the_rest_waits_in_line(void **state)
{
	crowd c = { .calls = 20, .together = 3 };

	run_crowd(&c, 3);
}

/* ---- shares of names ------------------------------------------------------ */

static struct {
	sem_t quick;      /* posted once by the quick call, for each slow one */
	atomic_int begun; /* slow calls that have a thread */
	atomic_int met, missed, refused;
	int slow;
	mo_pool_state state;
} names;

/* Ends when a quick call has run meanwhile. */
static void slow_call(void *arg)
{
	struct timespec until;

	atomic_fetch_add(&names.begun, 1);
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += 20;
	atomic_fetch_add(sem_timedwait(&names.quick, &until) == 0 ? &names.met : &names.missed, 1);
}

static void runs_slow(void *arg)
{
	int err;

	mo_co_set_name(mo_co_self(), "slow");
	err = mo_pool_run(slow_call, NULL);
	assert_true(err == 0 || err == -EBUSY);
	if (err)
		atomic_fetch_add(&names.refused, 1);
}

static void quick_call(void *arg)
{
	names.state = mo_pool_state_now();
	for (int i = 0; i < names.slow; i++)
		sem_post(&names.quick);
}

static void runs_quick(void *arg)
{
	int *most = arg;

	mo_co_set_name(mo_co_self(), "quick");
	while (atomic_load(&names.begun) < *most)
		mo_co_sleep(1);
	assert_int_equal(mo_pool_run(quick_call, NULL), 0);
}

/* slow calls of one name, and when most of them run, a quick one of another. */
static void run_names(int threads, int queue, int slow, int most)
{
	mo_loop *l = mo_loop_new(0);

	memset(&names, 0, sizeof(names));
	sem_init(&names.quick, 0, 0);
	names.slow = slow;
	mo_pool_ask(threads, queue);
	for (int i = 0; i < slow; i++)
		mo_loop_spawn(l, runs_slow, NULL);
	mo_loop_spawn(l, runs_quick, &most);
	mo_loop_stop(l);
	mo_loop_run(l);
	mo_loop_free(l);
	sem_destroy(&names.quick);
	assert_int_equal(atomic_load(&names.missed), 0);
}

static void a_name_leaves_threads_to_the_others(void **state)
{
	run_names(4, 100, 20, 3);
	assert_int_equal(atomic_load(&names.met), 20);
	assert_int_equal(names.state.limit, 4);
	assert_int_equal(names.state.busy, 4); /* three of them, and the quick one */
	assert_int_equal(names.state.queued, 17);
	assert_int_equal(mo_pool_state_now().queued, 0);
}

static void calls_over_the_limit_of_a_name_are_refused(void **state)
{
	uint64_t before = mo_pool_state_now().refused;

	run_names(4, 5, 20, 3);
	assert_true(mo_pool_retry_after() >= 1);
	assert_int_equal(atomic_load(&names.refused), 12); /* 3 run, 5 wait */
	assert_int_equal(atomic_load(&names.met) + atomic_load(&names.refused), 20);
	assert_int_equal(mo_pool_state_now().refused - before, atomic_load(&names.refused));
}

static void the_largest_that_was_asked_for_counts(void **state)
{
	mo_pool_ask(2, 10);
	assert_int_equal(mo_pool_state_now().limit, 2);
	mo_pool_ask(8, 4);
	assert_int_equal(mo_pool_state_now().limit, 8);
	assert_int_equal(mo_pool_state_now().queue_limit, 10);
	mo_pool_ask(1, 20);
	assert_int_equal(mo_pool_state_now().limit, 8);
	assert_int_equal(mo_pool_state_now().queue_limit, 20);
}

static struct {
	atomic_int turns;
	atomic_bool done;
} turning;

/* Ends when the loop has gone on. */
static void until_turns(void *arg)
{
	molt_time until = mo_deadline(WAIT_MS);

	while (atomic_load(&turning.turns) < 3 && mo_now() < until)
		block_ms(1);
	*(bool *)arg = atomic_load(&turning.turns) >= 3;
	atomic_store(&turning.done, true);
}

static void runs_until_turns(void *arg)
{
	assert_int_equal(mo_pool_run(until_turns, arg), 0);
}

static void counts_turns(void *arg)
{
	while (!atomic_load(&turning.done)) {
		atomic_fetch_add(&turning.turns, 1);
		mo_co_sleep(1);
	}
}

static void the_loop_goes_on_meanwhile(void **state)
{
	mo_loop *l = mo_loop_new(0);
	bool went_on = false;

	mo_loop_spawn(l, runs_until_turns, &went_on);
	mo_loop_spawn(l, counts_turns, NULL);
	mo_loop_stop(l);
	mo_loop_run(l);
	mo_loop_free(l);
	assert_true(went_on);
}

static void deep_call(void *arg)
{
	volatile char hole[700 << 10];

	memset((void *)hole, 1, sizeof(hole));
	*(bool *)arg = hole[1000] == 1;
}

static void runs_deep(void *arg)
{
	assert_int_equal(mo_pool_run(deep_call, arg), 0);
}

static void pool_threads_have_a_large_stack(void **state)
{
	bool ran = false;

	run_co(runs_deep, &ran);
	assert_true(ran);
}

/* ---- back to the loop --------------------------------------------------- */

typedef struct call {
	mo_co *co;
	mo_loop *loop;
	int ops;
} call;

static void op_on_loop(void *arg)
{
	call *c = arg;

	assert_false(mo_on_pool_thread());
	assert_ptr_equal(mo_loop_self(), c->loop);
	assert_ptr_equal(mo_co_self(), c->co);
	assert_int_equal(mo_co_sleep(1), 0);
	c->ops++;
}

static void nested_op(void *arg)
{
	mo_on_loop(op_on_loop, arg); /* already there: runs at once */
}

static void calls_back(void *arg)
{
	call *c = arg;

	for (int i = 0; i < 20; i++) {
		mo_on_loop(i % 2 ? op_on_loop : nested_op, c);
		assert_int_equal(c->ops, i + 1);
		assert_true(mo_on_pool_thread());
	}
}

static void runs_calls_back(void *arg)
{
	call c = { mo_co_self(), mo_loop_self(), 0 };

	assert_int_equal(mo_pool_run(calls_back, &c), 0);
	assert_int_equal(c.ops, 20);
	*(int *)arg += c.ops;
}

static void an_op_runs_in_the_coroutine_that_called_and_may_park(void **state)
{
	mo_loop *l = mo_loop_new(0);
	int ops = 0;

	assert_int_equal(mo_loop_start(l, "pool-test"), 0);
	for (int i = 0; i < 8; i++)
		mo_loop_spawn(l, runs_calls_back, &ops);
	mo_loop_stop(l);
	mo_loop_free(l);
	assert_int_equal(ops, 160);
}

static void set_true(void *arg)
{
	*(bool *)arg = true;
}

static void an_op_from_any_other_thread_runs_at_once(void **state)
{
	bool ran = false;

	mo_on_loop(set_true, &ran);
	assert_true(ran);
}

/* ---- when no thread can be had ------------------------------------------ */

static void runs_without_threads(void *arg)
{
	bool ran = false;

	*(int *)arg = mo_pool_run(set_true, &ran);
	assert_false(ran);
}

static void child_has_no_threads(void)
{
	struct rlimit none = { 0, 0 };
	int err = 0;

	/* Root is not held to RLIMIT_NPROC; nobody (65534) is. */
	if (geteuid() == 0 && setresuid(65534, 65534, 65534) < 0)
		_exit(1);
	setrlimit(RLIMIT_NPROC, &none);
	run_co(runs_without_threads, &err);
	if (err == -EAGAIN)
		abort(); /* what dies() looks for: the promise held */
}

static void without_any_thread_the_call_is_refused(void **state)
{
	assert_true(dies(child_has_no_threads));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_any_thread_the_call_is_refused),
		cmocka_unit_test(a_call_runs_on_a_pool_thread_and_returns_when_done),
		cmocka_unit_test_teardown(calls_run_side_by_side, forget_pool),
		cmocka_unit_test_teardown(no_more_threads_than_the_limit_and_the_rest_waits_in_line,
					  forget_pool),
		cmocka_unit_test_teardown(a_name_leaves_threads_to_the_others, forget_pool),
		cmocka_unit_test_teardown(calls_over_the_limit_of_a_name_are_refused, forget_pool),
		cmocka_unit_test_teardown(the_largest_that_was_asked_for_counts, forget_pool),
		cmocka_unit_test(the_loop_goes_on_meanwhile),
		cmocka_unit_test(pool_threads_have_a_large_stack),
		cmocka_unit_test(an_op_runs_in_the_coroutine_that_called_and_may_park),
		cmocka_unit_test_teardown(an_op_from_any_other_thread_runs_at_once, forget_pool),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
