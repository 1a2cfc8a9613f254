/* The configuration file: checked as a whole when it is loaded, then asked for
 * by server or by path.  Always: a document that is kept has passed every check,
 * so filling settings from it cannot fail.  Documents that were replaced are
 * kept too, because molt_config_str() has lent out their texts. */
#include "config/config.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "config/config_keys.h"
#include "config/config_yaml.h"

struct config {
	char *path;
	yaml_document_t doc;
	struct config *older;
};

static struct config *current;
static char *failure;

/* A section of the file while it is checked. */
struct section {
	enum mo_key_section kind;
	yaml_document_t *doc;
	mo_complaints *complaints;
	const char *prefix;    /* for messages: "server" or "server.s1" */
	bool named;            /* a server by name: no servers inside it */
	yaml_node_t *seen[128]; /* by the key's place in the table */
};

/* ---- the value of a key ------------------------------------------------ */

/* One text of a scalar or of a list of scalars; false with *why. */
static bool value_text(yaml_document_t *doc, const mo_key *k, yaml_node_t *value, mo_buf *out,
		       char **why)
{
	yaml_node_item_t *i;

	if (value->type == YAML_SCALAR_NODE) {
		if (!mo_yaml_is_null(value))
			mo_buf_str(out, mo_yaml_text(value));
		return true;
	}
	if (k->type != MO_KEY_LIST || value->type != YAML_SEQUENCE_NODE) {
		*why = mo_fmt("must be a single value, not a %s",
			      value->type == YAML_SEQUENCE_NODE ? "list" : "mapping");
		return false;
	}
	for (i = value->data.sequence.items.start; i < value->data.sequence.items.top; i++) {
		yaml_node_t *item = yaml_document_get_node(doc, *i);
		molt_str s = { NULL, 0 };

		if (item->type == YAML_SCALAR_NODE)
			s = mo_yaml_text(item);
		if (!s.len || memchr(s.ptr, k->sep, s.len)) {
			*why = mo_fmt("must be a list of texts without '%c'", k->sep);
			return false;
		}
		if (out->len)
			mo_buf_putc(out, k->sep);
		mo_buf_str(out, s);
	}
	return true;
}

static int set_value(yaml_document_t *doc, const mo_key *k, yaml_node_t *value, void *base,
		     char **why)
{
	mo_buf text = { 0 };
	int err = -EINVAL;

	if (value_text(doc, k, value, &text, why))
		err = mo_key_set(k, base, mo_buf_cstr(&text), why);
	mo_buf_free(&text);
	return err;
}

/* ---- checking ---------------------------------------------------------- */

static void complain_unknown(const struct section *in, yaml_node_t *key)
{
	molt_str name = mo_yaml_text(key);
	size_t line = mo_yaml_line(key);
	const char *reason = mo_key_unsupported(in->kind, name);
	const mo_key *near = NULL;

	if (in->complaints->count < MO_COMPLAINTS_LOGGED) /* it takes time */
		near = mo_key_nearest(in->kind, name);
	if (reason)
		mo_complain(in->complaints, line, "%s.%s is %s", in->prefix, name.ptr, reason);
	else if (near)
		mo_complain(in->complaints, line, "%s.%s: there is no such key; is '%s' meant?",
			    in->prefix, name.ptr, near->name);
	else
		mo_complain(in->complaints, line, "%s.%s: there is no such key", in->prefix,
			    name.ptr);
}

/* The same key in another spelling: readTimeout and read-timeout.  The same
 * spelling has been complained about by the tree's check. */
static bool seen_before(struct section *in, const mo_key *k, yaml_node_t *key)
{
	size_t count;
	yaml_node_t **seen = &in->seen[k - mo_keys(&count)];

	MO_CHECK(count <= MO_COUNTOF(in->seen));
	if (*seen && !mo_str_eq(mo_yaml_text(*seen), mo_yaml_text(key)))
		mo_complain(in->complaints, mo_yaml_line(key), "%s.%s is here twice (line %zu)",
			    in->prefix, key->data.scalar.value, mo_yaml_line(*seen));
	if (*seen)
		return true;
	*seen = key;
	return false;
}

static void check_value(const struct section *in, void *scratch, const mo_key *k, yaml_node_t *key,
			yaml_node_t *value)
{
	char *why = NULL;

	if (in->named && !strcmp(k->name, "logLevel"))
		why = mo_strdup("belongs right below 'server': the log is the process's");
	else if (!set_value(in->doc, k, value, scratch, &why))
		return;
	mo_complain(in->complaints, mo_yaml_line(key), "%s.%s %s", in->prefix, k->name, why);
	free(why);
}

static void check_server(const struct section *outer, yaml_node_t *key, yaml_node_t *value);

static void check_section(struct section *in, yaml_node_t *map)
{
	mo_settings settings;
	mo_logger_settings logger = { 0 };
	bool server = in->kind == MO_KEY_SERVER;
	yaml_node_pair_t *p = map->data.mapping.pairs.start;

	mo_settings_init(&settings);
	for (; p < map->data.mapping.pairs.top; p++) {
		yaml_node_t *key = yaml_document_get_node(in->doc, p->key);
		yaml_node_t *value = yaml_document_get_node(in->doc, p->value);
		const mo_key *k;

		if (key->type != YAML_SCALAR_NODE)
			continue; /* the tree's check has complained */
		k = mo_key_find(in->kind, mo_yaml_text(key));
		if (k && seen_before(in, k, key))
			continue;
		if (k)
			check_value(in, server ? (void *)&settings : (void *)&logger, k, key,
				    value);
		else if (server && !in->named && value->type == YAML_MAPPING_NODE &&
			 !mo_key_unsupported(in->kind, mo_yaml_text(key)))
			check_server(in, key, value);
		else
			complain_unknown(in, key);
	}
	mo_settings_fini(&settings);
	mo_keys_fini(MO_KEY_LOGGER, &logger);
}

static bool good_name(molt_str name)
{
	for (size_t i = 0; i < name.len; i++) {
		char c = mo_lower(name.ptr[i]);

		if ((c < 'a' || c > 'z') && !mo_is_digit(c) && c != '-' && c != '_')
			return false;
	}
	return name.len >= 1 && name.len <= 63;
}

static void check_server(const struct section *outer, yaml_node_t *key, yaml_node_t *value)
{
	molt_str name = mo_yaml_text(key);
	struct section in = { outer->kind, outer->doc, outer->complaints, .named = true };
	char prefix[96];

	if (!good_name(name)) {
		mo_complain(in.complaints, mo_yaml_line(key),
			    "the name of a server must be 1 to 63 letters, digits, '-' or '_'");
		return;
	}
	snprintf(prefix, sizeof(prefix), "server.%.63s", name.ptr);
	in.prefix = prefix;
	check_section(&in, value);
}

static void check_top(yaml_document_t *doc, const char *name, enum mo_key_section kind,
		      mo_complaints *c)
{
	yaml_node_t *map = mo_yaml_get(doc, yaml_document_get_root_node(doc), mo_str(name));
	struct section in = { kind, doc, c, .prefix = name };

	if (!map || mo_yaml_is_null(map))
		return;
	if (map->type == YAML_MAPPING_NODE)
		check_section(&in, map);
	else
		mo_complain(c, mo_yaml_line(map), "%s must hold 'key: value' pairs", name);
}

/* "servers", "Logger" ...: a section of the program, or ours misspelt. */
static bool almost(molt_str name, molt_str ours)
{
	if (mo_str_eq(name, ours))
		return false;
	if (name.len && mo_lower(name.ptr[name.len - 1]) == 's')
		name.len--;
	return mo_key_same_name(name, ours);
}

static void hint_at_misspelt(yaml_document_t *doc, const char *path)
{
	static const molt_str ours[] = { { "server", 6 }, { "logger", 6 } };
	yaml_node_t *root = yaml_document_get_root_node(doc);
	yaml_node_pair_t *p;

	if (!root || root->type != YAML_MAPPING_NODE)
		return;
	for (p = root->data.mapping.pairs.start; p < root->data.mapping.pairs.top; p++) {
		yaml_node_t *key = yaml_document_get_node(doc, p->key);

		for (size_t i = 0; i < MO_COUNTOF(ours); i++)
			if (key->type == YAML_SCALAR_NODE && almost(mo_yaml_text(key), ours[i]) &&
			    !mo_yaml_get(doc, root, ours[i]))
				mo_warn("%s:%zu: '%s' is taken for a section of the program; is "
					"'%s' meant?",
					path, mo_yaml_line(key), mo_yaml_text(key).ptr,
					ours[i].ptr);
	}
}

/* ---- loading ----------------------------------------------------------- */

static int fail(char *sentence, int err)
{
	free(failure);
	failure = sentence;
	return err;
}

static int fail_complaints(mo_complaints *c)
{
	if (c->count > 1) {
		char *first = c->first;

		mo_error("%s: %u errors", c->path, c->count);
		c->first = mo_fmt("%s (and %u more errors)", first, c->count - 1);
		free(first);
	}
	return fail(c->first, -EINVAL);
}

int mo_config_parse(const char *path, const char *text, size_t n)
{
	mo_complaints c = { .path = path };
	struct config *new = mo_calloc(1, sizeof(*new));

	if (mo_yaml_parse(text, n, &new->doc, &c)) {
		free(new);
		return fail_complaints(&c);
	}
	check_top(&new->doc, "server", MO_KEY_SERVER, &c);
	check_top(&new->doc, "logger", MO_KEY_LOGGER, &c);
	if (c.count) {
		yaml_document_delete(&new->doc);
		free(new);
		return fail_complaints(&c);
	}
	hint_at_misspelt(&new->doc, path);
	new->path = mo_strdup(path);
	new->older = current;
	current = new;
	return fail(NULL, 0);
}

int mo_config_load(const char *path)
{
	char *text;
	size_t n;
	int err;

	if (!path)
		return fail(mo_strdup("no path of a configuration file"), -EINVAL);
	err = mo_yaml_read(path, &text, &n);
	if (err) {
		mo_error("%s: %s", path, molt_strerror(err));
		return fail(mo_fmt("%s: %s", path, molt_strerror(err)), err);
	}
	err = mo_config_parse(path, text, n);
	free(text);
	return err;
}

const char *mo_config_error(void)
{
	return failure;
}

void mo_config_reset(void)
{
	while (current) {
		struct config *c = current;

		current = c->older;
		yaml_document_delete(&c->doc);
		free(c->path);
		free(c);
	}
	fail(NULL, 0);
}

/* ---- asking ------------------------------------------------------------ */

/* Sets every key of map; with named, only those that a named server inherits. */
static void fill(enum mo_key_section kind, yaml_node_t *map, bool inherited, void *base)
{
	yaml_node_pair_t *p;

	if (!map || map->type != YAML_MAPPING_NODE)
		return;
	for (p = map->data.mapping.pairs.start; p < map->data.mapping.pairs.top; p++) {
		molt_str name = mo_yaml_text(yaml_document_get_node(&current->doc, p->key));
		yaml_node_t *value = yaml_document_get_node(&current->doc, p->value);
		const mo_key *k = mo_key_find(kind, name);
		char *why = NULL;

		if (!k || (inherited && k->flags & MO_KEY_OWN))
			continue;
		if (set_value(&current->doc, k, value, base, &why))
			MO_DIE("%s passed the check but %s", k->name, why);
	}
}

static yaml_node_t *top(const char *name)
{
	return mo_yaml_get(&current->doc, yaml_document_get_root_node(&current->doc), mo_str(name));
}

void mo_config_fill(const char *server, mo_settings *s)
{
	yaml_node_t *map;

	if (!current)
		return;
	map = top("server");
	fill(MO_KEY_SERVER, map, strcmp(server, "default") != 0, s);
	if (!mo_key_find(MO_KEY_SERVER, mo_str(server)))
		fill(MO_KEY_SERVER, mo_yaml_get(&current->doc, map, mo_str(server)), false, s);
}

void mo_config_fill_logger(mo_logger_settings *l)
{
	if (current)
		fill(MO_KEY_LOGGER, top("logger"), false, l);
}

static yaml_node_t *scalar_at(const char *dotted)
{
	yaml_node_t *n = current && dotted ? mo_yaml_path(&current->doc, dotted) : NULL;

	return n && n->type == YAML_SCALAR_NODE && !mo_yaml_is_null(n) ? n : NULL;
}

const char *molt_config_str(const char *dotted_key, const char *fallback)
{
	yaml_node_t *n = scalar_at(dotted_key);

	return n ? mo_yaml_text(n).ptr : fallback;
}

int64_t molt_config_int(const char *dotted_key, int64_t fallback)
{
	yaml_node_t *n = scalar_at(dotted_key);
	int64_t v;

	if (!n)
		return fallback;
	if (mo_value_int(mo_yaml_text(n), &v))
		return v;
	mo_warn("%s:%zu: %s is no whole number, %" PRId64 " is used", current->path,
		mo_yaml_line(n), dotted_key, fallback);
	return fallback;
}
