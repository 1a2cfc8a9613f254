/* Promises of http/live/ws_frame.c: messages out of frames, whatever the pieces; each
 * refusal with its code; what leaves.  Without a connection: bytes in, bytes out. */
#include "unit.h"

#include <errno.h>

#include "base/check.h"
#include "base/str.h"
#include "http/live/ws_deflate.h"
#include "http/live/ws_internal.h"

static mo_conns home;
static mo_ws *w;

static void nothing(void *arg)
{
}

static const mo_ws_user user = { .ready = nothing, .gone = nothing };

static void begin(bool deflate, size_t max_message)
{
	mo_http_limits lim = { .ws_max_message = max_message,
			       .ws_max_queue = 100000,
			       .ws_ping = 1000,
			       .ws_close_spread = 1 };

	w = mo_ws_new(&user, NULL, false, deflate, &lim);
	w->home = &home;
}

static int setup(void **state)
{
	begin(false, 40000);
	return 0;
}

static int teardown(void **state)
{
	mo_ws_free(w);
	mo_ws_zlib_free(home.zlib);
	home.zlib = NULL;
	while (home.nspare > 0)
		mo_buf_free(&home.spare[--home.nspare]);
	return 0;
}

static void again(bool deflate, size_t max_message)
{
	teardown(NULL);
	begin(deflate, max_message);
}

/* Adds a frame as a client sends it; first: FIN, RSV and opcode. */
static void put_frame(mo_buf *b, int first, const char *data, size_t n)
{
	static const char key[4] = { 1, 2, 3, 4 };

	mo_buf_putc(b, (char)first);
	if (n < 126) {
		mo_buf_putc(b, (char)(0x80 | n));
	} else if (n < 65536) {
		mo_buf_putc(b, (char)(0x80 | 126));
		mo_buf_putc(b, (char)(n >> 8));
		mo_buf_putc(b, (char)n);
	} else {
		mo_buf_putc(b, (char)(0x80 | 127));
		for (int i = 7; i >= 0; i--)
			mo_buf_putc(b, (char)((uint64_t)n >> 8 * i));
	}
	mo_buf_add(b, key, 4);
	for (size_t i = 0; i < n; i++)
		mo_buf_putc(b, (char)(data[i] ^ key[i % 4]));
}

static void hear(const char *p, size_t n)
{
	mo_buf_add(&w->in, p, n);
}

static void hear_frame(int first, const char *data)
{
	mo_buf b = { 0 };

	put_frame(&b, first, data, strlen(data));
	hear(b.data, b.len);
	mo_buf_free(&b);
}

/* The next message as text; NULL: none. */
static const char *next(void)
{
	molt_str data;

	if (!w->has_msg)
		mo_ws_decode(w);
	if (!w->has_msg)
		return NULL;
	w->has_msg = false;
	data = mo_strn(w->msg.data, w->msg.len);
	assert_int_equal(data.ptr[data.len], 0);
	return data.ptr;
}

static void expect_out(const char *bytes, size_t n)
{
	molt_str out = mo_ws_output(w);

	assert_int_equal(out.len, n);
	assert_memory_equal(out.ptr, bytes, n);
}

/* The input is refused with that code. */
static void expect_failure(int code)
{
	char close[4] = { (char)0x88, 2, (char)(code >> 8), (char)code };
	molt_str out;

	assert_null(next());
	assert_true(w->ending);
	assert_int_equal(mo_ws_code(w), code);
	out = mo_ws_output(w);
	assert_true(out.len >= 4);
	assert_memory_equal(out.ptr + out.len - 4, close, 4);
}

static void messages_come_one_at_a_time(void **state)
{
	hear_frame(0x81, "one");
	hear_frame(0x82, "two");
	assert_string_equal(next(), "one");
	assert_int_equal(w->msg_type, MO_WS_TEXT);
	assert_true(w->in.len > w->in_at); /* the second is still bytes */
	assert_string_equal(next(), "two");
	assert_int_equal(w->msg_type, MO_WS_BINARY);
	assert_null(next());
	assert_null(w->in.data); /* an idle socket owns no buffer */
}

static void a_message_may_come_byte_by_byte(void **state)
{
	mo_buf b = { 0 };
	char text[30000];

	for (size_t i = 0; i < sizeof(text) - 1; i++)
		text[i] = (char)('a' + i % 26);
	text[sizeof(text) - 1] = '\0';
	put_frame(&b, 0x81, text, sizeof(text) - 1);
	for (size_t i = 0; i < b.len - 1; i++) {
		hear(b.data + i, 1);
		assert_null(next());
	}
	hear(b.data + b.len - 1, 1);
	assert_string_equal(next(), text);
	mo_buf_free(&b);
}

static void a_frame_that_is_not_whole_stays_bytes(void **state)
{
	mo_buf b = { 0 };

	put_frame(&b, 0x81, "hello", 5);
	for (size_t n = 0; n < b.len; n++) {
		again(false, 40000);
		hear(b.data, n);
		assert_null(next());
		assert_true(mo_ws_at_boundary(w));
		assert_int_equal(w->in.len - w->in_at, n);
	}
	mo_buf_free(&b);
}

static void fragments_become_one_message_with_pings_between(void **state)
{
	hear_frame(0x01, "a");
	assert_null(next());
	assert_false(mo_ws_at_boundary(w));
	hear_frame(0x89, "hi");
	hear_frame(0x00, "b");
	assert_null(next());
	expect_out("\x8a\x02hi", 4);
	assert_false(mo_ws_at_boundary(w));
	hear_frame(0x80, "c");
	assert_string_equal(next(), "abc");
	assert_true(mo_ws_at_boundary(w));
}

static void empty_messages_are_messages(void **state)
{
	hear_frame(0x81, "");
	assert_string_equal(next(), "");
}

static void a_held_socket_decodes_nothing_at_a_boundary(void **state)
{
	w->hold = true;
	hear_frame(0x81, "later");
	assert_null(next());
	assert_false(mo_ws_hungry(w));
	w->hold = false;
	assert_string_equal(next(), "later");
	hear_frame(0x01, "a");
	assert_null(next());
	w->hold = true;
	assert_true(mo_ws_hungry(w)); /* in the middle of a message it goes on */
	hear_frame(0x80, "b");
	assert_string_equal(next(), "ab");
}

static void an_unmasked_frame_is_1002_before_its_data(void **state)
{
	hear("\x81\x05", 2);
	expect_failure(1002);
}

static void broken_frames_are_1002(void **state)
{
	static const int firsts[] = { 0x83, 0x8b, 0x91, 0xa1, 0xc1, 0x80, 0x09, 0x08 };

	for (size_t i = 0; i < MO_COUNTOF(firsts); i++) {
		again(false, 40000);
		hear_frame(firsts[i], "x");
		expect_failure(1002);
	}
	again(false, 40000);
	hear_frame(0x01, "a");
	hear_frame(0x81, "b");
	expect_failure(1002);
}

static void a_length_that_is_not_the_shortest_is_refused(void **state)
{
	hear("\x81\xfe\x00\x05kkkkhello", 13);
	assert_null(next());
	assert_true(w->ending);
	assert_int_equal(mo_ws_code(w), 1002);
}

static void a_control_frame_over_125_bytes_is_refused(void **state)
{
	mo_buf b = { 0 };
	char text[126] = { 0 };

	put_frame(&b, 0x89, text, sizeof(text));
	hear(b.data, b.len);
	mo_buf_free(&b);
	assert_null(next());
	assert_true(w->ending);
	assert_int_equal(mo_ws_code(w), 1002);
}

static void text_that_is_no_utf8_is_1007(void **state)
{
	static const char *const bad[] = { "\xff", "\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80",
					   "a\xe2\x82" };

	for (size_t i = 0; i < MO_COUNTOF(bad); i++) {
		again(false, 40000);
		hear_frame(0x81, bad[i]);
		expect_failure(1007);
	}
	again(false, 40000);
	hear_frame(0x01, "\xe2\x82");
	hear_frame(0x80, "\xac");
	assert_string_equal(next(), "\xe2\x82\xac");
	hear_frame(0x82, "\xff");
	assert_string_equal(next(), "\xff");
}

static void a_message_over_the_limit_is_1009(void **state)
{
	char text[201];

	memset(text, 'x', 200);
	text[200] = '\0';
	again(false, 200);
	hear_frame(0x81, text);
	assert_non_null(next());
	hear("\x81\xfe\x00\xc9mask", 8); /* 201 bytes: refused by its header */
	hear(text, 200);
	hear("x", 1);
	expect_failure(1009);
	again(false, 200);
	hear_frame(0x01, text);
	hear_frame(0x80, "x");
	expect_failure(1009);
	again(false, 200);
	hear("\x81\xff\x7f\xff\xff\xff\xff\xff\xff\xffmask", 14);
	expect_failure(1009);
}

static void hear_deflated(const char *data, size_t n)
{
	mo_buf small = { 0 }, frame = { 0 };

	assert_true(mo_ws_deflate(&home.zlib, mo_strn(data, n), &small));
	put_frame(&frame, 0xc1, small.data, small.len);
	hear(frame.data, frame.len);
	mo_buf_free(&small);
	mo_buf_free(&frame);
}

static void deflated_messages_are_limited_by_what_they_become(void **state)
{
	static char text[300001];

	memset(text, 'y', sizeof(text) - 1);
	again(true, 300000);
	hear_deflated(text, 300000);
	assert_string_equal(next(), text);
	again(true, 299999);
	hear_deflated(text, 300000);
	expect_failure(1009);
}

static void deflated_messages_are_checked_like_others(void **state)
{
	char text[100];

	memset(text, 0xff, sizeof(text));
	again(true, 1000);
	hear_deflated(text, sizeof(text));
	expect_failure(1007);
	again(true, 1000);
	hear_frame(0xc1, "\xff\xff\xff\xff");
	expect_failure(1007);
	again(false, 1000);
	hear_deflated("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 50);
	expect_failure(1002);
}

static void a_close_is_answered_and_its_code_told(void **state)
{
	hear_frame(0x88, "\x0f\xa0"
			 "bye");
	assert_null(next());
	assert_true(w->ending);
	assert_int_equal(mo_ws_code(w), 4000);
	expect_out("\x88\x05\x0f\xa0"
		   "bye",
		   7);
	again(false, 1000);
	hear_frame(0x88, "");
	assert_null(next());
	assert_int_equal(mo_ws_code(w), 1005);
	expect_out("\x88\x00", 2);
}

static void a_close_that_is_wrong_is_refused(void **state)
{
	static const char *const bad[] = { "x",        "\x03\xec", "\x03\xed", "\x03\xee",
					   "\x03\xf7", "\x03\xe7", "\x13\x88" };

	for (size_t i = 0; i < MO_COUNTOF(bad); i++) {
		again(false, 1000);
		hear_frame(0x88, bad[i]);
		expect_failure(1002);
	}
	again(false, 1000);
	hear_frame(0x88, "\x03\xe8\xff");
	expect_failure(1007);
}

static void after_our_close_messages_are_dropped(void **state)
{
	assert_int_equal(mo_ws_close(w, 1000, MO_STR("enough")), 0);
	expect_out("\x88\x08\x03\xe8"
		   "enough",
		   10);
	assert_int_equal(mo_ws_send(w, MO_WS_TEXT, MO_STR("x")), -EPIPE);
	assert_int_equal(mo_ws_close(w, 1000, MO_STR("")), -EPIPE);
	hear_frame(0x81, "dropped");
	assert_null(next());
	hear_frame(0x88, "\x03\xe8");
	assert_null(next());
	assert_true(w->ending);
	assert_int_equal(mo_ws_code(w), 1000);
	expect_out("\x88\x08\x03\xe8"
		   "enough",
		   10);
}

static void codes_and_reasons_that_may_not_be_sent_are_refused(void **state)
{
	static const int bad[] = { 0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, -1 };
	char reason[125];

	for (size_t i = 0; i < MO_COUNTOF(bad); i++)
		assert_int_equal(mo_ws_close(w, bad[i], MO_STR("")), -EINVAL);
	memset(reason, 'x', sizeof(reason));
	assert_int_equal(mo_ws_close(w, 1000, mo_strn(reason, 124)), -EINVAL);
	assert_int_equal(mo_ws_close(w, 1000, MO_STR("\xff")), -EINVAL);
	assert_int_equal(mo_ws_close(w, 4999, mo_strn(reason, 123)), 0);
}

static void what_is_sent_is_framed_and_checked(void **state)
{
	static char big[100001];

	assert_int_equal(mo_ws_send(w, MO_WS_TEXT, MO_STR("hi")), 0);
	expect_out("\x81\x02hi", 4);
	assert_int_equal(mo_ws_send(w, MO_WS_TEXT, MO_STR("\xff")), -EINVAL);
	assert_int_equal(mo_ws_send(w, 3, MO_STR("x")), -EINVAL);
	assert_int_equal(mo_ws_send(w, MO_WS_BINARY, mo_strn(big, sizeof(big))), -EMSGSIZE);
	assert_int_equal(mo_ws_send(w, MO_WS_BINARY, mo_strn(big, 90000)), 0);
	assert_int_equal(mo_ws_queued(w), 4 + 10 + 90000);
	assert_false(w->full);
	assert_int_equal(mo_ws_send(w, MO_WS_BINARY, mo_strn(big, 20000)), -EPIPE);
	assert_true(w->full); /* a client that takes nothing is cut */
}

static void pings_that_are_not_read_fill_the_queue_too(void **state)
{
	for (int i = 0; i < 4000 && !w->full; i++) {
		hear_frame(0x89, "0123456789012345678901234567890123456789012345678901234567890123"
				 "4567890123456789012345678901234567890");
		assert_null(next());
	}
	assert_true(w->full);
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(messages_come_one_at_a_time),
		TEST(a_message_may_come_byte_by_byte),
		TEST(a_frame_that_is_not_whole_stays_bytes),
		TEST(fragments_become_one_message_with_pings_between),
		TEST(empty_messages_are_messages),
		TEST(a_held_socket_decodes_nothing_at_a_boundary),
		TEST(an_unmasked_frame_is_1002_before_its_data),
		TEST(broken_frames_are_1002),
		TEST(a_length_that_is_not_the_shortest_is_refused),
		TEST(a_control_frame_over_125_bytes_is_refused),
		TEST(text_that_is_no_utf8_is_1007),
		TEST(a_message_over_the_limit_is_1009),
		TEST(deflated_messages_are_limited_by_what_they_become),
		TEST(deflated_messages_are_checked_like_others),
		TEST(a_close_is_answered_and_its_code_told),
		TEST(a_close_that_is_wrong_is_refused),
		TEST(after_our_close_messages_are_dropped),
		TEST(codes_and_reasons_that_may_not_be_sent_are_refused),
		TEST(what_is_sent_is_framed_and_checked),
		TEST(pings_that_are_not_read_fill_the_queue_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
