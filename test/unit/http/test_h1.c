/* Promises of http/h1/h1.c: heads, exchanges, pipelines, keeping and ending the
 * connection. */
#include "http_app.h"

#include "base/check.h"

static void requests_on_one_connection_are_answered_one_after_another(void **state)
{
	int fd = dial();

	for (int i = 0; i < 20; i++) {
		say(fd, HELLO);
		expect_answer(fd, 200, HELLO_BODY);
	}
	assert_int_equal(mo_http_counted(&srv.http).total_requests, 20);
	assert_int_equal(mo_http_counted(&srv.http).by_class[2], 20);
	assert_int_equal(atomic_load(&srv.http.total_connections), 1);
	close(fd);
	EVENTUALLY(open_conns() == 0);
}

/* It must not send more, so there is nothing to wait for: this one keeps its side
 * open for longer than the server would linger. */
static void a_client_that_announced_its_last_request_is_not_lingered_for(void **state)
{
	molt_time start = mo_now();
	int fd = dial();
	char c;

	say(fd, "GET /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
	expect_answer(fd, 200, HELLO_BODY);
	assert_int_equal(uninterrupted(recv(fd, &c, 1, 0)), 0);
	EVENTUALLY(open_conns() == 0);
	assert_true(mo_now() - start < 1500);
	close(fd);
}

static void one_that_sends_more_behind_it_is(void **state)
{
	int fd = dial();
	char c;

	say(fd, "GET /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" HELLO);
	expect_answer(fd, 200, HELLO_BODY);
	assert_int_equal(uninterrupted(recv(fd, &c, 1, 0)), 0);
	assert_int_equal(open_conns(), 1);
	assert_int_equal(mo_http_counted(&srv.http).total_requests, 1);
	close(fd);
	EVENTUALLY(open_conns() == 0);
}

static void a_request_may_come_byte_by_byte(void **state)
{
	const char *text = "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello";
	int fd = dial();

	for (const char *p = text; *p; p++) {
		assert_true(say_n(fd, p, 1));
		usleep(300);
	}
	expect_answer(fd, 200, "hello");
	close(fd);
}

static void a_request_may_be_split_anywhere(void **state)
{
	static const char text[] =
		"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
		"\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nT: v\r\n\r\n" HELLO;
	size_t n = sizeof(text) - 1;
	int fd = dial();

	for (size_t cut = 1; cut < n; cut++) {
		assert_true(say_n(fd, text, cut));
		usleep(200);
		assert_true(say_n(fd, text + cut, n - cut));
		expect_answer(fd, 200, "abcde");
		expect_answer(fd, 200, HELLO_BODY);
	}
	close(fd);
}

static void a_thousand_pipelined_requests_are_answered_in_order(void **state)
{
	mo_buf all = { 0 };
	char want[32];
	int fd = dial();

	for (int i = 0; i < 1000; i++)
		mo_buf_fmt(&all, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n%04d",
			   i);
	assert_true(say_n(fd, all.data, all.len));
	for (int i = 0; i < 1000; i++) {
		snprintf(want, sizeof(want), "%04d", i);
		expect_answer(fd, 200, want);
	}
	mo_buf_free(&all);
	close(fd);
}

static void answers_of_a_pipeline_leave_together(void **state)
{
	char got[4096];
	ssize_t n, total = 0;
	int fd = dial(), reads = 0;

	say(fd, HELLO HELLO HELLO HELLO HELLO HELLO HELLO HELLO);
	usleep(50000);
	while (total < 8 * 100 && (n = uninterrupted(recv(fd, got, sizeof(got), 0))) > 0) {
		total += n;
		reads++;
	}
	assert_int_equal(reads, 1);
	close(fd);
}

static void an_answer_does_not_wait_for_a_later_slow_handler(void **state)
{
	molt_time began = mo_now();
	int fd = dial();

	say(fd, HELLO "GET /gone HTTP/1.1\r\nHost: a\r\n\r\n"); /* that one never ends by itself */
	expect_answer(fd, 200, HELLO_BODY);
	close(fd);
	fd = dial();
	say(fd, HELLO "GET /sleep?100 HTTP/1.1\r\nHost: a\r\n\r\n" HELLO);
	expect_answer(fd, 200, HELLO_BODY);
	expect_answer(fd, 200, "slept\n");
	expect_answer(fd, 200, HELLO_BODY);
	assert_true(mo_now() - began >= 100);
	close(fd);
}

static void requests_that_come_while_a_handler_waits_are_answered_after_it(void **state)
{
	int fd = dial();

	say(fd, "GET /sleep?60 HTTP/1.1\r\nHost: a\r\n\r\n");
	for (int i = 0; i < 10; i++) {
		usleep(4000);
		say(fd, HELLO);
	}
	expect_answer(fd, 200, "slept\n");
	for (int i = 0; i < 10; i++)
		expect_answer(fd, 200, HELLO_BODY);
	close(fd);
}

static void http10_closes_unless_asked_to_keep(void **state)
{
	char *head;
	int fd = dial();

	say(fd, "GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
	head = hear_head(fd);
	assert_string_equal(field_of(head, "Connection"), "keep-alive");
	assert_string_equal(field_of(head, "Content-Length"), "14");
	free(head);
	hear_n(fd, (char[14]){ 0 }, 14);
	say(fd, "GET /hello HTTP/1.0\r\n\r\n");
	head = hear_all(fd, NULL);
	assert_string_equal(field_of(head, "Connection"), "close");
	free(head);
	close(fd);
}

static void connection_close_is_obeyed(void **state)
{
	bool closes;
	int fd = dial();

	say(fd, "GET /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" HELLO);
	assert_int_equal(hear_answer(fd, NULL, &closes), 200);
	assert_true(closes);
	expect_end(fd);
	assert_int_equal(atomic_load(&srv.done), 1);
}

static void a_draining_server_closes_after_its_answer(void **state)
{
	bool closes;
	int fd = dial();

	say(fd, HELLO);
	assert_int_equal(hear_answer(fd, NULL, &closes), 200);
	assert_false(closes);
	atomic_store(&srv.http.closing, MO_CLOSING_ALL);
	say(fd, HELLO);
	assert_int_equal(hear_answer(fd, NULL, &closes), 200);
	assert_true(closes);
	expect_end(fd);
}

static void keep_alive_can_be_switched_off(void **state)
{
	bool closes;
	int fd;

	LIMIT(keep_alive, false);
	fd = dial();
	say(fd, HELLO);
	assert_int_equal(hear_answer(fd, NULL, &closes), 200);
	assert_true(closes);
	expect_end(fd);
}

static void refused_with(const char *text, size_t n, int status)
{
	int before = atomic_load(&srv.refused);
	bool closes;
	int fd = dial();

	assert_true(say_n(fd, text, n));
	assert_int_equal(hear_answer(fd, NULL, &closes), status);
	assert_true(closes);
	expect_end(fd);
	assert_int_equal(atomic_load(&srv.refused), before + 1);
	assert_int_equal(atomic_load(&srv.last_refused), status);
}

static void bad_heads_are_refused_with_their_status(void **state)
{
	char *text = mo_malloc(40000);

	refused_with("GET / HTTP/1.1\nHost: a\r\n\r\n", 26, 400);
	refused_with("GET / HTTP/2.0\r\n", 16, 505);
	refused_with("\x16\x03\x01", 3, 400);
	memset(text, 'a', 40000);
	memcpy(text, "GET /", 5);
	refused_with(text, 20000, 414);
	memcpy(text, "GET / HTTP/1.1\r\nHost: a\r\nX: ", 28);
	refused_with(text, 40000, 431);
	free(text);
	assert_int_equal(mo_http_counted(&srv.http).total_requests, 0);
}

/* Sends a HEAD that cannot be parsed; the answer ends with its head. */
static void refused_without_content(const char *text, const char *status)
{
	char got[1024] = "";
	size_t n = 0;
	int fd = dial();
	ssize_t some;

	say(fd, text);
	while ((some = uninterrupted(recv(fd, got + n, sizeof(got) - 1 - n, 0))) > 0)
		n += (size_t)some;
	assert_int_equal(some, 0);
	assert_memory_equal(got + 9, status, 3);
	assert_non_null(strstr(got, "Content-Length: "));
	assert_string_equal(got + n - 4, "\r\n\r\n");
	assert_ptr_equal(strstr(got, "\r\n\r\n"), got + n - 4);
	close(fd);
}

static void a_refused_head_request_gets_no_content(void **state)
{
	refused_without_content("HEAD / HTTP/1.1\r\n\r\n", "400");
	refused_without_content("HEAD / HTTP/1.1\r\nHost: a\r\nX : b\r\n\r\n", "400");
	refused_without_content("HEAD / HTTP/3.0\r\nHost: a\r\n\r\n", "505");
	LIMIT(header_timeout, 60);
	refused_without_content("HEAD / HT", "408");
}

static void a_bad_head_behind_good_ones_does_not_take_their_answers(void **state)
{
	int fd = dial();

	say(fd, HELLO HELLO "BAD\r\n\r\n");
	expect_answer(fd, 200, HELLO_BODY);
	expect_answer(fd, 200, HELLO_BODY);
	expect_answer(fd, 400, NULL);
	expect_end(fd);
}

static void an_unfinished_head_gets_408(void **state)
{
	LIMIT(header_timeout, 60);
	refused_with("GET / HT", 8, 408);
}

static void bytes_that_trickle_in_do_not_prolong_the_head(void **state)
{
	molt_time began = mo_now();
	int fd;

	LIMIT(header_timeout, 100);
	fd = dial();
	say(fd, "GET /hello HTTP/1.1\r\n");
	while (mo_now() - began < 20000 && say_n(fd, "X", 1)) {
		struct pollfd p = { fd, POLLIN, 0 };

		if (uninterrupted(poll(&p, 1, 10)) > 0)
			break;
	}
	assert_true(mo_now() - began < 20000);
	assert_int_equal(hear_answer(fd, NULL, NULL), 408);
	close(fd);
}

static void an_idle_connection_is_closed_silently(void **state)
{
	int fd, kept;

	LIMIT(idle_timeout, 60);
	fd = dial();
	kept = dial();
	say(kept, HELLO);
	expect_answer(kept, 200, HELLO_BODY);
	expect_end(fd);
	expect_end(kept);
	assert_int_equal(atomic_load(&srv.refused), 0);
}

static void an_empty_line_between_requests_is_nothing(void **state)
{
	int fd;

	LIMIT(header_timeout, 50);
	fd = dial();
	say(fd, HELLO "\r\n");
	expect_answer(fd, 200, HELLO_BODY);
	usleep(120000);
	say(fd, "\r\n" HELLO);
	expect_answer(fd, 200, HELLO_BODY);
	close(fd);
}

static void a_large_head_is_taken_when_allowed(void **state)
{
	mo_buf text = { 0 };
	int fd;

	LIMIT(max_header, 100000);
	fd = dial();
	mo_buf_puts(&text, "GET /hello HTTP/1.1\r\nHost: a\r\nX: ");
	for (int i = 0; i < 90000; i++)
		mo_buf_putc(&text, 'a');
	mo_buf_puts(&text, "\r\n\r\n" HELLO);
	for (int i = 0; i < 2; i++) {
		assert_true(say_n(fd, text.data, text.len));
		expect_answer(fd, 200, HELLO_BODY);
		expect_answer(fd, 200, HELLO_BODY);
	}
	mo_buf_free(&text);
	close(fd);
}

static void a_half_closed_client_gets_all_its_answers(void **state)
{
	char *all;
	int fd = dial(), n = 0;

	for (int i = 0; i < 100; i++)
		say(fd, HELLO);
	say(fd, "GET /sleep?30 HTTP/1.1\r\nHost: a\r\n\r\n");
	shutdown(fd, SHUT_WR);
	all = hear_all(fd, NULL);
	for (const char *p = all; (p = strstr(p, HELLO_BODY)) != NULL; p++)
		n++;
	assert_int_equal(n, 100);
	assert_non_null(strstr(all, "slept\n"));
	free(all);
	close(fd);
}

static void a_handler_learns_that_its_client_has_gone(void **state)
{
	int fd = dial();

	say(fd, "GET /gone HTTP/1.1\r\nHost: a\r\n\r\n");
	EVENTUALLY(atomic_load(&srv.parked) == 1);
	close(fd);
	EVENTUALLY(atomic_load(&srv.done) == 1);
	assert_true(atomic_load(&srv.gone));
	EVENTUALLY(open_conns() == 0);
}

static void a_half_closed_client_is_gone_but_not_broken(void **state)
{
	int fd = dial();

	say(fd, "GET /gone HTTP/1.1\r\nHost: a\r\n\r\n");
	EVENTUALLY(atomic_load(&srv.parked) == 1);
	shutdown(fd, SHUT_WR);
	expect_answer(fd, 200, "gone?\n");
	assert_true(atomic_load(&srv.gone));
	assert_false(atomic_load(&srv.broken));
	expect_end(fd);
}

static void a_reset_client_is_gone_and_broken(void **state)
{
	struct linger now = { 1, 0 };
	int fd = dial();

	say(fd, "GET /gone HTTP/1.1\r\nHost: a\r\n\r\n");
	EVENTUALLY(atomic_load(&srv.parked) == 1);
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(fd);
	EVENTUALLY(atomic_load(&srv.done) == 1);
	assert_true(atomic_load(&srv.gone));
	assert_true(atomic_load(&srv.broken));
}

static void a_handler_with_a_pipelined_request_learns_it_too(void **state)
{
	int fd = dial();

	say(fd, "GET /gone HTTP/1.1\r\nHost: a\r\n\r\n");
	EVENTUALLY(atomic_load(&srv.parked) == 1);
	say(fd, HELLO);
	usleep(20000);
	assert_int_equal(atomic_load(&srv.done), 0);
	close(fd);
	EVENTUALLY(atomic_load(&srv.done) >= 1);
	assert_true(atomic_load(&srv.gone));
	EVENTUALLY(open_conns() == 0);
}

static void a_reset_while_a_handler_runs_ends_the_connection(void **state)
{
	struct linger now = { 1, 0 };
	int fd = dial();

	say(fd, "GET /sleep?100 HTTP/1.1\r\nHost: a\r\n\r\n");
	EVENTUALLY(atomic_load(&srv.parked) == 1);
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(fd);
	EVENTUALLY(open_conns() == 0);
	assert_int_equal(atomic_load(&srv.done), 1);
}

static void waiting_clients_do_not_keep_the_loop_busy(void **state)
{
	struct rusage before, after;
	int fd = dial();

	say(fd, "GET /sleep?300 HTTP/1.1\r\nHost: a\r\n\r\n" HELLO);
	EVENTUALLY(atomic_load(&srv.parked) == 1);
	say(fd, HELLO);
	shutdown(fd, SHUT_WR);
	usleep(20000);
	getrusage(RUSAGE_SELF, &before);
	usleep(200000);
	getrusage(RUSAGE_SELF, &after);
	assert_true(after.ru_nvcsw + after.ru_nivcsw - before.ru_nvcsw - before.ru_nivcsw < 100);
	assert_true((after.ru_utime.tv_usec + after.ru_stime.tv_usec) +
			    1000000 * (after.ru_utime.tv_sec + after.ru_stime.tv_sec) -
			    (before.ru_utime.tv_usec + before.ru_stime.tv_usec) -
			    1000000 * (before.ru_utime.tv_sec + before.ru_stime.tv_sec) <
		    50000);
	close(fd);
}

static void many_connections_share_the_loop(void **state)
{
	int fd[100];

	for (int i = 0; i < 100; i++)
		fd[i] = dial();
	for (int i = 0; i < 100; i++)
		say(fd[i], i % 2 ? HELLO : "GET /sleep?20 HTTP/1.1\r\nHost: a\r\n\r\n");
	for (int i = 0; i < 100; i++) {
		expect_answer(fd[i], 200, i % 2 ? HELLO_BODY : "slept\n");
		close(fd[i]);
	}
}

static void parts(const char *request, const char *want)
{
	char *body;
	int fd = dial();

	say(fd, request);
	assert_int_equal(hear_answer(fd, &body, NULL), 200);
	assert_string_equal(body, want);
	free(body);
	close(fd);
}

static void every_part_of_the_head_ends_with_a_nul(void **state)
{
	parts("GET /parts HTTP/1.1\r\nHost: a:80\r\nEmpty:\r\nX:  y z \r\n\r\n",
	      "GET|/parts|/parts||a:80|Host=a:80|Empty=|X=y z");
	parts("\r\nPUT /parts?q=1?2 HTTP/1.1\r\nHost: a\r\n\r\n",
	      "PUT|/parts?q=1?2|/parts|q=1?2|a|Host=a");
	parts("GET http://b:8/parts?x HTTP/1.1\r\nHost: a\r\n\r\n",
	      "GET|http://b:8/parts?x|/parts|x|b:8|Host=a");
	parts("GET /parts? HTTP/1.0\r\n\r\n", "GET|/parts?|/parts||");
}

static void deferred_calls_may_wait(void **state)
{
	int fd = dial();

	say(fd, "GET /defer HTTP/1.1\r\nHost: a\r\n\r\n" HELLO);
	expect_answer(fd, 200, "deferred\n");
	expect_answer(fd, 200, HELLO_BODY);
	assert_int_equal(atomic_load(&srv.parked), 1);
	close(fd);
}

static void without_a_stack_the_answer_is_503(void **state)
{
	bool closes;
	int fd = dial();

	say(fd, HELLO "GET /nostack HTTP/1.1\r\nHost: a\r\n\r\n");
	expect_answer(fd, 200, HELLO_BODY);
	assert_int_equal(hear_answer(fd, NULL, &closes), 503);
	assert_true(closes);
	expect_end(fd);
	assert_int_equal(atomic_load(&srv.done), 2);
}

/* Whatever clients do, every place is free again in the end (server_stop()). */
static void chaos_leaves_nothing_behind(void **state)
{
	static const char *const texts[] = {
		HELLO,
		"GET /sleep?5 HTTP/1.1\r\nHost: a\r\n\r\n",
		"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nabc",
		"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
		"POST /ignore HTTP/1.1\r\nHost: a\r\nContent-Length: 50000\r\n\r\nabc",
		"GET /stream HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET /flood HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET /file?300000 HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET /big?300000 HTTP/1.0\r\n\r\n",
		"BAD\r\n\r\n",
		"\r\n",
	};
	struct linger now = { 1, 0 };
	unsigned seed = 7;
	int fds[16];

	for (int i = 0; i < 16; i++)
		fds[i] = dial();
	for (int i = 0; i < 1500; i++) {
		const char *text = texts[(unsigned)rand_r(&seed) % MO_COUNTOF(texts)];
		size_t n = strlen(text);
		int *fd = &fds[rand_r(&seed) % 16], what = rand_r(&seed) % 8;

		if (what == 0)
			n = (size_t)rand_r(&seed) % (n + 1);
		send(*fd, text, n, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (what == 1)
			usleep(1000);
		else if (what == 2)
			shutdown(*fd, SHUT_WR);
		else if (what == 3)
			setsockopt(*fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
		if (what == 3 || what == 4) {
			close(*fd);
			*fd = dial();
		}
	}
	for (int i = 0; i < 16; i++)
		close(fds[i]);
	EVENTUALLY(open_conns() == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SERVED(requests_on_one_connection_are_answered_one_after_another),
		SERVED(a_client_that_announced_its_last_request_is_not_lingered_for),
		SERVED(one_that_sends_more_behind_it_is),
		SERVED(a_request_may_come_byte_by_byte),
		SERVED(a_request_may_be_split_anywhere),
		SERVED(a_thousand_pipelined_requests_are_answered_in_order),
		SERVED(answers_of_a_pipeline_leave_together),
		SERVED(an_answer_does_not_wait_for_a_later_slow_handler),
		SERVED(requests_that_come_while_a_handler_waits_are_answered_after_it),
		SERVED(http10_closes_unless_asked_to_keep),
		SERVED(connection_close_is_obeyed),
		SERVED(a_draining_server_closes_after_its_answer),
		SERVED(keep_alive_can_be_switched_off),
		SERVED(bad_heads_are_refused_with_their_status),
		SERVED(a_refused_head_request_gets_no_content),
		SERVED(a_bad_head_behind_good_ones_does_not_take_their_answers),
		SERVED(an_unfinished_head_gets_408),
		SERVED(bytes_that_trickle_in_do_not_prolong_the_head),
		SERVED(an_idle_connection_is_closed_silently),
		SERVED(an_empty_line_between_requests_is_nothing),
		SERVED(a_large_head_is_taken_when_allowed),
		SERVED(a_half_closed_client_gets_all_its_answers),
		SERVED(a_handler_learns_that_its_client_has_gone),
		SERVED(a_half_closed_client_is_gone_but_not_broken),
		SERVED(a_reset_client_is_gone_and_broken),
		SERVED(a_handler_with_a_pipelined_request_learns_it_too),
		SERVED(a_reset_while_a_handler_runs_ends_the_connection),
		SERVED(waiting_clients_do_not_keep_the_loop_busy),
		SERVED(many_connections_share_the_loop),
		SERVED(every_part_of_the_head_ends_with_a_nul),
		SERVED(deferred_calls_may_wait),
		SERVED(without_a_stack_the_answer_is_503),
		SERVED(chaos_leaves_nothing_behind),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
