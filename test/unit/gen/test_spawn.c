/* What may be started as a successor, and how (src/gen/os/spawn.c). */
#include "unit.h"

#include <elf.h>
#include <errno.h>
#include <sys/stat.h>

#include "gen/os/spawn.h"
#include "gen/wire/wire.h"

static char dir[64];

static char *in_dir(const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

static int make_dir(void **state)
{
	strcpy(dir, "/tmp/molt-spawn-XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command);
}

/* The first n bytes of this very program, changed by edit. */
static void write_own_head(const char *name, size_t n, void (*edit)(Elf64_Ehdr *))
{
	int in = open("/proc/self/exe", O_RDONLY), out;
	char *room = malloc(n);
	ssize_t got = read(in, room, n);

	assert_true(got > 0);
	if (edit)
		edit((Elf64_Ehdr *)(void *)room);
	out = open(in_dir(name), O_WRONLY | O_CREAT | O_TRUNC, 0755);
	assert_int_equal(write(out, room, (size_t)got), got);
	close(in);
	close(out);
	free(room);
}

static void expect_refused(const char *path, int code, const char *part)
{
	mo_program p;
	char *why = NULL;

	assert_int_equal(mo_program_open(path, &p, &why), code);
	assert_non_null(why);
	if (!strstr(why, part))
		fail_msg("\"%s\" does not say \"%s\"", why, part);
	assert_non_null(strstr(why, path));
	free(why);
}

static void a_missing_program_is_refused(void **state)
{
	expect_refused(in_dir("absent"), -ENOENT, "No such file");
}

static void a_directory_is_refused(void **state)
{
	expect_refused(dir, -EACCES, "regular file");
}

static void a_file_without_the_execute_bit_is_refused(void **state)
{
	write_own_head("plain", 1 << 24, NULL);
	chmod(in_dir("plain"), 0644);
	expect_refused(in_dir("plain"), -EACCES, "chmod +x");
}

static void a_file_that_everybody_may_write_is_refused(void **state)
{
	write_own_head("open", 1 << 24, NULL);
	chmod(in_dir("open"), 0757);
	expect_refused(in_dir("open"), -EACCES, "everybody");
}

static void a_text_is_refused(void **state)
{
	int fd = open(in_dir("text"), O_WRONLY | O_CREAT, 0755);

	assert_int_equal(
		write(fd, "hello, I am no program at all, only a longer text than a head", 60), 60);
	close(fd);
	expect_refused(in_dir("text"), -ENOEXEC, "not a program");
}

static void a_program_cut_short_is_refused(void **state)
{
	write_own_head("cut", 5000, NULL);
	expect_refused(in_dir("cut"), -ENOEXEC, "cut short");
	write_own_head("cut", 20, NULL);
	expect_refused(in_dir("cut"), -ENOEXEC, "not a program");
}

static void other_machine(Elf64_Ehdr *h)
{
	h->e_machine = EM_S390;
}

static void a_program_for_another_machine_is_refused(void **state)
{
	write_own_head("s390", 1 << 24, other_machine);
	expect_refused(in_dir("s390"), -ENOEXEC, "another kind of machine");
}

static void relocatable(Elf64_Ehdr *h)
{
	h->e_type = ET_REL;
}

static void an_object_file_is_refused(void **state)
{
	write_own_head("object", 1 << 24, relocatable);
	expect_refused(in_dir("object"), -ENOEXEC, "not a program");
}

/* Starts a shell script that reports what it was given, through its fd 2. */
static void run_script(const char *text, char *out, size_t size)
{
	int fd = open(in_dir("script"), O_WRONLY | O_CREAT | O_TRUNC, 0755), ours, theirs, p[2];
	char *why = NULL;
	mo_program program;
	size_t n = 0;
	ssize_t got;
	pid_t pid;

	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
	assert_int_equal(mo_program_open(in_dir("script"), &program, &why), 0);
	assert_int_equal(mo_wire_pair(&ours, &theirs), 0);
	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	assert_int_equal(mo_spawn(&program, NULL, p[1], theirs, &pid), 0);
	close(p[1]);
	while ((got = read(p[0], out + n, size - 1 - n)) > 0)
		n += (size_t)got;
	out[n] = '\0';
	assert_int_equal(uninterrupted(waitpid(pid, NULL, 0)), pid);
	mo_program_close(&program);
	close(p[0]);
	close(ours);
	close(theirs);
}

static void the_program_inherits_the_handover_socket_and_nothing_else(void **state)
{
	/* Without O_CLOEXEC, as a careless program would. */
	int leak = open(in_dir("leaky"), O_RDWR | O_CREAT, 0600);
	char out[4096], expected[32], *end;
	long handover;

	assert_true(leak > 2);
	run_script("#!/bin/sh\necho $MOLT_HANDOVER >&2\nls -l /proc/$$/fd >&2\n", out, sizeof(out));
	handover = strtol(out, &end, 10);
	assert_true(handover > 2);
	snprintf(expected, sizeof(expected), " %ld -> socket:", handover);
	assert_non_null(strstr(end, expected));
	assert_null(strstr(end, "leaky"));
	close(leak);
}

static void write_script(const char *name, const char *text)
{
	int fd = open(in_dir(name), O_WRONLY | O_CREAT | O_EXCL, 0755);

	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

static void a_script_without_its_interpreter_is_refused(void **state)
{
	char text[256];

	write_script("orphan", "#!/no/such/interpreter\n");
	expect_refused(in_dir("orphan"), -ENOEXEC,
		       "its interpreter \"/no/such/interpreter\": No such");
	write_script("nameless", "#!\n");
	expect_refused(in_dir("nameless"), -ENOEXEC, "its interpreter");
	write_script("loose", "#!/bin/sh\n");
	chmod(in_dir("loose"), 0757);
	snprintf(text, sizeof(text), "#!%s/loose\n", dir);
	write_script("lent", text);
	expect_refused(in_dir("lent"), -EACCES, "may be written by everybody");
	snprintf(text, sizeof(text), "#!%s\n", dir);
	write_script("of_a_directory", text);
	expect_refused(in_dir("of_a_directory"), -EACCES, "is not a regular file");
	snprintf(text, sizeof(text), "#!%s/round\n", dir);
	write_script("round", text);
	expect_refused(in_dir("round"), -ENOEXEC, "too many interpreters");
}

/* Its interpreter opens it once more, by its path. */
static void a_script_that_was_replaced_is_not_started(void **state)
{
	int ours, theirs;
	char *why = NULL;
	mo_program program;
	pid_t pid;

	write_script("checked", "#!/bin/sh\nexit 0\n");
	assert_int_equal(mo_program_open(in_dir("checked"), &program, &why), 0);
	write_script("other", "#!/bin/sh\necho other >&2\n");
	{
		char from[256];

		snprintf(from, sizeof(from), "%s", in_dir("other"));
		assert_int_equal(rename(from, in_dir("checked")), 0);
	}
	assert_int_equal(mo_wire_pair(&ours, &theirs), 0);
	assert_int_equal(mo_spawn(&program, NULL, 2, theirs, &pid), -ESTALE);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* no zombie is left */
	mo_program_close(&program);
	close(ours);
	close(theirs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_missing_program_is_refused),
		cmocka_unit_test(a_directory_is_refused),
		cmocka_unit_test(a_file_without_the_execute_bit_is_refused),
		cmocka_unit_test(a_file_that_everybody_may_write_is_refused),
		cmocka_unit_test(a_text_is_refused),
		cmocka_unit_test(a_program_cut_short_is_refused),
		cmocka_unit_test(a_program_for_another_machine_is_refused),
		cmocka_unit_test(an_object_file_is_refused),
		cmocka_unit_test(the_program_inherits_the_handover_socket_and_nothing_else),
		cmocka_unit_test(a_script_without_its_interpreter_is_refused),
		cmocka_unit_test(a_script_that_was_replaced_is_not_started),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
