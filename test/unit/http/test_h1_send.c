/* Promises of http/h1/h1_send.c: heads, framing, files, slow readers. */
#include "http_app.h"

static char *ask(const char *method, const char *target, int minor, char **body)
{
	char line[256], *all;
	int fd = dial();

	snprintf(line, sizeof(line), "%s %s HTTP/1.%d\r\nHost: a\r\nConnection: close\r\n\r\n",
		 method, target, minor);
	say(fd, line);
	all = hear_all(fd, NULL);
	close(fd);
	*body = strstr(all, "\r\n\r\n");
	assert_non_null(*body);
	*body += 4;
	return all;
}

static void name_server(void *name)
{
	srv.http.server_field = name;
}

static void a_buffered_answer_has_its_length_and_a_date(void **state)
{
	char *body, *all;
	const char *date;

	on_loop(name_server, (char[]){ "Molt/1" });
	all = ask("GET", "/hello", 1, &body);
	assert_string_equal(body, HELLO_BODY);
	assert_memory_equal(all, "HTTP/1.1 200 OK\r\n", 17);
	assert_string_equal(field_of(all, "Content-Length"), "14");
	assert_string_equal(field_of(all, "Content-Type"), "text/plain");
	assert_string_equal(field_of(all, "Server"), "Molt/1");
	assert_null(field_of(all, "Transfer-Encoding"));
	date = field_of(all, "Date");
	assert_non_null(date);
	assert_int_equal(strlen(date), 29);
	assert_string_equal(date + 26, "GMT");
	free(all);
}

static void a_flushed_answer_is_chunked(void **state)
{
	char *body, *all = ask("GET", "/stream", 1, &body);

	assert_string_equal(field_of(all, "Transfer-Encoding"), "chunked");
	assert_null(field_of(all, "Content-Length"));
	assert_string_equal(body, "4\r\none\n\r\n4\r\ntwo\n\r\n6\r\nthree\n\r\n0\r\n\r\n");
	free(all);
}

static void towards_http10_a_flushed_answer_ends_with_the_connection(void **state)
{
	char *body, *all = ask("GET", "/stream", 0, &body);

	assert_null(field_of(all, "Transfer-Encoding"));
	assert_null(field_of(all, "Content-Length"));
	assert_string_equal(field_of(all, "Connection"), "close");
	assert_string_equal(body, "one\ntwo\nthree\n");
	free(all);
}

static void a_flush_arrives_before_the_handler_goes_on(void **state)
{
	char *head, got[9];
	int fd = dial();

	say(fd, "GET /gone HTTP/1.1\r\nHost: a\r\n\r\n");
	EVENTUALLY(atomic_load(&srv.parked) == 1);
	close(fd);
	fd = dial();
	say(fd, "GET /stream HTTP/1.1\r\nHost: a\r\n\r\n");
	head = hear_head(fd);
	free(head);
	hear_n(fd, got, 9);
	assert_memory_equal(got, "4\r\none\n\r\n", 9);
	close(fd);
}

static void head_gets_the_head_that_get_would(void **state)
{
	static const char *const targets[] = { "/hello", "/big?100000", "/file?5000",
					       "/file?100000" };

	for (size_t i = 0; i < 4; i++) {
		char *body, *all = ask("GET", targets[i], 1, &body);
		char *length = mo_strdup(field_of(all, "Content-Length"));

		assert_int_equal(strlen(body), atoi(length));
		free(all);
		all = ask("HEAD", targets[i], 1, &body);
		assert_string_equal(field_of(all, "Content-Length"), length);
		free(length);
		assert_string_equal(body, "");
		free(all);
	}
}

static void head_keeps_the_connection_in_step(void **state)
{
	char *head;
	int fd = dial();

	say(fd, "HEAD /hello HTTP/1.1\r\nHost: a\r\n\r\n"
		"HEAD /stream HTTP/1.1\r\nHost: a\r\n\r\n" HELLO);
	head = hear_head(fd);
	assert_string_equal(field_of(head, "Content-Length"), "14");
	free(head);
	head = hear_head(fd);
	free(head);
	expect_answer(fd, 200, HELLO_BODY);
	close(fd);
}

static void statuses_without_a_body_have_none(void **state)
{
	char *head;
	int fd = dial();

	for (int i = 0; i < 2; i++) {
		say(fd, i ? "GET /status?304 HTTP/1.1\r\nHost: a\r\n\r\n"
			  : "GET /status?204 HTTP/1.1\r\nHost: a\r\n\r\n");
		head = hear_head(fd);
		assert_null(field_of(head, "Content-Length"));
		assert_null(field_of(head, "Transfer-Encoding"));
		free(head);
	}
	say(fd, "GET /status?299 HTTP/1.1\r\nHost: a\r\n\r\n" HELLO);
	head = hear_head(fd);
	assert_memory_equal(head, "HTTP/1.1 299 \r\n", 15);
	assert_string_equal(field_of(head, "Content-Length"), "0");
	free(head);
	expect_answer(fd, 200, HELLO_BODY);
	close(fd);
}

static void answers_of_every_size_arrive_whole(void **state)
{
	static const int sizes[] = { 1, 8000, 16000, 16250, 16300, 16384, 20000, 70000, 3000000 };
	int fd = dial();

	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		char line[160], *body;

		/* Behind and before small ones, so that all ways of gathering occur. */
		snprintf(line, sizeof(line), HELLO "GET /%s?%d HTTP/1.1\r\nHost: a\r\n\r\n" HELLO,
			 i % 2 ? "file" : "big", sizes[i]);
		say(fd, line);
		expect_answer(fd, 200, HELLO_BODY);
		assert_int_equal(hear_answer(fd, &body, NULL), 200);
		assert_int_equal(strlen(body), sizes[i]);
		for (int k = 0; k < sizes[i]; k++)
			assert_int_equal(body[k], 'a' + k % 26);
		free(body);
		expect_answer(fd, 200, HELLO_BODY);
	}
	close(fd);
}

static void files_of_every_size_arrive_whole(void **state)
{
	static const int sizes[] = { 0, 1, 8192, 8193, 100000, 2000000 };
	int fd = dial();

	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		char line[160], *body;

		snprintf(line, sizeof(line), "GET /file?%d HTTP/1.1\r\nHost: a\r\n\r\n", sizes[i]);
		say(fd, line);
		assert_int_equal(hear_answer(fd, &body, NULL), 200);
		assert_int_equal(strlen(body), sizes[i]);
		for (int k = 0; k < sizes[i]; k++)
			assert_int_equal(body[k], 'a' + k % 26);
		free(body);
	}
	close(fd);
}

static void a_slow_reader_gets_all_of_it(void **state)
{
	char *all, *body;
	int fd = dial_with(4096), n = 0;

	say(fd, "GET /big?2000000 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
	usleep(100000);
	all = hear_all(fd, NULL);
	body = strstr(all, "\r\n\r\n") + 4;
	while (body[n])
		n++;
	assert_int_equal(n, 2000000);
	free(all);
	close(fd);
}

static void a_client_that_takes_nothing_is_cut(void **state)
{
	int fd;

	LIMIT(write_timeout, 80);
	fd = dial_with(4096);
	say(fd, "GET /flood HTTP/1.1\r\nHost: a\r\n\r\n");
	EVENTUALLY(atomic_load(&srv.failed_sends) == 1);
	EVENTUALLY(open_conns() == 0);
	close(fd);
	/* The same with answers that wait in the driver. */
	fd = dial_with(4096);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	for (int i = 0; i < 200000; i++)
		if (!say_n(fd, HELLO, strlen(HELLO)))
			break;
	EVENTUALLY(open_conns() == 0);
	close(fd);
}

static void writing_to_a_client_that_has_gone_fails(void **state)
{
	int fd = dial();

	say(fd, "GET /flood HTTP/1.1\r\nHost: a\r\n\r\n");
	EVENTUALLY(atomic_load(&srv.parked) == 1);
	close(fd);
	EVENTUALLY(atomic_load(&srv.failed_sends) == 1);
	EVENTUALLY(open_conns() == 0);
}

static void a_broken_answer_has_no_proper_end(void **state)
{
	char *all, *body;
	int error, fd;

	all = ask("GET", "/break", 1, &body);
	assert_string_equal(body, "5\r\nline\n\r\n");
	free(all);
	all = ask("GET", "/short", 1, &body);
	assert_string_equal(field_of(all, "Content-Length"), "10");
	assert_string_equal(body, "12345");
	free(all);
	/* One that ends with the connection is broken only by a reset. */
	fd = dial();
	say(fd, "GET /break HTTP/1.0\r\n\r\n");
	free(hear_all(fd, &error));
	assert_int_equal(error, ECONNRESET);
	close(fd);
}

static void a_file_that_has_become_shorter_is_cut(void **state)
{
	static const char *const targets[] = { "/file?5000&short", "/file?100000&short" };

	for (int i = 0; i < 2; i++) {
		char *body, *all = ask("GET", targets[i], 1, &body);

		assert_true((int)strlen(body) < atoi(field_of(all, "Content-Length")));
		free(all);
	}
}

static void more_than_was_said_is_not_sent(void **state)
{
	int fd = dial();

	say(fd, "GET /long HTTP/1.1\r\nHost: a\r\n\r\n" HELLO);
	expect_answer(fd, 200, "12345");
	expect_answer(fd, 200, HELLO_BODY);
	close(fd);
}

static void a_handler_that_is_late_is_answered_for(void **state)
{
	int fd = dial();

	say(fd, "GET /late HTTP/1.1\r\nHost: a\r\n\r\n" HELLO);
	expect_answer(fd, 503, "503 Service Unavailable\n");
	expect_answer(fd, 200, HELLO_BODY);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SERVED(a_buffered_answer_has_its_length_and_a_date),
		SERVED(a_flushed_answer_is_chunked),
		SERVED(towards_http10_a_flushed_answer_ends_with_the_connection),
		SERVED(a_flush_arrives_before_the_handler_goes_on),
		SERVED(head_gets_the_head_that_get_would),
		SERVED(head_keeps_the_connection_in_step),
		SERVED(statuses_without_a_body_have_none),
		SERVED(answers_of_every_size_arrive_whole),
		SERVED(files_of_every_size_arrive_whole),
		SERVED(a_slow_reader_gets_all_of_it),
		SERVED(a_client_that_takes_nothing_is_cut),
		SERVED(writing_to_a_client_that_has_gone_fails),
		SERVED(a_broken_answer_has_no_proper_end),
		SERVED(a_file_that_has_become_shorter_is_cut),
		SERVED(more_than_was_said_is_not_sent),
		SERVED(a_handler_that_is_late_is_answered_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
