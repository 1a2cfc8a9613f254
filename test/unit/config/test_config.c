/* The configuration file and the environment. */
#include "unit.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/outlet.h"
#include "config/config.h"

static mo_buf told; /* every line of the log */
static mo_settings s;
static char dir[] = "/tmp/molt-test-config-XXXXXX";

static void listen_to(void *arg, enum molt_level l, const char *line)
{
	mo_buf_puts(&told, line);
	mo_buf_putc(&told, '\n');
}

static int set_up(void **state)
{
	mo_buf_free(&told);
	molt_log_set_sink(listen_to, NULL);
	mo_settings_init(&s);
	return 0;
}

static int tear_down(void **state)
{
	mo_settings_fini(&s);
	mo_config_reset();
	mo_buf_free(&told);
	molt_log_set_sink(NULL, NULL);
	return 0;
}

static int load(const char *text)
{
	return mo_config_parse("app.yaml", text, strlen(text));
}

static void loads(const char *text)
{
	if (load(text))
		fail_msg("%s", mo_config_error());
	assert_null(mo_config_error());
}

static void says(const char *part)
{
	if (!strstr(mo_buf_cstr(&told), part))
		fail_msg("the log does not say \"%s\" but:\n%s", part, mo_buf_cstr(&told));
}

static void refuses(const char *text, const char *part)
{
	told.len = 0;
	assert_int_equal(load(text), -EINVAL);
	assert_non_null(mo_config_error());
	says(part);
}

/* ---- the file --------------------------------------------------------------- */

static void the_template_of_goframe_is_read(void **state)
{
	loads("server:\n"
	      "  address: \":80\"\n"
	      "  httpsAddr: \":443\"\n"
	      "  httpsCertPath: \"\"\n"
	      "  readTimeout: \"60s\"\n"
	      "  writeTimeout: \"0\"\n"
	      "  maxHeaderBytes: \"10240\"\n"
	      "  keepAlive: true\n"
	      "  indexFiles: [\"index.html\",\"home.htm\"]\n"
	      "  graceful: true\n"
	      "  gracefulTimeout: 2\n"
	      "  clientMaxBodySize: 810241024\n"
	      "  dumpRouterMap: false\n"
	      "logger: {path: \"/var/log/\", level: \"all\", stdout: true}\n");
	mo_config_fill("default", &s);
	assert_string_equal(s.address, ":80");
	assert_null(s.https_cert);
	assert_int_equal(s.write_timeout, MOLT_FOREVER);
	assert_int_equal(s.max_header, 10240);
	assert_string_equal(s.index_files, "index.html,home.htm");
	assert_true(s.graceful);
	assert_int_equal(s.drain_timeout, 2 * MOLT_SECOND);
	assert_int_equal(s.max_body, 810241024);
	assert_false(s.dump_router_map);
}

static void an_empty_file_says_nothing(void **state)
{
	loads("");
	loads("# only a comment\n");
	loads("server:\nlogger: ~\n");
	mo_config_fill("default", &s);
	assert_null(s.address);
}

static void without_a_file_nothing_is_filled(void **state)
{
	mo_config_fill("default", &s);
	assert_null(s.address);
	assert_string_equal(molt_config_str("a.b", "x"), "x");
	assert_int_equal(molt_config_int("a.b", 7), 7);
}

static void a_named_server_inherits_all_but_its_places(void **state)
{
	loads("server:\n"
	      "  address: ':80'\n"
	      "  httpsCertPath: a.pem\n"
	      "  httpsKeyPath: a.key\n"
	      "  graceful: true\n"
	      "  idleTimeout: 5s\n"
	      "  s1: {address: ':8100,:8200', idleTimeout: 6s}\n"
	      "  s2: {address: [':8300', ':8400']}\n");
	mo_config_fill("s1", &s);
	assert_string_equal(s.address, ":8100,:8200");
	assert_null(s.https_cert);
	assert_true(s.graceful);
	assert_int_equal(s.idle_timeout, 6 * MOLT_SECOND);
	mo_config_fill("s2", &s);
	assert_string_equal(s.address, ":8300,:8400");
	assert_int_equal(s.idle_timeout, 5 * MOLT_SECOND);
	mo_settings_fini(&s);
	mo_settings_init(&s);
	mo_config_fill("s3", &s);
	assert_null(s.address);
	assert_true(s.graceful);
	mo_config_fill("default", &s);
	assert_string_equal(s.address, ":80");
}

static void every_mistake_of_a_file_is_told_with_its_line(void **state)
{
	refuses("server:\n"
		"  adress: ':80'\n"
		"  graceful: perhaps\n"
		"  readTimeout: 60\n"
		"  indexFiles: {a: b}\n"
		"  loops: [1]\n"
		"  s1:\n"
		"    keepAlive: 7\n"
		"logger:\n"
		"  stdoutt: true\n",
		"app.yaml:2: server.adress: there is no such key; is 'address' meant?");
	says("app.yaml:3: server.graceful must be true or false");
	says("app.yaml:4: server.readTimeout needs a unit: 60s");
	says("app.yaml:5: server.indexFiles must be a single value, not a mapping");
	says("app.yaml:6: server.loops must be a single value, not a list");
	says("app.yaml:8: server.s1.keepAlive must be true or false");
	says("app.yaml:10: logger.stdoutt: there is no such key; is 'stdout' meant?");
	says("7 errors");
	assert_non_null(strstr(mo_config_error(), "app.yaml:2:"));
	assert_non_null(strstr(mo_config_error(), "6 more"));
}

static void keys_that_only_goframe_has_are_named_as_such(void **state)
{
	refuses("server: {cookieMaxAge: 365d}", "server.cookieMaxAge is not supported by Molt");
	refuses("server:\n  openapiPath: /api.json", "app.yaml:2: server.openapiPath is not supp");
	refuses("server: {session-path: x}", "not supported by Molt");
	refuses("server: {rewrites: {/a: /b}}", "not supported by Molt");
	refuses("server: {logger: {level: all}}", "stands beside 'server'");
	refuses("logger: {rotateSize: 0}", "logger.rotateSize is not supported by Molt");
}

static void a_key_twice_is_an_error_in_any_spelling(void **state)
{
	refuses("server:\n  graceful: true\n  graceful: false\n",
		"app.yaml:3: key 'graceful' is here twice (line 2)");
	refuses("server:\n  readTimeout: 1s\n  read-timeout: 2s\n",
		"app.yaml:3: server.read-timeout is here twice (line 2)");
	refuses("app: {a: 1, b: 2, a: 3}", "key 'a' is here twice");
	refuses("server: {}\nserver: {}\n", "app.yaml:2: key 'server' is here twice");
}

static void aliases_are_refused(void **state)
{
	refuses("a: &x [1,2]\nb: [*x,*x,*x]\n", "app.yaml:2: aliases");
	refuses("a: &a [*a]\n", "aliases");
	refuses("x: &x {address: ':80'}\nserver:\n  <<: *x\n", "aliases");
}

static void depth_size_and_documents_are_limited(void **state)
{
	char deep[200];
	size_t n = 31; /* and the mapping itself */
	char *big = mo_calloc(1, (1u << 20) + 2);

	memset(deep, '[', sizeof(deep));
	deep[sizeof(deep) - 1] = '\0';
	refuses(deep, "nested deeper than 32");
	snprintf(deep, sizeof(deep), "a: %.*s%.*s", (int)n, "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
		 (int)n, "]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]");
	loads(deep);
	memset(big, '#', (1u << 20) + 1);
	refuses(big, "larger than 1048576");
	big[1u << 20] = '\0';
	loads(big);
	free(big);
	refuses("a: 1\n---\nb: 2\n", "app.yaml:2: only one document");
}

static void what_is_no_yaml_is_told_with_its_line(void **state)
{
	refuses("server:\n  address: ':80\n", "app.yaml:");
	refuses("a: b: c\n", "app.yaml:1: no YAML");
	refuses("a: [1\nb: 2\n", "no YAML");
	refuses("\xff\xfe\xff", "app.yaml: no YAML text");
	refuses("- a\n- b\n", "must hold 'key: value' pairs");
	refuses("just text", "must hold");
	refuses("server: 80", "server must hold");
	refuses("server: [1]", "server must hold");
	refuses("a: \"x\\0y\"", "NUL");
	refuses("? [1]\n: 2\n", "a key must be a word");
}

static void a_bad_file_leaves_the_one_before(void **state)
{
	const char *lent;

	loads("app: {title: one}\n");
	lent = molt_config_str("app.title", "");
	refuses("server: {x: 1}\n", "no such key");
	assert_string_equal(molt_config_str("app.title", ""), "one");
	loads("app: {title: two}\n");
	assert_string_equal(molt_config_str("app.title", ""), "two");
	assert_string_equal(lent, "one");
}

static void a_missing_file_is_told_and_remembered(void **state)
{
	assert_int_equal(mo_config_load("/nowhere/app.yaml"), -ENOENT);
	assert_non_null(strstr(mo_config_error(), "/nowhere/app.yaml: No such file"));
	assert_int_equal(mo_config_load("/"), -EISDIR);
	assert_int_equal(mo_config_load(NULL), -EINVAL);
	loads("a: 1\n");
}

static void bad_names_of_servers_are_refused(void **state)
{
	refuses("server: {'a b': {address: ':80'}}", "name of a server");
	refuses("server: {'': {address: ':80'}}", "name of a server");
	refuses("server: {s1: {s2: {address: ':80'}}}", "server.s1.s2: there is no such key");
	refuses("server: {s1: {logLevel: debug}}", "belongs right below 'server'");
}

static void lists_hold_texts_without_their_separator(void **state)
{
	refuses("server: {address: [':80,:81']}", "without ','");
	refuses("server: {exeDirs: ['/a:/b']}", "without ':'");
	refuses("server: {address: [[':80']]}", "list of texts");
	loads("server: {exeDirs: [/a, /b]}");
	mo_config_fill("default", &s);
	assert_string_equal(s.exe_dirs, "/a:/b");
}

static void the_programs_own_sections_are_read_by_path(void **state)
{
	loads("app:\n"
	      "  title: Hello\n"
	      "  port: 8080\n"
	      "  minus: -5\n"
	      "  nothing:\n"
	      "  list: [a, {b: c}, 'null']\n");
	assert_string_equal(molt_config_str("app.title", "x"), "Hello");
	assert_string_equal(molt_config_str("app.list.0", "x"), "a");
	assert_string_equal(molt_config_str("app.list.1.b", "x"), "c");
	assert_string_equal(molt_config_str("app.list.2", "x"), "null");
	assert_string_equal(molt_config_str("app.list.3", "x"), "x");
	assert_string_equal(molt_config_str("app.list.-1", "x"), "x");
	assert_string_equal(molt_config_str("app.list", "x"), "x");
	assert_string_equal(molt_config_str("app.nothing", "x"), "x");
	assert_string_equal(molt_config_str("app.title.x", "x"), "x");
	assert_string_equal(molt_config_str("", "x"), "x");
	assert_null(molt_config_str(NULL, NULL));
	assert_int_equal(molt_config_int("app.port", 1), 8080);
	assert_int_equal(molt_config_int("app.minus", 1), -5);
	assert_int_equal(molt_config_int("app.title", 3), 3);
	says("app.yaml:2: app.title is no whole number, 3 is used");
}

/* Ten thousand wrong keys cost a bounded log and little time. */
static void a_file_full_of_mistakes_is_refused_quickly(void **state)
{
	mo_buf text = { 0 };
	size_t lines = 0;

	mo_buf_puts(&text, "server:\n");
	for (int i = 0; i < 60000; i++)
		mo_buf_fmt(&text, "  k%d: 1\n", i);
	assert_int_equal(mo_config_parse("app.yaml", text.data, text.len), -EINVAL);
	for (size_t i = 0; i < told.len; i++)
		lines += told.data[i] == '\n';
	assert_true(lines < 150);
	assert_non_null(strstr(mo_config_error(), "59999 more"));
	mo_buf_free(&text);
}

/* ---- the environment ---------------------------------------------------------- */

static void the_environment_wins_over_the_file(void **state)
{
	char *why = NULL;

	loads("server: {address: ':80', s1: {address: ':81'}}");
	setenv("MOLT_SERVER_ADDRESS", "127.0.0.1:9001", 1);
	setenv("MOLT_SERVER_S1_ADDRESS", ":9001,:9002", 1);
	setenv("MOLT_SERVER_GRACEFUL", "1", 1);
	setenv("MOLT_SERVER_READ_TIMEOUT", "7s", 1);
	mo_config_fill("default", &s);
	assert_int_equal(mo_config_env("default", &s, &why), 0);
	assert_string_equal(s.address, "127.0.0.1:9001");
	assert_true(s.graceful);
	assert_int_equal(s.read_timeout, 7 * MOLT_SECOND);
	mo_config_fill("s1", &s);
	assert_int_equal(mo_config_env("s1", &s, &why), 0);
	assert_string_equal(s.address, ":9001,:9002");
	mo_config_fill("s2", &s);
	free(s.address);
	s.address = NULL;
	assert_int_equal(mo_config_env("s2", &s, &why), 0);
	assert_null(s.address); /* two servers cannot listen at one place */
	unsetenv("MOLT_SERVER_ADDRESS");
	unsetenv("MOLT_SERVER_S1_ADDRESS");
	unsetenv("MOLT_SERVER_GRACEFUL");
	unsetenv("MOLT_SERVER_READ_TIMEOUT");
}

static void a_named_variable_wins_over_the_general_one(void **state)
{
	char *why = NULL;

	setenv("MOLT_SERVER_MY_APP_LOOPS", "3", 1);
	setenv("MOLT_SERVER_LOOPS", "2", 1);
	assert_int_equal(mo_config_env("my-app", &s, &why), 0);
	assert_int_equal(s.loops, 3);
	assert_int_equal(mo_config_env("other", &s, &why), 0);
	assert_int_equal(s.loops, 2);
	unsetenv("MOLT_SERVER_MY_APP_LOOPS");
	unsetenv("MOLT_SERVER_LOOPS");
}

static void a_bad_variable_is_an_error_that_names_it(void **state)
{
	char *why = NULL;

	setenv("MOLT_SERVER_READTIMEOUT", "60", 1);
	assert_int_equal(mo_config_env("default", &s, &why), -EINVAL);
	assert_non_null(strstr(why, "MOLT_SERVER_READTIMEOUT=60: needs a unit"));
	free(why);
	unsetenv("MOLT_SERVER_READTIMEOUT");
	setenv("MOLT_SERVER_ADMINTOKEN", "secret\nsecret", 1);
	why = NULL;
	assert_int_equal(mo_config_env("default", &s, &why), -EINVAL);
	assert_null(strstr(why, "secret"));
	free(why);
	unsetenv("MOLT_SERVER_ADMINTOKEN");
}

static void misspelt(void)
{
	char *why = NULL;
	bool ok;

	setenv("MOLT_SERVER_ADRESS", ":1", 1);
	setenv("MOLT_SERVER_S7_ADDRESS", ":1", 1);
	setenv("MOLT_SERVER_COOKIEMAXAGE", "1", 1);
	ok = mo_config_env("default", &s, &why) == 0 && mo_config_env("x", &s, &why) == 0;
	mo_buf_cstr(&told);
	ok = ok && strstr(told.data, "MOLT_SERVER_ADRESS means nothing; is MOLT_SERVER_ADDRESS");
	ok = ok && strstr(told.data, "MOLT_SERVER_COOKIEMAXAGE is not supported by Molt");
	ok = ok && !strstr(told.data, "S7");
	ok = ok && !strstr(strstr(told.data, "ADRESS") + 60, "ADRESS means");
	if (ok)
		abort();
}

static void variables_that_mean_nothing_are_warned_about_once(void **state)
{
	assert_true(dies(misspelt));
}

/* ---- the process's log --------------------------------------------------------- */

static void set_up_file_log(void)
{
	char text[128], name[64], path[128];
	char *why = NULL;
	time_t now = time(NULL);
	struct tm day;
	struct stat st;

	molt_log_set_sink(NULL, NULL);
	snprintf(text, sizeof(text), "logger: {path: %s, file: 'x-{Ymd}.log', stdout: false}", dir);
	loads(text);
	setenv("MOLT_LOGGER_LEVEL", "warn", 1);
	localtime_r(&now, &day);
	strftime(name, sizeof(name), "x-%Y%m%d.log", &day);
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	if (mo_config_logger(&why))
		return;
	mo_info("not this");
	mo_warn("but this");
	mo_outlets_flush(20000, 20000);
	if (stat(path, &st) == 0 && st.st_size > 20 && st.st_size < 100 && !unlink(path))
		abort();
}

static void the_logger_section_sets_file_and_level(void **state)
{
	assert_true(dies(set_up_file_log));
}

static void a_log_directory_that_is_not_there_is_an_error(void **state)
{
	char *why = NULL;

	loads("logger: {path: /nowhere/at/all}");
	assert_int_equal(mo_config_logger(&why), -ENOENT);
	assert_non_null(strstr(why, "/nowhere/at/all/"));
	free(why);
}

/* Children of handlers inherit the environment. */
static void a_secret_leaves_the_environment_and_counts_on(void **state)
{
	char *why = NULL;

	assert_int_equal(setenv("MOLT_SERVER_ADMINTOKEN", "correct-horse-battery", 1), 0);
	assert_int_equal(setenv("MOLT_SERVER_s1_admin_token", "another-horse-battery", 1), 0);
	assert_int_equal(setenv("MOLT_SERVER_SERVERROOT", "/srv", 1), 0);
	mo_config_env_hide();
	assert_null(getenv("MOLT_SERVER_ADMINTOKEN"));
	assert_null(getenv("MOLT_SERVER_s1_admin_token"));
	assert_string_equal(getenv("MOLT_SERVER_SERVERROOT"), "/srv");
	assert_int_equal(mo_config_env("default", &s, &why), 0);
	assert_string_equal(s.admin_token, "correct-horse-battery");
	assert_int_equal(mo_config_env("s1", &s, &why), 0);
	assert_string_equal(s.admin_token, "another-horse-battery");
	unsetenv("MOLT_SERVER_SERVERROOT");
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		/* First: the warning comes once in a process. */
		T(variables_that_mean_nothing_are_warned_about_once),
		T(the_template_of_goframe_is_read),
		T(an_empty_file_says_nothing),
		T(without_a_file_nothing_is_filled),
		T(a_named_server_inherits_all_but_its_places),
		T(every_mistake_of_a_file_is_told_with_its_line),
		T(keys_that_only_goframe_has_are_named_as_such),
		T(a_key_twice_is_an_error_in_any_spelling),
		T(aliases_are_refused),
		T(depth_size_and_documents_are_limited),
		T(what_is_no_yaml_is_told_with_its_line),
		T(a_bad_file_leaves_the_one_before),
		T(a_missing_file_is_told_and_remembered),
		T(bad_names_of_servers_are_refused),
		T(lists_hold_texts_without_their_separator),
		T(the_programs_own_sections_are_read_by_path),
		T(a_file_full_of_mistakes_is_refused_quickly),
		T(the_environment_wins_over_the_file),
		T(a_named_variable_wins_over_the_general_one),
		T(a_bad_variable_is_an_error_that_names_it),
		T(the_logger_section_sets_file_and_level),
		T(a_log_directory_that_is_not_there_is_an_error),
		T(a_secret_leaves_the_environment_and_counts_on),
	};
	int failed;

	if (!mkdtemp(dir))
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	rmdir(dir);
	return failed;
}
