/* What a failed test leaves behind does not reach the tests behind it: unit.h. */
#include "rt_unit.h"

#include <stdatomic.h>

static atomic_int *seen; /* shared with the children */

static int count_setup(void **state)
{
	atomic_fetch_add(&seen[0], 1);
	return 0;
}

static int count_teardown(void **state)
{
	atomic_fetch_add(&seen[1], 1);
	return 0;
}

static void fails(void *arg)
{
	fail();
}

static void fails_in_a_running_loop(void **state)
{
	run_co(fails, NULL);
}

static void ends_its_process(void **state)
{
	_exit(0); /* as if all was well */
}

static void is_killed(void **state)
{
	kill(getpid(), SIGKILL);
}

static void passes(void *arg)
{
	atomic_fetch_add(&seen[2], 1);
}

static void runs_a_loop(void **state)
{
	run_co(passes, NULL);
}

/* In a child, since it prints failures that are none. */
static int failures_of(const unit_group *g)
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

		dup2(null, STDOUT_FILENO);
		dup2(null, STDERR_FILENO);
		_exit(unit_run_group(g));
	}
	assert_int_equal(uninterrupted(waitpid(pid, &status, 0)), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int share(void **state)
{
	seen = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	return seen == MAP_FAILED ? -1 : 0;
}

static int unshare_it(void **state)
{
	return munmap(seen, 4096);
}

static void tests_behind_a_failed_one_run_in_a_fresh_process(void **state)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(runs_a_loop),
		cmocka_unit_test(fails_in_a_running_loop),
		cmocka_unit_test(runs_a_loop),
		cmocka_unit_test(is_killed),
		cmocka_unit_test(ends_its_process),
		cmocka_unit_test(runs_a_loop),
		cmocka_unit_test(fails_in_a_running_loop),
	};
	const unit_group g = { tests, 7, count_setup, count_teardown };

	assert_int_equal(failures_of(&g), 4);
	assert_int_equal(atomic_load(&seen[2]), 3);
	assert_int_equal(atomic_load(&seen[0]), 4); /* one for each process */
	assert_int_equal(atomic_load(&seen[1]), 2); /* two had none: they were ended */
}

static void tests_that_pass_share_a_process(void **state)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(runs_a_loop),
		cmocka_unit_test(runs_a_loop),
	};
	const unit_group g = { tests, 2, count_setup, count_teardown };

	assert_int_equal(failures_of(&g), 0);
	assert_int_equal(atomic_load(&seen[2]), 2);
	assert_int_equal(atomic_load(&seen[0]), 1);
	assert_int_equal(atomic_load(&seen[1]), 1);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, share, unshare_it)
	const struct CMUnitTest tests[] = {
		T(tests_behind_a_failed_one_run_in_a_fresh_process),
		T(tests_that_pass_share_a_process),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
