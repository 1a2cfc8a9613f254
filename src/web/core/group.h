/* Groups and their routes, as group.c builds them and dispatch.c reads them.
 *
 * The root group and all below it lie in one arena of the root.  Set-up changes
 * them on one thread; mo_groups_compile() then makes each group's chain, and
 * from there on everything is read-only and shared by all loops. */
#ifndef MO_WEB_CORE_GROUP_H
#define MO_WEB_CORE_GROUP_H

#include "web/core/server.h"

#define MO_GROUP_MAGIC 0x67727021u

/* A function of the program with what it was given for it. */
typedef struct mo_call {
	molt_handler *fn;
	void *arg;
} mo_call;

/* A request's first part, and each later one. */
enum mo_stage { MO_STAGE_HANDLER, MO_STAGE_STEP, MO_STAGES };

typedef struct mo_chain {
	mo_call *calls;
	unsigned n;
} mo_chain;

typedef struct mo_middleware {
	struct mo_middleware *next; /* in call order */
	mo_call call;
} mo_middleware;

typedef struct mo_status_page {
	struct mo_status_page *next;
	int status;
	mo_call call;
} mo_status_page;

struct molt_group {
	uint32_t magic;
	molt_server *server;
	molt_group *parent; /* NULL: the root */
	molt_group *next;   /* of all groups of the server, in order of making */
	const char *prefix; /* whole, from the root; "" or "/api" */
	mo_middleware *middleware[MO_STAGES];
	mo_status_page *pages;
	/* After mo_groups_compile(): middleware from the root's first to this
	 * group's last. */
	mo_chain chain[MO_STAGES];
};

/* What a pattern leads to. */
typedef struct mo_route {
	molt_group *group;
	molt_handler *handler;
	void *arg;
	molt_route_opts opts;
	const struct mo_ws_route *ws; /* of molt_ws_bind(), or NULL */
} mo_route;

/* molt_bind() of an endpoint's handler; pattern lives as long as the group. */
int mo_group_bind_ws(molt_group *g, const char *pattern, molt_handler *h, void *arg,
		     const struct mo_ws_route *ws);

/* Memory that lives as long as the server's groups; while they are set up. */
mo_arena *mo_group_arena(const molt_group *g);

molt_group *mo_group_root_new(molt_server *s); /* sets s->root, and s->router when NULL */
void mo_group_tree_free(molt_group *root);     /* with s->router; NULL is accepted */
/* Makes the chains of middleware; by molt_server_start(), before the first
 * request.  A failure is remembered. */
int mo_groups_compile(molt_server *s);
/* Prints the table of routes to the log. */
void mo_routes_dump(molt_server *s);

/* The deepest group whose prefix begins path; the first made of equal ones.  Its
 * parameters are put into m.  For paths without a route. */
const molt_group *mo_group_for_path(const molt_server *s, molt_str path, mo_match *m);

#endif
