/* The access log and the error log. */
#include "unit.h"

#include <errno.h>
#include <pthread.h>
#include <regex.h>
#include <sys/stat.h>
#include <time.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/outlet.h"
#include "base/str.h"
#include "config/log_name.h"
#include "gen/self.h"
#include "rt/park.h"
#include "web/core/server.h"
#include "web/log/access_log.h"

#define MINUTE ((molt_time)60000)

/* Stand-ins for the process. */
static molt_server server;

molt_server *mo_servers(void)
{
	return &server;
}

void mo_servers_lock(void)
{
}

void mo_servers_unlock(void)
{
}

unsigned mo_self_generation(void)
{
	return 3;
}

static char dir[] = "/tmp/molt-test-access-XXXXXX";
static mo_addr peer;

static int set_up(void **state)
{
	strcpy(dir + strlen(dir) - 6, "XXXXXX");
	if (!mkdtemp(dir))
		return 1;
	memset(&server, 0, sizeof(server));
	mo_settings_init(&server.set);
	server.http.owner = &server;
	server.set.log_stdout = false;
	server.set.log_path = mo_strdup(dir);
	free(server.set.access_log_file);
	free(server.set.error_log_file);
	server.set.access_log_file = mo_strdup("access.log");
	server.set.error_log_file = mo_strdup("error.log");
	return mo_addr_parse("127.0.0.1:5000", &peer);
}

static int tear_down(void **state)
{
	char command[128];

	mo_access_log_close(&server);
	mo_settings_fini(&server.set);
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command);
}

static void open_logs(bool access, bool error)
{
	char *why = NULL;

	server.set.access_log = access;
	server.set.error_log = error;
	if (mo_access_log_open(&server, &why))
		fail_msg("%s", why);
}

/* The whole file, or "" when it is not there; freed by the next call. */
static const char *content(const char *name)
{
	static mo_buf b;
	char path[128];
	int fd;
	ssize_t n;

	mo_buf_free(&b);
	mo_outlets_flush(MINUTE, MINUTE);
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	do {
		mo_buf_reserve(&b, 65536);
		n = fd < 0 ? 0 : read(fd, b.data + b.len, 65536);
		b.len += n > 0 ? (size_t)n : 0;
	} while (n > 0);
	if (fd >= 0)
		close(fd);
	return mo_buf_cstr(&b);
}

static void matches(const char *text, const char *pattern)
{
	regex_t re;
	int err;

	assert_int_equal(regcomp(&re, pattern, REG_EXTENDED | REG_NOSUB), 0);
	err = regexec(&re, text, 0, NULL, 0);
	regfree(&re);
	if (err)
		fail_msg("\"%.400s\" does not match %s", text, pattern);
}

static size_t lines_of(const char *text)
{
	size_t n = 0;

	for (; *text; text++)
		n += *text == '\n';
	return n;
}

static molt_req request(mo_field *fields, size_t n)
{
	return (molt_req){ .magic = MO_REQ_MAGIC,
			   .server = &server.http,
			   .method = MO_STR("GET"),
			   .target = MO_STR("/hello?a=1"),
			   .host = MO_STR("a.org:8199"),
			   .version = MO_HTTP_1_1,
			   .peer = &peer,
			   .started = mo_now() - 1234,
			   .status = 200,
			   .bytes_sent = 77,
			   .id = 0xa1,
			   .fields = fields,
			   .nfields = n };
}

static void a_request_is_one_line_with_everything(void **state)
{
	mo_field fields[] = { { .value = MO_STR("http://b.org/"), .id = MO_F_REFERER },
			      { .value = MO_STR("curl/7"), .id = MO_F_USER_AGENT } };
	molt_req r = request(fields, 2);

	open_logs(true, true);
	mo_access_log_write(&r);
	matches(content("access.log"),
		"^[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9:]{8}\\.[0-9]{3} [0-9]+: gen 3 200 "
		"\"GET http a\\.org:8199 /hello\\?a=1 HTTP/1\\.1\" 1\\.[0-9]{3}, 127\\.0\\.0\\.1, "
		"77, \"http://b\\.org/\", \"curl/7\", 00000000000000a1\n$");
	assert_string_equal(content("error.log"), "");
}

static void a_failure_is_in_both_logs(void **state)
{
	molt_req r = request(NULL, 0);

	open_logs(true, true);
	r.status = 503;
	r.tls = true;
	mo_access_log_write(&r);
	matches(content("access.log"), ": gen 3 503 \"GET https a");
	matches(content("error.log"), ": \\[ERROR\\] gen 3 503 \"GET https a.*, \"\", \"\", 0");
}

static void logs_that_are_off_write_nothing(void **state)
{
	molt_req r = request(NULL, 0);

	open_logs(false, false);
	assert_null(server.access_log);
	mo_access_log_write(&r);
	mo_access_log_refused(&server.http, &peer, 400, MO_STR("x"));
	assert_string_equal(content("access.log"), "");
	open_logs(false, true);
	mo_access_log_write(&r);
	assert_string_equal(content("access.log"), "");
	assert_string_equal(content("error.log"), "");
}

static void what_was_refused_is_told_escaped(void **state)
{
	open_logs(true, true);
	mo_access_log_refused(&server.http, &peer, 400, mo_strn("GET /\r\n\x1b[0m\"\0\xff", 14));
	matches(content("access.log"), "gen 3 400 \"GET /.x0d.x0a.x1b\\[0m.x22.x00.xff\" 0\\.000, "
				       "127\\.0\\.0\\.1, 0, \"\", \"\", -\n$");
	matches(content("error.log"), "\\[ERROR\\] gen 3 400 ");
	mo_access_log_refused(&server.http, NULL, 408, mo_strn(NULL, 0));
	matches(content("access.log"), "gen 3 408 \"\" 0.000, -, 0");
}

static void a_client_can_not_forge_a_line(void **state)
{
	mo_field fields[] = { { .value = MO_STR("x\", 1\n2026-01-01 forged"),
				.id = MO_F_USER_AGENT },
			      { .value = MO_STR("\\\x7f\xc3\xa9"), .id = MO_F_REFERER } };
	molt_req r = request(fields, 2);

	open_logs(true, true);
	mo_access_log_write(&r);
	assert_int_equal(lines_of(content("access.log")), 1);
	matches(content("access.log"), "x.x22, 1.x0a2026-01-01 forged");
	matches(content("access.log"), "\".x5c.x7f.xc3.xa9\"");
}

/* h2o CVE-2018-0608: the escaped line is four times as long as what came. */
static void fields_of_64_kib_are_cut(void **state)
{
	char *junk = mo_malloc(65537);
	mo_field fields[] = { { .id = MO_F_USER_AGENT }, { .id = MO_F_REFERER } };
	molt_req r = request(fields, 2);
	const char *text;

	memset(junk, 1, 65536);
	junk[65536] = '\0';
	fields[0].value = fields[1].value = r.target = r.method = r.host = mo_strn(junk, 65536);
	open_logs(true, true);
	r.status = 500;
	mo_access_log_write(&r);
	mo_access_log_refused(&server.http, &peer, 431, r.target);
	text = content("access.log");
	assert_int_equal(lines_of(text), 2);
	assert_true(strlen(text) < 6 * (4 * 2048 + 100));
	matches(text, "x01\\.\\.\\. HTTP/1");
	assert_int_equal(lines_of(content("error.log")), 2);
	free(junk);
}

static void a_line_of_exactly_the_limit_is_whole(void **state)
{
	char text[2049];
	molt_req r = request(NULL, 0);

	memset(text, 'a', sizeof(text));
	r.target = mo_strn(text, 2048);
	open_logs(true, false);
	mo_access_log_write(&r);
	assert_null(strstr(content("access.log"), "..."));
	r.target = mo_strn(text, 2049);
	mo_access_log_write(&r);
	assert_non_null(strstr(content("access.log"), "aaa... HTTP"));
}

static void reopening_follows_a_rotation(void **state)
{
	char from[128], to[128];
	molt_req r = request(NULL, 0);

	open_logs(true, true);
	mo_access_log_write(&r);
	snprintf(from, sizeof(from), "%s/access.log", dir);
	snprintf(to, sizeof(to), "%s/access.log.1", dir);
	assert_int_equal(rename(from, to), 0);
	mo_access_log_write(&r);
	assert_int_equal(mo_access_log_reopen(), 0);
	mo_access_log_write(&r);
	assert_int_equal(lines_of(content("access.log.1")), 2);
	assert_int_equal(lines_of(content("access.log")), 1);
}

static void a_directory_that_vanished_keeps_the_open_file(void **state)
{
	char aside[64];
	molt_req r = request(NULL, 0);

	open_logs(true, true);
	snprintf(aside, sizeof(aside), "%s-aside", dir);
	assert_int_equal(rename(dir, aside), 0);
	assert_int_equal(mo_access_log_reopen(), -ENOENT);
	mo_access_log_write(&r);
	assert_int_equal(rename(aside, dir), 0);
	assert_int_equal(lines_of(content("access.log")), 1);
}

static void a_log_that_can_not_be_opened_is_told(void **state)
{
	char *why = NULL;

	free(server.set.log_path);
	server.set.log_path = mo_strdup("/nowhere/at/all");
	server.set.access_log = server.set.error_log = true;
	assert_int_equal(mo_access_log_open(&server, &why), -ENOENT);
	assert_non_null(strstr(why, "/nowhere/at/all/access.log"));
	assert_null(server.access_log);
	free(why);
}

/* A limit of the file stops lines in their middle, as a full disk does. */
static void limited(void)
{
	struct rlimit few = { 50, RLIM_INFINITY };
	struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY };
	molt_req r = request(NULL, 0);
	const char *text;

	signal(SIGXFSZ, SIG_IGN);
	open_logs(true, false);
	setrlimit(RLIMIT_FSIZE, &few);
	mo_access_log_write(&r);
	content("access.log");
	mo_access_log_write(&r);
	content("access.log");
	setrlimit(RLIMIT_FSIZE, &all);
	mo_access_log_write(&r);
	text = content("access.log");
	matches(text, "^[^\n]{50}\n"
		      "[^\n]*: \\[WARN\\] lines missing here: 2; [A-Z][^\n]*\n"
		      "2[^\n]* 200 [^\n]*\n$");
	abort();
}

static void a_full_disk_loses_lines_only_and_tells_how_many(void **state)
{
	assert_true(dies(limited));
}

static void a_link_or_a_fifo_is_not_written_to(void **state)
{
	char path[128], *why = NULL;

	snprintf(path, sizeof(path), "%s/error.log", dir);
	server.set.access_log = server.set.error_log = true;
	assert_int_equal(symlink("access.log", path), 0);
	assert_int_equal(mo_access_log_open(&server, &why), -ELOOP);
	assert_non_null(strstr(why, "/error.log cannot be opened: "));
	assert_non_null(strstr(why, "; a log is not written through a symbolic link"));
	free(why);
	unlink(path);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(mo_access_log_open(&server, &why), -EINVAL);
	assert_non_null(strstr(why, "; a log must be a regular file"));
	free(why);
}

static void of_very_many_refused_requests_a_few_are_told(void **state)
{
	const char *text;
	int left_out = 0;

	open_logs(true, true);
	for (int i = 0; i < 1000; i++)
		mo_access_log_refused(&server.http, &peer, 400, MO_STR("x"));
	mo_access_log_close(&server);
	assert_int_equal(lines_of(content("access.log")), 1000);
	text = content("error.log");
	for (const char *p = text; (p = strstr(p, "[WARN] ")); p++)
		left_out += (int)strtol(p + 7, NULL, 10) - 1; /* its own line */
	assert_true(left_out > 0);
	assert_int_equal(lines_of(text) + (size_t)left_out, 1000);
}

static void names_have_the_day_in_every_form(void **state)
{
	struct tm day = { .tm_year = 126, .tm_mon = 0, .tm_mday = 9 };
	mo_buf b = { 0 };

	mo_log_name(&b, "a-{Ymd}.log {Y-m-d} {Y}{m}{d} Ymd {}", &day);
	assert_string_equal(mo_buf_cstr(&b), "a-20260109.log 2026-01-09 20260109 Ymd ");
	mo_buf_free(&b);
	assert_null(mo_log_name_wrong("a-{Ymd}.log"));
	assert_non_null(mo_log_name_wrong("a-{Ymd.log"));
	assert_non_null(mo_log_name_wrong("a-}Ymd{.log"));
	assert_non_null(mo_log_name_wrong("a-{{Y}}.log"));
	assert_non_null(mo_log_name_wrong("{H}.log"));
	assert_non_null(mo_log_name_wrong("a/b.log"));
	assert_non_null(mo_log_name_wrong(".."));
	assert_non_null(mo_log_name_wrong(""));
}

/* The wall clock of the library, which this test moves. */
static molt_time shift;

molt_time mo_wall(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (molt_time)t.tv_sec * 1000 + t.tv_nsec / 1000000 + shift;
}

molt_time mo_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (molt_time)t.tv_sec * 1000 + t.tv_nsec / 1000000 + 1;
}

static void name_of_day(char out[64])
{
	time_t at = (time_t)(mo_wall() / 1000);
	struct tm day;

	localtime_r(&at, &day);
	strftime(out, 64, "access-%Y%m%d.log", &day);
}

static void at_midnight_a_new_file_begins(void **state)
{
	molt_req r = request(NULL, 0);
	char today[64], tomorrow[64];

	free(server.set.access_log_file);
	server.set.access_log_file = mo_strdup("access-{Ymd}.log");
	open_logs(true, false);
	name_of_day(today);
	mo_access_log_write(&r);
	assert_int_equal(lines_of(content(today)), 1);
	shift = (molt_time)24 * 3600 * 1000;
	name_of_day(tomorrow);
	mo_access_log_write(&r);
	mo_access_log_write(&r);
	assert_int_equal(lines_of(content(tomorrow)), 2);
	assert_int_equal(lines_of(content(today)), 1);
	shift = 0; /* the clock was set back */
	mo_access_log_write(&r);
	assert_int_equal(lines_of(content(today)), 2);
}

static void *writer(void *arg)
{
	for (int i = 0; i < 500; i++) {
		molt_req r = request(NULL, 0);

		mo_access_log_write(&r);
		if (i % 100 == 0)
			mo_access_log_reopen();
	}
	return NULL;
}

static void lines_of_several_threads_never_mix(void **state)
{
	pthread_t threads[4];
	const char *text;

	open_logs(true, true);
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, writer, NULL), 0);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	text = content("access.log");
	assert_int_equal(lines_of(text), 2000);
	for (const char *p = text; *p; p = strchr(p, '\n') + 1)
		assert_true(p[0] == '2' && p[4] == '-' && p[23] == ' ');
}

static void answer_a_few(void *arg)
{
	for (int i = 0; i < 5; i++) {
		molt_req r = request(NULL, 0);

		mo_access_log_write(&r);
	}
	assert_int_equal(lines_of(content("access.log")), 0);
}

static void answer_very_many(void *arg)
{
	for (int i = 0; i < 2000; i++) {
		molt_req r = request(NULL, 0);

		mo_access_log_write(&r);
	}
	assert_true(lines_of(content("access.log")) > 1000);
}

static void answer_one_after_the_other(void *arg)
{
	for (int i = 0; i < 2; i++) {
		molt_req r = request(NULL, 0);

		r.started = mo_now();
		usleep(30000);
		mo_access_log_write(&r);
	}
}

static void on_a_loop(void (*fn)(void *arg))
{
	mo_loop *l = mo_loop_new(0);

	assert_true(mo_loop_post(l, fn, NULL));
	mo_loop_stop(l);
	mo_loop_run(l);
	mo_loop_free(l);
}

static void on_a_loop_co(void (*fn)(void *arg))
{
	mo_loop *l = mo_loop_new(0);

	assert_true(mo_loop_spawn(l, fn, NULL));
	mo_loop_run(l);
	mo_loop_free(l);
}

/* Milliseconds of its minute. */
static long stamp_of(const char *line)
{
	return strtol(line + 17, NULL, 10) * 1000 + strtol(line + 20, NULL, 10);
}

static void lines_of_one_turn_have_each_its_own_time(void **state)
{
	const char *text;
	long apart;

	open_logs(true, false);
	on_a_loop(answer_one_after_the_other);
	text = content("access.log");
	assert_int_equal(lines_of(text), 2);
	matches(text, "1\" (0\\.0[3-9]|0\\.[1-9]|[1-9]).*\n.*1\" (0\\.0[3-9]|0\\.[1-9]|[1-9])");
	apart = stamp_of(strchr(text, '\n') + 1) - stamp_of(text);
	assert_true((apart + 60000) % 60000 >= 29);
}

static void lines_of_a_turn_of_a_loop_are_there_behind_it(void **state)
{
	open_logs(true, true);
	on_a_loop(answer_a_few);
	assert_int_equal(lines_of(content("access.log")), 5);
	on_a_loop(answer_very_many);
	assert_int_equal(lines_of(content("access.log")), 2005);
}

static void one_line(void *arg)
{
	molt_req r = request(NULL, 0);

	mo_access_log_write(&r);
}

static void wake(void *park)
{
	mo_park_wake(park, 0);
}

static void next_turn(void)
{
	mo_park park = { 0 };

	assert_true(mo_loop_post(mo_loop_self(), wake, &park));
	mo_park_wait(&park, MOLT_FOREVER);
}

static molt_time turn_ended; /* by the loop's own clock */

static void note_end(mo_turn_task *unused)
{
	turn_ended = mo_loop_now(mo_loop_self());
}

/* Turns with a line each: the lines are held for less than 5 ms. */
static void be_busy(void *arg)
{
	mo_loop *l = mo_loop_self();
	molt_time began = mo_loop_now(l);
	mo_turn_task task;
	size_t turns = 0;

	mo_turn_task_init(&task, note_end);
	do {
		assert_int_equal(lines_of(content("access.log")), 0);
		one_line(NULL);
		turns++;
		usleep(100); /* so few lines that their bytes never decide */
		mo_loop_end_turn(l, &task);
		next_turn();
	} while (turn_ended - began < 5);
	assert_int_equal(lines_of(content("access.log")), turns);
	mo_loop_stop(l);
}

static void lines_of_a_busy_loop_are_held_for_a_few_milliseconds(void **state)
{
	open_logs(true, false);
	on_a_loop_co(be_busy);
}

static void sleep_then_look(void *arg)
{
	one_line(NULL);
	mo_co_sleep(1);
	one_line(NULL);
	one_line(NULL);
	mo_co_sleep(20);
	assert_int_equal(lines_of(content("access.log")), 3);
	mo_loop_stop(mo_loop_self());
}

static void a_loop_that_sleeps_has_written_all_lines(void **state)
{
	open_logs(true, false);
	on_a_loop_co(sleep_then_look);
}

static void to_stdout(void)
{
	molt_req r = request(NULL, 0);
	char path[128];
	const char *text;
	int fd;

	snprintf(path, sizeof(path), "%s/out", dir);
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	dup2(fd, STDOUT_FILENO);
	free(server.set.log_path);
	server.set.log_path = NULL;
	server.set.log_stdout = true;
	open_logs(true, true);
	r.status = 500;
	mo_access_log_write(&r);
	text = content("out");
	if (lines_of(text) == 1 && !strstr(text, "ERROR"))
		abort();
}

static void stdout_shows_a_failure_once(void **state)
{
	assert_true(dies(to_stdout));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(a_request_is_one_line_with_everything),
		T(a_failure_is_in_both_logs),
		T(logs_that_are_off_write_nothing),
		T(what_was_refused_is_told_escaped),
		T(a_client_can_not_forge_a_line),
		T(fields_of_64_kib_are_cut),
		T(a_line_of_exactly_the_limit_is_whole),
		T(reopening_follows_a_rotation),
		T(a_directory_that_vanished_keeps_the_open_file),
		T(a_log_that_can_not_be_opened_is_told),
		T(a_full_disk_loses_lines_only_and_tells_how_many),
		T(a_link_or_a_fifo_is_not_written_to),
		T(of_very_many_refused_requests_a_few_are_told),
		T(names_have_the_day_in_every_form),
		T(at_midnight_a_new_file_begins),
		T(lines_of_several_threads_never_mix),
		T(lines_of_a_turn_of_a_loop_are_there_behind_it),
		T(lines_of_one_turn_have_each_its_own_time),
		T(lines_of_a_busy_loop_are_held_for_a_few_milliseconds),
		T(a_loop_that_sleeps_has_written_all_lines),
		T(stdout_shows_a_failure_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
