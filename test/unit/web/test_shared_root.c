/* Promises of web/files/shared_root.c, and of static.c as far as it shares. */
#include "rt_unit.h"

#include <ftw.h>
#include <sys/stat.h>

#include "descriptors.h"
#include "fake_req.h"
#include "rt/park.h"
#include "web/files/shared_root.h"
#include "web/files/static.h"

#define ROOTS 6

static char top[64], current[80];

static void put(const char *dir, const char *text)
{
	char *path = mo_fmt("%s/%s", top, dir), *file = mo_fmt("%s/x", path);
	int fd;

	assert_int_equal(mkdir(path, 0755), 0);
	fd = open(file, O_WRONLY | O_CREAT, 0644);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	free(path);
	free(file);
}

static void switch_to(const char *dir)
{
	(void)unlink(current);
	assert_int_equal(symlink(dir, current), 0);
}

static int set_up(void **state)
{
	strcpy(top, "/tmp/molt-shared-XXXXXX");
	assert_non_null(mkdtemp(top));
	snprintf(current, sizeof(current), "%s/current", top);
	put("one", "one");
	put("two", "two");
	switch_to("one");
	return 0;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
	return remove(path);
}

static int tear_down(void **state)
{
	nftw(top, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	return 0;
}

static void holds(const char *root, const char *text)
{
	char got[8] = "";
	int fd = mo_open_beneath_shared(root, "x", O_RDONLY);

	assert_true(fd >= 0);
	assert_int_equal(read(fd, got, sizeof(got) - 1), strlen(text));
	assert_string_equal(got, text);
	close(fd);
}

static void in_a_moment(void *arg)
{
	int before = open_descriptors();

	holds(current, "one");
	assert_int_equal(open_descriptors(), before + 1);
	switch_to("two");
	holds(current, "one");
	mo_loop_new_moment(mo_loop_self());
	holds(current, "two");
	assert_int_equal(open_descriptors(), before + 1);
	switch_to("one");
	/* From libuv 1.45 on, timers run behind the events of the same turn. */
	for (int turn = 0; turn < 100 && open_descriptors() != before; turn++)
		mo_co_sleep(1);
	assert_int_equal(open_descriptors(), before);
	holds(current, "one");
}

static void a_root_is_looked_up_once_in_a_moment_and_held_for_the_turn(void **state)
{
	run_co(in_a_moment, NULL);
}

static void nothing_stays(void *arg)
{
	holds(current, "one");
}

static void a_loop_that_ends_closes_what_it_held(void **state)
{
	int before;

	run_co(nothing_stays, NULL); /* what a process's first loop opens for good */
	before = open_descriptors();
	run_co(nothing_stays, NULL);
	assert_int_equal(open_descriptors(), before);
}

static void many_roots(void *arg)
{
	int before = open_descriptors();
	char *names[ROOTS];

	for (int i = 0; i < ROOTS; i++)
		names[i] = mo_fmt("%s/%s", top, i % 2 ? "two" : "one");
	for (int round = 0; round < 3; round++)
		for (int i = 0; i < ROOTS; i++)
			holds(names[i], i % 2 ? "two" : "one");
	assert_true(open_descriptors() <= before + 4);
	mo_co_sleep(1);
	assert_int_equal(open_descriptors(), before);
	for (int i = 0; i < ROOTS; i++)
		free(names[i]);
}

static void any_number_of_roots_is_served_with_a_few_descriptors(void **state)
{
	run_co(many_roots, NULL);
}

static void vanishing(void *arg)
{
	holds(current, "one");
	assert_int_equal(mo_open_beneath_shared(current, "y", O_RDONLY), -ENOENT);
	assert_int_equal(mo_open_beneath_shared(current, "../two/x", O_RDONLY), -EXDEV);
	mo_loop_new_moment(mo_loop_self());
	assert_int_equal(unlink(current), 0);
	assert_int_equal(mo_open_beneath_shared(current, "x", O_RDONLY), -ENOENT);
	switch_to("two");
	holds(current, "two");
}

static void a_root_that_is_not_there_is_looked_for_again(void **state)
{
	run_co(vanishing, NULL);
}

static void without_a_loop_nothing_is_shared(void **state)
{
	holds(current, "one");
	switch_to("two");
	holds(current, "two");
}

/* ---- static.c ---- */

static void switches(molt_req *r)
{
	if (!molt_req_query(r, "stay"))
		switch_to("two");
	molt_next(r);
}

static void answers(molt_server *s, const char *target, const char *text)
{
	fake *f = fake_get(s, target);

	fake_run(f);
	assert_string_equal(fake_body(f), text);
	fake_free(f);
}

static void with_middleware(void *arg)
{
	molt_server *s = fake_server();
	molt_group *g = molt_group_new(molt_routes(s), "/g");

	molt_group_use(g, switches, NULL);
	assert_int_equal(molt_static(molt_routes(s), "/s", current, NULL), 0);
	assert_int_equal(molt_static(g, "/", current, NULL), 0);
	answers(s, "/s/x", "one");
	answers(s, "/g/x?stay=1", "one");
	answers(s, "/g/x", "two");
	answers(s, "/s/x", "one"); /* of the same moment as the first */
	mo_loop_new_moment(mo_loop_self());
	answers(s, "/s/x", "two");
	fake_server_free(s);
}

static void middleware_that_switches_a_release_has_it_served(void **state)
{
	run_co(with_middleware, NULL);
}

#define T(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_root_is_looked_up_once_in_a_moment_and_held_for_the_turn),
		T(a_loop_that_ends_closes_what_it_held),
		T(any_number_of_roots_is_served_with_a_few_descriptors),
		T(a_root_that_is_not_there_is_looked_for_again),
		T(without_a_loop_nothing_is_shared),
		T(middleware_that_switches_a_release_has_it_served),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
