/* Status codes and fields of an exchange. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/str.h"
#include "http/exchange.h"

static void the_first_field_of_an_id_is_found(void **s)
{
	mo_field fields[] = { { MO_STR("A"), MO_STR("1"), MO_F_OTHER },
			      { MO_STR("Cookie"), MO_STR("2"), MO_F_COOKIE },
			      { MO_STR("cookie"), MO_STR("3"), MO_F_COOKIE } };
	molt_req r = { .fields = fields, .nfields = 3 };

	assert_ptr_equal(mo_req_field(&r, MO_F_COOKIE), &fields[1]);
	assert_null(mo_req_field(&r, MO_F_HOST));
	r.nfields = 1;
	assert_null(mo_req_field(&r, MO_F_COOKIE));
}

static void every_status_has_a_phrase_or_an_empty_one(void **s)
{
	assert_string_equal(mo_status_text(100), "Continue");
	assert_string_equal(mo_status_text(200), "OK");
	assert_string_equal(mo_status_text(308), "Permanent Redirect");
	assert_string_equal(mo_status_text(404), "Not Found");
	assert_string_equal(mo_status_text(431), "Request Header Fields Too Large");
	assert_string_equal(mo_status_text(505), "HTTP Version Not Supported");
	assert_string_equal(mo_status_text(306), "");
	assert_string_equal(mo_status_text(427), "");
	for (int status = -1000; status < 2000; status++)
		assert_non_null(mo_status_text(status));
	assert_string_equal(mo_status_text(99), "");
	assert_string_equal(mo_status_text(600), "");
}

static void only_1xx_204_and_304_have_no_body(void **s)
{
	for (int status = 100; status < 600; status++)
		assert_int_equal(mo_status_has_body(status),
				 status >= 200 && status != 204 && status != 304);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_field_of_an_id_is_found),
		cmocka_unit_test(every_status_has_a_phrase_or_an_empty_one),
		cmocka_unit_test(only_1xx_204_and_304_have_no_body),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
