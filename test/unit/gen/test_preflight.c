/* May a successor be started on this machine?  src/gen/os/preflight.c, with a /proc
 * and a /sys of the test's own. */
#include "unit.h"

#include <errno.h>
#include <sys/stat.h>

#include "gen/os/preflight.h"

static char root[64], proc[80], sys[80];

static void put(const char *name, const char *text)
{
	char command[256], path[200];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", root, name);
	snprintf(command, sizeof(command), "mkdir -p $(dirname %s)", path);
	assert_int_equal(system(command), 0);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static int make_root(void **state)
{
	strcpy(root, "/tmp/molt-preflight-XXXXXX");
	if (!mkdtemp(root))
		return -1;
	snprintf(proc, sizeof(proc), "%s/proc", root);
	snprintf(sys, sizeof(sys), "%s/sys", root);
	put("proc/self/status", "Name:\tapp\nVmRSS:\t  150000 kB\nRssAnon:\t  102400 kB\n"
				"RssFile:\t   47600 kB\nRssShmem:\t       0 kB\n");
	put("proc/meminfo",
	    "MemTotal:  8000000 kB\nMemFree:  1000 kB\nMemAvailable:  4000000 kB\n");
	put("proc/self/limits",
	    "Limit                     Soft Limit           Hard Limit\n"
	    "Max open files            1024                 4096       files\n");
	put("proc/self/fd/0", "");
	put("proc/self/fd/1", "");
	put("proc/sys/fs/file-nr", "1000\t0\t100000\n");
	put("app", "#!/bin/sh\n");
	return 0;
}

static int remove_root(void **state)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s", root);
	return system(command);
}

/* The checks with our roots, for the program at root/app. */
static int run(mo_preflight *c, json_t **found, char **why)
{
	mo_program p = { .path = malloc(100) };
	int rc;

	snprintf(p.path, 100, "%s/app", root);
	p.fd = open(p.path, O_RDONLY);
	assert_true(p.fd >= 0);
	*found = json_object();
	*why = NULL;
	rc = mo_preflight_run(c, &p, *found, why);
	close(p.fd);
	free(p.path);
	return rc;
}

static mo_preflight checks(void)
{
	mo_preflight c;

	mo_preflight_init(&c);
	c.proc = proc;
	c.sys = sys;
	return c;
}

static void expect(mo_preflight c, int code, const char *part, const char *advice)
{
	json_t *found;
	char *why;

	assert_int_equal(run(&c, &found, &why), code);
	json_decref(found);
	if (code == 0) {
		assert_null(why);
		return;
	}
	assert_non_null(why);
	if (!strstr(why, part) || !strstr(why, advice))
		fail_msg("\"%s\" does not say \"%s\" and \"%s\"", why, part, advice);
	free(why);
}

static void what_fits_is_let_through_and_told(void **state)
{
	mo_preflight c = checks();
	json_t *found;
	char *why;

	assert_int_equal(run(&c, &found, &why), 0);
	/* Pages of files are shared with the successor: only our own count. */
	assert_int_equal(json_integer_value(json_object_get(found, "memory_needed")),
			 (102400 + 512) * 1024);
	assert_int_equal(json_integer_value(json_object_get(found, "memory_free")),
			 4000000LL * 1024);
	assert_int_equal(json_integer_value(json_object_get(found, "descriptors")), 2);
	assert_int_equal(json_integer_value(json_object_get(found, "descriptors_limit")), 1024);
	json_decref(found);
}

static void a_machine_without_memory_refuses(void **state)
{
	mo_preflight c = checks();

	put("proc/meminfo", "MemAvailable:  102911 kB\n");
	expect(c, -ENOMEM,
	       "100 MiB, of which 100 % are wanted free, and half a MiB for the restart, and the "
	       "machine gives 100 MiB",
	       "preflightMemory");
	put("proc/meminfo", "MemAvailable:  102912 kB\n");
	expect(c, 0, NULL, NULL);
	put("proc/meminfo", "MemAvailable:  51711 kB\n");
	c.memory = 50;
	expect(c, -ENOMEM, "50 %", "make room");
	c.memory = 49;
	expect(c, 0, NULL, NULL);
	c.memory = 0;
	put("proc/meminfo", "MemAvailable:  1 kB\n");
	expect(c, 0, NULL, NULL);
}

/* A cgroup's limit does: tables of pages, and what a thread takes. */
static void what_the_kernel_keeps_for_us_counts(void **state)
{
	mo_preflight c = checks();
	json_t *found;
	char *why;

	put("proc/self/status", "VmPTE:\t      84 kB\nRssAnon:\t     928 kB\n"
				"RssShmem:\t       0 kB\nThreads:\t5\n");
	put("proc/self/cgroup", "0::/a\n");
	put("sys/fs/cgroup/a/memory.max", "2560000\n");
	put("sys/fs/cgroup/a/memory.current", "1310720\n");
	expect(c, -ENOMEM, "the limit of its cgroup gives 1 MiB", "raise the limit");
	put("sys/fs/cgroup/a/memory.max", "3145728\n");
	assert_int_equal(run(&c, &found, &why), 0);
	assert_int_equal(json_integer_value(json_object_get(found, "memory_needed")),
			 (928 + 84 + 5 * 32 + 512) * 1024);
	json_decref(found);
}

static void a_cgroup_of_version_2_counts(void **state)
{
	put("proc/self/cgroup", "0::/a.slice/b.service\n");
	put("sys/fs/cgroup/a.slice/b.service/memory.max", "max\n");
	put("sys/fs/cgroup/a.slice/b.service/memory.current", "314572800\n");
	expect(checks(), 0, NULL, NULL);
	/* 300 MiB of 350 are used, and 51 of them are pages of files. */
	put("sys/fs/cgroup/a.slice/b.service/memory.max", "367001600\n");
	expect(checks(), -ENOMEM, "the limit of its cgroup gives 50 MiB", "raise the limit");
	put("sys/fs/cgroup/a.slice/b.service/memory.stat",
	    "anon 1\nactive_file 9\ninactive_file 53477376\n");
	expect(checks(), 0, NULL, NULL);
	/* The group above has less. */
	put("sys/fs/cgroup/a.slice/memory.max", "400000000\n");
	put("sys/fs/cgroup/a.slice/memory.current", "399000000\n");
	expect(checks(), -ENOMEM, "the limit of its cgroup gives 0 MiB", "raise the limit");
}

static void a_path_from_outside_a_container_ends_at_the_mount(void **state)
{
	put("proc/self/cgroup", "0::/docker/0123abcd\n");
	put("sys/fs/cgroup/memory.max", "104857600\n");
	put("sys/fs/cgroup/memory.current", "100000000\n");
	expect(checks(), -ENOMEM, "the limit of its cgroup gives 4 MiB", "raise the limit");
	put("proc/self/cgroup", "0::/../other\n");
	expect(checks(), -ENOMEM, "the limit of its cgroup gives 4 MiB", "raise the limit");
}

static void a_cgroup_of_version_1_counts(void **state)
{
	put("proc/self/cgroup", "5:cpu,cpuacct:/x\n4:memory:/x\n");
	put("sys/fs/cgroup/memory/x/memory.limit_in_bytes", "200000000\n");
	put("sys/fs/cgroup/memory/x/memory.usage_in_bytes", "199000000\n");
	expect(checks(), -ENOMEM, "cgroup gives 0 MiB", "raise the limit");
	put("sys/fs/cgroup/memory/x/memory.stat",
	    "inactive_file 1\ntotal_inactive_file 190000000\n");
	expect(checks(), 0, NULL, NULL);
	put("sys/fs/cgroup/memory/x/memory.limit_in_bytes", "9223372036854771712\n");
	expect(checks(), 0, NULL, NULL);
}

static void too_few_descriptors_refuse(void **state)
{
	mo_preflight c = checks();

	put("proc/self/limits",
	    "Max open files            33                   4096       files\n");
	expect(c, -EMFILE, "2 of 33 descriptors are open and a restart needs 32 more",
	       "its hard part is 4096");
	put("proc/self/limits",
	    "Max open files            34                   4096       files\n");
	expect(c, 0, NULL, NULL);
	put("proc/sys/fs/file-nr", "99969\t0\t100000\n");
	expect(c, -ENFILE, "99969 of the system's 100000 files", "fs.file-max");
	put("proc/sys/fs/file-nr", "99969\t2\t100000\n");
	expect(c, 0, NULL, NULL);
	put("proc/sys/fs/file-nr", "99999\t0\t100000\n");
	c.descriptors = false;
	expect(c, 0, NULL, NULL);
}

static void what_the_kernel_does_not_tell_refuses_nothing(void **state)
{
	mo_preflight c = checks();

	c.proc = c.sys = "/no/such/directory";
	expect(c, 0, NULL, NULL);
	put("proc/self/status", "nonsense");
	put("proc/meminfo", "MemAvailable: lots\n");
	put("proc/self/limits", "");
	put("proc/sys/fs/file-nr", "1 2");
	expect(checks(), 0, NULL, NULL);
}

static void a_directory_where_everybody_writes_is_refused(void **state)
{
	mo_preflight c = checks();

	chmod(root, 0777);
	expect(c, -EACCES, root, "chmod o-w");
	c.owner = false;
	expect(c, 0, NULL, NULL);
	c.owner = true;
	chmod(root, 01777); /* like /tmp */
	expect(c, 0, NULL, NULL);
	chmod(root, 0775);
	expect(c, 0, NULL, NULL);
}

static void the_directory_of_a_link_and_of_its_target_count(void **state)
{
	char path[160], target[160];

	put("real/app", "#!/bin/sh\n");
	snprintf(path, sizeof(path), "%s/app", root);
	snprintf(target, sizeof(target), "%s/real/app", root);
	unlink(path);
	assert_int_equal(symlink(target, path), 0);
	expect(checks(), 0, NULL, NULL);
	snprintf(target, sizeof(target), "%s/real", root);
	chmod(target, 0777);
	expect(checks(), -EACCES, "/real;", "chmod o-w");
	chmod(target, 0755);
	chmod(root, 0777);
	expect(checks(), -EACCES, root, "chmod o-w");
}

static void a_program_of_another_user_is_refused(void **state)
{
	mo_preflight c = checks();
	char path[160];

	snprintf(path, sizeof(path), "%s/app", root);
	if (geteuid() == 0) {
		assert_int_equal(chown(path, 12345, (gid_t)-1), 0);
		expect(c, -EACCES, "it belongs to user 12345, but this process is of user 0",
		       "preflightOwner");
		c.program = 12345; /* the running program is theirs, too */
		expect(c, 0, NULL, NULL);
		return;
	}
	c.own = c.program = geteuid() + 1;
	expect(c, -EACCES, "it belongs to user", "preflightOwner");
	c.program = geteuid();
	expect(c, 0, NULL, NULL);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_root, remove_root)
	const struct CMUnitTest tests[] = {
		TEST(what_fits_is_let_through_and_told),
		TEST(a_machine_without_memory_refuses),
		TEST(what_the_kernel_keeps_for_us_counts),
		TEST(a_cgroup_of_version_2_counts),
		TEST(a_path_from_outside_a_container_ends_at_the_mount),
		TEST(a_cgroup_of_version_1_counts),
		TEST(too_few_descriptors_refuse),
		TEST(what_the_kernel_does_not_tell_refuses_nothing),
		TEST(a_directory_where_everybody_writes_is_refused),
		TEST(the_directory_of_a_link_and_of_its_target_count),
		TEST(a_program_of_another_user_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
