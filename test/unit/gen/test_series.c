/* Named counts and their sums: gen/wire/series.h. */
#include "unit.h"

#include "gen/wire/series.h"

static void expect_json(json_t *got, const char *wanted)
{
	json_t *want = json_loads(wanted, 0, NULL);
	char *text = json_dumps(got, JSON_SORT_KEYS | JSON_COMPACT);

	assert_non_null(want);
	if (!json_equal(got, want))
		fail_msg("%s instead of %s", text, wanted);
	free(text);
	json_decref(want);
	json_decref(got);
}

static json_t *parsed(const char *text)
{
	json_t *j = json_loads(text, 0, NULL);

	assert_non_null(j);
	return j;
}

/* The sum of both. */
static json_t *added(const char *a, const char *b, bool ended)
{
	json_t *to = parsed(a), *from = parsed(b);

	mo_series_add(to, from, ended);
	json_decref(from);
	return to;
}

static json_t *cleaned(const char *text)
{
	json_t *from = parsed(text), *out = mo_series_clean(from);

	json_decref(from);
	return out;
}

static void each_kind_is_written_as_the_table_says(void **state)
{
	json_t *s = json_object();

	mo_series_set_sum(s, "requests", 12);
	mo_series_set_gauge(s, "open", 3);
	mo_series_set_histogram(s, "took_ms", (uint64_t[]){ 5, 10 }, (uint64_t[]){ 1, 0, 2 }, 2,
				70);
	assert_int_equal(mo_series_number(s, "requests"), 12);
	assert_int_equal(mo_series_number(s, "open"), 3);
	assert_int_equal(mo_series_number(s, "took_ms"), 3);
	assert_int_equal(mo_series_number(s, "nothing"), 0);
	expect_json(s, "{\"requests\": 12, \"open\": {\"gauge\": 3}, \"took_ms\": {\"sum\": 70, "
		       "\"buckets\": {\"5\": 1, \"10\": 0, \"inf\": 2}}}");
}

static void each_kind_adds_up_by_name_and_bound(void **state)
{
	expect_json(added("{\"a\": 1, \"b\": {\"gauge\": 2}}",
			  "{\"a\": 10, \"b\": {\"gauge\": 20}, \"c\": 5}", false),
		    "{\"a\": 11, \"b\": {\"gauge\": 22}, \"c\": 5}");
	/* One release has a bound more than the other. */
	expect_json(added("{\"h\": {\"sum\": 7, \"buckets\": {\"5\": 1, \"inf\": 2}}}",
			  "{\"h\": {\"sum\": 3, \"buckets\": {\"5\": 1, \"9\": 4, \"inf\": 1}}}",
			  false),
		    "{\"h\": {\"sum\": 10, \"buckets\": {\"5\": 2, \"9\": 4, \"inf\": 3}}}");
}

static void of_a_process_that_has_ended_the_gauges_are_left_out(void **state)
{
	expect_json(added("{\"open\": {\"gauge\": 2}}",
			  "{\"a\": 1, \"open\": {\"gauge\": 20}, \"h\": {\"sum\": 1, \"buckets\": "
			  "{\"inf\": 1}}}",
			  true),
		    "{\"open\": {\"gauge\": 2}, \"a\": 1, \"h\": {\"sum\": 1, \"buckets\": "
		    "{\"inf\": 1}}}");
}

static void a_name_keeps_the_kind_that_it_had_first(void **state)
{
	expect_json(added("{\"a\": 1}", "{\"a\": {\"gauge\": 5}}", false), "{\"a\": 1}");
	expect_json(added("{\"a\": {\"gauge\": 5}}", "{\"a\": 1}", false),
		    "{\"a\": {\"gauge\": 5}}");
}

static void what_is_no_series_is_left_out(void **state)
{
	expect_json(cleaned("{\"a\": \"x\", \"B\": 1, \"\": 1, \"c\": null, \"d\": {}, \"e\": [1], "
			    "\"f\": {\"gauge\": \"x\"}, \"g\": {\"buckets\": 1}, \"h-h\": 1, "
			    "\"i\": 1.5, \"j\": 1}"),
		    "{\"j\": 1}");
	expect_json(
		cleaned("{\"h\": {\"sum\": \"x\", \"more\": 1, \"buckets\": {\"x\": 1, \"-5\": 1, "
			"\"\": 1, \"5\": \"y\", \"7\": 2}}}"),
		"{\"h\": {\"sum\": 0, \"buckets\": {\"5\": 0, \"7\": 2}}}");
	expect_json(mo_series_clean(NULL), "{}");
}

static void counts_are_never_negative_and_do_not_overflow(void **state)
{
	expect_json(cleaned("{\"a\": -5, \"b\": {\"gauge\": -1}}"),
		    "{\"a\": 0, \"b\": {\"gauge\": 0}}");
	expect_json(added("{\"a\": 9223372036854775807}", "{\"a\": 2}", false), "{\"a\": 1}");
}

static void ever_more_names_and_bounds_do_not_make_it_grow(void **state)
{
	json_t *many = json_object(), *buckets = json_object(), *out;
	char name[80];

	for (int i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name), "%d", i);
		json_object_set_new(buckets, name, json_integer(1));
		json_object_set_new(many, name, json_integer(1));
	}
	out = mo_series_clean(many);
	assert_int_equal(json_object_size(out), MO_SERIES_NAMES);
	json_decref(out);
	json_object_clear(many);
	json_object_set_new(many, "h", json_pack("{s:o}", "buckets", buckets));
	memset(name, 'a', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	json_object_set_new(many, name, json_integer(1));
	out = mo_series_clean(many);
	assert_int_equal(json_object_size(out), 1);
	assert_int_equal(json_object_size(json_object_get(json_object_get(out, "h"), "buckets")),
			 MO_SERIES_BUCKETS);
	json_decref(out);
	json_decref(many);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_kind_is_written_as_the_table_says),
		cmocka_unit_test(each_kind_adds_up_by_name_and_bound),
		cmocka_unit_test(of_a_process_that_has_ended_the_gauges_are_left_out),
		cmocka_unit_test(a_name_keeps_the_kind_that_it_had_first),
		cmocka_unit_test(what_is_no_series_is_left_out),
		cmocka_unit_test(counts_are_never_negative_and_do_not_overflow),
		cmocka_unit_test(ever_more_names_and_bounds_do_not_make_it_grow),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
