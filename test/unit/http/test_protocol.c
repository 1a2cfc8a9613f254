/* Promises of http/conn/protocol.h: the tables of protocols and of what ALPN offers agree. */
#include "base/check.h"
#include "base/str.h"
#include "http/conn/protocol.h"
#include "unit.h"

static void each_name_is_found(void **state)
{
	for (const mo_protocol *const *p = mo_protocols; *p; p++)
		assert_ptr_equal(mo_protocol_named((*p)->name), *p);
	assert_null(mo_protocol_named("gopher"));
	assert_null(mo_protocol_named(""));
}

static void each_offered_name_has_its_transport(void **state)
{
	size_t offered = 0, transports = 0;

	for (const char *const *name = mo_transport_names(true); *name; name++, offered++)
		assert_string_equal(mo_transport_for(mo_str(*name))->alpn, *name);
	for (const mo_protocol *const *p = mo_protocols; *p; p++)
		transports += (*p)->alpn != NULL;
	assert_int_equal(offered, transports);
}

static void http_2_comes_first_if_at_all(void **state)
{
	assert_string_equal(mo_transport_names(true)[0], "h2");
	assert_string_equal(mo_transport_names(false)[0], "http/1.1");
	assert_null(mo_transport_names(false)[1]);
}

static void without_a_name_it_is_http_1_1(void **state)
{
	assert_ptr_equal(mo_transport_for(MO_STR("")), &mo_protocol_h1);
	assert_ptr_equal(mo_protocols[0], &mo_protocol_h1);
	assert_non_null(mo_protocol_h1.not_tls);
}

static void a_protocol_is_a_transport_or_a_follower(void **state)
{
	for (const mo_protocol *const *p = mo_protocols; *p; p++) {
		const mo_protocol *it = *p;
		bool transport = it->alpn != NULL;

		assert_int_equal(it->open && it->restore, transport);
		assert_true(it == mo_protocols[0] || !it->not_tls);
		assert_int_equal(it->revive != NULL, it->resume != NULL);
		assert_int_equal(it->revive != NULL, it->drop != NULL);
		assert_int_equal(it->begin && it->alone && it->state, !transport);
		assert_int_equal(it->state_form.highest > 0, it->state != NULL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_name_is_found),
		cmocka_unit_test(each_offered_name_has_its_transport),
		cmocka_unit_test(http_2_comes_first_if_at_all),
		cmocka_unit_test(without_a_name_it_is_http_1_1),
		cmocka_unit_test(a_protocol_is_a_transport_or_a_follower),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
