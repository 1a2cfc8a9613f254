/* The chunked decoder: what it accepts at every split, and what it refuses. */
#include "unit.h"

#include "http/h1/chunk.h"

#define BYTES(lit) (lit), sizeof(lit) - 1

typedef struct result {
	int r;
	size_t used, made;
	char out[256];
} result;

/* Decodes in[0..n), given in pieces of `step` bytes, into pieces of `room`. */
static result decode(const char *in, size_t n, size_t step, size_t room)
{
	result x = { 0 };
	mo_chunked c;

	mo_chunked_init(&c);
	for (size_t have = 0; x.r == 0 && x.used < n;) {
		size_t used, made, cap = sizeof(x.out) - x.made;

		have = have + step < n ? have + step : n;
		do {
			char *piece = malloc(have - x.used + 1);

			memcpy(piece, in + x.used, have - x.used);
			x.r = mo_chunked_decode(&c, piece, have - x.used, &used, x.out + x.made,
						cap < room ? cap : room, &made);
			free(piece);
			x.used += used;
			x.made += made;
			assert_true(made <= used);
		} while (x.r == 0 && x.used < have);
	}
	return x;
}

static void assert_decodes(const char *in, size_t n, const char *want)
{
	char followed[512];

	memcpy(followed, in, n);
	memcpy(followed + n, "GET /", 5);
	for (size_t step = 1; step <= n; step++) {
		for (size_t room = 1; room <= 12; room++) {
			result x = decode(followed, n + 5, step, room);

			assert_int_equal(x.r, 1);
			assert_int_equal(x.used, n);
			assert_int_equal(x.made, strlen(want));
			assert_memory_equal(x.out, want, x.made);
		}
	}
}

static void assert_refused(const char *in, size_t n, int error)
{
	for (size_t step = 1; step <= n; step++) {
		result x = decode(in, n, step, 7);

		if (x.r != error)
			fail_msg("%d for '%.*s' by %zu", x.r, (int)n, in, step);
	}
}

static void a_body_is_the_same_at_every_split(void **s)
{
	assert_decodes(BYTES("0\r\n\r\n"), "");
	assert_decodes(BYTES("5\r\nhello\r\n0\r\n\r\n"), "hello");
	assert_decodes(BYTES("1\r\nh\r\n00A\r\nello world\r\n000\r\n\r\n"), "hello world");
	assert_decodes(BYTES("a\r\n0\r\n\r\n0\r\n\r\n\r\n0\r\n\r\n"), "0\r\n\r\n0\r\n\r\n");
	assert_decodes(BYTES("3;a;b=c;d=\"e f\"\r\nabc\r\n0;x\r\n\r\n"), "abc");
	assert_decodes(BYTES("3 ;a=b\r\nabc\r\n0\t \t; x\r\n\r\n"), "abc");
	assert_decodes(BYTES("3; a = b ; c ;d =\"\" ;e= f\r\nabc\r\n0\r\n\r\n"), "abc");
	assert_decodes(BYTES("3;a=\"\\\";\\\\=\t\xff\";b\r\nabc\r\n0\r\n\r\n"), "abc");
	assert_decodes(BYTES("0000000000000003\r\nabc\r\n0\r\n\r\n"), "abc");
}

static void trailers_are_dropped(void **s)
{
	assert_decodes(BYTES("1\r\na\r\n0\r\nX: y\r\n\r\n"), "a");
	assert_decodes(BYTES("0\r\nHost: evil\r\nContent-Length: 5\r\nz:\r\n\r\n"), "");
}

static void an_unfinished_body_waits(void **s)
{
	static const char text[] = "5;e=f\r\nhello\r\n0\r\nT: r\r\n\r\n";

	for (size_t n = 0; n < sizeof(text) - 1; n++)
		assert_int_equal(decode(text, n, 3, 4).r, 0);
}

static void a_bad_size_line_is_refused(void **s)
{
	assert_refused(BYTES("\r\n"), -EBADMSG);
	assert_refused(BYTES(";a\r\n"), -EBADMSG);
	assert_refused(BYTES("g\r\n"), -EBADMSG);
	assert_refused(BYTES("0x5\r\n"), -EBADMSG);
	assert_refused(BYTES("+5\r\n"), -EBADMSG);
	assert_refused(BYTES("-5\r\n"), -EBADMSG);
	assert_refused(BYTES("5_0\r\n"), -EBADMSG);
	assert_refused(BYTES(" 5\r\n"), -EBADMSG);
	assert_refused(BYTES("5 \r\n"), -EBADMSG);
	assert_refused(BYTES("5\t\r\n"), -EBADMSG);
	assert_refused(BYTES("5\n"), -EBADMSG);
	assert_refused(BYTES("5\rX"), -EBADMSG);
	assert_refused(BYTES("5\r\r\n"), -EBADMSG);
	assert_refused(BYTES("5;a\n"), -EBADMSG);
	assert_refused(BYTES("5;a\rb\r\n"), -EBADMSG);
	assert_refused(BYTES("5;\0\r\n"), -EBADMSG);
	assert_refused(BYTES("\0"), -EBADMSG);
	assert_refused(BYTES("\2405\r\n"), -EBADMSG);
}

/* RFC 9112 section 7.1.1. */
static void an_extension_that_is_none_is_refused(void **s)
{
	static const char *const bad[] = {
		"5;\r\n",           "5; \r\n",        "5;;a\r\n",        "5;=b\r\n",
		"5;a=\r\n",         "5;a= \r\n",      "5;a=;b\r\n",      "5;bad[=x\r\n",
		"5;a=b[\r\n",       "5;a b\r\n",      "5;a=b c\r\n",     "5 \r\n",
		"5;a \r\n",         "5;a=b \r\n",     "5;a=\"b\r\n",     "5;a=\"b\"c\r\n",
		"5;a=b\"c\"\r\n",   "5;a=\"\\\r\n",   "5;a=\"\\\"\r\n",  "5;a=\"b\" \r\n",
		"5;a=\"\x01\"\r\n", "5;a=\"\\\x7f\"", "5;\"a\"=b\r\n",   "5;a==b\r\n",
		"5 5;a\r\n",        "5=a\r\n",        "5;a=\"b\n\"\r\n", "5;\xe4=b\r\n",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_refused(bad[i], strlen(bad[i]), -EBADMSG);
}

static void bad_line_ends_are_refused(void **s)
{
	assert_refused(BYTES("1\r\na\n0\r\n\r\n"), -EBADMSG);
	assert_refused(BYTES("1\r\nab\r\n"), -EBADMSG);
	assert_refused(BYTES("1\r\na\r0\r\n\r\n"), -EBADMSG);
	assert_refused(BYTES("1\r\na\r\n\r\n"), -EBADMSG);
	assert_refused(BYTES("0\r\n\n"), -EBADMSG);
	assert_refused(BYTES("0\r\n\rX"), -EBADMSG);
	assert_refused(BYTES("0\r\nX: y\n\r\n"), -EBADMSG);
}

static void a_trailer_that_is_no_field_line_is_refused(void **s)
{
	assert_refused(BYTES("0\r\n: y\r\n"), -EBADMSG);
	assert_refused(BYTES("0\r\nX\r\n"), -EBADMSG);
	assert_refused(BYTES("0\r\nX : y\r\n"), -EBADMSG);
	assert_refused(BYTES("0\r\n X: y\r\n"), -EBADMSG);
	assert_refused(BYTES("0\r\nX: y\r\n z\r\n"), -EBADMSG);
	assert_refused(BYTES("0\r\nX: \0\r\n"), -EBADMSG);
	assert_refused(BYTES("0\r\nGET / HTTP/1.1\r\n"), -EBADMSG);
}

static void a_size_that_overflows_is_too_big(void **s)
{
	assert_refused(BYTES("10000000000000000\r\n"), -E2BIG);
	assert_refused(BYTES("00000000000000001\r\n"), -E2BIG);
	assert_int_equal(decode(BYTES("ffffffffffffffff\r\nabc"), 4, 9).r, 0);
}

/* Feeds `piece` until something else than 0 comes, and returns the bytes used. */
static size_t feed(mo_chunked *c, const char *piece, int want)
{
	size_t total = 0, used, made;
	int r;

	do {
		r = mo_chunked_decode(c, piece, strlen(piece), &used, NULL, 0, &made);
		total += used;
		assert_true(total < 100000);
	} while (r == 0);
	assert_int_equal(r, want);
	return total;
}

static void extensions_and_trailers_are_limited_over_the_whole_body(void **s)
{
	size_t used, made;
	char byte[8];
	mo_chunked c;

	mo_chunked_init(&c);
	assert_int_equal(mo_chunked_decode(&c, BYTES("1;"), &used, byte, 8, &made), 0);
	assert_int_in_range(feed(&c, "xx", -E2BIG), 16000, 16384);
	mo_chunked_init(&c);
	assert_int_equal(mo_chunked_decode(&c, BYTES("0\r\n"), &used, byte, 8, &made), 0);
	assert_int_in_range(feed(&c, "X: y\r\n", -E2BIG), 16000, 16384);

	mo_chunked_init(&c);
	assert_int_equal(mo_chunked_decode(&c, BYTES("1 "), &used, byte, 8, &made), 0);
	assert_int_in_range(feed(&c, " \t", -E2BIG), 16000, 16384);
	mo_chunked_init(&c);
	assert_int_equal(mo_chunked_decode(&c, BYTES("1;a=\""), &used, byte, 8, &made), 0);
	assert_int_in_range(feed(&c, "\\\"", -E2BIG), 16000, 16384);

	mo_chunked_init(&c);
	for (int i = 0, r = 0; r == 0; i++) {
		r = mo_chunked_decode(&c, BYTES("1;23456\r\nx\r\n"), &used, byte, 8, &made);
		assert_true(r == 0 || r == -E2BIG);
		assert_true(i < 16384 / 7 + 1);
	}
}

static void a_refused_body_stays_refused(void **s)
{
	size_t used, made;
	char out[8];
	mo_chunked c;

	mo_chunked_init(&c);
	assert_int_equal(mo_chunked_decode(&c, BYTES("x"), &used, out, 8, &made), -EBADMSG);
	assert_int_equal(mo_chunked_decode(&c, BYTES("0\r\n\r\n"), &used, out, 8, &made), -EBADMSG);
	assert_int_equal(used, 0);
	assert_int_equal(mo_chunked_decode(&c, "", 0, &used, out, 8, &made), -EBADMSG);
}

static void a_complete_body_stays_complete_and_takes_no_more(void **s)
{
	size_t used, made;
	char out[8];
	mo_chunked c;

	mo_chunked_init(&c);
	assert_int_equal(mo_chunked_decode(&c, BYTES("0\r\n\r\nGET"), &used, out, 8, &made), 1);
	assert_int_equal(used, 5);
	assert_int_equal(mo_chunked_decode(&c, BYTES("GET"), &used, out, 8, &made), 1);
	assert_int_equal(used, 0);
}

static void the_output_may_overwrite_the_input(void **s)
{
	char text[] = "5\r\nhello\r\n00006\r\n world\r\n0\r\n\r\n";
	size_t used, made;
	mo_chunked c;

	mo_chunked_init(&c);
	assert_int_equal(
		mo_chunked_decode(&c, text, sizeof(text) - 1, &used, text, sizeof(text) - 1, &made),
		1);
	assert_int_equal(used, sizeof(text) - 1);
	assert_int_equal(made, 11);
	assert_memory_equal(text, "hello world", 11);
}

static void the_end_needs_no_room(void **s)
{
	size_t used, made;
	char out[5];
	mo_chunked c;

	mo_chunked_init(&c);
	assert_int_equal(
		mo_chunked_decode(&c, BYTES("5\r\nhello\r\n0\r\n\r\n"), &used, out, 5, &made), 1);
	assert_int_equal(made, 5);
	mo_chunked_init(&c);
	assert_int_equal(mo_chunked_decode(&c, BYTES("5\r\nhello"), &used, NULL, 0, &made), 0);
	assert_int_equal(used, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_body_is_the_same_at_every_split),
		cmocka_unit_test(trailers_are_dropped),
		cmocka_unit_test(an_unfinished_body_waits),
		cmocka_unit_test(a_bad_size_line_is_refused),
		cmocka_unit_test(bad_line_ends_are_refused),
		cmocka_unit_test(a_trailer_that_is_no_field_line_is_refused),
		cmocka_unit_test(a_size_that_overflows_is_too_big),
		cmocka_unit_test(an_extension_that_is_none_is_refused),
		cmocka_unit_test(extensions_and_trailers_are_limited_over_the_whole_body),
		cmocka_unit_test(a_refused_body_stays_refused),
		cmocka_unit_test(a_complete_body_stays_complete_and_takes_no_more),
		cmocka_unit_test(the_output_may_overwrite_the_input),
		cmocka_unit_test(the_end_needs_no_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
