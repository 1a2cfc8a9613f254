/* The admin: who may, what is answered, what is run. */
#include "admin_unit.h"

#define TOKEN "0123456789abcdef"

static const char failed[] = "{\"id\":\"r2\",\"generation\":1,\"outcome\":\"failed\","
			     "\"reason\":\"it ended with status 3\"}";

static void a_refusal_has_a_reason_and_names_the_client_in_the_log(void **state)
{
	field("Origin", "http://evil.com");
	mo_admin_on_restart(&req);
	answers(403, "\"ok\":false,\"error\":\"EPERM\",\"reason\":\"the Origin is not");
	logs("admin: refused POST /debug/admin/x from 192.0.2.7: the Origin is not this host");
	assert_int_equal(now.restarts, 0);
}

static void forwarding_fields_have_no_influence(void **state)
{
	assert_int_equal(mo_addr_parse("192.0.2.7:5000", &peer), 0);
	field("X-Forwarded-For", "127.0.0.1");
	field("X-Forwarded-Host", "127.0.0.1");
	field("X-Real-IP", "127.0.0.1");
	field("Forwarded", "for=127.0.0.1");
	field("x-url-path", "/debug/admin/restart");
	mo_admin_on_restart(&req);
	answers(403, "not on this machine");
	assert_int_equal(now.restarts, 0);
}

static void a_proxys_field_ends_the_loopback_rule(void **state)
{
	static const char *const names[] = {
		"Via",       "Forwarded",       "x-forwarded-for", "X-Forwarded-Proto",
		"X-Real-IP", "CF-Connecting-IP"
	};

	for (size_t i = 0; i < MO_COUNTOF(names); i++) {
		memset(now.fields, 0, sizeof(now.fields));
		field(names[i], "1.1 x");
		mo_admin_on_restart(&req);
		answers(403, "a proxy has handed the request on");
	}
	memset(now.fields, 0, sizeof(now.fields));
	field("X-Forwarded", "not a family of one"); /* and not of that family */
	mo_buf_free(&now.out);
	mo_admin_on_restart(&req);
	answers(200, "\"ok\":true");
	assert_int_equal(now.restarts, 1);
}

static void the_kernel_says_whose_connection_it_is(void **state)
{
	ours = 0;
	mo_admin_on_shutdown(&req);
	answers(403, "another user of this machine than the server; set a token (adminToken)");
	ours = -ENOENT;
	mo_admin_on_shutdown(&req);
	answers(403, "does not tell which user");
	assert_null(now.deferred);
}

static void http_1_0_is_a_proxys(void **state)
{
	req.version = MO_HTTP_1_0;
	mo_admin_on_shutdown(&req);
	answers(403, "HTTP/1.0");
	assert_null(now.deferred);
}

/* A link in a mail, a bookmark, an address that was typed: each asks first. */
static void a_browsers_get_shows_a_button(void **state)
{
	now.method = "GET";
	now.query = "/srv/<new>";
	field("Accept", "text/html,application/xhtml+xml,*/*;q=0.8");
	field("Sec-Fetch-Site", "none");
	mo_admin_on_restart(&req);
	answers(200, "<form method=\"post\" action=\"/debug/admin/restart\">");
	answers(200, "<code id=\"exe\">/srv/&lt;new&gt;</code>");
	answers(200, "type=\"hidden\" name=\"newExeFilePath\" value=\"/srv/&lt;new&gt;\"");
	mo_admin_on_shutdown(&req);
	answers(200, "<form method=\"post\" action=\"/debug/admin/shutdown\">");
	mo_admin_on_rollback(&req);
	answers(200, "<form method=\"post\" action=\"/debug/admin/rollback\">");
	assert_int_equal(now.restarts, 0);
	assert_null(now.deferred);
}

/* The image of a page or a mail. */
static void a_browsers_get_that_shows_no_page_is_refused(void **state)
{
	now.method = "GET";
	field("Accept", "image/avif,image/webp,*/*");
	mo_admin_on_restart(&req);
	answers(403, "in a browser an action is a POST");
	memset(now.fields, 0, sizeof(now.fields));
	field("Accept", "*/*");
	field("Sec-Fetch-Mode", "no-cors");
	mo_admin_on_restart(&req);
	answers(403, "in a browser an action is a POST");
	field("Sec-Fetch-Site", "none");
	mo_admin_on_restart(&req);
	answers(403, "in a browser an action is a POST");
	now.fields[2].value = "same-origin";
	field("Sec-Fetch-Dest", "script");
	mo_admin_on_restart(&req);
	answers(403, "in a browser an action is a POST");
	assert_int_equal(now.restarts, 0);
}

static void a_scripts_get_acts(void **state)
{
	now.method = "GET";
	field("Accept", "*/*");
	mo_admin_on_restart(&req);
	assert_int_equal(now.restarts, 1);
	field("Sec-Fetch-Site", "same-origin"); /* fetch() of a page of this server */
	field("Sec-Fetch-Dest", "empty");
	mo_admin_on_restart(&req);
	assert_int_equal(now.restarts, 2);
}

static void a_missing_token_asks_for_one(void **state)
{
	server.set.admin_token = (char *)(uintptr_t)TOKEN;
	assert_int_equal(mo_addr_parse("192.0.2.7:5000", &peer), 0);
	mo_admin_on_status(&req);
	answers(401, "reason");
	assert_non_null(strstr(mo_buf_cstr(&now.head), "WWW-Authenticate: Bearer"));
	assert_null(strstr(mo_buf_cstr(&told), TOKEN));
}

static void middleware_of_the_group_replaces_the_loopback_rule(void **state)
{
	static mo_middleware own;

	group.middleware[MO_STAGE_HANDLER] = &own;
	assert_int_equal(mo_addr_parse("192.0.2.7:5000", &peer), 0);
	mo_admin_on_restart(&req);
	answers(200, "\"ok\":true");
}

static void head_never_acts(void **state)
{
	now.method = "HEAD";
	mo_admin_on_restart(&req);
	assert_int_equal(now.status, 405);
	mo_admin_on_shutdown(&req);
	assert_int_equal(now.status, 405);
	assert_int_equal(now.restarts + now.shutdowns, 0);
	assert_non_null(strstr(mo_buf_cstr(&now.head), "Allow: GET, POST"));
}

static void a_restart_tells_the_outcome_with_its_receipt(void **state)
{
	mo_admin_on_restart(&req);
	answers(200,
		"\"ok\":true,\"outcome\":\"switched\",\"message\":\"Generation 2 (pid 22) serves");
	answers(200, "\"receipt\":{\"id\":\"r1\"");
	assert_int_equal(now.restarts, 1);
	assert_null(now.exe);
	assert_non_null(strstr(mo_buf_cstr(&now.head), "Cache-Control: no-store"));
	logs("restart asked by 192.0.2.7");
}

static void every_failure_of_a_restart_has_its_status(void **state)
{
	static const struct {
		int err, status;
		const char *name;
	} rows[] = {
		{ -EBUSY, 409, "EBUSY" },     { -ENOENT, 404, "ENOENT" },
		{ -EACCES, 422, "EACCES" },   { -ENOEXEC, 422, "ENOEXEC" },
		{ -ECHILD, 502, "ECHILD" },   { -EPROTO, 502, "EPROTO" },
		{ -ENOTSUP, 501, "ENOTSUP" }, { -ETIMEDOUT, 504, "ETIMEDOUT" },
		{ -ENOMEM, 503, "ENOMEM" },   { -EMFILE, 503, "EMFILE" },
		{ -EIO, 500, "EIO" },         { -ENFILE, 503, "ENFILE" },
		{ -EDEADLK, 500, "EIO" },     { -EREMOTEIO, 502, "EREMOTEIO" },
	};

	now.receipt = failed;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char error[64];

		now.out.len = 0;
		now.restart_result = rows[i].err;
		mo_admin_on_restart(&req);
		snprintf(error, sizeof(error), "\"ok\":false,\"error\":\"%s\"", rows[i].name);
		answers(rows[i].status, error);
		/* Without a transaction there is no receipt of this attempt. */
		if (rows[i].err == -EBUSY || rows[i].err == -ENOTSUP)
			assert_null(strstr(now.out.data, "receipt"));
		else
			answers(rows[i].status,
				"\"reason\":\"it ended with status 3\",\"receipt\":{");
	}
	logs("it ended with status 3");
}

static void a_program_outside_the_allowed_directories_is_refused(void **state)
{
	now.query = "/bin/sh";
	mo_admin_on_restart(&req);
	answers(403, "not the running program's own path");
	now.query = NULL;
	now.type = "application/x-www-form-urlencoded";
	now.body = "newExeFilePath=/bin/sh";
	now.out.len = 0;
	mo_admin_on_restart(&req);
	answers(403, "not the running program's own path");
	now.type = "application/json; charset=utf-8";
	now.body = "{\"newExeFilePath\":\"/bin/sh\"}";
	now.out.len = 0;
	mo_admin_on_restart(&req);
	answers(403, "not the running program's own path");
	assert_int_equal(now.restarts, 0);
}

static void an_allowed_program_is_started_by_its_real_path(void **state)
{
	char own[4096];
	ssize_t n = readlink("/proc/self/exe", own, sizeof(own) - 1);

	assert_true(n > 0);
	own[n] = '\0';
	now.query = "/proc/self/exe";
	mo_admin_on_restart(&req);
	answers(200, "switched");
	assert_string_equal(now.exe, own);
	assert_int_equal(now.chosen, 1);
}

/* A program that was named in a way that cannot be read is not forgotten. */
static void a_body_that_can_not_be_read_restarts_nothing(void **state)
{
	static char deep[2 * 900 + 32] = "{\"x\":";
	static const char *const bodies[] = { "[1]", "{\"newExeFilePath\":1}", "{", "null", deep };

	now.type = "application/json";
	memset(deep + 5, '[', 900);
	memset(deep + 905, ']', 900);
	deep[1805] = '}';
	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
		now.body = bodies[i];
		mo_admin_on_restart(&req);
		assert_int_equal(now.status, 400);
	}
	now.type = "application/x-www-form-urlencoded";
	now.body = "newExeFilePath=/bin/sh%00x";
	mo_admin_on_restart(&req);
	assert_int_equal(now.status, 400);
	now.type = "text/plain";
	now.body = "newExeFilePath=/bin/sh";
	mo_admin_on_restart(&req);
	assert_int_equal(now.status, 415);
	now.body_error = -E2BIG;
	mo_admin_on_restart(&req);
	assert_int_equal(now.status, 413);
	now.body_error = -EBADMSG;
	mo_admin_on_restart(&req);
	assert_int_equal(now.status, 400);
	assert_int_equal(now.restarts, 0);
}

static void an_empty_field_means_the_same_program(void **state)
{
	now.type = "application/x-www-form-urlencoded";
	now.body = "newExeFilePath=";
	mo_admin_on_restart(&req);
	answers(200, "switched");
	assert_null(now.exe);
}

static void a_browser_without_script_gets_a_page_with_a_way_back(void **state)
{
	field("Accept", "text/html,application/xhtml+xml,*/*;q=0.8");
	now.restart_result = -ECHILD;
	now.receipt = failed;
	mo_admin_on_restart(&req);
	answers(502, "Not done");
	answers(502, "it ended with status 3");
	answers(502, "<a href=\"/debug/admin\">Back");
	assert_null(strstr(now.out.data, "<script"));
	assert_null(strstr(now.out.data, "{{"));
	assert_non_null(
		strstr(mo_buf_cstr(&now.head), "Content-Security-Policy: default-src 'none'"));
}

static void a_shutdown_follows_its_answer(void **state)
{
	mo_admin_on_shutdown(&req);
	answers(200, "\"ok\":true");
	assert_int_equal(now.shutdowns, 0);
	assert_non_null(now.deferred);
	now.deferred(NULL);
	assert_int_equal(now.shutdowns, 1);
	assert_true(req.close);
}

static void a_second_shutdown_does_not_cut_the_first(void **state)
{
	now.state = "stopping";
	mo_admin_on_shutdown(&req);
	answers(200, "\"ok\":true");
	assert_null(now.deferred);
}

static void a_process_that_was_replaced_passes_the_shutdown_on(void **state)
{
	now.state = "draining";
	mo_admin_on_shutdown(&req);
	answers(409, "replaced already");
	assert_null(now.deferred);
	assert_true(req.close);
}

static void logs_are_reopened_and_a_failure_is_told(void **state)
{
	mo_admin_on_reopen(&req);
	answers(200, "The log files are open anew.\"");
	assert_int_equal(now.reopens, 1);
	mo_buf_free(&now.out);
	now.reopen_others = 2;
	mo_admin_on_reopen(&req);
	answers(200, "also in 2 older generations.\"");
	mo_buf_free(&now.out);
	now.reopen_result = -EACCES;
	mo_admin_on_reopen(&req);
	answers(422, "cannot be opened");
	now.method = "GET";
	now.fields[0].name = "Referer";
	now.fields[0].value = "http://evil.example/";
	mo_admin_on_reopen(&req);
	assert_int_equal(now.status, 403);
	assert_int_equal(now.reopens, 3);
}

static void the_control_socket_may_start_any_program(void **state)
{
	server.internal = true;
	now.query = "/bin/sh";
	mo_admin_on_restart(&req);
	answers(200, "\"ok\":true");
	assert_string_equal(now.exe, "/bin/sh");
	assert_int_equal(now.chosen, 0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(a_refusal_has_a_reason_and_names_the_client_in_the_log),
		T(forwarding_fields_have_no_influence),
		T(a_proxys_field_ends_the_loopback_rule),
		T(the_kernel_says_whose_connection_it_is),
		T(http_1_0_is_a_proxys),
		T(a_browsers_get_shows_a_button),
		T(a_browsers_get_that_shows_no_page_is_refused),
		T(a_scripts_get_acts),
		T(a_missing_token_asks_for_one),
		T(middleware_of_the_group_replaces_the_loopback_rule),
		T(head_never_acts),
		T(a_restart_tells_the_outcome_with_its_receipt),
		T(every_failure_of_a_restart_has_its_status),
		T(a_program_outside_the_allowed_directories_is_refused),
		T(an_allowed_program_is_started_by_its_real_path),
		T(a_body_that_can_not_be_read_restarts_nothing),
		T(an_empty_field_means_the_same_program),
		T(a_browser_without_script_gets_a_page_with_a_way_back),
		T(a_shutdown_follows_its_answer),
		T(a_second_shutdown_does_not_cut_the_first),
		T(a_process_that_was_replaced_passes_the_shutdown_on),
		T(logs_are_reopened_and_a_failure_is_told),
		T(the_control_socket_may_start_any_program),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
