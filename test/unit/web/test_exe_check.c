/* Which programs a restart over the network may start. */
#include "unit.h"

#include <errno.h>
#include <limits.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "web/admin/exe_check.h"

static char root[] = "/tmp/molt-test-exe-XXXXXX"; /* allowed: root/ok */
static char ok_dir[64];

static char *at(const char *name)
{
	static char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", root, name);
	return path;
}

static void make(const char *name, mode_t mode)
{
	int fd = open(at(name), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

static int set_up(void **state)
{
	strcpy(root + strlen(root) - 6, "XXXXXX");
	if (!mkdtemp(root))
		return 1;
	snprintf(ok_dir, sizeof(ok_dir), "%s/ok", root);
	if (mkdir(ok_dir, 0755) || mkdir(at("other"), 0755) || mkdir(at("ok2"), 0755) ||
	    mkdir(at("ok/deep"), 0755))
		return 1;
	make("ok/app", 0755);
	make("ok/deep/app", 0700);
	make("other/app", 0755);
	make("ok2/app", 0755);
	return 0;
}

static int tear_down(void **state)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s", root);
	return system(command);
}

static void allowed(const char *path, const char *dirs)
{
	char *real = NULL, *why = NULL;
	int err = mo_exe_allowed(path, dirs, &real, &why);

	if (err)
		fail_msg("%s: %s", path, why);
	assert_non_null(real);
	free(real);
}

static void refused(const char *path, const char *dirs, int wanted, const char *part)
{
	char *real = NULL, *why = NULL;
	int err = mo_exe_allowed(path, dirs, &real, &why);

	assert_null(real);
	assert_non_null(why);
	if (err != wanted || !strstr(why, part))
		fail_msg("%s: %d \"%s\", not %d \"%s\"", path, err, why, wanted, part);
	free(why);
}

static void a_program_below_an_allowed_directory_is_taken(void **state)
{
	char list[256];

	allowed(at("ok/app"), ok_dir);
	allowed(at("ok/deep/app"), ok_dir);
	allowed(at("ok/deep/../app"), ok_dir);
	snprintf(list, sizeof(list), "/nowhere::%s/other:%s", root, ok_dir);
	allowed(at("ok/app"), list);
	allowed(at("other/app"), list);
}

static void the_result_is_the_real_path(void **state)
{
	char *real = NULL, *why = NULL, *link = mo_strdup(at("ok/link"));

	assert_int_equal(symlink("deep/app", link), 0);
	assert_int_equal(mo_exe_allowed(link, ok_dir, &real, &why), 0);
	assert_string_equal(real, at("ok/deep/app"));
	free(real);
	free(link);
}

static void anything_outside_is_refused(void **state)
{
	refused(at("other/app"), ok_dir, -EPERM, "not below an allowed");
	refused(at("ok2/app"), ok_dir, -EPERM, "not below"); /* a common beginning is not enough */
	refused(at("ok/../other/app"), ok_dir, -EPERM, "not below");
	refused("/bin/sh", ok_dir, -EPERM, "not below");
	refused(at("ok/app"), "", -EPERM, "not below");
	refused(at("ok/app"), "/nowhere", -EPERM, "not below");
}

static void a_link_that_leads_out_is_refused(void **state)
{
	char *link = mo_strdup(at("ok/link"));

	assert_int_equal(symlink("../other/app", link), 0);
	refused(link, ok_dir, -EPERM, "ok/link is not below"); /* nor is told where it leads */
	free(link);
}

static void what_is_not_there_is_only_told_inside(void **state)
{
	refused(at("ok/none"), ok_dir, -ENOENT, "No such file");
	refused(at("other/none"), ok_dir, -EPERM, "not below");
	refused(at("none/none"), ok_dir, -EPERM, "not below");
	refused(at("ok/app/x"), ok_dir, -ENOENT, "Not a directory");
}

static void only_regular_executable_files_are_programs(void **state)
{
	refused(at("ok/deep"), ok_dir, -EACCES, "not a regular file");
	refused(ok_dir, ok_dir, -EACCES, "not a regular file");
	make("ok/plain", 0644);
	refused(at("ok/plain"), ok_dir, -EACCES, "not executable");
	assert_int_equal(mkfifo(at("ok/fifo"), 0700), 0);
	refused(at("ok/fifo"), ok_dir, -EACCES, "not a regular file");
}

static void a_file_that_others_may_write_is_refused(void **state)
{
	make("ok/world", 0757);
	refused(at("ok/world"), ok_dir, -EPERM, "written by others");
	make("ok/group", 0775);
	/* The group may be the user's own one, of the same number. */
	if (geteuid() == 0 || geteuid() != getegid())
		refused(at("ok/group"), ok_dir, -EPERM, "written by others");
}

static void a_file_of_another_user_is_refused(void **state)
{
	if (geteuid() != 0)
		skip_because("needs root");
	make("ok/alien", 0755);
	assert_int_equal(chown(at("ok/alien"), 12345, 12345), 0);
	refused(at("ok/alien"), ok_dir, -EPERM, "another user");
}

static void a_directory_where_others_may_replace_files_is_refused(void **state)
{
	assert_int_equal(chmod(at("ok/deep"), 0777), 0);
	refused(at("ok/deep/app"), ok_dir, -EPERM, "others may replace");
	assert_int_equal(chmod(at("ok/deep"), 01777), 0);
	allowed(at("ok/deep/app"), ok_dir);
	assert_int_equal(chmod(at("ok/deep"), 0775), 0);
	/* The group may be the user's own one, of the same number. */
	if (geteuid() == 0 || geteuid() != getegid())
		refused(at("ok/deep/app"), ok_dir, -EPERM, "others may replace");
	assert_int_equal(chmod(at("ok/deep"), 0755), 0);
	assert_int_equal(chmod(ok_dir, 0777), 0);
	refused(at("ok/deep/app"), ok_dir, -EPERM, "others may replace");
}

static void a_directory_of_another_user_is_refused_sticky_or_not(void **state)
{
	if (geteuid() != 0)
		skip_because("needs root");
	assert_int_equal(chown(at("ok/deep"), 12345, 12345), 0);
	refused(at("ok/deep/app"), ok_dir, -EPERM, "others may replace");
	assert_int_equal(chmod(at("ok/deep"), 01777), 0);
	refused(at("ok/deep/app"), ok_dir, -EPERM, "others may replace");
	assert_int_equal(chmod(at("ok/deep"), 01755), 0);
	refused(at("ok/deep/app"), ok_dir, -EPERM, "others may replace");
}

static void script(const char *name, const char *text)
{
	int fd = open(at(name), O_WRONLY | O_CREAT | O_CLOEXEC, 0755);

	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

static void a_scripts_interpreter_counts_too(void **state)
{
	char text[256];

	script("ok/good", "#! /bin/sh -e\nexec ./app\n");
	allowed(at("ok/good"), ok_dir);
	script("ok/lost", "#!/no/such/interpreter\n");
	refused(at("ok/lost"), ok_dir, -ENOEXEC, "interpreter /no/such/interpreter");
	make("other/loose", 0757);
	snprintf(text, sizeof(text), "#!%s/other/loose x\n", root);
	script("ok/lent", text);
	refused(at("ok/lent"), ok_dir, -EPERM, "loose may be written by others");
	/* An interpreter that is a script, of another. */
	script("other/middle", text);
	snprintf(text, sizeof(text), "#!%s/other/middle\n", root);
	script("ok/far", text);
	refused(at("ok/far"), ok_dir, -EPERM, "loose may be written by others");
	script("ok/self", "");
	snprintf(text, sizeof(text), "#!%s/ok/self\n", root);
	script("ok/self", text);
	allowed(at("ok/self"), ok_dir); /* the kernel ends that */
}

static void a_path_that_is_no_utf8_is_refused_with_a_reason(void **state)
{
	make("ok/\xff", 0755);
	refused(at("ok/\xff"), ok_dir, -EINVAL, "UTF-8");
}

static void no_path_at_all_is_refused(void **state)
{
	char *long_path = mo_malloc(PATH_MAX + 10);

	memset(long_path, 'a', PATH_MAX + 9);
	long_path[PATH_MAX + 9] = '\0';
	refused("", ok_dir, -EINVAL, "no path");
	refused(NULL, ok_dir, -EINVAL, "no path");
	refused("/tmp/a\nb", ok_dir, -EINVAL, "no path");
	refused(long_path, ok_dir, -EINVAL, "no path");
	long_path[0] = '/';
	long_path[PATH_MAX - 1] = '\0';
	refused(long_path, ok_dir, -EPERM, "not below");
	free(long_path);
}

/* Beside it in /usr/bin lies everything. */
static void by_default_only_the_own_path_counts(void **state)
{
	char own[PATH_MAX], *slash, beside[PATH_MAX + 16];
	ssize_t n = readlink("/proc/self/exe", own, sizeof(own) - 1);

	assert_true(n > 0);
	own[n] = '\0';
	refused(at("ok/app"), NULL, -EPERM, "is not the running program's own path");
	allowed("/proc/self/exe", NULL);
	allowed(own, NULL);
	slash = strrchr(own, '/');
	*slash = '\0';
	snprintf(beside, sizeof(beside), "%s/test_admin", own);
	refused(beside, NULL, -EPERM, "exeDirs");
	snprintf(beside, sizeof(beside), "%s/not-there", own);
	refused(beside, NULL, -EPERM, "exeDirs");
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(a_program_below_an_allowed_directory_is_taken),
		T(the_result_is_the_real_path),
		T(anything_outside_is_refused),
		T(a_link_that_leads_out_is_refused),
		T(what_is_not_there_is_only_told_inside),
		T(only_regular_executable_files_are_programs),
		T(a_file_that_others_may_write_is_refused),
		T(a_file_of_another_user_is_refused),
		T(a_directory_where_others_may_replace_files_is_refused),
		T(no_path_at_all_is_refused),
		T(a_directory_of_another_user_is_refused_sticky_or_not),
		T(a_scripts_interpreter_counts_too),
		T(a_path_that_is_no_utf8_is_refused_with_a_reason),
		T(by_default_only_the_own_path_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
