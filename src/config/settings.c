/* The settings of one server: defaults, freeing, and the check of the whole
 * before it starts.  The defaults and ranges stand in the table of
 * config_keys.def; here are the rules that concern more than one of them. */
#include "config/settings.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "base/str.h"
#include "config/config_keys.h"
#include "config/log_name.h"
#include "gen/old/probe.h"
#include "net/addr.h"

#define MIN_TOKEN 16u
#define MAX_TOKEN 512u
#define MAX_PROBES 16u

void mo_settings_init(mo_settings *s)
{
	memset(s, 0, sizeof(*s));
	mo_keys_init(MO_KEY_SERVER, s);
}

void mo_settings_fini(mo_settings *s)
{
	mo_keys_fini(MO_KEY_SERVER, s);
}

static int check_keys(const mo_settings *s, char **why)
{
	size_t count;
	const mo_key *keys = mo_keys(&count);

	for (size_t i = 0; i < count; i++) {
		char *what = NULL;

		if (keys[i].section != MO_KEY_SERVER || !mo_key_check(&keys[i], s, &what))
			continue;
		*why = mo_fmt("%s %s", keys[i].name, what);
		free(what);
		return -EINVAL;
	}
	return 0;
}

static int check_addresses(const char *key, const char *list, char **why)
{
	molt_str rest = mo_str(list);

	while (rest.ptr) {
		molt_str one = mo_str_trim(mo_str_split(&rest, ','));
		char *text = mo_strndup(one.ptr, one.len);
		mo_addr addr;
		int err = mo_addr_parse(text, &addr);

		if (err == -ENAMETOOLONG)
			*why = mo_fmt("%s: %s: its path is longer than %d bytes; choose a shorter "
				      "one",
				      key, text, MO_ADDR_PATH_MAX);
		else if (err)
			*why = mo_fmt("%s: \"%s\" is no address: :80, 127.0.0.1:80, [::1]:80, "
				      "unix:/path or systemd:NAME",
				      key, text);
		free(text);
		if (err)
			return -EINVAL;
	}
	return 0;
}

static int check_https(const mo_settings *s, char **why)
{
	if (!s->https_cert == !s->https_key && (s->https_cert || !s->https_addr))
		return 0;
	if (s->https_cert || s->https_key)
		*why = mo_fmt("%s is set without %s",
			      s->https_cert ? "httpsCertPath" : "httpsKeyPath",
			      s->https_cert ? "httpsKeyPath" : "httpsCertPath");
	else
		*why = mo_strdup("httpsAddr is set without httpsCertPath and httpsKeyPath");
	return -EINVAL;
}

/* The token must be what a client can send in a field, whole. */
static int check_token(const char *token, char **why)
{
	size_t n = strlen(token);

	if (n < MIN_TOKEN || n > MAX_TOKEN) {
		*why = mo_fmt("adminToken must have %u to %u characters", MIN_TOKEN, MAX_TOKEN);
		return -EINVAL;
	}
	for (size_t i = 0; i < n; i++)
		if (token[i] <= 0x20 || token[i] > 0x7e) {
			*why = mo_strdup("adminToken must be printable ASCII without spaces");
			return -EINVAL;
		}
	return 0;
}

static int check_probes(const char *list, char **why)
{
	molt_str rest = mo_str(list);
	size_t n = 0;

	while (rest.ptr) {
		molt_str one = mo_str_trim(mo_str_split(&rest, ','));
		mo_probe probe;

		if (++n <= MAX_PROBES && (one.len == 0 || mo_probe_parse(one, &probe)))
			continue;
		*why = n > MAX_PROBES
			       ? mo_fmt("probe: there are more than %u", MAX_PROBES)
			       : mo_fmt("probe: \"%.*s\" must be a method, a path and a status "
					"from 200 to 599: GET /health 200",
					(int)one.len, one.ptr);
		return -EINVAL;
	}
	return 0;
}

static int check_index_files(const char *list, char **why)
{
	molt_str rest = mo_str(list);

	while (rest.ptr) {
		molt_str one = mo_str_trim(mo_str_split(&rest, ','));

		if (one.len && one.ptr[0] != '.' && !memchr(one.ptr, '/', one.len))
			continue;
		*why = mo_fmt(
			"indexFiles: \"%.*s\" must be a file name without '/' or a dot in front",
			(int)one.len, one.ptr);
		return -EINVAL;
	}
	return 0;
}

static int check_log_name(const char *key, const char *pattern, char **why)
{
	const char *what = pattern ? mo_log_name_wrong(pattern) : "must have a name";

	if (!what)
		return 0;
	*why = mo_fmt("%s %s", key, what);
	return -EINVAL;
}

static int check_all_addresses(const mo_settings *s, char **why)
{
	int err = s->address ? check_addresses("address", s->address, why) : 0;

	return err || !s->https_addr ? err : check_addresses("httpsAddr", s->https_addr, why);
}

static int check_admin(const mo_settings *s, char **why)
{
	if (!s->admin_pattern || s->admin_pattern[0] == '/')
		return s->admin_token ? check_token(s->admin_token, why) : 0;
	*why = mo_strdup("adminPattern must begin with '/'");
	return -EINVAL;
}

static int check_takeover(const mo_settings *s, char **why)
{
	if (!s->takeover || !s->control_socket || strcmp(s->takeover, s->control_socket) != 0)
		return 0;
	*why = mo_strdup("takeover and controlSocket must be different paths");
	return -EINVAL;
}

static int check_lists(const mo_settings *s, char **why)
{
	int err = s->probe ? check_probes(s->probe, why) : 0;

	return err || !s->index_files ? err : check_index_files(s->index_files, why);
}

static int check_log_names(const mo_settings *s, char **why)
{
	int err = 0;

	if (s->log_path && s->access_log)
		err = check_log_name("accessLogPattern", s->access_log_file, why);
	if (!err && s->log_path && s->error_log)
		err = check_log_name("errorLogPattern", s->error_log_file, why);
	return err;
}

int mo_settings_check(const mo_settings *s, char **why)
{
	static int (*const checks[])(const mo_settings *, char **) = {
		check_keys,     check_all_addresses, check_https,     check_admin,
		check_takeover, check_lists,         check_log_names,
	};
	int err = 0;

	for (size_t i = 0; i < MO_COUNTOF(checks) && !err; i++)
		err = checks[i](s, why);
	return err;
}
