/* Promises of http/h2/h2_limit.c: each limit is crossed by a handful of frames, its
 * connection ends with ENHANCE_YOUR_CALM, and another client is answered all along. */
#include "h2_client.h"

#define CALM NGHTTP2_ENHANCE_YOUR_CALM

static client other;

static int limit_setup(void **state)
{
	h2_setup(state);
	client_open(&other);
	return 0;
}

static int limit_teardown(void **state)
{
	expect(&other, ask(&other, "/hello"), 200, HELLO_BODY);
	client_close(&other);
	return plain_teardown(state);
}

#define LIMITED(test) cmocka_unit_test_setup_teardown(test, limit_setup, limit_teardown)

static int start(mo_buf *b)
{
	*b = (mo_buf){ 0 };
	put_start(b);
	return dial();
}

static void put_get(mo_buf *b, int32_t id, const char *path)
{
	char block[64];
	int n = snprintf(block, sizeof(block), "\x82\x86\x44%c%s\x41\x01\x61", (int)strlen(path),
			 path);

	put_frame(b, NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS | NGHTTP2_FLAG_END_STREAM, id, block,
		  (size_t)n);
}

#define CANCEL "\0\0\0\x08"
#define TOO_FAR "\x7f\xff\xff\xff" /* of a window */

/* n requests that take a while, each with a frame of four bytes behind it. */
static void put_gets(mo_buf *b, int n, uint8_t type, const char *payload)
{
	for (int i = 0; i < n; i++) {
		put_get(b, 2 * i + 1, "/sleep?50");
		put_frame(b, type, 0, 2 * i + 1, payload, 4);
	}
}

static void requests_that_are_taken_back(void **state)
{
	mo_buf b;
	int fd;

	LIMIT(h2_resets, 10);
	fd = start(&b);
	put_gets(&b, 11, NGHTTP2_RST_STREAM, CANCEL);
	say_buf(fd, &b);
	expect_goaway(fd, CALM);
	assert_int_equal(mo_http_counted(&srv.http).h2_calmed, 1);
}

static void as_many_as_are_allowed_are_nothing(void **state)
{
	mo_buf b;
	frame f;
	int fd;

	LIMIT(h2_resets, 10);
	fd = start(&b);
	put_gets(&b, 10, NGHTTP2_RST_STREAM, CANCEL);
	put_hello(&b, 21, true);
	say_buf(fd, &b);
	assert_true(frame_of(fd, NGHTTP2_DATA, &f));
	assert_int_equal(f.id, 21);
	close(fd);
}

/* Some clients do so behind each answer that has no length. */
static void resets_behind_an_answer_cost_nothing(void **state)
{
	mo_buf b;
	frame f;
	int fd;

	LIMIT(h2_resets, 1);
	fd = start(&b);
	for (int i = 0; i < 20; i++) {
		put_hello(&b, 2 * i + 1, false);
		say_buf(fd, &b);
		assert_true(frame_of(fd, NGHTTP2_DATA, &f));
		assert_int_equal(f.flags & NGHTTP2_FLAG_END_STREAM, NGHTTP2_FLAG_END_STREAM);
		put_frame(&b, NGHTTP2_RST_STREAM, 0, 2 * i + 1, CANCEL, 4);
	}
	say_buf(fd, &b);
	close(fd);
	assert_int_equal(mo_http_counted(&srv.http).h2_calmed, 0);
}

static void resets_that_the_client_makes_us_send(void **state)
{
	mo_buf b;
	int fd;

	LIMIT(h2_resets, 10);
	fd = start(&b);
	put_gets(&b, 11, NGHTTP2_WINDOW_UPDATE, TOO_FAR);
	say_buf(fd, &b);
	expect_goaway(fd, CALM);
}

static void handlers_of_streams_that_were_reset_are_bounded(void **state)
{
	mo_buf b;
	frame f;
	int fd;

	LIMIT(h2_streams, 5);
	fd = start(&b);
	for (int i = 0; i < 12; i++) {
		put_get(&b, 2 * i + 1, "/sleep?300");
		say_buf(fd, &b);
		if (i < 10)
			EVENTUALLY(atomic_load(&srv.parked) == i + 1);
		put_frame(&b, NGHTTP2_RST_STREAM, 0, 2 * i + 1, CANCEL, 4);
	}
	mo_buf_free(&b);
	assert_true(frame_of(fd, NGHTTP2_RST_STREAM, &f));
	assert_int_equal(f.code, NGHTTP2_REFUSED_STREAM);
	assert_int_equal(f.id, 21);
	assert_int_equal(atomic_load(&srv.parked), 10);
	close(fd);
}

/* type, flags, id, payload: sent 60 times. */
static void flood(int type, int flags, int32_t id, const char *payload, size_t n, bool open)
{
	mo_buf b;
	int fd;

	LIMIT(h2_controls, 50);
	fd = start(&b);
	if (open)
		put_frame(&b, NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, 1,
			  "\x83\x86\x44\x05/echo\x41\x01\x61", 12);
	for (int i = 0; i < 60; i++)
		put_frame(&b, type, flags, id, payload, n);
	say_buf(fd, &b);
	print_message("frames of type %d, flags %d\n", type, flags);
	expect_goaway(fd, CALM);
}

static void floods_of_frames_that_ask_for_nothing(void **state)
{
	flood(NGHTTP2_SETTINGS, 0, 0, NULL, 0, false);
	flood(NGHTTP2_SETTINGS, 0, 0, "\0\x04\0\0\0\x01", 6, false);
	flood(NGHTTP2_PING, 0, 0, "12345678", 8, false);
	flood(NGHTTP2_PING, NGHTTP2_FLAG_ACK, 0, "12345678", 8, false);
	flood(NGHTTP2_PRIORITY, 0, 1, "\0\0\0\0\x10", 5, false);
	flood(NGHTTP2_PRIORITY_UPDATE, 0, 0, "\0\0\0\x01u=1", 7, false);
	flood(NGHTTP2_WINDOW_UPDATE, 0, 0, "\0\0\0\x01", 4, false);
	flood(NGHTTP2_DATA, 0, 1, NULL, 0, true);
	flood(NGHTTP2_DATA, NGHTTP2_FLAG_PADDED, 1, "\0", 1, true);
	flood(0x77, 0, 0, "x", 1, false);
	assert_int_equal(mo_http_counted(&srv.http).h2_calmed, 10);
}

static void continuations_without_an_end(void **state)
{
	mo_buf b;
	int fd;

	LIMIT(h2_continuations, 4);
	fd = start(&b);
	put_frame(&b, NGHTTP2_HEADERS, 0, 1, GET_HELLO, GET_HELLO_N);
	for (int i = 0; i < 5; i++)
		put_frame(&b, NGHTTP2_CONTINUATION, 0, 1, "\x00\x01x\x01y", 5);
	say_buf(fd, &b);
	expect_goaway(fd, CALM);
}

static void heads_of_many_bytes(void **state)
{
	static char field[16000];
	mo_buf b;
	int fd;

	LIMIT(h2_header_list, 4000);
	fd = start(&b);
	memset(field, 'y', sizeof(field));
	memcpy(field, "\x00\x01x\x7f\x81\x7b", 6); /* a value of 15,872 bytes */
	put_frame(&b, NGHTTP2_HEADERS, 0, 1, GET_HELLO, GET_HELLO_N);
	put_frame(&b, NGHTTP2_CONTINUATION, 0, 1, field, 6 + 15872);
	put_frame(&b, NGHTTP2_CONTINUATION, 0, 1, field, 6 + 15872);
	say_buf(fd, &b);
	expect_goaway(fd, CALM);
}

/* A reference of one byte stands for a field of 4,000. */
static void heads_that_unpack_to_many_bytes(void **state)
{
	static char block[8192];
	mo_buf b;
	int fd;

	fd = start(&b);
	memset(block, 'y', 4096);
	memcpy(block, "\x40\x01x\x7f\xa1\x1e", 6); /* a value of 4,000 bytes, into the table */
	memset(block + 4006, 0xbe, 1000);
	put_frame(&b, NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS | NGHTTP2_FLAG_END_STREAM, 1, block,
		  5006);
	say_buf(fd, &b);
	expect_goaway(fd, CALM);
}

static void replies_that_nobody_takes(void **state)
{
	mo_buf b;
	int fd;

	LIMIT(h2_replies, 20);
	fd = start(&b);
	for (int i = 0; i < 30; i++)
		put_frame(&b, NGHTTP2_PING, 0, 0, "12345678", 8);
	say_buf(fd, &b);
	expect_goaway(fd, CALM);
}

/* Streams over the limit are refused, and the connection stays. */
static void more_streams_than_are_allowed(void **state)
{
	mo_buf b;
	frame f;
	int fd;

	LIMIT(h2_streams, 4);
	fd = start(&b);
	for (int i = 0; i < 6; i++)
		put_get(&b, 2 * i + 1, "/sleep?100");
	say_buf(fd, &b);
	assert_true(frame_of(fd, NGHTTP2_RST_STREAM, &f));
	assert_int_equal(f.code, NGHTTP2_REFUSED_STREAM);
	assert_int_equal(f.id, 9);
	assert_true(frame_of(fd, NGHTTP2_DATA, &f));
	close(fd);
}

/* Browsers and load balancers do all this, in such numbers. */
static void what_usual_clients_send_is_far_below(void **state)
{
	mo_buf b;
	frame f;
	int fd = start(&b);

	for (int i = 0; i < 90; i++) {
		put_frame(&b, NGHTTP2_PRIORITY, 0, 2 * i + 1, "\0\0\0\0\x10", 5);
		put_hello(&b, 2 * i + 1, true);
		put_frame(&b, NGHTTP2_WINDOW_UPDATE, 0, 0, "\0\0\x10\0", 4);
		put_frame(&b, NGHTTP2_PING, 0, 0, "12345678", 8);
	}
	say_buf(fd, &b);
	for (int i = 0; i < 90; i++)
		assert_true(frame_of(fd, NGHTTP2_DATA, &f));
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LIMITED(requests_that_are_taken_back),
		LIMITED(as_many_as_are_allowed_are_nothing),
		LIMITED(resets_behind_an_answer_cost_nothing),
		LIMITED(resets_that_the_client_makes_us_send),
		LIMITED(handlers_of_streams_that_were_reset_are_bounded),
		LIMITED(floods_of_frames_that_ask_for_nothing),
		LIMITED(continuations_without_an_end),
		LIMITED(heads_of_many_bytes),
		LIMITED(heads_that_unpack_to_many_bytes),
		LIMITED(replies_that_nobody_takes),
		LIMITED(more_streams_than_are_allowed),
		LIMITED(what_usual_clients_send_is_far_below),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
