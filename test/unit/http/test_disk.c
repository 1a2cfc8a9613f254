/* Promises of rt/disk.h, seen by clients: a file that no cache has is fetched from its disk
 * by a pool thread, and the loop serves others meanwhile.
 *
 * The disk is imitated: the stand-ins for two of libc's calls say that nothing is cached,
 * and let the fetch wait at a gate. */
#include "http_app.h"

#include <fcntl.h>
#include <sys/uio.h>

#include "rt/pool.h"

static struct {
	_Atomic bool cold;
	_Atomic int fetches;
	sem_t reached, gate;
} disk;

ssize_t preadv64v2(int fd, const struct iovec *v, int n, off64_t off, int flags)
{
	if (!atomic_load(&disk.cold))
		return pread(fd, v->iov_base, v->iov_len, off);
	errno = EAGAIN;
	return -1;
}

int posix_fadvise64(int fd, off64_t off, off64_t n, int advice)
{
	struct timespec until;

	atomic_fetch_add(&disk.fetches, 1);
	sem_post(&disk.reached);
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += 3 * WAIT_MS / 1000; /* the test has failed long before */
	while (sem_timedwait(&disk.gate, &until) < 0 && errno == EINTR)
		continue;
	return 0;
}

static int start(void **state)
{
	sem_init(&disk.reached, 0, 0);
	sem_init(&disk.gate, 0, 0);
	atomic_store(&disk.fetches, 0);
	atomic_store(&disk.cold, true);
	return plain_setup(state);
}

static int stop(void **state)
{
	int rc = plain_teardown(state);

	mo_pool_fini();
	sem_destroy(&disk.reached);
	sem_destroy(&disk.gate);
	return rc;
}

static void expect_fetch(void)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += WAIT_MS / 1000;
	assert_int_equal(sem_timedwait(&disk.reached, &until), 0);
}

static int ask_for(const char *target)
{
	char line[256];
	int fd = dial();

	snprintf(line, sizeof(line), "GET %s HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
		 target);
	say(fd, line);
	return fd;
}

static size_t body_of(int fd)
{
	char *all = hear_all(fd, NULL), *body = strstr(all, "\r\n\r\n");
	size_t n = body ? strlen(body + 4) : 0;

	free(all);
	close(fd);
	return n;
}

/* While the fetch of a file of that size waits, another request is answered. */
static void others_are_answered(const char *target, size_t size, int fetches)
{
	int slow = ask_for(target);

	for (int i = 0; i < fetches; i++) {
		expect_fetch();
		assert_int_equal(body_of(ask_for("/hello")), strlen(HELLO_BODY));
		assert_int_equal(atomic_load(&disk.fetches), i + 1);
		sem_post(&disk.gate);
	}
	assert_int_equal(body_of(slow), size);
}

static void a_slow_disk_holds_up_nobody_else_small_file(void **state)
{
	others_are_answered("/file?5000", 5000, 1);
}

static void a_slow_disk_holds_up_nobody_else_large_file(void **state)
{
	others_are_answered("/file?1200000", 1200000, 3);
}

static void what_is_cached_is_not_fetched(void **state)
{
	atomic_store(&disk.cold, false);
	assert_int_equal(body_of(ask_for("/file?5000")), 5000);
	assert_int_equal(body_of(ask_for("/file?1200000")), 1200000);
	assert_int_equal(atomic_load(&disk.fetches), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_slow_disk_holds_up_nobody_else_small_file, start,
						stop),
		cmocka_unit_test_setup_teardown(a_slow_disk_holds_up_nobody_else_large_file, start,
						stop),
		cmocka_unit_test_setup_teardown(what_is_cached_is_not_fetched, start, stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
