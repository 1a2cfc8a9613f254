/* The tree of routes; see router.h for the order and the bound of a search.
 *
 *   hosts --"a.com"--> node   any --> node       roots, at the path's first '/'
 *   node: hashed literal children, mixed children (best first), one {name}
 *         child, the leaf of patterns that end here, and that of {name...}
 *   leaf: one rule per method, and one for all methods
 *   rule: what one pattern gave: route, names of its parameters, normal forms
 *
 * A node stands for a row of segments without names, so that "/u/{id}" and
 * "/u/{name}/x" share one; names belong to rules.  All of it lies in the
 * router's arena.  A node's depth is its number of segments: recursion is at
 * most MO_MAX_SEGMENTS deep. */
#include "web/route/router.h"

#include <errno.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/check.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/word.h"
#include "web/route/methods.h"
#include "web/route/pattern.h"

typedef struct rule {
	struct rule *next; /* of the router, newest first */
	void *route;
	molt_str *names;
	unsigned nnames;
	bool takes_rest;
	const char *methods, *host, *path, *text;
} rule;

typedef struct leaf_method {
	struct leaf_method *next;
	molt_str method;
	const rule *rule;
} leaf_method;

typedef struct leaf {
	leaf_method *methods;
	const rule *all;
} leaf;

typedef struct node {
	molt_str text;       /* in its parent's table */
	struct node **table; /* of literal children; size is 0 or a power of two */
	size_t size, count;
	struct mixed *mixed;
	struct node *name;
	leaf *here, *rest;
} node;

typedef struct mixed {
	struct mixed *next; /* less specific */
	mo_segment segment;
	node child;
} mixed;

struct mo_router {
	mo_arena arena;
	node hosts, any;
	rule *rules;
	unsigned nrules;
	mo_method_set methods; /* of all rules */
};

mo_router *mo_router_new(void)
{
	mo_router *r = mo_calloc(1, sizeof(*r));

	mo_arena_init(&r->arena, NULL);
	return r;
}

void mo_router_free(mo_router *r)
{
	if (!r)
		return;
	mo_arena_fini(&r->arena);
	free(r);
}

bool mo_router_has_hosts(const mo_router *r)
{
	return r->hosts.count > 0;
}

/* ---- literal children: open addressing, at most half full ---- */

static size_t hash_text(molt_str s)
{
	const uint64_t prime = 0x9e3779b97f4a7c15u;
	uint64_t h = s.len;
	size_t i = 0;

	for (; s.len - i >= 8; i += 8) {
		h = (h ^ mo_load8(s.ptr + i)) * prime;
		h ^= h >> 32;
	}
	h = (h ^ mo_load_few(s.ptr + i, s.len - i)) * prime;
	return (size_t)(h ^ (h >> 32));
}

static node **table_slot(const node *n, molt_str text)
{
	size_t i = hash_text(text) & (n->size - 1);

	while (n->table[i] && !mo_str_eq(n->table[i]->text, text))
		i = (i + 1) & (n->size - 1);
	return &n->table[i];
}

static const node *child_find(const node *n, molt_str text)
{
	return n->count ? *table_slot(n, text) : NULL;
}

static void table_grow(mo_arena *a, node *n)
{
	node old = *n;

	n->size = old.size ? old.size * 2 : 4;
	n->table = mo_arena_zalloc(a, n->size * sizeof(node *));
	for (size_t i = 0; i < old.size; i++) {
		if (old.table[i])
			*table_slot(n, old.table[i]->text) = old.table[i];
	}
}

static node *child_make(mo_arena *a, node *n, molt_str text)
{
	node **slot;

	if (n->size < (n->count + 1) * 2)
		table_grow(a, n);
	slot = table_slot(n, text);
	if (!*slot) {
		*slot = mo_arena_zalloc(a, sizeof(node));
		(*slot)->text = text;
		n->count++;
	}
	return *slot;
}

/* ---- adding ---- */

/* Longer literals first, then fewer names; the last two make the order total,
 * so that the order of adding never shows. */
static int mixed_compare(const mo_segment *a, const mo_segment *b)
{
	if (a->fixed != b->fixed)
		return a->fixed > b->fixed ? -1 : 1;
	if (a->nlits != b->nlits)
		return a->nlits < b->nlits ? -1 : 1;
	for (unsigned i = 0; i < a->nlits; i++) {
		if (a->lits[i].len != b->lits[i].len)
			return a->lits[i].len > b->lits[i].len ? -1 : 1;
	}
	return memcmp(a->text.ptr, b->text.ptr, a->text.len);
}

static node *mixed_make(mo_arena *a, node *n, const mo_segment *s)
{
	mixed **at = &n->mixed, *m;

	while (*at && mixed_compare(&(*at)->segment, s) < 0)
		at = &(*at)->next;
	if (*at && mo_str_eq((*at)->segment.text, s->text))
		return &(*at)->child;
	m = mo_arena_zalloc(a, sizeof(*m));
	m->segment = *s;
	m->next = *at;
	*at = m;
	return &m->child;
}

static leaf *leaf_make(mo_arena *a, leaf **at)
{
	if (!*at)
		*at = mo_arena_zalloc(a, sizeof(leaf));
	return *at;
}

/* The leaf where the pattern ends, with all nodes above it. */
static leaf *pattern_leaf(mo_router *r, const mo_pattern *p)
{
	node *n = *p->host ? child_make(&r->arena, &r->hosts, mo_str(p->host)) : &r->any;

	for (unsigned i = 0; i < p->nsegments; i++) {
		const mo_segment *s = &p->segments[i];

		switch (s->kind) {
		case MO_SEG_LITERAL:
			n = child_make(&r->arena, n, s->text);
			break;
		case MO_SEG_MIXED:
			n = mixed_make(&r->arena, n, s);
			break;
		case MO_SEG_NAME:
			if (!n->name)
				n->name = mo_arena_zalloc(&r->arena, sizeof(node));
			n = n->name;
			break;
		case MO_SEG_REST:
			return leaf_make(&r->arena, &n->rest);
		}
	}
	return leaf_make(&r->arena, &n->here);
}

static const rule *leaf_find(const leaf *l, molt_str method)
{
	for (const leaf_method *m = l->methods; m; m = m->next) {
		if (mo_str_eq(m->method, method))
			return m->rule;
	}
	return NULL;
}

/* The rule that takes the same requests as the pattern, or NULL. */
static const rule *leaf_conflict(const leaf *l, const mo_pattern *p)
{
	if (p->nmethods == 0)
		return l->all;
	for (unsigned i = 0; i < p->nmethods; i++) {
		const rule *other = leaf_find(l, p->methods[i]);

		if (other)
			return other;
	}
	return NULL;
}

static const rule *rule_new(mo_router *r, const mo_pattern *p, void *route)
{
	rule *u = mo_arena_alloc(&r->arena, sizeof(*u));

	*u = (rule){ .next = r->rules,
		     .route = route,
		     .nnames = p->nnames,
		     .takes_rest = p->segments[p->nsegments - 1].kind == MO_SEG_REST,
		     .methods = p->methods_text,
		     .host = p->host,
		     .path = p->path,
		     .text = p->text };
	u->names = mo_arena_alloc(&r->arena, p->nnames * sizeof(molt_str));
	memcpy(u->names, p->names, p->nnames * sizeof(molt_str));
	r->rules = u;
	r->nrules++;
	return u;
}

int mo_router_add(mo_router *r, const char *prefix, const char *pattern, void *route, char **why)
{
	mo_pattern p;
	const rule *other, *made;
	leaf *l;
	int err = mo_pattern_parse(&r->arena, prefix, pattern, &p, why);

	if (err)
		return err;
	l = pattern_leaf(r, &p);
	other = leaf_conflict(l, &p);
	if (other) {
		*why = mo_fmt("pattern \"%s\" takes the same requests as \"%s\"", p.text,
			      other->text);
		return -EEXIST;
	}
	made = rule_new(r, &p, route);
	if (p.nmethods == 0) {
		l->all = made;
		mo_method_set_add_usual(&r->methods);
	}
	for (unsigned i = 0; i < p.nmethods; i++) {
		leaf_method *m = mo_arena_alloc(&r->arena, sizeof(*m));

		*m = (leaf_method){ .next = l->methods, .method = p.methods[i], .rule = made };
		l->methods = m;
		mo_method_set_add(&r->arena, &r->methods, p.methods[i]);
	}
	return 0;
}

/* ---- searching ---- */

/* One search.  values holds what the names on the way down took. */
typedef struct walk {
	molt_str method;
	const char *end; /* of the path */
	molt_str values[MO_MAX_PARAMS];
	unsigned nvalues;
	/* Looks at a leaf of the path; true ends the search. */
	bool (*visit)(struct walk *w, const leaf *l);
	void *out;
} walk;

static bool walk_node(walk *w, const node *n, const char *at);

static bool visit_with(walk *w, const leaf *l, const char *from)
{
	bool done;

	MO_CHECK(w->nvalues < MO_MAX_PARAMS);
	w->values[w->nvalues++] = mo_strn(from, (size_t)(w->end - from));
	done = w->visit(w, l);
	w->nvalues--;
	return done;
}

static bool walk_mixed(walk *w, const node *n, molt_str segment, const char *next)
{
	for (const mixed *m = n->mixed; m; m = m->next) {
		unsigned count = m->segment.nlits - 1;

		MO_CHECK(w->nvalues + count <= MO_MAX_PARAMS);
		if (!mo_mixed_match(&m->segment, segment, w->values + w->nvalues))
			continue;
		w->nvalues += count;
		if (walk_node(w, &m->child, next))
			return true;
		w->nvalues -= count;
	}
	return false;
}

static bool walk_name(walk *w, const node *n, molt_str segment, const char *next)
{
	if (!n->name)
		return false;
	MO_CHECK(w->nvalues < MO_MAX_PARAMS);
	w->values[w->nvalues++] = segment;
	if (walk_node(w, n->name, next))
		return true;
	w->nvalues--;
	return false;
}

/* at: the first byte of the segment below n; NULL when the path ends at n. */
static bool walk_node(walk *w, const node *n, const char *at)
{
	const char *slash, *next;
	const node *child;
	molt_str segment;

	if (!at)
		return (n->here && w->visit(w, n->here)) ||
		       (n->rest && visit_with(w, n->rest, w->end));
	slash = memchr(at, '/', (size_t)(w->end - at));
	segment = mo_strn(at, (size_t)((slash ? slash : w->end) - at));
	next = slash ? slash + 1 : NULL;
	child = child_find(n, segment);
	if (child && walk_node(w, child, next))
		return true;
	if (segment.len && (walk_mixed(w, n, segment, next) || walk_name(w, n, segment, next)))
		return true;
	return n->rest && visit_with(w, n->rest, at);
}

static void walk_all(const mo_router *r, walk *w, molt_str host, molt_str path)
{
	const node *root = host.len ? child_find(&r->hosts, host) : NULL;

	if (path.len == 0 || path.ptr[0] != '/')
		return;
	w->end = path.ptr + path.len;
	if (!root || !walk_node(w, root, path.ptr + 1))
		walk_node(w, &r->any, path.ptr + 1);
}

/* The rule of the leaf that takes the method, or NULL. */
static const rule *leaf_rule(const leaf *l, molt_str method)
{
	const rule *u = leaf_find(l, method);

	if (!u && mo_str_eq(method, MO_STR("HEAD")))
		u = leaf_find(l, MO_STR("GET"));
	if (!u && !mo_str_eq(method, MO_STR("TRACE")))
		u = l->all;
	return u;
}

static void match_fill(const walk *w, const rule *u, mo_match *out)
{
	out->pattern = u->text;
	out->nparams = u->nnames;
	out->takes_rest = u->takes_rest;
	MO_CHECK(w->nvalues == u->nnames);
	for (unsigned i = 0; i < u->nnames; i++)
		out->params[i] = (mo_param){ .name = u->names[i], .value = w->values[i] };
}

static bool visit_match(walk *w, const leaf *l)
{
	mo_match *out = w->out;
	const rule *u = leaf_rule(l, w->method);

	if (u) {
		out->route = u->route;
		out->wrong_method = false;
		out->near = NULL;
		match_fill(w, u, out);
		return true;
	}
	if (!out->wrong_method) {
		u = l->methods ? l->methods->rule : l->all;
		out->wrong_method = true;
		out->near = u->route;
		match_fill(w, u, out);
	}
	return false;
}

void mo_router_match(const mo_router *r, molt_str method, molt_str host, molt_str path,
		     mo_match *out)
{
	walk w;

	w.method = method;
	w.nvalues = 0;
	w.visit = visit_match;
	w.out = out;
	out->route = out->near = NULL;
	out->nparams = 0;
	out->pattern = NULL;
	out->wrong_method = false;
	walk_all(r, &w, host, path);
}

/* ---- Allow ---- */

typedef struct allow {
	mo_arena *arena;
	mo_method_set set;
} allow;

static bool visit_allow(walk *w, const leaf *l)
{
	allow *out = w->out;

	for (const leaf_method *m = l->methods; m; m = m->next)
		mo_method_set_add(out->arena, &out->set, m->method);
	if (l->all)
		mo_method_set_add_usual(&out->set);
	return false;
}

const char *mo_router_allow(const mo_router *r, mo_arena *a, molt_str host, molt_str path)
{
	allow out = { .arena = a };
	walk w = { .visit = visit_allow, .out = &out };

	walk_all(r, &w, host, path);
	return mo_method_set_text(a, &out.set);
}

const char *mo_router_methods(const mo_router *r, mo_arena *a)
{
	return mo_method_set_text(a, &r->methods);
}

bool mo_router_knows(const mo_router *r, molt_str method)
{
	return mo_method_is_known(method) || mo_method_set_has(&r->methods, method);
}

/* ---- the table ---- */

static int row_compare(const void *a, const void *b)
{
	const mo_route_row *x = a, *y = b;
	int c = strcmp(x->host, y->host);

	if (c == 0)
		c = strcmp(x->path, y->path);
	return c ? c : strcmp(x->methods, y->methods);
}

void mo_router_each(const mo_router *r, void (*fn)(void *arg, const mo_route_row *row), void *arg)
{
	mo_route_row *rows = mo_calloc(r->nrules ? r->nrules : 1, sizeof(*rows));
	size_t n = 0;

	for (const rule *u = r->rules; u; u = u->next)
		rows[n++] = (mo_route_row){ u->methods, u->host, u->path, u->route };
	qsort(rows, n, sizeof(*rows), row_compare);
	for (size_t i = 0; i < n; i++)
		fn(arg, &rows[i]);
	free(rows);
}
