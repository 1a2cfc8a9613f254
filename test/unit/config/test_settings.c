/* Settings: defaults, single values, and the check of the whole. */
#include "unit.h"

#include <errno.h>

#include "base/mem.h"
#include "base/str.h"
#include "config/config_keys.h"
#include "config/settings.h"

static mo_settings s;

static int set_up(void **state)
{
	mo_settings_init(&s);
	return 0;
}

static int tear_down(void **state)
{
	mo_settings_fini(&s);
	return 0;
}

static void put(const char *key, const char *text)
{
	const mo_key *k = mo_key_find(MO_KEY_SERVER, mo_str(key));
	char *why = NULL;

	assert_non_null(k);
	if (mo_key_set(k, &s, text, &why))
		fail_msg("%s=%s %s", key, text, why);
}

static void refused(const char *key, const char *text, const char *part)
{
	const mo_key *k = mo_key_find(MO_KEY_SERVER, mo_str(key));
	char *why = NULL;

	assert_non_null(k);
	assert_int_equal(mo_key_set(k, &s, text, &why), -EINVAL);
	assert_non_null(why);
	if (!strstr(why, part))
		fail_msg("%s=%s: \"%s\" does not say \"%s\"", key, text, why, part);
	free(why);
}

static void check_fails(const char *part)
{
	char *why = NULL;

	assert_int_equal(mo_settings_check(&s, &why), -EINVAL);
	assert_non_null(why);
	if (!strstr(why, part))
		fail_msg("\"%s\" does not say \"%s\"", why, part);
	free(why);
}

static void check_passes(void)
{
	char *why = NULL;

	if (mo_settings_check(&s, &why))
		fail_msg("%s", why);
}

static void the_defaults_are_those_of_the_header(void **state)
{
	assert_null(s.address);
	assert_null(s.server_agent);
	assert_string_equal(s.index_files, "index.html,index.htm");
	assert_int_equal(s.stack_size, 64 * 1024);
	assert_int_equal(s.max_header, 16 * 1024);
	assert_int_equal(s.max_body, 8 * 1024 * 1024);
	assert_int_equal(s.max_connections, 10000);
	assert_int_equal(s.header_timeout, 10 * MOLT_SECOND);
	assert_int_equal(s.body_timeout, 30 * MOLT_SECOND);
	assert_int_equal(s.read_timeout, 60 * MOLT_SECOND);
	assert_int_equal(s.write_timeout, 30 * MOLT_SECOND);
	assert_int_equal(s.idle_timeout, 75 * MOLT_SECOND);
	assert_int_equal(s.drain_timeout, 60 * MOLT_SECOND);
	assert_int_equal(s.shutdown_timeout, 60 * MOLT_SECOND);
	assert_int_equal(s.ready_timeout, 60 * MOLT_SECOND);
	assert_true(s.keep_alive);
	assert_false(s.graceful);
	assert_false(s.access_log);
	assert_true(s.error_log);
	assert_int_equal(s.log_level, -1);
	check_passes();
}

static void every_key_has_a_default_that_it_accepts_and_a_documentation(void **state)
{
	size_t count;
	const mo_key *keys = mo_keys(&count);

	for (size_t i = 0; i < count; i++) {
		assert_non_null(keys[i].doc);
		assert_true(strlen(keys[i].doc) > 10);
		assert_ptr_equal(mo_key_find(keys[i].section, mo_str(keys[i].name)), &keys[i]);
		for (size_t j = 0; j < i; j++)
			assert_false(keys[j].section == keys[i].section &&
				     keys[j].offset == keys[i].offset);
	}
}

static void keys_are_found_in_any_spelling_of_case_dash_and_underscore(void **state)
{
	const mo_key *k = mo_key_find(MO_KEY_SERVER, MO_STR("readTimeout"));

	assert_ptr_equal(mo_key_find(MO_KEY_SERVER, MO_STR("READTIMEOUT")), k);
	assert_ptr_equal(mo_key_find(MO_KEY_SERVER, MO_STR("read_timeout")), k);
	assert_ptr_equal(mo_key_find(MO_KEY_SERVER, MO_STR("Read-Time out")), k);
	assert_null(mo_key_find(MO_KEY_SERVER, MO_STR("readTimeou")));
	assert_null(mo_key_find(MO_KEY_SERVER, MO_STR("readTimeouts")));
	assert_null(mo_key_find(MO_KEY_SERVER, MO_STR("")));
	assert_null(mo_key_find(MO_KEY_LOGGER, MO_STR("readTimeout")));
}

static void a_misspelt_key_is_recognized_and_nonsense_is_not(void **state)
{
	assert_string_equal(mo_key_nearest(MO_KEY_SERVER, MO_STR("adress"))->name, "address");
	assert_string_equal(mo_key_nearest(MO_KEY_SERVER, MO_STR("gracefull"))->name, "graceful");
	assert_string_equal(mo_key_nearest(MO_KEY_SERVER, MO_STR("readTimout"))->name,
			    "readTimeout");
	assert_null(mo_key_nearest(MO_KEY_SERVER, MO_STR("xq")));
	assert_null(mo_key_nearest(MO_KEY_SERVER, MO_STR("")));
}

static void durations_have_units_and_may_be_joined(void **state)
{
	put("readTimeout", "1h30m");
	assert_int_equal(s.read_timeout, 90 * MOLT_MINUTE);
	put("readTimeout", "500ms");
	assert_int_equal(s.read_timeout, 500);
	put("readTimeout", "365d");
	assert_int_equal(s.read_timeout, (int64_t)365 * 24 * 3600 * 1000);
	put("readTimeout", "none");
	assert_int_equal(s.read_timeout, MOLT_FOREVER);
	put("readTimeout", "60s");
	put("readTimeout", "0");
	assert_int_equal(s.read_timeout, MOLT_FOREVER);
}

static void a_bare_number_needs_a_unit_except_for_the_graceful_timeouts(void **state)
{
	refused("readTimeout", "60", "unit");
	refused("idleTimeout", "1", "unit");
	refused("readyTimeout", "5", "unit");
	put("gracefulTimeout", "2");
	assert_int_equal(s.drain_timeout, 2 * MOLT_SECOND);
	put("gracefulShutdownTimeout", "5");
	assert_int_equal(s.shutdown_timeout, 5 * MOLT_SECOND);
	put("gracefulTimeout", "24h");
	assert_int_equal(s.drain_timeout, 24 * 60 * MOLT_MINUTE);
}

static void a_drain_of_no_time_is_refused(void **state)
{
	refused("gracefulTimeout", "0", "from 1ms");
	refused("gracefulTimeout", "0s", "from 1ms");
	refused("readyTimeout", "0", "from 1ms");
}

static void broken_durations_are_refused(void **state)
{
	static const char *const bad[] = { "",
					   "s",
					   "-1s",
					   "1.5h",
					   "1x",
					   "1s2",
					   "0s5",
					   "1 s",
					   "1sm",
					   "+1s",
					   "0x1s",
					   "1e3s",
					   "99999999999999999999s",
					   "9223372036854775807d",
					   "9999d" };

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		refused("readTimeout", bad[i], "must be");
	refused("gracefulTimeout", "9223372036854775807", "must be");
}

static void sizes_have_units_of_1024(void **state)
{
	put("clientMaxBodySize", "10m");
	assert_int_equal(s.max_body, 10 * 1024 * 1024);
	put("clientMaxBodySize", "500kb");
	assert_int_equal(s.max_body, 500 * 1024);
	put("clientMaxBodySize", "1G");
	assert_int_equal(s.max_body, 1024 * 1024 * 1024);
	put("maxHeaderBytes", "10240");
	assert_int_equal(s.max_header, 10240);
	refused("clientMaxBodySize", "0", "from 1");
	refused("clientMaxBodySize", "-1", "size");
	refused("clientMaxBodySize", "1x", "size");
	refused("clientMaxBodySize", "99999999999g", "must be");
	refused("clientMaxBodySize", "9223372036854775807k", "size");
	refused("maxHeaderBytes", "2m", "from 1k to 1m");
	refused("maxHeaderBytes", "1023", "from 1k");
}

static void numbers_and_bools_are_read_whole(void **state)
{
	put("loops", "4");
	assert_int_equal(s.loops, 4);
	refused("loops", "4x", "whole number");
	refused("loops", "-1", "from 0");
	refused("loops", "257", "to 256");
	refused("loops", "", "whole number");
	put("graceful", "on");
	assert_true(s.graceful);
	put("graceful", "FALSE");
	assert_false(s.graceful);
	refused("graceful", "maybe", "true or false");
	refused("graceful", "2", "true or false");
}

static void levels_have_the_words_of_goframe(void **state)
{
	put("logLevel", "all");
	assert_int_equal(s.log_level, MOLT_DEBUG);
	put("logLevel", "WARN");
	assert_int_equal(s.log_level, MOLT_WARN);
	refused("logLevel", "loud", "debug, info");
}

static void control_characters_never_get_into_a_setting(void **state)
{
	refused("serverAgent", "a\r\nSet-Cookie: x", "control");
	refused("serverAgent", "a\x7f", "control");
	refused("serverRoot", "/srv/caf\xe9", "UTF-8");
	put("serverRoot", "/srv/caf\xc3\xa9");
	s.server_agent = mo_strdup("a\nb");
	check_fails("serverAgent");
}

static void an_empty_text_means_not_set(void **state)
{
	put("serverRoot", "/srv");
	put("serverRoot", "");
	assert_null(s.server_root);
}

static void what_a_program_sets_is_held_to_the_ranges_too(void **state)
{
	s.max_header = 10;
	check_fails("maxHeaderBytes");
	s.max_header = 16384;
	s.read_timeout = -5;
	check_fails("readTimeout");
	s.read_timeout = MOLT_FOREVER;
	check_passes();
}

static void addresses_are_checked_one_by_one(void **state)
{
	put("address", ":80, 127.0.0.1:8080,[::1]:80,unix:/run/a.sock");
	check_passes();
	put("address", ":80,nonsense");
	check_fails("\"nonsense\"");
	put("address", ":80,,:81");
	check_fails("address");
	put("address", ":99999");
	check_fails("address");
}

static void a_certificate_needs_its_key_and_https_needs_both(void **state)
{
	put("httpsCertPath", "a.pem");
	check_fails("without httpsKeyPath");
	put("httpsKeyPath", "a.key");
	check_passes();
	put("httpsAddr", ":443");
	check_passes();
	put("httpsCertPath", "");
	check_fails("without httpsCertPath");
	put("httpsKeyPath", "");
	check_fails("httpsAddr");
}

static void a_weak_token_is_refused_and_never_shown(void **state)
{
	char *why = NULL;

	put("adminToken", "s3cret");
	assert_int_equal(mo_settings_check(&s, &why), -EINVAL);
	assert_null(strstr(why, "s3cret"));
	free(why);
	put("adminToken", "0123456789abcdef");
	check_passes();
	put("adminToken", "0123456789 abcdef");
	check_fails("spaces");
}

static void log_names_stay_in_their_directory(void **state)
{
	put("accessLogEnabled", "true");
	put("accessLogPattern", "../access.log");
	check_passes(); /* no directory, no file */
	put("logPath", "/var/log");
	check_fails("accessLogPattern");
	put("accessLogPattern", "a-{Y-m-d}.log");
	check_passes();
	put("accessLogPattern", "a-{Ymdx}.log");
	check_fails("accessLogPattern");
	put("accessLogPattern", "");
	check_fails("accessLogPattern");
}

static void index_files_are_plain_names(void **state)
{
	put("indexFiles", "index.html, home.html");
	check_passes();
	put("indexFiles", "../secret");
	check_fails("indexFiles");
	put("indexFiles", "a/b");
	check_fails("indexFiles");
}

static void probes_are_method_path_and_status(void **state)
{
	static const char *const good[] = { "GET /health 200", " GET  /a?b=c 204 , POST /x 405",
					    "GET /a 200,", "M-SEARCH / 599" };
	static const char *const bad[] = { "GET /health",     "/health 200",
					   "get /health 200", "GET health 200",
					   "GET /health 199", "GET /health 600",
					   "GET /health ok",  "GET /a b 200",
					   "GET /a#b 200",    "GET /a 200 GET /b 200" };
	char *why;

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		put("probe", good[i]);
		assert_int_equal(mo_settings_check(&s, &why), 0);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		put("probe", bad[i]);
		why = NULL;
		assert_int_equal(mo_settings_check(&s, &why), -EINVAL);
		assert_non_null(strstr(why, "GET /health 200"));
		free(why);
	}
}

static void take_all(const molt_server_opts *o)
{
	size_t count;
	const mo_key *keys = mo_keys(&count);

	for (size_t i = 0; i < count; i++)
		if (keys[i].section == MO_KEY_SERVER)
			mo_key_take(&keys[i], &s, o);
}

static void options_of_each_kind_reach_their_members_and_zero_means_the_default(void **state)
{
	molt_server_opts o =
		MOLT_SERVER_OPTS(.workers = 3, .max_body = (size_t)5 << 32,
				 .idle_timeout = MOLT_FOREVER, .unix_mode = 0600,
				 .server_name = "a", .probe = "GET / 200", .no_keep_alive = true);

	s.graceful = true; /* no option: the program has a function for it */
	take_all(&o);
	assert_int_equal(s.loops, 3);
	assert_int_equal(s.max_body, (int64_t)5 << 32);
	assert_int_equal(s.idle_timeout, MOLT_FOREVER);
	assert_int_equal(s.unix_mode, 0600);
	assert_string_equal(s.server_agent, "a");
	assert_string_equal(s.probe, "GET / 200");
	assert_false(s.keep_alive);
	assert_true(s.handover);
	assert_int_equal(s.read_timeout, 60 * MOLT_SECOND);
	take_all(&MOLT_SERVER_OPTS(.workers = 0));
	assert_int_equal(s.loops, 0);
	assert_int_equal(s.max_body, 8 << 20);
	assert_int_equal(s.idle_timeout, 75 * MOLT_SECOND);
	assert_int_equal(s.unix_mode, 0666);
	assert_null(s.server_agent);
	assert_null(s.probe);
	assert_true(s.keep_alive);
	assert_true(s.graceful);
}

static const mo_key *key(const char *name)
{
	return mo_key_find(MO_KEY_SERVER, mo_str(name));
}

static void of_several_servers_the_longest_or_the_least_counts(void **state)
{
	assert_int_equal(mo_key_join(key("bakeTime"), 5, 7), 7);
	assert_int_equal(mo_key_join(key("bakeTime"), 7, 5), 7);
	assert_int_equal(mo_key_join(key("bakeTime"), MOLT_FOREVER, 7), MOLT_FOREVER);
	assert_int_equal(mo_key_join(key("bakeTime"), 7, MOLT_FOREVER), MOLT_FOREVER);
	assert_int_equal(mo_key_join(key("maxGenerations"), 2, 3), 2);
	assert_int_equal(mo_key_join(key("maxGenerations"), 3, 2), 2);
	s.preflight_owner = false;
	assert_int_equal(mo_key_number(key("preflightOwner"), &s), 0);
	assert_int_equal(mo_key_join(key("preflightOwner"), 1, 0), 0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(the_defaults_are_those_of_the_header),
		T(every_key_has_a_default_that_it_accepts_and_a_documentation),
		T(keys_are_found_in_any_spelling_of_case_dash_and_underscore),
		T(a_misspelt_key_is_recognized_and_nonsense_is_not),
		T(durations_have_units_and_may_be_joined),
		T(a_bare_number_needs_a_unit_except_for_the_graceful_timeouts),
		T(a_drain_of_no_time_is_refused),
		T(broken_durations_are_refused),
		T(sizes_have_units_of_1024),
		T(numbers_and_bools_are_read_whole),
		T(levels_have_the_words_of_goframe),
		T(control_characters_never_get_into_a_setting),
		T(an_empty_text_means_not_set),
		T(what_a_program_sets_is_held_to_the_ranges_too),
		T(addresses_are_checked_one_by_one),
		T(a_certificate_needs_its_key_and_https_needs_both),
		T(a_weak_token_is_refused_and_never_shown),
		T(log_names_stay_in_their_directory),
		T(index_files_are_plain_names),
		T(probes_are_method_path_and_status),
		T(options_of_each_kind_reach_their_members_and_zero_means_the_default),
		T(of_several_servers_the_longest_or_the_least_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
