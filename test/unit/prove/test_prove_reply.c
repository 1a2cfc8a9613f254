/* How the load of molt prove reads answers: strictly, in pieces of any size. */
#include "unit.h"

#include <errno.h>

#include "base/mem.h"
#include "prove/prove_reply.h"

/* Feeds text in pieces of step bytes.  The last result; *rest: bytes left over. */
static int feed(mo_reply *r, const char *text, size_t step, mo_buf *body, size_t *rest)
{
	size_t len = strlen(text), at = 0;
	char *copy = mo_strndup(text, len);
	int rc = 0;

	mo_reply_reset(r);
	while (at < len && rc == 0) {
		size_t n = len - at < step ? len - at : step, used;
		molt_str part;

		rc = mo_reply_feed(r, copy + at, n, &used, &part);
		mo_buf_str(body, part);
		at += used;
	}
	*rest = len - at;
	free(copy);
	return rc;
}

/* Complete, with this body, whatever the size of the pieces. */
static void good(const char *text, const char *want, bool closing)
{
	for (size_t step = 1; step <= strlen(text); step++) {
		mo_reply r = { 0 };
		mo_buf body = { 0 };
		size_t rest;

		assert_int_equal(feed(&r, text, step, &body, &rest), 1);
		assert_string_equal(mo_buf_cstr(&body), want);
		assert_int_equal(rest, 0);
		assert_int_equal(r.closing, closing);
		mo_buf_free(&body);
		mo_reply_free(&r);
	}
}

static void never(const char *text, int want)
{
	mo_reply r = { 0 };
	mo_buf body = { 0 };
	size_t rest;

	assert_int_equal(feed(&r, text, strlen(text), &body, &rest), want);
	mo_buf_free(&body);
	mo_reply_free(&r);
}

static void reads_answers_in_pieces(void **state)
{
	good("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "hello", false);
	good("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n",
	     "abcd", false);
	good("HTTP/1.1 204 No Content\r\n\r\n", "", false);
	good("HTTP/1.1 304 Not Modified\r\nContent-Length: 10\r\n\r\n", "", false);
	good("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "", false);
	good("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx", "x",
	     false);
	good("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n", "", false);
}

static void knows_when_the_server_closes(void **state)
{
	good("HTTP/1.1 200 OK\r\nconnection: Close\r\ncontent-length: 1\r\n\r\nx", "x", true);
	good("HTTP/1.1 200 OK\r\nConnection: upgrade, close\r\nContent-Length: 1\r\n\r\nx", "x",
	     true);
	good("HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx", "x", true);
	good("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\nx", "x", false);
}

static void an_unfinished_answer_is_not_complete(void **state)
{
	never("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell", 0);
	never("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", 0);
	never("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n", 0);
	never("HTTP/1.1 200 OK\r\n\r\nuntil the end", 0);
}

static void what_is_no_answer_is_refused(void **state)
{
	never("SSH-2.0-OpenSSH_9.2\r\n\r\n", -EBADMSG);
	never("HTTP/2 200 OK\r\n\r\n", -EBADMSG);
	never("HTTP/1.1 2x0 OK\r\n\r\n", -EBADMSG);
	never("HTTP/1.1 200 OK\r\nContent-Length: five\r\n\r\n", -EBADMSG);
	never("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
	      -EBADMSG);
	never("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", -EBADMSG);
	never("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", -EBADMSG);
}

/* What follows an answer is not swallowed: nobody asked for it. */
static void leaves_what_follows(void **state)
{
	mo_reply r = { 0 };
	mo_buf body = { 0 };
	size_t rest;

	assert_int_equal(
		feed(&r, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nxHTTP", 1000, &body, &rest),
		1);
	assert_int_equal(rest, 4);
	assert_true(mo_str_eq(mo_reply_field(&r, "content-length"), MO_STR("1")));
	assert_null(mo_reply_field(&r, "Server").ptr);
	mo_buf_free(&body);
	mo_reply_free(&r);
}

static void a_head_without_end_is_refused(void **state)
{
	mo_reply r = { 0 };
	char line[1024];
	size_t used;
	molt_str part;
	int rc = 0;

	memset(line, 'a', sizeof(line));
	for (int i = 0; i < 100 && rc == 0; i++)
		rc = mo_reply_feed(&r, line, sizeof(line), &used, &part);
	assert_int_equal(rc, -EBADMSG);
	mo_reply_free(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_answers_in_pieces),
		cmocka_unit_test(knows_when_the_server_closes),
		cmocka_unit_test(an_unfinished_answer_is_not_complete),
		cmocka_unit_test(what_is_no_answer_is_refused),
		cmocka_unit_test(leaves_what_follows),
		cmocka_unit_test(a_head_without_end_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
