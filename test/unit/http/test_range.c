/* Promises of http/syntax/range.c: byte ranges and entity tags. */
#include "unit.h"

#include "base/mem.h"
#include "base/str.h"
#include "http/syntax/range.h"

static mo_range got[MO_MAX_RANGES];

/* Parses from a heap block of the exact size. */
static int parse(const char *field, uint64_t size)
{
	size_t n = strlen(field);
	char *copy = mo_malloc(n);
	int rc;

	memcpy(copy, field, n);
	rc = mo_range_parse(mo_strn(copy, n), size, got);
	free(copy);
	return rc;
}

static void one_range_is(const char *field, uint64_t size, uint64_t first, uint64_t last)
{
	assert_int_equal(parse(field, size), 1);
	assert_true(got[0].first == first);
	assert_true(got[0].last == last);
}

static void single_ranges_are_read_and_clamped(void **state)
{
	one_range_is("bytes=0-0", 10, 0, 0);
	one_range_is("bytes=2-5", 10, 2, 5);
	one_range_is("bytes=2-", 10, 2, 9);
	one_range_is("bytes=-3", 10, 7, 9);
	one_range_is("bytes=-30", 10, 0, 9);
	one_range_is("bytes=0-9", 10, 0, 9);
	one_range_is("bytes=5-10", 10, 5, 9);
	one_range_is("bytes=9-999", 10, 9, 9);
	one_range_is("BYTES=1-2", 10, 1, 2);
	one_range_is("bytes= 1-2 ,, ", 10, 1, 2);
}

static void what_begins_behind_the_end_cannot_be_satisfied(void **state)
{
	assert_int_equal(parse("bytes=10-", 10), -1);
	assert_int_equal(parse("bytes=10-20,30-", 10), -1);
	assert_int_equal(parse("bytes=-0", 10), -1);
	assert_int_equal(parse("bytes=0-", 0), -1);
	one_range_is("bytes=10-,3-3", 10, 3, 3);
}

static void an_empty_file_has_no_last_bytes_to_give_but_is_sent_whole(void **state)
{
	assert_int_equal(parse("bytes=-5", 0), 0);
}

static void malformed_fields_are_ignored(void **state)
{
	static const char *const bad[] = {
		"",           "bytes",       "bytes=",      "bytes=,",       "bytes=-",
		"bytes=a-b",  "bytes=5-2",   "bytes=1-2-3", "bytes=1",       "items=0-1",
		"bytes =0-1", "bytes=0 -1",  "bytes=0- 1",  "bytes=+1-2",    "bytes=0x1-2",
		"bytes=--1",  "bytes=1-2;3", "bytes=1-2,x", "bytes=1-2 3-4", "0-1",
		"bytes:0-1",  "=0-1",        "bytes=1--",   "bytes==1-2",    "bytes=0-1, bytes=2-3",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(parse(bad[i], 10), 0);
}

static void numbers_that_overflow_are_clamped_or_beyond(void **state)
{
	one_range_is("bytes=0-18446744073709551615", 10, 0, 9);
	one_range_is("bytes=0-18446744073709551616", 10, 0, 9);
	one_range_is("bytes=3-99999999999999999999999999999999", 10, 3, 9);
	one_range_is("bytes=-99999999999999999999999999999999", 10, 0, 9);
	assert_int_equal(parse("bytes=18446744073709551616-", 10), -1);
	assert_int_equal(parse("bytes=18446744073709551616-18446744073709551617", 10), -1);
	one_range_is("bytes=18446744073709551613-", UINT64_MAX, UINT64_MAX - 2, UINT64_MAX - 1);
	one_range_is("bytes=-1", UINT64_MAX, UINT64_MAX - 1, UINT64_MAX - 1);
}

static void overlapping_and_touching_ranges_are_merged(void **state)
{
	one_range_is("bytes=0-4,5-9", 100, 0, 9);
	one_range_is("bytes=0-4,2-3,1-9", 100, 0, 9);
	one_range_is("bytes=50-60,0-10,11-49", 100, 0, 60);
	one_range_is("bytes=0-,0-,0-,0-", 100, 0, 99);
	assert_int_equal(parse("bytes=80-,0-4,6-9", 100), 3);
	assert_true(got[0].first == 80 && got[1].first == 0 && got[2].first == 6);
}

static void more_than_the_limit_of_ranges_is_ignored(void **state)
{
	char field[8192] = "bytes=";

	for (int i = 0; i < MO_MAX_RANGES; i++)
		sprintf(field + strlen(field), "%d-%d,", i * 10, i * 10 + 1);
	assert_int_equal(parse(field, 1000), MO_MAX_RANGES);
	strcat(field, "500-501");
	assert_int_equal(parse(field, 1000), 0);
	strcpy(field, "bytes=");
	for (int i = 0; i < 1300; i++)
		strcat(field, "5-0,");
	assert_int_equal(parse(field, 1000), 0);
	strcpy(field, "bytes=");
	for (int i = 0; i < 1300; i++)
		strcat(field, "0-,-1,");
	assert_int_equal(parse(field, 1000), 0);
}

/* Against a plain map of which bytes were asked for. */
static void results_cover_exactly_the_bytes_asked_for(void **state)
{
	unsigned seed = 11;

	for (int round = 0; round < 20000; round++) {
		unsigned size = (unsigned)rand_r(&seed) % 40 + 1;
		bool asked[64] = { false }, given[64] = { false };
		char field[512] = "bytes=";
		bool any = false;
		int n;

		for (int i = 0, specs = rand_r(&seed) % MO_MAX_RANGES + 1; i < specs; i++) {
			unsigned a = (unsigned)rand_r(&seed) % 50,
				 b = a + (unsigned)rand_r(&seed) % 9;

			for (unsigned k = a; k <= b && k < size; k++)
				any = asked[k] = true;
			sprintf(field + strlen(field), "%u-%u,", a, b);
		}
		n = parse(field, size);
		assert_int_equal(n < 0, !any);
		for (int i = 0; i < n; i++) {
			assert_true(got[i].first <= got[i].last && got[i].last < size);
			for (uint64_t k = got[i].first; k <= got[i].last; k++) {
				assert_false(given[k]);
				given[k] = true;
			}
			for (int k = 0; k < i; k++)
				assert_true(got[k].first > got[i].last + 1 ||
					    got[i].first > got[k].last + 1);
		}
		assert_memory_equal(asked, given, size);
	}
}

static bool listed(const char *field, const char *etag, bool weak)
{
	size_t n = strlen(field);
	char *copy = mo_malloc(n);
	bool found;

	memcpy(copy, field, n);
	found = mo_etag_listed(mo_strn(copy, n), mo_str(etag), weak);
	free(copy);
	return found;
}

static void a_list_of_tags_is_searched(void **state)
{
	assert_true(listed("\"a\"", "\"a\"", false));
	assert_true(listed("\"x\", \"a\"", "\"a\"", false));
	assert_true(listed(" ,\"x\",,\t\"a\" , ", "\"a\"", false));
	assert_true(listed("\"x,y\",\"a\"", "\"a\"", false));
	assert_true(listed("\"\"", "\"\"", false));
	assert_false(listed("\"x,\\\"a\"", "\"a\"", false));
	assert_false(listed("\"ab\"", "\"a\"", false));
	assert_false(listed("\"A\"", "\"a\"", false));
	assert_false(listed("", "\"a\"", true));
}

static void a_star_names_any_tag(void **state)
{
	assert_true(listed("*", "\"a\"", false));
	assert_true(listed(" * ", "\"a\"", true));
	assert_false(listed("\"*\"", "\"a\"", true));
	assert_false(listed("*, \"b\"", "\"a\"", true));
}

static void weak_tags_match_only_weakly(void **state)
{
	assert_true(listed("W/\"a\"", "\"a\"", true));
	assert_true(listed("\"a\"", "W/\"a\"", true));
	assert_true(listed("W/\"a\"", "W/\"a\"", true));
	assert_false(listed("W/\"a\"", "\"a\"", false));
	assert_false(listed("\"a\"", "W/\"a\"", false));
	assert_false(listed("W/\"a\"", "W/\"a\"", false));
	assert_true(listed("W/\"a\", \"a\"", "\"a\"", false));
	assert_false(listed("w/\"a\"", "\"a\"", true));
}

static void broken_lists_name_nothing(void **state)
{
	static const char *const bad[] = {
		"\"",  "\"a",        "a",        "W/",          "W/\"",
		"W/a", "\"x\"\"a\"", "x, \"a\"", "\"x\" \"a\"", "\"x\"a"
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(listed(bad[i], "\"a\"", true));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(single_ranges_are_read_and_clamped),
		cmocka_unit_test(what_begins_behind_the_end_cannot_be_satisfied),
		cmocka_unit_test(an_empty_file_has_no_last_bytes_to_give_but_is_sent_whole),
		cmocka_unit_test(malformed_fields_are_ignored),
		cmocka_unit_test(numbers_that_overflow_are_clamped_or_beyond),
		cmocka_unit_test(overlapping_and_touching_ranges_are_merged),
		cmocka_unit_test(more_than_the_limit_of_ranges_is_ignored),
		cmocka_unit_test(results_cover_exactly_the_bytes_asked_for),
		cmocka_unit_test(a_list_of_tags_is_searched),
		cmocka_unit_test(a_star_names_any_tag),
		cmocka_unit_test(weak_tags_match_only_weakly),
		cmocka_unit_test(broken_lists_name_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
