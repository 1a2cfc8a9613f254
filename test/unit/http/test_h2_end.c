/* Promises of http/h2/h2_drain.c and h2.c: how connections of HTTP/2 end. */
#include "h2_client.h"

static void begin_drain(void *arg)
{
	atomic_store(&srv.http.closing, MO_CLOSING_ALL);
	mo_conns_retire(srv.loop, NULL);
}

static void an_idle_connection_ends_with_goaway(void **state)
{
	client c;
	int32_t id;

	LIMIT(idle_timeout, 100);
	client_open(&c);
	id = ask(&c, "/hello");
	expect(&c, id, 200, HELLO_BODY);
	UNTIL(&c, c.ended);
	assert_int_equal(c.goaways, 1);
	assert_int_equal(c.goaway_code, NGHTTP2_NO_ERROR);
	assert_int_equal(c.goaway_last, id);
	client_close(&c);
}

static void pings_do_not_keep_an_idle_connection(void **state)
{
	mo_buf b = { 0 };
	int fd = dial();
	frame f;

	LIMIT(idle_timeout, 200);
	put_start(&b);
	say_buf(fd, &b);
	for (int i = 0; i < 200; i++) {
		put_frame(&b, NGHTTP2_PING, 0, 0, "12345678", 8);
		say_buf(fd, &b);
		usleep(5000);
	}
	assert_true(frame_of(fd, NGHTTP2_GOAWAY, &f));
	assert_int_equal(f.code, NGHTTP2_NO_ERROR);
	close(fd);
}

static void a_head_that_does_not_end_is_not_waited_for(void **state)
{
	mo_buf b = { 0 };
	int fd;

	LIMIT(header_timeout, 100);
	fd = dial();
	put_start(&b);
	put_frame(&b, NGHTTP2_HEADERS, NGHTTP2_FLAG_END_STREAM, 1, GET_HELLO, GET_HELLO_N);
	say_buf(fd, &b);
	EVENTUALLY(counts().head == 1);
	expect_goaway(fd, NGHTTP2_ENHANCE_YOUR_CALM);
}

static void a_draining_connection_says_so_twice(void **state)
{
	mo_buf b = { 0 };
	int fd = dial();
	frame f;

	put_start(&b);
	put_frame(&b, NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS | NGHTTP2_FLAG_END_STREAM, 1,
		  "\x82\x86\x44\x0a/sleep?400\x41\x01\x61", 17);
	say_buf(fd, &b);
	EVENTUALLY(atomic_load(&srv.parked) == 1);
	on_loop(begin_drain, NULL);
	assert_true(frame_of(fd, NGHTTP2_GOAWAY, &f));
	assert_int_equal(f.last, INT32_MAX);
	assert_int_equal(f.code, NGHTTP2_NO_ERROR);
	/* One that was on its way is answered. */
	put_hello(&b, 3, true);
	say_buf(fd, &b);
	assert_true(frame_of(fd, NGHTTP2_HEADERS, &f));
	assert_int_equal(f.id, 3);
	/* The client has read it: now there is a last one. */
	put_frame(&b, NGHTTP2_PING, NGHTTP2_FLAG_ACK, 0, "moltgone", 8);
	say_buf(fd, &b);
	assert_true(frame_of(fd, NGHTTP2_GOAWAY, &f));
	assert_int_equal(f.last, 3);
	put_hello(&b, 5, true); /* nobody looks at it */
	say_buf(fd, &b);
	assert_true(frame_of(fd, NGHTTP2_HEADERS, &f));
	assert_int_equal(f.id, 1);
	while (next_frame(fd, &f))
		assert_int_equal(f.id, 1);
	close(fd);
	assert_int_equal(atomic_load(&srv.done), 2);
	EVENTUALLY(open_conns() == 0);
}

static void a_client_that_does_not_answer_is_drained_after_a_second(void **state)
{
	mo_buf b = { 0 };
	int fd = dial();
	frame f;

	put_start(&b);
	put_hello(&b, 1, true);
	say_buf(fd, &b);
	assert_true(frame_of(fd, NGHTTP2_DATA, &f));
	on_loop(begin_drain, NULL);
	assert_true(frame_of(fd, NGHTTP2_GOAWAY, &f));
	assert_int_equal(f.last, INT32_MAX);
	assert_true(frame_of(fd, NGHTTP2_GOAWAY, &f));
	assert_int_equal(f.last, 1);
	assert_false(next_frame(fd, &f));
	close(fd);
}

static void a_right_client_loses_nothing_in_a_drain(void **state)
{
	int32_t ids[20];
	client c;

	client_open(&c);
	for (int i = 0; i < 20; i++)
		ids[i] = ask(&c, i % 2 ? "/sleep?50" : "/big?100000");
	client_send(&c);
	EVENTUALLY(atomic_load(&srv.parked) == 10);
	on_loop(begin_drain, NULL);
	for (int i = 0; i < 20; i++)
		expect(&c, ids[i], 200, NULL);
	UNTIL(&c, c.ended);
	assert_int_equal(c.goaways, 2);
	assert_int_equal(c.first_last, INT32_MAX);
	assert_int_equal(c.goaway_last, ids[19]);
	client_close(&c);
	EVENTUALLY(open_conns() == 0);
}

static void the_end_of_a_drain_cuts_each_request(void **state)
{
	client c;
	unsigned n = 0;

	client_open(&c);
	for (int i = 0; i < 3; i++)
		ask(&c, "/gone");
	client_send(&c);
	EVENTUALLY(atomic_load(&srv.parked) == 3);
	assert_int_equal(mo_http_counted(&srv.http).requests, 3);
	on_loop(cut_all, &n);
	assert_int_equal(n, 3);
	EVENTUALLY(open_conns() == 0);
	assert_int_equal(mo_http_counted(&srv.http).requests, 0);
	client_close(&c);
}

static void an_idle_one_makes_room_and_says_goodbye(void **state)
{
	client first, second;

	LIMIT(max_connections, 1);
	client_open(&first);
	expect(&first, ask(&first, "/hello"), 200, HELLO_BODY);
	client_open(&second);
	expect(&second, ask(&second, "/hello"), 200, HELLO_BODY);
	UNTIL(&first, first.ended);
	assert_int_equal(first.goaways, 1);
	assert_int_equal(first.goaway_last, 1);
	client_close(&first);
	client_close(&second);
}

static void without_keep_alive_it_ends_with_its_first_requests(void **state)
{
	client c;
	int32_t id;

	LIMIT(keep_alive, false);
	client_open(&c);
	id = ask(&c, "/sleep?20");
	expect(&c, id, 200, "slept\n");
	UNTIL(&c, c.ended);
	assert_int_equal(c.goaway_last, id);
	client_close(&c);
}

static void a_client_that_leaves_gets_what_it_asked_for(void **state)
{
	client c;
	int32_t id;

	client_open(&c);
	id = ask(&c, "/sleep?50");
	client_send(&c);
	nghttp2_submit_goaway(c.session, 0, 0, NGHTTP2_NO_ERROR, NULL, 0);
	expect(&c, id, 200, "slept\n");
	UNTIL(&c, c.ended);
	client_close(&c);
	EVENTUALLY(open_conns() == 0);
}

static void a_client_that_sends_no_more_still_hears(void **state)
{
	client c;
	int32_t id;

	client_open(&c);
	id = ask(&c, "/sleep?50");
	client_send(&c);
	EVENTUALLY(atomic_load(&srv.parked) == 1);
	shutdown(c.fd, SHUT_WR);
	expect(&c, id, 200, "slept\n");
	UNTIL(&c, c.ended);
	client_close(&c);
	EVENTUALLY(open_conns() == 0);
}

static void one_that_takes_nothing_is_cut(void **state)
{
	client c;

	LIMIT(write_timeout, 100);
	client_open_on(&c, dial_with(4096), INT32_MAX); /* the kernel keeps some megabytes */
	nghttp2_session_set_local_window_size(c.session, 0, 0, 1 << 30);
	for (int i = 0; i < 8; i++)
		ask(&c, "/big?4000000");
	client_send(&c);
	EVENTUALLY(atomic_load(&srv.done) == 8);
	EVENTUALLY(open_conns() == 0);
	client_close(&c);
}

/* The first is served alone, as its client has not said otherwise (RFC 9218): piece by piece,
 * for longer than a client may take for one. */
static void one_that_waits_behind_another_is_not_cut(void **state)
{
	client c;
	int32_t first, second;
	size_t room = 65535;

	LIMIT(write_timeout, 1500);
	client_open_on(&c, dial(), 1 << 20);
	c.greedy = false;
	first = ask(&c, "/big?275535");
	second = ask(&c, "/big?50000");
	for (int i = 0; i < 14; i++) {
		UNTIL(&c, answer_of(&c, first)->body.len >= room);
		usleep(150000);
		nghttp2_submit_window_update(c.session, 0, 0, 15000);
		room += 15000;
	}
	assert_int_equal(hear(&c, first)->body.len, 275535);
	assert_int_equal(answer_of(&c, first)->error, 0);
	nghttp2_submit_window_update(c.session, 0, 0, 100000);
	assert_int_equal(hear(&c, second)->body.len, 50000);
	client_close(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SERVED_H2(an_idle_connection_ends_with_goaway),
		SERVED_H2(pings_do_not_keep_an_idle_connection),
		SERVED_H2(a_head_that_does_not_end_is_not_waited_for),
		SERVED_H2(a_draining_connection_says_so_twice),
		SERVED_H2(a_client_that_does_not_answer_is_drained_after_a_second),
		SERVED_H2(a_right_client_loses_nothing_in_a_drain),
		SERVED_H2(the_end_of_a_drain_cuts_each_request),
		SERVED_H2(an_idle_one_makes_room_and_says_goodbye),
		SERVED_H2(without_keep_alive_it_ends_with_its_first_requests),
		SERVED_H2(a_client_that_leaves_gets_what_it_asked_for),
		SERVED_H2(a_client_that_sends_no_more_still_hears),
		SERVED_H2(one_that_takes_nothing_is_cut),
		SERVED_H2(one_that_waits_behind_another_is_not_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
