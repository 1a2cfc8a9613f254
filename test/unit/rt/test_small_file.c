/* Small files as a whole: in pieces, interrupted, too long, missing. */
#include "unit.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rt/small_file.h"

static char dir[] = "/tmp/molt-test-small-file-XXXXXX";
static char path[64];
static pthread_t reader;
static _Atomic int interrupted;

static int set_up(void **state)
{
	strcpy(dir + sizeof(dir) - 7, "XXXXXX");
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/file", dir);
	return 0;
}

static int tear_down(void **state)
{
	unlink(path);
	rmdir(dir);
	return 0;
}

static void put(const char *text, size_t n)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_int_equal(write(fd, text, n), n);
	close(fd);
}

static void it_is_read_to_its_end_with_a_nul_behind_it(void **state)
{
	char text[8] = "xxxxxxx";

	put("12345", 5);
	assert_int_equal(mo_read_small(path, text, sizeof(text)), 5);
	assert_string_equal(text, "12345");
	assert_true(mo_read_small_in(dir, "file", text, sizeof(text)));
}

static void of_a_long_one_the_beginning_is_read(void **state)
{
	char text[5];

	put("123456789", 9);
	assert_int_equal(mo_read_small(path, text, sizeof(text)), 4);
	assert_string_equal(text, "1234");
	assert_int_equal(mo_read_small(path, text, 1), 0);
	assert_string_equal(text, "");
}

static void one_that_is_missing_or_empty_gives_an_empty_text(void **state)
{
	char text[8] = "xxxxxxx";

	assert_int_equal(mo_read_small(path, text, sizeof(text)), -ENOENT);
	assert_string_equal(text, "");
	strcpy(text, "xxxx");
	assert_int_equal(mo_read_small(dir, text, sizeof(text)), -EISDIR);
	assert_string_equal(text, "");
	put("", 0);
	assert_int_equal(mo_read_small(path, text, sizeof(text)), 0);
	assert_false(mo_read_small_in(dir, "file", text, sizeof(text)));
	assert_false(mo_read_small_in(dir, "no file", text, sizeof(text)));
}

static void on_signal(int number)
{
	interrupted = 1;
}

/* A piece, a signal while the reader waits for the next, and that. */
static void *write_pieces(void *unused)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	assert_int_equal(write(fd, "one ", 4), 4);
	while (!interrupted) {
		usleep(1000);
		pthread_kill(reader, SIGUSR2);
	}
	assert_int_equal(write(fd, "two", 3), 3);
	close(fd);
	return NULL;
}

static void pieces_and_signals_between_them_make_no_difference(void **state)
{
	struct sigaction act = { .sa_handler = on_signal }; /* without SA_RESTART */
	char text[64];
	pthread_t writer;

	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(sigaction(SIGUSR2, &act, NULL), 0);
	reader = pthread_self();
	assert_int_equal(pthread_create(&writer, NULL, write_pieces, NULL), 0);
	assert_int_equal(mo_read_small(path, text, sizeof(text)), 7);
	assert_string_equal(text, "one two");
	pthread_join(writer, NULL);
	assert_true(interrupted);
}

/* The name of a process may hold what looks like the rest of the line. */
static void the_state_of_a_process_is_behind_its_name(void **state)
{
	pid_t child, pgrp = 0;
	char found = 0;
	int status;

	child = fork();
	if (child == 0) {
		prctl(PR_SET_NAME, ") R 1 (");
		raise(SIGSTOP);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, WUNTRACED), child);
	assert_true(mo_process_state(child, &found, &pgrp));
	assert_int_equal(found, 'T');
	assert_int_equal(pgrp, getpgrp());
	kill(child, SIGKILL);
	waitpid(child, &status, 0);
	assert_false(mo_process_state(child, &found, NULL));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(it_is_read_to_its_end_with_a_nul_behind_it),
		T(of_a_long_one_the_beginning_is_read),
		T(one_that_is_missing_or_empty_gives_an_empty_text),
		T(pieces_and_signals_between_them_make_no_difference),
		cmocka_unit_test(the_state_of_a_process_is_behind_its_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
