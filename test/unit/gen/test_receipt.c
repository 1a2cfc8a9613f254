/* Receipts: phases with times, outcomes, the last ones kept (src/gen/receipt/receipt.c). */
#include "unit.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "base/clock.h"
#include "gen/join/takeover.h"
#include "gen/receipt/receipt.h"
#include "gen/receipt/receipt_wire.h"
#include "gen/wire/wire.h"

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

static void a_reason_that_is_no_utf8_is_told_escaped(void **state)
{
	mo_receipt *r = mo_receipt_new(1, "/srv/app");

	mo_receipt_end(r, "failed", -ENOENT, "/srv/caf\xe9.pem: there is no such file");
	assert_string_equal(mo_json_str(r->body, "reason"),
			    "/srv/caf\\xe9.pem: there is no such file");
	mo_receipt_free(r);
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

static json_t *held_receipt(int n, molt_time at)
{
	return json_pack("{s:o, s:i, s:s, s:s, s:s, s:[s], s:{s:s, s:I}}", "id",
			 json_sprintf("held%d", n), "n", n, "target", "/app", "outcome",
			 "taken back", "reason", "killed", "last_lines", "secret", "taken_back",
			 "build", "b1", "at", (json_int_t)at);
}

static void put_many(int n)
{
	static int serial;

	while (n-- > 0) {
		json_t *b = json_pack("{s:o}", "id", json_sprintf("later%d", serial++));

		mo_receipts_put(b);
		json_decref(b);
	}
}

static molt_time left(const json_t **why, json_t **all)
{
	*all = mo_receipts_kept();
	return mo_takeover_held(*all, "/app", "b1", mo_wall(), why);
}

/* Of them, what the hold needs, and nothing that a program printed. */
static void a_hold_outlives_any_number_of_later_receipts(void **state)
{
	json_t *body = held_receipt(1, mo_wall()), *all;
	const json_t *why;

	mo_receipts_put(body);
	put_many(3 * MO_RECEIPTS);
	assert_true(left(&why, &all) > 0);
	assert_string_equal(mo_json_str(why, "reason"), "killed");
	assert_null(json_object_get(why, "last_lines"));
	json_decref(all);
	all = mo_receipts_all(); /* the history is as long as ever */
	assert_int_equal(json_array_size(all), MO_RECEIPTS);
	json_decref(all);
	/* Its end comes later: no second one. */
	mo_receipts_put(body);
	all = mo_receipts_kept();
	assert_int_equal(json_array_size(all), MO_RECEIPTS + 1);
	json_decref(all);
	json_object_set_new(json_object_get(body, "taken_back"), "at", json_integer(1));
	mo_receipts_put(body); /* long ago */
	all = mo_receipts_kept();
	assert_int_equal(json_array_size(all), MO_RECEIPTS);
	json_decref(all);
	json_decref(body);
}

static void a_successor_hears_of_holds_that_are_no_history_any_more(void **state)
{
	json_t *body = held_receipt(2, mo_wall());
	int pair[2], n = 0;
	mo_wire_msg m;

	assert_int_equal(mo_wire_pair(&pair[0], &pair[1]), 0);
	mo_receipts_put(body);
	json_decref(body);
	put_many(MO_RECEIPTS);
	mo_receipts_follow(pair[0]);
	mo_receipts_follow(-1);
	while (mo_wire_recv(pair[1], &m) == 1) {
		const json_t *r = json_object_get(m.body, "receipt");

		if (n++ == 0)
			assert_string_equal(mo_json_str(r, "id"), "held2");
		mo_wire_free(&m);
	}
	assert_int_equal(n, MO_RECEIPTS + 1);
	close(pair[0]);
	close(pair[1]);
}

static void count_first(void *n, const json_t *receipt)
{
	assert_string_equal(mo_json_str(receipt, "id"), "heard");
	++*(int *)n;
}

static void count_second(void *n, const json_t *receipt)
{
	++*(int *)n;
}

static void each_receipt_is_published_to_those_who_listen(void **state)
{
	json_t *body = json_pack("{s:s, s:i}", "id", "heard", "generation", 1);
	int former = 0, first = 0, second = 0;

	mo_receipts_listen(count_first, &former);
	mo_receipts_listen(count_second, &second);
	mo_receipts_listen(count_first, &first); /* in place of the former */
	mo_receipts_put(body);
	json_object_set_new(body, "outcome", json_string("switched"));
	mo_receipts_put(body);
	assert_int_equal(former, 0);
	assert_int_equal(first, 2);
	assert_int_equal(second, 2);
	mo_receipts_unlisten(count_first);
	mo_receipts_unlisten(count_first);
	json_object_set_new(body, "outcome", json_string("rolled back"));
	mo_receipts_put(body);
	mo_receipts_unlisten(count_second);
	json_object_set_new(body, "outcome", json_string("failed"));
	mo_receipts_put(body);
	assert_int_equal(first, 2);
	assert_int_equal(second, 3);
	json_decref(body);
}

/* Two that follow each other, a supervisor and its program, would tell each other for ever.
 * What a program printed is no news, for it is kept with the newest receipt alone. */
static void what_is_known_is_not_published_again(void **state)
{
	json_t *body = json_pack("{s:s, s:i, s:[s]}", "id", "known", "generation", 1, "last_lines",
				 "a line");
	int heard = 0;

	mo_receipts_listen(count_second, &heard);
	mo_receipts_put(body);
	mo_receipts_put(body);
	json_object_del(body, "last_lines");
	mo_receipts_put(body);
	assert_int_equal(heard, 1);
	mo_receipts_unlisten(count_second);
	json_decref(body);
}

static void holds_are_limited_too(void **state)
{
	json_t *all;

	for (int i = 0; i < 3 * MO_RECEIPTS_HELD; i++) {
		json_t *b = held_receipt(10 + i, mo_wall());

		mo_receipts_put(b);
		json_decref(b);
	}
	put_many(MO_RECEIPTS);
	all = mo_receipts_kept();
	assert_int_equal(json_array_size(all), MO_RECEIPTS + MO_RECEIPTS_HELD);
	json_decref(all);
}

static void *put_all_the_time(void *stop)
{
	json_t *b = json_pack("{s:s}", "id", "beside");

	while (!atomic_load((_Atomic bool *)stop))
		mo_receipts_put(b);
	json_decref(b);
	return NULL;
}

/* A receipt may come on any thread; what it goes on to is the control thread's. */
static void a_follower_may_change_while_receipts_are_put(void **state)
{
	_Atomic bool stop = false;
	pthread_t thread;
	mo_wire_msg m;
	int pair[2];

	assert_int_equal(mo_wire_pair(&pair[0], &pair[1]), 0);
	assert_int_equal(pthread_create(&thread, NULL, put_all_the_time, &stop), 0);
	for (int i = 0; i < 100; i++) {
		mo_receipts_follow(pair[0]);
		mo_receipts_follow(-1);
		while (mo_wire_recv(pair[1], &m) == 1)
			mo_wire_free(&m);
	}
	/* To nobody any more: this one would go to whatever has that number next. */
	while (mo_wire_recv(pair[1], &m) == 1)
		mo_wire_free(&m);
	close(pair[0]);
	atomic_store(&stop, true);
	pthread_join(thread, NULL);
	close(pair[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_phase_is_listed_in_order_with_its_time),
		cmocka_unit_test(the_newest_is_first_and_the_oldest_are_dropped),
		cmocka_unit_test(a_receipt_put_again_replaces_its_former_state),
		cmocka_unit_test(a_reason_that_is_no_utf8_is_told_escaped),
		cmocka_unit_test(last_lines_stay_until_the_next_receipt),
		cmocka_unit_test(a_hold_outlives_any_number_of_later_receipts),
		cmocka_unit_test(a_successor_hears_of_holds_that_are_no_history_any_more),
		cmocka_unit_test(each_receipt_is_published_to_those_who_listen),
		cmocka_unit_test(what_is_known_is_not_published_again),
		cmocka_unit_test(holds_are_limited_too),
		cmocka_unit_test(a_follower_may_change_while_receipts_are_put),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
