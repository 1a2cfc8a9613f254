/* Promises of web/files/file_plan.c: conditions, ranges, the framing of byteranges. */
#include "unit.h"

#include "base/str.h"
#include "web/files/file_plan.h"

#define NOW 1000000000 /* Sun, 09 Sep 2001 01:46:40 GMT */
#define CHANGED "Sun, 09 Sep 2001 01:45:00 GMT"
#define EARLIER "Sun, 09 Sep 2001 01:44:59 GMT"
#define LATER "Sun, 09 Sep 2001 01:45:01 GMT"
#define TAG "\"3b9ac99c.7-64-9\""

static mo_file_facts facts;
static mo_file_plan plan;

static struct stat a_stat(void)
{
	struct stat st = { .st_size = 100, .st_ino = 9 };

	st.st_mtim.tv_sec = NOW - 100;
	st.st_mtim.tv_nsec = 7;
	return st;
}

static int set_up(void **state)
{
	struct stat st = a_stat();

	mo_file_facts_from(&st, NOW, &facts);
	return 0;
}

static int status_of(mo_file_conditions c)
{
	mo_file_plan_make(&c, &facts, NOW, &plan);
	return plan.status;
}

#define STATUS(...) status_of((mo_file_conditions){ __VA_ARGS__ })
#define S(text) MO_STR(text)

static void a_tag_changes_with_time_size_and_file(void **state)
{
	struct stat st = a_stat();
	mo_file_facts other;

	assert_string_equal(facts.etag, TAG);
	st.st_mtim.tv_nsec++;
	mo_file_facts_from(&st, NOW, &other);
	assert_string_not_equal(other.etag, facts.etag);
	st = a_stat();
	st.st_size++;
	mo_file_facts_from(&st, NOW, &other);
	assert_string_not_equal(other.etag, facts.etag);
	st = a_stat();
	st.st_ino++;
	mo_file_facts_from(&st, NOW, &other);
	assert_string_not_equal(other.etag, facts.etag);
}

static void the_longest_tag_fits_and_the_future_is_now(void **state)
{
	struct stat st = { .st_size = INT64_MAX, .st_ino = UINT64_MAX };

	st.st_mtim.tv_sec = -1;
	st.st_mtim.tv_nsec = 999999999;
	mo_file_facts_from(&st, NOW, &facts);
	assert_string_equal(facts.etag, "\"ffffffffffffffff.3b9ac9ff-7fffffffffffffff-"
					"ffffffffffffffff\"");
	assert_true(facts.modified == -1);
	st.st_mtim.tv_sec = NOW + 500;
	mo_file_facts_from(&st, NOW, &facts);
	assert_true(facts.modified == NOW);
}

static void without_conditions_the_file_is_sent(void **state)
{
	assert_int_equal(STATUS(.head = false), 200);
	assert_int_equal(STATUS(.head = true), 200);
}

static void if_none_match_gives_304_weakly(void **state)
{
	assert_int_equal(STATUS(.none_match = S(TAG)), 304);
	assert_int_equal(STATUS(.none_match = S("W/" TAG)), 304);
	assert_int_equal(STATUS(.none_match = S("\"x\", " TAG)), 304);
	assert_int_equal(STATUS(.none_match = S("*")), 304);
	assert_int_equal(STATUS(.none_match = S(TAG), .head = true), 304);
	assert_int_equal(STATUS(.none_match = S("\"x\"")), 200);
	assert_int_equal(STATUS(.none_match = S("junk")), 200);
}

static void if_none_match_hides_if_modified_since(void **state)
{
	assert_int_equal(STATUS(.none_match = S("\"x\""), .modified_since = S(LATER)), 200);
	assert_int_equal(STATUS(.none_match = S(TAG), .modified_since = S(EARLIER)), 304);
}

static void if_modified_since_gives_304(void **state)
{
	assert_int_equal(STATUS(.modified_since = S(CHANGED)), 304);
	assert_int_equal(STATUS(.modified_since = S(LATER)), 304);
	assert_int_equal(STATUS(.modified_since = S(EARLIER)), 200);
	assert_int_equal(STATUS(.modified_since = S("yesterday")), 200);
	assert_int_equal(STATUS(.modified_since = S("")), 200);
	assert_int_equal(STATUS(.modified_since = S(CHANGED ", " CHANGED)), 200);
}

static void if_match_and_if_unmodified_since_give_412(void **state)
{
	assert_int_equal(STATUS(.match = S(TAG)), 200);
	assert_int_equal(STATUS(.match = S("*")), 200);
	assert_int_equal(STATUS(.match = S("W/" TAG)), 412);
	assert_int_equal(STATUS(.match = S("\"x\"")), 412);
	assert_int_equal(STATUS(.match = S("")), 412);
	assert_int_equal(STATUS(.unmodified_since = S(CHANGED)), 200);
	assert_int_equal(STATUS(.unmodified_since = S(EARLIER)), 412);
	assert_int_equal(STATUS(.unmodified_since = S("Thu, 01 Jan 1900 00:00:00 GMT")), 412);
	assert_int_equal(STATUS(.unmodified_since = S("junk")), 200);
	assert_int_equal(STATUS(.match = S(TAG), .unmodified_since = S(EARLIER)), 200);
	assert_int_equal(STATUS(.match = S("\"x\""), .none_match = S(TAG)), 412);
	assert_int_equal(STATUS(.match = S("\"x\""), .range = S("bytes=0-1")), 412);
}

static void ranges_are_of_get_alone(void **state)
{
	assert_int_equal(STATUS(.range = S("bytes=0-1")), 206);
	assert_int_equal(plan.nranges, 1);
	assert_int_equal(STATUS(.range = S("bytes=0-1"), .head = true), 200);
	assert_int_equal(plan.nranges, 0);
	assert_int_equal(STATUS(.range = S("bytes=100-")), 416);
	assert_int_equal(STATUS(.range = S("lines=1")), 200);
	assert_int_equal(STATUS(.range = S("bytes=0-1"), .none_match = S(TAG)), 304);
}

static void if_range_needs_this_very_file(void **state)
{
	assert_int_equal(STATUS(.range = S("bytes=0-1"), .if_range = S(TAG)), 206);
	assert_int_equal(STATUS(.range = S("bytes=0-1"), .if_range = S("W/" TAG)), 200);
	assert_int_equal(STATUS(.range = S("bytes=0-1"), .if_range = S("\"x\"")), 200);
	assert_int_equal(STATUS(.range = S("bytes=0-1"), .if_range = S(CHANGED)), 206);
	assert_int_equal(STATUS(.range = S("bytes=0-1"), .if_range = S(EARLIER)), 200);
	assert_int_equal(STATUS(.range = S("bytes=0-1"), .if_range = S(LATER)), 200);
	assert_int_equal(STATUS(.range = S("bytes=0-1"), .if_range = S("")), 200);
	/* It was not even to be looked at: 416 needs a range that applies. */
	assert_int_equal(STATUS(.range = S("bytes=200-"), .if_range = S("\"x\"")), 200);
}

static void a_date_cannot_name_a_file_that_may_change_this_second(void **state)
{
	mo_file_conditions c = { .range = S("bytes=0-1"), .if_range = S(CHANGED) };

	mo_file_plan_make(&c, &facts, NOW - 100, &plan);
	assert_int_equal(plan.status, 200);
	mo_file_plan_make(&c, &facts, NOW - 99, &plan);
	assert_int_equal(plan.status, 206);
}

static void a_file_older_than_1970_can_be_asked_for(void **state)
{
	struct stat st = a_stat();

	st.st_mtim.tv_sec = -5;
	mo_file_facts_from(&st, NOW, &facts);
	assert_int_equal(STATUS(.modified_since = S("Thu, 01 Jan 1970 00:00:00 GMT")), 304);
	assert_int_equal(STATUS(.unmodified_since = S("Thu, 01 Jan 1970 00:00:00 GMT")), 200);
}

/* The total that is announced is what writing the parts gives. */
static void announced_and_written_lengths_agree(void **state)
{
	unsigned seed = 3;

	for (int round = 0; round < 2000; round++) {
		uint64_t written = 0, size = (uint64_t)rand_r(&seed) << (rand_r(&seed) % 30);
		char field[512] = "bytes=";
		mo_byteranges b;

		for (int i = 0; i < MO_MAX_RANGES; i++) {
			unsigned first = (unsigned)rand_r(&seed) % 100000;

			sprintf(field + strlen(field), "%u-%u,", first,
				first + (unsigned)rand_r(&seed) % 1000);
		}
		plan.nranges = mo_range_parse(mo_str(field), size, plan.ranges);
		if (plan.nranges < 2)
			continue;
		mo_byteranges_make(&plan, size, "text/plain", "BOUNDARY", &b);
		assert_int_equal(b.start[0], 0);
		for (int i = 0; i < plan.nranges; i++) {
			assert_true(b.start[i] < b.start[i + 1]);
			written += b.start[i + 1] - b.start[i];
			written += plan.ranges[i].last - plan.ranges[i].first + 1;
		}
		written += b.text.len - b.start[plan.nranges];
		assert_true(written == b.total);
		mo_buf_free(&b.text);
	}
}

static void parts_are_framed_as_multipart(void **state)
{
	mo_byteranges b;

	assert_int_equal(STATUS(.range = S("bytes=0-1,5-5")), 206);
	mo_byteranges_make(&plan, 100, "text/x", "BB", &b);
	assert_string_equal(mo_buf_cstr(&b.text),
			    "--BB\r\nContent-Type: text/x\r\nContent-Range: bytes 0-1/100\r\n\r\n"
			    "\r\n--BB\r\nContent-Type: text/x\r\nContent-Range: bytes 5-5/100\r\n"
			    "\r\n\r\n--BB--\r\n");
	mo_buf_free(&b.text);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup(name, set_up)
	const struct CMUnitTest tests[] = {
		T(a_tag_changes_with_time_size_and_file),
		T(the_longest_tag_fits_and_the_future_is_now),
		T(without_conditions_the_file_is_sent),
		T(if_none_match_gives_304_weakly),
		T(if_none_match_hides_if_modified_since),
		T(if_modified_since_gives_304),
		T(if_match_and_if_unmodified_since_give_412),
		T(ranges_are_of_get_alone),
		T(if_range_needs_this_very_file),
		T(a_date_cannot_name_a_file_that_may_change_this_second),
		T(a_file_older_than_1970_can_be_asked_for),
		T(announced_and_written_lengths_agree),
		T(parts_are_framed_as_multipart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
