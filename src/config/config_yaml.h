/* A YAML text as a checked tree: one document, a mapping at the top, at most
 * 1 MiB and 32 levels, no aliases (a few of them can stand for gigabytes), no
 * key twice in a mapping, no NUL inside a text.  Knows nothing of keys. */
#ifndef MO_CONFIG_YAML_H
#define MO_CONFIG_YAML_H

#include <stdbool.h>
#include <stddef.h>
#include <yaml.h>

#include "molt.h"

#define MO_YAML_MAX_BYTES (1024u * 1024u)
#define MO_YAML_MAX_DEPTH 32u
#define MO_COMPLAINTS_LOGGED 100u /* lines of the log that one bad file may cost */

/* Everything that is wrong with one file.  Each complaint is logged at once as
 * "path:line: sentence" (up to a limit); the first is kept. */
typedef struct mo_complaints {
	const char *path;
	unsigned count;
	char *first; /* malloc'd */
} mo_complaints;

/* line: from 1; 0: the file as a whole. */
void mo_complain(mo_complaints *c, size_t line, const char *fmt, ...) MOLT_PRINTF(3, 4);

/* Reads a whole file, one byte more than allowed at most.  malloc'd.  -errno. */
int mo_yaml_read(const char *path, char **text, size_t *n);
/* Fills doc, to be freed with yaml_document_delete(); -EINVAL (nothing to free)
 * when it is no YAML or breaks a limit.  With 0 there may still be complaints:
 * the tree can be walked, so that all of them are told, but must not be used.
 * An empty text gives a document without a root. */
int mo_yaml_parse(const char *text, size_t n, yaml_document_t *doc, mo_complaints *c);

/* Borrowed from doc.  The value of a key, compared byte by byte, or NULL. */
yaml_node_t *mo_yaml_get(yaml_document_t *doc, yaml_node_t *mapping, molt_str key);
/* "a.b.0": keys and, in lists, positions.  NULL. */
yaml_node_t *mo_yaml_path(yaml_document_t *doc, const char *dotted);
molt_str mo_yaml_text(const yaml_node_t *scalar);
/* Nothing, '~' or 'null', not in quotes. */
bool mo_yaml_is_null(const yaml_node_t *n);
size_t mo_yaml_line(const yaml_node_t *n); /* from 1 */

#endif
