/* Promises of waiting: rt/park.h. */
#include "rt_unit.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include "rt/park.h"

#define LATE 5000 /* on a machine that is busy with other tests */

/* ---- parks -------------------------------------------------------------- */

static void wake_first(void *arg)
{
	mo_park p = { 0 };

	mo_park_wake(&p, 7);
	assert_int_equal(mo_park_wait(&p, MOLT_FOREVER), 7);
	assert_false(p.woken);
	mo_park_wake(&p, 8);
	mo_park_wake(&p, -ECONNRESET);
	assert_int_equal(mo_park_wait(&p, 0), -ECONNRESET);
	assert_int_equal(mo_park_wait(&p, 0), -ETIMEDOUT);
}

static void a_wake_before_the_wait_is_remembered(void **state)
{
	run_co(wake_first, NULL);
}

typedef struct pair {
	mo_park ping, pong;
	int turns, result;
	bool inside;
	molt_time took;
} pair;

static void waker(void *arg)
{
	pair *p = arg;

	p->inside = true;
	mo_park_wake(&p->ping, 42);
	assert_int_equal(p->turns, 0); /* not resumed inside the wake */
	p->inside = false;
}

static void waits_for_waker(void *arg)
{
	pair *p = arg;

	mo_loop_spawn(mo_loop_self(), waker, p);
	assert_int_equal(mo_park_wait(&p->ping, MOLT_FOREVER), 42);
	assert_false(p->inside);
	p->turns++;
	mo_loop_stop(mo_loop_self());
}

static void run_unstopped(void (*fn)(void *), void *arg)
{
	mo_loop *l = mo_loop_new(0);

	mo_loop_spawn(l, fn, arg);
	mo_loop_run(l);
	mo_loop_free(l);
}

static void the_waiter_is_resumed_from_the_loop_not_in_the_wake(void **state)
{
	pair p = { 0 };

	run_unstopped(waits_for_waker, &p);
	assert_int_equal(p.turns, 1);
}

static void times_out(void *arg)
{
	mo_park p = { 0 };
	molt_time start = mo_now();

	uv_update_time(&mo_loop_self()->uv);
	assert_int_equal(mo_park_wait(&p, 50), -ETIMEDOUT);
	assert_int_in_range(mo_now() - start, 50, 50 + LATE);
	assert_null(p.co);
	/* A late wake is for the next wait. */
	mo_park_wake(&p, 5);
	assert_int_equal(mo_park_wait(&p, 50), 5);
}

static void a_wait_times_out_and_the_park_can_be_used_again(void **state)
{
	run_co(times_out, NULL);
}

/* Both coroutines do the same on the other's park, for ever waking each other. */
static void bounce(pair *p, mo_park *mine, mo_park *other)
{
	while (p->turns < 20000) {
		p->turns++;
		mo_park_wake(other, 0);
		mo_park_wait(mine, MOLT_FOREVER);
	}
	mo_park_wake(other, 0);
}

static void ping(void *arg)
{
	pair *p = arg;

	bounce(p, &p->ping, &p->pong);
}

static void pong(void *arg)
{
	pair *p = arg;

	bounce(p, &p->pong, &p->ping);
}

static void two_that_wake_each_other_go_on(void **state)
{
	pair p = { 0 };

	RUN_COS(&p, ping, pong);
	assert_true(p.turns >= 20000);
}

static void bounce_until_timer(void *arg)
{
	pair *p = arg;

	p->turns = -1000000000; /* ends by the sleeper alone */
	ping(p);
}

static void stops_bounce(void *arg)
{
	pair *p = arg;

	assert_int_equal(mo_co_sleep(50), 0);
	p->turns = 20000;
}

static void busy_coroutines_do_not_keep_the_loop_from_its_timers(void **state)
{
	pair p = { 0 };

	RUN_COS(&p, bounce_until_timer, pong, stops_bounce);
	assert_true(p.turns >= 20000);
}

/* The wake comes at about the moment of the time-out, before or after it. */
static void race_waiter(void *arg)
{
	pair *p = arg;
	int result;

	for (int i = 0; i < 15; i++) {
		result = mo_park_wait(&p->ping, 16);
		assert_true(result == 9 || result == -ETIMEDOUT);
		if (result == -ETIMEDOUT)
			assert_int_equal(mo_park_wait(&p->ping, MOLT_FOREVER), 9);
		mo_park_wake(&p->pong, 0);
	}
}

static void race_waker(void *arg)
{
	pair *p = arg;

	for (int i = 0; i < 15; i++) {
		mo_co_sleep(10 + i);
		mo_park_wake(&p->ping, 9);
		mo_park_wait(&p->pong, MOLT_FOREVER);
	}
	p->result = 1;
}

static void a_wake_that_races_the_time_out_is_never_lost(void **state)
{
	pair p = { 0 };

	RUN_COS(&p, race_waiter, race_waker);
	assert_int_equal(p.result, 1);
}

/* ---- sleeping and cancelling -------------------------------------------- */

static void sleeps(void *arg)
{
	molt_time start = mo_now(), busy;

	assert_int_equal(mo_co_sleep(0), 0);
	assert_int_equal(mo_co_sleep(40), 0);
	assert_int_in_range(mo_now() - start, 40, 40 + LATE);
	/* A handler that ran for a while before: the sleep still takes its time. */
	for (busy = mo_now(); mo_now() - busy < 30;)
		;
	start = mo_now();
	assert_int_equal(mo_co_sleep(20), 0);
	assert_true(mo_now() - start >= 20);
}

static void a_sleep_is_never_short(void **state)
{
	run_co(sleeps, NULL);
}

static void sleeper(void *arg)
{
	pair *p = arg;
	molt_time start = mo_now();

	p->ping.co = mo_co_self(); /* borrowed as a place for the handle */
	p->result = mo_co_sleep(MOLT_FOREVER);
	p->took = mo_now() - start;
	assert_int_equal(mo_co_sleep(1000), -ECANCELED);
	assert_int_equal(mo_co_sleep(0), -ECANCELED);
	assert_int_equal(mo_co_wait_fd(0, UV_READABLE, 1000), -ECANCELED);
}

static void canceller(void *arg)
{
	pair *p = arg;

	mo_co_sleep(20);
	mo_co_cancel(p->ping.co, -ECANCELED);
	mo_co_cancel(p->ping.co, -ECANCELED);
}

static void cancel_breaks_a_sleep_and_all_later_ones(void **state)
{
	pair p = { 0 };

	RUN_COS(&p, sleeper, canceller);
	assert_int_equal(p.result, -ECANCELED);
	assert_int_in_range(p.took, 20, 20 + LATE);
}

static void parked_one(void *arg)
{
	pair *p = arg;

	p->pong.co = mo_co_self();
	p->result = mo_park_wait(&p->ping, 60);
}

static void cancels_parked(void *arg)
{
	pair *p = arg;
	mo_co *co = p->pong.co;

	p->pong.co = NULL;
	mo_co_cancel(co, -ECANCELED);
}

static void cancel_does_not_touch_parks(void **state)
{
	pair p = { 0 };

	RUN_COS(&p, parked_one, cancels_parked);
	assert_int_equal(p.result, -ETIMEDOUT);
}

/* The sleep's end and the cancel fall into one turn of the loop. */
static uv_timer_t same_turn;
static mo_co *same_turn_co;

static void cancel_in_timer(uv_timer_t *t)
{
	mo_co_cancel(same_turn_co, -ECANCELED);
	uv_close((uv_handle_t *)t, NULL);
}

static void late_turn(void *arg)
{
	molt_time busy = mo_now();

	uv_timer_init(&mo_loop_self()->uv, &same_turn);
	uv_timer_start(&same_turn, cancel_in_timer, 1, 0);
	while (mo_now() - busy < 30)
		;
}

static void sleep_into_late_turn(void *arg)
{
	same_turn_co = mo_co_self();
	mo_loop_post(mo_loop_self(), late_turn, NULL);
	*(int *)arg = mo_co_sleep(10);
	mo_loop_stop(mo_loop_self());
}

static void a_cancel_in_the_turn_of_the_sleeps_end_resumes_once(void **state)
{
	int result = 1;

	run_unstopped(sleep_into_late_turn, &result);
	assert_int_equal(result, -ECANCELED);
}

/* ---- descriptors -------------------------------------------------------- */

static void writes_later(void *arg)
{
	mo_co_sleep(20);
	assert_int_equal(write(*(int *)arg, "x", 1), 1);
}

static void waits_for_pipe(void *arg)
{
	int ends[2];
	char c;

	assert_int_equal(pipe(ends), 0);
	assert_int_equal(mo_co_wait_fd(ends[0], UV_READABLE, 20), -ETIMEDOUT);
	assert_int_equal(mo_co_wait_fd(ends[1], UV_WRITABLE, 20), UV_WRITABLE);
	mo_loop_spawn(mo_loop_self(), writes_later, &ends[1]);
	assert_int_equal(mo_co_wait_fd(ends[0], UV_READABLE, MOLT_FOREVER), UV_READABLE);
	assert_int_equal(read(ends[0], &c, 1), 1);
	assert_int_equal(fcntl(ends[0], F_GETFL) & O_NONBLOCK, 0);
	close(ends[0]);
	close(ends[1]);
	assert_int_equal(mo_co_wait_fd(ends[0], UV_READABLE, 20), -EBADF);
	mo_loop_stop(mo_loop_self());
}

static void a_descriptor_is_waited_for_and_left_as_it_was(void **state)
{
	run_unstopped(waits_for_pipe, NULL);
}

static void waits_for_file(void *arg)
{
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	assert_int_equal(mo_co_wait_fd(fd, UV_READABLE, 1000), UV_READABLE);
	close(fd);
}

static void a_file_is_always_ready(void **state)
{
	run_co(waits_for_file, NULL);
}

static void second_waiter(void *arg)
{
	int *fd = arg;

	assert_int_equal(mo_co_wait_fd(fd[0], UV_READABLE, 1000), -EEXIST);
	assert_int_equal(write(fd[1], "x", 1), 1);
}

static void first_waiter(void *arg)
{
	int ends[2];

	assert_int_equal(pipe(ends), 0);
	mo_loop_spawn(mo_loop_self(), second_waiter, ends);
	assert_int_equal(mo_co_wait_fd(ends[0], UV_READABLE, 1000), UV_READABLE);
	close(ends[0]);
	close(ends[1]);
	mo_loop_stop(mo_loop_self());
}

static void two_cannot_wait_for_one_descriptor(void **state)
{
	run_unstopped(first_waiter, NULL);
}

/* A port of the loopback where nobody listens. */
static void refused_connect(void *arg)
{
	struct sockaddr_in a = { .sin_family = AF_INET };
	socklen_t len = sizeof(a);
	int taken = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), err = 0;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(taken, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(getsockname(taken, (struct sockaddr *)&a, &len), 0);
	if (connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0 && errno == EINPROGRESS)
		assert_true(mo_co_wait_fd(fd, UV_WRITABLE, 1000) > 0);
	len = sizeof(err);
	getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len);
	close(fd);
	close(taken);
}

static void a_refused_connect_counts_as_ready(void **state)
{
	run_co(refused_connect, NULL);
}

static void cancelled_fd_wait(void *arg)
{
	pair *p = arg;
	int ends[2];

	p->ping.co = mo_co_self();
	assert_int_equal(pipe(ends), 0);
	p->result = mo_co_wait_fd(ends[0], UV_READABLE, MOLT_FOREVER);
	close(ends[0]);
	close(ends[1]);
}

static void cancel_breaks_a_wait_for_a_descriptor(void **state)
{
	pair p = { 0 };

	RUN_COS(&p, cancelled_fd_wait, canceller);
	assert_int_equal(p.result, -ECANCELED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_wake_before_the_wait_is_remembered),
		cmocka_unit_test(the_waiter_is_resumed_from_the_loop_not_in_the_wake),
		cmocka_unit_test(a_wait_times_out_and_the_park_can_be_used_again),
		cmocka_unit_test(two_that_wake_each_other_go_on),
		cmocka_unit_test(busy_coroutines_do_not_keep_the_loop_from_its_timers),
		cmocka_unit_test(a_wake_that_races_the_time_out_is_never_lost),
		cmocka_unit_test(a_sleep_is_never_short),
		cmocka_unit_test(cancel_breaks_a_sleep_and_all_later_ones),
		cmocka_unit_test(cancel_does_not_touch_parks),
		cmocka_unit_test(a_cancel_in_the_turn_of_the_sleeps_end_resumes_once),
		cmocka_unit_test(a_descriptor_is_waited_for_and_left_as_it_was),
		cmocka_unit_test(a_file_is_always_ready),
		cmocka_unit_test(two_cannot_wait_for_one_descriptor),
		cmocka_unit_test(a_refused_connect_counts_as_ready),
		cmocka_unit_test(cancel_breaks_a_wait_for_a_descriptor),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
