/* Promises of base/clock.h. */
#include "unit.h"

#include <time.h>

#include "base/clock.h"

static void the_clock_never_goes_back_and_is_never_zero(void **state)
{
	molt_time last = mo_now();

	assert_true(last > 0);
	for (int i = 0; i < 100000; i++) {
		molt_time now = mo_now();

		assert_true(now >= last);
		last = now;
	}
}

static void the_clock_counts_milliseconds(void **state)
{
	const struct timespec nap = { .tv_nsec = 30 * 1000000 };
	molt_time before = mo_now();

	nanosleep(&nap, NULL);
	assert_int_in_range((uint64_t)(mo_now() - before), 29, 10000);
}

static void the_wall_clock_is_the_systems_date(void **state)
{
	molt_time wall = mo_wall();

	assert_int_in_range((uint64_t)(time(NULL) - wall / 1000 + 1), 0, 3);
}

static void a_deadline_in_the_future_has_time_left(void **state)
{
	molt_time left = mo_left(mo_deadline(60000));

	assert_int_in_range((uint64_t)left, 50000, 60000);
}

static void a_deadline_in_the_past_has_none_left(void **state)
{
	assert_int_equal(mo_left(mo_now() - 1), 0);
	assert_int_equal(mo_left(mo_deadline(0)), 0);
	assert_int_equal(mo_left(1), 0);
}

static void for_ever_stays_for_ever(void **state)
{
	assert_true(mo_deadline(MOLT_FOREVER) == INT64_MAX);
	assert_int_equal(mo_left(mo_deadline(MOLT_FOREVER)), MOLT_FOREVER);
	assert_int_equal(mo_left(mo_deadline(INT64_MAX)), MOLT_FOREVER);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_clock_never_goes_back_and_is_never_zero),
		cmocka_unit_test(the_clock_counts_milliseconds),
		cmocka_unit_test(the_wall_clock_is_the_systems_date),
		cmocka_unit_test(a_deadline_in_the_future_has_time_left),
		cmocka_unit_test(a_deadline_in_the_past_has_none_left),
		cmocka_unit_test(for_ever_stays_for_ever),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
