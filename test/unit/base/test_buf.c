/* Promises of base/buf.h. */
#include "unit.h"

#include <limits.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/str.h"

static void an_empty_buffer_owns_nothing(void **state)
{
	mo_buf b = { 0 };

	mo_buf_add(&b, NULL, 0);
	mo_buf_str(&b, mo_str(NULL));
	assert_null(b.data);
	assert_int_equal(b.len, 0);
	mo_buf_free(&b);
	mo_buf_free(&b);
}

static void reserve_gives_the_room_and_keeps_the_bytes(void **state)
{
	mo_buf b = { 0 };

	mo_buf_puts(&b, "abc");
	for (size_t more = 1; more < 100000; more *= 3) {
		mo_buf_reserve(&b, more);
		assert_true(b.cap - b.len >= more);
		assert_memory_equal(b.data, "abc", 3);
	}
	mo_buf_free(&b);
}

static void bytes_are_kept_in_order_and_may_hold_nul(void **state)
{
	mo_buf b = { 0 };

	mo_buf_add(&b, "a\0b", 3);
	mo_buf_putc(&b, '\0');
	mo_buf_puts(&b, "xyz");
	mo_buf_str(&b, MO_STR("!"));
	assert_int_equal(b.len, 8);
	assert_memory_equal(b.data, "a\0b\0xyz!", 8);
	mo_buf_free(&b);
}

static void formatting_appends_exactly_at_every_fill(void **state)
{
	for (size_t fill = 0; fill < 300; fill++) {
		mo_buf b = { 0 };

		for (size_t i = 0; i < fill; i++)
			mo_buf_putc(&b, '.');
		mo_buf_fmt(&b, "%s:%0*d", "n", 80, 7);
		assert_int_equal(b.len, fill + 82);
		assert_memory_equal(b.data + fill, "n:0", 3);
		assert_int_equal(b.data[b.len - 1], '7');
		mo_buf_free(&b);
	}
}

#define SAME(...)                                                                                  \
	do {                                                                                       \
		char want[200];                                                                    \
		mo_buf got = { 0 };                                                                \
		int n = snprintf(want, sizeof(want), __VA_ARGS__);                                 \
		mo_buf_putc(&got, '>');                                                            \
		mo_buf_fmt(&got, __VA_ARGS__);                                                     \
		assert_int_equal(got.len, n + 1);                                                  \
		assert_memory_equal(got.data + 1, want, (size_t)n);                                \
		mo_buf_free(&got);                                                                 \
	} while (0)

static void every_conversion_is_as_printf_makes_it(void **state)
{
	const char *volatile none = NULL;

	SAME("no conversion");
	SAME("%s%%%s|%c%c", "a", "", 'x', '\0');
	SAME("%d %d %d %d", 0, -1, INT_MIN, INT_MAX);
	SAME("%u %u", 0u, UINT_MAX);
	SAME("%ld %ld %lu", LONG_MIN, LONG_MAX, ULONG_MAX);
	SAME("%zu", SIZE_MAX);
	SAME("%s", none);
	/* And those that are left to it, also behind others. */
	SAME("%s %5d|%-5s|%.2s", "a", 3, "b", "cde");
	SAME("%d %x %lx %llu %f %g %i", 7, 255u, 255ul, 1ull, 1.5, 2.5, 9);
	SAME("%lld %zd %hhu %jd", -1ll, (ssize_t)-2, (unsigned char)3, (intmax_t)-4);
}

static void consume_drops_from_the_front(void **state)
{
	mo_buf b = { 0 };

	mo_buf_consume(&b, 0);
	mo_buf_puts(&b, "hello world");
	mo_buf_consume(&b, 6);
	assert_string_equal(mo_buf_cstr(&b), "world");
	mo_buf_consume(&b, 5);
	assert_int_equal(b.len, 0);
	mo_buf_free(&b);
}

static void cstr_terminates_without_growing_the_length(void **state)
{
	mo_buf b = { 0 };

	assert_string_equal(mo_buf_cstr(&b), "");
	for (int i = 0; i < 256; i++)
		mo_buf_putc(&b, 'x');
	assert_int_equal(strlen(mo_buf_cstr(&b)), 256);
	assert_int_equal(b.len, 256);
	mo_buf_free(&b);
}

static void consume_too_much(void)
{
	mo_buf b = { 0 };

	mo_buf_puts(&b, "x");
	mo_buf_consume(&b, 2);
}

static void reserve_too_much(void)
{
	mo_buf b = { 0 };

	mo_buf_puts(&b, "x");
	mo_buf_reserve(&b, SIZE_MAX);
}

static void broken_sizes_end_the_program(void **state)
{
	assert_true(dies(consume_too_much));
	assert_true(dies(reserve_too_much));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_buffer_owns_nothing),
		cmocka_unit_test(reserve_gives_the_room_and_keeps_the_bytes),
		cmocka_unit_test(bytes_are_kept_in_order_and_may_hold_nul),
		cmocka_unit_test(formatting_appends_exactly_at_every_fill),
		cmocka_unit_test(every_conversion_is_as_printf_makes_it),
		cmocka_unit_test(consume_drops_from_the_front),
		cmocka_unit_test(cstr_terminates_without_growing_the_length),
		cmocka_unit_test(broken_sizes_end_the_program),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
