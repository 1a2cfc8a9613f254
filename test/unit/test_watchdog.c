/* Promises of the watchdog: rt/watchdog.h. */
#include "rt_unit.h"

#include <pthread.h>

#include "rt/park.h"
#include "rt/watchdog.h"

#define LIMIT 100

static pthread_mutex_t log_lock = PTHREAD_MUTEX_INITIALIZER;
static char log_text[8192];

static void take_line(void *arg, enum molt_level level, const char *line)
{
	pthread_mutex_lock(&log_lock);
	strncat(log_text, line, sizeof(log_text) - strlen(log_text) - 2);
	strcat(log_text, "\n");
	pthread_mutex_unlock(&log_lock);
}

static bool logged(const char *words)
{
	bool found;

	pthread_mutex_lock(&log_lock);
	found = strstr(log_text, words) != NULL;
	pthread_mutex_unlock(&log_lock);
	return found;
}

static void block_ms(long ms)
{
	struct timespec t = { ms / 1000, ms % 1000 * 1000000 };

	nanosleep(&t, NULL);
}

/* Until words were logged, at most ten seconds. */
static bool comes(const char *words)
{
	for (int i = 0; i < 1000 && !logged(words); i++)
		block_ms(10);
	return logged(words);
}

static mo_loop *loop;
static unsigned long before;

static int start(void **state)
{
	log_text[0] = '\0';
	molt_log_set_sink(take_line, NULL);
	before = mo_watchdog_incidents();
	loop = mo_loop_new(1);
	if (mo_loop_start(loop, "watched") < 0)
		return -1;
	return mo_watchdog_start(&loop, 1, LIMIT);
}

static int end(void **state)
{
	mo_watchdog_stop();
	mo_loop_free(loop);
	molt_log_set_sink(NULL, NULL);
	return 0;
}

static unsigned long seen(void)
{
	return mo_watchdog_incidents() - before;
}

/* ---- blocking ----------------------------------------------------------- */

static void blocks(void *arg)
{
	mo_co_set_name(mo_co_self(), "GET /report");
	block_ms(4 * LIMIT);
}

static void a_coroutine_that_blocks_is_named_once(void **state)
{
	mo_loop_spawn(loop, blocks, NULL);
	assert_true(comes("loop 1 goes on after "));
	assert_int_equal(seen(), 1);
	assert_true(logged("loop 1 blocked for "));
	assert_true(logged(" by route GET /report; use molt_block() or .blocking"));
}

static void waits_in_the_library(void *arg)
{
	mo_co_set_name(mo_co_self(), "GET /static");
	mo_loop_inside("reads a file");
	block_ms(4 * LIMIT);
	mo_loop_inside(NULL);
}

static void the_library_is_named_where_it_waits_itself(void **state)
{
	mo_loop_spawn(loop, waits_in_the_library, NULL);
	assert_true(comes("loop 1 goes on after "));
	assert_true(logged(": the library reads a file for route GET /static; the file system is "
			   "slow"));
	assert_false(logged("molt_block()"));
}

static void blocks_callback(void *arg)
{
	block_ms(4 * LIMIT);
}

/* Posts run in libuv's poll phase, where no own hook says that it is over. */
static void a_callback_that_blocks_is_found(void **state)
{
	mo_loop_post(loop, blocks_callback, NULL);
	assert_true(comes("goes on after "));
	assert_int_equal(seen(), 1);
	assert_true(logged("outside any route"));
}

static void spins(void *arg)
{
	molt_time start = mo_now();

	while (mo_now() - start < 4 * LIMIT)
		;
}

static void a_callback_that_computes_is_found(void **state)
{
	mo_loop_post(loop, spins, NULL);
	assert_true(comes("goes on after "));
	assert_int_equal(seen(), 1);
}

/* ---- no false alarm ----------------------------------------------------- */

static void a_loop_that_sleeps_is_not_blocked(void **state)
{
	block_ms(4 * LIMIT);
	assert_int_equal(seen(), 0);
}

static void parks_often(void *arg)
{
	for (int i = 0; i < 16; i++)
		mo_co_sleep(LIMIT / 4);
}

static void a_coroutine_that_parks_is_not_blocked(void **state)
{
	mo_loop_spawn(loop, parks_often, NULL);
	block_ms(4 * LIMIT);
	assert_int_equal(seen(), 0);
}

static void turns(void *arg)
{
	int *left = arg;

	if (--*left > 0)
		mo_loop_post(loop, turns, left);
}

static void a_busy_loop_that_turns_is_not_blocked(void **state)
{
	static int left = 50000;

	mo_loop_post(loop, turns, &left);
	block_ms(4 * LIMIT);
	assert_int_equal(seen(), 0);
}

/* ---- set-up ------------------------------------------------------------- */

static void a_second_watchdog_is_refused(void **state)
{
	assert_int_equal(mo_watchdog_start(&loop, 1, LIMIT), -EALREADY);
}

static void it_can_be_stopped_twice_and_started_again(void **state)
{
	mo_watchdog_stop();
	mo_watchdog_stop();
	assert_int_equal(mo_watchdog_start(&loop, 0, LIMIT), -EINVAL);
	assert_int_equal(mo_watchdog_start(&loop, 1, 0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_coroutine_that_blocks_is_named_once, start, end),
		cmocka_unit_test_setup_teardown(the_library_is_named_where_it_waits_itself, start, end),
		cmocka_unit_test_setup_teardown(a_callback_that_blocks_is_found, start, end),
		cmocka_unit_test_setup_teardown(a_callback_that_computes_is_found, start, end),
		cmocka_unit_test_setup_teardown(a_loop_that_sleeps_is_not_blocked, start, end),
		cmocka_unit_test_setup_teardown(a_coroutine_that_parks_is_not_blocked, start, end),
		cmocka_unit_test_setup_teardown(a_busy_loop_that_turns_is_not_blocked, start, end),
		cmocka_unit_test_setup_teardown(a_second_watchdog_is_refused, start, end),
		cmocka_unit_test_setup_teardown(it_can_be_stopped_twice_and_started_again, start,
						end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
