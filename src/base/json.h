/* JSON from outside: from a client, a neighbour process, a file; and texts for JSON.
 *
 * Always: what was loaded has a limited depth.  The library that
 * reads, copies, writes and frees JSON calls itself for each level, and a coroutine
 * has a small stack.  tools/check-layers.sh refuses any other way in. */
#ifndef MO_BASE_JSON_H
#define MO_BASE_JSON_H

#include <jansson.h>
#include <stdbool.h>

#include "molt.h"

/* Molt's own messages and answers have 8 levels at most.  What a neighbour process says
 * may go into an answer, a few levels down. */
#define MO_JSON_DEPTH 32
#define MO_JSON_DEPTH_NEAR 16

/* Whether no array or object of the text is nested more deeply than that.  It looks at brackets
 * only: of a text that is no JSON, true means nothing else. */
bool mo_json_shallow(const char *text, size_t n, int depth);
/* json_loadb(), or NULL for what is nested more deeply; a new reference. */
json_t *mo_json_load(const char *text, size_t n, int depth, size_t flags);
/* A sentence, path or line as a JSON string; a new reference.  JSON has no form for what is
 * no UTF-8, and json_string() would give NULL, which takes the whole message along: such a
 * text is escaped as in a log, \xNN.  NULL: JSON's null. */
json_t *mo_json_text(const char *text);
/* A moment of the wall clock (ms) as ISO 8601 writes it, in UTC and to the second; a new
 * reference. */
json_t *mo_json_moment(molt_time wall);

/* The member of an object as a text: "" when there is none, or none that is a text. */
static inline const char *mo_json_text_of(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

/* The same as a whole number: 0. */
static inline int64_t mo_json_number_of(const json_t *o, const char *key)
{
	return (int64_t)json_number_value(json_object_get(o, key));
}

#endif
