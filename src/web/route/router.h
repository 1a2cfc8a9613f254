/* Patterns and the tree that finds them.  Compiled once, read-only afterwards,
 * so all loops share one.
 *
 * Order (whatever the order of adding): a host before none; then segment by
 * segment literal before {name} (and names mixed with literals inside a segment:
 * "{a}.{b}", longer literal first) before {name...}; then a method before none
 * (HEAD before GET before none).  A pattern of another method never hides one
 * that takes the request, so "POST /users/me" leaves GET to "GET /users/{id}".
 * {name} needs at least one byte; {name...} also takes the path without its '/':
 * "/files/{path...}" is "/files" too.  TRACE is taken only where it is named.
 *
 * Cost: a search follows the path down a tree with one level a segment, literal
 * children hashed, mixed ones tried in order.  It goes back when a more specific
 * branch ends nowhere, but a node is entered at most once (twice when there are
 * hosts), so no path costs more than the nodes of the routes themselves, and to
 * make k levels branch, a program must have bound about 2^k such routes. */
#ifndef MO_WEB_ROUTE_ROUTER_H
#define MO_WEB_ROUTE_ROUTER_H

#include "base/arena.h"
#include "molt.h"

#define MO_MAX_PARAMS 16
#define MO_MAX_PATTERN 1024

typedef struct mo_router mo_router;

mo_router *mo_router_new(void);
void mo_router_free(mo_router *r);

/* prefix ("" or "/api") is put before the pattern's path.  *why: malloc'd
 * sentence.  -EINVAL, -EEXIST. */
int mo_router_add(mo_router *r, const char *prefix, const char *pattern, void *route, char **why);

typedef struct mo_param {
	molt_str name;  /* in the router */
	molt_str value; /* in path; the getter makes it NUL-terminated */
} mo_param;

typedef struct mo_match {
	void *route; /* NULL: none */
	mo_param params[MO_MAX_PARAMS];
	unsigned nparams;
	bool takes_rest;     /* the last one is a {name...} */
	const char *pattern; /* normal form, for logs: "GET /users/{id}" */
	bool wrong_method;   /* the path exists with other methods: 405; near is set */
	void *near;          /* the most specific route of the path with another method;
				then params and pattern are of it */
} mo_match;

/* host: lower case, no port.  path: from mo_url_path(); "*" for OPTIONS *. */
void mo_router_match(const mo_router *r, molt_str method, molt_str host, molt_str path,
		     mo_match *out);
/* "GET, HEAD, OPTIONS": for Allow, when wrong_method (RFC 9110 section 10.2.1). */
const char *mo_router_allow(const mo_router *r, mo_arena *a, molt_str host, molt_str path);

/* The methods that any route takes, for Allow of OPTIONS *. */
const char *mo_router_methods(const mo_router *r, mo_arena *a);
/* A standard method, or one that some pattern names: others are 501. */
bool mo_router_knows(const mo_router *r, molt_str method);
bool mo_router_has_hosts(const mo_router *r);

/* For the table that is printed at start, sorted by host, path, method. */
typedef struct mo_route_row {
	const char *methods, *host, *path; /* "ALL" and "" when any */
	void *route;
} mo_route_row;
void mo_router_each(const mo_router *r, void (*fn)(void *arg, const mo_route_row *row), void *arg);

#endif
