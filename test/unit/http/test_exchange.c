/* Status codes and fields of an exchange. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/str.h"
#include "http/conn/exchange.h"

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

static void an_answer_that_timed_out_is_a_503_or_cut(void **s)
{
	mo_out_field field = { NULL, MO_STR("X"), MO_STR("1") };
	molt_req r = { .status = 200, .out_fields = &field, .write_deadline = 1 };

	mo_arena_init(&r.arena, NULL);
	mo_buf_puts(&r.out, "what the handler wrote");
	mo_exchange_times_out(&r);
	assert_int_equal(r.status, 503);
	assert_false(r.cut);
	assert_string_equal(mo_buf_cstr(&r.out), "503 Service Unavailable\n");
	assert_true(mo_str_eq(r.out_fields->name, MO_STR("Content-Type")));
	assert_null(r.out_fields->next);
	assert_true(r.write_deadline == INT64_MAX);
	r.status = 200;
	r.head_sent = true;
	mo_exchange_times_out(&r);
	assert_int_equal(r.status, 200);
	assert_true(r.cut);
	mo_buf_free(&r.out);
	mo_arena_fini(&r.arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_field_of_an_id_is_found),
		cmocka_unit_test(every_status_has_a_phrase_or_an_empty_one),
		cmocka_unit_test(only_1xx_204_and_304_have_no_body),
		cmocka_unit_test(an_answer_that_timed_out_is_a_503_or_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
