/* Promises of base/outlet.h. */
#include "unit.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>

#include "base/buf.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/outlet.h"
#include "base/str.h"

#define MINUTE ((molt_time)60000)

static int ends[2];
static mo_outlet *outlet;

static int on_a_pipe(void **state)
{
	if (pipe2(ends, O_CLOEXEC) < 0)
		return 1;
	outlet = mo_outlet_new(ends[1], NULL, NULL);
	return 0;
}

static int close_pipe(void **state)
{
	mo_outlet_free(outlet);
	return close(ends[0]);
}

static void add_line(int number)
{
	char line[128];
	int n = snprintf(line, sizeof(line), "line %d of a log that somebody may not read\n",
			 number);

	mo_outlet_add(outlet, line, (size_t)n);
}

static void read_some(mo_buf *got)
{
	ssize_t n;

	mo_buf_reserve(got, 65536);
	n = read(ends[0], got->data + got->len, 65536);
	assert_true(n > 0);
	got->len += (size_t)n;
}

int __real_pthread_mutex_trylock(pthread_mutex_t *lock);
int __wrap_pthread_mutex_trylock(pthread_mutex_t *lock);

static int held; /* so many times the next locks are found taken */

int __wrap_pthread_mutex_trylock(pthread_mutex_t *lock)
{
	if (held == 0)
		return __real_pthread_mutex_trylock(lock);
	held--;
	return EBUSY;
}

/* Others have an outlet's lock, or that of the list, for moments, as a writer does: a flush of
 * all in such a moment must not leave the outlet out. */
static void a_flush_of_all_leaves_nothing_behind(void **state)
{
	for (int tries = 0; tries < 50; tries++) {
		struct pollfd p = { .fd = ends[0], .events = POLLIN };
		char line[256];

		add_line(tries);
		held = tries;
		mo_outlets_flush(MINUTE, MINUTE);
		assert_int_equal(held, 0);
		assert_int_equal(poll(&p, 1, 0), 1);
		assert_true(read(ends[0], line, sizeof(line)) > 0);
	}
}

/* Reads up to the text, which must come. */
static void read_up_to(mo_buf *got, const char *text)
{
	do
		read_some(got);
	while (!strstr(mo_buf_cstr(got), text));
}

static void lines_come_in_their_order(void **state)
{
	mo_buf got = { 0 };
	const char *at;

	for (int i = 0; i < 1000; i++)
		add_line(i);
	read_up_to(&got, "line 999 of a log that somebody may not read\n");
	at = got.data;
	for (int i = 0; i < 1000; i++) {
		char begin[32];

		snprintf(begin, sizeof(begin), "line %d of", i);
		assert_memory_equal(at, begin, strlen(begin));
		at = strchr(at, '\n') + 1;
	}
	assert_true(mo_outlet_flush(outlet, MINUTE, MINUTE));
	mo_buf_free(&got);
}

/* How many lines a text accounts for: those that are there whole, and those that it says are
 * missing. */
static size_t accounted(const char *text, uint64_t *missing)
{
	static const char word[] = ": [WARN] lines missing here: ";
	size_t lines = 0;
	const char *end;

	*missing = 0;
	for (const char *p = text; (end = strchr(p, '\n')); p = end + 1) {
		const char *told = memmem(p, (size_t)(end - p), word, strlen(word));

		if (!told) {
			lines++;
			continue;
		}
		*missing += strtoull(told + strlen(word), NULL, 10);
		assert_memory_equal(end - 45, "; they came faster than they could be written", 45);
	}
	return lines;
}

/* Nobody reads: whoever logs goes on.  Then somebody does: all are there or counted. */
static void a_stalled_reader_holds_up_nobody_and_learns_how_many_are_missing(void **state)
{
	uint64_t before = mo_outlets_lost();
	mo_buf got = { 0 };
	uint64_t missing = 0;
	size_t lines = 0;
	int n = 0;

	for (size_t bytes = 0; bytes < 3 * MO_OUTLET_MOST; bytes += 43)
		add_line(n++);
	assert_false(mo_outlet_flush(outlet, 10, 10));
	while (lines + missing < (size_t)n) {
		read_some(&got);
		lines = accounted(mo_buf_cstr(&got), &missing);
	}
	assert_int_equal(lines + missing, n);
	assert_true(missing > 0);
	assert_int_equal(mo_outlets_lost() - before, missing);
	assert_true(lines > MO_OUTLET_MOST / 50);
	got.len = 0;
	add_line(n);
	read_up_to(&got, "\n");
	assert_int_equal(strtol(got.data + 5, NULL, 10), n);
	mo_buf_free(&got);
}

static void *read_slowly(void *arg)
{
	mo_buf *got = arg;

	for (;;) {
		ssize_t n;

		mo_buf_reserve(got, 100);
		n = read(ends[0], got->data + got->len, 100);
		if (n <= 0)
			return NULL;
		got->len += (size_t)n;
	}
}

/* Two descriptors of one pipe, as two processes have it. */
static void lines_of_two_that_share_a_pipe_never_mix(void **state)
{
	mo_outlet *others[2] = { mo_outlet_new(dup(ends[1]), NULL, NULL),
				 mo_outlet_new(dup(ends[1]), NULL, NULL) };
	static const char *const names[2] = { "aaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n",
					      "bbbbbbbbbbbbbbbbbbbbbbbbbbbbb\n" };
	mo_buf got = { 0 };
	pthread_t reader;

	mo_outlet_free(outlet);
	pthread_create(&reader, NULL, read_slowly, &got);
	for (int i = 0; i < 20000; i++)
		for (int k = 0; k < 2; k++)
			mo_outlet_add(others[k], names[k], 30);
	mo_outlet_free(others[0]);
	mo_outlet_free(others[1]);
	pthread_join(reader, NULL);
	assert_int_equal(got.len, 2 * 20000 * 30);
	for (size_t i = 0; i < got.len; i += 30)
		assert_memory_equal(got.data + i, names[got.data[i] == 'b'], 30);
	mo_buf_free(&got);
	outlet = NULL;
}

static void a_pipe_that_somebody_made_non_blocking_loses_nothing(void **state)
{
	mo_buf got = { 0 };
	int lines = 0;

	assert_int_equal(fcntl(ends[1], F_SETFL, O_NONBLOCK), 0);
	for (int i = 0; i < 5000; i++) /* more than a pipe holds */
		add_line(i);
	read_up_to(&got, "line 4999 of a log that somebody may not read\n");
	for (const char *p = got.data; (p = strchr(p, '\n')); p++)
		lines++;
	assert_int_equal(lines, 5000);
	assert_int_equal(fcntl(ends[1], F_GETFL) & O_NONBLOCK, O_NONBLOCK);
	mo_buf_free(&got);
}

static void an_outlet_that_is_freed_writes_what_it_has(void **state)
{
	mo_buf got = { 0 };

	for (int i = 0; i < 5000; i++)
		add_line(i);
	mo_outlet_free(outlet);
	outlet = NULL;
	read_up_to(&got, "line 4999 of a log that somebody may not read\n");
	assert_int_equal(read(ends[0], (char[1]){ 0 }, 1), 0); /* and closes */
	mo_buf_free(&got);
}

static sem_t may_go_on, has_begun;

static void wait_for_the_disk(void *unused)
{
	sem_post(&has_begun);
	uninterrupted(sem_wait(&may_go_on));
}

static void tell_end(void *unused)
{
	sem_post(&has_begun);
}

static const mo_outlet_hooks slow = { .before = wait_for_the_disk, .end = tell_end };

/* A disk that hangs, in the place where a new file is opened. */
static void a_slow_disk_holds_up_nobody(void **state)
{
	mo_outlet *o = mo_outlet_new(dup(ends[1]), &slow, NULL);
	int other[2];
	char got[8] = "";

	sem_init(&may_go_on, 0, 0);
	sem_init(&has_begun, 0, 0);
	assert_int_equal(pipe2(other, O_CLOEXEC), 0);
	mo_outlet_add(o, "one\n", 4);
	uninterrupted(sem_wait(&has_begun));
	mo_outlet_add(o, "two\n", 4);
	mo_outlet_set_fd(o, other[1]);
	mo_outlet_free(o);
	sem_post(&may_go_on);
	uninterrupted(sem_wait(&has_begun)); /* "two" */
	assert_int_equal(read(other[0], got, 4), 4);
	assert_string_equal(got, "one\n");
	sem_post(&may_go_on);
	uninterrupted(sem_wait(&has_begun)); /* the end */
	assert_int_equal(read(other[0], got, 4), 4);
	assert_string_equal(got, "two\n");
	close(other[0]);
}

static void fill(int fd)
{
	static char bytes[65536];

	fcntl(fd, F_SETFL, O_NONBLOCK);
	while (write(fd, bytes, sizeof(bytes)) > 0)
		continue;
	while (write(fd, bytes, 1) > 0)
		continue;
	fcntl(fd, F_SETFL, 0);
}

static void wait_for_a_processor(void *unused)
{
	usleep(200000);
}

static const mo_outlet_hooks late = { .before = wait_for_a_processor };

/* Nobody keeps the line back: its thread comes late, as on a busy machine. */
static void a_thread_that_comes_late_is_waited_for(void **state)
{
	mo_outlet *o = mo_outlet_new(dup(ends[1]), &late, NULL);
	char got[8] = "";

	mo_outlet_add(o, "one\n", 4);
	assert_true(mo_outlet_flush(o, MINUTE, 5));
	assert_int_equal(read(ends[0], got, 4), 4);
	fill(ends[1]);
	mo_outlet_add(o, "two\n", 4);
	assert_false(mo_outlet_flush(o, MINUTE, 5)); /* but not a reader */
	close(ends[0]);
	ends[0] = dup(ends[1]);
	mo_outlet_free(o);
}

static void a_child_of_fork_writes_its_own_lines_only(void **state)
{
	mo_buf got = { 0 };
	int status;
	pid_t pid;

	for (int i = 0; i < 20; i++)
		add_line(1);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		add_line(2);
		mo_exit_now(7);
	}
	assert_int_equal(uninterrupted(waitpid(pid, &status, 0)), pid);
	assert_int_equal(WEXITSTATUS(status), 7);
	add_line(3);
	read_up_to(&got, "line 3 of a log that somebody may not read\n");
	assert_int_equal(got.len, 22 * 43);
	assert_string_equal(got.data + 20 * 43, "line 2 of a log that somebody may not read\n"
						"line 3 of a log that somebody may not read\n");
	mo_buf_free(&got);
}

static void end_by_exit(void)
{
	add_line(1);
	exit(0);
}

static void end_by_a_fault(void)
{
	add_line(1);
	MO_CHECK(!outlet);
}

static void the_last_line_is_written(void (*fn)(void))
{
	char got[64];
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), STDERR_FILENO);
		signal(SIGABRT, SIG_DFL);
		fn();
	}
	assert_int_equal(uninterrupted(waitpid(pid, NULL, 0)), pid);
	assert_int_equal(read(ends[0], got, sizeof(got)), 43);
}

static void the_last_line_before_an_end_is_written(void **state)
{
	the_last_line_is_written(end_by_exit);
	the_last_line_is_written(end_by_a_fault);
}

static void last_words(void)
{
	add_line(1);
	dup2(ends[1], STDERR_FILENO);
	MO_CHECK(!outlet);
}

static void a_process_whose_reader_stalls_can_end(void **state)
{
	int status;
	pid_t pid;

	fill(ends[1]);
	assert_true(dies(last_words));
	pid = fork();
	if (pid == 0) {
		add_line(1);
		exit(5);
	}
	assert_int_equal(uninterrupted(waitpid(pid, &status, 0)), pid);
	assert_int_equal(WEXITSTATUS(status), 5);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, on_a_pipe, close_pipe)
	const struct CMUnitTest tests[] = {
		T(lines_come_in_their_order),
		T(a_flush_of_all_leaves_nothing_behind),
		T(a_stalled_reader_holds_up_nobody_and_learns_how_many_are_missing),
		T(lines_of_two_that_share_a_pipe_never_mix),
		T(a_pipe_that_somebody_made_non_blocking_loses_nothing),
		T(an_outlet_that_is_freed_writes_what_it_has),
		T(a_slow_disk_holds_up_nobody),
		T(a_thread_that_comes_late_is_waited_for),
		T(a_child_of_fork_writes_its_own_lines_only),
		T(the_last_line_before_an_end_is_written),
		T(a_process_whose_reader_stalls_can_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
