/* How long a program that was taken back is refused (gen/join/takeover.c). */
#include "unit.h"

#include <jansson.h>

#include "gen/join/takeover.h"

static const json_t *found;

static molt_time held(const json_t *all, const char *exe, const char *build, molt_time at)
{
	found = NULL;
	return mo_takeover_held(all, exe, build, at, &found);
}

static json_t *receipts(void)
{
	return json_pack("[{s:s, s:s}, {s:s, s:s, s:{s:s, s:i}}]", "target", "/app", "outcome",
			 "switched", "target", "/app", "outcome", "taken back", "taken_back",
			 "build", "b1", "at", 1000);
}

static void a_program_that_was_taken_back_is_refused_for_a_while(void **state)
{
	json_t *all = receipts();

	assert_int_equal(held(all, "/app", "b1", 1000), MO_TAKEOVER_HOLD);
	assert_ptr_equal(found, json_array_get(all, 1));
	assert_int_equal(held(all, "/app", "b1", 999 + MO_TAKEOVER_HOLD), 1);
	assert_int_equal(held(all, "/app", "b1", 1000 + MO_TAKEOVER_HOLD), 0);
	json_decref(all);
}

static void another_program_or_build_is_not(void **state)
{
	json_t *all = receipts();

	assert_int_equal(held(all, "/app", "b2", 1000), 0);
	assert_int_equal(held(all, "/other", "b1", 1000), 0);
	json_decref(all);
}

static void a_clock_that_was_set_back_refuses_nobody(void **state)
{
	json_t *all = receipts();

	assert_int_equal(held(all, "/app", "b1", 999), 0);
	json_decref(all);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_program_that_was_taken_back_is_refused_for_a_while),
		cmocka_unit_test(another_program_or_build_is_not),
		cmocka_unit_test(a_clock_that_was_set_back_refuses_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
