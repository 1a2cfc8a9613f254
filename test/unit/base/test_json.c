/* JSON from outside is nested at most MO_JSON_DEPTH levels (src/base/json.c). */
#include "unit.h"

#include "base/json.h"

static char text[4096];

/* n levels of open, then close, around what is inside. */
static const char *nested(size_t n, const char *open, const char *inside, const char *close)
{
	text[0] = '\0';
	for (size_t i = 0; i < n; i++)
		strcat(text, open);
	strcat(text, inside);
	for (size_t i = 0; i < n; i++)
		strcat(text, close);
	return text;
}

static bool loads(const char *s)
{
	json_t *o = mo_json_load(s, strlen(s), MO_JSON_DEPTH, 0);

	json_decref(o);
	return o != NULL;
}

static void the_limit_is_reached_and_not_passed(void **state)
{
	assert_true(loads(nested(MO_JSON_DEPTH, "[", "1", "]")));
	assert_false(loads(nested(MO_JSON_DEPTH + 1, "[", "1", "]")));
	assert_true(loads(nested(MO_JSON_DEPTH, "{\"a\":", "1", "}")));
	assert_false(loads(nested(MO_JSON_DEPTH + 1, "{\"a\":", "1", "}")));
	assert_false(loads(nested(900, "[", "", "]")));
	assert_false(
		mo_json_shallow(nested(900, "[", "", ""), 900, MO_JSON_DEPTH)); /* never closed */
}

static void brackets_beside_each_other_and_in_texts_do_not_count(void **state)
{
	size_t n = 1;

	strcpy(text, "[");
	for (size_t i = 0; i < 300; i++, n += 3)
		strcat(text, "[],");
	strcat(text, "\"");
	for (size_t i = 0; i < 300; i++)
		strcat(text, "[{\\\"");
	strcat(text, "\\\\\"]");
	assert_true(loads(text));
}

static void a_text_that_seems_to_end_hides_no_depth(void **state)
{
	char all[4096];

	/* A quote behind a backslash ends no text; one behind two does. */
	snprintf(all, sizeof(all), "[\"\\\\\",%s]", nested(40, "[", "", "]"));
	assert_false(loads(all));
	snprintf(all, sizeof(all), "[\"\\\"\",%s]", nested(40, "[", "", "]"));
	assert_false(loads(all));
}

/* NULL would take the message along whose part it is. */
static void a_text_that_is_no_utf8_is_a_string_too(void **state)
{
	json_t *good = mo_json_text("caf\xc3\xa9 \"x\""), *bad = mo_json_text("caf\xe9 \x1b[31m");
	json_t *none = mo_json_text(NULL);

	assert_string_equal(json_string_value(good), "caf\xc3\xa9 \"x\"");
	assert_string_equal(json_string_value(bad), "caf\\xe9 \\x1b[31m");
	assert_true(json_is_null(none));
	json_decref(good);
	json_decref(bad);
}

static void a_moment_is_told_in_utc_to_the_second(void **state)
{
	json_t *one = mo_json_moment(951782399999); /* a leap year's end of February */

	assert_string_equal(json_string_value(one), "2000-02-28T23:59:59Z");
	json_decref(one);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_limit_is_reached_and_not_passed),
		cmocka_unit_test(brackets_beside_each_other_and_in_texts_do_not_count),
		cmocka_unit_test(a_text_that_seems_to_end_hides_no_depth),
		cmocka_unit_test(a_text_that_is_no_utf8_is_a_string_too),
		cmocka_unit_test(a_moment_is_told_in_utc_to_the_second),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
