/* Promises of web/files/beneath.c, each for openat2(2) and for the walk without it. */
#include "unit.h"

#include <errno.h>
#include <ftw.h>
#include <sys/socket.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/mem.h"
#include "web/files/beneath.h"

static char *top, *root; /* root is top/root; top/secret lies outside */

static void put(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0644);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, path, strlen(path)), strlen(path));
	close(fd);
}

static int set_up(void **state)
{
	char template[] = "/tmp/molt-beneath-XXXXXX";

	assert_non_null(mkdtemp(template));
	top = mo_strdup(template);
	root = mo_fmt("%s/root", top);
	assert_int_equal(mkdir(root, 0755), 0);
	assert_int_equal(chdir(root), 0);
	assert_int_equal(mkdir("dir", 0755), 0);
	assert_int_equal(mkdir("dir/sub", 0755), 0);
	put("../secret");
	put("file");
	put("dir/sub/deep");
	assert_int_equal(symlink("../secret", "out"), 0);
	assert_int_equal(symlink("/etc", "absolute"), 0);
	assert_int_equal(symlink("..", "dir/up"), 0);
	assert_int_equal(symlink("../..", "dir/outside"), 0);
	assert_int_equal(symlink("loop", "loop"), 0);
	assert_int_equal(symlink("file", "inside"), 0);
	assert_int_equal(symlink("/proc/self/root", "magic"), 0);
	return 0;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
	return remove(path);
}

static int tear_down(void **state)
{
	assert_int_equal(chdir("/"), 0);
	nftw(top, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	free(top);
	free(root);
	return 0;
}

/* 0 when path could be opened, else -errno. */
static int by_kernel(const char *path, int flags)
{
	int fd = mo_open_beneath(root, path, flags);

	return fd < 0 ? fd : close(fd);
}

static int by_walk(const char *path, int flags)
{
	int dir = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int fd = mo_walk_beneath(dir, path, flags);

	assert_int_equal(close(dir), 0);
	return fd < 0 ? fd : close(fd);
}

static int (*const ways[])(const char *, int) = { by_kernel, by_walk };

static void files_and_directories_below_are_opened(void **state)
{
	for (int i = 0; i < 2; i++) {
		assert_int_equal(ways[i]("file", O_RDONLY), 0);
		assert_int_equal(ways[i]("dir/sub/deep", O_RDONLY), 0);
		assert_int_equal(ways[i]("dir//sub/deep", O_RDONLY), 0);
		assert_int_equal(ways[i]("", O_RDONLY), 0);
		assert_int_equal(ways[i]("dir", O_RDONLY), 0);
		assert_int_equal(ways[i]("dir/sub/", O_RDONLY), 0);
		assert_int_equal(ways[i]("dir", O_RDONLY | O_DIRECTORY), 0);
	}
}

static void what_is_not_there_says_so(void **state)
{
	char longest[300], deep[5000];

	memset(longest, 'n', 256);
	longest[256] = '\0';
	memset(deep, 'd', sizeof(deep));
	for (size_t i = 1; i < sizeof(deep); i += 2)
		deep[i] = '/';
	deep[sizeof(deep) - 1] = '\0';
	for (int i = 0; i < 2; i++) {
		assert_int_equal(ways[i]("nothing", O_RDONLY), -ENOENT);
		assert_int_equal(ways[i]("dir/nothing", O_RDONLY), -ENOENT);
		assert_int_equal(ways[i]("file/", O_RDONLY), -ENOTDIR);
		assert_int_equal(ways[i]("file/x", O_RDONLY), -ENOTDIR);
		assert_int_equal(ways[i](longest, O_RDONLY), -ENAMETOOLONG);
		assert_true(ways[i](deep, O_RDONLY) < 0);
	}
	assert_int_equal(mo_open_beneath("/nowhere/at/all", "file", O_RDONLY), -ENOENT);
	assert_int_equal(mo_open_beneath("/dev/null", "file", O_RDONLY), -ENOTDIR);
}

static void no_path_leads_outside(void **state)
{
	static const char *const paths[] = {
		"../secret",
		"..",
		"dir/../../secret",
		"dir/sub/../../../secret",
		"out",
		"absolute/passwd",
		"absolute",
		"dir/outside/secret",
		"dir/up/../secret",
		"/etc/passwd",
		"loop",
		"loop/x",
		"magic/etc/passwd",
		"magic",
		"//etc/passwd",
	};

	for (size_t p = 0; p < sizeof(paths) / sizeof(paths[0]); p++)
		for (int i = 0; i < 2; i++)
			if (ways[i](paths[p], O_RDONLY) == 0)
				fail_msg("way %d opened \"%s\"", i, paths[p]);
}

static void links_that_stay_below_are_followed_by_the_kernel_alone(void **state)
{
	int rc = by_kernel("inside", O_RDONLY);

	/* Without openat2(2) none is followed. */
	assert_true(rc == 0 || rc == -ELOOP);
	if (rc == 0)
		assert_int_equal(by_kernel("dir/up/file", O_RDONLY), 0);
	assert_int_equal(by_walk("inside", O_RDONLY), -ELOOP);
	assert_true(by_walk("dir/up/file", O_RDONLY) < 0);
}

static void a_switched_link_to_the_root_is_served_at_once(void **state)
{
	char *link = mo_fmt("%s/current", top), *next = mo_fmt("%s/next", top);
	int fd;

	assert_int_equal(symlink("root", link), 0);
	fd = mo_open_beneath(link, "file", O_RDONLY);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(mkdir(next, 0755), 0);
	assert_int_equal(unlink(link), 0);
	assert_int_equal(symlink("next", link), 0);
	assert_int_equal(mo_open_beneath(link, "file", O_RDONLY), -ENOENT);
	free(link);
	free(next);
}

static void a_fifo_is_not_even_opened(void **state)
{
	int events = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	char room[512];

	assert_int_equal(mkfifo("fifo", 0644), 0);
	assert_true(inotify_add_watch(events, "fifo", IN_OPEN) >= 0);
	assert_int_equal(mo_open_beneath(root, "fifo", O_RDONLY | O_NONBLOCK), -ENXIO);
	assert_int_equal(read(events, room, sizeof(room)), -1);
	assert_int_equal(errno, EAGAIN);
	close(open("fifo", O_RDONLY | O_NONBLOCK | O_CLOEXEC)); /* the watch sees it */
	assert_true(read(events, room, sizeof(room)) > 0);
	close(events);
}

static void a_socket_cannot_be_opened(void **state)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX, .sun_path = "socket" };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	for (int i = 0; i < 2; i++)
		assert_int_equal(ways[i]("socket", O_RDONLY | O_NONBLOCK), -ENXIO);
	close(fd);
}

static int open_count(void)
{
	int n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void nothing_is_left_open_and_all_is_closed_at_exec(void **state)
{
	int before = open_count(), fd;

	files_and_directories_below_are_opened(state);
	what_is_not_there_says_so(state);
	no_path_leads_outside(state);
	assert_int_equal(open_count(), before);
	fd = mo_open_beneath(root, "file", O_RDONLY);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	close(fd);
}

static void dot_files_are_seen_in_any_segment(void **state)
{
	assert_true(mo_path_has_dot(".git/config"));
	assert_true(mo_path_has_dot("a/.htaccess"));
	assert_true(mo_path_has_dot("a/..b"));
	assert_true(mo_path_has_dot(".."));
	assert_false(mo_path_has_dot(""));
	assert_false(mo_path_has_dot("a.b/c..d/e."));
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(files_and_directories_below_are_opened),
		T(what_is_not_there_says_so),
		T(no_path_leads_outside),
		T(links_that_stay_below_are_followed_by_the_kernel_alone),
		T(a_switched_link_to_the_root_is_served_at_once),
		T(a_fifo_is_not_even_opened),
		T(a_socket_cannot_be_opened),
		T(nothing_is_left_open_and_all_is_closed_at_exec),
		cmocka_unit_test(dot_files_are_seen_in_any_segment),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
