/* A process is its descriptor, whoever has its number (gen/os/pidfd.c). */
#include "unit.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gen/os/pidfd.h"

static pid_t child(int status)
{
	pid_t pid = fork();

	if (pid == 0) {
		if (status < 0)
			pause();
		_exit(status);
	}
	return pid;
}

static void await_end(int fd)
{
	while (!mo_pidfd_ended(fd, 0))
		usleep(1000);
}

static void a_child_is_reaped_with_its_status(void **state)
{
	pid_t pid = child(-1);
	int fd = mo_pidfd_open_child(pid), status = 0;

	assert_true(fd >= 0);
	assert_int_equal(mo_pidfd_reap(fd, pid, &status), 0);
	assert_int_equal(mo_pidfd_signal(fd, pid, SIGTERM), 0);
	await_end(fd);
	assert_int_equal(mo_pidfd_reap(fd, pid, &status), 1);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGTERM);
	close(fd);
	pid = child(7);
	fd = mo_pidfd_open_child(pid);
	await_end(fd);
	assert_int_equal(mo_pidfd_reap(fd, pid, &status), 1);
	assert_int_equal(WEXITSTATUS(status), 7);
	close(fd);
}

/* The number is another child's now, as after others have reaped ours. */
static void who_has_its_number_later_is_left_alone(void **state)
{
	pid_t pid = child(0), stranger = child(-1);
	int fd = mo_pidfd_open_child(pid), status = 0;

	assert_int_equal(uninterrupted(waitpid(pid, &status, 0)), pid);
	assert_true(mo_pidfd_ended(fd, stranger));
	assert_int_equal(mo_pidfd_signal(fd, stranger, SIGKILL), -ESRCH);
	assert_int_equal(mo_pidfd_reap(fd, stranger, &status), -ECHILD);
	assert_int_equal(waitpid(stranger, &status, WNOHANG), 0);
	kill(stranger, SIGKILL);
	assert_int_equal(uninterrupted(waitpid(stranger, &status, 0)), stranger);
	close(fd);
}

static void one_that_others_have_reaped_is_not_ours(void **state)
{
	pid_t pid = child(0);

	assert_int_equal(uninterrupted(waitpid(pid, NULL, 0)), pid);
	errno = 0;
	assert_int_equal(mo_pidfd_open_child(pid), -1);
	assert_int_equal(errno, ESRCH);
	assert_int_equal(mo_pidfd_open_child(getppid()), -1); /* no child */
	assert_int_equal(errno, ESRCH);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_child_is_reaped_with_its_status),
		cmocka_unit_test(who_has_its_number_later_is_left_alone),
		cmocka_unit_test(one_that_others_have_reaped_is_not_ours),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
