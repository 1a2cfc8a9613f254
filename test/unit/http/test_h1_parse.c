/* The head parser as a whole: request lines, field lines, limits, splitting,
 * cost.  Fields that frame: test_h1_field.c; targets: test_h1_target.c. */
#include "unit.h"

#include "h1_check.h"
#include "http/h1/h1_parse_internal.h"

#define HEAD(line) line "\r\nHost: a\r\n\r\n"

static const char browser[] =
	"GET /a/b.html?x=1&y=%20 HTTP/1.1\r\nHost: www.example.com:8080\r\n"
	"User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:109.0) Gecko/20100101 Firefox/115.0\r\n"
	"Accept: text/html,application/xhtml+xml;q=0.9,*/*;q=0.8\r\nX-Empty:\r\n"
	"Accept-Encoding: gzip, deflate, br\r\nConnection: keep-alive\r\n"
	"Cookie: a=b; c=d\r\nX-Name: \t caf\xc3\xa9 \t \r\n\r\n";

static void a_browsers_request_is_read_completely(void **s)
{
	parsed p;

	assert_accepted(BYTES(browser));
	parse(&p, BYTES(browser), &usual);
	assert_int_equal(p.r, sizeof(browser) - 1);
	assert_int_equal(p.head.size, sizeof(browser) - 1);
	assert_str(p.head.method, "GET");
	assert_str(p.head.target, "/a/b.html?x=1&y=%20");
	assert_str(p.head.path, "/a/b.html");
	assert_str(p.head.query, "x=1&y=%20");
	assert_true(p.head.has_query && p.head.keep_alive);
	assert_false(p.head.chunked || p.head.has_length || p.head.upgrade);
	assert_int_equal(p.head.minor, 1);
	assert_str(p.head.host, "www.example.com:8080");
	assert_int_equal(p.head.nfields, 8);
	assert_int_equal(p.fields[1].id, MO_F_USER_AGENT);
	assert_str(p.fields[3].name, "X-Empty");
	assert_str(p.fields[3].value, "");
	assert_int_equal(p.fields[3].id, MO_F_OTHER);
	assert_int_equal(p.fields[6].id, MO_F_COOKIE);
	assert_str(p.fields[7].value, "caf\xc3\xa9");
	free(p.bytes);
}

static void unusual_but_valid_heads_are_accepted(void **s)
{
	assert_accepted(BYTES(HEAD("GET / HTTP/1.1")));
	assert_accepted(BYTES("\r\n" HEAD("GET / HTTP/1.1")));
	assert_accepted(BYTES("GET / HTTP/1.0\r\n\r\n"));
	assert_accepted(BYTES(HEAD("M-SEARCH /?a?b/ HTTP/1.1")));
	assert_accepted(BYTES(HEAD("!#$%&'*+-.^_`|~09azAZ / HTTP/1.1")));
	assert_accepted(BYTES(HEAD("get /\"<>[\\]^`{|} HTTP/1.1")));
	assert_accepted(
		BYTES("GET / HTTP/1.1\r\nHost:a\r\n!#$%&'*+-.^_`|~09azAZ: \x80\xff\t~\r\n\r\n"));
	assert_accepted(BYTES("GET / HTTP/1.1\r\nHost: \t a \t \r\na:\t\r\nb: c : d\r\n\r\n"));
}

static void a_bad_request_line_is_refused(void **s)
{
	assert_refused(BYTES("GET /\r\n"), 400); /* HTTP/0.9 */
	assert_refused(BYTES("GET /\nHTTP/1.1\r\n"), 400);
	assert_refused(BYTES("GET / HTTP/1.1\n"), 400);
	assert_refused(BYTES("GET / HTTP/1.1\r\r\n"), 400);
	assert_refused(BYTES("GET  / HTTP/1.1\r\n"), 400);
	assert_refused(BYTES("GET /  HTTP/1.1\r\n"), 400);
	assert_refused(BYTES("GET\t/ HTTP/1.1\r\n"), 400);
	assert_refused(BYTES(" GET / HTTP/1.1\r\n"), 400);
	assert_refused(BYTES("GET / HTTP/1.1 \r\n"), 400);
	assert_refused(BYTES("\n"), 400);
	assert_refused(BYTES("\r\n\r\n"), 400);
	assert_refused(BYTES("\r\r\n"), 400);
	assert_refused(BYTES("G\0T / HTTP/1.1\r\n"), 400);
	assert_refused(BYTES("G(T / HTTP/1.1\r\n"), 400);
	assert_refused(BYTES("G\xc3\xa9T / HTTP/1.1\r\n"), 400);
	assert_refused(BYTES("\x16\x03\x01\x02"), 400); /* TLS on a plain port */
	assert_refused(BYTES("{\"method\":1}"), 400);
}

static void a_method_beyond_32_bytes_is_not_implemented(void **s)
{
	assert_accepted(BYTES(HEAD("AAAAAAAABBBBBBBBCCCCCCCCDDDDDDDD / HTTP/1.1")));
	assert_refused(BYTES("AAAAAAAABBBBBBBBCCCCCCCCDDDDDDDDE"), 501);
}

static void other_versions_are_told_apart_from_garbage(void **s)
{
	assert_refused(BYTES("GET / HTTP/2.0\r\n"), 505);
	assert_refused(BYTES("PRI * HTTP/2.0\r\n"), 505);
	assert_refused(BYTES("GET / HTTP/1.2\r\n"), 505);
	assert_refused(BYTES("GET / HTTP/0.9\r\n"), 505);
	assert_refused(BYTES("GET / HTTP/9.9\r\n"), 505);
	assert_refused(BYTES("GET / HTTP/1.10\r\n"), 400);
	assert_refused(BYTES("GET / HTTP/11.1\r\n"), 400);
	assert_refused(BYTES("GET / HTTP/1\r\n"), 400);
	assert_refused(BYTES("GET / HTTP/1,1\r\n"), 400);
	assert_refused(BYTES("GET / http/1.1\r\n"), 400);
	assert_refused(BYTES("GET / HTTP/ 1.1\r\n"), 400);
	assert_refused(BYTES("GET / ICE/1.0\r\n"), 400);
	assert_refused(BYTES("GET / RTSP/1.0\r\n"), 400);
}

static void a_bad_field_line_is_refused(void **s)
{
	assert_fields_refused(" folded: first\r\n", 400);
	assert_fields_refused("a: b\r\n c\r\n", 400);
	assert_fields_refused("a: b\r\n\tc\r\n", 400);
	assert_fields_refused("a: b\r\n \r\n", 400);
	assert_fields_refused(": x\r\n", 400);
	assert_fields_refused(":\r\n", 400);
	assert_fields_refused("a : b\r\n", 400);
	assert_fields_refused("a\t: b\r\n", 400);
	assert_fields_refused("a\r\n", 400);
	assert_fields_refused("a b: c\r\n", 400);
	assert_fields_refused("a(: c\r\n", 400);
	assert_fields_refused("a\x80: c\r\n", 400);
	assert_fields_refused("a: b\n", 400);
	assert_fields_refused("a: b\rc\r\n", 400);
	assert_fields_refused("a: b\r\r\n", 400);
	assert_fields_refused("a: \x01\r\n", 400);
	assert_fields_refused("a: \x0b\r\n", 400);
	assert_fields_refused("a: \x7f\r\n", 400);
	assert_fields_refused("\n", 400);
	assert_refused(BYTES("GET / HTTP/1.1\r\nHost: a\r\nb: \0\r\n"), 400);
	assert_refused(BYTES("GET / HTTP/1.1\r\nHost: a\r\nb\0: c\r\n"), 400);
	assert_refused(BYTES("GET / HTTP/1.1\r\nHost: a\r\n\rX"), 400);
	assert_refused(BYTES("GET / HTTP/1.1\r\n Host: a\r\n"), 400);
}

/* Every byte at every place of a short head: what is accepted holds only legal
 * bytes, and prefixes agree with the whole. */
static void every_single_byte_change_is_judged_alike_at_every_split(void **s)
{
	static const char good[] = "PUT /x?y HTTP/1.1\r\nHost: a:1\r\nContent-Length: 2\r\n\r\n";
	const size_t n = sizeof(good) - 1;

	for (size_t at = 0; at < n; at++) {
		for (int b = 0; b < 256; b++) {
			char text[sizeof(good)];
			int whole;

			memcpy(text, good, n);
			text[at] = (char)b;
			whole = parse_result(text, n);
			for (size_t i = 0; i < n; i++) {
				int r = parse_result(text, i);

				assert_true(r == 0 || r == whole);
			}
			if (whole > 0 && (b < 0x20 || b > 0x7e) && b != '\t')
				assert_true(b == good[at]);
		}
	}
}

static void a_vectorised_search_finds_what_a_plain_one_finds(void **s)
{
	for (size_t n = 1; n <= 50; n++) {
		char *bytes = malloc(n);

		for (size_t at = 0; at < n; at++) {
			for (int b = 0; b < 256; b++) {
				const char *end = bytes + n, *from = bytes + at / 2;

				memset(bytes, 'a', n);
				bytes[at] = (char)b;
				assert_ptr_equal(mo_h1_value_end(bytes, from, end),
						 mo_h1_value_end_plain(from, end));
				assert_ptr_equal(mo_h1_target_end(bytes, from, end, '?'),
						 mo_h1_target_end_plain(from, end, '?'));
			}
		}
		free(bytes);
	}
}

static char *repeat(char *out, const char *piece, size_t count)
{
	size_t n = strlen(piece);

	for (size_t i = 0; i < count; i++, out += n)
		memcpy(out, piece, n);
	return out;
}

/* Where each limit bites: not at its value, but one beyond, finished or not. */
static void a_head_over_its_limit_is_431_also_while_unfinished(void **s)
{
	static const char text[] = "GET / HTTP/1.1\r\nHost: a\r\nb: cccccccccccccccccccc\r\n\r\n";
	const size_t n = sizeof(text) - 1;
	mo_head_limits lim = usual;
	parsed p;

	for (size_t max = 1; max <= n + 1; max++) {
		for (size_t have = 0; have <= n; have++) {
			int want = have == n && max >= n ? (int)n : have >= max ? -431 : 0;

			lim.max_head = max;
			parse(&p, text, have, &lim);
			free(p.bytes);
			assert_int_equal(p.r, want);
		}
	}
}

static void a_target_over_its_limit_is_414_also_while_unfinished(void **s)
{
	mo_head_limits lim = { 16384, 10, 100 };
	parsed p;

	parse(&p, BYTES("GET /23456789??"), &lim);
	free(p.bytes);
	assert_int_equal(p.r, -414);
	parse(&p, BYTES("GET /2345?789 HTTP/1.1\r\nHost:\r\n\r\n"), &lim);
	free(p.bytes);
	assert_true(p.r > 0);
	parse(&p, BYTES("GET /2345?78901"), &lim);
	free(p.bytes);
	assert_int_equal(p.r, -414);
	parse(&p, BYTES("GET /2345678901 HTTP/1.1\r\nHost:\r\n\r\n"), &lim);
	free(p.bytes);
	assert_int_equal(p.r, -414);
}

static void too_many_fields_are_431(void **s)
{
	char text[4096], *end;
	parsed p;

	for (size_t extra = 98; extra <= 100; extra++) {
		end = repeat(text, "GET / HTTP/1.1\r\nHost:\r\n", 1);
		end = repeat(end, "a:\r\n", extra);
		end = repeat(end, "\r\n", 1);
		parse(&p, text, (size_t)(end - text), &usual);
		free(p.bytes);
		assert_int_equal(p.r, extra < 100 ? (int)(end - text) : -431);
	}
	parse(&p, text, (size_t)(end - text) - 3, &usual);
	free(p.bytes);
	assert_int_equal(p.r, -431);
}

static void a_long_name_hides_nothing(void **s)
{
	char text[4096], *end;
	parsed p;

	for (size_t len = 250; len <= 530; len++) {
		end = repeat(text, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n", 1);
		end = repeat(end,
			     "Content-Length0"
			     "aaa",
			     1);
		end = repeat(end, "a", len - 18);
		end = repeat(end, ":\r\nX: y\r\n\r\n", 1);
		parse(&p, text, (size_t)(end - text), &usual);
		assert_int_equal(p.r, (int)(end - text));
		assert_int_equal(p.head.nfields, 4);
		assert_int_equal(p.head.length, 5);
		assert_int_equal(p.fields[2].name.len, len);
		assert_str(p.fields[3].name, "X");
		free(p.bytes);
	}
}

/* 1 MiB in one piece, and 16 KiB that come byte by byte, for several shapes that
 * would be slow if anything were looked at again and again. */
static void the_cost_is_linear(void **s)
{
	static const char *const shapes[] = { "a", " ", "\t ", ",", ", ", "[", "%41", "a:" };
	static char text[1 << 20];
	mo_head_limits lim = { sizeof(text) + 100, 8192, 100 };
	double start = cpu_seconds();

	for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
		char *at = repeat(text, "GET / HTTP/1.1\r\nConnection: ", 1);
		parsed p;

		repeat(at, shapes[i], (size_t)(text + sizeof(text) - at) / strlen(shapes[i]) - 2);
		memcpy(text + sizeof(text) - 4, "\r\n\r\n", 4);
		for (char *c = at; c < text + sizeof(text) - 4; c++)
			*c = *c ? *c : 'a';
		parse(&p, text, sizeof(text), &lim);
		free(p.bytes);
		assert_int_equal(p.r, -400); /* no Host */
		/* Fewer steps, not fewer shapes, where each step is slow. */
		for (size_t n = 0; n < 16384; n += UNIT_SLOWDOWN)
			assert_int_equal(mo_h1_parse(text, n, &lim, &p.head, p.fields), 0);
	}
	assert_true(cpu_seconds() - start < 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_browsers_request_is_read_completely),
		cmocka_unit_test(unusual_but_valid_heads_are_accepted),
		cmocka_unit_test(a_bad_request_line_is_refused),
		cmocka_unit_test(a_method_beyond_32_bytes_is_not_implemented),
		cmocka_unit_test(other_versions_are_told_apart_from_garbage),
		cmocka_unit_test(a_bad_field_line_is_refused),
		cmocka_unit_test(every_single_byte_change_is_judged_alike_at_every_split),
		cmocka_unit_test(a_vectorised_search_finds_what_a_plain_one_finds),
		cmocka_unit_test(a_head_over_its_limit_is_431_also_while_unfinished),
		cmocka_unit_test(a_target_over_its_limit_is_414_also_while_unfinished),
		cmocka_unit_test(too_many_fields_are_431),
		cmocka_unit_test(a_long_name_hides_nothing),
		cmocka_unit_test(the_cost_is_linear),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
