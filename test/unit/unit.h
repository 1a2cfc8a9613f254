/* What every unit test needs: cmocka and its headers, the check that broken
 * invariants end the process, and a fresh process for the tests behind one that
 * failed.  Included first by each test file. */
#ifndef UNIT_H
#define UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/sanitizer.h"

/* How many times slower than usual code may run: bounds of time are multiplied
 * by it, never dropped. */
#define UNIT_SLOWDOWN (MO_TSAN ? 20 : MO_ASAN ? 5 : 1)

/* cmocka 2 has ranges with a type, and calls those without one deprecated. */
#ifndef assert_int_in_range
#define assert_int_in_range(value, minimum, maximum) assert_in_range(value, minimum, maximum)
#endif

/* A call that waits, made again when a signal interrupted it.  The kernel does that
 * itself, but not where a time limits the waiting (SO_RCVTIMEO, poll), and there a
 * call fails with EINTR without any signal, too: when an io_uring of libuv's is
 * closed, for one. */
#define uninterrupted(call) TEMP_FAILURE_RETRY(call)

/* CPU time of this process in seconds: what others do on the machine is left out. */
static inline double cpu_seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

#define skip_because(reason)                                                                       \
	do {                                                                                       \
		print_message("skipped: %s\n", reason);                                            \
		skip();                                                                            \
	} while (0)

/* Runs fn in a child, with its stderr closed; true when abort() ended it. */
static inline bool dies(void (*fn)(void))
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		struct rlimit none = { 0, 0 };
		int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

		setrlimit(RLIMIT_CORE, &none);
		dup2(null, STDERR_FILENO);
		signal(SIGABRT, SIG_DFL);
		fn();
		_exit(0);
	}
	assert_int_equal(uninterrupted(waitpid(pid, &status, 0)), pid);
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

/* ---- the tests of a program ----------------------------------------------
 *
 * A failed test jumps out of whatever it was in: a running loop, a coroutine's
 * stack, a lock.  What it leaves behind cannot be put in order, so its process runs
 * no other test: the tests run in a child, and another child goes on behind the one
 * that failed.  A child that a signal ends counts as one failed test, by name. */

typedef struct unit_group {
	const struct CMUnitTest *tests;
	size_t count;
	CMFixtureFunction setup, teardown; /* once in each child; they use no state */
} unit_group;

/* From *at on, up to the first that fails; *at is the one that runs.  The number of
 * failures: 0 or 1, or more when a fixture fails as well. */
static inline int unit_run_child(const unit_group *g, volatile size_t *at)
{
	CMFixtureFunction setup = g->setup;
	int failed = 0;

	for (; *at < g->count && failed == 0; (*at)++) {
		const struct CMUnitTest *t = &g->tests[*at];

		failed = _cmocka_run_group_tests(t->name, t, 1, setup,
						 *at + 1 == g->count ? g->teardown : NULL);
		setup = NULL;
	}
	if (failed && *at < g->count && g->teardown)
		(void)g->teardown(NULL);
	return failed;
}

static inline void unit_be_child(const unit_group *g, volatile size_t *at)
{
	int failed;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	failed = unit_run_child(g, at);
	if (!failed)
		exit(0); /* the sanitizers look for leaks */
	fflush(NULL);
	_exit(failed < 100 ? failed : 100);
}

static inline int unit_run_group(const unit_group *g)
{
	volatile size_t *at =
		mmap(NULL, sizeof(*at), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int status, failed = 0;

	if (at == MAP_FAILED)
		return 1;
	for (*at = 0; *at < g->count;) {
		size_t first = *at;
		pid_t pid;

		fflush(NULL);
		pid = fork();
		if (pid == 0)
			unit_be_child(g, at);
		if (pid < 0 || uninterrupted(waitpid(pid, &status, 0)) != pid)
			return failed + 1;
		if (status == 0 && *at == g->count)
			break;
		failed += WIFEXITED(status) && WEXITSTATUS(status) ? WEXITSTATUS(status) : 1;
		if (WIFEXITED(status) && *at > first)
			continue; /* cmocka has told */
		if (*at < g->count)
			printf("[  FAILED  ] 1 test(s): %s ended the process (status %#x)\n",
			       g->tests[*at].name, (unsigned)status);
		(*at)++;
	}
	munmap((void *)at, sizeof(*at));
	return failed;
}

#undef cmocka_run_group_tests
#define cmocka_run_group_tests(group, set_up_, tear_down_)                                         \
	unit_run_group(&(unit_group){                                                              \
		.tests = (group),                                                                  \
		.count = sizeof(group) / sizeof((group)[0]),                                       \
		.setup = (set_up_),                                                                \
		.teardown = (tear_down_),                                                          \
	})

#endif
