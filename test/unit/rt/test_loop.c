/* Promises of a loop: rt/loop.h. */
#include "rt_unit.h"

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "rt/park.h"
#include "rt/sanitize.h"

#define POSTS 2000
#define POSTERS 4

/* ---- posting ------------------------------------------------------------ */

typedef struct order {
	mo_loop *loop;
	int next[POSTERS]; /* on the loop */
	bool broken;
	atomic_int poster;
} order;

typedef struct post {
	order *o;
	int poster, n;
} post;

static void take_post(void *arg)
{
	post *p = arg;

	p->o->broken |= p->o->next[p->poster]++ != p->n || mo_loop_self() != p->o->loop ||
			mo_co_self() != NULL;
	free(p);
}

static void *poster(void *arg)
{
	order *o = arg;
	int me = atomic_fetch_add(&o->poster, 1);

	for (int i = 0; i < POSTS; i++) {
		post *p = malloc(sizeof(*p));

		*p = (post){ o, me, i };
		assert_true(mo_loop_post(o->loop, take_post, p));
	}
	return NULL;
}

static void posts_of_each_thread_run_in_their_order(void **state)
{
	order o = { .loop = mo_loop_new(3) };
	pthread_t t[POSTERS];

	assert_int_equal(mo_loop_start(o.loop, "posts"), 0);
	for (int i = 0; i < POSTERS; i++)
		pthread_create(&t[i], NULL, poster, &o);
	for (int i = 0; i < POSTERS; i++)
		pthread_join(t[i], NULL);
	mo_loop_stop(o.loop);
	mo_loop_free(o.loop);
	assert_false(o.broken);
	for (int i = 0; i < POSTERS; i++)
		assert_int_equal(o.next[i], POSTS);
}

static void count_up(void *arg)
{
	++*(int *)arg;
}

static void a_post_after_the_stop_is_dropped(void **state)
{
	mo_loop *l = mo_loop_new(0);
	int ran = 0;

	assert_true(mo_loop_post(l, count_up, &ran));
	mo_loop_stop(l);
	assert_false(mo_loop_post(l, count_up, &ran));
	assert_false(mo_loop_spawn(l, count_up, &ran));
	mo_loop_run(l);
	assert_int_equal(ran, 1);
	mo_loop_free(l);
}

typedef struct again {
	int left;
	mo_loop *loop;
} again;

static void post_again(void *arg)
{
	again *a = arg;

	if (a->left-- > 0)
		assert_true(mo_loop_post(a->loop, post_again, a));
	else
		mo_loop_stop(a->loop);
}

static void a_post_may_post_again(void **state)
{
	again a = { 100, mo_loop_new(0) };

	mo_loop_post(a.loop, post_again, &a);
	mo_loop_run(a.loop);
	mo_loop_free(a.loop);
	assert_int_equal(a.left, -1);
}

/* ---- spawn and life ----------------------------------------------------- */

static void sleepy(void *arg)
{
	assert_non_null(mo_co_self());
	assert_int_equal(mo_co_sleep(30), 0);
	++*(int *)arg;
}

static void the_loop_ends_only_after_its_coroutines(void **state)
{
	int ended = 0;
	mo_loop *l = mo_loop_new(0);

	assert_int_equal(mo_loop_start(l, "sleepers"), 0);
	for (int i = 0; i < 20; i++)
		assert_true(mo_loop_spawn(l, sleepy, &ended));
	mo_loop_stop(l);
	mo_loop_stop(l);
	mo_loop_free(l);
	assert_int_equal(ended, 20);
}

/* Room for about four slabs of 64 stacks, and some for the heap. */
static bool limit_memory(void)
{
	unsigned long pages = 0;
	FILE *f = fopen("/proc/self/statm", "re");
	struct rlimit r;

	if (!f || fscanf(f, "%lu", &pages) != 1)
		return false;
	fclose(f);
	r.rlim_cur = r.rlim_max = pages * (rlim_t)sysconf(_SC_PAGESIZE) + ((rlim_t)23 << 20);
	return setrlimit(RLIMIT_AS, &r) == 0;
}

static void child_starves(void)
{
	mo_loop *l = mo_loop_new(0);
	int ended = 0;

	if (!limit_memory())
		_exit(1);
	for (int i = 0; i < 1000; i++)
		mo_loop_spawn(l, sleepy, &ended);
	mo_loop_stop(l);
	mo_loop_run(l);
	mo_loop_free(l);
	if (ended == 1000)
		abort(); /* what dies() looks for: the promise held */
}

static void a_spawn_without_a_stack_waits_for_one(void **state)
{
	if (MO_ASAN || MO_TSAN)
		skip_because("sanitizers need all the address space");
	assert_true(dies(child_starves));
}

static void a_loop_that_never_ran_can_be_freed(void **state)
{
	mo_loop_free(mo_loop_new(0));
	mo_loop_free(NULL);
}

static void a_control_loop_runs_on_the_callers_thread(void **state)
{
	mo_loop *l = mo_loop_new(-1);
	int ran = 0;

	assert_int_equal(l->index, -1);
	assert_null(mo_loop_self());
	mo_loop_post(l, count_up, &ran);
	mo_loop_stop(l);
	mo_loop_run(l);
	assert_null(mo_loop_self());
	assert_int_equal(ran, 1);
	mo_loop_free(l);
}

static void close_timer(uv_timer_t *t)
{
	uv_close((uv_handle_t *)t, NULL);
}

static void start_timer(void *arg)
{
	uv_timer_init(&mo_loop_self()->uv, arg);
	uv_timer_start(arg, close_timer, 20, 0);
}

static void handles_of_others_hold_a_stopped_loop(void **state)
{
	uv_timer_t t;
	molt_time start = mo_now();

	run_on_loop(start_timer, &t);
	assert_true(mo_now() - start >= 20);
}

static void start_and_forget(void *arg)
{
	uv_timer_init(&mo_loop_self()->uv, arg);
}

static void child_forgets_a_handle(void)
{
	uv_timer_t t;

	run_on_loop(start_and_forget, &t);
}

static void a_handle_that_nobody_closes_dies(void **state)
{
	assert_true(dies(child_forgets_a_handle));
}

/* ---- the thread --------------------------------------------------------- */

static void look_at_thread(void *arg)
{
	sigset_t mask;

	pthread_getname_np(pthread_self(), arg, 16);
	pthread_sigmask(SIG_SETMASK, NULL, &mask);
	assert_int_equal(sigismember(&mask, SIGTERM), 1);
	assert_int_equal(sigismember(&mask, SIGUSR1), 1);
	assert_int_equal(sigismember(&mask, SIGPIPE), 0); /* in a child, too */
	assert_int_equal(sigismember(&mask, SIGSEGV), 0);
	assert_int_equal(sigismember(&mask, SIGABRT), 0);
}

static void the_thread_is_named_and_takes_no_signals_but_faults(void **state)
{
	char name[16] = "";
	mo_loop *l = mo_loop_new(0);
	sigset_t mine;

	assert_int_equal(mo_loop_start(l, "molt-loop-with-a-long-name"), 0);
	mo_loop_post(l, look_at_thread, name);
	mo_loop_stop(l);
	mo_loop_free(l);
	assert_string_equal(name, "molt-loop-with-");
	pthread_sigmask(SIG_SETMASK, NULL, &mine);
	assert_int_equal(sigismember(&mine, SIGTERM), 0);
}

/* ---- what a loop keeps -------------------------------------------------- */

static void use_buffers(void *arg)
{
	mo_loop *l = mo_loop_self();
	char *buf[100], *last;

	for (int i = 0; i < 100; i++) {
		buf[i] = mo_loop_buffer_get(l);
		memset(buf[i], i, MO_LOOP_BUFFER);
	}
	for (int i = 0; i < 100; i++)
		mo_loop_buffer_put(l, buf[i]);
	mo_loop_buffer_put(l, NULL);
	last = mo_loop_buffer_get(l);
	if (!MO_ASAN)
		assert_ptr_equal(last, buf[63]); /* of 100, the first 64 were kept */
	mo_loop_buffer_put(l, last);
}

static void spare_buffers_are_reused_up_to_a_cap(void **state)
{
	run_on_loop(use_buffers, NULL);
}

static void look_at_date(void *arg)
{
	mo_loop *l = mo_loop_self();
	const char *text = mo_loop_http_date(l);
	char want[2][32];
	struct tm tm;

	/* The second may change between the two clocks. */
	for (int i = 0; i < 2; i++) {
		time_t t = (time_t)(mo_wall() / 1000) - i;

		gmtime_r(&t, &tm);
		strftime(want[i], sizeof(want[i]), "%a, %d %b %Y %H:%M:%S GMT", &tm);
	}
	assert_int_equal(strlen(text), 29);
	assert_true(strcmp(text, want[0]) == 0 || strcmp(text, want[1]) == 0);
}

static void date_a_second_later(void *arg)
{
	char first[32];

	snprintf(first, sizeof(first), "%s", mo_loop_http_date(mo_loop_self()));
	look_at_date(NULL);
	mo_co_sleep(1010);
	assert_string_not_equal(first, mo_loop_http_date(mo_loop_self()));
	look_at_date(NULL);
}

static void the_http_date_is_of_this_second(void **state)
{
	run_co(date_a_second_later, NULL);
}

static void look_at_now(void *arg)
{
	mo_loop *l = mo_loop_self();

	uv_update_time(&l->uv);
	assert_int_in_range(mo_now() - mo_loop_now(l), 0, 20);
}

static void the_loops_time_is_on_the_clock_of_mo_now(void **state)
{
	run_on_loop(look_at_now, NULL);
}

/* ---- the end of a turn ---------------------------------------------------- */

static struct {
	mo_turn_task task, second;
	int posts, done, at;
} turns;

static void on_second(mo_turn_task *t)
{
	turns.done += 100;
}

static void on_end_of_turn(mo_turn_task *t)
{
	turns.done++;
	turns.at = turns.posts;
	if (turns.done == 1)
		mo_loop_end_turn(mo_loop_self(), &turns.second); /* still in this turn */
}

static void ask_for_the_end(void *arg)
{
	turns.posts++;
	mo_loop_end_turn(mo_loop_self(), &turns.task);
	mo_loop_end_turn(mo_loop_self(), &turns.task);
	assert_int_equal(turns.done, 0);
}

static void what_is_asked_for_the_end_of_a_turn_is_done_once_behind_all(void **state)
{
	mo_loop *l = mo_loop_new(0);

	mo_turn_task_init(&turns.task, on_end_of_turn);
	mo_turn_task_init(&turns.second, on_second);
	for (int i = 0; i < 5; i++)
		assert_true(mo_loop_post(l, ask_for_the_end, NULL));
	mo_loop_stop(l);
	mo_loop_run(l);
	assert_int_equal(turns.at, 5);
	assert_int_equal(turns.done, 101);
	mo_loop_free(l);
}

/* Asks for itself in four turns, which come without sleep. */
static void on_again(mo_turn_task *t)
{
	if (++turns.done < 5)
		mo_loop_end_turn(mo_loop_self(), t);
}

static void ask_again(void *arg)
{
	molt_time start = mo_now();

	mo_loop_end_turn(mo_loop_self(), &turns.task);
	mo_co_sleep(100);
	assert_int_equal(turns.done, 5);
	assert_int_in_range(mo_now() - start, 99, 10000);
	turns.done = 0;
	mo_loop_end_turn(mo_loop_self(), &turns.task);
}

static void a_task_that_asks_again_has_the_next_turn_at_once(void **state)
{
	memset(&turns, 0, sizeof(turns));
	mo_turn_task_init(&turns.task, on_again);
	run_co(ask_again, NULL);
	assert_int_equal(turns.done, 5); /* also when the loop ends */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(posts_of_each_thread_run_in_their_order),
		cmocka_unit_test(what_is_asked_for_the_end_of_a_turn_is_done_once_behind_all),
		cmocka_unit_test(a_task_that_asks_again_has_the_next_turn_at_once),
		cmocka_unit_test(a_post_after_the_stop_is_dropped),
		cmocka_unit_test(a_post_may_post_again),
		cmocka_unit_test(the_loop_ends_only_after_its_coroutines),
		cmocka_unit_test(a_spawn_without_a_stack_waits_for_one),
		cmocka_unit_test(a_loop_that_never_ran_can_be_freed),
		cmocka_unit_test(a_control_loop_runs_on_the_callers_thread),
		cmocka_unit_test(handles_of_others_hold_a_stopped_loop),
		cmocka_unit_test(a_handle_that_nobody_closes_dies),
		cmocka_unit_test(the_thread_is_named_and_takes_no_signals_but_faults),
		cmocka_unit_test(spare_buffers_are_reused_up_to_a_cap),
		cmocka_unit_test(the_http_date_is_of_this_second),
		cmocka_unit_test(the_loops_time_is_on_the_clock_of_mo_now),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
