/* SPDX-License-Identifier: MIT
 *
 * Routes: patterns, groups and middleware, static files.
 * Programs include molt.h, which includes this file. */
#ifndef MOLT_ROUTE_H
#define MOLT_ROUTE_H

#include "molt/types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- routes ---------------------------------------------------------- */

/* Patterns: "/users/{id}" one segment; "/files/{path...}" the rest (may be
 * empty); "GET /x" or "GET,POST /x" limits methods; "api.example.com/x" limits
 * hosts.  GoFrame's forms are read too: "/users/:id", "/files/" + "*path",
 * "GET:/x".  A segment may mix: "/{name}.{ext}", "/admin-{page}"; the first
 * names take as much as they can.  {name} takes at least one byte;
 * "/files/{path...}" takes "/files" too.  A pattern without methods takes all but
 * TRACE; GET takes HEAD.  In a group, "" is the prefix itself.  The most specific
 * pattern wins whatever the order: a host before none, then segment by segment
 * literal before mixed before {name} before {name...}, then a method before none;
 * a pattern of another method never hides one that takes the request.  Two
 * patterns that match the same requests are -EEXIST; -EINVAL for one that cannot
 * be read, has over 16 names or 64 segments, or names CONNECT.
 *
 * Without a route: 404; 405 with Allow when the path is bound with other methods;
 * OPTIONS is answered with 204 and Allow; 501 for methods that no route knows, and
 * CONNECT.  Paths are compared exactly, but a GET or HEAD of "/x/" where only "/x"
 * is bound, or the reverse, is sent there with 308.  A path with a bad escape, or
 * one that leads above the root, is a 400. */
MOLT_API int molt_bind(molt_group *g, const char *pattern, molt_handler *h, void *arg);

typedef struct molt_route_opts {
	size_t size;
	bool blocking;	    /* run on a pool thread: plain blocking calls are fine */
	size_t stack_size;  /* 0: the server's; 16 KiB to 64 MiB                 */
	size_t max_body;    /* 0: the server's                                   */
	bool stream_body;   /* read with molt_req_read(); not held to the server's
			       max_body, only to this route's                    */
	molt_time timeout;  /* writes fail with -ETIMEDOUT after it, and the client gets
			       503, or a cut answer when it has begun; 0: none */
} molt_route_opts;
#define MOLT_ROUTE_OPTS(...) MOLT_SIZED(molt_route_opts, __VA_ARGS__)
MOLT_API int molt_bind_opts(molt_group *g, const char *pattern, molt_handler *h, void *arg,
			    const molt_route_opts *o);

MOLT_API molt_group *molt_routes(molt_server *s); /* the root group */
/* A group below parent; prefix begins with '/' and may hold {name}.  Returns NULL and remembers
 * the failure for a bad prefix; a NULL group makes later calls fail with -EINVAL. */
MOLT_API molt_group *molt_group_new(molt_group *parent, const char *prefix);
/* Runs middleware before every handler of g and of its subgroups, in call
 * order, whenever those were bound.  It also runs before the library's own
 * answers (404, 405, OPTIONS, the 308 of a trailing slash) below g's prefix, so
 * that nobody learns behind a login what is bound; the root's runs for every
 * request.  Of several groups with one prefix, the first made has the paths that
 * none of them bound.  arg: for molt_req_arg() in it, so one function may be used
 * for several groups. */
MOLT_API int molt_group_use(molt_group *g, molt_handler *middleware, void *arg);
/* The same around each later part of a request in steps (molt_continue()) below g's prefix. */
MOLT_API int molt_group_use_steps(molt_group *g, molt_handler *middleware, void *arg);
/* Runs h to make the body of answers with that status (400 to 599) that have no
 * body yet or were made by molt_res_error(), below g's prefix; the deepest group
 * that has one, and of one group the last given.  An error that nobody made a
 * body for gets a small page, in HTML when Accept prefers it, unless the handler
 * set a Content-Type. */
MOLT_API int molt_group_on_status(molt_group *g, int status, molt_handler *h, void *arg);
/* Inside middleware: runs the rest, then returns.  Only the first call of each
 * middleware does.  [parks] */
MOLT_API void molt_next(molt_req *r);

typedef struct molt_static_opts {
	size_t size;
	const char *index; /* comma list; NULL: "index.html,index.htm"           */
	bool list;	   /* directory listings; off: 403                       */
	molt_time max_age; /* Cache-Control; 0: no field                         */
} molt_static_opts;
#define MOLT_STATIC_OPTS(...) MOLT_SIZED(molt_static_opts, __VA_ARGS__)
/* Serves the files below dir at prefix: GET and HEAD, index files, one or more
 * byte ranges, ETag and Last-Modified with 304 and 412, content types, never
 * anything outside dir (a symbolic link that leads out is refused), no dot
 * files.  o may be NULL.  -ENOENT/-ENOTDIR when dir is not there. */
MOLT_API int molt_static(molt_group *g, const char *prefix, const char *dir,
			 const molt_static_opts *o);

#ifdef __cplusplus
}
#endif
#endif
