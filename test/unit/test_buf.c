/* Promises of base/buf.h. */
#include "unit.h"

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
		cmocka_unit_test(consume_drops_from_the_front),
		cmocka_unit_test(cstr_terminates_without_growing_the_length),
		cmocka_unit_test(broken_sizes_end_the_program),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
