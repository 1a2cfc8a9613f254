/* Promises of base/log.h. */
#include "unit.h"

#include <errno.h>
#include <pthread.h>
#include <sys/stat.h>

#include "base/log.h"
#include "base/outlet.h"
#include "base/str.h"

#define MINUTE ((molt_time)60000)

static char dir[] = "/tmp/molt-test-log-XXXXXX";
static char path[64], rotated[64];
static char last[70000];
static int nlines;
static enum molt_level last_level;

static void keep(void *arg, enum molt_level l, const char *line)
{
	assert_ptr_equal(arg, last);
	snprintf(last, sizeof(last), "%s", line);
	last_level = l;
	nlines++;
}

static int use_sink(void **state)
{
	nlines = 0;
	last[0] = '\0';
	molt_log_set_level(MOLT_INFO);
	molt_log_set_sink(keep, last);
	return 0;
}

static int use_file(void **state)
{
	molt_log_set_level(MOLT_INFO);
	molt_log_set_sink(NULL, NULL);
	return mo_log_to_file(path, false);
}

static int end_file(void **state)
{
	mo_log_to_file(NULL, true);
	unlink(path);
	unlink(rotated);
	return 0;
}

/* The text of a line behind its stamp and pid. */
static const char *message(const char *line)
{
	const char *at = strstr(line, ": ");

	assert_non_null(at);
	return at + 2;
}

static char *read_file(const char *name)
{
	static char text[1 << 20];
	int fd = open(name, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	mo_outlets_flush(MINUTE, MINUTE);
	assert_true(fd >= 0);
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	assert_true(n >= 0);
	text[n] = '\0';
	return text;
}

static void a_line_has_date_pid_and_text(void **state)
{
	int y, mon, d, h, min, s, ms, pid, end = 0;

	molt_log(MOLT_INFO, "served %d", 5);
	assert_int_equal(nlines, 1);
	assert_int_equal(sscanf(last, "%4d-%2d-%2d %2d:%2d:%2d.%3d %d: served 5%n", &y, &mon, &d,
				&h, &min, &s, &ms, &pid, &end),
			 8);
	assert_int_equal(end, strlen(last));
	assert_int_equal(pid, getpid());
	assert_int_equal(last[10], ' ');
	assert_int_equal(last[19], '.');
	assert_int_equal(last[23], ' ');
}

static void levels_other_than_info_are_named(void **state)
{
	molt_log_set_level(MOLT_DEBUG);
	mo_debug("x");
	assert_string_equal(message(last), "[DEBUG] x");
	assert_int_equal(last_level, MOLT_DEBUG);
	mo_info("x");
	assert_string_equal(message(last), "x");
	mo_warn("x");
	assert_string_equal(message(last), "[WARN] x");
	mo_error("x");
	assert_string_equal(message(last), "[ERROR] x");
	assert_int_equal(last_level, MOLT_ERROR);
}

static void lines_below_the_level_are_dropped(void **state)
{
	mo_debug("no");
	assert_int_equal(nlines, 0);
	molt_log_set_level(MOLT_ERROR);
	mo_warn("no");
	assert_int_equal(nlines, 0);
	mo_error("yes");
	assert_int_equal(nlines, 1);
}

static void a_message_can_never_forge_a_line(void **state)
{
	mo_info("%s", "a\r\n2018-05-18 11:02:04.812 1: fine\x1b[2J\t\x7f");
	assert_string_equal(message(last),
			    "a\\x0d\\x0a2018-05-18 11:02:04.812 1: fine\\x1b[2J\\x09\\x7f");
	mo_info("%s", "gr\xc3\xbc\xc3\x9f \"quoted\" back\\slash");
	assert_string_equal(message(last), "gr\xc3\xbc\xc3\x9f \"quoted\" back\\slash");
}

static void a_very_long_message_is_kept_whole(void **state)
{
	static char url[65536];

	memset(url, 'u', sizeof(url) - 1);
	mo_info("%s", url);
	assert_int_equal(strlen(message(last)), sizeof(url) - 1);
	memset(url, '\n', 10000);
	mo_info("%.10000s", url);
	assert_int_equal(strlen(message(last)), 40000);
}

static void logging_keeps_errno(void **state)
{
	errno = EAGAIN;
	mo_info("x");
	assert_int_equal(errno, EAGAIN);
}

static void escape_covers_quotes_controls_and_high_bytes(void **state)
{
	mo_buf b = { 0 };

	mo_log_escape(&b, MO_STR("a \"b\" \\ \r\n\0\x7f\xc3~"));
	assert_string_equal(mo_buf_cstr(&b), "a \\x22b\\x22 \\x5c \\x0d\\x0a\\x00\\x7f\\xc3~");
	mo_buf_free(&b);
}

/* len bytes, c at one place among harmless ones. */
static void escapes(size_t len, size_t at, int c)
{
	static const char a[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
	bool plain = c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
	char text[sizeof(a)], got[4 * sizeof(a)], wanted[4 * sizeof(a)];

	memcpy(text, a, len);
	text[at] = (char)c;
	snprintf(wanted, sizeof(wanted), plain ? "%.*s%c%.*s" : "%.*s\\x%02x%.*s", (int)at, a, c,
		 (int)(len - at - 1), a);
	*mo_log_put_escaped(got, mo_strn(text, len)) = '\0';
	assert_string_equal(got, wanted);
}

/* Whatever the length: pieces of it are looked at together. */
static void each_byte_is_escaped_or_not_wherever_it_stands(void **state)
{
	for (size_t len = 1; len <= 40; len++)
		for (size_t at = 0; at < len; at++)
			for (int c = 0; c < 256; c++)
				escapes(len, at, c);
}

static void other_sink(void *arg, enum molt_level l, const char *line)
{
	molt_log_set_sink(keep, last);
	mo_info("inner");
}

static void a_sink_may_log_and_change_the_sink(void **state)
{
	molt_log_set_sink(other_sink, NULL);
	mo_info("outer");
	assert_int_equal(nlines, 1);
	assert_string_equal(message(last), "inner");
}

static char observed[200];

static void observe(const char *line)
{
	snprintf(observed, sizeof(observed), "%s", line);
}

static void the_observer_sees_warnings_whatever_the_level(void **state)
{
	molt_log_set_level(MOLT_ERROR);
	mo_log_set_observer(observe);
	mo_info("quiet");
	assert_string_equal(observed, "");
	mo_warn("loud\n");
	assert_string_equal(message(observed), "[WARN] loud\\x0a");
	assert_int_equal(nlines, 0);
	mo_error("both");
	assert_string_equal(message(observed), "[ERROR] both");
	assert_int_equal(nlines, 1);
	mo_log_set_observer(NULL);
	mo_error("alone");
	assert_string_equal(message(observed), "[ERROR] both");
}

static void a_file_gets_whole_lines_at_its_end(void **state)
{
	mo_info("one");
	assert_int_equal(mo_log_to_file(path, false), 0);
	mo_info("two");
	assert_non_null(strstr(read_file(path), ": one\n"));
	assert_non_null(strstr(read_file(path), ": two\n"));
}

static void a_log_file_is_not_for_everybody(void **state)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & S_IRWXO, 0);
}

static void reopen_writes_to_the_new_file(void **state)
{
	mo_info("before");
	assert_int_equal(rename(path, rotated), 0);
	mo_info("between");
	assert_int_equal(mo_log_reopen(), 0);
	mo_info("after");
	assert_non_null(strstr(read_file(rotated), ": between\n"));
	assert_null(strstr(read_file(path), "between"));
	assert_non_null(strstr(read_file(path), ": after\n"));
}

static void a_failed_open_leaves_the_former_file(void **state)
{
	assert_int_equal(mo_log_to_file("/nonexistent/dir/log", false), -ENOENT);
	mo_info("still here");
	assert_non_null(strstr(read_file(path), "still here"));
}

static void a_link_is_not_followed(void **state)
{
	assert_int_equal(symlink(path, rotated), 0);
	assert_int_equal(mo_log_to_file(rotated, false), -ELOOP);
	mo_info("still here");
	assert_non_null(strstr(read_file(path), "still here"));
}

static void what_is_no_regular_file_is_refused_at_once(void **state)
{
	int reader;

	assert_int_equal(mkfifo(rotated, 0600), 0);
	assert_int_equal(mo_log_to_file(rotated, false), -EINVAL);
	reader = open(rotated, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	assert_int_equal(mo_log_to_file(rotated, false), -EINVAL);
	close(reader);
	assert_int_equal(mo_log_to_file("/dev/null", false), -EINVAL);
	mo_info("still here");
	assert_non_null(strstr(read_file(path), "still here"));
}

static void what_others_can_cause_is_told_a_few_times(void **state)
{
	mo_log_limit limit = { .most = 3 };
	uint64_t left_out = 0, all = 0;

	/* Whatever seconds these fall into: none is written or left out twice. */
	for (int i = 0; i < 1000; i++)
		mo_log_limited(&limit, MOLT_WARN, "x");
	assert_int_in_range(nlines, 3, 999);
	while (!mo_log_limit_pass(&limit, &left_out))
		all++;
	assert_true(left_out >= all);
}

static void reopen_without_a_file_does_nothing(void **state)
{
	mo_log_to_file(NULL, true);
	assert_int_equal(mo_log_reopen(), 0);
}

static void *write_many(void *arg)
{
	for (int i = 0; i < 200; i++)
		mo_info("%s %d", (const char *)arg, i);
	return NULL;
}

static void lines_of_several_threads_never_mix_even_over_a_reopen(void **state)
{
	static const char *const names[] = { "aaaaaaaaaaaaaaaa", "bbbbbbbbbbbbbbbb",
					     "cccccccccccccccc" };
	pthread_t t[3];
	char *line, *rest;
	int n = 0;

	for (int i = 0; i < 3; i++)
		assert_int_equal(pthread_create(&t[i], NULL, write_many, (void *)names[i]), 0);
	for (int i = 0; i < 50; i++)
		assert_int_equal(mo_log_reopen(), 0);
	for (int i = 0; i < 3; i++)
		pthread_join(t[i], NULL);
	for (line = strtok_r(read_file(path), "\n", &rest); line;
	     line = strtok_r(NULL, "\n", &rest)) {
		const char *m = message(line);

		assert_int_equal(strspn(m, (char[]){ m[0], '\0' }), 16);
		assert_int_equal(m[16], ' ');
		n++;
	}
	assert_int_equal(n, 600);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_line_has_date_pid_and_text, use_sink),
		cmocka_unit_test_setup(levels_other_than_info_are_named, use_sink),
		cmocka_unit_test_setup(lines_below_the_level_are_dropped, use_sink),
		cmocka_unit_test_setup(a_message_can_never_forge_a_line, use_sink),
		cmocka_unit_test_setup(a_very_long_message_is_kept_whole, use_sink),
		cmocka_unit_test_setup(logging_keeps_errno, use_sink),
		cmocka_unit_test(escape_covers_quotes_controls_and_high_bytes),
		cmocka_unit_test(each_byte_is_escaped_or_not_wherever_it_stands),
		cmocka_unit_test_setup(a_sink_may_log_and_change_the_sink, use_sink),
		cmocka_unit_test_setup(the_observer_sees_warnings_whatever_the_level, use_sink),
		cmocka_unit_test_setup_teardown(a_file_gets_whole_lines_at_its_end, use_file,
						end_file),
		cmocka_unit_test_setup_teardown(a_log_file_is_not_for_everybody, use_file,
						end_file),
		cmocka_unit_test_setup_teardown(reopen_writes_to_the_new_file, use_file, end_file),
		cmocka_unit_test_setup_teardown(a_failed_open_leaves_the_former_file, use_file,
						end_file),
		cmocka_unit_test_setup_teardown(reopen_without_a_file_does_nothing, use_file,
						end_file),
		cmocka_unit_test_setup_teardown(a_link_is_not_followed, use_file, end_file),
		cmocka_unit_test_setup_teardown(what_is_no_regular_file_is_refused_at_once,
						use_file, end_file),
		cmocka_unit_test_setup(what_others_can_cause_is_told_a_few_times, use_sink),
		cmocka_unit_test_setup_teardown(
			lines_of_several_threads_never_mix_even_over_a_reopen, use_file, end_file),
	};
	int failed;

	if (!mkdtemp(dir))
		return 1;
	snprintf(path, sizeof(path), "%s/log", dir);
	snprintf(rotated, sizeof(rotated), "%s/log.1", dir);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	rmdir(dir);
	return failed;
}
