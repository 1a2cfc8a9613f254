/* Promises of src/web/live/step_move.c: events that come while a step runs wait in a queue that
 * costs the same for each, however long it is. */
#include "unit.h"

#include "base/str.h"
#include "http/conn/conn.h"
#include "web/live/web_step.h"

#define MANY 200000
#define LIMIT_SECONDS 2.0 /* moving the rest up for each took minutes, this takes some 10 ms */

static mo_loop *loop;
static mo_web_step *step;

static int setup(void **state)
{
	static const mo_http_limits lim = { .ws_max_queue = SIZE_MAX / 2 };

	loop = mo_loop_new(0);
	step = mo_web_step_new(loop, &lim);
	return 0;
}

static int teardown(void **state)
{
	mo_web_step_free(step);
	mo_loop_free(loop);
	return 0;
}

static void come(int number)
{
	char id[16];
	mo_delivery d = { 0 };

	snprintf(id, sizeof(id), "%d", number);
	d.event = mo_event_new(MO_STR("t"), MO_STR(""), mo_str(id), MO_STR("x"));
	step->sub.event(&step->sub, &d);
	mo_event_unref((mo_event *)(uintptr_t)d.event);
}

static void a_long_queue_is_forgotten_at_once(void **state)
{
	double before;

	for (int i = 0; i < MANY; i++)
		come(i);
	assert_int_equal(step->events.count, MANY);
	before = cpu_seconds();
	mo_web_step_deaf(step);
	assert_true(cpu_seconds() - before < LIMIT_SECONDS);
	assert_int_equal(step->events.count, 0);
	assert_int_equal(step->event_bytes, 0);
}

/* Three come for each two that are taken: the queue grows, and its front moves. */
static void events_are_taken_in_the_order_in_which_they_came(void **state)
{
	double before = cpu_seconds();
	int came = 0, taken = 0;

	while (came < MANY || taken < came) {
		for (int i = 0; i < 3 && came < MANY; i++)
			come(came++);
		for (int i = 0; i < 2 && taken < came; i++) {
			mo_event *e = mo_web_step_next(step);

			assert_int_equal(atoi(e->id.ptr), taken++);
			mo_event_unref(e);
		}
	}
	assert_null(mo_web_step_next(step));
	assert_int_equal(step->event_bytes, 0);
	assert_true(cpu_seconds() - before < 5 * LIMIT_SECONDS);
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_long_queue_is_forgotten_at_once),
		TEST(events_are_taken_in_the_order_in_which_they_came),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
