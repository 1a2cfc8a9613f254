/* Promises of the coarse timers: rt/timer.h.  The loop's clock is moved by hand
 * where minutes are needed: the wheel looks at nothing but that clock. */
#include "rt_unit.h"

#include "base/check.h"
#include "rt/park.h"

/* A sleep of the loop's own thread that is due GAP later than a timer ends later,
 * however slow the machine. */
#define GAP 50

typedef struct probe {
	mo_timer t;
	molt_time started, fired;
	int count;
} probe;

static void on_probe(mo_timer *t)
{
	probe *p = MO_CONTAINER_OF(t, probe, t);

	p->fired = mo_now();
	p->count++;
}

static void probe_start(probe *p, molt_time ms)
{
	mo_timer_init(&p->t, on_probe);
	uv_update_time(&mo_loop_self()->uv);
	p->started = mo_now();
	mo_timer_start(mo_loop_self(), &p->t, ms);
}

static void start_several(void *arg)
{
	static const molt_time delays[] = { 0, 1, 15, 16, 17, 40, 100, 250 };
	probe p[8] = { 0 };

	for (int i = 0; i < 8; i++)
		probe_start(&p[i], delays[i]);
	assert_int_equal(mo_loop_self()->timers.count, 8);
	mo_co_sleep(250 + GAP);
	for (int i = 0; i < 8; i++) {
		assert_int_equal(p[i].count, 1);
		assert_false(mo_timer_active(&p[i].t));
		assert_true(p[i].fired - p[i].started >= delays[i]);
	}
	assert_int_equal(mo_loop_self()->timers.count, 0);
}

static void a_timer_fires_once_never_early(void **state)
{
	run_co(start_several, NULL);
}

static void stop_some(void *arg)
{
	mo_loop *l = mo_loop_self();
	probe stopped = { 0 }, moved = { 0 }, forever = { 0 };

	probe_start(&stopped, 10);
	probe_start(&moved, 10);
	probe_start(&forever, 10);
	mo_timer_stop(l, &stopped.t);
	mo_timer_stop(l, &stopped.t);
	mo_timer_start(l, &moved.t, 120);
	mo_timer_start(l, &forever.t, MOLT_FOREVER);
	assert_false(mo_timer_active(&stopped.t));
	assert_false(mo_timer_active(&forever.t));
	assert_true(mo_timer_active(&moved.t));
	mo_co_sleep(120 + GAP);
	assert_int_equal(stopped.count, 0);
	assert_int_equal(forever.count, 0);
	assert_int_equal(moved.count, 1);
	assert_true(moved.fired - moved.started >= 120);
}

static void a_stopped_timer_does_not_fire_and_a_moved_one_fires_later(void **state)
{
	run_co(stop_some, NULL);
}

/* Moves the loop's clock and lets the wheel look. */
static void pass(mo_loop *l, molt_time ms)
{
	l->uv.time += (uint64_t)ms;
	if (l->timers.ticking)
		l->timers.tick.timer_cb(&l->timers.tick);
}

/* ---- callbacks that touch timers ---------------------------------------- */

static struct {
	mo_timer killer, victim, again;
	int victims, agains;
} game;

static void kill_victim(mo_timer *t)
{
	mo_timer_stop(mo_loop_self(), &game.victim);
}

static void on_victim(mo_timer *t)
{
	game.victims++;
}

static void on_again(mo_timer *t)
{
	if (++game.agains < 5)
		mo_timer_start(mo_loop_self(), t, 0);
}

static void play(void *arg)
{
	mo_loop *l = mo_loop_self();

	mo_timer_init(&game.killer, kill_victim);
	mo_timer_init(&game.victim, on_victim);
	mo_timer_init(&game.again, on_again);
	mo_timer_start(l, &game.killer, 5);
	mo_timer_start(l, &game.victim, 5);
	mo_timer_start(l, &game.again, 5);
	for (int i = 1; i <= 5; i++) {
		pass(l, 38);
		assert_int_equal(game.agains, i); /* once in each look, however late */
	}
	pass(l, 38);
	assert_int_equal(game.victims, 0);
	assert_int_equal(game.agains, 5);
	assert_int_equal(l->timers.count, 0);
}

static void a_callback_may_stop_and_start_timers(void **state)
{
	run_on_loop(play, NULL);
}

/* ---- far ahead, with the clock moved ------------------------------------ */

static void wait_minutes(void *arg)
{
	mo_loop *l = mo_loop_self();
	molt_time delays[] = { 1, 40, 100, 250, 16000, 16384, 16500, 75000, 600000, 86400000 };
	probe p[10] = { 0 };
	molt_time passed = 0;

	for (int i = 0; i < 10; i++)
		probe_start(&p[i], delays[i]);
	for (int i = 0; i < 10; i++) {
		pass(l, delays[i] - passed);
		assert_int_equal(p[i].count, 0);
		pass(l, 33);
		assert_int_equal(p[i].count, 1);
		passed = delays[i] + 33;
	}
	assert_int_equal(l->timers.count, 0);
}

static void timers_beyond_the_wheel_fire_in_their_own_round(void **state)
{
	run_on_loop(wait_minutes, NULL);
}

static void start_far(void *arg)
{
	mo_loop *l = mo_loop_self();
	probe far = { 0 }, near = { 0 };

	probe_start(&far, INT64_MAX);
	assert_true(mo_timer_active(&far.t));
	mo_timer_stop(l, &far.t);
	probe_start(&far, 10 * MOLT_SECOND);
	assert_true(uv_timer_get_due_in(&l->timers.tick) > 9000);
	probe_start(&near, 1000);
	assert_int_in_range(uv_timer_get_due_in(&l->timers.tick), 1, 1040);
	pass(l, 1040);
	assert_int_equal(near.count, 1);
	assert_true(uv_timer_get_due_in(&l->timers.tick) > 8000);
	mo_timer_stop(l, &far.t);
	pass(l, 10 * MOLT_SECOND);
	assert_int_equal(far.count, 0);
	assert_false(l->timers.ticking);
}

static void the_wheel_sleeps_until_the_next_timer(void **state)
{
	run_on_loop(start_far, NULL);
}

/* As a connection does with its deadline at each request. */
static void start_again_and_again(void *arg)
{
	mo_loop *l = mo_loop_self();
	probe p = { 0 };

	probe_start(&p, 100);
	for (int i = 0; i < 1000; i++) {
		pass(l, 90);
		mo_timer_start(l, &p.t, 100);
	}
	assert_int_equal(p.count, 0);
	pass(l, 100);
	assert_int_equal(p.count, 0);
	pass(l, 33);
	assert_int_equal(p.count, 1);

	probe_start(&p, 30000); /* beyond the wheel, and sooner again */
	mo_timer_start(l, &p.t, 60000);
	pass(l, 30033);
	mo_timer_start(l, &p.t, 50);
	pass(l, 83);
	assert_int_equal(p.count, 2);
	assert_int_equal(l->timers.count, 0);
}

static void a_timer_that_is_started_again_fires_at_its_last_moment(void **state)
{
	run_on_loop(start_again_and_again, NULL);
}

static struct {
	mo_timer first;
	probe other;
} pair;

static void on_first(mo_timer *t)
{
	mo_timer_start(mo_loop_self(), &pair.other.t, 1000);
}

static void start_a_pair(void *arg)
{
	mo_loop *l = mo_loop_self();

	mo_timer_init(&pair.first, on_first);
	mo_timer_start(l, &pair.first, 5);
	probe_start(&pair.other, 5);
	pass(l, 38);
	assert_int_equal(pair.other.count, 0);
	assert_true(mo_timer_active(&pair.other.t));
	pass(l, 1033);
	assert_int_equal(pair.other.count, 1);
	assert_int_equal(l->timers.count, 0);
}

static void a_due_timer_that_a_callback_starts_again_waits_anew(void **state)
{
	run_on_loop(start_a_pair, NULL);
}

/* ---- against a plain list ----------------------------------------------- */

#define CROWD 300

static void random_crowd(void *arg)
{
	mo_loop *l = mo_loop_self();
	static probe p[CROWD];
	unsigned seed = 7;

	for (int i = 0; i < CROWD; i++)
		mo_timer_init(&p[i].t, on_probe);
	for (int step = 0; step < 20000; step++) {
		probe *q = &p[rand_r(&seed) % CROWD];

		switch (rand_r(&seed) % 4) {
		case 0:
			mo_timer_stop(l, &q->t);
			break;
		case 1:
			pass(l, rand_r(&seed) % 200);
			break;
		default:
			mo_timer_start(l, &q->t, rand_r(&seed) % 40000);
		}
		for (int i = 0; step % 100 == 0 && i < CROWD; i++)
			if (mo_timer_active(&p[i].t))
				assert_true(p[i].t.due > mo_loop_now(l) - 33 - 200);
	}
	pass(l, 50000);
	assert_int_equal(l->timers.count, 0);
	for (int i = 0; i < CROWD; i++)
		assert_false(mo_timer_active(&p[i].t));
}

static void no_timer_is_lost_in_a_crowd(void **state)
{
	run_on_loop(random_crowd, NULL);
}

static void start_and_leave(void *arg)
{
	probe_start(arg, 60 * MOLT_SECOND);
}

static void a_pending_timer_does_not_hold_a_stopped_loop(void **state)
{
	probe p = { 0 };

	run_on_loop(start_and_leave, &p);
	assert_int_equal(p.count, 0); /* a loop that it held would have waited for it */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_timer_fires_once_never_early),
		cmocka_unit_test(a_stopped_timer_does_not_fire_and_a_moved_one_fires_later),
		cmocka_unit_test(a_callback_may_stop_and_start_timers),
		cmocka_unit_test(timers_beyond_the_wheel_fire_in_their_own_round),
		cmocka_unit_test(the_wheel_sleeps_until_the_next_timer),
		cmocka_unit_test(a_timer_that_is_started_again_fires_at_its_last_moment),
		cmocka_unit_test(a_due_timer_that_a_callback_starts_again_waits_anew),
		cmocka_unit_test(no_timer_is_lost_in_a_crowd),
		cmocka_unit_test(a_pending_timer_does_not_hold_a_stopped_loop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
