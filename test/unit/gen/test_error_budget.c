/* Promises of gen/error_budget.c: when a new generation has spent its errors. */
#include "unit.h"

#include "gen/error_budget.h"

static const struct row {
	const char *what;
	int64_t share, min;
	mo_rate own, theirs;
	bool spent;
} rows[] = {
	{ "nothing answered", 20, 20, { 100, 0 }, { 0, 0 }, false },
	{ "no errors", 20, 20, { 100, 0 }, { 1000, 0 }, false },
	{ "all errors, too few answers", 20, 20, { 100, 0 }, { 19, 19 }, false },
	{ "all errors, enough answers", 20, 20, { 100, 0 }, { 20, 20 }, true },
	{ "exactly the share", 20, 20, { 100, 0 }, { 100, 20 }, false },
	{ "one above the share", 20, 20, { 100, 0 }, { 100, 21 }, true },
	{ "as many as the predecessor", 20, 20, { 1000, 500 }, { 1000, 500 }, false },
	{ "the predecessor failed always, too", 20, 20, { 50, 50 }, { 50, 50 }, false },
	{ "above its own by the share", 20, 20, { 1000, 300 }, { 1000, 501 }, true },
	{ "below that", 20, 20, { 1000, 300 }, { 1000, 499 }, false },
	{ "by chance in few answers", 20, 20, { 1000, 300 }, { 20, 18 }, false },
	{ "more than chance in few answers", 20, 20, { 1000, 300 }, { 20, 19 }, true },
	{ "an unknown predecessor counts as good", 20, 20, { 0, 0 }, { 40, 9 }, true },
	{ "fewer errors than before", 20, 20, { 1000, 900 }, { 1000, 100 }, false },
	{ "no budget", 0, 20, { 100, 0 }, { 1000, 1000 }, false },
	{ "share of 100 is never above", 100, 1, { 100, 0 }, { 1000, 1000 }, false },
	{ "one answer is enough when one is", 50, 1, { 0, 0 }, { 1, 1 }, true },
};

static void the_table_holds(void **state)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct row *r = &rows[i];
		mo_error_budget b = { r->share, r->min };

		if (mo_error_budget_spent(&b, r->own, r->theirs) != r->spent)
			fail_msg("%s: spent is not %d", r->what, r->spent);
	}
}

static void a_difference_of_counters_is_a_rate(void **state)
{
	mo_rate d = mo_rate_since((mo_rate){ 110, 7 }, (mo_rate){ 100, 2 });

	assert_int_equal(d.answers, 10);
	assert_int_equal(d.errors, 5);
	assert_true(mo_rate_share(d) == 50.0);
	assert_true(mo_rate_share((mo_rate){ 0, 0 }) == 0.0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_table_holds),
		cmocka_unit_test(a_difference_of_counters_is_a_rate),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
