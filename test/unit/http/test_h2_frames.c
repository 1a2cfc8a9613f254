/* Promises of http/h2: what is not allowed gets the error that RFC 9113 or 7541 names, and
 * what is unknown is ignored.  One connection a case; another client is answered beside it. */
#include "h2_client.h"

enum scope { CONNECTION, STREAM };

typedef struct piece {
	int type, flags;
	int32_t id;
	const char *payload;
	size_t n;
} piece;

#define BYTES(s) s, sizeof(s) - 1
#define HELLO_OPEN(id)                                                                             \
	{                                                                                          \
		NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, id, GET_HELLO, GET_HELLO_N              \
	}
#define SLEEP_WHOLE(id)                                                                            \
	{                                                                                          \
		NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS | NGHTTP2_FLAG_END_STREAM, id,           \
			BYTES("\x82\x86\x44\x0a/sleep?200\x41\x01\x61")                            \
	}

static const struct {
	const char *name;
	enum scope scope;
	uint32_t code;
	piece p[3]; /* behind the preface and SETTINGS */
} cases[] = {
	{ "DATA on stream 0, 6.1",
	  CONNECTION,
	  NGHTTP2_PROTOCOL_ERROR,
	  { { 0, 0, 0, BYTES("x") } } },
	{ "DATA on an idle stream, 5.1",
	  CONNECTION,
	  NGHTTP2_PROTOCOL_ERROR,
	  { { 0, 0, 1, BYTES("x") } } },
	{ "DATA with more padding than it is long, 6.1",
	  CONNECTION,
	  NGHTTP2_PROTOCOL_ERROR,
	  { HELLO_OPEN(1), { 0, NGHTTP2_FLAG_PADDED, 1, BYTES("\x05xx") } } },
	{ "DATA behind the end of the stream, 5.1",
	  CONNECTION,
	  NGHTTP2_STREAM_CLOSED,
	  { SLEEP_WHOLE(1), { 0, 0, 1, BYTES("x") } } },
	{ "HEADERS on stream 0, 6.2", CONNECTION, NGHTTP2_PROTOCOL_ERROR, { HELLO_OPEN(0) } },
	{ "HEADERS on a stream of the server, 5.1.1",
	  CONNECTION,
	  NGHTTP2_PROTOCOL_ERROR,
	  { HELLO_OPEN(2) } },
	{ "HEADERS behind the end of the stream, 5.1",
	  CONNECTION,
	  NGHTTP2_STREAM_CLOSED,
	  { SLEEP_WHOLE(1), SLEEP_WHOLE(1) } },
	{ "HEADERS with more padding than they are long, 6.2",
	  CONNECTION,
	  NGHTTP2_PROTOCOL_ERROR,
	  { { 1, NGHTTP2_FLAG_PADDED | NGHTTP2_FLAG_END_HEADERS, 1, BYTES("\x20\x82") } } },
	{ "trailers that do not end the stream, 8.1",
	  STREAM,
	  NGHTTP2_PROTOCOL_ERROR,
	  { HELLO_OPEN(1), { 1, NGHTTP2_FLAG_END_HEADERS, 1, BYTES("\x00\x01x\x01y") } } },
	{ "PRIORITY on stream 0, 6.3",
	  CONNECTION,
	  NGHTTP2_PROTOCOL_ERROR,
	  { { 2, 0, 0, BYTES("\0\0\0\0\x10") } } },
	{ "PRIORITY of 4 bytes, 6.3",
	  CONNECTION,
	  NGHTTP2_FRAME_SIZE_ERROR,
	  { { 2, 0, 1, BYTES("\0\0\0\0") } } },
	{ "RST_STREAM on stream 0, 6.4",
	  CONNECTION,
	  NGHTTP2_PROTOCOL_ERROR,
	  { { 3, 0, 0, BYTES("\0\0\0\x08") } } },
	{ "RST_STREAM on an idle stream, 6.4",
	  CONNECTION,
	  NGHTTP2_PROTOCOL_ERROR,
	  { { 3, 0, 1, BYTES("\0\0\0\x08") } } },
	{ "RST_STREAM of 3 bytes, 6.4",
	  CONNECTION,
	  NGHTTP2_FRAME_SIZE_ERROR,
	  { SLEEP_WHOLE(1), { 3, 0, 1, BYTES("\0\0\x08") } } },
	{ "SETTINGS on a stream, 6.5",
	  CONNECTION,
	  NGHTTP2_PROTOCOL_ERROR,
	  { { 4, 0, 1, BYTES("") } } },
	{ "SETTINGS of 5 bytes, 6.5",
	  CONNECTION,
	  NGHTTP2_FRAME_SIZE_ERROR,
	  { { 4, 0, 0, BYTES("\0\x04\0\0\0") } } },
	{ "SETTINGS that acknowledge and say something, 6.5",
	  CONNECTION,
	  NGHTTP2_FRAME_SIZE_ERROR,
	  { { 4, NGHTTP2_FLAG_ACK, 0, BYTES("\0\x04\0\0\0\x01") } } },
	{ "ENABLE_PUSH of 2, 6.5.2",
	  CONNECTION,
	  NGHTTP2_PROTOCOL_ERROR,
	  { { 4, 0, 0, BYTES("\0\x02\0\0\0\x02") } } },
	{ "INITIAL_WINDOW_SIZE of 2^31, 6.5.2",
	  CONNECTION,
	  NGHTTP2_FLOW_CONTROL_ERROR,
	  { { 4, 0, 0, BYTES("\0\x04\x80\0\0\0") } } },
	{ "MAX_FRAME_SIZE of 16383, 6.5.2",
	  CONNECTION,
	  NGHTTP2_PROTOCOL_ERROR,
	  { { 4, 0, 0, BYTES("\0\x05\0\0\x3f\xff") } } },
	{ "PUSH_PROMISE of a client, 8.4",
	  CONNECTION,
	  NGHTTP2_PROTOCOL_ERROR,
	  { SLEEP_WHOLE(1), { 5, NGHTTP2_FLAG_END_HEADERS, 1, BYTES("\0\0\0\x02\x82") } } },
	{ "PING on a stream, 6.7",
	  CONNECTION,
	  NGHTTP2_PROTOCOL_ERROR,
	  { { 6, 0, 1, BYTES("12345678") } } },
	{ "PING of 7 bytes, 6.7",
	  CONNECTION,
	  NGHTTP2_FRAME_SIZE_ERROR,
	  { { 6, 0, 0, BYTES("1234567") } } },
	{ "GOAWAY on a stream, 6.8",
	  CONNECTION,
	  NGHTTP2_PROTOCOL_ERROR,
	  { { 7, 0, 1, BYTES("\0\0\0\0\0\0\0\0") } } },
	{ "WINDOW_UPDATE of 0 for the connection, 6.9",
	  CONNECTION,
	  NGHTTP2_PROTOCOL_ERROR,
	  { { 8, 0, 0, BYTES("\0\0\0\0") } } },
	{ "WINDOW_UPDATE of 3 bytes, 6.9",
	  CONNECTION,
	  NGHTTP2_FRAME_SIZE_ERROR,
	  { { 8, 0, 0, BYTES("\0\0\x01") } } },
	{ "WINDOW_UPDATE on an idle stream, 5.1",
	  CONNECTION,
	  NGHTTP2_PROTOCOL_ERROR,
	  { { 8, 0, 1, BYTES("\0\0\0\x01") } } },
	{ "a window of the connection over 2^31-1, 6.9.1",
	  CONNECTION,
	  NGHTTP2_FLOW_CONTROL_ERROR,
	  { { 8, 0, 0, BYTES("\x7f\xff\xff\xff") }, { 8, 0, 0, BYTES("\x7f\xff\xff\xff") } } },
	{ "a window of a stream over 2^31-1, 6.9.1",
	  STREAM,
	  NGHTTP2_FLOW_CONTROL_ERROR,
	  { SLEEP_WHOLE(1), { 8, 0, 1, BYTES("\x7f\xff\xff\xff") } } },
	{ "CONTINUATION of nothing, 6.10",
	  CONNECTION,
	  NGHTTP2_PROTOCOL_ERROR,
	  { { 9, NGHTTP2_FLAG_END_HEADERS, 1, BYTES("\x82") } } },
	{ "another frame inside a head, 6.10",
	  CONNECTION,
	  NGHTTP2_PROTOCOL_ERROR,
	  { { 1, 0, 1, BYTES("\x82\x86") }, { 6, 0, 0, BYTES("12345678") } } },
	{ "CONTINUATION of another stream, 6.10",
	  CONNECTION,
	  NGHTTP2_PROTOCOL_ERROR,
	  { { 1, 0, 1, BYTES("\x82\x86") }, { 9, NGHTTP2_FLAG_END_HEADERS, 3, BYTES("\x84") } } },
	{ "an index that no table has, RFC 7541 2.3.3",
	  CONNECTION,
	  NGHTTP2_COMPRESSION_ERROR,
	  { { 1, NGHTTP2_FLAG_END_HEADERS, 1, BYTES("\xfe") } } },
	{ "a number without an end, RFC 7541 5.1",
	  CONNECTION,
	  NGHTTP2_COMPRESSION_ERROR,
	  { { 1, NGHTTP2_FLAG_END_HEADERS, 1,
	      BYTES("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01") } } },
	{ "a table larger than was said, RFC 7541 6.3",
	  CONNECTION,
	  NGHTTP2_COMPRESSION_ERROR,
	  { { 1, NGHTTP2_FLAG_END_HEADERS, 1, BYTES("\x3f\xe2\x1f\x82") } } },
	{ "Huffman with a wrong end, RFC 7541 5.2",
	  CONNECTION,
	  NGHTTP2_COMPRESSION_ERROR,
	  { { 1, NGHTTP2_FLAG_END_HEADERS, 1, BYTES("\x82\x86\x44\x81\x00") } } },
};

static void expect_error(int fd, enum scope scope, uint32_t code, const char *name)
{
	int type = scope == STREAM ? NGHTTP2_RST_STREAM : NGHTTP2_GOAWAY;
	frame f;

	if (!frame_of(fd, type, &f))
		fail_msg("%s: the connection ended without that error", name);
	if (f.code != code)
		fail_msg("%s: error %u instead of %u", name, f.code, code);
	if (scope == CONNECTION)
		while (next_frame(fd, &f))
			continue;
}

static void malformed_frames_get_their_error(void **state)
{
	client other;

	client_open(&other);
	for (size_t i = 0; i < MO_COUNTOF(cases); i++) {
		mo_buf b = { 0 };
		int fd = dial();

		put_start(&b);
		for (size_t k = 0; k < 3; k++) {
			const piece *p = &cases[i].p[k];

			if (p->payload)
				put_frame(&b, p->type, p->flags, p->id, p->payload, p->n);
		}
		say_buf(fd, &b);
		expect_error(fd, cases[i].scope, cases[i].code, cases[i].name);
		close(fd);
		expect(&other, ask(&other, "/hello"), 200, HELLO_BODY);
	}
	client_close(&other);
}

static void the_first_frame_must_be_settings(void **state)
{
	mo_buf b = { 0 };
	int fd = dial();

	mo_buf_add(&b, PREFACE, 24);
	put_hello(&b, 1, true);
	say_buf(fd, &b);
	expect_goaway(fd, NGHTTP2_PROTOCOL_ERROR);
}

static void a_frame_over_its_limit_is_refused(void **state)
{
	static char long_one[16385];
	mo_buf b = { 0 };
	int fd = dial();

	put_start(&b);
	put_hello(&b, 1, false);
	put_frame(&b, NGHTTP2_DATA, 0, 1, long_one, sizeof(long_one));
	say_buf(fd, &b);
	expect_goaway(fd, NGHTTP2_FRAME_SIZE_ERROR);
}

/* ---- heads ---- */

#define GET                                                                                        \
	{ ":method", "GET" }, { ":scheme", "http" },                                               \
	{                                                                                          \
		":path", "/hello"                                                                  \
	}

static const struct {
	const char *name;
	const char *fields[8][2];
} heads[] = {
	{ "no :method", { { ":scheme", "http" }, { ":path", "/" }, { ":authority", "a" } } },
	{ "no :scheme", { { ":method", "GET" }, { ":path", "/" }, { ":authority", "a" } } },
	{ "no :path", { { ":method", "GET" }, { ":scheme", "http" }, { ":authority", "a" } } },
	{ "an empty :path",
	  { { ":method", "GET" }, { ":scheme", "http" }, { ":path", "" }, { ":authority", "a" } } },
	{ ":path twice", { GET, { ":path", "/" }, { ":authority", "a" } } },
	{ ":method twice", { GET, { ":method", "GET" }, { ":authority", "a" } } },
	{ ":status in a request", { GET, { ":status", "200" }, { ":authority", "a" } } },
	{ "an unknown field with a colon", { GET, { ":what", "x" }, { ":authority", "a" } } },
	{ ":authority behind a field", { GET, { "x", "y" }, { ":authority", "a" } } },
	{ ":protocol that was not allowed", { GET, { ":protocol", "ws" }, { ":authority", "a" } } },
	{ "neither :authority nor Host", { GET } },
	{ "a name in upper case", { GET, { ":authority", "a" }, { "Accept", "x" } } },
	{ "a name with a space", { GET, { ":authority", "a" }, { "a b", "x" } } },
	{ "an empty name", { GET, { ":authority", "a" }, { "", "x" } } },
	{ "a value with a line end", { GET, { ":authority", "a" }, { "x", "a\nb" } } },
	{ "a value with a space in front", { GET, { ":authority", "a" }, { "x", " a" } } },
	{ "connection", { GET, { ":authority", "a" }, { "connection", "close" } } },
	{ "keep-alive", { GET, { ":authority", "a" }, { "keep-alive", "x" } } },
	{ "proxy-connection", { GET, { ":authority", "a" }, { "proxy-connection", "x" } } },
	{ "transfer-encoding", { GET, { ":authority", "a" }, { "transfer-encoding", "chunked" } } },
	{ "upgrade", { GET, { ":authority", "a" }, { "upgrade", "h2c" } } },
	{ "te that is not trailers", { GET, { ":authority", "a" }, { "te", "gzip" } } },
	{ "a bad content-length", { GET, { ":authority", "a" }, { "content-length", "1x" } } },
	{ "two lengths",
	  { GET, { ":authority", "a" }, { "content-length", "0" }, { "content-length", "0" } } },
	{ "a length without content", { GET, { ":authority", "a" }, { "content-length", "5" } } },
	{ "Host is not :authority", { GET, { ":authority", "a" }, { "host", "b" } } },
	{ "a bad :authority", { GET, { ":authority", "a/b" } } },
	{ "user information", { GET, { ":authority", "me@a" } } },
	{ "two Hosts", { GET, { "host", "a" }, { "host", "a" } } },
	{ "a path without a slash",
	  { { ":method", "GET" },
	    { ":scheme", "http" },
	    { ":path", "x" },
	    { ":authority", "a" } } },
	{ "a star that is no OPTIONS",
	  { { ":method", "GET" },
	    { ":scheme", "http" },
	    { ":path", "*" },
	    { ":authority", "a" } } },
	{ "a path with a hash",
	  { { ":method", "GET" },
	    { ":scheme", "http" },
	    { ":path", "/#" },
	    { ":authority", "a" } } },
	{ "a path with a byte over 126",
	  { { ":method", "GET" },
	    { ":scheme", "http" },
	    { ":path", "/\xc3" },
	    { ":authority", "a" } } },
	{ "a scheme that is not ours",
	  { { ":method", "GET" }, { ":scheme", "ftp" }, { ":path", "/" }, { ":authority", "a" } } },
	{ "CONNECT with a path",
	  { { ":method", "CONNECT" }, { ":path", "/" }, { ":authority", "a:1" } } },
	{ "CONNECT without a port", { { ":method", "CONNECT" }, { ":authority", "a" } } },
};

static void put_text(mo_buf *b, const char *s)
{
	mo_buf_putc(b, (char)strlen(s));
	mo_buf_puts(b, s);
}

static void malformed_heads_reset_their_stream_alone(void **state)
{
	for (size_t i = 0; i < MO_COUNTOF(heads); i++) {
		mo_buf b = { 0 }, head = { 0 };
		int fd = dial();
		frame f;

		for (size_t k = 0; k < 8 && heads[i].fields[k][0]; k++) {
			mo_buf_putc(&head, 0); /* a literal that no table keeps */
			put_text(&head, heads[i].fields[k][0]);
			put_text(&head, heads[i].fields[k][1]);
		}
		put_start(&b);
		put_frame(&b, NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS | NGHTTP2_FLAG_END_STREAM,
			  1, head.data, head.len);
		put_hello(&b, 3, true);
		say_buf(fd, &b);
		mo_buf_free(&head);
		expect_error(fd, STREAM, NGHTTP2_PROTOCOL_ERROR, heads[i].name);
		assert_true(frame_of(fd, NGHTTP2_DATA, &f));
		assert_int_equal(f.id, 3);
		close(fd);
	}
}

static void lengths_and_data_must_agree(void **state)
{
	static const char *const data[] = { "12", "1234" };

	for (size_t i = 0; i < MO_COUNTOF(data); i++) {
		mo_buf b = { 0 };
		int fd = dial();

		put_start(&b);
		put_frame(&b, NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, 1,
			  BYTES("\x83\x86\x44\x05/echo\x41\x01\x61\x0f\x0d\x01\x33"));
		put_frame(&b, NGHTTP2_DATA, NGHTTP2_FLAG_END_STREAM, 1, data[i], strlen(data[i]));
		say_buf(fd, &b);
		expect_error(fd, STREAM, NGHTTP2_PROTOCOL_ERROR, data[i]);
		close(fd);
	}
}

static void what_is_unknown_is_ignored(void **state)
{
	mo_buf b = { 0 };
	int fd = dial();
	frame f;

	put_start(&b);
	put_frame(&b, 0x77, 0xff, 0, "whatever", 8);
	put_frame(&b, 0x77, 0xff, 9, "whatever", 8);
	put_frame(&b, NGHTTP2_SETTINGS, 0, 0, "\x77\x77\0\0\0\x01", 6);
	put_frame(&b, NGHTTP2_PING, 0, 0, "12345678", 8);
	put_hello(&b, 1, true);
	say_buf(fd, &b);
	assert_true(frame_of(fd, NGHTTP2_PING, &f));
	assert_int_equal(f.flags, NGHTTP2_FLAG_ACK);
	assert_true(frame_of(fd, NGHTTP2_DATA, &f));
	close(fd);
}

static void padding_and_pieces_of_heads_are_understood(void **state)
{
	mo_buf b = { 0 };
	int fd = dial();
	frame f;

	put_start(&b);
	put_frame(&b, NGHTTP2_HEADERS, NGHTTP2_FLAG_PADDED | NGHTTP2_FLAG_PRIORITY, 1,
		  BYTES("\x03\0\0\0\0\x10\x83\x86\x44\x05/ec\0\0\0"));
	put_frame(&b, NGHTTP2_CONTINUATION, 0, 1, BYTES("ho\x41"));
	put_frame(&b, NGHTTP2_CONTINUATION, NGHTTP2_FLAG_END_HEADERS, 1, BYTES("\x01\x61"));
	put_frame(&b, NGHTTP2_DATA, NGHTTP2_FLAG_PADDED | NGHTTP2_FLAG_END_STREAM, 1,
		  BYTES("\x02hello\0\0"));
	say_buf(fd, &b);
	assert_true(frame_of(fd, NGHTTP2_DATA, &f));
	assert_int_equal(f.flags, NGHTTP2_FLAG_END_STREAM);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SERVED_H2(malformed_frames_get_their_error),
		SERVED_H2(the_first_frame_must_be_settings),
		SERVED_H2(a_frame_over_its_limit_is_refused),
		SERVED_H2(malformed_heads_reset_their_stream_alone),
		SERVED_H2(lengths_and_data_must_agree),
		SERVED_H2(what_is_unknown_is_ignored),
		SERVED_H2(padding_and_pieces_of_heads_are_understood),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
