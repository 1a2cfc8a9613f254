/* Promises of gen/wire/forms.c: two neighbours meet in the highest version that both know. */
#include "unit.h"

#include "gen/wire/forms.h"
#include "gen/wire/wire.h"

static size_t forms(mo_gen_form *out, size_t room)
{
	assert_true(room >= 2);
	out[0] = (mo_gen_form){ "websocket", { 1, 1 } };
	out[1] = (mo_gen_form){ "step", { 2, 4 } };
	return 2;
}

static const mo_gen_host host = { .forms = forms };

static const struct row {
	const char *what, *body;
	int protocol, tls, websocket, step;
} rows[] = {
	{ "a program of before: version 1 of everything, no TLS", "{\"protocol\":1}", 1, 0, 1, 0 },
	{ "a program of before that knew of TLS", "{\"protocol\":1,\"tls_state\":1}", 1, 1, 1, 0 },
	{ "a later one that still speaks it",
	  "{\"protocol\":1,\"protocol_highest\":3,\"tls_state\":1,\"tls_state_highest\":2,"
	  "\"forms\":{\"websocket\":[1,5],\"step\":[3,9]}}",
	  1, 1, 1, 4 },
	{ "one that reads less than is written here",
	  "{\"protocol\":1,\"forms\":{\"websocket\":[1,1],\"step\":[1,3]}}", 1, 0, 1, 3 },
	{ "one that has left everything behind",
	  "{\"protocol\":2,\"protocol_highest\":3,\"tls_state\":2,\"tls_state_highest\":2,"
	  "\"forms\":{\"websocket\":[2,2],\"step\":[5,5]}}",
	  0, 0, 0, 0 },
	{ "a form that is not named is not read", "{\"protocol\":1,\"forms\":{\"step\":[2,2]}}", 1,
	  0, 0, 2 },
	{ "nonsense is no version",
	  "{\"protocol\":-1,\"protocol_highest\":\"7\",\"tls_state\":4294967297,"
	  "\"forms\":{\"websocket\":1,\"step\":[4,2,3]}}",
	  0, 0, 0, 0 },
	{ "and neither are these", "{\"protocol\":true,\"tls_state\":[1],\"forms\":[1,1]}", 0, 0, 0,
	  0 },
};

static void the_highest_common_version_is_taken(void **state)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		const struct row *r = &rows[i];
		json_t *body = json_loads(r->body, 0, NULL);
		mo_forms f;

		assert_non_null(body);
		mo_forms_read(&f, body, &host);
		if (f.protocol != r->protocol || mo_forms_version(&f, MO_FORM_TLS) != r->tls ||
		    mo_forms_version(&f, "websocket") != r->websocket ||
		    mo_forms_version(&f, "step") != r->step)
			fail_msg("%s: protocol %d, tls %d, websocket %d, step %d", r->what,
				 f.protocol, mo_forms_version(&f, MO_FORM_TLS),
				 mo_forms_version(&f, "websocket"), mo_forms_version(&f, "step"));
		json_decref(body);
	}
}

static void a_form_of_nobody_is_not_read(void **state)
{
	json_t *body = json_object();
	mo_forms f;

	mo_forms_read(&f, body, &host);
	assert_int_equal(mo_forms_version(&f, "h2"), 0);
	json_decref(body);
}

static void what_is_named_can_be_read_by_the_namer(void **state)
{
	json_t *body = json_object();
	mo_forms f;

	mo_forms_name(body, &host);
	mo_forms_read(&f, body, &host);
	assert_int_equal(f.protocol, MO_WIRE_PROTOCOL);
	assert_true(mo_forms_version(&f, MO_FORM_TLS) > 0);
	assert_int_equal(mo_forms_version(&f, "websocket"), 1);
	assert_int_equal(mo_forms_version(&f, "step"), 4);
	/* Programs before the ranges compare these two numbers with 1. */
	assert_int_equal(mo_json_int(body, "protocol"), 1);
	assert_int_equal(mo_json_int(body, "tls_state"), 1);
	json_decref(body);
}

static void a_refusal_names_both_ranges(void **state)
{
	json_t *body = json_pack("{s:i, s:i}", "protocol", 4, "protocol_highest", 6);
	char *why = mo_forms_refuse(body, "the predecessor");

	assert_string_equal(why, "the predecessor speaks handover protocol 4 to 6, this program 1");
	free(why);
	json_object_set_new(body, "protocol", json_integer(1));
	assert_null(mo_forms_refuse(body, "the predecessor"));
	json_decref(body);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_highest_common_version_is_taken),
		cmocka_unit_test(a_form_of_nobody_is_not_read),
		cmocka_unit_test(what_is_named_can_be_read_by_the_namer),
		cmocka_unit_test(a_refusal_names_both_ranges),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
