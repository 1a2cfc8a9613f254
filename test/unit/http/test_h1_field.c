/* What fields mean for the framing of a request: the smuggling corpus, and the
 * numbers of well-known names. */
#include "h1_check.h"
#include "http/h1/h1_parse_internal.h"

static const char *const names[MO_F_COUNT] = {
	[MO_F_HOST] = "Host",
	[MO_F_CONNECTION] = "Connection",
	[MO_F_CONTENT_LENGTH] = "Content-Length",
	[MO_F_CONTENT_TYPE] = "Content-Type",
	[MO_F_TRANSFER_ENCODING] = "Transfer-Encoding",
	[MO_F_EXPECT] = "Expect",
	[MO_F_UPGRADE] = "Upgrade",
	[MO_F_COOKIE] = "Cookie",
	[MO_F_AUTHORIZATION] = "Authorization",
	[MO_F_USER_AGENT] = "User-Agent",
	[MO_F_REFERER] = "Referer",
	[MO_F_ORIGIN] = "Origin",
	[MO_F_RANGE] = "Range",
	[MO_F_IF_RANGE] = "If-Range",
	[MO_F_IF_MATCH] = "If-Match",
	[MO_F_IF_NONE_MATCH] = "If-None-Match",
	[MO_F_IF_MODIFIED_SINCE] = "If-Modified-Since",
	[MO_F_IF_UNMODIFIED_SINCE] = "If-Unmodified-Since",
	[MO_F_ACCEPT] = "Accept",
	[MO_F_ACCEPT_ENCODING] = "Accept-Encoding",
	[MO_F_SEC_FETCH_SITE] = "Sec-Fetch-Site",
};

static void every_well_known_name_is_found_in_any_case(void **s)
{
	for (unsigned id = 1; id < MO_F_COUNT; id++) {
		size_t n = strlen(names[id]);
		char text[32];

		for (unsigned style = 0; style < 3; style++) {
			memcpy(text, names[id], n);
			for (size_t i = 0; i < n; i++)
				if (style && (text[i] | 0x20) >= 'a')
					text[i] = (char)(style == 1 ? text[i] | 0x20
								    : text[i] & ~0x20);
			assert_int_equal(mo_field_id_of((molt_str){ text, n }), id);
		}
	}
}

static void a_name_that_differs_in_one_byte_is_another(void **s)
{
	for (unsigned id = 1; id < MO_F_COUNT; id++) {
		size_t n = strlen(names[id]);
		char text[32];

		for (size_t i = 0; i < n; i++) {
			for (int b = 0; b < 256; b++) {
				memcpy(text, names[id], n);
				text[i] = (char)b;
				if (!mo_h1_is((char)b, MO_C_TOKEN) ||
				    mo_lower((char)b) == mo_lower(names[id][i]))
					continue;
				assert_int_not_equal(mo_field_id_of((molt_str){ text, n }), id);
			}
		}
		assert_int_equal(mo_field_id_of((molt_str){ names[id], n - 1 }), MO_F_OTHER);
		assert_int_equal(mo_field_id_of((molt_str){ names[id] + 1, n - 1 }), MO_F_OTHER);
	}
}

static void content_length_is_digits_once(void **s)
{
	static const char *const bad[] = { "",
					   "+5",
					   "-1",
					   "0x5",
					   "5_0",
					   "5,5",
					   "5, 5",
					   "5 5",
					   "5;",
					   "\"5\"",
					   "5.0",
					   "1e3",
					   "\2405",
					   "5\240",
					   "five",
					   "9223372036854775808",
					   "18446744073709551616",
					   "99999999999999999999999" };
	char line[128];
	parsed p;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(line, sizeof(line), "Content-Length: %s\r\n", bad[i]);
		assert_fields_refused(line, 400);
	}
	assert_fields_refused("Content-Length: 5\r\nContent-Length: 5\r\n", 400);
	assert_fields_refused("Content-Length: 5\r\nx: y\r\ncontent-length: 6\r\n", 400);
	assert_fields_refused("Content-Length : 5\r\n", 400);
	assert_fields_refused("Content-Length: 5\r\n 6\r\n", 400);
	parse_fields(&p, "1.1", "Content-Length: 9223372036854775807\r\n");
	assert_true(p.head.has_length && p.head.length == INT64_MAX);
	parse_fields(&p, "1.0", "Content-Length:\t007 \r\n");
	assert_true(p.head.has_length && p.head.length == 7);
	parse_fields(&p, "1.1", "Content-Length: 0\r\n");
	assert_true(p.head.has_length && p.head.length == 0);
	parse_fields(&p, "1.1", "Content_Length: 5\r\nXContent-Length: 6\r\n");
	assert_false(p.head.has_length);
}

static void only_chunked_alone_is_a_transfer_encoding(void **s)
{
	static const char *const bad[] = {
		"",          "xchunked",         "chunked,",        ",chunked",
		"chunke",    "chunked, chunked", "chunked, gzip",   "gzip",
		"identity",  "chunked;a=b",      "chunked chunked", "\"chunked\"",
		"'chunked'", "chunked,identity", "\240chunked",     "chun,ked"
	};
	char line[128];
	parsed p;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(line, sizeof(line), "Transfer-Encoding: %s\r\n", bad[i]);
		assert_fields_refused(line, 400);
	}
	assert_fields_refused("Transfer-Encoding: \x0b"
			      "chunked\r\n",
			      400);
	assert_fields_refused("Transfer-Encoding:\n chunked\r\n", 400);
	assert_fields_refused("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", 400);
	assert_fields_refused("Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n", 400);
	assert_fields_refused("Transfer-Encoding : chunked\r\n", 400);
	assert_fields_refused("Transfer-Encoding: gzip, chunked\r\n", 501);
	assert_fields_refused("Transfer-Encoding: identity,chunked\r\n", 501);
	parse_fields(&p, "1.1", "transfer-encoding:ChunKed\t\r\n");
	assert_true(p.head.chunked && !p.head.has_length);
	parse_fields(&p, "1.1", "Transfer_Encoding: chunked\r\n");
	assert_false(p.head.chunked);
}

static void two_framings_at_once_are_refused(void **s)
{
	assert_fields_refused("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", 400);
	assert_fields_refused("Transfer-Encoding: chunked\r\nContent-Length: 0\r\n", 400);
	assert_fields_refused("Content-Length: 5\r\nTransfer-Encoding: gzip, chunked\r\n", 400);
	assert_refused(BYTES("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n"), 400);
}

static void only_one_100_continue_may_be_expected(void **s)
{
	parsed p;

	assert_fields_refused("Expect: y 100-continue\r\n", 417);
	assert_fields_refused("Expect: 100-continued\r\n", 417);
	assert_fields_refused("Expect:\r\n", 417);
	assert_fields_refused("Expect: 100-continue, x\r\n", 417);
	assert_fields_refused("Expect: 100-continue\r\nExpect: 100-continue\r\n", 417);
	parse_fields(&p, "1.1", "Expect: 100-Continue\r\nContent-Length: 1\r\n");
	assert_true(p.head.expect_continue);
	parse_fields(&p, "1.1", "Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n");
	assert_true(p.head.expect_continue);
	parse_fields(&p, "1.1", "Expect: 100-continue\r\n"); /* nothing to wait for */
	assert_false(p.head.expect_continue);
	parse_fields(&p, "1.0", "Expect: magic\r\nExpect: 100-continue\r\nContent-Length: 1\r\n");
	assert_false(p.head.expect_continue);
}

static void the_connection_options_are_found_in_any_list(void **s)
{
	static const struct {
		const char *version, *lines;
		bool keep;
	} cases[] = {
		{ "1.1", "", true },
		{ "1.1", "Connection: close\r\n", false },
		{ "1.1", "Connection: Close\r\n", false },
		{ "1.1", "Connection: foo ,, close\t, bar\r\n", false },
		{ "1.1", "Connection: foo\r\nConnection: close\r\n", false },
		{ "1.1", "Connection: close, keep-alive\r\n", false },
		{ "1.1", "Connection: closed\r\n", true },
		{ "1.1", "Connection: xclose\r\nX-Connection: close\r\n", true },
		{ "1.1", "Connection:\r\n", true },
		{ "1.0", "", false },
		{ "1.0", "Connection: keep-alive\r\n", true },
		{ "1.0", "Connection: x, KEEP-Alive\r\n", true },
		{ "1.0", "Connection: keep-alive\r\nConnection: close\r\n", false },
	};
	parsed p;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		parse_fields(&p, cases[i].version, cases[i].lines);
		assert_int_equal(p.head.keep_alive, cases[i].keep);
	}
}

static void an_upgrade_needs_both_fields_http_1_1_and_no_body(void **s)
{
	parsed p;

	parse_fields(&p, "1.1", "Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n");
	assert_true(p.head.upgrade);
	parse_fields(&p, "1.1", "Upgrade: x\r\nConnection: upgrade\r\nContent-Length: 0\r\n");
	assert_true(p.head.upgrade);
	parse_fields(&p, "1.1", "Upgrade: websocket\r\n");
	assert_false(p.head.upgrade);
	parse_fields(&p, "1.1", "Connection: upgrade\r\n");
	assert_false(p.head.upgrade);
	parse_fields(&p, "1.1", "Connection: upgrade\r\nUpgrade: \r\n");
	assert_false(p.head.upgrade);
	parse_fields(&p, "1.0", "Connection: upgrade\r\nUpgrade: websocket\r\n");
	assert_false(p.head.upgrade);
	parse_fields(&p, "1.1", "Connection: upgrade\r\nUpgrade: h2c\r\nContent-Length: 1\r\n");
	assert_false(p.head.upgrade);
	parse_fields(&p, "1.1",
		     "Connection: upgrade\r\nUpgrade: x\r\nTransfer-Encoding: chunked\r\n");
	assert_false(p.head.upgrade);
}

static void a_missing_doubled_or_bad_host_is_refused(void **s)
{
	assert_refused(BYTES("GET / HTTP/1.1\r\n\r\n"), 400);
	assert_refused(BYTES("GET / HTTP/1.1\r\nXHost: a\r\n\r\n"), 400);
	assert_refused(BYTES("GET / HTTP/1.1\r\nHost : a\r\n"), 400);
	assert_fields_refused("Host: a\r\n", 400);
	assert_fields_refused("host:\r\n", 400);
	assert_refused(BYTES("GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n"), 400);
	assert_refused(BYTES("GET / HTTP/1.0\r\nHost: a b\r\n"), 400);
	assert_refused(BYTES("GET http://a/ HTTP/1.1\r\n\r\n"), 400);
	assert_refused(BYTES("GET http://a/ HTTP/1.1\r\nHost: a@b\r\n"), 400);
}

/* The vectorised search against the table, at every place and near every edge. */
static void a_token_ends_where_the_table_says(void **s)
{
	char text[64];

	for (unsigned c = 0; c < 256; c++) {
		for (size_t at = 0; at < 40; at++) {
			const char *end = text + 40, *plain = text;

			memset(text, "aZ09-_"[at % 6], sizeof(text));
			text[at] = (char)c;
			while (plain < end && mo_h1_is(*plain, MO_C_TOKEN))
				plain++;
			if (mo_h1_token_end(text, end) != plain)
				fail_msg("byte %02x at %zu", c, at);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_token_ends_where_the_table_says),
		cmocka_unit_test(every_well_known_name_is_found_in_any_case),
		cmocka_unit_test(a_name_that_differs_in_one_byte_is_another),
		cmocka_unit_test(content_length_is_digits_once),
		cmocka_unit_test(only_chunked_alone_is_a_transfer_encoding),
		cmocka_unit_test(two_framings_at_once_are_refused),
		cmocka_unit_test(only_one_100_continue_may_be_expected),
		cmocka_unit_test(the_connection_options_are_found_in_any_list),
		cmocka_unit_test(an_upgrade_needs_both_fields_http_1_1_and_no_body),
		cmocka_unit_test(a_missing_doubled_or_bad_host_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
