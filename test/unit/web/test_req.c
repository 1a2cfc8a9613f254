/* Reading requests: head, parameters, fields, cookies, body, forms, values. */
#include "unit.h"

#include "base/clock.h"
#include "fake_req.h"

static int setup(void **state)
{
	*state = fake_server();
	return 0;
}

static int teardown(void **state)
{
	fake_server_free(*state);
	return 0;
}

static void silent(molt_req *r)
{
}

/* ---- head ---- */

static void the_head_is_readable(void **state)
{
	molt_server *s = *state;
	fake *f = fake_new(s, "PATCH", "/a%20b/./c?x=1");

	f->r.tls = true;
	fake_run(f);
	assert_string_equal(molt_req_method(&f->r), "PATCH");
	assert_string_equal(molt_req_path(&f->r), "/a b/c");
	assert_string_equal(molt_req_target(&f->r), "/a%20b/./c?x=1");
	assert_string_equal(molt_req_host(&f->r), "");
	assert_string_equal(molt_req_client_ip(&f->r), "127.0.0.1");
	assert_string_equal(molt_req_id(&f->r), "0000000000000abc");
	assert_true(molt_req_is_tls(&f->r));
	assert_false(molt_req_gone(&f->r));
	f->gone = true;
	assert_true(molt_req_gone(&f->r));
	assert_false(molt_req_draining(&f->r));
	s->http.closing = MO_CLOSING_ALL;
	assert_true(molt_req_draining(&f->r));
	fake_free(f);
}

static void the_first_query_value_of_a_name_is_given(void **state)
{
	fake *f = fake_get(*state, "/?a=1&a=2&b=x+y%21&c&=e");

	fake_run(f);
	assert_string_equal(molt_req_query(&f->r, "a"), "1");
	assert_string_equal(molt_req_query(&f->r, "b"), "x y!");
	assert_string_equal(molt_req_query(&f->r, "c"), "");
	assert_null(molt_req_query(&f->r, "d"));
	assert_null(molt_req_query(&f->r, NULL));
	fake_free(f);
}

static void repeated_fields_come_joined(void **state)
{
	fake *f = fake_get(*state, "/");
	const char *joined;

	fake_field(f, "X-A: 1");
	fake_field(f, "Cookie: a=1");
	fake_field(f, "x-a: 2");
	fake_field(f, "Cookie: b=2");
	fake_field(f, "X-Empty:");
	fake_run(f);
	joined = molt_req_header(&f->r, "X-a");
	assert_string_equal(joined, "1, 2");
	assert_ptr_equal(molt_req_header(&f->r, "X-A"), joined);
	assert_string_equal(molt_req_header(&f->r, "cookie"), "a=1; b=2");
	assert_string_equal(molt_req_header(&f->r, "x-empty"), "");
	assert_null(molt_req_header(&f->r, "X"));
	assert_null(molt_req_header(&f->r, NULL));
	assert_string_equal(molt_req_cookie(&f->r, "b"), "2");
	assert_null(molt_req_cookie(&f->r, "c"));
	fake_free(f);
}

static void parameters_are_decoded_once_and_end_with_a_nul(void **state)
{
	molt_server *s = *state;
	fake *f;

	molt_bind(molt_routes(s), "/p/{pkg}/v/{ver}.{ext}", silent, NULL);
	molt_bind(molt_routes(s), "/files/{path...}", silent, NULL);
	f = fake_get(s, "/p/net%2Fhttp%2Fget/v/1%252e2.tar");
	fake_run(f);
	assert_string_equal(molt_req_param(&f->r, "pkg"), "net/http/get");
	assert_string_equal(molt_req_param(&f->r, "pkg"), "net/http/get");
	assert_string_equal(molt_req_param(&f->r, "ver"), "1%2e2");
	assert_string_equal(molt_req_param(&f->r, "ext"), "tar");
	assert_null(molt_req_param(&f->r, "nope"));
	assert_null(molt_req_param(&f->r, ""));
	assert_null(molt_req_param(&f->r, NULL));
	fake_free(f);
	f = fake_get(s, "/files/..%2F..%2Fetc%2Fpasswd");
	fake_run(f);
	assert_string_equal(molt_req_param(&f->r, "path"), "..%2F..%2Fetc%2Fpasswd");
	assert_string_equal(molt_req_path(&f->r), "/files/..%2F..%2Fetc%2Fpasswd");
	fake_free(f);
	molt_bind(molt_routes(s), "/users/{id}", silent, NULL);
	molt_bind(molt_routes(s), "/users/{id}/p%2Fq", silent, NULL);
	f = fake_get(s, "/users/..%252F..%252Fetc");
	fake_run(f);
	assert_string_equal(molt_req_param(&f->r, "id"), "..%2F..%2Fetc");
	assert_string_equal(molt_req_path(&f->r), "/users/..%2F..%2Fetc");
	fake_free(f);
	f = fake_get(s, "/users/%252f%2F%25/p%2Fq");
	fake_run(f);
	assert_string_equal(molt_req_param(&f->r, "id"), "%2f/%");
	assert_int_equal(molt_req_param_str(&f->r, "id").len, 5);
	fake_free(f);
	f = fake_get(s, "/users/1/p%252Fq");
	fake_run(f);
	assert_int_equal(f->r.status, 404);
	fake_free(f);
}

static void show_text(molt_req *r)
{
	const char *v = molt_req_query(r, "v");

	(void)molt_req_query(r, "v");
	molt_res_text(r, 200, v ? v : "none");
	molt_res_header(r, "X-Seen", v ? v : "none");
}

static void show_length(molt_req *r)
{
	molt_str v = molt_req_query_str(r, "v");

	molt_res_write(r, v.ptr, v.len);
}

static void show_form(molt_req *r)
{
	const char *v = molt_req_form(r, "v");

	molt_res_text(r, 200, v ? v : "none");
}

static void page_asks_again(molt_req *r)
{
	const char *v = molt_req_query(r, "v");

	molt_res_printf(r, "page %s", v ? v : "none");
}

static void a_value_with_a_nul_has_a_length_and_is_a_400_as_a_text(void **state)
{
	static const char multipart[] = "--b\r\nContent-Disposition: form-data; name=v\r\n\r\n"
					"a\0b\r\n--b--";
	molt_server *s = *state;
	molt_str v;
	fake *f;

	molt_bind(molt_routes(s), "/text", show_text, NULL);
	molt_bind(molt_routes(s), "/length", show_length, NULL);
	molt_bind(molt_routes(s), "/form", show_form, NULL);
	f = fake_get(s, "/text?v=a%00b");
	fake_run(f);
	assert_int_equal(f->r.status, 400);
	assert_non_null(strstr(fake_body(f), "NUL"));
	assert_string_equal(fake_header(f, "X-Seen"), "none");
	v = molt_req_query_str(&f->r, "v");
	assert_int_equal(v.len, 3);
	assert_memory_equal(v.ptr, "a\0b", 4);
	assert_null(molt_req_query_str(&f->r, "w").ptr);
	assert_null(molt_req_query_str(&f->r, NULL).ptr);
	fake_free(f);

	f = fake_get(s, "/length?v=a%00b");
	fake_run(f);
	assert_int_equal(f->r.status, 200);
	assert_int_equal(f->sent.len, 3);
	fake_free(f);

	f = fake_get(s, "/text?v%00=x&v=ab&w=%00");
	fake_run(f);
	assert_string_equal(fake_body(f), "ab");
	fake_free(f);

	f = fake_new(s, "POST", "/form");
	fake_set_body(f, "application/x-www-form-urlencoded", "v=%00", 5);
	fake_run(f);
	assert_int_equal(f->r.status, 400);
	v = molt_req_form_str(&f->r, "v");
	assert_int_equal(v.len, 1);
	fake_free(f);
	f = fake_new(s, "POST", "/form");
	fake_set_body(f, "multipart/form-data; boundary=b", multipart, sizeof(multipart) - 1);
	fake_run(f);
	assert_int_equal(f->r.status, 400);
	v = molt_req_form_str(&f->r, "v");
	assert_int_equal(v.len, 3);
	assert_null(molt_req_form_str(&f->r, "w").ptr);
	fake_free(f);

	molt_group_on_status(molt_routes(s), 400, page_asks_again, NULL);
	f = fake_get(s, "/text?v=%00");
	fake_run(f);
	assert_int_equal(f->r.status, 400);
	assert_string_equal(fake_body(f), "page none");
	fake_free(f);
}

static void flush_then_ask(molt_req *r)
{
	molt_res_puts(r, "begun");
	molt_res_flush(r);
	molt_res_puts(r, molt_req_query(r, "v") ? "ends" : "never seen");
}

static void what_a_nul_refuses_cuts_an_answer_that_has_begun(void **state)
{
	molt_server *s = *state;
	fake *f;

	molt_bind(molt_routes(s), "/begun", flush_then_ask, NULL);
	f = fake_get(s, "/begun?v=%00");
	fake_run(f);
	assert_true(f->r.cut);
	assert_string_equal(fake_body(f), "begun\n");
	fake_free(f);
	f = fake_get(s, "/begun?v=1");
	fake_run(f);
	assert_false(f->r.cut);
	fake_free(f);
}

static void values_have_lengths(void **state)
{
	molt_server *s = *state;
	fake *f;

	molt_bind(molt_routes(s), "/len/{id}", silent, NULL);
	f = fake_get(s, "/len/a%2Fb");
	fake_field(f, "X-A: abc");
	fake_field(f, "Cookie: a=1; b=23");
	fake_field(f, "x-a: d");
	fake_run(f);
	assert_int_equal(molt_req_param_str(&f->r, "id").len, 3);
	assert_int_equal(molt_req_header_str(&f->r, "X-A").len, 6);
	assert_int_equal(molt_req_cookie_str(&f->r, "b").len, 2);
	assert_null(molt_req_param_str(&f->r, "no").ptr);
	assert_null(molt_req_header_str(&f->r, "no").ptr);
	assert_null(molt_req_cookie_str(&f->r, "no").ptr);
	fake_free(f);
}

static void ten_thousand_cookies_cost_little(void **state)
{
	fake *f = fake_get(*state, "/");
	char *line = mo_malloc(10000 * 8 + 20), *at = line;
	clock_t start = clock(); /* of the CPU: what others do does not count */

	at += sprintf(at, "Cookie: ");
	for (int i = 0; i < 10000; i++)
		at += sprintf(at, "c%d=1;", i);
	fake_field(f, line);
	fake_run(f);
	assert_string_equal(molt_req_cookie(&f->r, "c7"), "1");
	for (int i = 0; i < 1000; i++)
		assert_null(molt_req_cookie(&f->r, "none"));
	assert_true(clock() - start < CLOCKS_PER_SEC);
	free(line);
	fake_free(f);
}

/* ---- values ---- */

static int released;

static void count_release(void *value)
{
	released += *(int *)value;
}

static void values_are_released_once_when_replaced_and_at_the_end(void **state)
{
	fake *f = fake_get(*state, "/");
	int one = 1, ten = 10, hundred = 100;

	released = 0;
	fake_run(f);
	assert_null(molt_req_get(&f->r, "user"));
	assert_int_equal(molt_req_set(&f->r, "user", &one, count_release), 0);
	assert_int_equal(molt_req_set(&f->r, "other", &hundred, count_release), 0);
	assert_int_equal(molt_req_set(&f->r, "plain", &one, NULL), 0);
	assert_ptr_equal(molt_req_get(&f->r, "user"), &one);
	assert_int_equal(molt_req_set(&f->r, "user", &ten, count_release), 0);
	assert_int_equal(released, 1);
	assert_ptr_equal(molt_req_get(&f->r, "user"), &ten);
	assert_int_equal(molt_req_set(&f->r, NULL, &ten, NULL), -EINVAL);
	assert_null(molt_req_get(&f->r, NULL));
	fake_free(f);
	assert_int_equal(released, 111);
}

/* ---- body ---- */

/* Routed only: the test is the handler. */
static fake *post(molt_server *s, const char *type, const char *body, size_t n)
{
	fake *f = fake_new(s, "POST", "/");

	fake_set_body(f, type, body, n);
	s->http.app.route(&f->r);
	return f;
}

static void the_body_is_read_once_and_given_again(void **state)
{
	fake *f = post(*state, "text/plain", "he\0llo", 6);
	molt_str body;
	char buf[4];

	f->body_step = 1;
	assert_int_equal(molt_req_body(&f->r, &body), 0);
	assert_int_equal(body.len, 6);
	assert_memory_equal(body.ptr, "he\0llo", 7);
	assert_int_equal(f->reads, 7);
	assert_int_equal(molt_req_body(&f->r, &body), 0);
	assert_int_equal(f->reads, 7);
	assert_int_equal(molt_req_read(&f->r, buf, 4), 4);
	assert_memory_equal(buf, "he\0l", 4);
	assert_int_equal(molt_req_read(&f->r, buf, 4), 2);
	assert_int_equal(molt_req_read(&f->r, buf, 4), 0);
	fake_free(f);
}

static void a_body_may_be_read_in_pieces(void **state)
{
	fake *f = post(*state, "text/plain", "abcdef", 6);
	molt_str rest;
	char buf[4];

	assert_int_equal(molt_req_read(&f->r, buf, 0), 0);
	assert_int_equal(molt_req_read(&f->r, buf, 4), 4);
	assert_int_equal(molt_req_body(&f->r, &rest), 0);
	assert_int_equal(rest.len, 2);
	assert_memory_equal(rest.ptr, "ef", 3);
	fake_free(f);
}

static void no_body_is_an_empty_one(void **state)
{
	fake *f = fake_get(*state, "/");
	molt_str body;
	char buf[4];

	fake_run(f);
	assert_int_equal(molt_req_read(&f->r, buf, 4), 0);
	assert_int_equal(molt_req_body(&f->r, &body), 0);
	assert_int_equal(body.len, 0);
	assert_string_equal(body.ptr, "");
	assert_int_equal(f->reads, 0);
	fake_free(f);
}

static int body_result;

static void read_body(molt_req *r)
{
	molt_str body;
	char buf[8];

	body_result = molt_req_body(r, &body);
	assert_string_equal(body.ptr, "");
	assert_int_equal(molt_req_body(r, &body), body_result);
	assert_int_equal(molt_req_read(r, buf, 8), body_result);
}

static void a_failed_body_stays_failed_and_sets_the_status(void **state)
{
	static const struct {
		int error, status;
	} cases[] = { { -E2BIG, 413 }, { -EBADMSG, 400 }, { -ETIMEDOUT, 408 } };
	molt_server *s = *state;

	molt_bind(molt_routes(s), "/x", read_body, NULL);
	for (size_t i = 0; i < MO_COUNTOF(cases); i++) {
		fake *f = fake_new(s, "POST", "/x");

		fake_set_body(f, "text/plain", "abc", 3);
		f->read_error = cases[i].error;
		fake_run(f);
		assert_int_equal(body_result, cases[i].error);
		assert_int_equal(f->r.status, cases[i].status);
		assert_true(f->sent.len > 0);
		assert_int_equal(f->reads, 1);
		fake_free(f);
	}
}

static void a_body_longer_than_the_limit_is_refused(void **state)
{
	char big[2000];
	molt_str body;
	fake *f;

	memset(big, 'x', sizeof(big));
	f = post(*state, "text/plain", big, sizeof(big));
	assert_int_equal(molt_req_body(&f->r, &body), -E2BIG);
	assert_int_equal(molt_res_get_status(&f->r), 413);
	fake_free(f);
}

/* ---- forms ---- */

static void an_urlencoded_form_gives_its_fields(void **state)
{
	static const char body[] = "a=1+2&b=%26&a=3";
	fake *f = post(*state, "application/x-www-form-urlencoded; charset=utf-8", body,
		       sizeof(body) - 1);
	molt_file file = MOLT_FILE();

	assert_string_equal(molt_req_form(&f->r, "a"), "1 2");
	assert_string_equal(molt_req_form(&f->r, "b"), "&");
	assert_null(molt_req_form(&f->r, "c"));
	assert_null(molt_req_form(&f->r, NULL));
	assert_int_equal(molt_req_file(&f->r, "a", &file), -ENOENT);
	fake_free(f);
}

static void a_multipart_form_gives_fields_and_files(void **state)
{
	static const char body[] =
		"--B\r\nContent-Disposition: form-data; name=\"t\"\r\n\r\ntext\r\n"
		"--B\r\nContent-Disposition: form-data; name=\"f\"; "
		"filename=\"../../etc/x.txt\"\r\nContent-Type: text/css\r\n\r\n"
		"da\0ta\r\n--B--\r\n";
	fake *f = post(*state, "multipart/form-data; boundary=B", body, sizeof(body) - 1);
	molt_file file = MOLT_FILE();

	assert_string_equal(molt_req_form(&f->r, "t"), "text");
	assert_null(molt_req_form(&f->r, "f"));
	assert_int_equal(molt_req_file(&f->r, "t", &file), -ENOENT);
	assert_int_equal(molt_req_file(&f->r, "f", &file), 0);
	assert_string_equal(file.name, "x.txt");
	assert_string_equal(file.type, "text/css");
	assert_int_equal(file.data.len, 5);
	assert_memory_equal(file.data.ptr, "da\0ta", 6);
	fake_free(f);
}

static void a_broken_multipart_form_is_a_400(void **state)
{
	fake *f = post(*state, "multipart/form-data; boundary=", "--\r\n", 4);

	assert_null(molt_req_form(&f->r, "a"));
	assert_int_equal(molt_res_get_status(&f->r), 400);
	fake_free(f);
}

static void a_body_that_is_no_form_is_left_alone(void **state)
{
	fake *f = post(*state, "application/json", "{\"a\":1}", 7);

	assert_null(molt_req_form(&f->r, "a"));
	assert_int_equal(f->reads, 0);
	fake_free(f);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(the_head_is_readable),
		TEST(the_first_query_value_of_a_name_is_given),
		TEST(repeated_fields_come_joined),
		TEST(parameters_are_decoded_once_and_end_with_a_nul),
		TEST(a_value_with_a_nul_has_a_length_and_is_a_400_as_a_text),
		TEST(what_a_nul_refuses_cuts_an_answer_that_has_begun),
		TEST(values_have_lengths),
		TEST(ten_thousand_cookies_cost_little),
		TEST(values_are_released_once_when_replaced_and_at_the_end),
		TEST(the_body_is_read_once_and_given_again),
		TEST(a_body_may_be_read_in_pieces),
		TEST(no_body_is_an_empty_one),
		TEST(a_failed_body_stays_failed_and_sets_the_status),
		TEST(a_body_longer_than_the_limit_is_refused),
		TEST(an_urlencoded_form_gives_its_fields),
		TEST(a_multipart_form_gives_fields_and_files),
		TEST(a_broken_multipart_form_is_a_400),
		TEST(a_body_that_is_no_form_is_left_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
