/* When answers leave: together at the end of the loop's turn, but never kept up by a
 * slow handler, a cut, or the end of a connection. */
#include "http_app.h"

#define SPIN(ms) "GET /spin?" #ms " HTTP/1.1\r\nHost: a\r\n\r\n"
#define LAST "GET /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"

static void every_connection_of_a_turn_is_answered(void **state)
{
	int fds[40];

	for (int i = 0; i < 40; i++) {
		fds[i] = dial();
		say(fds[i], HELLO);
		expect_answer(fds[i], 200, HELLO_BODY);
	}
	for (int round = 0; round < 3; round++) {
		hold_loop();
		for (int i = 0; i < 40; i++)
			say(fds[i], i % 3 ? HELLO : HELLO HELLO);
		release_loop();
		for (int i = 0; i < 40; i++) {
			expect_answer(fds[i], 200, HELLO_BODY);
			if (i % 3 == 0)
				expect_answer(fds[i], 200, HELLO_BODY);
		}
	}
	for (int i = 0; i < 40; i++)
		close(fds[i]);
}

static void after_a_long_turn_no_answer_waits_for_other_handlers(void **state)
{
	int fds[3], before;

	for (int i = 0; i < 3; i++) {
		fds[i] = dial();
		say(fds[i], HELLO);
		expect_answer(fds[i], 200, HELLO_BODY);
	}
	before = atomic_load(&srv.done);
	say(fds[0], SPIN(100)); /* a long turn; what comes meanwhile is of the next one */
	usleep(30000);
	say(fds[1], HELLO);
	usleep(1000);
	say(fds[2], SPIN(500));
	expect_answer(fds[0], 200, "spun\n");
	expect_answer(fds[1], 200, HELLO_BODY);
	assert_true(atomic_load(&srv.done) <= before + 2); /* the last one still runs */
	expect_answer(fds[2], 200, "spun\n");
	for (int i = 0; i < 3; i++)
		close(fds[i]);
}

static void a_cut_in_the_same_turn_takes_no_answer_away(void **state)
{
	static unsigned n; /* may be written when this has returned */
	int fd = dial();

	say(fd, HELLO);
	expect_answer(fd, 200, HELLO_BODY);
	hold_loop();
	say(fd, HELLO);
	usleep(1000);
	assert_true(mo_loop_post(srv.loop, cut_all, &n));
	release_loop();
	expect_answer(fd, 200, HELLO_BODY);
	assert_int_equal(recv(fd, (char[1]){ 0 }, 1, 0), 0);
	close(fd);
}

/* As the kernel's header goes on where the C library's ends; both cannot be included. */
struct more_tcp_info {
	struct tcp_info known;
	uint64_t rates[2], bytes[2];
	uint32_t segs_out, segs_in;
};
_Static_assert(offsetof(struct more_tcp_info, segs_in) == 140, "as in linux/tcp.h");

static unsigned segments_in(int fd)
{
	struct more_tcp_info info = { 0 };
	socklen_t n = sizeof(info);

	assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &n), 0);
	assert_true(n >= sizeof(info));
	return info.segs_in;
}

static void the_end_of_a_connection_leaves_with_its_last_answer(void **state)
{
	int fd = dial();
	unsigned before;

	usleep(20000);
	before = segments_in(fd);
	say(fd, LAST);
	expect_answer(fd, 200, HELLO_BODY);
	assert_int_equal(recv(fd, (char[1]){ 0 }, 1, 0), 0);
	usleep(20000);
	/* One may be the acknowledgement of the request by itself. */
	assert_true(segments_in(fd) - before <= 2);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SERVED(every_connection_of_a_turn_is_answered),
		SERVED(after_a_long_turn_no_answer_waits_for_other_handlers),
		SERVED(a_cut_in_the_same_turn_takes_no_answer_away),
		SERVED(the_end_of_a_connection_leaves_with_its_last_answer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
