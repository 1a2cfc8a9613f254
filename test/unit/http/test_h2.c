/* Promises of http/h2: requests and answers, bodies both ways, cancelling, several streams. */
#include "h2_client.h"

static void a_request_is_answered(void **state)
{
	client c;
	int32_t id;

	client_open(&c);
	id = ask(&c, "/hello");
	expect(&c, id, 200, HELLO_BODY);
	assert_string_equal(answer_of(&c, id)->length, "14");
	assert_int_equal(mo_http_counted(&srv.http).total_requests, 1);
	assert_int_equal(mo_http_counted(&srv.http).h2_requests, 1);
	assert_int_equal(mo_http_counted(&srv.http).h2_connections, 1);
	assert_int_equal(mo_http_counted(&srv.http).by_class[2], 1);
	client_close(&c);
	EVENTUALLY(mo_http_counted(&srv.http).h2_connections == 0);
}

static void the_beginning_may_come_byte_by_byte(void **state)
{
	mo_buf b = { 0 };
	int fd = dial();
	frame f;

	put_start(&b);
	put_hello(&b, 1, true);
	for (size_t i = 0; i < b.len; i++) {
		assert_true(say_n(fd, b.data + i, 1));
		usleep(300);
	}
	mo_buf_free(&b);
	assert_true(frame_of(fd, NGHTTP2_DATA, &f));
	assert_int_equal(f.id, 1);
	close(fd);
}

static void http_1_is_spoken_beside_it(void **state)
{
	int fd = dial();

	say(fd, HELLO);
	expect_answer(fd, 200, HELLO_BODY);
	/* Once spoken, it stays. */
	say(fd, PREFACE);
	assert_int_equal(hear_answer(fd, NULL, NULL), 505);
	close(fd);
}

static void without_the_key_it_is_not_understood(void **state)
{
	int fd;

	LIMIT(h2_cleartext, false);
	fd = dial();
	say(fd, PREFACE);
	assert_int_equal(hear_answer(fd, NULL, NULL), 505);
	close(fd);
}

static void many_streams_each_get_their_own_answer(void **state)
{
	char text[60][16];
	body bodies[60];
	int32_t ids[60];
	client c;

	client_open(&c);
	for (int i = 0; i < 60; i++) {
		snprintf(text[i], sizeof(text[i]), "body %d", i);
		bodies[i] = (body){ .data = text[i], .n = strlen(text[i]) };
		ids[i] = ask_with(&c, "POST", "/echo", NULL, NULL, &bodies[i]);
	}
	for (int i = 0; i < 60; i++)
		expect(&c, ids[i], 200, text[i]);
	client_close(&c);
}

static void a_slow_handler_holds_up_nobody(void **state)
{
	int32_t slow, quick;
	client c;

	client_open(&c);
	slow = ask(&c, "/sleep?300");
	quick = ask(&c, "/hello");
	expect(&c, quick, 200, HELLO_BODY);
	assert_false(answer_of(&c, slow)->over);
	expect(&c, slow, 200, "slept\n");
	client_close(&c);
}

static void answers_without_a_body_have_none(void **state)
{
	client c;
	int32_t head, none, unchanged;

	client_open(&c);
	head = ask_with(&c, "HEAD", "/big?1000", NULL, NULL, NULL);
	none = ask(&c, "/status?204");
	unchanged = ask(&c, "/status?304");
	expect(&c, head, 200, "");
	assert_string_equal(answer_of(&c, head)->length, "1000");
	expect(&c, none, 204, "");
	expect(&c, unchanged, 304, "");
	assert_string_equal(answer_of(&c, none)->length, "");
	head = ask_with(&c, "HEAD", "/stream", NULL, NULL, NULL);
	expect(&c, head, 200, "");
	expect(&c, ask(&c, "/status?200"), 200, "");
	client_close(&c);
}

static void an_answer_may_come_in_pieces_without_a_length(void **state)
{
	client c;
	int32_t id;

	client_open(&c);
	id = ask(&c, "/stream");
	expect(&c, id, 200, "one\ntwo\nthree\n");
	assert_string_equal(answer_of(&c, id)->length, "");
	client_close(&c);
}

static void expect_letters(const answer *a, size_t n)
{
	assert_int_equal(a->body.len, n);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(a->body.data[i], 'a' + (int)(i % 26));
}

static void large_answers_share_the_connection(void **state)
{
	client c;
	int32_t ids[4];

	client_open(&c);
	for (int i = 0; i < 4; i++)
		ids[i] = ask(&c, i % 2 ? "/file?300001" : "/big?300001");
	for (int i = 0; i < 4; i++)
		expect_letters(hear(&c, ids[i]), 300001);
	client_close(&c);
}

static void a_client_that_gives_no_window_gets_no_more(void **state)
{
	client c;
	int32_t id;

	client_open_on(&c, dial(), 1000);
	c.greedy = false;
	id = ask(&c, "/big?5000");
	UNTIL(&c, answer_of(&c, id)->body.len == 1000);
	expect(&c, ask(&c, "/status?204"), 204, "");
	assert_int_equal(answer_of(&c, id)->body.len, 1000);
	for (size_t got = 1000; got < 5000; got += 1000) {
		nghttp2_session_consume(c.session, id, 1000);
		UNTIL(&c, answer_of(&c, id)->body.len == got + 1000);
	}
	expect_letters(hear(&c, id), 5000);
	client_close(&c);
}

static void a_stream_that_takes_nothing_is_cut_alone(void **state)
{
	client c;
	int32_t id;

	LIMIT(write_timeout, 100);
	client_open_on(&c, dial(), 1000);
	c.greedy = false;
	id = ask(&c, "/big?5000");
	assert_int_equal(hear(&c, id)->error, NGHTTP2_INTERNAL_ERROR);
	expect(&c, ask(&c, "/status?204"), 204, "");
	client_close(&c);
}

static void an_answer_that_breaks_off_is_reset(void **state)
{
	static const char *const paths[] = { "/short", "/break", "/file?90000&short" };
	client c;

	client_open(&c);
	for (size_t i = 0; i < MO_COUNTOF(paths); i++)
		assert_int_equal(hear(&c, ask(&c, paths[i]))->error, NGHTTP2_INTERNAL_ERROR);
	expect(&c, ask(&c, "/long"), 200, "12345");
	expect(&c, ask(&c, "/late"), 503, NULL);
	client_close(&c);
}

static void an_upload_is_read_as_its_handler_reads(void **state)
{
	static char data[90000];
	body b = { .data = data, .n = sizeof(data) };
	client c;
	answer *a;

	LIMIT(h2_stream_window, 16384);
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (char)('a' + i % 26);
	client_open(&c);
	a = hear(&c, ask_with(&c, "POST", "/echo?777", "content-length", "90000", &b));
	assert_int_equal(a->status, 200);
	expect_letters(a, sizeof(data));
	client_close(&c);
}

static void uploads_that_nobody_reads_leave_room_for_others(void **state)
{
	static char data[300000];
	body lost = { .data = data, .n = sizeof(data) };
	client c;

	client_open(&c);
	for (int i = 0; i < 12; i++) {
		body b = lost, small = { .data = "x", .n = 1 };
		int32_t id = ask_with(&c, "POST", "/ignore", NULL, NULL, &b);

		UNTIL(&c, answer_of(&c, id)->over);
		assert_int_equal(answer_of(&c, id)->status, 200);
		expect(&c, ask_with(&c, "POST", "/echo", NULL, NULL, &small), 200, "x");
	}
	client_close(&c);
}

static void a_body_that_is_too_long_is_refused(void **state)
{
	static char data[150000];
	body said = { .data = data, .n = sizeof(data) }, unsaid = said;
	client c;
	answer *a;

	client_open(&c);
	a = hear(&c, ask_with(&c, "POST", "/echo", "content-length", "150000", &said));
	assert_int_equal(a->status, 413);
	assert_int_equal(a->error, NGHTTP2_NO_ERROR);
	a = hear(&c, ask_with(&c, "POST", "/echo", NULL, NULL, &unsaid));
	assert_int_equal(a->status, 413);
	expect(&c, ask(&c, "/hello"), 200, HELLO_BODY);
	client_close(&c);
}

static void trailers_are_ignored(void **state)
{
	body b = { .data = "text", .n = 4, .trailers = true };
	client c;

	client_open(&c);
	expect(&c, ask_with(&c, "POST", "/echo", NULL, NULL, &b), 200, "text");
	client_close(&c);
}

static void a_client_that_waits_for_100_gets_it(void **state)
{
	body b = { .data = "", .endless = true };
	client c;
	int32_t id;

	client_open(&c);
	id = ask_with(&c, "POST", "/echo", "expect", "100-continue", &b);
	UNTIL(&c, answer_of(&c, id)->status == 100);
	b = (body){ .data = "now", .n = 3 };
	nghttp2_session_resume_data(c.session, id);
	expect(&c, id, 200, "now");
	assert_int_equal(answer_of(&c, id)->interim, 100);
	client_close(&c);
}

static void a_cancelled_request_is_the_handlers_disconnect(void **state)
{
	client c;
	int32_t id;

	client_open(&c);
	id = ask(&c, "/gone");
	client_send(&c);
	EVENTUALLY(atomic_load(&srv.parked) == 1);
	nghttp2_submit_rst_stream(c.session, 0, id, NGHTTP2_CANCEL);
	client_send(&c);
	EVENTUALLY(atomic_load(&srv.gone) == 1 && atomic_load(&srv.broken) == 1);
	expect(&c, ask(&c, "/hello"), 200, HELLO_BODY);
	id = ask(&c, "/flood");
	UNTIL(&c, answer_of(&c, id)->body.len > 100000);
	nghttp2_submit_rst_stream(c.session, 0, id, NGHTTP2_CANCEL);
	client_send(&c);
	EVENTUALLY(atomic_load(&srv.failed_sends) == 1);
	client_close(&c);
}

static void a_client_that_goes_is_every_handlers_disconnect(void **state)
{
	client c;

	client_open(&c);
	ask(&c, "/gone");
	ask(&c, "/gone");
	ask_with(&c, "POST", "/echo", NULL, NULL, &(body){ .data = "", .endless = true });
	client_send(&c);
	EVENTUALLY(atomic_load(&srv.running) == 3);
	client_close(&c);
	EVENTUALLY(atomic_load(&srv.running) == 0 && atomic_load(&srv.gone) == 1);
	assert_int_equal(atomic_load(&srv.read_result), -ECONNRESET);
	EVENTUALLY(open_conns() == 0);
}

static void what_a_handler_sees_is_what_was_sent(void **state)
{
	nghttp2_nv nv[] = { NV(":method", "GET"),    NV(":scheme", "http"), NV(":path", "/parts?x"),
			    NV(":authority", "a:8"), NV("cookie", "a=1"),   NV("x-one", "two"),
			    NV("cookie", "b=2"),     NV("cookie", "c=3") };
	client c;
	int32_t id;

	client_open(&c);
	id = nghttp2_submit_request(c.session, NULL, nv, MO_COUNTOF(nv), NULL, NULL);
	expect(&c, id, 200, "GET|/parts?x|/parts|x|a:8|cookie=a=1; b=2; c=3|x-one=two|host=a:8");
	client_close(&c);
}

static void a_head_over_its_limits_is_refused_alone(void **state)
{
	char long_text[9000];
	client c;

	LIMIT(h2_header_list, 10000);
	memset(long_text, 'x', sizeof(long_text) - 1);
	long_text[sizeof(long_text) - 1] = '\0';
	long_text[0] = '/';
	client_open(&c);
	expect(&c, ask_with(&c, "GET", "/hello", "x-long", long_text, NULL), 200, HELLO_BODY);
	expect(&c, ask(&c, long_text), 414, NULL);
	LIMIT(h2_header_list, 5000);
	expect(&c, ask_with(&c, "GET", "/hello", "x-long", long_text, NULL), 431, NULL);
	expect(&c, ask_with(&c, "GET", "/hello", "expect", "wonders", NULL), 417, NULL);
	expect(&c, ask_with(&c, "THIRTYTHREELETTERSAREFARTOOMANYXX", "/", NULL, NULL, NULL), 501,
	       NULL);
	assert_int_equal(atomic_load(&srv.refused), 4);
	expect(&c, ask(&c, "/hello"), 200, HELLO_BODY);
	client_close(&c);
}

static void a_handler_without_a_stack_is_503(void **state)
{
	client c;

	client_open(&c);
	expect(&c, ask(&c, "/nostack"), 503, "503 Service Unavailable\n");
	expect(&c, ask(&c, "/defer"), 200, "deferred\n");
	client_close(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SERVED_H2(a_request_is_answered),
		SERVED_H2(the_beginning_may_come_byte_by_byte),
		SERVED_H2(http_1_is_spoken_beside_it),
		SERVED_H2(without_the_key_it_is_not_understood),
		SERVED_H2(many_streams_each_get_their_own_answer),
		SERVED_H2(a_slow_handler_holds_up_nobody),
		SERVED_H2(answers_without_a_body_have_none),
		SERVED_H2(an_answer_may_come_in_pieces_without_a_length),
		SERVED_H2(large_answers_share_the_connection),
		SERVED_H2(a_client_that_gives_no_window_gets_no_more),
		SERVED_H2(a_stream_that_takes_nothing_is_cut_alone),
		SERVED_H2(an_answer_that_breaks_off_is_reset),
		SERVED_H2(an_upload_is_read_as_its_handler_reads),
		SERVED_H2(uploads_that_nobody_reads_leave_room_for_others),
		SERVED_H2(a_body_that_is_too_long_is_refused),
		SERVED_H2(trailers_are_ignored),
		SERVED_H2(a_client_that_waits_for_100_gets_it),
		SERVED_H2(a_cancelled_request_is_the_handlers_disconnect),
		SERVED_H2(a_client_that_goes_is_every_handlers_disconnect),
		SERVED_H2(what_a_handler_sees_is_what_was_sent),
		SERVED_H2(a_head_over_its_limits_is_refused_alone),
		SERVED_H2(a_handler_without_a_stack_is_503),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
