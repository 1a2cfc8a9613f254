/* The keys of the configuration: one table (config_keys.def) declares each of them once,
 * with everything that the file, the environment, the program's options, the defaults, the
 * checks and doc/configuration.md need to know about it. */
#ifndef MO_CONFIG_KEYS_H
#define MO_CONFIG_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "molt.h"

enum mo_key_section { MO_KEY_SERVER, MO_KEY_LOGGER };

enum mo_key_type {
	MO_KEY_STRING,   /* char *, malloc'd; NULL: not set */
	MO_KEY_LIST,     /* the same, the items joined by key->sep */
	MO_KEY_BOOL,     /* bool */
	MO_KEY_INT,      /* int64_t */
	MO_KEY_SIZE,     /* int64_t, bytes: 4096, '10m', '500kb' */
	MO_KEY_DURATION, /* molt_time: '60s', '1h30m', 'none' (MOLT_FOREVER) */
	MO_KEY_LEVEL,    /* int64_t: enum molt_level, -1: not set */
	MO_KEY_MODE      /* int64_t, of a file, octal: 0660 */
};

enum mo_key_flags {
	MO_KEY_OWN = 1,       /* a named server does not take it from below "server" */
	MO_KEY_SECONDS = 2,   /* a bare number of a duration means seconds */
	MO_KEY_ZERO_NONE = 4, /* the duration 0 means no limit */
	MO_KEY_SECRET = 8,    /* its value is never put into a message */
	MO_KEY_SOCKET = 16    /* the path of a unix socket */
};

/* What the process does when its servers say different things.  MOLT_FOREVER is the largest;
 * a bool that is off is less than one that is on. */
enum mo_key_join {
	MO_JOIN_NONE, /* each server has its own, or code of that key knows */
	MO_JOIN_LARGEST,
	MO_JOIN_LEAST
};

typedef struct mo_key {
	const char *name; /* as documented: "readTimeout" */
	enum mo_key_section section;
	enum mo_key_type type;
	unsigned flags;
	char sep;            /* of a list */
	int64_t min, max;    /* of numbers, in the unit of the member */
	const char *initial; /* default as it would be written in the file; NULL: not set */
	const char *doc;     /* one or two sentences */
	size_t offset;       /* in mo_settings or mo_logger_settings */
	enum mo_key_join join;
	/* The member of molt_server_opts; NULL: there is none.  negated: it switches off. */
	const char *option;
	size_t option_at, option_size;
	bool negated;
} mo_key;

/* Of the members that belong to the kinds of the table. */
#define MO_C_STRING char * /* malloc'd and owned; NULL: not set */
#define MO_C_LIST char *   /* the same: "a,b" */
#define MO_C_PATHS char *  /* the same: "a:b" */
#define MO_C_BOOL bool
#define MO_C_INT int64_t
#define MO_C_SIZE int64_t
#define MO_C_MODE int64_t
#define MO_C_LEVEL int64_t /* enum molt_level; -1: not set */
#define MO_C_DURATION molt_time

/* Section "logger": the process's own log. */
typedef struct mo_logger_settings {
#define LOGGER_KEY(kind, member, ...) MO_C_##kind member;
#include "config/config_keys.def"
} mo_logger_settings;

const mo_key *mo_keys(size_t *count); /* all, in the order of the manual */
/* That of the member at the offset; there is one. */
const mo_key *mo_key_at(enum mo_key_section section, size_t offset);
/* Upper and lower case are the same; '-', '_' and spaces do not count. */
const mo_key *mo_key_find(enum mo_key_section section, molt_str name);
bool mo_key_same_name(molt_str a, molt_str b);
/* The key that was probably meant, or NULL. */
const mo_key *mo_key_nearest(enum mo_key_section section, molt_str name);
/* What to say about a key of GoFrame that Molt does not have, or NULL. */
const char *mo_key_unsupported(enum mo_key_section section, molt_str name);

/* Reads text into the member of base (a mo_settings or mo_logger_settings).
 * -EINVAL with *why (malloc'd): what is wrong, without the key's name. */
int mo_key_set(const mo_key *k, void *base, const char *text, char **why);
/* Checks the range of a member that a program has set.  The same errors. */
int mo_key_check(const mo_key *k, const void *base, char **why);
/* Every key of the section: its default; its string freed. */
void mo_keys_init(enum mo_key_section section, void *base);
void mo_keys_fini(enum mo_key_section section, void *base);

/* A number or bool. */
int64_t mo_key_number(const mo_key *k, const void *base);
/* Which of the two counts for the process; only of a key that has a rule for it. */
int64_t mo_key_join(const mo_key *k, int64_t a, int64_t b);
/* What the program says, or the default where it says nothing (0, NULL); nothing happens
 * without such an option.  Not checked. */
void mo_key_take(const mo_key *k, void *base, const struct molt_server_opts *o);

/* config_value.c: the readings of single values; false: not of that form. */
bool mo_value_bool(molt_str s, bool *out);
bool mo_value_int(molt_str s, int64_t *out);
bool mo_value_size(molt_str s, int64_t *out);
/* *bare: a number other than 0 without a unit, *out is that number.  "none":
 * MOLT_FOREVER. */
bool mo_value_duration(molt_str s, molt_time *out, bool *bare);
bool mo_value_level(molt_str s, int64_t *out);
bool mo_value_mode(molt_str s, int64_t *out); /* three digits, or four and the first is 0 */
/* Bytes and times as a person would write them: "16k", "60s", "none". */
char *mo_value_text(enum mo_key_type type, int64_t v); /* malloc'd */

#endif
