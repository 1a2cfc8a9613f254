/* Groups and binding: what a program calls before its server starts.
 *
 *   root "" -- group "/api" -- group "/api/v1/{tenant}" ...
 *
 * A route knows its group; a group knows its parent.  Middleware and error pages
 * may be added in any order with the binds, so chains are flattened only once
 * everything is known, by mo_groups_compile().  Every failure is remembered on
 * the server, so that a program need not look at each result. */
#include "web/core/group.h"

#include <errno.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/sized.h"
#include "base/str.h"
#include "web/route/pattern.h"

#define MIN_STACK ((size_t)16 << 10)
#define MAX_STACK ((size_t)64 << 20)

/* The root, with what belongs to the whole tree. */
typedef struct root_group {
	molt_group group;
	mo_arena arena;
	molt_group **last;  /* end of the list of groups */
	mo_router *by_path; /* of groups, for paths without a route; by compile */
} root_group;

static root_group *root_of(const molt_server *s)
{
	return MO_CONTAINER_OF(s->root, root_group, group);
}

mo_arena *mo_group_arena(const molt_group *g)
{
	return &root_of(g->server)->arena;
}

molt_group *mo_group_root_new(molt_server *s)
{
	root_group *root = mo_calloc(1, sizeof(*root));

	mo_arena_init(&root->arena, NULL);
	root->group = (molt_group){ .magic = MO_GROUP_MAGIC, .server = s, .prefix = "" };
	root->last = &root->group.next;
	if (!s->router)
		s->router = mo_router_new();
	s->root = &root->group;
	return s->root;
}

void mo_group_tree_free(molt_group *g)
{
	molt_server *s;
	root_group *root;

	if (!g)
		return;
	MO_MAGIC_OK(g, MO_GROUP_MAGIC);
	MO_CHECK(!g->parent);
	s = g->server;
	root = root_of(s);
	mo_router_free(s->router);
	mo_router_free(root->by_path);
	s->router = NULL;
	s->root = NULL;
	mo_arena_fini(&root->arena);
	root->group.magic = 0;
	free(root);
}

molt_group *molt_routes(molt_server *s)
{
	MO_MAGIC_OK(s, MO_SERVER_MAGIC);
	return s->root;
}

/* 0 when g may still be changed. */
static int check_new(molt_group *g)
{
	if (!g)
		return -EINVAL;
	MO_MAGIC_OK(g, MO_GROUP_MAGIC);
	return mo_server_check_new(g->server);
}

/* ---- groups ---- */

static int check_prefix(molt_group *parent, const char *prefix)
{
	mo_arena scratch;
	mo_pattern p;
	char *why = NULL;
	int err;

	if (!prefix || prefix[0] != '/')
		return mo_server_fail_why(parent->server, -EINVAL,
					  mo_fmt("group prefix \"%s\" does not begin with '/'",
						 prefix ? prefix : ""));
	mo_arena_init(&scratch, NULL);
	err = mo_pattern_parse(&scratch, parent->prefix, prefix, &p, &why);
	if (!err && p.segments[p.nsegments - 1].kind == MO_SEG_REST) {
		err = -EINVAL;
		why = mo_fmt("group prefix \"%s\" takes the rest of the path", prefix);
	}
	mo_arena_fini(&scratch);
	return err ? mo_server_fail_why(parent->server, err, why) : 0;
}

molt_group *molt_group_new(molt_group *parent, const char *prefix)
{
	root_group *root;
	molt_group *g;
	size_t n;

	if (check_new(parent) || check_prefix(parent, prefix))
		return NULL;
	root = root_of(parent->server);
	g = mo_arena_zalloc(&root->arena, sizeof(*g));
	n = strlen(prefix);
	if (prefix[n - 1] == '/')
		n--;
	*g = (molt_group){ .magic = MO_GROUP_MAGIC,
			   .server = parent->server,
			   .parent = parent,
			   .prefix = mo_arena_fmt(&root->arena, "%s%.*s", parent->prefix, (int)n,
						  prefix) };
	*root->last = g;
	root->last = &g->next;
	return g;
}

static int use(molt_group *g, enum mo_stage stage, const char *what, mo_call call)
{
	int err = check_new(g);
	mo_middleware **at;

	if (err)
		return err;
	if (!call.fn)
		return mo_server_fail(g->server, -EINVAL, "%s: no middleware", what);
	for (at = &g->middleware[stage]; *at; at = &(*at)->next)
		;
	*at = mo_arena_zalloc(mo_group_arena(g), sizeof(**at));
	(*at)->call = call;
	return 0;
}

int molt_group_use(molt_group *g, molt_handler *middleware, void *arg)
{
	return use(g, MO_STAGE_HANDLER, "molt_group_use", (mo_call){ middleware, arg });
}

int molt_group_use_steps(molt_group *g, molt_handler *middleware, void *arg)
{
	return use(g, MO_STAGE_STEP, "molt_group_use_steps", (mo_call){ middleware, arg });
}

int molt_group_on_status(molt_group *g, int status, molt_handler *h, void *arg)
{
	int err = check_new(g);
	mo_status_page *page;

	if (err)
		return err;
	if (status < 400 || status > 599 || !h)
		return mo_server_fail(g->server, -EINVAL,
				      "molt_group_on_status: no handler, or %d is not 400 to 599",
				      status);
	page = mo_arena_alloc(mo_group_arena(g), sizeof(*page));
	*page = (mo_status_page){ .next = g->pages, .status = status, .call = { h, arg } };
	g->pages = page;
	return 0;
}

/* ---- routes ---- */

/* Into known, which has the defaults when o is NULL. */
static int read_opts(molt_group *g, const char *pattern, const molt_route_opts *o,
		     molt_route_opts *known)
{
	char *why = NULL;
	int err = MO_SIZED_IN(molt_route_opts, known, o, &why);
	size_t stack = known->stack_size;

	if (err < 0)
		return mo_server_fail_why(g->server, err, why);
	if ((stack && (stack < MIN_STACK || stack > MAX_STACK)) ||
	    (known->timeout < 0 && known->timeout != MOLT_FOREVER))
		return mo_server_fail(g->server, -EINVAL,
				      "pattern \"%s\": stack_size or timeout out of range",
				      pattern);
	return 0;
}

static int bind_route(molt_group *g, const char *pattern, molt_handler *h, void *arg,
		      const molt_route_opts *o, const struct mo_ws_route *ws)
{
	int err = check_new(g);
	molt_route_opts known;
	mo_route *route;
	char *why = NULL;

	if (err)
		return err;
	if (!pattern || !h)
		return mo_server_fail(g->server, -EINVAL, "pattern \"%s\" without a handler",
				      pattern ? pattern : "");
	err = read_opts(g, pattern, o, &known);
	if (err < 0)
		return err;
	route = mo_arena_alloc(mo_group_arena(g), sizeof(*route));
	*route = (mo_route){ .group = g, .handler = h, .arg = arg, .opts = known, .ws = ws };
	err = mo_router_add(g->server->router, g->prefix, pattern, route, &why);
	return err ? mo_server_fail_why(g->server, err, why) : 0;
}

int molt_bind_opts(molt_group *g, const char *pattern, molt_handler *h, void *arg,
		   const molt_route_opts *o)
{
	return bind_route(g, pattern, h, arg, o, NULL);
}

int mo_group_bind_ws(molt_group *g, const char *pattern, molt_handler *h, void *arg,
		     const struct mo_ws_route *ws)
{
	return bind_route(g, pattern, h, arg, NULL, ws);
}

int molt_bind(molt_group *g, const char *pattern, molt_handler *h, void *arg)
{
	return molt_bind_opts(g, pattern, h, arg, NULL);
}

/* ---- at start ---- */

static unsigned count_middleware(const molt_group *g, enum mo_stage stage)
{
	unsigned n = 0;

	for (; g; g = g->parent) {
		for (const mo_middleware *m = g->middleware[stage]; m; m = m->next)
			n++;
	}
	return n;
}

static void compile_chain(mo_arena *a, molt_group *g, enum mo_stage stage)
{
	mo_chain *chain = &g->chain[stage];
	mo_call *end;

	chain->n = count_middleware(g, stage);
	chain->calls = mo_arena_alloc(a, chain->n * sizeof(mo_call));
	end = chain->calls + chain->n;
	for (const molt_group *up = g; up; up = up->parent) {
		mo_call *at;

		for (const mo_middleware *m = up->middleware[stage]; m; m = m->next)
			end--;
		at = end;
		for (const mo_middleware *m = up->middleware[stage]; m; m = m->next)
			*at++ = m->call;
	}
}

int mo_groups_compile(molt_server *s)
{
	root_group *root = root_of(s);

	mo_router_free(root->by_path);
	root->by_path = mo_router_new();
	for (molt_group *g = s->root; g; g = g->next) {
		char *why = NULL;
		int err = mo_router_add(root->by_path, g->prefix, "/{...}", g, &why);

		if (err && err != -EEXIST)
			return mo_server_fail_why(g->server, err, why);
		free(why);
		for (enum mo_stage stage = 0; stage < MO_STAGES; stage++)
			compile_chain(&root->arena, g, stage);
	}
	return 0;
}

const molt_group *mo_group_for_path(const molt_server *s, molt_str path, mo_match *m)
{
	mo_router_match(root_of(s)->by_path, MO_STR("GET"), (molt_str){ "", 0 }, path, m);
	if (!m->route)
		return s->root;
	/* The last one is the unnamed rest behind the prefix. */
	m->nparams--;
	m->takes_rest = false;
	return m->route;
}

/* ---- the table ---- */

typedef struct widths {
	int methods, host, path;
} widths;

static int wider(int width, const char *text)
{
	int n = (int)strlen(text);

	return n > width ? n : width;
}

static void measure_row(void *arg, const mo_route_row *row)
{
	widths *w = arg;

	w->methods = wider(w->methods, row->methods);
	w->host = wider(w->host, row->host);
	w->path = wider(w->path, row->path);
}

static void print_row(void *arg, const mo_route_row *row)
{
	const widths *w = arg;
	const mo_route *route = row->route;

	mo_info("| %-*s | %-*s | %-*s | middleware: %u%s |", w->host, *row->host ? row->host : "*",
		w->methods, row->methods, w->path, row->path,
		route->group->chain[MO_STAGE_HANDLER].n, route->opts.blocking ? ", blocking" : "");
}

void mo_routes_dump(molt_server *s)
{
	widths w = { .methods = 3, .host = 1, .path = 1 };

	mo_router_each(s->router, measure_row, &w);
	mo_info("routes of server \"%s\":", s->name);
	mo_router_each(s->router, print_row, &w);
}
