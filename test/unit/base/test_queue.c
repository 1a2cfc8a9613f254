/* Promises of src/base/queue.h. */
#include "unit.h"

#include "base/queue.h"

#define MANY 200000
#define LIMIT_SECONDS 2.0 /* moving the rest up for each took minutes, this takes some ms */

static void add(mo_queue *q, int value)
{
	*(int *)mo_queue_add(q, sizeof(int)) = value;
}

static int oldest(mo_queue *q)
{
	int value = *(int *)mo_queue_at(q, sizeof(int), 0);

	mo_queue_drop(q);
	return value;
}

/* Three come for each two that go: the array grows, and its front moves. */
static void what_comes_first_goes_first(void **state)
{
	mo_queue q = { 0 };
	int came = 0, gone = 0;

	while (came < MANY || q.count) {
		for (int i = 0; i < 3 && came < MANY; i++)
			add(&q, came++);
		for (int i = 0; i < 2 && q.count; i++)
			assert_int_equal(oldest(&q), gone++);
	}
	assert_int_equal(gone, MANY);
	mo_queue_free(&q);
}

static void each_of_those_that_wait_is_found_by_its_place(void **state)
{
	mo_queue q = { 0 };

	for (int i = 0; i < 100; i++)
		add(&q, i);
	for (int i = 0; i < 40; i++)
		mo_queue_drop(&q);
	assert_int_equal(q.count, 60);
	for (size_t n = 0; n < q.count; n++)
		assert_int_equal(*(int *)mo_queue_at(&q, sizeof(int), n), 40 + n);
	mo_queue_free(&q);
}

static void a_queue_that_never_empties_keeps_its_size(void **state)
{
	mo_queue q = { 0 };

	for (int i = 0; i < 10; i++)
		add(&q, i);
	for (int i = 10; i < MANY; i++) {
		add(&q, i);
		assert_int_equal(oldest(&q), i - 10);
	}
	assert_true(q.room <= 64);
	mo_queue_free(&q);
}

static void a_long_queue_goes_at_once(void **state)
{
	mo_queue q = { 0 };
	double before;

	for (int i = 0; i < MANY; i++)
		add(&q, i);
	before = cpu_seconds();
	while (q.count)
		mo_queue_drop(&q);
	assert_true(cpu_seconds() - before < LIMIT_SECONDS);
	mo_queue_free(&q);
	assert_null(q.values);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_comes_first_goes_first),
		cmocka_unit_test(each_of_those_that_wait_is_found_by_its_place),
		cmocka_unit_test(a_queue_that_never_empties_keeps_its_size),
		cmocka_unit_test(a_long_queue_goes_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
