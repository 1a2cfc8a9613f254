/* Promises of http/h1/h1_body.c: request bodies, and the bytes behind them. */
#include "http_app.h"

static void post(int fd, const char *path, const char *fields, const char *body)
{
	mo_buf b = { 0 };

	mo_buf_fmt(&b, "POST %s HTTP/1.1\r\nHost: a\r\n%s\r\n%s", path, fields, body);
	assert_true(say_n(fd, b.data, b.len));
	mo_buf_free(&b);
}

static void a_body_is_read_and_the_next_request_found_behind_it(void **state)
{
	int fd = dial();

	post(fd, "/echo", "Content-Length: 5\r\n", "hello" HELLO);
	expect_answer(fd, 200, "hello");
	expect_answer(fd, 200, HELLO_BODY);
	post(fd, "/echo", "Transfer-Encoding: chunked\r\n",
	     "5\r\nhello\r\n6;a=b\r\n world\r\n0\r\nX: y\r\n\r\n" HELLO);
	expect_answer(fd, 200, "hello world");
	expect_answer(fd, 200, HELLO_BODY);
	post(fd, "/echo?1", "Transfer-Encoding: chunked\r\n", "3\r\nabc\r\n0\r\n\r\n");
	expect_answer(fd, 200, "abc");
	post(fd, "/echo", "Content-Length: 0\r\n", HELLO);
	expect_answer(fd, 200, "");
	expect_answer(fd, 200, HELLO_BODY);
	close(fd);
}

static char *letters(size_t n)
{
	char *p = mo_malloc(n + 1);

	for (size_t i = 0; i < n; i++)
		p[i] = (char)('a' + i % 26);
	p[n] = '\0';
	return p;
}

static void large_bodies_arrive_whole(void **state)
{
	char head[128], chunk[32], *body = letters(3000000);
	int fd;

	LIMIT(max_body, 3000000);
	fd = dial();
	for (size_t n = 1000000; n <= 3000000; n += 2000000) {
		snprintf(head, sizeof(head), "Content-Length: %zu\r\n", n);
		post(fd, n == 1000000 ? "/echo?8000" : "/echo", head, "");
		assert_true(say_n(fd, body, n));
		body[n] = '\0';
		expect_answer(fd, 200, body);
		body[n] = 'x';
	}
	post(fd, "/echo?8000", "Transfer-Encoding: chunked\r\n", "");
	for (int i = 0; i < 100; i++) {
		snprintf(chunk, sizeof(chunk), "%x\r\n", 26000);
		say(fd, chunk);
		assert_true(say_n(fd, body, 26000));
		say(fd, "\r\n");
	}
	say(fd, "0\r\n\r\n");
	body[2600000] = '\0';
	free(body);
	body = letters(2600000);
	expect_answer(fd, 200, body);
	free(body);
	close(fd);
}

static void the_rest_of_an_ignored_body_is_never_taken_for_a_request(void **state)
{
	mo_buf chunked = { 0 };
	char *evil = letters(0);
	int fd = dial();

	post(fd, "/ignore", "Content-Length: 35\r\n", HELLO "x" HELLO);
	expect_answer(fd, 200, "ignored\n");
	expect_answer(fd, 200, HELLO_BODY);
	mo_buf_fmt(&chunked, "%zx\r\n%s\r\n0\r\n\r\n%s", strlen(HELLO), HELLO, HELLO);
	post(fd, "/ignore", "Transfer-Encoding: chunked\r\n", mo_buf_cstr(&chunked));
	expect_answer(fd, 200, "ignored\n");
	expect_answer(fd, 200, HELLO_BODY);
	/* The rest comes after the answer. */
	post(fd, "/ignore", "Content-Length: 100000\r\n", "");
	expect_answer(fd, 200, "ignored\n");
	free(evil);
	evil = letters(100000);
	assert_true(say_n(fd, evil, 100000));
	say(fd, HELLO);
	expect_answer(fd, 200, HELLO_BODY);
	assert_int_equal(atomic_load(&srv.done), 6);
	free(evil);
	mo_buf_free(&chunked);
	close(fd);
}

static void a_long_ignored_body_closes_the_connection(void **state)
{
	bool closes;
	int fd;

	LIMIT(max_body, 10000000);
	fd = dial();
	post(fd, "/ignore", "Content-Length: 5000000\r\n", "abc");
	assert_int_equal(hear_answer(fd, NULL, &closes), 200);
	assert_true(closes);
	expect_end(fd);
}

static void an_endless_ignored_body_is_not_read_for_ever(void **state)
{
	size_t n = 256 * 1024;
	char *piece = letters(n);
	size_t sent = 0;
	int fd = dial();

	post(fd, "/ignore", "Transfer-Encoding: chunked\r\n", "ffffffff\r\n");
	while (sent < 600u << 20 && say_n(fd, piece, n))
		sent += n;
	assert_int_in_range(sent, 200u << 20, 300u << 20); /* 256 MiB, and what is on the way */
	free(piece);
	close(fd);
	EVENTUALLY(open_conns() == 0);
}

static void a_body_that_is_too_long_is_refused_at_once(void **state)
{
	bool closes;
	int fd = dial();

	post(fd, "/echo", "Content-Length: 100001\r\n", "");
	assert_int_equal(hear_answer(fd, NULL, &closes), 413);
	assert_true(closes);
	expect_end(fd);
	assert_int_equal(atomic_load(&srv.done), 1);
	assert_int_equal(atomic_load(&srv.refused), 0);
}

static void the_refused_client_of_an_upload_sees_the_answer(void **state)
{
	char *body = letters(60000), *all;
	int fd = dial();

	post(fd, "/echo", "Content-Length: 60000000\r\n", "");
	usleep(20000);
	say_n(fd, body, 60000);
	shutdown(fd, SHUT_WR);
	all = hear_all(fd, NULL);
	assert_memory_equal(all, "HTTP/1.1 413 ", 13);
	free(all);
	free(body);
	close(fd);
}

static void a_chunked_body_that_is_too_long_fails_the_read(void **state)
{
	char *body = letters(100001);
	bool closes;
	int fd = dial();

	/* It is refused when its size is said.  Only a part is sent: the server closes
	 * when it has discarded 64 KiB, and a client that still sends may see that. */
	post(fd, "/echo", "Transfer-Encoding: chunked\r\n", "186a1\r\n");
	assert_true(say_n(fd, body, 1000));
	assert_int_equal(hear_answer(fd, NULL, &closes), 413);
	assert_true(closes);
	assert_int_equal(atomic_load(&srv.read_result), -E2BIG);
	expect_end(fd);
	/* The largest one that is allowed. */
	fd = dial();
	post(fd, "/echo", "Transfer-Encoding: chunked\r\n", "186a0\r\n");
	assert_true(say_n(fd, body, 100000));
	say(fd, "\r\n0\r\n\r\n");
	body[100000] = '\0';
	expect_answer(fd, 200, body);
	free(body);
	close(fd);
}

static void bad_chunks_fail_the_read_and_close(void **state)
{
	static const char *const bad[] = { "x\r\n",  "3\nabc\r\n",     "3\r\nabcd\r\n",
					   "-1\r\n", "0x3\r\nabc\r\n", " 3\r\nabc\r\n" };

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		bool closes;
		int fd = dial();

		post(fd, "/echo", "Transfer-Encoding: chunked\r\n", bad[i]);
		assert_int_equal(hear_answer(fd, NULL, &closes), 400);
		assert_true(closes);
		assert_int_equal(atomic_load(&srv.read_result), -EBADMSG);
		expect_end(fd);
	}
}

static void a_body_that_breaks_off_fails_the_read(void **state)
{
	int fd = dial();

	post(fd, "/echo", "Content-Length: 10\r\n", "abc");
	shutdown(fd, SHUT_WR);
	expect_answer(fd, 400, NULL);
	assert_int_equal(atomic_load(&srv.read_result), -ECONNRESET);
	expect_end(fd);
	EVENTUALLY(open_conns() == 0);
	fd = dial();
	post(fd, "/echo", "Transfer-Encoding: chunked\r\n", "5\r\nab");
	close(fd);
	EVENTUALLY(atomic_load(&srv.done) == 2 && open_conns() == 0);
}

static void a_silent_body_times_out(void **state)
{
	int fd;

	LIMIT(body_timeout, 60);
	fd = dial();
	post(fd, "/echo", "Content-Length: 10\r\n", "abc");
	expect_answer(fd, 400, NULL);
	assert_int_equal(atomic_load(&srv.read_result), -ETIMEDOUT);
	expect_end(fd);
}

static void a_slow_body_ends_with_the_read_timeout(void **state)
{
	molt_time began = mo_now();
	int fd;

	LIMIT(body_timeout, 100);
	LIMIT(read_timeout, 200);
	fd = dial();
	post(fd, "/echo", "Content-Length: 1000\r\n", "abc");
	while (mo_now() - began < 10000) { /* body_timeout begins anew, read_timeout does not */
		struct pollfd p = { fd, POLLIN, 0 };

		say_n(fd, "x", 1);
		if (uninterrupted(poll(&p, 1, 10)) > 0)
			break;
	}
	assert_true(mo_now() - began < 10000);
	expect_answer(fd, 400, NULL);
	assert_int_equal(atomic_load(&srv.read_result), -ETIMEDOUT);
	close(fd);
}

static void a_silent_rest_of_an_ignored_body_is_not_waited_for(void **state)
{
	int fd;

	LIMIT(body_timeout, 60);
	fd = dial();
	post(fd, "/ignore", "Content-Length: 10\r\n", "abc");
	expect_answer(fd, 200, "ignored\n");
	expect_end(fd);
}

static void a_client_that_expects_100_gets_it_when_the_body_is_read(void **state)
{
	char *head;
	int fd = dial();

	for (int i = 0; i < 2; i++) {
		post(fd, "/echo", "Expect: 100-continue\r\nContent-Length: 5\r\n", "");
		head = hear_head(fd);
		assert_string_equal(head, "HTTP/1.1 100 Continue\r\n\r\n");
		free(head);
		say(fd, "hello");
		expect_answer(fd, 200, "hello");
	}
	close(fd);
}

static void a_client_that_did_not_wait_gets_no_100(void **state)
{
	int fd = dial();

	post(fd, "/echo", "Expect: 100-continue\r\nContent-Length: 5\r\n", "hello");
	expect_answer(fd, 200, "hello");
	close(fd);
}

static void an_answer_instead_of_100_closes(void **state)
{
	bool closes;
	int fd = dial();

	post(fd, "/ignore", "Expect: 100-continue\r\nContent-Length: 5\r\n", "");
	assert_int_equal(hear_answer(fd, NULL, &closes), 200);
	assert_true(closes);
	expect_end(fd);
	fd = dial();
	post(fd, "/echo", "Expect: 100-continue\r\nContent-Length: 500000\r\n", "");
	assert_int_equal(hear_answer(fd, NULL, &closes), 413);
	assert_true(closes);
	expect_end(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SERVED(a_body_is_read_and_the_next_request_found_behind_it),
		SERVED(large_bodies_arrive_whole),
		SERVED(the_rest_of_an_ignored_body_is_never_taken_for_a_request),
		SERVED(a_long_ignored_body_closes_the_connection),
		SERVED(an_endless_ignored_body_is_not_read_for_ever),
		SERVED(a_body_that_is_too_long_is_refused_at_once),
		SERVED(the_refused_client_of_an_upload_sees_the_answer),
		SERVED(a_chunked_body_that_is_too_long_fails_the_read),
		SERVED(bad_chunks_fail_the_read_and_close),
		SERVED(a_body_that_breaks_off_fails_the_read),
		SERVED(a_silent_body_times_out),
		SERVED(a_slow_body_ends_with_the_read_timeout),
		SERVED(a_silent_rest_of_an_ignored_body_is_not_waited_for),
		SERVED(a_client_that_expects_100_gets_it_when_the_body_is_read),
		SERVED(a_client_that_did_not_wait_gets_no_100),
		SERVED(an_answer_instead_of_100_closes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
