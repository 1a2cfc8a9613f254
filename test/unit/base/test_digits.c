/* Promises of base/digits.h: the same as printf(). */
#include "unit.h"

#include <inttypes.h>

#include "base/digits.h"

static char text[64], wanted[64];

#define SAME(end, ...)                                                                             \
	do {                                                                                       \
		*(end) = '\0';                                                                     \
		snprintf(wanted, sizeof(wanted), __VA_ARGS__);                                     \
		assert_string_equal(text, wanted);                                                 \
	} while (0)

static void all_forms(uint64_t n)
{
	SAME(mo_put_u64(text, n), "%" PRIu64, n);
	SAME(mo_put_hex(text, n), "%" PRIx64, n);
	SAME(mo_put_hex16(text, n), "%016" PRIx64, n);
}

static void numbers_of_every_length_are_written_whole(void **state)
{
	for (uint64_t n = 1; n < UINT64_MAX / 7; n = n * 7 + 3) {
		all_forms(n);
		all_forms(n ^ 0xf0f0a5a59f9f0000u);
	}
	for (uint64_t n = 1; n < UINT64_MAX / 10; n *= 10) {
		all_forms(n - 1);
		all_forms(n);
	}
	for (int bit = 0; bit < 64; bit++) {
		all_forms(UINT64_C(1) << bit);
		all_forms((UINT64_C(1) << bit) - 1);
	}
	all_forms(UINT64_MAX);
	all_forms(0x0123456789abcdefu);
}

static void small_numbers_have_their_fixed_width(void **state)
{
	for (unsigned n = 0; n < 1000; n++) {
		SAME(mo_put_3digits(text, n), "%03u", n);
		SAME(mo_put_2digits(text, n), "%02u", n % 100);
		SAME(mo_put_hex_digits(text, n, 2), "%02x", n & 255);
		if (n < 256)
			SAME(mo_put_byte(text, (uint8_t)n), "%u", n);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_of_every_length_are_written_whole),
		cmocka_unit_test(small_numbers_have_their_fixed_width),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
