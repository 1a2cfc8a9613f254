/* When answers leave: together at the end of the loop's turn, but never kept up by a
 * slow handler, a cut, or the end of a connection. */
#include "http_app.h"

#define HOLD "GET /hold HTTP/1.1\r\nHost: a\r\n\r\n"
#define LONG_MS 20   /* of a turn; more than conn.c calls long, however coarse the clock */
#define HURRY_MS 200 /* longer than conn.c hurries after such a turn */
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
		for (int i = 0; i < 40; i++)
			has_arrived(fds[i]);
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

/* The loop's clock, which conn.c asks (the linker leads its calls here), can be put
 * forward, and be made to stand still from a moment on: then no time passes between two
 * turns. */
static _Atomic molt_time ahead, latest = INT64_MAX;

molt_time __real_mo_loop_now(mo_loop *l);
molt_time __wrap_mo_loop_now(mo_loop *l);

molt_time __wrap_mo_loop_now(mo_loop *l)
{
	molt_time now = __real_mo_loop_now(l) + atomic_load(&ahead), last = atomic_load(&latest);

	return now < last ? now : last;
}

static int clock_goes_on(void **state)
{
	atomic_store(&latest, INT64_MAX);
	atomic_store(&ahead, 0);
	return plain_teardown(state);
}

static void after_a_long_turn_no_answer_waits_for_other_handlers(void **state)
{
	int fds[3];

	for (int i = 0; i < 3; i++) {
		fds[i] = dial();
		say(fds[i], HELLO);
		expect_answer(fds[i], 200, HELLO_BODY);
	}
	/* On a busy machine a turn so far was long too, and what hurries for that is not
	 * measured again: the hurry must be over. */
	atomic_store(&ahead, HURRY_MS);
	say(fds[0], HOLD); /* a long turn; what comes meanwhile is of the next one */
	expect_held();
	say(fds[1], HELLO);
	has_arrived(fds[1]);
	say(fds[2], HOLD);
	has_arrived(fds[2]);
	usleep(LONG_MS * 1000);
	atomic_store(&latest, mo_now() + HURRY_MS);
	release_loop();
	expect_held(); /* by the handler of the last one, who goes on holding */
	expect_answer(fds[0], 200, "held\n");
	expect_answer(fds[1], 200, HELLO_BODY);
	release_loop();
	expect_answer(fds[2], 200, "held\n");
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
	has_arrived(fd);
	assert_true(mo_loop_post(srv.loop, cut_all, &n));
	release_loop();
	expect_answer(fd, 200, HELLO_BODY);
	assert_int_equal(uninterrupted(recv(fd, (char[1]){ 0 }, 1, 0)), 0);
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
	assert_int_equal(uninterrupted(recv(fd, (char[1]){ 0 }, 1, 0)), 0);
	usleep(20000);
	/* One may be the acknowledgement of the request by itself. */
	assert_true(segments_in(fd) - before <= 2);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SERVED(every_connection_of_a_turn_is_answered),
		cmocka_unit_test_setup_teardown(
			after_a_long_turn_no_answer_waits_for_other_handlers, plain_setup,
			clock_goes_on),
		SERVED(a_cut_in_the_same_turn_takes_no_answer_away),
		SERVED(the_end_of_a_connection_leaves_with_its_last_answer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
