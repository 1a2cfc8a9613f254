/* Messages between generations: whole or refused, descriptors owned by who
 * receives them (src/gen/wire/wire.c). */
#include "unit.h"

#include <errno.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "base/clock.h"
#include "gen/wire/wire.h"

static void a_message_arrives_whole_with_the_senders_pid(void **state)
{
	mo_wire_msg m;
	int a, b;

	assert_int_equal(mo_wire_pair(&a, &b), 0);
	assert_int_equal(mo_wire_send(b, json_pack("{s:s, s:i}", "type", "ready", "n", 7), NULL, 0),
			 0);
	assert_int_equal(mo_wire_recv(a, &m), 1);
	assert_string_equal(m.type, "ready");
	assert_int_equal(mo_json_int(m.body, "n"), 7);
	assert_string_equal(mo_json_str(m.body, "absent"), "");
	assert_int_equal(m.pid, getpid());
	mo_wire_free(&m);
	close(a);
	close(b);
}

static void descriptors_arrive_close_on_exec_and_work(void **state)
{
	int fds[MO_WIRE_FDS], a, b, pipe_fds[2];
	mo_wire_msg m;
	char c = 0;

	assert_int_equal(mo_wire_pair(&a, &b), 0);
	assert_int_equal(pipe(pipe_fds), 0);
	for (int i = 0; i < MO_WIRE_FDS; i++)
		fds[i] = pipe_fds[1];
	assert_int_equal(mo_wire_send(a, json_pack("{s:s}", "type", "x"), fds, MO_WIRE_FDS), 0);
	assert_int_equal(mo_wire_recv(b, &m), 1);
	assert_int_equal(m.nfds, MO_WIRE_FDS);
	for (int i = 0; i < m.nfds; i++)
		assert_true(fcntl(m.fds[i], F_GETFD) & FD_CLOEXEC);
	assert_int_equal(write(m.fds[MO_WIRE_FDS - 1], "k", 1), 1);
	assert_int_equal(read(pipe_fds[0], &c, 1), 1);
	assert_int_equal(c, 'k');
	c = (char)m.fds[0];
	mo_wire_free(&m);
	assert_int_equal(fcntl(c, F_GETFD), -1);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
	close(a);
	close(b);
}

/* A packet's memory is kept for the next one, and pieces may be keys. */
static void nothing_of_a_message_is_left_when_it_is_freed(void **state)
{
	char secret[1000];
	molt_str piece = { secret, sizeof(secret) };
	mo_wire_msg m;
	char *first;
	int a, b;

	memset(secret, 'S', sizeof(secret));
	assert_int_equal(mo_wire_pair(&a, &b), 0);
	assert_int_equal(mo_wire_send_blob(b, json_pack("{s:s}", "type", "x"), NULL, 0, &piece, 1),
			 0);
	assert_int_equal(mo_wire_recv(a, &m), 1);
	first = m.packet;
	mo_wire_free(&m);
	assert_int_equal(mo_wire_recv(a, &m), -EAGAIN);
	assert_int_equal(mo_wire_send(b, json_pack("{s:s}", "type", "y"), NULL, 0), 0);
	assert_int_equal(mo_wire_recv(a, &m), 1);
	assert_ptr_equal(m.packet, first);
	for (size_t i = m.size; i < MO_WIRE_MAX; i++)
		assert_int_equal(m.packet[i], 0);
	mo_wire_free(&m);
	close(a);
	close(b);
}

static void what_is_no_message_is_refused(void **state)
{
	static const char *const bad[] = { "",
					   "x",
					   "[]",
					   "{}",
					   "{\"type\":1}",
					   "{\"type\":\"a\"",
					   "{\"type\":\"a\",\"type\":\"b\"}" };
	mo_wire_msg m;
	int a, b;

	assert_int_equal(mo_wire_pair(&a, &b), 0);
	for (size_t i = 1; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_true(send(b, bad[i], strlen(bad[i]), 0) >= 0);
		assert_int_equal(mo_wire_recv(a, &m), -EBADMSG);
	}
	close(a);
	close(b);
}

static void a_message_longer_than_the_limit_is_refused_on_both_sides(void **state)
{
	static char big[MO_WIRE_MAX + 100];
	mo_wire_msg m;
	int a, b;

	assert_int_equal(mo_wire_pair(&a, &b), 0);
	memset(big, 'x', sizeof(big) - 1);
	assert_int_equal(mo_wire_send(a, json_pack("{s:s, s:s}", "type", "x", "v", big), NULL, 0),
			 -EMSGSIZE);
	memcpy(big, "{\"type\":\"x\",\"v\":\"", 17);
	big[sizeof(big) - 3] = '"';
	big[sizeof(big) - 2] = '}';
	assert_true(send(a, big, sizeof(big) - 1, 0) > 0);
	assert_int_equal(mo_wire_recv(b, &m), -EBADMSG);
	close(a);
	close(b);
}

static void the_end_of_the_other_side_is_told_from_silence(void **state)
{
	mo_wire_msg m;
	int a, b;

	assert_int_equal(mo_wire_pair(&a, &b), 0);
	assert_int_equal(mo_wire_recv(a, &m), -EAGAIN);
	close(b);
	assert_int_equal(mo_wire_recv(a, &m), 0);
	assert_int_equal(mo_wire_send(a, json_pack("{s:s}", "type", "x"), NULL, 0), -EPIPE);
	close(a);
}

/* The kernel tells of the reset first. */
static void what_was_sent_before_a_death_is_read_though_our_words_lay_unread(void **state)
{
	mo_wire_msg m;
	int a, b;

	assert_int_equal(mo_wire_pair(&a, &b), 0);
	assert_int_equal(mo_wire_send(a, json_pack("{s:s}", "type", "receipt"), NULL, 0), 0);
	assert_int_equal(mo_wire_send(b, json_pack("{s:s}", "type", "took"), NULL, 0), 0);
	assert_int_equal(mo_wire_send(b, json_pack("{s:s}", "type", "stopping"), NULL, 0), 0);
	close(b);
	assert_int_equal(mo_wire_recv(a, &m), 1);
	assert_string_equal(m.type, "took");
	mo_wire_free(&m);
	assert_int_equal(mo_wire_recv(a, &m), 1);
	assert_string_equal(m.type, "stopping");
	mo_wire_free(&m);
	assert_int_equal(mo_wire_recv(a, &m), 0);
	close(a);
}

static void what_is_nested_too_deeply_is_refused_before_it_is_read(void **state)
{
	char deep[2 * 900 + 32] = "{\"type\":\"x\",\"v\":";
	size_t n = strlen(deep);
	mo_wire_msg m;
	int a, b;

	memset(deep + n, '[', 900);
	memset(deep + n + 900, ']', 900);
	deep[n + 1800] = '}';
	assert_int_equal(mo_wire_pair(&a, &b), 0);
	assert_true(send(b, deep, n + 1801, 0) > 0);
	assert_int_equal(mo_wire_recv(a, &m), -EBADMSG);
	close(a);
	close(b);
}

/* The message is there, and says that it is not whole: its sender may wait for an answer. */
static void one_whose_descriptors_find_no_room_says_so(void **state)
{
	struct rlimit before, low;
	mo_wire_msg m;
	int a, b, fds[3];

	assert_int_equal(mo_wire_pair(&a, &b), 0);
	for (int i = 0; i < 3; i++)
		fds[i] = b;
	assert_int_equal(mo_wire_send(b, json_pack("{s:s, s:i}", "type", "x", "v", 7), fds, 3), 0);
	getrlimit(RLIMIT_NOFILE, &before);
	low = before;
	low.rlim_cur = (rlim_t)(a > b ? a : b) + 2; /* one more is there, if none is free below */
	setrlimit(RLIMIT_NOFILE, &low);
	assert_int_equal(mo_wire_recv(a, &m), 1);
	setrlimit(RLIMIT_NOFILE, &before);
	assert_true(m.cut);
	assert_int_equal(m.nfds, 0);
	assert_int_equal(mo_json_int(m.body, "v"), 7);
	mo_wire_free(&m);
	close(a);
	close(b);
}

static void interrupt(int number)
{
}

/* poll() ends at each signal, whatever sigaction() was told. */
static void a_wait_goes_on_after_signals_until_its_time_or_a_word(void **state)
{
	struct sigaction sa = { .sa_handler = interrupt }, before;
	struct itimerval each = { { 0, 2000 }, { 0, 2000 } }, none = { { 0, 0 }, { 0, 0 } };
	molt_time begun = mo_now();
	int a, b;

	assert_int_equal(mo_wire_pair(&a, &b), 0);
	sigaction(SIGALRM, &sa, &before);
	setitimer(ITIMER_REAL, &each, NULL);
	assert_int_equal(mo_wire_await(a, 50 * MOLT_MS), 0);
	assert_true(mo_now() - begun >= 50 * MOLT_MS);
	assert_int_equal(mo_wire_send(b, json_pack("{s:s}", "type", "x"), NULL, 0), 0);
	assert_int_equal(mo_wire_await(a, MOLT_FOREVER), 1);
	setitimer(ITIMER_REAL, &none, NULL);
	sigaction(SIGALRM, &before, NULL);
	close(b);
	close(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_message_arrives_whole_with_the_senders_pid),
		cmocka_unit_test(descriptors_arrive_close_on_exec_and_work),
		cmocka_unit_test(nothing_of_a_message_is_left_when_it_is_freed),
		cmocka_unit_test(what_is_no_message_is_refused),
		cmocka_unit_test(a_message_longer_than_the_limit_is_refused_on_both_sides),
		cmocka_unit_test(the_end_of_the_other_side_is_told_from_silence),
		cmocka_unit_test(what_was_sent_before_a_death_is_read_though_our_words_lay_unread),
		cmocka_unit_test(a_wait_goes_on_after_signals_until_its_time_or_a_word),
		cmocka_unit_test(one_whose_descriptors_find_no_room_says_so),
		cmocka_unit_test(what_is_nested_too_deeply_is_refused_before_it_is_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
