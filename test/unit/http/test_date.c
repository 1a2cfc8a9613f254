/* Promises of http/syntax/date.c. */
#include "unit.h"

#include "base/str.h"
#include "http/syntax/range.h"

static time_t parse(const char *s)
{
	return mo_date_parse(mo_str(s));
}

static void the_three_forms_are_read(void **state)
{
	assert_int_equal(parse("Sun, 06 Nov 1994 08:49:37 GMT"), 784111777);
	assert_int_equal(parse("Sunday, 06-Nov-94 08:49:37 GMT"), 784111777);
	assert_int_equal(parse("Sun Nov  6 08:49:37 1994"), 784111777);
	assert_int_equal(parse("Wed Nov 16 08:49:37 1994"), 784111777 + 10 * 86400);
	assert_int_equal(parse("Thu, 01 Jan 1970 00:00:00 GMT"), 0);
	assert_int_equal(parse("Thu, 29 Feb 2024 23:59:59 GMT"), 1709251199);
	assert_int_equal(parse("Fri, 31 Dec 9999 23:59:59 GMT"), 253402300799);
	assert_int_equal(parse("Wed, 31 Dec 2008 23:59:60 GMT"), 1230768000);
	assert_int_equal(parse("Fri, 31 Dec 9999 23:59:60 GMT"), 253402300799);
}

static void everything_else_is_no_date(void **state)
{
	static const char *const bad[] = {
		"",
		"0",
		"Sun",
		"Sun,",
		"Sun, 06 Nov 1994 08:49:37",
		"Sun, 06 Nov 1994 08:49:37 UTC",
		"Sun, 06 Nov 1994 08:49:37 GMT ",
		" Sun, 06 Nov 1994 08:49:37 GMT",
		"Sun, 6 Nov 1994 08:49:37 GMT",
		"Sun, 06 nov 1994 08:49:37 GMT",
		"sun, 06 Nov 1994 08:49:37 GMT",
		"Xyz, 06 Nov 1994 08:49:37 GMT",
		"Sun, 06 Nov 1994 24:00:00 GMT",
		"Sun, 06 Nov 1994 08:60:00 GMT",
		"Sun, 06 Nov 1994 08:49:61 GMT",
		"Sun, 00 Nov 1994 08:49:37 GMT",
		"Sun, 31 Nov 1994 08:49:37 GMT",
		"Sun, 29 Feb 2023 08:49:37 GMT",
		"Sun, 29 Feb 1900 08:49:37 GMT",
		"Sun, 06 Nov -994 08:49:37 GMT",
		"Sun, 06 Nov 19940 08:49:37 GMT",
		"Sun, 06 Nov 1994 8:49:37 GMT",
		"Sunday, 06 Nov 1994 08:49:37 GMT",
		"Sunday, 06-Nov-1994 08:49:37 GMT",
		"Sun Nov 6 08:49:37 1994",
		"Sun Nov  6 08:49:37 1994 GMT",
		"Sun Nov 06 08:49:37 94",
		"Sun, 06 Nov 1994 08:49:37 GMT, Sun, 06 Nov 1994 08:49:37 GMT",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (parse(bad[i]) != -1)
			fail_msg("read as a date: \"%s\"", bad[i]);
}

static void a_date_before_1970_counts_as_1970(void **state)
{
	assert_int_equal(parse("Wed, 31 Dec 1969 23:59:59 GMT"), 0);
	assert_int_equal(parse("Mon, 01 Jan 0001 00:00:00 GMT"), 0);
	assert_int_equal(parse("Sat, 01 Jan 0000 00:00:00 GMT"), 0);
}

static void two_digits_name_a_year_at_most_50_years_ahead(void **state)
{
	time_t now = time(NULL);
	struct tm tm;

	for (int yy = 0; yy < 100; yy++) {
		char text[64];
		time_t t;

		snprintf(text, sizeof(text), "Monday, 15-Jun-%02d 12:00:00 GMT", yy);
		t = parse(text);
		assert_true(t >= 0);
		gmtime_r(&t, &tm);
		/* Years before 1970 are held at 1970. */
		assert_true(tm.tm_year % 100 == yy || t == 0);
		assert_true(t <= now + (time_t)51 * 366 * 86400);
	}
}

static void formatting_agrees_with_the_c_library_and_reads_back(void **state)
{
	for (int64_t t = 0; t < 253402300800; t += 86400 * 13 + 4567) {
		char ours[30], theirs[64];
		time_t v = (time_t)t;
		struct tm tm;

		gmtime_r(&v, &tm);
		strftime(theirs, sizeof(theirs), "%a, %d %b %Y %H:%M:%S GMT", &tm);
		mo_date_format(v, ours);
		/* Some C libraries do not fill %Y up with zeros; all years here have four digits. */
		assert_string_equal(ours, theirs);
		assert_int_equal(parse(ours), v);
	}
}

static void every_day_around_leap_years_reads_back(void **state)
{
	for (int64_t day = 10000; day < 60000; day++) {
		char text[30];

		mo_date_format((time_t)(day * 86400), text);
		assert_int_equal(parse(text), day * 86400);
	}
}

static void times_that_four_digits_cannot_say_are_clamped(void **state)
{
	char text[30];

	mo_date_format((time_t)-1, text);
	assert_string_equal(text, "Thu, 01 Jan 1970 00:00:00 GMT");
	mo_date_format((time_t)INT64_MAX, text);
	assert_string_equal(text, "Fri, 31 Dec 9999 23:59:59 GMT");
	mo_date_format((time_t)INT64_MIN, text);
	assert_string_equal(text, "Thu, 01 Jan 1970 00:00:00 GMT");
}

static void the_time_zone_changes_nothing(void **state)
{
	char text[30];

	setenv("TZ", "Pacific/Kiritimati", 1);
	tzset();
	assert_int_equal(parse("Sun, 06 Nov 1994 08:49:37 GMT"), 784111777);
	mo_date_format(784111777, text);
	assert_string_equal(text, "Sun, 06 Nov 1994 08:49:37 GMT");
	unsetenv("TZ");
	tzset();
}

static void no_prefix_of_a_date_is_read_past_its_end(void **state)
{
	static const char *const whole[] = { "Sun, 06 Nov 1994 08:49:37 GMT",
					     "Wednesday, 06-Nov-94 08:49:37 GMT",
					     "Sun Nov  6 08:49:37 1994" };

	for (size_t w = 0; w < 3; w++) {
		for (size_t n = 0; n < strlen(whole[w]); n++) {
			char *exact = malloc(n ? n : 1);

			assert_non_null(exact);
			memcpy(exact, whole[w], n);
			assert_int_equal(mo_date_parse(mo_strn(exact, n)), -1);
			free(exact);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_three_forms_are_read),
		cmocka_unit_test(everything_else_is_no_date),
		cmocka_unit_test(a_date_before_1970_counts_as_1970),
		cmocka_unit_test(two_digits_name_a_year_at_most_50_years_ahead),
		cmocka_unit_test(formatting_agrees_with_the_c_library_and_reads_back),
		cmocka_unit_test(every_day_around_leap_years_reads_back),
		cmocka_unit_test(times_that_four_digits_cannot_say_are_clamped),
		cmocka_unit_test(the_time_zone_changes_nothing),
		cmocka_unit_test(no_prefix_of_a_date_is_read_past_its_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
