/* Promises of the loop's moments (rt/loop.h) as connections keep them: what is handled
 * in a moment had begun to arrive before it began.  For TLS see test_conn.c. */
#include "http_app.h"

#define ASK "GET /moment HTTP/1.1\r\nHost: a\r\n\r\n"
#define SOME 300

static unsigned long hear_moment(int fd)
{
	unsigned long moment;
	char *body;

	assert_int_equal(hear_answer(fd, &body, NULL), 200);
	moment = strtoul(body, NULL, 10);
	free(body);
	return moment;
}

/* A connection that is watched, since it has been answered before. */
static int dial_known(void)
{
	int fd = dial();

	say(fd, ASK);
	hear_moment(fd);
	return fd;
}

static void requests_that_are_announced_together_share_a_moment(void **state)
{
	int a = dial_known(), b = dial_known();
	unsigned long first;

	hold_loop();
	say(a, ASK);
	say(b, ASK);
	has_arrived(a);
	has_arrived(b);
	release_loop();
	first = hear_moment(a);
	assert_int_equal(hear_moment(b), first);
	say(a, ASK);
	assert_true(hear_moment(a) != first);
	close(a);
	close(b);
}

static void one_behind_another_has_its_own(void **state)
{
	int fd = dial_known();
	unsigned long first;

	say(fd, ASK ASK);
	first = hear_moment(fd);
	assert_true(hear_moment(fd) != first);
	close(fd);
}

/* It ends in another phase of the loop than it began in. */
static void one_behind_a_request_that_slept_has_its_own(void **state)
{
	int a = dial_known(), b = dial_known();
	unsigned long first;

	say(a, "GET /sleep?10 HTTP/1.1\r\nHost: a\r\n\r\n" ASK);
	hold_loop();
	say(b, ASK);
	has_arrived(b);
	usleep(20000); /* the sleep is over, too */
	release_loop();
	expect_answer(a, 200, "slept\n");
	first = hear_moment(a);
	assert_true(hear_moment(b) != first);
	close(a);
	close(b);
}

/* They are read when they are accepted: the second may have been sent just then. */
static void a_new_connection_has_its_own(void **state)
{
	unsigned long first;
	int a, b;

	hold_loop();
	a = dial();
	b = dial();
	say(a, ASK);
	say(b, ASK);
	has_arrived(a);
	has_arrived(b);
	release_loop();
	first = hear_moment(a);
	assert_true(hear_moment(b) != first);
	close(a);
	close(b);
}

/* libuv asks for more events within a turn. */
static void after_many_events_of_a_turn_each_has_its_own(void **state)
{
	unsigned long moments[SOME];
	int fds[SOME], different = 0;

	for (int i = 0; i < SOME; i++)
		fds[i] = dial_known();
	hold_loop();
	for (int i = 0; i < SOME; i++)
		say(fds[i], ASK);
	for (int i = 0; i < SOME; i++)
		has_arrived(fds[i]);
	release_loop();
	for (int i = 0; i < SOME; i++)
		moments[i] = hear_moment(fds[i]);
	for (int i = 0; i < SOME; i++) {
		int same = 0;

		for (int j = 0; j < SOME; j++)
			same += moments[j] == moments[i];
		different += same == 1;
		close(fds[i]);
	}
	/* Of 256 in one turn all share one, if the turn saw them all. */
	assert_true(different >= SOME - 256);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SERVED(requests_that_are_announced_together_share_a_moment),
		SERVED(one_behind_another_has_its_own),
		SERVED(one_behind_a_request_that_slept_has_its_own),
		SERVED(a_new_connection_has_its_own),
		SERVED(after_many_events_of_a_turn_each_has_its_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
