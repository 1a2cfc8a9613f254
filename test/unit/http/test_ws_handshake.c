/* Promises of http/live/ws_handshake.c: who may open a WebSocket, each refusal, and
 * which offers of permessage-deflate are taken. */
#include "unit.h"

#include "base/check.h"
#include "base/str.h"
#include "http/live/ws_handshake.h"

#define KEY "dGhlIHNhbXBsZSBub25jZQ==" /* of RFC 6455 section 1.3 */

typedef struct request {
	molt_req r;
	mo_field fields[16];
} request;

static void add(request *q, const char *name, const char *value)
{
	q->fields[q->r.nfields++] = (mo_field){ .name = mo_str(name), .value = mo_str(value) };
}

static void set(request *q, const char *name, const char *value)
{
	for (size_t i = 0; i < q->r.nfields; i++) {
		if (!mo_str_eq_ci(q->fields[i].name, mo_str(name)))
			continue;
		q->fields[i].value = mo_str(value ? value : "");
		if (!value)
			q->fields[i].name = MO_STR("X-None");
		return;
	}
	if (value)
		add(q, name, value);
}

static request *good(void)
{
	static request q;

	q = (request){ .r = { .method = MO_STR("GET"),
			      .host = MO_STR("a.org:8080"),
			      .upgrade = true,
			      .fields = q.fields } };
	add(&q, "Connection", "keep-alive, Upgrade");
	add(&q, "Upgrade", "WebSocket");
	add(&q, "Sec-WebSocket-Version", "13");
	add(&q, "sec-websocket-key", KEY);
	return &q;
}

static int status(request *q, const char *origins)
{
	mo_ws_hello hello;
	int rc = mo_ws_handshake(&q->r, origins, &hello);

	assert_true((rc == 0) == (hello.why == NULL));
	return rc;
}

static void the_key_of_the_standard_is_accepted(void **state)
{
	mo_ws_hello hello;

	assert_int_equal(mo_ws_handshake(&good()->r, NULL, &hello), 0);
	assert_string_equal(hello.accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
	assert_false(hello.deflate);
}

static void what_is_no_upgrade_gets_426(void **state)
{
	request *q = good();

	q->r.upgrade = false;
	assert_int_equal(status(q, NULL), 426);
	q = good();
	set(q, "Upgrade", "h2c");
	assert_int_equal(status(q, NULL), 426);
	q = good();
	q->r.method = MO_STR("HEAD");
	assert_int_equal(status(q, NULL), 426);
	q = good();
	set(q, "Upgrade", "h2c, websocket");
	assert_int_equal(status(q, NULL), 0);
}

static void another_version_gets_426_and_none_400(void **state)
{
	request *q = good();

	set(q, "Sec-WebSocket-Version", "8");
	assert_int_equal(status(q, NULL), 426);
	set(q, "Sec-WebSocket-Version", "013");
	assert_int_equal(status(q, NULL), 426);
	set(q, "Sec-WebSocket-Version", NULL);
	assert_int_equal(status(q, NULL), 400);
	q = good();
	add(q, "Sec-WebSocket-Version", "13");
	assert_int_equal(status(q, NULL), 400);
}

static void a_key_that_is_not_16_bytes_gets_400(void **state)
{
	static const char *const bad[] = { "",
					   "x",
					   "dGhlIHNhbXBsZSBub25jZQ=",
					   "dGhlIHNhbXBsZSBub25jZQ",
					   "dGhlIHNhbXBsZSBub25jZTE=",
					   "dGhlIHNhbXBsZSBub25j!Q==",
					   "dGhlIHNhbXBsZSBub25jZQ== ",
					   "====================!Q==" };
	request *q = good();

	for (size_t i = 0; i < MO_COUNTOF(bad); i++) {
		set(q, "Sec-WebSocket-Key", bad[i]);
		assert_int_equal(status(q, NULL), 400);
	}
	q = good();
	add(q, "Sec-WebSocket-Key", KEY);
	assert_int_equal(status(q, NULL), 400);
	q = good();
	set(q, "Sec-WebSocket-Key", NULL);
	assert_int_equal(status(q, NULL), 400);
}

static void a_body_or_another_method_gets_400(void **state)
{
	request *q = good();

	q->r.body_length = 5;
	assert_int_equal(status(q, NULL), 400);
	q = good();
	q->r.body_length = -1;
	assert_int_equal(status(q, NULL), 400);
	q = good();
	q->r.method = MO_STR("POST");
	assert_int_equal(status(q, NULL), 400);
}

static void only_pages_of_the_same_host_and_listed_ones_come_in(void **state)
{
	static const struct {
		const char *origin, *origins;
		int status;
	} cases[] = {
		{ "http://a.org:8080", NULL, 0 },
		{ "https://A.ORG:8080", NULL, 0 },
		{ "http://a.org", NULL, 403 },
		{ "http://b.org:8080", NULL, 403 },
		{ "http://a.org:8080.evil.org", NULL, 403 },
		{ "http://evil.org/a.org:8080", NULL, 403 },
		{ "null", NULL, 403 },
		{ "", NULL, 403 },
		{ "a.org:8080", NULL, 403 },
		{ "://a.org:8080", NULL, 0 },
		{ "https://b.org", "https://c.org, https://b.org", 0 },
		{ "http://b.org", "https://b.org", 403 },
		{ "null", "*", 0 },
	};

	for (size_t i = 0; i < MO_COUNTOF(cases); i++) {
		request *q = good();

		add(q, "Origin", cases[i].origin);
		assert_int_equal(status(q, cases[i].origins), cases[i].status);
	}
}

static void the_port_of_the_scheme_may_be_left_out(void **state)
{
	request *q = good();

	q->r.host = MO_STR("a.org");
	add(q, "Origin", "https://a.org:443");
	assert_int_equal(status(q, NULL), 0);
}

static bool deflates(const char *offer)
{
	request *q = good();
	mo_ws_hello hello;

	add(q, "Sec-WebSocket-Extensions", offer);
	assert_int_equal(mo_ws_handshake(&q->r, NULL, &hello), 0);
	return hello.deflate;
}

static void offers_of_deflate_that_we_can_keep_are_taken(void **state)
{
	assert_true(deflates("permessage-deflate"));
	assert_true(deflates("permessage-deflate; client_max_window_bits"));
	assert_true(deflates("permessage-deflate; client_max_window_bits=8"));
	assert_true(deflates("permessage-deflate; server_no_context_takeover; "
			     "client_no_context_takeover"));
	assert_true(deflates("permessage-deflate; server_max_window_bits=15"));
	assert_true(deflates("x-other, permessage-deflate"));
	assert_true(deflates("permessage-deflate; server_max_window_bits=10, permessage-deflate"));
	assert_true(deflates("permessage-deflate; client_max_window_bits=\"12\""));
}

static void offers_of_deflate_that_are_wrong_or_too_much_are_passed_over(void **state)
{
	assert_false(deflates("x-webkit-deflate-frame"));
	assert_false(deflates("permessage-deflate; server_max_window_bits=10"));
	assert_false(deflates("permessage-deflate; server_max_window_bits"));
	assert_false(deflates("permessage-deflate; client_max_window_bits=16"));
	assert_false(deflates("permessage-deflate; client_max_window_bits=08"));
	assert_false(deflates("permessage-deflate; client_max_window_bits="));
	assert_false(deflates("permessage-deflate; server_no_context_takeover=1"));
	assert_false(deflates("permessage-deflate; unknown"));
	assert_false(deflates("permessage-deflate; client_no_context_takeover; "
			      "client_no_context_takeover"));
	assert_false(deflates(""));
}

static void subprotocols_are_compared_exactly(void **state)
{
	request *q = good();

	add(q, "Sec-WebSocket-Protocol", "chat, superchat");
	assert_true(mo_ws_offers(&q->r, "chat"));
	assert_true(mo_ws_offers(&q->r, "superchat"));
	assert_false(mo_ws_offers(&q->r, "Chat"));
	assert_false(mo_ws_offers(&q->r, "super"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_key_of_the_standard_is_accepted),
		cmocka_unit_test(what_is_no_upgrade_gets_426),
		cmocka_unit_test(another_version_gets_426_and_none_400),
		cmocka_unit_test(a_key_that_is_not_16_bytes_gets_400),
		cmocka_unit_test(a_body_or_another_method_gets_400),
		cmocka_unit_test(only_pages_of_the_same_host_and_listed_ones_come_in),
		cmocka_unit_test(the_port_of_the_scheme_may_be_left_out),
		cmocka_unit_test(offers_of_deflate_that_we_can_keep_are_taken),
		cmocka_unit_test(offers_of_deflate_that_are_wrong_or_too_much_are_passed_over),
		cmocka_unit_test(subprotocols_are_compared_exactly),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
