/* Promises of base/str.h. */
#include "unit.h"

#include "base/str.h"

static void equality_looks_at_length_and_bytes(void **state)
{
	assert_true(mo_str_eq(MO_STR("ab"), mo_strn("abc", 2)));
	assert_false(mo_str_eq(MO_STR("ab"), MO_STR("abc")));
	assert_false(mo_str_eq(MO_STR("a\0b"), MO_STR("a\0c")));
	assert_true(mo_str_eq(MO_STR(""), mo_str(NULL)));
}

static void case_is_ignored_for_ascii_letters_only(void **state)
{
	assert_true(mo_str_eq_ci(MO_STR("Content-TYPE"), MO_STR("cONTENT-type")));
	assert_false(mo_str_eq_ci(MO_STR("a["), MO_STR("a{")));
	assert_false(mo_str_eq_ci(MO_STR("@"), MO_STR("`")));
	assert_false(mo_str_eq_ci(MO_STR("\xc0"), MO_STR("\xe0")));
	assert_false(mo_str_eq_ci(MO_STR("a"), MO_STR("ab")));
}

static void prefix_and_suffix_handle_the_empty_and_the_longer(void **state)
{
	molt_str none = { NULL, 0 };

	assert_true(mo_str_has_prefix(MO_STR("unix:/a"), MO_STR("unix:")));
	assert_false(mo_str_has_prefix(MO_STR("uni"), MO_STR("unix:")));
	assert_true(mo_str_has_suffix(MO_STR("a.html"), MO_STR(".html")));
	assert_false(mo_str_has_suffix(MO_STR("html"), MO_STR(".html")));
	assert_true(mo_str_has_prefix(none, none));
	assert_true(mo_str_has_suffix(none, none));
	assert_true(mo_str_has_suffix(MO_STR("x"), MO_STR("")));
	assert_false(mo_str_has_suffix(none, MO_STR("x")));
}

static void trim_takes_spaces_and_tabs_at_both_ends(void **state)
{
	assert_true(mo_str_eq(mo_str_trim(MO_STR(" \t a b\t ")), MO_STR("a b")));
	assert_int_equal(mo_str_trim(MO_STR(" \t")).len, 0);
	assert_int_equal(mo_str_trim(mo_str(NULL)).len, 0);
	/* Other white space is not HTTP's: it stays, to be refused. */
	assert_true(mo_str_eq(mo_str_trim(MO_STR("\va\n")), MO_STR("\va\n")));
}

static void split_gives_every_part_and_then_ends(void **state)
{
	molt_str rest = MO_STR("a,,b");

	assert_true(mo_str_eq(mo_str_split(&rest, ','), MO_STR("a")));
	assert_true(mo_str_eq(mo_str_split(&rest, ','), MO_STR("")));
	assert_non_null(rest.ptr);
	assert_true(mo_str_eq(mo_str_split(&rest, ','), MO_STR("b")));
	assert_null(rest.ptr);
	assert_int_equal(mo_str_split(&rest, ',').len, 0);
	rest = MO_STR("a,");
	mo_str_split(&rest, ',');
	assert_non_null(rest.ptr);
	assert_int_equal(rest.len, 0);
}

static void numbers_are_digits_only(void **state)
{
	static const char *const bad[] = { "",    "+1",  "-1", " 1", "1 ", "0x10", "1_0",
					   "1.0", "1e3", "a",  ":",  "/",  "\xb2" };
	uint64_t v = 99;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(mo_str_u64(mo_str(bad[i]), UINT64_MAX, &v));
	assert_int_equal(v, 99);
	assert_true(mo_str_u64(MO_STR("000123"), UINT64_MAX, &v));
	assert_int_equal(v, 123);
	assert_true(mo_str_u64(MO_STR("0"), 0, &v));
	assert_int_equal(v, 0);
}

static void numbers_end_exactly_at_the_limit(void **state)
{
	uint64_t v;

	assert_true(mo_str_u64(MO_STR("18446744073709551615"), UINT64_MAX, &v));
	assert_true(v == UINT64_MAX);
	assert_false(mo_str_u64(MO_STR("18446744073709551616"), UINT64_MAX, &v));
	assert_false(mo_str_u64(MO_STR("99999999999999999999"), UINT64_MAX, &v));
	assert_true(mo_str_u64(MO_STR("65535"), 65535, &v));
	assert_false(mo_str_u64(MO_STR("65536"), 65535, &v));
	for (uint64_t max = 0; max < 30; max++) {
		for (uint64_t n = 0; n < 40; n++) {
			char text[8];

			snprintf(text, sizeof(text), "%u", (unsigned)n);
			assert_int_equal(mo_str_u64(mo_str(text), max, &v), n <= max);
		}
	}
}

static void a_number_that_wraps_is_not_a_small_one(void **state)
{
	uint64_t v;

	assert_false(mo_str_u64(MO_STR("18446744073709551619"), 5, &v));
	assert_false(mo_str_u64(MO_STR("36893488147419103232"), UINT64_MAX, &v));
}

static void hex_digits_are_read_in_both_cases(void **state)
{
	for (int c = -128; c < 128; c++) {
		const char *digits = "0123456789abcdef0123456789ABCDEF";
		const char *at = c ? strchr(digits, c) : NULL;
		int want = at ? (int)((at - digits) % 16) : -1;

		assert_int_equal(mo_hex_digit((char)c), want);
	}
}

static void what_drives_terminals_is_not_visible(void **state)
{
	static const char *const visible[] = { "a",      " ",      "~",         "\u00e9",
					       "\u00a0", "\u20ac", "\U0001f600" };
	static const char *const bad[] = { "\n",           "\x1b",     "\x7f",  "\xc2\x80",
					   "\xc2\x9b",     "\xc2\x9f", "\x9b",  "\xc2",
					   "\xc2 ",        "\xe2\x80", "\xff",  "\u202e",
					   "\xed\xa0\x80", "\u2028",   "\u2066" };

	for (size_t i = 0; i < sizeof(visible) / sizeof(visible[0]); i++)
		assert_int_equal(mo_str_visible(mo_str(visible[i])), strlen(visible[i]));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(mo_str_visible(mo_str(bad[i])), 0);
	assert_int_equal(mo_str_visible(MO_STR("")), 0);
	assert_int_equal(mo_str_visible(MO_STR("\0")), 0);
	assert_int_equal(mo_str_visible(mo_strn("\xe2\x82\xac", 2)), 0); /* cut */
}

static void the_distance_counts_what_was_changed_added_and_left_out(void **state)
{
	static const struct {
		const char *a, *b;
		unsigned exact, any_case;
	} cases[] = { { "", "", 0, 0 },
		      { "", "abc", 3, 3 },
		      { "abc", "", 3, 3 },
		      { "status", "status", 0, 0 },
		      { "staus", "status", 1, 1 },
		      { "sttaus", "status", 2, 2 },
		      { "restrt", "restart", 1, 1 },
		      { "Status", "status", 1, 0 },
		      { "kitten", "sitting", 3, 3 },
		      { "ABC", "abc", 3, 0 } };

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		molt_str a = mo_str(cases[i].a), b = mo_str(cases[i].b);

		assert_int_equal(mo_str_distance(a, b, false), cases[i].exact);
		assert_int_equal(mo_str_distance(a, b, true), cases[i].any_case);
		assert_int_equal(mo_str_distance(b, a, true), cases[i].any_case);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(equality_looks_at_length_and_bytes),
		cmocka_unit_test(case_is_ignored_for_ascii_letters_only),
		cmocka_unit_test(prefix_and_suffix_handle_the_empty_and_the_longer),
		cmocka_unit_test(trim_takes_spaces_and_tabs_at_both_ends),
		cmocka_unit_test(split_gives_every_part_and_then_ends),
		cmocka_unit_test(numbers_are_digits_only),
		cmocka_unit_test(numbers_end_exactly_at_the_limit),
		cmocka_unit_test(a_number_that_wraps_is_not_a_small_one),
		cmocka_unit_test(hex_digits_are_read_in_both_cases),
		cmocka_unit_test(what_drives_terminals_is_not_visible),
		cmocka_unit_test(the_distance_counts_what_was_changed_added_and_left_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
