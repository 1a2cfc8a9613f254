/* Receipts: phases with times, outcomes, the last ones kept (src/gen/receipt.c). */
#include "unit.h"

#include "gen/receipt.h"
#include "gen/wire.h"

static void every_phase_is_listed_in_order_with_its_time(void **state)
{
	mo_receipt *r = mo_receipt_new(3, "/srv/app");
	json_t *phases;

	mo_receipt_phase(r, MO_PHASE_PREFLIGHT);
	mo_receipt_phase(r, MO_PHASE_SPAWN);
	mo_receipt_end(r, "failed", -10, "it exited with status 1");
	phases = json_object_get(r->body, "phases");
	assert_int_equal(json_array_size(phases), 3);
	assert_string_equal(mo_json_str(json_array_get(phases, 0), "phase"), "REQUEST");
	assert_string_equal(mo_json_str(json_array_get(phases, 2), "phase"), "SPAWN");
	assert_true(json_is_number(json_object_get(json_array_get(phases, 2), "ms")));
	assert_string_equal(mo_json_str(r->body, "outcome"), "failed");
	assert_string_equal(mo_json_str(r->body, "phase"), "SPAWN");
	assert_string_equal(mo_json_str(r->body, "reason"), "it exited with status 1");
	assert_string_equal(mo_json_str(r->body, "target"), "/srv/app");
	assert_int_equal(mo_json_int(r->body, "errno"), -10);
	mo_receipt_free(r);
}

static void the_newest_is_first_and_the_oldest_are_dropped(void **state)
{
	json_t *all;

	for (int i = 0; i < MO_RECEIPTS + 8; i++) {
		json_t *b = json_pack("{s:o, s:i}", "id", json_sprintf("r%d", i), "n", i);

		mo_receipts_put(b);
		json_decref(b);
	}
	all = mo_receipts_all();
	assert_int_equal(json_array_size(all), MO_RECEIPTS);
	assert_int_equal(mo_json_int(json_array_get(all, 0), "n"), MO_RECEIPTS + 7);
	json_decref(all);
}

static void a_receipt_put_again_replaces_its_former_state(void **state)
{
	json_t *b = json_pack("{s:s, s:i}", "id", "again", "n", 1), *all;
	size_t before;

	mo_receipts_put(b);
	all = mo_receipts_all();
	before = json_array_size(all);
	json_decref(all);
	json_object_set_new(b, "n", json_integer(2));
	mo_receipts_put(b);
	all = mo_receipts_all();
	assert_int_equal(json_array_size(all), before);
	assert_int_equal(mo_json_int(json_array_get(all, 0), "n"), 2);
	json_decref(all);
	json_decref(b);
}

/* They may hold a secret. */
static void last_lines_stay_until_the_next_receipt(void **state)
{
	json_t *a = json_pack("{s:s, s:[s]}", "id", "a", "last_lines", "password=x"), *all;
	json_t *b = json_pack("{s:s, s:[s]}", "id", "b", "last_lines", "password=y");

	mo_receipts_put(a);
	all = mo_receipts_all();
	assert_int_equal(json_array_size(json_object_get(json_array_get(all, 0), "last_lines")), 1);
	json_decref(all);
	mo_receipts_put(b);
	all = mo_receipts_all();
	assert_string_equal(mo_json_str(json_array_get(all, 1), "id"), "a");
	assert_null(json_object_get(json_array_get(all, 1), "last_lines"));
	assert_non_null(json_object_get(json_array_get(all, 0), "last_lines"));
	json_decref(all);
	json_decref(a);
	json_decref(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_phase_is_listed_in_order_with_its_time),
		cmocka_unit_test(the_newest_is_first_and_the_oldest_are_dropped),
		cmocka_unit_test(a_receipt_put_again_replaces_its_former_state),
		cmocka_unit_test(last_lines_stay_until_the_next_receipt),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
