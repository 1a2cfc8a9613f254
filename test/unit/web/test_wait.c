/* Waiting and memory outside handlers and in coroutines; test_group has the pool. */
#include "unit.h"

#include <errno.h>
#include <semaphore.h>

#include "base/clock.h"
#include "base/mem.h"
#include "fake_req.h"
#include "rt/co.h"
#include "rt/loop.h"
#include "rt/pool.h"

static void set_flag(void *arg)
{
	*(bool *)arg = true;
}

static void outside_handlers_sleeping_blocks_and_blocking_calls(void **state)
{
	molt_time start = mo_now();
	bool called = false;

	assert_int_equal(molt_sleep(30), 0);
	assert_true(mo_now() - start >= 30);
	assert_int_equal(molt_sleep(0), 0);
	assert_int_equal(molt_sleep(-5), 0);
	assert_int_equal(molt_block(set_flag, &called), 0);
	assert_true(called);
	assert_int_equal(molt_wait_fd(0, false, 10), -EPERM);
}

/* What a coroutine saw. */
static struct {
	int readable, timeout, bad, slept, blocked, pool_slept, pool_waited;
	bool on_pool;
	molt_time took;
	sem_t done;
} seen;

static void sleep_on_pool(void *arg)
{
	seen.on_pool = mo_on_pool_thread();
	seen.pool_slept = molt_sleep(5);
	seen.pool_waited = molt_wait_fd(*(int *)arg, false, 5);
}

static void wait_in_coroutine(void *arg)
{
	int *pipes = arg;
	molt_time start = mo_now();

	seen.slept = molt_sleep(20);
	seen.took = mo_now() - start;
	seen.timeout = molt_wait_fd(pipes[0], false, 10);
	seen.blocked = molt_block(sleep_on_pool, &pipes[0]);
	if (write(pipes[1], "x", 1) == 1)
		seen.readable = molt_wait_fd(pipes[0], false, MOLT_FOREVER);
	seen.bad = molt_wait_fd(-1, true, 10);
	sem_post(&seen.done);
}

static void in_a_coroutine_waiting_parks(void **state)
{
	mo_loop *l = mo_loop_new(0);
	int pipes[2];

	seen.readable = 1;
	sem_init(&seen.done, 0, 0);
	assert_int_equal(pipe(pipes), 0);
	assert_int_equal(mo_loop_start(l, "test"), 0);
	assert_true(mo_loop_spawn(l, wait_in_coroutine, pipes));
	uninterrupted(sem_wait(&seen.done));
	mo_loop_stop(l);
	mo_loop_free(l);
	mo_pool_fini();
	sem_destroy(&seen.done);
	close(pipes[0]);
	close(pipes[1]);
	assert_int_equal(seen.slept, 0);
	assert_true(seen.took >= 20);
	assert_int_equal(seen.timeout, -ETIMEDOUT);
	assert_int_equal(seen.readable, 0);
	assert_int_equal(seen.bad, -EBADF);
	assert_int_equal(seen.blocked, 0);
	assert_true(seen.on_pool);
	assert_int_equal(seen.pool_slept, 0);
	assert_int_equal(seen.pool_waited, -ETIMEDOUT);
}

static char order[8];

static void note(void *arg)
{
	strcat(order, arg);
}

static void memory_lives_as_long_as_the_request(void **state)
{
	molt_server *s = fake_server();
	fake *f = fake_get(s, "/");
	char *p = molt_alloc(&f->r, 100000), first[] = "1", second[] = "2";

	for (int i = 0; i < 100000; i++)
		assert_int_equal(p[i], 0);
	assert_string_equal(molt_strdup(&f->r, "abc"), "abc");
	assert_null(molt_strdup(&f->r, NULL));
	assert_string_equal(molt_fmt(&f->r, "%d-%s", 1, "x"), "1-x");
	molt_defer(&f->r, note, first);
	molt_defer(&f->r, note, second);
	fake_free(f);
	assert_string_equal(order, "21");
	fake_server_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(outside_handlers_sleeping_blocks_and_blocking_calls),
		cmocka_unit_test(in_a_coroutine_waiting_parks),
		cmocka_unit_test(memory_lives_as_long_as_the_request),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
