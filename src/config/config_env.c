/* The environment's part of the configuration, and the process's log, which
 * takes from the file and the environment.  A name after MOLT_SERVER_ is a key
 * in any case, '_' not counted; or a server's name ('-' written '_'), '_' and a
 * key. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "config/config.h"
#include "config/config_keys.h"
#include "config/log_name.h"

#define SERVER_PREFIX "MOLT_SERVER_"
#define LOGGER_PREFIX "MOLT_LOGGER_"

/* Secrets that have left the environment, as NAME=value; NULL-terminated. */
static char **hidden;

/* The entries of the environment, hidden ones first.  NULL: no more; and none at all in a
 * program with more rights than who started it (set-uid), who made the environment. */
static const char *entry(size_t i)
{
	size_t n = 0;

	if (getauxval(AT_SECURE))
		return NULL;
	while (hidden && hidden[n]) {
		if (n == i)
			return hidden[n];
		n++;
	}
	return environ ? environ[i - n] : NULL;
}

/* One variable, cut up. */
struct variable {
	molt_str name; /* whole */
	molt_str rest; /* of the name, behind the prefix */
	const char *value;
};

static bool cut(const char *entry, const char *prefix, struct variable *out)
{
	const char *equals = strchr(entry, '=');
	size_t skip = strlen(prefix);

	if (!equals || strncmp(entry, prefix, skip) != 0)
		return false;
	out->name = mo_strn(entry, (size_t)(equals - entry));
	out->rest = mo_strn(entry + skip, out->name.len - skip);
	out->value = equals + 1;
	return true;
}

static int set(const struct variable *v, const mo_key *k, void *base, char **why)
{
	char *what = NULL;
	int err = mo_key_set(k, base, v->value, &what);

	if (err && k->flags & MO_KEY_SECRET)
		*why = mo_fmt("%.*s %s", (int)v->name.len, v->name.ptr, what);
	else if (err)
		*why = mo_fmt("%.*s=%.80s: %s", (int)v->name.len, v->name.ptr, v->value, what);
	free(what);
	return err;
}

/* The key behind "<NAME>_", or NULL. */
static const mo_key *key_of_server(const char *server, molt_str rest)
{
	size_t n = strlen(server);

	if (rest.len <= n || rest.ptr[n] != '_')
		return NULL;
	for (size_t i = 0; i < n; i++) {
		char c = server[i] == '-' ? '_' : server[i];

		if (mo_lower(rest.ptr[i]) != mo_lower(c))
			return NULL;
	}
	return mo_key_find(MO_KEY_SERVER, mo_strn(rest.ptr + n + 1, rest.len - n - 1));
}

/* Some server's key: a known key behind any '_'. */
static bool may_be_of_some_server(molt_str rest)
{
	for (size_t i = 1; i + 1 < rest.len; i++)
		if (rest.ptr[i] == '_' &&
		    mo_key_find(MO_KEY_SERVER, mo_strn(rest.ptr + i + 1, rest.len - i - 1)))
			return true;
	return false;
}

static void warn_unknown(const struct variable *v, enum mo_key_section section)
{
	const char *reason = mo_key_unsupported(section, v->rest);
	const mo_key *near = mo_key_nearest(section, v->rest);
	char *meant = mo_strdup(near ? near->name : "");

	for (char *p = meant; *p; p++)
		*p = (char)toupper((unsigned char)*p);
	if (reason)
		mo_warn("environment: %.*s is %s", (int)v->name.len, v->name.ptr, reason);
	else if (near)
		mo_warn("environment: %.*s means nothing; is %s%s meant?", (int)v->name.len,
			v->name.ptr, section == MO_KEY_SERVER ? SERVER_PREFIX : LOGGER_PREFIX,
			meant);
	else
		mo_warn("environment: %.*s means nothing", (int)v->name.len, v->name.ptr);
	free(meant);
}

static void warn_once(void)
{
	static bool done;
	struct variable v;
	const char *e;

	if (done)
		return;
	done = true;
	for (size_t i = 0; (e = entry(i)); i++) {
		if (cut(e, SERVER_PREFIX, &v) && !mo_key_find(MO_KEY_SERVER, v.rest) &&
		    !may_be_of_some_server(v.rest))
			warn_unknown(&v, MO_KEY_SERVER);
		else if (cut(e, LOGGER_PREFIX, &v) && !mo_key_find(MO_KEY_LOGGER, v.rest))
			warn_unknown(&v, MO_KEY_LOGGER);
	}
}

static bool is_secret(molt_str rest)
{
	const mo_key *k = mo_key_find(MO_KEY_SERVER, rest);

	for (size_t i = 1; !k && i + 1 < rest.len; i++)
		if (rest.ptr[i] == '_')
			k = mo_key_find(MO_KEY_SERVER, mo_strn(rest.ptr + i + 1, rest.len - i - 1));
	return k && k->flags & MO_KEY_SECRET;
}

void mo_config_env_hide(void)
{
	size_t n = 0;
	struct variable v;

	if (hidden)
		return;
	hidden = mo_calloc(1, sizeof(*hidden));
	for (char **e = environ; e && *e;) {
		char *name;

		if (!cut(*e, SERVER_PREFIX, &v) || !is_secret(v.rest)) {
			e++;
			continue;
		}
		hidden = mo_realloc(hidden, (n + 2) * sizeof(*hidden));
		hidden[n++] = mo_strdup(*e);
		hidden[n] = NULL;
		name = mo_strndup(v.name.ptr, v.name.len);
		unsetenv(name); /* what follows moves up */
		free(name);
	}
}

int mo_config_env(const char *server, mo_settings *s, char **why)
{
	bool named = strcmp(server, "default") != 0;
	struct variable v;
	const char *e;
	int err = 0;

	warn_once();
	for (size_t i = 0; !err && (e = entry(i)); i++) {
		const mo_key *k = NULL;

		if (cut(e, SERVER_PREFIX, &v))
			k = mo_key_find(MO_KEY_SERVER, v.rest);
		if (k && !(named && k->flags & MO_KEY_OWN))
			err = set(&v, k, s, why);
	}
	for (size_t i = 0; !err && (e = entry(i)); i++) {
		const mo_key *k = NULL;

		if (cut(e, SERVER_PREFIX, &v) && !mo_key_find(MO_KEY_SERVER, v.rest))
			k = key_of_server(server, v.rest);
		if (k)
			err = set(&v, k, s, why);
	}
	return err;
}

/* ---- the process's log -------------------------------------------------- */

static int logger_env(mo_logger_settings *l, char **why)
{
	struct variable v;
	const char *e;
	int err = 0;

	for (size_t i = 0; !err && (e = entry(i)); i++) {
		const mo_key *k = NULL;

		if (cut(e, LOGGER_PREFIX, &v))
			k = mo_key_find(MO_KEY_LOGGER, v.rest);
		if (k)
			err = set(&v, k, l, why);
	}
	return err;
}

/* logLevel of the default server, which logger.level overrides. */
static int server_level(int64_t *level, char **why)
{
	mo_settings s;
	int err;

	mo_settings_init(&s);
	mo_config_fill("default", &s);
	err = mo_config_env("default", &s, why);
	*level = s.log_level;
	mo_settings_fini(&s);
	return err;
}

static int open_file(const mo_logger_settings *l, char **why)
{
	const char *what = l->file ? mo_log_name_wrong(l->file) : "must have a name";
	time_t now = time(NULL);
	struct tm day;
	char *path;
	int err;

	if (what) {
		*why = mo_fmt("logger.file %s", what);
		return -EINVAL;
	}
	localtime_r(&now, &day);
	path = mo_log_name_path(l->path, l->file, &day);
	err = mo_log_to_file(path, l->to_stdout);
	if (err)
		*why = mo_fmt("the log file %s cannot be opened: %s%s", path, molt_strerror(err),
			      mo_log_open_advice(err));
	free(path);
	return err;
}

static int apply(const mo_logger_settings *l, char **why)
{
	if (l->level >= 0)
		molt_log_set_level((enum molt_level)l->level);
	if (l->path)
		return open_file(l, why);
	if (!l->to_stdout)
		return mo_log_to_file(NULL, false);
	return 0;
}

int mo_config_logger(char **why)
{
	mo_logger_settings l = { 0 };
	int64_t level = -1;
	int err;

	mo_keys_init(MO_KEY_LOGGER, &l);
	mo_config_fill_logger(&l);
	err = logger_env(&l, why);
	if (!err)
		err = server_level(&level, why);
	if (l.level < 0)
		l.level = level;
	if (!err)
		err = apply(&l, why);
	mo_keys_fini(MO_KEY_LOGGER, &l);
	return err;
}
