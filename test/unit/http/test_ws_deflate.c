/* Promises of http/live/ws_deflate.c: messages come back as they were, stand alone, and
 * never grow beyond their limit. */
#include "unit.h"

#include <errno.h>

#include "base/check.h"
#include "base/str.h"
#include "http/live/ws_deflate.h"

static mo_ws_zlib *z;

static int teardown(void **state)
{
	mo_ws_zlib_free(z);
	z = NULL;
	return 0;
}

static void a_message_comes_back_as_it_was(void **state)
{
	char text[50000];

	for (size_t n = 0; n <= sizeof(text); n = n * 3 + 70) {
		mo_buf small = { 0 }, back = { 0 };

		for (size_t i = 0; i < n; i++)
			text[i] = (char)(i * i % 61);
		if (mo_ws_deflate(&z, mo_strn(text, n), &small)) {
			assert_true(small.len < n);
			assert_int_equal(
				mo_ws_inflate(&z, mo_strn(small.data, small.len), n, &back), 0);
			assert_int_equal(back.len, n);
			assert_memory_equal(back.data, text, n);
		}
		mo_buf_free(&small);
		mo_buf_free(&back);
	}
}

static void what_would_not_become_smaller_is_left_alone(void **state)
{
	mo_buf small = { 0 };

	mo_buf_puts(&small, "before");
	assert_false(mo_ws_deflate(&z, MO_STR("ab"), &small));
	assert_int_equal(small.len, 6);
	mo_buf_free(&small);
}

/* RFC 7692 section 7.2.3.1, .3 and .5. */
static void the_examples_of_the_standard_are_read(void **state)
{
	static const molt_str hello[] = {
		{ "\xf2\x48\xcd\xc9\xc9\x07\x00", 7 },
		{ "\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00", 11 },
		{ "\xf3\x48\xcd\xc9\xc9\x07\x00\x00", 8 },
		{ "\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00", 13 },
	};

	for (size_t i = 0; i < MO_COUNTOF(hello); i++) {
		mo_buf back = { 0 };

		assert_int_equal(mo_ws_inflate(&z, hello[i], 5, &back), 0);
		assert_int_equal(back.len, 5);
		assert_memory_equal(back.data, "Hello", 5);
		mo_buf_free(&back);
	}
}

/* The second message of section 7.2.3.2 leans on the first. */
static void no_message_leans_on_an_earlier_one(void **state)
{
	mo_buf back = { 0 };

	assert_int_equal(mo_ws_inflate(&z, mo_strn("\xf2\x48\xcd\xc9\xc9\x07\x00", 7), 100, &back),
			 0);
	mo_buf_free(&back);
	assert_int_equal(mo_ws_inflate(&z, mo_strn("\xf2\x00\x11\x00\x00", 5), 100, &back),
			 -EBADMSG);
	mo_buf_free(&back);
}

static void a_bomb_stops_at_the_limit(void **state)
{
	static char zeros[4 * 1024 * 1024];
	mo_buf small = { 0 }, back = { 0 };

	assert_true(mo_ws_deflate(&z, mo_strn(zeros, sizeof(zeros)), &small));
	assert_true(small.len < 10000);
	assert_int_equal(mo_ws_inflate(&z, mo_strn(small.data, small.len), 65536, &back),
			 -EMSGSIZE);
	assert_true(back.len <= 65537 && back.cap < 200000);
	mo_buf_free(&back);
	/* And the next message is none the worse. */
	assert_int_equal(mo_ws_inflate(&z, mo_strn(small.data, small.len), sizeof(zeros), &back),
			 0);
	assert_int_equal(back.len, sizeof(zeros));
	mo_buf_free(&small);
	mo_buf_free(&back);
}

static void the_limit_itself_is_allowed(void **state)
{
	mo_buf back = { 0 };
	molt_str hello = { "\xf2\x48\xcd\xc9\xc9\x07\x00", 7 };

	assert_int_equal(mo_ws_inflate(&z, hello, 4, &back), -EMSGSIZE);
	mo_buf_free(&back);
	assert_int_equal(mo_ws_inflate(&z, hello, 5, &back), 0);
	mo_buf_free(&back);
}

static void rubbish_is_refused(void **state)
{
	mo_buf back = { 0 };

	assert_int_equal(mo_ws_inflate(&z, mo_strn("\xff\xff\xff\xff", 4), 100, &back), -EBADMSG);
	mo_buf_free(&back);
	assert_int_equal(mo_ws_inflate(&z, mo_strn("\x06", 1), 100, &back), -EBADMSG);
	mo_buf_free(&back);
}

#define TEST(t) cmocka_unit_test_teardown(t, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_message_comes_back_as_it_was),
		TEST(what_would_not_become_smaller_is_left_alone),
		TEST(the_examples_of_the_standard_are_read),
		TEST(no_message_leans_on_an_earlier_one),
		TEST(a_bomb_stops_at_the_limit),
		TEST(the_limit_itself_is_allowed),
		TEST(rubbish_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
