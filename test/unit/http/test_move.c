/* Connections as data: packed, given, refused, adopted (src/http/conn/conn_move.c).  The
 * successor is the same loop here; what travels between two processes is a
 * duplicate of the descriptor and the fields of mo_packed. */
#include "http_app.h"

#include <fcntl.h>

#include "base/check.h"

static mo_pack *pack;

static void pack_now(void *unused)
{
	pack = mo_conns_pack(srv.loop);
}

static void gave_now(void *unused)
{
	mo_conns_gave(pack);
	pack = NULL;
}

static void pack_some(size_t n)
{
	on_loop(pack_now, NULL);
	if (n == 0) {
		assert_null(pack);
		return;
	}
	assert_non_null(pack);
	assert_int_equal(pack->n, n);
}

typedef struct copy {
	int fd;
	mo_addr peer;
	molt_time left;
	char bytes[MO_LOOP_BUFFER];
	size_t len;
} copy;

/* What a successor would have received. */
static copy copy_of(const mo_packed *it)
{
	copy c = { .fd = fcntl(it->moving.fd, F_DUPFD_CLOEXEC, 3),
		   .peer = it->moving.peer,
		   .left = it->moving.left };

	assert_true(it->moving.bytes.len <= sizeof(c.bytes));
	memcpy(c.bytes, it->moving.bytes.ptr, it->moving.bytes.len);
	c.len = it->moving.bytes.len;
	return c;
}

static void adopt_now(void *arg)
{
	copy *c = arg;

	mo_conn_adopt(srv.loop, &srv.http, mo_stream_plain(c->fd), &c->peer, c->left,
		      mo_strn(c->bytes, c->len), NULL, NULL);
}

/* The whole way of the one connection that is packed. */
static void move_it(void)
{
	copy c = copy_of(&pack->items[0]);

	pack->items[0].taken = true;
	on_loop(gave_now, NULL);
	on_loop(adopt_now, &c);
}

static int move_setup(void **state)
{
	plain_setup(state);
	LIMIT(handover, true);
	return 0;
}

#define MOVES(test) cmocka_unit_test_setup_teardown(test, move_setup, plain_teardown)

static void an_idle_connection_goes_on_where_it_arrives(void **state)
{
	int fd = dial();

	say(fd, HELLO);
	expect_answer(fd, 200, HELLO_BODY);
	pack_some(1);
	assert_int_equal(pack->items[0].moving.bytes.len, 0);
	assert_true(pack->items[0].moving.left > 0);
	move_it();
	EVENTUALLY(open_conns() == 1);
	say(fd, HELLO);
	expect_answer(fd, 200, HELLO_BODY);
	close(fd);
}

static void a_half_read_request_travels_with_its_bytes(void **state)
{
	int fd = dial();

	say(fd, "GET /hello HTTP/1.1\r\nHo");
	EVENTUALLY(open_conns() == 1);
	usleep(50000);
	pack_some(1);
	assert_int_equal(pack->items[0].moving.bytes.len, 23);
	move_it();
	say(fd, "st: a\r\n\r\n");
	expect_answer(fd, 200, HELLO_BODY);
	close(fd);
}

static void bytes_still_in_the_kernel_are_served_there(void **state)
{
	int fd = dial();

	say(fd, HELLO);
	expect_answer(fd, 200, HELLO_BODY);
	pack_some(1);
	say(fd, HELLO HELLO);
	usleep(20000);
	move_it();
	expect_answer(fd, 200, HELLO_BODY);
	expect_answer(fd, 200, HELLO_BODY);
	close(fd);
}

static void a_running_request_stays_until_it_is_answered(void **state)
{
	int fd = dial();

	say(fd, "GET /sleep?150 HTTP/1.1\r\nHost: a\r\n\r\n");
	EVENTUALLY(atomic_load(&srv.running) == 1);
	pack_some(0);
	assert_int_equal(hear_answer(fd, NULL, NULL), 200);
	EVENTUALLY(mo_http_counted(&srv.http).requests == 0);
	pack_some(1);
	move_it();
	say(fd, HELLO);
	expect_answer(fd, 200, HELLO_BODY);
	close(fd);
}

static void announce(void *unused)
{
	atomic_store(&srv.http.closing, MO_CLOSING_UNMOVABLE);
}

static void one_that_is_refused_is_served_on_and_ends_with_its_answer(void **state)
{
	bool closes;
	int fd = dial();

	say(fd, HELLO);
	expect_answer(fd, 200, HELLO_BODY);
	on_loop(announce, NULL);
	pack_some(1);
	on_loop(gave_now, NULL);
	pack_some(0); /* never offered again */
	say(fd, HELLO);
	assert_int_equal(hear_answer(fd, NULL, &closes), 200);
	assert_true(closes);
	close(fd);
}

static void one_that_may_move_does_not_announce_its_end(void **state)
{
	bool closes;
	int fd = dial();

	on_loop(announce, NULL);
	say(fd, HELLO);
	assert_int_equal(hear_answer(fd, NULL, &closes), 200);
	assert_false(closes);
	close(fd);
}

static _Atomic int offers;

static void count_offer(void)
{
	atomic_fetch_add(&offers, 1);
}

static void stay_after_all(void *unused)
{
	atomic_store(&srv.http.closing, MO_CLOSING_NONE);
	mo_conns_retire(srv.loop, &srv.http);
}

static void one_that_leaves_reads_nothing_more_until_it_stays_after_all(void **state)
{
	struct pollfd p = { .events = POLLIN };
	int fd = p.fd = dial();

	srv.http.app.movable = count_offer;
	on_loop(announce, NULL);
	say(fd, HELLO);
	expect_answer(fd, 200, HELLO_BODY);
	EVENTUALLY(atomic_load(&offers) == 1);
	say(fd, HELLO);
	assert_int_equal(uninterrupted(poll(&p, 1, 50)), 0);
	on_loop(stay_after_all, NULL);
	expect_answer(fd, 200, HELLO_BODY);
	assert_int_equal(atomic_load(&offers), 1);
	srv.http.app.movable = NULL;
	close(fd);
}

#define LAST "GET /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
#define MANY 5

/* Many requests and a last one travel as bytes, as from a loop that was busy. */
static void move_with_requests(const char *last)
{
	copy c = copy_of(&pack->items[0]);

	assert_int_equal(c.len, 0);
	for (int i = 0; i < MANY; i++, c.len += strlen(HELLO))
		memcpy(c.bytes + c.len, HELLO, strlen(HELLO));
	memcpy(c.bytes + c.len, last, strlen(last));
	c.len += strlen(last);
	pack->items[0].taken = true;
	on_loop(gave_now, NULL);
	on_loop(adopt_now, &c);
}

static int packed_conn(void)
{
	int fd = dial();

	say(fd, HELLO);
	expect_answer(fd, 200, HELLO_BODY);
	pack_some(1);
	return fd;
}

static void the_last_request_and_the_end_are_there_already(void **state)
{
	int fd = packed_conn();

	shutdown(fd, SHUT_WR);
	move_with_requests(LAST);
	for (int i = 0; i < MANY + 1; i++)
		expect_answer(fd, 200, HELLO_BODY);
	expect_end(fd);
	EVENTUALLY(open_conns() == 0);
}

static void the_last_request_and_a_reset_are_there_already(void **state)
{
	struct linger now = { .l_onoff = 1, .l_linger = 0 };
	int fd = packed_conn();

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(fd);
	move_with_requests(LAST);
	EVENTUALLY(open_conns() == 0);
}

static void the_last_request_is_there_and_the_end_comes_later(void **state)
{
	int fd = packed_conn();

	move_with_requests(LAST);
	for (int i = 0; i < MANY + 1; i++)
		expect_answer(fd, 200, HELLO_BODY);
	expect_end(fd);
	EVENTUALLY(open_conns() == 0);
}

static void what_is_no_request_for_the_taker_is_refused_there(void **state)
{
	int fd = packed_conn();

	shutdown(fd, SHUT_WR);
	move_with_requests("NO REQUEST\r\n\r\n");
	for (int i = 0; i < MANY; i++)
		expect_answer(fd, 200, HELLO_BODY);
	expect_answer(fd, 400, NULL);
	expect_end(fd);
	EVENTUALLY(open_conns() == 0);
}

static void pipeline_of(char *p, int n)
{
	for (*p = '\0'; n > 0; n--)
		strcat(p, HELLO);
}

static void pack_and_look(void *left)
{
	pack = mo_conns_pack(srv.loop);
	*(molt_time *)left = pack && pack->n == 1 && pack->items[0].moving.bytes.len > 0
				     ? pack->items[0].moving.left
				     : 12345;
}

/* Between two turns of a pipeline the time of the state before says nothing. */
static void requests_that_are_there_bring_no_time_along(void **state)
{
	static char text[100 * sizeof(HELLO)];
	molt_time left = 0;
	int fd = dial(), n = 100;

	say(fd, HELLO);
	expect_answer(fd, 200, HELLO_BODY);
	pipeline_of(text, n);
	hold_loop();
	say(fd, text);
	has_arrived(fd);
	assert_true(mo_loop_post(srv.loop, pack_and_look, &left));
	release_loop();
	for (int i = 0; i < 32; i++)
		expect_answer(fd, 200, HELLO_BODY);
	on_loop(count_conns, &(mo_conn_counts){ 0 });
	assert_int_equal(left, MOLT_FOREVER);
	move_it();
	for (int i = 32; i < n; i++)
		expect_answer(fd, 200, HELLO_BODY);
	close(fd);
}

static void the_time_that_is_left_travels_too(void **state)
{
	char byte;
	copy c;
	int fd = dial();

	say(fd, "GET /hello HTTP/1.1\r\n");
	usleep(50000);
	pack_some(1);
	assert_true(pack->items[0].moving.left <= 10000);
	c = copy_of(&pack->items[0]);
	c.left = 100;
	pack->items[0].taken = true;
	on_loop(gave_now, NULL);
	on_loop(adopt_now, &c);
	assert_int_equal(hear_answer(fd, NULL, NULL), 408);
	assert_int_equal(uninterrupted(recv(fd, &byte, 1, 0)), 0);
	close(fd);
}

static void one_that_is_cut_while_it_moves_ends_when_the_answer_comes(void **state)
{
	char byte;
	unsigned n;
	int fd = dial();

	say(fd, HELLO);
	expect_answer(fd, 200, HELLO_BODY);
	pack_some(1);
	on_loop(cut_all, &n);
	assert_int_equal(open_conns(), 0);
	on_loop(gave_now, NULL);
	assert_int_equal(uninterrupted(recv(fd, &byte, 1, 0)), 0);
	close(fd);
}

static void a_pack_holds_so_many_and_the_rest_follows(void **state)
{
	int fds[MO_PACK_MAX + 3];

	for (size_t i = 0; i < MO_COUNTOF(fds); i++) {
		fds[i] = dial();
		say(fds[i], HELLO);
		expect_answer(fds[i], 200, HELLO_BODY);
	}
	pack_some(MO_PACK_MAX);
	for (size_t i = 0; i < pack->n; i++)
		pack->items[i].taken = true;
	on_loop(gave_now, NULL);
	pack_some(3);
	on_loop(gave_now, NULL);
	for (size_t i = 0; i < MO_COUNTOF(fds); i++)
		close(fds[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		MOVES(an_idle_connection_goes_on_where_it_arrives),
		MOVES(a_half_read_request_travels_with_its_bytes),
		MOVES(bytes_still_in_the_kernel_are_served_there),
		MOVES(a_running_request_stays_until_it_is_answered),
		MOVES(one_that_is_refused_is_served_on_and_ends_with_its_answer),
		MOVES(one_that_may_move_does_not_announce_its_end),
		MOVES(one_that_leaves_reads_nothing_more_until_it_stays_after_all),
		MOVES(the_last_request_and_the_end_are_there_already),
		MOVES(the_last_request_and_a_reset_are_there_already),
		MOVES(the_last_request_is_there_and_the_end_comes_later),
		MOVES(what_is_no_request_for_the_taker_is_refused_there),
		MOVES(requests_that_are_there_bring_no_time_along),
		MOVES(the_time_that_is_left_travels_too),
		MOVES(one_that_is_cut_while_it_moves_ends_when_the_answer_comes),
		MOVES(a_pack_holds_so_many_and_the_rest_follows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
