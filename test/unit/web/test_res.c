/* Writing answers: status, fields, bodies, cookies, JSON, redirects, flushing. */
#include "unit.h"

#include "fake_req.h"
#include "http/conn/out_chain.h"

/* A request whose handler has not run yet: the tests are the handler. */
static int setup(void **state)
{
	molt_server *s = fake_server();
	fake *f = fake_get(s, "/");

	s->http.app.route(&f->r);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	fake *f = *state;
	molt_server *s = f->r.server->owner;

	fake_free(f);
	fake_server_free(s);
	return 0;
}

static const char *out(fake *f)
{
	return mo_buf_cstr(&f->r.out);
}

static unsigned count_fields(const fake *f)
{
	unsigned n = 0;

	for (const mo_out_field *o = f->r.out_fields; o; o = o->next)
		n++;
	return n;
}

/* ---- status and fields ---- */

static void only_final_statuses_are_taken(void **state)
{
	fake *f = *state;

	assert_int_equal(molt_res_status(&f->r, 100), -EINVAL);
	assert_int_equal(molt_res_status(&f->r, 199), -EINVAL);
	assert_int_equal(molt_res_status(&f->r, 600), -EINVAL);
	assert_int_equal(molt_res_get_status(&f->r), 200);
	assert_int_equal(molt_res_status(&f->r, 599), 0);
	assert_int_equal(molt_res_get_status(&f->r), 599);
}

static void a_field_is_set_replaced_added_and_removed(void **state)
{
	fake *f = *state;

	assert_int_equal(molt_res_header(&f->r, "X-A", " 1 "), 0);
	assert_int_equal(molt_res_header(&f->r, "X-B", "b"), 0);
	assert_int_equal(molt_res_header_add(&f->r, "x-a", "2"), 0);
	assert_string_equal(fake_header(f, "X-A"), "1");
	assert_int_equal(count_fields(f), 3);
	assert_int_equal(molt_res_header(&f->r, "x-A", "3"), 0);
	assert_string_equal(fake_header(f, "X-A"), "3");
	assert_int_equal(count_fields(f), 2);
	assert_int_equal(molt_res_header(&f->r, "X-B", NULL), 0);
	assert_int_equal(molt_res_header_add(&f->r, "X-C", "c"), 0);
	assert_int_equal(count_fields(f), 2);
	assert_string_equal(fake_header(f, "X-C"), "c");
	assert_int_equal(molt_res_header(&f->r, "X-A", NULL), 0);
	assert_int_equal(molt_res_header(&f->r, "X-C", NULL), 0);
	assert_int_equal(molt_res_header(&f->r, "X-None", NULL), 0);
	assert_int_equal(count_fields(f), 0);
	assert_int_equal(molt_res_header(&f->r, "X-D", "d"), 0);
	assert_int_equal(count_fields(f), 1);
	assert_int_equal(molt_res_header_add(&f->r, "X-D", NULL), -EINVAL);
}

static void nothing_of_a_client_can_split_an_answer(void **state)
{
	static const char *const values[] = {
		"a\r\nSet-Cookie: x", "a\nb", "a\rb", "a\x01", "\x7f", "\x1b[0m"
	};
	static const char *const names[] = { "",    "a b",      "a:", "a\r\n",
					     "a\n", "\xc3\xa9", "a(", "a\t" };
	fake *f = *state;

	for (size_t i = 0; i < MO_COUNTOF(values); i++) {
		assert_int_equal(molt_res_header(&f->r, "X", values[i]), -EINVAL);
		assert_int_equal(molt_res_header_add(&f->r, "X", values[i]), -EINVAL);
		assert_int_equal(molt_res_redirect(&f->r, 302, values[i]), -EINVAL);
	}
	for (size_t i = 0; i < MO_COUNTOF(names); i++)
		assert_int_equal(molt_res_header(&f->r, names[i], "v"), -EINVAL);
	assert_int_equal(molt_res_header(&f->r, NULL, "v"), -EINVAL);
	assert_int_equal(count_fields(f), 0);
	assert_int_equal(molt_res_header(&f->r, "X", "tab\tand \xc3\xa9"), 0);
}

static void a_control_byte_is_found_at_any_place_of_a_value(void **state)
{
	fake *f = *state;
	char value[32];

	for (size_t n = 1; n <= 20; n++)
		for (size_t at = 0; at < n; at++)
			for (int b = 1; b < 256; b++) {
				bool bad = (b < 0x20 && b != '\t') || b == 0x7f;

				memset(value, 'a', n);
				value[n] = '\0';
				value[at] = (char)b;
				assert_int_equal(molt_res_header(&f->r, "X-A", value),
						 bad ? -EINVAL : 0);
			}
}

static void names_of_fields_are_tokens(void **state)
{
	fake *f = *state;
	char name[3] = "X";

	for (int b = 1; b < 256; b++) {
		bool letter = (b >= 'a' && b <= 'z') || (b >= 'A' && b <= 'Z');
		bool token = letter || (b >= '0' && b <= '9') || strchr("!#$%&'*+-.^_`|~", b);

		name[1] = (char)b;
		assert_int_equal(molt_res_header(&f->r, name, "v"), token ? 0 : -EINVAL);
	}
	assert_int_equal(molt_res_header(&f->r, "", "v"), -EINVAL);
}

static void fields_of_the_library_are_refused(void **state)
{
	static const char *const ours[] = { "content-length", "Transfer-Encoding", "CONNECTION",
					    "Date" };
	fake *f = *state;

	for (size_t i = 0; i < MO_COUNTOF(ours); i++) {
		assert_int_equal(molt_res_header(&f->r, ours[i], "1"), -EPERM);
		assert_int_equal(molt_res_header_add(&f->r, ours[i], "1"), -EPERM);
	}
}

/* ---- bodies ---- */

static void bodies_grow_in_the_order_of_the_writes(void **state)
{
	fake *f = *state;

	assert_int_equal(molt_res_write(&f->r, "a\0b", 3), 0);
	assert_int_equal(molt_res_puts(&f->r, "line"), 0);
	assert_int_equal(molt_res_printf(&f->r, "%d-%s", 7, "x"), 0);
	assert_int_equal(f->r.out.len, 11);
	assert_memory_equal(f->r.out.data, "a\0bline\n7-x", 11);
}

static void a_long_printf_is_written_whole(void **state)
{
	fake *f = *state;
	char *big = mo_calloc(1, 100001);

	memset(big, 'x', 100000);
	assert_int_equal(molt_res_printf(&f->r, "<%s>", big), 0);
	assert_int_equal(f->r.out.len, 100002);
	assert_memory_equal(f->r.out.data + 1, big, 100000);
	free(big);
}

static void typed_bodies_say_their_type(void **state)
{
	fake *f = *state;

	assert_int_equal(molt_res_html(&f->r, 201, "<p>"), 0);
	assert_string_equal(fake_header(f, "Content-Type"), "text/html; charset=utf-8");
	assert_int_equal(molt_res_get_status(&f->r), 201);
	assert_int_equal(molt_res_json(&f->r, 200, "{}"), 0);
	assert_string_equal(fake_header(f, "Content-Type"), "application/json");
	assert_int_equal(molt_res_text(&f->r, 200, "t"), 0);
	assert_string_equal(fake_header(f, "Content-Type"), "text/plain; charset=utf-8");
	assert_string_equal(out(f), "<p>{}t");
	assert_int_equal(molt_res_text(&f->r, 99, "no"), -EINVAL);
	assert_string_equal(out(f), "<p>{}t");
}

static void an_error_replaces_body_and_what_described_it(void **state)
{
	fake *f = *state;

	molt_res_json(&f->r, 200, "{\"half\":");
	molt_res_header(&f->r, "ETag", "\"1\"");
	molt_res_header(&f->r, "X-Kept", "1");
	assert_int_equal(molt_res_error(&f->r, 500, "sorry"), 0);
	assert_string_equal(out(f), "Internal Server Error: sorry\n");
	assert_string_equal(fake_header(f, "Content-Type"), "text/plain; charset=utf-8");
	assert_string_equal(fake_header(f, "ETag"), "");
	assert_string_equal(fake_header(f, "X-Kept"), "1");
	assert_int_equal(molt_res_error(&f->r, 599, NULL), 0);
	assert_string_equal(out(f), "Error\n");
	assert_int_equal(molt_res_error(&f->r, 200, NULL), -EINVAL);
}

static void a_redirect_never_leads_quietly_elsewhere(void **state)
{
	static const char *const bad[] = {
		"//evil.com",
		"/\\evil.com",
		"\\\\evil",
		"\\/evil",
		"",
		" ",
		" //evil.com",
		"\t//evil.com",
		" \t /\\evil.com",
		"  ",
		"/\t/evil.com",
		"/\t\\evil.com",
		"\t/\t/evil",
		"/x\ty",
		"/x\t",
		"/\x01/evil",
		"\x1f//evil",
		"/\x7f/evil",
		"/\n/evil",
		"\r//evil",
	};
	fake *f = *state;

	molt_res_puts(&f->r, "body");
	assert_int_equal(molt_res_redirect(&f->r, 302, NULL), -EINVAL);
	for (size_t i = 0; i < MO_COUNTOF(bad); i++) {
		assert_int_equal(molt_res_redirect(&f->r, 302, bad[i]), -EINVAL);
		assert_int_equal(molt_res_header(&f->r, "location", bad[i]), -EINVAL);
		assert_int_equal(molt_res_header_add(&f->r, "Location", bad[i]), -EINVAL);
	}
	assert_string_equal(fake_header(f, "Location"), "");
	assert_int_equal(molt_res_redirect(&f->r, 200, "/x"), -EINVAL);
	assert_int_equal(molt_res_redirect(&f->r, 400, "/x"), -EINVAL);
	assert_int_equal(molt_res_get_status(&f->r), 200);
	assert_int_equal(molt_res_redirect(&f->r, 303, "https://a.com/x?y"), 0);
	assert_string_equal(fake_header(f, "Location"), "https://a.com/x?y");
	assert_int_equal(molt_res_get_status(&f->r), 303);
	assert_int_equal(f->r.out.len, 0);
	assert_int_equal(molt_res_redirect(&f->r, 302, "  /a b "), 0);
	assert_string_equal(fake_header(f, "Location"), "/a b");
	assert_int_equal(molt_res_header(&f->r, "Location", NULL), 0);
	assert_string_equal(fake_header(f, "Location"), "");
	assert_int_equal(molt_res_header(&f->r, "Location", "/"), 0);
}

/* ---- JSON ---- */

static void assert_json(fake *f, const char *in, const char *expected)
{
	f->r.out.len = 0;
	assert_int_equal(molt_res_json_str(&f->r, in), 0);
	assert_string_equal(out(f), expected);
}

static void json_strings_are_always_valid(void **state)
{
	fake *f = *state;

	assert_json(f, "", "\"\"");
	assert_json(f, NULL, "null");
	assert_json(f, "a\"b\\c/", "\"a\\\"b\\\\c/\"");
	assert_json(f, "\b\f\n\r\t\x01\x1f\x7f", "\"\\b\\f\\n\\r\\t\\u0001\\u001f\x7f\"");
	assert_json(f, "\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80",
		    "\"\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80\"");
}

#define BAD "\xef\xbf\xbd"

static void bytes_that_are_no_utf8_become_the_replacement(void **state)
{
	fake *f = *state;

	assert_json(f,
		    "a\xff"
		    "b",
		    "\"a" BAD "b\"");
	assert_json(f, "\xc3", "\"" BAD "\"");
	assert_json(f, "\xe2\x82", "\"" BAD "\"");
	assert_json(f, "\xe2\x82\"", "\"" BAD "\\\"\"");
	assert_json(f, "\xf0\x9f\x98", "\"" BAD "\"");
	assert_json(f, "\xc0\xaf", "\"" BAD BAD "\"");
	assert_json(f, "\xe0\x80\xaf", "\"" BAD BAD BAD "\"");
	assert_json(f, "\xed\xa0\x80", "\"" BAD BAD BAD "\"");
	assert_json(f, "\xf4\x90\x80\x80", "\"" BAD BAD BAD BAD "\"");
	assert_json(f, "\xf5", "\"" BAD "\"");
}

/* ---- cookies ---- */

static void a_cookie_is_written_as_the_rfc_says(void **state)
{
	fake *f = *state;
	molt_cookie all = MOLT_COOKIE(.name = "id", .value = "v1", .path = "/a", .domain = "a.com",
				      .same_site = "None", .max_age = 1500, .secure = true,
				      .http_only = true);
	molt_cookie gone = MOLT_COOKIE(.name = "id", .max_age = -1);

	assert_int_equal(molt_res_cookie(&f->r, &all), 0);
	assert_string_equal(fake_header(f, "Set-Cookie"),
			    "id=v1; Path=/a; Domain=a.com; Max-Age=2; Secure; HttpOnly; "
			    "SameSite=None");
	assert_int_equal(molt_res_cookie(&f->r, &gone), 0);
	assert_int_equal(count_fields(f), 2);
	assert_string_equal(f->r.out_fields->next->value.ptr,
			    "id=; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT");
}

static void cookies_that_browsers_would_misread_are_refused(void **state)
{
	static molt_cookie bad[] = {
		{ .name = NULL },
		{ .name = "" },
		{ .name = "a b" },
		{ .name = "a=b" },
		{ .name = "a", .value = "x;y" },
		{ .name = "a", .value = "x\r\nSet-Cookie: b=1" },
		{ .name = "a", .value = "x y" },
		{ .name = "a", .value = "\"" },
		{ .name = "a", .value = "\xc3\xa9" },
		{ .name = "a", .path = "/;Domain=b" },
		{ .name = "a", .path = "x" },
		{ .name = "a", .path = "/\n" },
		{ .name = "a", .domain = "a.com;x" },
		{ .name = "a", .same_site = "lax" },
		{ .name = "a", .same_site = "None" },
		{ .name = "__Secure-a" },
		{ .name = "__Host-a", .secure = true },
		{ .name = "__Host-a", .secure = true, .path = "/", .domain = "a.com" },
	};
	fake *f = *state;
	char *big = mo_calloc(1, 5000);
	molt_cookie c = MOLT_COOKIE(.name = "__Host-a", .secure = true, .path = "/");

	for (size_t i = 0; i < MO_COUNTOF(bad); i++) {
		bad[i].size = sizeof(bad[i]);
		assert_int_equal(molt_res_cookie(&f->r, &bad[i]), -EINVAL);
	}
	assert_int_equal(molt_res_cookie(&f->r, NULL), -EINVAL);
	assert_int_equal(count_fields(f), 0);
	assert_int_equal(molt_res_cookie(&f->r, &c), 0);
	memset(big, 'x', 4999);
	c.value = big;
	assert_int_equal(molt_res_cookie(&f->r, &c), -EINVAL);
	free(big);
}

/* ---- flushing and its ends ---- */

static void flushing_sends_what_there_is_and_fixes_the_head(void **state)
{
	fake *f = *state;

	molt_res_puts(&f->r, "one");
	assert_int_equal(molt_res_flush(&f->r), 0);
	assert_string_equal(fake_body(f), "one\n");
	assert_string_equal(fake_header(f, "Content-Type"), "text/plain; charset=utf-8");
	assert_int_equal(molt_res_status(&f->r, 404), -EALREADY);
	assert_int_equal(molt_res_header(&f->r, "X", "1"), -EALREADY);
	assert_int_equal(molt_res_header_add(&f->r, "X", "1"), -EALREADY);
	assert_int_equal(molt_res_cookie(&f->r, &MOLT_COOKIE(.name = "a")), -EALREADY);
	assert_int_equal(molt_res_redirect(&f->r, 302, "/x"), -EALREADY);
	assert_int_equal(molt_res_error(&f->r, 500, NULL), -EALREADY);
	assert_int_equal(molt_res_text(&f->r, 200, "x"), -EALREADY);
	assert_int_equal(molt_res_puts(&f->r, "two"), 0);
	assert_int_equal(molt_res_flush(&f->r), 0);
	assert_int_equal(f->sends, 2);
	assert_string_equal(fake_body(f), "one\ntwo\n");
}

static void writing_to_a_gone_client_does_nothing(void **state)
{
	fake *f = *state;

	f->gone = true;
	assert_int_equal(molt_res_puts(&f->r, "x"), -EPIPE);
	f->gone = false;
	assert_int_equal(molt_res_printf(&f->r, "x"), -EPIPE);
	assert_int_equal(molt_res_json_str(&f->r, "x"), -EPIPE);
	assert_int_equal(molt_res_text(&f->r, 200, "x"), -EPIPE);
	assert_int_equal(molt_res_error(&f->r, 500, "x"), -EPIPE);
	assert_int_equal(molt_res_flush(&f->r), -EPIPE);
	assert_true(molt_req_gone(&f->r));
	assert_int_equal(f->r.out.len, 0);
	assert_int_equal(f->sends, 0);
}

static void a_failed_send_is_remembered(void **state)
{
	fake *f = *state;

	molt_res_puts(&f->r, "x");
	f->send_error = -EPIPE;
	assert_int_equal(molt_res_flush(&f->r), -EPIPE);
	f->send_error = 0;
	assert_int_equal(molt_res_puts(&f->r, "x"), -EPIPE);
	assert_int_equal(molt_res_flush(&f->r), -EPIPE);
	assert_int_equal(f->sends, 1);
}

static void a_complete_answer_takes_no_more(void **state)
{
	fake *f = *state;

	f->r.head_sent = f->r.finished = true;
	assert_int_equal(molt_res_puts(&f->r, "x"), -EALREADY);
	assert_int_equal(molt_res_flush(&f->r), -EALREADY);
}

/* ---- stages (http/conn/out_chain.h) ---- */

static bool joins(mo_out_stage *s, molt_req *r, int64_t length)
{
	molt_res_header(r, "X-Stage", "here");
	return true;
}

static int doubled(mo_out_stage *s, molt_req *r, const void *p, size_t n, enum mo_flow flow)
{
	int rc = mo_out_pass(s, r, p, n, MO_FLOW_MORE);

	return rc ? rc : mo_out_pass(s, r, p, n, flow);
}

static const mo_out_stage_ops doubled_ops = { "doubled", true, joins, doubled, NULL };

static void a_flush_goes_through_the_stages(void **state)
{
	fake *f = *state;
	mo_out_stage s = { &doubled_ops, NULL };

	assert_int_equal(mo_out_add(&f->r, &s), 0);
	assert_int_equal(molt_res_length(&f->r, 6), 0);
	molt_res_puts(&f->r, "one");
	assert_int_equal(molt_res_flush(&f->r), 0);
	assert_string_equal(mo_buf_cstr(&f->sent), "one\none\n");
	assert_string_equal(fake_header(f, "X-Stage"), "here");
	molt_res_puts(&f->r, "too long");
	assert_int_equal(molt_res_flush(&f->r), -EMSGSIZE);
	assert_string_equal(mo_buf_cstr(&f->sent), "one\none\ntoto");
}

/* What a stage keeps between two pieces does not move. */
static void what_has_begun_behind_a_stage_does_not_wait(void **state)
{
	fake *f = *state;
	mo_out_stage s = { &doubled_ops, NULL };

	assert_int_equal(mo_out_add(&f->r, &s), 0);
	assert_int_equal(molt_continue(&f->r, "step", 0, NULL, 0), -ENOENT);
	assert_int_equal(molt_res_flush(&f->r), 0);
	assert_int_equal(molt_continue(&f->r, "step", 0, NULL, 0), -EBUSY);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(only_final_statuses_are_taken),
		TEST(a_field_is_set_replaced_added_and_removed),
		TEST(nothing_of_a_client_can_split_an_answer),
		TEST(a_control_byte_is_found_at_any_place_of_a_value),
		TEST(names_of_fields_are_tokens),
		TEST(fields_of_the_library_are_refused),
		TEST(bodies_grow_in_the_order_of_the_writes),
		TEST(a_long_printf_is_written_whole),
		TEST(typed_bodies_say_their_type),
		TEST(an_error_replaces_body_and_what_described_it),
		TEST(a_redirect_never_leads_quietly_elsewhere),
		TEST(json_strings_are_always_valid),
		TEST(bytes_that_are_no_utf8_become_the_replacement),
		TEST(a_cookie_is_written_as_the_rfc_says),
		TEST(cookies_that_browsers_would_misread_are_refused),
		TEST(flushing_sends_what_there_is_and_fixes_the_head),
		TEST(writing_to_a_gone_client_does_nothing),
		TEST(a_failed_send_is_remembered),
		TEST(a_complete_answer_takes_no_more),
		TEST(a_flush_goes_through_the_stages),
		TEST(what_has_begun_behind_a_stage_does_not_wait),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
