/* Promises of counting CPUs: rt/cpu.h. */
#include "rt_unit.h"

#include <ftw.h>
#include <sched.h>
#include <sys/stat.h>

#include "rt/cpu.h"
#include "rt/ram.h"

static void a_quota_is_rounded_up_to_whole_cpus(void **state)
{
	assert_int_equal(mo_cpu_of_quota(50000, 100000), 1);
	assert_int_equal(mo_cpu_of_quota(100000, 100000), 1);
	assert_int_equal(mo_cpu_of_quota(100001, 100000), 2);
	assert_int_equal(mo_cpu_of_quota(400000, 100000), 4);
	assert_int_equal(mo_cpu_of_quota(-1, 100000), 0);
	assert_int_equal(mo_cpu_of_quota(0, 100000), 0);
	assert_int_equal(mo_cpu_of_quota(100000, 0), 0);
	assert_true(mo_cpu_of_quota(INT64_MAX, 1) > 0);
}

static void cpu_max_is_read(void **state)
{
	assert_int_equal(mo_cpu_of_max("max 100000\n"), 0);
	assert_int_equal(mo_cpu_of_max("150000 100000\n"), 2);
	assert_int_equal(mo_cpu_of_max("250000\n"), 3);
	assert_int_equal(mo_cpu_of_max("200000 50000"), 4);
	assert_int_equal(mo_cpu_of_max(""), 0);
	assert_int_equal(mo_cpu_of_max("-5 100000"), 0);
	assert_int_equal(mo_cpu_of_max("1 x"), 0);
	assert_int_equal(mo_cpu_of_max("99999999999999999999999 100000"), 0);
}

static const char hybrid[] = "12:pids:/user.slice\n"
			     "5:cpu,cpuacct:/docker/abc\n"
			     "3:cpuset:/set\n"
			     "0::/init.scope\n";

static void the_group_is_found_in_its_hierarchy(void **state)
{
	char path[64];

	assert_true(mo_cpu_group(hybrid, NULL, path, sizeof(path)));
	assert_string_equal(path, "/init.scope");
	assert_true(mo_cpu_group(hybrid, "cpu", path, sizeof(path)));
	assert_string_equal(path, "/docker/abc");
	assert_true(mo_cpu_group(hybrid, "cpuset", path, sizeof(path)));
	assert_string_equal(path, "/set");
	assert_false(mo_cpu_group(hybrid, "memory", path, sizeof(path)));
	assert_true(mo_cpu_group("0::/", NULL, path, sizeof(path)));
	assert_string_equal(path, "/");
}

static void a_group_that_does_not_fit_or_makes_no_sense_is_none(void **state)
{
	char path[8];

	assert_false(mo_cpu_group("0::/a-long-path\n", NULL, path, sizeof(path)));
	assert_false(mo_cpu_group("", NULL, path, sizeof(path)));
	assert_false(mo_cpu_group("0:\n:::\n0::relative\n", NULL, path, sizeof(path)));
}

/* ---- a tree of groups --------------------------------------------------- */

static char root[64];

static int make_root(void **state)
{
	snprintf(root, sizeof(root), "%s/molt-cpu-XXXXXX", P_tmpdir);
	return mkdtemp(root) ? 0 : -1;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *f)
{
	return remove(path);
}

static int remove_root(void **state)
{
	return nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void put(const char *dir, const char *file, const char *text)
{
	char path[256];
	FILE *f;

	snprintf(path, sizeof(path), "%s%s", root, dir);
	mkdir(path, 0700);
	snprintf(path, sizeof(path), "%s%s/%s", root, dir, file);
	f = fopen(path, "we");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void the_least_limit_on_the_way_up_counts(void **state)
{
	put("/a", "cpu.max", "200000 100000\n");
	put("/a/b", "cpu.max", "max 100000\n");
	put("/a/b/c", "cpu.max", "500000 100000\n");
	assert_int_equal(mo_cpu_limit_v2(root, "/a/b/c"), 2);
	assert_int_equal(mo_cpu_limit_v2(root, "/a/b"), 2);
	assert_int_equal(mo_cpu_limit_v2(root, "/"), 0);
	put("", "cpu.max", "100000 100000\n");
	assert_int_equal(mo_cpu_limit_v2(root, "/a/b/c"), 1);
	assert_int_equal(mo_cpu_limit_v2(root, "/"), 1);
}

static void a_path_that_is_not_there_leads_to_the_mount(void **state)
{
	put("", "cpu.max", "300000 100000\n");
	assert_int_equal(mo_cpu_limit_v2(root, "/docker/of/the/host"), 3);
	assert_int_equal(mo_cpu_limit_v2(root, "/../../.."), 3);
}

static void version_1_has_two_files(void **state)
{
	put("/x", "cpu.cfs_quota_us", "-1\n");
	put("/x", "cpu.cfs_period_us", "100000\n");
	assert_int_equal(mo_cpu_limit_v1(root, "/x"), 0);
	put("/x/y", "cpu.cfs_quota_us", "120000\n");
	assert_int_equal(mo_cpu_limit_v1(root, "/x/y"), 0); /* no period */
	put("/x/y", "cpu.cfs_period_us", "100000\n");
	assert_int_equal(mo_cpu_limit_v1(root, "/x/y"), 2);
}

/* ---- the process -------------------------------------------------------- */

static void the_least_limit_of_memory_counts(void **state)
{
	put("/a", "memory.max", "8000000\n");
	put("/a/b", "memory.max", "max\n");
	assert_int_equal(mo_ram_limit_of_group(root, "/a/b", "memory.max"), 8000000);
	assert_int_equal(mo_ram_limit_of_group(root, "/../..", "memory.max"), UINT64_MAX);
	put("", "memory.max", "5000000\n");
	assert_int_equal(mo_ram_limit_of_group(root, "/a/b", "memory.max"), 5000000);
	assert_int_in_range(mo_ram_limit(), 1 << 20, UINT64_MAX / 2);
}

static void the_affinity_mask_is_a_limit(void **state)
{
	cpu_set_t all, one;

	assert_int_equal(sched_getaffinity(0, sizeof(all), &all), 0);
	assert_int_in_range(mo_cpu_count(), 1, CPU_COUNT(&all));
	CPU_ZERO(&one);
	for (size_t i = 0; i < CPU_SETSIZE; i++) {
		if (CPU_ISSET(i, &all)) {
			CPU_SET(i, &one);
			break;
		}
	}
	assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
	assert_int_equal(mo_cpu_count(), 1);
	sched_setaffinity(0, sizeof(all), &all);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_quota_is_rounded_up_to_whole_cpus),
		cmocka_unit_test(cpu_max_is_read),
		cmocka_unit_test(the_group_is_found_in_its_hierarchy),
		cmocka_unit_test(a_group_that_does_not_fit_or_makes_no_sense_is_none),
		cmocka_unit_test_setup_teardown(the_least_limit_on_the_way_up_counts, make_root,
						remove_root),
		cmocka_unit_test_setup_teardown(a_path_that_is_not_there_leads_to_the_mount,
						make_root, remove_root),
		cmocka_unit_test_setup_teardown(version_1_has_two_files, make_root, remove_root),
		cmocka_unit_test_setup_teardown(the_least_limit_of_memory_counts, make_root,
						remove_root),
		cmocka_unit_test(the_affinity_mask_is_a_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
