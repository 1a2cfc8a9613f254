/* The configuration file:
 *   - a text is taken or refused with a sentence, never both;
 *   - what was taken fills every server without a failure, and no setting that
 *     came of it holds control characters or leaves its range;
 *   - asking by any path finds a text or the fallback;
 *   - the same text is judged the same again. */
#include "base/log.h"
#include "base/str.h"
#include "config/config.h"
#include "fuzz.h"

static void drop(void *arg, enum molt_level l, const char *line)
{
	MO_CHECK(!strchr(line, '\n'));
}

static void check_server(const char *name)
{
	size_t count;
	const mo_key *keys = mo_keys(&count);
	mo_settings s;

	mo_settings_init(&s);
	mo_config_fill(name, &s);
	for (size_t i = 0; i < count; i++) {
		char *why = NULL;

		if (keys[i].section == MO_KEY_SERVER)
			MO_CHECK(mo_key_check(&keys[i], &s, &why) == 0);
	}
	mo_settings_fini(&s);
}

static void check_logger(void)
{
	mo_logger_settings l = { 0 };

	mo_keys_init(MO_KEY_LOGGER, &l);
	mo_config_fill_logger(&l);
	MO_CHECK(l.level >= -1 && l.level <= MOLT_ERROR);
	mo_keys_fini(MO_KEY_LOGGER, &l);
}

static void check_paths(const char *text, size_t size)
{
	static const char *const paths[] = {
		"", ".", "a", "a.0", "a.b.c", "server", "app.list.1.b.0", "app.port"
	};
	char path[64];
	size_t n = size < sizeof(path) - 1 ? size : sizeof(path) - 1;

	for (size_t i = 0; i < MO_COUNTOF(paths); i++) {
		MO_CHECK(molt_config_str(paths[i], "") != NULL);
		(void)molt_config_int(paths[i], 1);
	}
	memcpy(path, text, n);
	path[n] = '\0';
	MO_CHECK(molt_config_str(path, "") != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = exact_copy(data, size);
	int r;

	molt_log_set_sink(drop, NULL);
	r = mo_config_parse("f", text, size);
	MO_CHECK((r == 0) == (mo_config_error() == NULL));
	MO_CHECK(mo_config_parse("f", text, size) == r);
	check_server("default");
	check_server("s1");
	check_logger();
	check_paths(text, size);
	mo_config_reset();
	free(text);
	return 0;
}
