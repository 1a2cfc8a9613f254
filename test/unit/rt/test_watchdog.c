/* Promises of the watchdog: rt/watchdog.h. */
#include "rt_unit.h"

#include <pthread.h>
#include <semaphore.h>

#include "rt/park.h"
#include "rt/watchdog.h"

#define LIMIT 100
#define PATIENT 500 /* for what is not to be found: a busy machine keeps a loop waiting, too */

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

static int start_with(molt_time limit)
{
	log_text[0] = '\0';
	molt_log_set_sink(take_line, NULL);
	before = mo_watchdog_incidents();
	loop = mo_loop_new(1);
	if (mo_loop_start(loop, "watched") < 0)
		return -1;
	return mo_watchdog_start(&loop, 1, limit);
}

static int start(void **state)
{
	return start_with(LIMIT);
}

static int start_patient(void **state)
{
	return start_with(PATIENT);
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

static sem_t blocked, watched;

static void wait_for(sem_t *s)
{
	while (sem_wait(s) < 0)
		continue;
}

/* On the loop, which stands still from here until the watchdog has said so. */
static void be_found(void)
{
	sem_post(&blocked);
	wait_for(&watched);
	(void)comes(" blocked for ");
}

/* Returns when fn stands still in be_found() or so.  The watchdog begins anew then: on a busy
 * machine the loop's thread may have stood still for long before. */
static void watch_it_block(bool (*put)(mo_loop *, void (*)(void *), void *), void (*fn)(void *))
{
	sem_init(&blocked, 0, 0);
	sem_init(&watched, 0, 0);
	assert_true(put(loop, fn, NULL));
	wait_for(&blocked);
	mo_watchdog_stop();
	pthread_mutex_lock(&log_lock);
	log_text[0] = '\0';
	pthread_mutex_unlock(&log_lock);
	before = mo_watchdog_incidents();
	assert_int_equal(mo_watchdog_start(&loop, 1, LIMIT), 0);
	sem_post(&watched);
}

static void blocks(void *arg)
{
	mo_co_set_name(mo_co_self(), "GET /report");
	be_found();
}

static void a_coroutine_that_blocks_is_named_once(void **state)
{
	watch_it_block(mo_loop_spawn, blocks);
	assert_true(comes("loop 1 goes on after "));
	assert_int_equal(seen(), 1);
	assert_true(logged("loop 1 blocked for "));
	assert_true(logged(" by route GET /report; use molt_block() or .blocking"));
}

static void waits_in_the_library(void *arg)
{
	mo_co_set_name(mo_co_self(), "GET /static");
	mo_loop_inside("reads a file");
	be_found();
	mo_loop_inside(NULL);
}

static void the_library_is_named_where_it_waits_itself(void **state)
{
	watch_it_block(mo_loop_spawn, waits_in_the_library);
	assert_true(comes("loop 1 goes on after "));
	assert_true(logged(": the library reads a file for route GET /static; the file system is "
			   "slow"));
	assert_false(logged("molt_block()"));
}

static void blocks_callback(void *arg)
{
	be_found();
}

/* Posts run in libuv's poll phase, where no own hook says that it is over. */
static void a_callback_that_blocks_is_found(void **state)
{
	watch_it_block(mo_loop_post, blocks_callback);
	assert_true(comes("goes on after "));
	assert_int_equal(seen(), 1);
	assert_true(logged("outside any route"));
}

static void spins(void *arg)
{
	molt_time start;

	sem_post(&blocked);
	wait_for(&watched);
	start = mo_now();
	while (!logged(" blocked for ") && mo_now() - start < 10000)
		;
}

static void a_callback_that_computes_is_found(void **state)
{
	watch_it_block(mo_loop_post, spins);
	assert_true(comes("goes on after "));
	assert_int_equal(seen(), 1);
}

/* ---- no false alarm ----------------------------------------------------- */

static void a_loop_that_sleeps_is_not_blocked(void **state)
{
	block_ms(2 * PATIENT);
	assert_int_equal(seen(), 0);
}

static void parks_often(void *arg)
{
	for (int i = 0; i < 16; i++)
		mo_co_sleep(PATIENT / 8);
}

static void a_coroutine_that_parks_is_not_blocked(void **state)
{
	mo_loop_spawn(loop, parks_often, NULL);
	block_ms(2 * PATIENT);
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
	static int left = 500000;

	mo_loop_post(loop, turns, &left);
	block_ms(2 * PATIENT);
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
		cmocka_unit_test_setup_teardown(the_library_is_named_where_it_waits_itself, start,
						end),
		cmocka_unit_test_setup_teardown(a_callback_that_blocks_is_found, start, end),
		cmocka_unit_test_setup_teardown(a_callback_that_computes_is_found, start, end),
		cmocka_unit_test_setup_teardown(a_loop_that_sleeps_is_not_blocked, start_patient,
						end),
		cmocka_unit_test_setup_teardown(a_coroutine_that_parks_is_not_blocked,
						start_patient, end),
		cmocka_unit_test_setup_teardown(a_busy_loop_that_turns_is_not_blocked,
						start_patient, end),
		cmocka_unit_test_setup_teardown(a_second_watchdog_is_refused, start, end),
		cmocka_unit_test_setup_teardown(it_can_be_stopped_twice_and_started_again, start,
						end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
