/* The four forms of a target, and the syntax of a host. */
#include "h1_check.h"
#include "http/h1/h1_parse_internal.h"
#include "http/syntax/authority.h"

static void check_target(const char *method, const char *target, const char *path,
			 const char *query, const char *host)
{
	char text[1024];
	int n = snprintf(text, sizeof(text), "%s %s HTTP/1.1\r\nHost: field:1\r\n\r\n", method,
			 target);
	parsed p;

	assert_accepted(text, (size_t)n);
	parse(&p, text, (size_t)n, &usual);
	assert_str(p.head.target, target);
	assert_str(p.head.path, path);
	assert_str(p.head.query, query ? query : "");
	assert_int_equal(p.head.has_query, query != NULL);
	assert_str(p.head.host, host ? host : "field:1");
	free(p.bytes);
}

static void the_four_forms_are_taken_apart(void **s)
{
	check_target("GET", "/", "/", NULL, NULL);
	check_target("GET", "/a//b/../c?d=/e?f", "/a//b/../c", "d=/e?f", NULL);
	check_target("GET", "/?", "/", "", NULL);
	check_target("GET", "//evil/x", "//evil/x", NULL, NULL);
	check_target("OPTIONS", "*", "*", NULL, NULL);
	check_target("OPTIONS", "/x", "/x", NULL, NULL);
	check_target("GET", "http://b/x?y", "/x", "y", "b");
	check_target("GET", "HTTPS://b:8443/", "/", NULL, "b:8443");
	check_target("GET", "http://b", "/", NULL, "b");
	check_target("GET", "http://b?x=/", "/", "x=/", "b");
	check_target("GET", "http://[::1]:80//", "//", NULL, "[::1]:80");
	check_target("CONNECT", "b:443", "b:443", NULL, "b:443");
	check_target("CONNECT", "[2001:db8::1]:443", "[2001:db8::1]:443", NULL,
		     "[2001:db8::1]:443");
}

static void a_target_of_no_form_is_refused(void **s)
{
	static const char *const bad[] = {
		"GET a",
		"GET *",
		"GET ?",
		"GET a/b",
		"GET \\x",
		"OPTIONS **",
		"OPTIONS *?x",
		"GET http:/a",
		"GET http://",
		"GET http:///x",
		"GET http://?",
		"GET http://u@a/",
		"GET http://u:p@a/",
		"GET http://a:b/",
		"GET http://:80/",
		"GET http://a:99999/",
		"GET http://a\\b/",
		"GET ftp://a/",
		"GET httpx://a/",
		"CONNECT a",
		"CONNECT a:",
		"CONNECT :1",
		"CONNECT /",
		"CONNECT a:1/",
		"CONNECT a:1?",
		"CONNECT http://a/",
		"CONNECT *",
		"CONNECT u@a:1",
		"GET file:///etc/passwd",
	};
	char text[256];

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		int n = snprintf(text, sizeof(text), "%s HTTP/1.1\r\n", bad[i]);

		assert_refused(text, (size_t)n, 400);
	}
}

static void a_fragment_or_a_foreign_byte_in_a_target_is_refused(void **s)
{
	assert_refused(BYTES("GET /a#b"), 400);
	assert_refused(BYTES("GET /a?b#c"), 400);
	assert_refused(BYTES("GET #"), 400);
	assert_refused(BYTES("GET /\0"), 400);
	assert_refused(BYTES("GET /\x7f"), 400);
	assert_refused(BYTES("GET /\x80"), 400);
	assert_refused(BYTES("GET /?\xff"), 400);
	assert_refused(BYTES("GET /a\tb"), 400);
	assert_refused(BYTES("GET /a b HTTP/1.1\r\n"), 400);
	assert_refused(BYTES("GET /0123456789abcdef0123456789abcdef\x01"), 400);
}

static void a_connect_has_no_body(void **s)
{
	assert_refused(BYTES("CONNECT a:1 HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n"), 400);
	assert_refused(
		BYTES("CONNECT a:1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"),
		400);
	assert_accepted(BYTES("CONNECT a:1 HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"));
}

static bool authority(const char *text, bool port_needed)
{
	size_t n = strlen(text);
	char *exact = malloc(16 + n), *value = exact + 16;
	bool ok;

	memcpy(exact, "GET / HTTP/1.1\r\n", 16);
	memcpy(value, text, n);
	ok = mo_authority((molt_str){ value, n }, port_needed);
	if (!port_needed)
		assert_int_equal(mo_h1_host((molt_str){ value, n }), ok);
	free(exact);
	return ok;
}

static void hosts_follow_rfc_3986(void **s)
{
	static const char *const good[] = { "a",
					    "A-b.c_d~e:80",
					    "127.0.0.1",
					    "1.2.3.4:65535",
					    "[::1]",
					    "[::1]:0",
					    "[::ffff:1.2.3.4]:80",
					    "a:",
					    "%41b",
					    "a!$&'()*+,;=",
					    "xn--bcher-kva.example:00080",
					    "sixteen.example.",
					    "seventeen.example",
					    "fourteen.exam:8",
					    "fifteen.exam:80",
					    "fifteen.examp:80" };
	static const char *const bad[] = { "",        ":80",        "a b",    "a:b",    "a:+1",
					   "a:65536", "a:000080",   "a@b",    "u:p@b",  "a/b",
					   "a?b",     "a#b",        "a\\b",   "[",      "[]",
					   "[::1",    "::1",        "[::1]a", "[a]",    "[1.2.3.4]",
					   "[::1]]",  "[::1%eth0]", "[v1.a]", "a%",     "a%4",
					   "a%4g",    "a\x80",      "\"a\"",  "a[::1]", "[::1]:x",
					   "<a>",     "a|b",        "a^b",    "a:80:80" };

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		if (!authority(good[i], false))
			fail_msg("refused: %s", good[i]);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (authority(bad[i], false))
			fail_msg("accepted: %s", bad[i]);
	assert_true(authority("a:1", true));
	assert_false(authority("a", true));
	assert_false(authority("a:", true));
	assert_false(authority("[::1]", true));
	assert_false(mo_authority((molt_str){ BYTES("[::1\0]") }, false));
}

static void an_empty_host_field_is_allowed(void **s)
{
	parsed p;

	parse(&p, BYTES("GET / HTTP/1.1\r\nHost:\r\n\r\n"), &usual);
	assert_true(p.r > 0);
	assert_str(p.head.host, "");
	free(p.bytes);
	parse(&p, BYTES("GET / HTTP/1.0\r\n\r\n"), &usual);
	assert_true(p.r > 0);
	assert_str(p.head.host, "");
	free(p.bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_four_forms_are_taken_apart),
		cmocka_unit_test(a_target_of_no_form_is_refused),
		cmocka_unit_test(a_fragment_or_a_foreign_byte_in_a_target_is_refused),
		cmocka_unit_test(a_connect_has_no_body),
		cmocka_unit_test(hosts_follow_rfc_3986),
		cmocka_unit_test(an_empty_host_field_is_allowed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
