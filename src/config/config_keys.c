/* The table of keys (config_keys.def) and what is done with a single one: found by name, set from
 * text, checked, set to its default.  Called by config.c (file, environment) and
 * settings.c.  Always: a value that got into a member by mo_key_set() is within
 * the key's range, and every string in a member is malloc'd. */
#include "config/config_keys.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "base/str.h"
#include "config/settings.h"
#include "net/addr.h"

#define KIB ((int64_t)1024)
#define MIB (1024 * KIB)
#define DAY ((int64_t)24 * 60 * MOLT_MINUTE)
#define LONGEST (3650 * DAY)
#define MAX_STRING 4096u
#define LONGEST_NEAR 40u /* of a name that may be a misspelt key */

#define UNSET NULL
#define RANGE(least, most) .min = (least), .max = (most)
#define TIME RANGE(1, LONGEST)
#define TIME_OR_ZERO RANGE(0, LONGEST)
#define OPTION(member)                                                                             \
	.option = #member, .option_at = offsetof(molt_server_opts, member),                        \
	.option_size = sizeof(((molt_server_opts *)NULL)->member)
#define OPTION_NOT(member) OPTION(member), .negated = true

#define KIND_STRING .type = MO_KEY_STRING
#define KIND_LIST .type = MO_KEY_LIST, .sep = ','
#define KIND_PATHS .type = MO_KEY_LIST, .sep = ':'
#define KIND_BOOL .type = MO_KEY_BOOL
#define KIND_INT .type = MO_KEY_INT
#define KIND_SIZE .type = MO_KEY_SIZE
#define KIND_MODE .type = MO_KEY_MODE
#define KIND_DURATION .type = MO_KEY_DURATION
#define KIND_LEVEL .type = MO_KEY_LEVEL

/* clang-format off */
#define SERVER_KEY(kind, where, text, default_text, ...) \
	{ .section = MO_KEY_SERVER, KIND_##kind, .name = text, .initial = default_text, \
	  .offset = offsetof(mo_settings, where), .doc = __VA_ARGS__ },
#define LOGGER_KEY(kind, where, text, default_text, ...) \
	{ .section = MO_KEY_LOGGER, KIND_##kind, .name = text, .initial = default_text, \
	  .offset = offsetof(mo_logger_settings, where), .doc = __VA_ARGS__ },
static const mo_key keys[] = {
#include "config/config_keys.def"
};
/* clang-format on */

const mo_key *mo_keys(size_t *count)
{
	*count = MO_COUNTOF(keys);
	return keys;
}

const mo_key *mo_key_at(enum mo_key_section section, size_t offset)
{
	for (size_t i = 0; i < MO_COUNTOF(keys); i++)
		if (keys[i].section == section && keys[i].offset == offset)
			return &keys[i];
	MO_DIE("no key is at %zu", offset);
}

static bool skip(char c)
{
	return c == '-' || c == '_' || c == ' ';
}

bool mo_key_same_name(molt_str a, molt_str b)
{
	size_t i = 0, j = 0;

	for (;;) {
		while (i < a.len && skip(a.ptr[i]))
			i++;
		while (j < b.len && skip(b.ptr[j]))
			j++;
		if (i == a.len || j == b.len)
			return i == a.len && j == b.len;
		if (mo_lower(a.ptr[i++]) != mo_lower(b.ptr[j++]))
			return false;
	}
}

const mo_key *mo_key_find(enum mo_key_section section, molt_str name)
{
	for (size_t i = 0; i < MO_COUNTOF(keys); i++)
		if (keys[i].section == section && mo_key_same_name(mo_str(keys[i].name), name))
			return &keys[i];
	return NULL;
}

const mo_key *mo_key_nearest(enum mo_key_section section, molt_str name)
{
	const mo_key *best = NULL;
	unsigned least = 2 + (unsigned)name.len / 3;

	if (name.len > LONGEST_NEAR)
		return NULL;
	for (size_t i = 0; i < MO_COUNTOF(keys); i++) {
		unsigned d;

		if (keys[i].section != section)
			continue;
		d = mo_str_distance(name, mo_str(keys[i].name), true);
		if (d < least && d < strlen(keys[i].name)) {
			least = d;
			best = &keys[i];
		}
	}
	return best;
}

const char *mo_key_unsupported(enum mo_key_section section, molt_str name)
{
	static const char *const server[] = {
		"name",
		"listeners",
		"endpoints",
		"tlsConfig",
		"handler",
		"view",
		"rewrites",
		"searchPaths",
		"staticPaths",
		"fileServerEnabled",
		"cookieMaxAge",
		"cookiePath",
		"cookieDomain",
		"cookieSameSite",
		"cookieSecure",
		"cookieHttpOnly",
		"sessionIdName",
		"sessionMaxAge",
		"sessionCookieMaxAge",
		"sessionPath",
		"sessionStorage",
		"sessionCookieOutput",
		"errorStack",
		"pprofEnabled",
		"pprofPattern",
		"openapiPath",
		"swaggerPath",
		"swaggerUITemplate",
		"formParsingMemory",
		"nameToUriType",
		"routeOverWrite",
	};
	static const char *const logger[] = {
		"prefix",
		"timeFormat",
		"ctxKeys",
		"header",
		"levelPrint",
		"stStatus",
		"stSkip",
		"rotateSize",
		"rotateExpire",
		"rotateBackupLimit",
		"rotateBackupExpire",
		"rotateBackupCompress",
		"rotateCheckInterval",
		"stdoutColorDisabled",
		"writerColorEnable",
		"flags",
		"levels",
	};
	bool s = section == MO_KEY_SERVER;
	const char *const *list = s ? server : logger;
	size_t count = s ? MO_COUNTOF(server) : MO_COUNTOF(logger);

	if (s && mo_key_same_name(name, MO_STR("logger")))
		return "not supported by Molt here: the section 'logger' stands beside 'server'";
	for (size_t i = 0; i < count; i++)
		if (mo_key_same_name(name, mo_str(list[i])))
			return "not supported by Molt";
	return NULL;
}

static void *member(const mo_key *k, void *base)
{
	return (char *)base + k->offset;
}

static int64_t *number(const mo_key *k, void *base)
{
	return member(k, base);
}

static bool is_text(const mo_key *k)
{
	return k->type == MO_KEY_STRING || k->type == MO_KEY_LIST;
}

static int wrong(char **why, char *sentence)
{
	*why = sentence;
	return -EINVAL;
}

static int check_number(const mo_key *k, int64_t v, char **why)
{
	char *min, *max;

	if (k->type == MO_KEY_DURATION && v == MOLT_FOREVER)
		return 0;
	if (v >= k->min && v <= k->max)
		return 0;
	min = mo_value_text(k->type, k->min);
	max = mo_value_text(k->type, k->max);
	*why = mo_fmt("must be from %s to %s%s", min, max,
		      k->type == MO_KEY_DURATION ? ", or none" : "");
	free(min);
	free(max);
	return -EINVAL;
}

/* An absolute one, for a server may have another directory than who wrote it. */
static bool is_socket_path(const char *text)
{
	char *address = mo_fmt("unix:%s", text);
	mo_addr addr;
	int err = mo_addr_parse(address, &addr);

	free(address);
	return err == 0;
}

static int check_text(const mo_key *k, const char *text, char **why)
{
	size_t n = strlen(text);

	if (n > MAX_STRING)
		return wrong(why, mo_fmt("is longer than %u bytes", MAX_STRING));
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
			return wrong(why, mo_strdup("has control characters"));
	if (!mo_str_is_utf8(mo_strn(text, n)))
		return wrong(why, mo_strdup("is no UTF-8 text"));
	if (k->flags & MO_KEY_SOCKET && n && !is_socket_path(text))
		return wrong(why, mo_fmt("must be an absolute path of at most %d bytes",
					 MO_ADDR_PATH_MAX));
	return 0;
}

/* Replaces the string; an empty one means "not set". */
static int set_text(const mo_key *k, char **at, const char *text, char **why)
{
	int err = check_text(k, text, why);

	if (err)
		return err;
	mo_strset(at, *text ? text : NULL);
	return 0;
}

static int parse_duration(const mo_key *k, molt_str text, int64_t *v, char **why)
{
	bool bare;

	if (!mo_value_duration(text, v, &bare))
		return wrong(why,
			     mo_strdup("must be a duration such as 60s, 500ms, 1h30m or none"));
	if (bare && !(k->flags & MO_KEY_SECONDS))
		return wrong(why, mo_fmt("needs a unit: %.*ss, %.*sms ...", (int)text.len, text.ptr,
					 (int)text.len, text.ptr));
	if (bare && __builtin_mul_overflow(*v, MOLT_SECOND, v))
		*v = INT64_MAX;
	if (*v == 0 && k->flags & MO_KEY_ZERO_NONE)
		*v = MOLT_FOREVER;
	return 0;
}

static int parse_number(const mo_key *k, molt_str text, int64_t *v, char **why)
{
	switch (k->type) {
	case MO_KEY_DURATION:
		return parse_duration(k, text, v, why);
	case MO_KEY_SIZE:
		if (mo_value_size(text, v))
			return 0;
		return wrong(why, mo_strdup("must be a size such as 4096, 64k or 10m"));
	case MO_KEY_LEVEL:
		if (mo_value_level(text, v))
			return 0;
		return wrong(why, mo_strdup("must be debug, info, warn or error"));
	case MO_KEY_MODE:
		if (mo_value_mode(text, v))
			return 0;
		return wrong(why, mo_strdup("must be octal digits such as 0660"));
	default:
		if (mo_value_int(text, v))
			return 0;
		return wrong(why, mo_strdup("must be a whole number"));
	}
}

int mo_key_set(const mo_key *k, void *base, const char *text, char **why)
{
	molt_str s = mo_str_trim(mo_str(text));
	int64_t v;
	bool on;
	int err;

	if (is_text(k))
		return set_text(k, member(k, base), text, why);
	if (k->type == MO_KEY_BOOL) {
		if (!mo_value_bool(s, &on))
			return wrong(why, mo_strdup("must be true or false"));
		*(bool *)member(k, base) = on;
		return 0;
	}
	err = parse_number(k, s, &v, why);
	if (!err)
		err = check_number(k, v, why);
	if (!err)
		*number(k, base) = v;
	return err;
}

int mo_key_check(const mo_key *k, const void *base, char **why)
{
	const void *at = (const char *)base + k->offset;
	const char *text;

	if (k->type == MO_KEY_BOOL)
		return 0;
	if (!is_text(k))
		return check_number(k, *(const int64_t *)at, why);
	memcpy(&text, at, sizeof(text));
	return text ? check_text(k, text, why) : 0;
}

static void init_key(const mo_key *k, void *base)
{
	char *why = NULL;

	if (k->type == MO_KEY_LEVEL)
		*number(k, base) = -1;
	else if (k->initial && mo_key_set(k, base, k->initial, &why))
		MO_DIE("the default of %s %s", k->name, why);
}

void mo_keys_init(enum mo_key_section section, void *base)
{
	for (size_t i = 0; i < MO_COUNTOF(keys); i++)
		if (keys[i].section == section)
			init_key(&keys[i], base);
}

void mo_keys_fini(enum mo_key_section section, void *base)
{
	for (size_t i = 0; i < MO_COUNTOF(keys); i++) {
		char **at = member(&keys[i], base);

		if (keys[i].section != section || !is_text(&keys[i]))
			continue;
		free(*at);
		*at = NULL;
	}
}

/* ---- one key of several servers, and of the program's options ---------------- */

int64_t mo_key_number(const mo_key *k, const void *base)
{
	const void *at = (const char *)base + k->offset;

	MO_CHECK(!is_text(k));
	return k->type == MO_KEY_BOOL ? *(const bool *)at : *(const int64_t *)at;
}

/* MOLT_FOREVER is the largest of all. */
static bool is_less(int64_t a, int64_t b)
{
	return a >= 0 && (b < 0 || a < b);
}

int64_t mo_key_join(const mo_key *k, int64_t a, int64_t b)
{
	MO_CHECK(k->join != MO_JOIN_NONE);
	return is_less(a, b) == (k->join == MO_JOIN_LEAST) ? a : b;
}

/* Whatever its size; a size_t over the range of int64_t is over that of every key. */
static int64_t option_number(const mo_key *k, const void *at)
{
	MO_CHECK(k->option_size == sizeof(int) || k->option_size == sizeof(int64_t));
	return k->option_size == sizeof(int) ? *(const int *)at : *(const int64_t *)at;
}

void mo_key_take(const mo_key *k, void *base, const struct molt_server_opts *o)
{
	const void *at = (const char *)o + k->option_at;
	const char *text;

	if (!k->option)
		return;
	if (is_text(k)) {
		memcpy(&text, at, sizeof(text));
		mo_strset(member(k, base), text ? text : k->initial);
	} else if (k->type == MO_KEY_BOOL) {
		*(bool *)member(k, base) = *(const bool *)at != k->negated;
	} else if (option_number(k, at) != 0) {
		*number(k, base) = option_number(k, at);
	} else {
		init_key(k, base);
	}
}
