/* Counts of several processes added up (src/gen/transfer/counter_ledger.c): this process is one of
 * them, and plays predecessor and successor by messages that it keeps. */
#include "unit.h"

#include <jansson.h>

#include "gen/transfer/counter_ledger.h"
#include "gen/wire/series.h"

static json_int_t own[2];

static json_t *counted(void)
{
	return json_pack("{s:{s:I, s:I}}", "web", "requests", own[0], "connections", own[1]);
}

static const mo_gen_host host = { .counted = counted };

static void expect(uint64_t requests, uint64_t connections)
{
	json_t *own_counts = counted(), *sum = json_object_get(own_counts, "web");

	mo_ledger_add("web", sum);
	assert_int_equal(mo_series_number(sum, "requests"), requests);
	assert_int_equal(mo_series_number(sum, "connections"), connections);
	json_decref(own_counts);
}

/* As the release before the series tells counts. */
static void put(const char *name, int requests, int connections)
{
	json_t *news = json_pack("{s:{s:{s:[i, i]}}}", "live", name, "web", requests, connections);

	mo_ledger_put(news);
	json_decref(news);
}

/* The same with series; the array beside them is for such a release. */
static void put_series(const char *name, json_t *series)
{
	json_t *news = json_pack("{s:{s:{s:[i]}}, s:{s:{s:o}}}", "live", name, "web", 12345,
				 "live_series", name, "web", series);

	mo_ledger_put(news);
	json_decref(news);
}

static uint64_t number_of(const char *name)
{
	json_t *sum = json_object();
	uint64_t n;

	mo_ledger_add("web", sum);
	n = mo_series_number(sum, name);
	json_decref(sum);
	return n;
}

/* Everything is forgotten; as a successor without a predecessor's word. */
static int set_up(void **state)
{
	json_t *nothing = json_pack("{s:{}, s:{}}", "base", "live");

	mo_ledger_arrive(nothing);
	json_decref(nothing);
	own[0] = own[1] = 0;
	return 0;
}

/* The name of this process in its messages. */
static const char *own_name(json_t *offer)
{
	const char *name = NULL;
	json_t *counts;

	json_object_foreach (json_object_get(offer, "live"), name, counts)
		break;
	return name;
}

static void what_is_told_twice_counts_once(void **state)
{
	own[0] = 5;
	put("1.10", 100, 10);
	put("1.10", 100, 10);
	put("1.10", 103, 11);
	expect(108, 11);
	mo_ledger_end("1.10");
	expect(108, 11);
}

static void an_offer_tells_base_and_living_and_own(void **state)
{
	json_t *offer;

	own[0] = 5;
	put("1.10", 100, 10);
	put("1.11", 200, 20);
	mo_ledger_end("1.10");
	offer = mo_ledger_offer(&host);
	assert_int_equal(json_object_size(json_object_get(offer, "live")), 2); /* 1.11 and we */
	expect(305, 30);
	/* The successor has counted nothing yet, and knows all. */
	own[0] = 0;
	json_object_set_new(json_object_get(offer, "live"), "1.12",
			    json_pack("{s:[i, i]}", "web", 5, 0));
	mo_ledger_arrive(offer);
	json_decref(offer);
	expect(310, 30);
	/* An older generation counts on. */
	put("1.11", 201, 20);
	expect(311, 30);
}

static void the_second_offer_replaces_the_first(void **state)
{
	json_t *first, *second;

	own[0] = 7;
	put("1.10", 100, 10);
	first = mo_ledger_offer(&host);
	mo_ledger_end("1.10");
	own[0] = 9;
	second = mo_ledger_offer(&host);
	own[0] = 0;
	mo_ledger_arrive(first);
	mo_ledger_arrive(second);
	json_decref(first);
	json_decref(second);
	expect(109, 10);
}

static void our_own_count_is_not_taken_from_others(void **state)
{
	json_t *offer;
	char name[32];

	own[0] = 7;
	offer = mo_ledger_offer(&host);
	snprintf(name, sizeof(name), "%s", own_name(offer));
	json_decref(offer);
	own[0] = 8;
	put(name, 7, 0); /* a successor tells what we told it */
	expect(8, 0);
}

static void a_predecessor_learns_of_the_living_what_its_successor_knew(void **state)
{
	json_t *news;

	put("1.10", 100, 10);
	own[0] = 4;
	news = mo_ledger_news(&host, true);
	assert_int_equal(json_object_size(json_object_get(news, "live")), 2);
	json_decref(news);
	news = mo_ledger_news(&host, false);
	assert_int_equal(json_object_size(json_object_get(news, "live")), 1);
	json_decref(news);
}

static void nonsense_is_ignored(void **state)
{
	json_t *odd = json_pack("{s:{s:i, s:{s:s}}}", "live", "a", 1, "b", "web", "x");

	put("1.10", 3, 0);
	mo_ledger_put(odd);
	mo_ledger_arrive(odd);
	expect(3, 0);
	json_decref(odd);
	mo_ledger_put(NULL);
}

static void ever_new_names_do_not_make_it_grow(void **state)
{
	json_t *offer, *live, *servers = json_object();
	char name[64];

	for (int i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name), "9.%d", i);
		put(name, 1, 1);
	}
	offer = mo_ledger_offer(&host);
	live = json_object_get(offer, "live");
	assert_true(json_object_size(live) <= MO_LEDGER_PROCESSES + 1);
	json_decref(offer);
	/* Nor names of servers, nor rows of counts. */
	for (int i = 0; i < 1000; i++) {
		json_t *row = json_array();

		for (int k = 0; k < 100; k++)
			json_array_append_new(row, json_integer(INT64_MAX));
		snprintf(name, sizeof(name), "s%d", i);
		json_object_set_new(servers, name, row);
	}
	offer = json_pack("{s:{s:o}}", "live", "9.0", servers);
	mo_ledger_put(offer);
	json_decref(offer);
	offer = mo_ledger_offer(&host);
	servers = json_object_get(json_object_get(offer, "live"), "9.0");
	assert_int_equal(json_object_size(servers), MO_LEDGER_SERVERS);
	assert_int_equal(json_array_size(json_object_get(servers, "s0")), 7);
	json_decref(offer);
}

static void series_are_taken_before_the_places(void **state)
{
	put_series("1.10",
		   json_pack("{s:i, s:i, s:{s:i}}", "requests", 7, "newer", 3, "open", "gauge", 2));
	put_series("1.11", json_pack("{s:i, s:{s:i}}", "requests", 8, "open", "gauge", 5));
	put("1.12", 100, 1);
	expect(115, 1);
	assert_int_equal(number_of("newer"), 3); /* of a release that knows more */
	assert_int_equal(number_of("open"), 7);
}

/* What is open now is not what was open when a process ended. */
static void a_gauge_ends_with_its_process_and_a_sum_does_not(void **state)
{
	json_t *offer;

	put_series("1.10", json_pack("{s:i, s:{s:i}}", "requests", 7, "open", "gauge", 2));
	put_series("1.11", json_pack("{s:{s:i}}", "open", "gauge", 5));
	mo_ledger_end("1.10");
	offer = mo_ledger_offer(&host);
	assert_int_equal(number_of("open"), 5);
	assert_int_equal(number_of("requests"), 7);
	mo_ledger_arrive(offer);
	assert_int_equal(number_of("open"), 5);
	assert_int_equal(number_of("requests"), 7);
	json_decref(offer);
}

/* It reads places, and knows nothing of what stands beside them. */
static void an_older_neighbour_reads_the_same_counts(void **state)
{
	json_t *offer, *row, *news;

	own[0] = 5;
	own[1] = 6;
	put_series("1.10", json_pack("{s:i, s:i}", "requests", 7, "answers_5xx", 4));
	mo_ledger_end("1.10");
	offer = mo_ledger_offer(&host);
	row = json_object_get(json_object_get(offer, "base"), "web");
	assert_int_equal(json_array_size(row), 7);
	assert_int_equal(json_integer_value(json_array_get(row, 0)), 7);
	assert_int_equal(json_integer_value(json_array_get(row, 6)), 4);
	row = json_object_get(json_object_get(json_object_get(offer, "live"), own_name(offer)),
			      "web");
	assert_int_equal(json_integer_value(json_array_get(row, 0)), 5);
	assert_int_equal(json_integer_value(json_array_get(row, 1)), 6);
	json_object_del(offer, "base_series");
	json_object_del(offer, "live_series");
	own[0] = own[1] = 0;
	mo_ledger_arrive(offer);
	expect(12, 6);
	json_decref(offer);
	news = mo_ledger_news(&host, false);
	assert_int_equal(json_object_size(json_object_get(news, "live")), 1);
	assert_int_equal(json_object_size(json_object_get(news, "live_series")), 1);
	json_decref(news);
}

static void processes_that_have_ended_make_room_for_others(void **state)
{
	char name[32];

	for (int i = 0; i < 10 * MO_LEDGER_PROCESSES; i++) {
		snprintf(name, sizeof(name), "8.%d", i);
		put(name, 1, 0);
		mo_ledger_end(name);
	}
	expect(10 * MO_LEDGER_PROCESSES, 0);
}

static void what_is_no_number_counts_nothing(void **state)
{
	json_t *news = json_pack("{s:{s:{s:[s, I]}, s:[i], s:{s:{s:i}}}}", "live", "7.1", "web",
				 "x", (json_int_t)-5, "7.2", 1, "7.3", "web", "a", 1);

	mo_ledger_put(news);
	json_decref(news);
	expect(0, 0);
	mo_ledger_put(NULL);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, set_up)
	const struct CMUnitTest tests[] = {
		TEST(what_is_told_twice_counts_once),
		TEST(an_offer_tells_base_and_living_and_own),
		TEST(the_second_offer_replaces_the_first),
		TEST(our_own_count_is_not_taken_from_others),
		TEST(a_predecessor_learns_of_the_living_what_its_successor_knew),
		TEST(nonsense_is_ignored),
		TEST(ever_new_names_do_not_make_it_grow),
		TEST(series_are_taken_before_the_places),
		TEST(a_gauge_ends_with_its_process_and_a_sum_does_not),
		TEST(an_older_neighbour_reads_the_same_counts),
		TEST(processes_that_have_ended_make_room_for_others),
		TEST(what_is_no_number_counts_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
