/* What every unit test needs: cmocka and its headers, and the check that broken
 * invariants end the process.  Included first by each test file. */
#ifndef UNIT_H
#define UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <sys/wait.h>
#include <unistd.h>

/* How many times slower than usual code may run: bounds of time are multiplied
 * by it, never dropped. */
#if defined(__SANITIZE_THREAD__)
#define UNIT_SLOWDOWN 20
#elif defined(__SANITIZE_ADDRESS__)
#define UNIT_SLOWDOWN 5
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define UNIT_SLOWDOWN 20
#elif __has_feature(address_sanitizer)
#define UNIT_SLOWDOWN 5
#endif
#endif
#ifndef UNIT_SLOWDOWN
#define UNIT_SLOWDOWN 1
#endif

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
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

#endif
