/* A YAML text as a checked tree; see config_yaml.h.  The text is read twice:
 * first as events, which are refused as soon as they go too deep or hold an
 * alias, then as a document by libyaml. */
#include "config/config_yaml.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"

void mo_complain(mo_complaints *c, size_t line, const char *fmt, ...)
{
	mo_buf text = { 0 };
	va_list ap;

	mo_buf_puts(&text, c->path);
	if (line)
		mo_buf_fmt(&text, ":%zu", line);
	mo_buf_puts(&text, ": ");
	va_start(ap, fmt);
	mo_buf_vfmt(&text, fmt, ap);
	va_end(ap);
	mo_buf_cstr(&text);
	if (c->count++ < MO_COMPLAINTS_LOGGED)
		mo_error("%s", text.data);
	if (c->first)
		mo_buf_free(&text);
	else
		c->first = text.data;
}

int mo_yaml_read(const char *path, char **text, size_t *n)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	mo_buf b = { 0 };
	ssize_t got = 1;

	if (fd < 0)
		return -errno;
	mo_buf_reserve(&b, MO_YAML_MAX_BYTES + 1);
	while (got != 0 && b.len <= MO_YAML_MAX_BYTES) {
		got = read(fd, b.data + b.len, MO_YAML_MAX_BYTES + 1 - b.len);
		if (got < 0 && errno != EINTR) {
			int err = -errno;

			close(fd);
			mo_buf_free(&b);
			return err;
		}
		if (got > 0)
			b.len += (size_t)got;
	}
	close(fd);
	*text = b.data;
	*n = b.len;
	return 0;
}

static int complain_parser(const yaml_parser_t *p, mo_complaints *c)
{
	size_t line = p->problem_mark.line + 1;
	const char *what = p->problem ? p->problem : "cannot be read";

	if (p->error == YAML_READER_ERROR)
		mo_complain(c, 0, "no YAML text: %s at byte %zu", what, p->problem_offset);
	else
		mo_complain(c, line, "no YAML: %s%s%s", what, p->context ? ", " : "",
			    p->context ? p->context : "");
	return -EINVAL;
}

/* One event of the first reading. */
static int check_event(const yaml_event_t *e, unsigned *depth, unsigned *documents,
		       mo_complaints *c)
{
	size_t line = e->start_mark.line + 1;

	switch (e->type) {
	case YAML_ALIAS_EVENT:
		mo_complain(c, line, "aliases ('*name') are not allowed");
		return -EINVAL;
	case YAML_DOCUMENT_START_EVENT:
		if (++*documents == 1)
			return 0;
		mo_complain(c, line, "only one document is allowed in a file");
		return -EINVAL;
	case YAML_MAPPING_START_EVENT:
	case YAML_SEQUENCE_START_EVENT:
		if (++*depth <= MO_YAML_MAX_DEPTH)
			return 0;
		mo_complain(c, line, "nested deeper than %u levels", MO_YAML_MAX_DEPTH);
		return -EINVAL;
	case YAML_MAPPING_END_EVENT:
	case YAML_SEQUENCE_END_EVENT:
		--*depth;
		return 0;
	default:
		return 0;
	}
}

static int check_events(yaml_parser_t *p, mo_complaints *c)
{
	unsigned depth = 0, documents = 0;
	bool end = false;

	while (!end) {
		yaml_event_t e;
		int err;

		if (!yaml_parser_parse(p, &e))
			return complain_parser(p, c);
		end = e.type == YAML_STREAM_END_EVENT;
		err = check_event(&e, &depth, &documents, c);
		yaml_event_delete(&e);
		if (err)
			return err;
	}
	return 0;
}

molt_str mo_yaml_text(const yaml_node_t *scalar)
{
	return mo_strn((const char *)scalar->data.scalar.value, scalar->data.scalar.length);
}

size_t mo_yaml_line(const yaml_node_t *n)
{
	return n->start_mark.line + 1;
}

bool mo_yaml_is_null(const yaml_node_t *n)
{
	molt_str s;

	if (n->type != YAML_SCALAR_NODE || n->data.scalar.style != YAML_PLAIN_SCALAR_STYLE)
		return false;
	s = mo_yaml_text(n);
	return s.len == 0 || mo_str_eq(s, MO_STR("~")) || mo_str_eq_ci(s, MO_STR("null"));
}

static int by_text(const void *a, const void *b)
{
	yaml_node_t *const *x = a, *const *y = b;
	molt_str s = mo_yaml_text(*x), t = mo_yaml_text(*y);
	size_t n = s.len < t.len ? s.len : t.len;
	int c = memcmp(s.ptr, t.ptr, n);

	if (c || s.len != t.len)
		return c ? c : s.len < t.len ? -1 : 1;
	/* Equal keys stay in the order of the file, so that the second is blamed. */
	return (*x)->start_mark.index < (*y)->start_mark.index ? -1 : 1;
}

static void check_mapping(yaml_document_t *doc, const yaml_node_t *map, mo_complaints *c)
{
	size_t n = 0, max = (size_t)(map->data.mapping.pairs.top - map->data.mapping.pairs.start);
	yaml_node_t **keys = mo_calloc(max, sizeof(*keys));

	for (yaml_node_pair_t *p = map->data.mapping.pairs.start; p < map->data.mapping.pairs.top;
	     p++) {
		yaml_node_t *key = yaml_document_get_node(doc, p->key);

		if (key->type == YAML_SCALAR_NODE)
			keys[n++] = key;
		else
			mo_complain(c, mo_yaml_line(key), "a key must be a word");
	}
	qsort(keys, n, sizeof(*keys), by_text);
	for (size_t i = 1; i < n; i++)
		if (mo_str_eq(mo_yaml_text(keys[i - 1]), mo_yaml_text(keys[i])))
			mo_complain(c, mo_yaml_line(keys[i]), "key '%s' is here twice (line %zu)",
				    keys[i]->data.scalar.value, mo_yaml_line(keys[i - 1]));
	free(keys);
}

static void check_nodes(yaml_document_t *doc, mo_complaints *c)
{
	for (yaml_node_t *n = doc->nodes.start; n < doc->nodes.top; n++) {
		if (n->type == YAML_MAPPING_NODE)
			check_mapping(doc, n, c);
		else if (n->type == YAML_SCALAR_NODE &&
			 memchr(n->data.scalar.value, 0, n->data.scalar.length))
			mo_complain(c, mo_yaml_line(n), "a text holds a NUL byte");
	}
}

static int load(const char *text, size_t n, yaml_document_t *doc, mo_complaints *c)
{
	yaml_parser_t p;
	int err = 0;

	if (!yaml_parser_initialize(&p))
		return -ENOMEM;
	yaml_parser_set_input_string(&p, (const unsigned char *)text, n);
	if (doc && !yaml_parser_load(&p, doc))
		err = complain_parser(&p, c);
	else if (!doc)
		err = check_events(&p, c);
	yaml_parser_delete(&p);
	return err;
}

int mo_yaml_parse(const char *text, size_t n, yaml_document_t *doc, mo_complaints *c)
{
	yaml_node_t *root;
	int err;

	if (n > MO_YAML_MAX_BYTES) {
		mo_complain(c, 0, "larger than %u bytes", MO_YAML_MAX_BYTES);
		return -EINVAL;
	}
	err = load(text, n, NULL, c);
	if (!err)
		err = load(text, n, doc, c);
	if (err)
		return err;
	root = yaml_document_get_root_node(doc);
	if (root && root->type != YAML_MAPPING_NODE && !mo_yaml_is_null(root))
		mo_complain(c, mo_yaml_line(root), "must hold 'key: value' pairs");
	check_nodes(doc, c);
	return 0;
}

yaml_node_t *mo_yaml_get(yaml_document_t *doc, yaml_node_t *mapping, molt_str key)
{
	if (!mapping || mapping->type != YAML_MAPPING_NODE)
		return NULL;
	for (yaml_node_pair_t *p = mapping->data.mapping.pairs.start;
	     p < mapping->data.mapping.pairs.top; p++) {
		const yaml_node_t *k = yaml_document_get_node(doc, p->key);

		if (k->type == YAML_SCALAR_NODE && mo_str_eq(mo_yaml_text(k), key))
			return yaml_document_get_node(doc, p->value);
	}
	return NULL;
}

static yaml_node_t *get_item(yaml_document_t *doc, const yaml_node_t *list, molt_str position)
{
	size_t n = (size_t)(list->data.sequence.items.top - list->data.sequence.items.start);
	uint64_t i;

	if (!mo_str_u64(position, UINT32_MAX, &i) || i >= n)
		return NULL;
	return yaml_document_get_node(doc, list->data.sequence.items.start[i]);
}

yaml_node_t *mo_yaml_path(yaml_document_t *doc, const char *dotted)
{
	yaml_node_t *at = yaml_document_get_root_node(doc);
	molt_str rest = mo_str(dotted);

	while (at && rest.ptr) {
		molt_str part = mo_str_split(&rest, '.');

		if (at->type == YAML_SEQUENCE_NODE)
			at = get_item(doc, at, part);
		else
			at = mo_yaml_get(doc, at, part);
	}
	return at;
}
