/* Patterns of routes, read into segments.
 *
 *   pattern  = [methods] [host] path          "GET,POST api.example.com/u/{id}"
 *   methods  = NAME *( "," NAME ) ( SP / ":" )   none or "ALL": every method
 *   path     = "" / 1*( "/" segment )          "" only behind a prefix
 *   segment  = literal / {name} / mixed / {name...}      the last one only at the end
 *   mixed    = literals with {name}s between them: "{a}.{b}", "admin-{page}"
 *
 * ":name" and "*name" as whole segments are {name} and {name...}.  Everything
 * that was read lies in the arena that the caller gave. */
#ifndef MO_WEB_ROUTE_PATTERN_H
#define MO_WEB_ROUTE_PATTERN_H

#include "base/arena.h"
#include "web/route/router.h"

#define MO_MAX_SEGMENTS 64
#define MO_MAX_METHODS 16

enum mo_segment_kind { MO_SEG_LITERAL, MO_SEG_MIXED, MO_SEG_NAME, MO_SEG_REST };

typedef struct mo_segment {
	enum mo_segment_kind kind;
	molt_str text; /* a literal's text; of a mixed one its form without names, "{}.{}" */
	molt_str *
		lits; /* mixed: the nlits literals around the nlits - 1 names; the ends may be "" */
	unsigned nlits;
	size_t fixed; /* mixed: bytes of all literals */
} mo_segment;

typedef struct mo_pattern {
	molt_str methods[MO_MAX_METHODS];
	unsigned nmethods; /* 0: all */
	mo_segment segments[MO_MAX_SEGMENTS];
	unsigned nsegments;
	molt_str names[MO_MAX_PARAMS]; /* of the parameters, in order; "" when unnamed */
	unsigned nnames;
	/* Normal forms: "GET,POST" or "ALL"; lower case host or ""; path; all of it. */
	const char *methods_text, *host, *path, *text;
} mo_pattern;

/* -EINVAL and *why, a malloc'd sentence, for a pattern that cannot be read. */
int mo_pattern_parse(mo_arena *a, const char *prefix, const char *pattern, mo_pattern *out,
		     char **why);

/* Does the segment match a mixed one?  The values go to values[0..nlits - 1);
 * each has at least one byte, and the first ones are as long as possible. */
bool mo_mixed_match(const mo_segment *s, molt_str segment, molt_str *values);

#endif
