/* The router.  Input: patterns, a line each, up to an empty line; then requests,
 * "METHOD host path" (host may be "-") a line each.
 *   - a pattern is added, or refused with a sentence;
 *   - the order of adding never changes who takes a request, nor the parameters;
 *   - a pattern that takes a request gives its path back when its names are
 *     replaced by what they took;
 *   - Allow names the method of everything that is taken. */
#include <errno.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/str.h"
#include "fuzz.h"
#include "web/route/router.h"

#define MAX_PATTERNS 64
#define MAX_REQUESTS 64

typedef struct set {
	char *given[MAX_PATTERNS];
	unsigned count;
	mo_router *forward, *backward;
} set;

static bool add(mo_router *r, char *pattern)
{
	char *why = NULL;
	int err = mo_router_add(r, "", pattern, pattern, &why);

	MO_CHECK((err == 0) == (why == NULL));
	MO_CHECK(err == 0 || err == -EINVAL || err == -EEXIST);
	free(why);
	return err == 0;
}

static void add_patterns(set *s, molt_str *rest)
{
	while (rest->ptr) {
		molt_str line = mo_str_split(rest, '\n');
		char *pattern;

		if (line.len == 0)
			break;
		pattern = mo_strndup(line.ptr, line.len);
		if (s->count < MAX_PATTERNS && add(s->forward, pattern))
			s->given[s->count++] = pattern;
		else
			free(pattern);
	}
	for (unsigned i = s->count; i-- > 0;)
		MO_CHECK(add(s->backward, s->given[i]));
}

/* The pattern's path with what its names took. */
static void rebuild(mo_buf *out, const mo_match *m)
{
	const char *p = strchr(m->pattern, '/');
	unsigned i = 0;

	for (; *p; p++) {
		if (*p != '{') {
			mo_buf_putc(out, *p);
			continue;
		}
		MO_CHECK(i < m->nparams);
		mo_buf_str(out, m->params[i++].value);
		p = strchr(p, '}');
		MO_CHECK(p != NULL);
	}
	MO_CHECK(i == m->nparams);
}

static void check_rebuilt(const mo_match *m, const char *given, molt_str path)
{
	mo_buf b = { 0 };
	molt_str text;

	/* An escaped brace looks like a name. */
	if (strchr(given, '%'))
		return;
	rebuild(&b, m);
	text = mo_strn(b.data, b.len);
	/* "/files/{path...}" takes "/files". */
	if (m->takes_rest && text.len == path.len + 1 && text.ptr[path.len] == '/')
		text.len--;
	MO_CHECK(mo_str_eq(text, path));
	mo_buf_free(&b);
}

static void check_same(const mo_match *a, const mo_match *b)
{
	MO_CHECK(a->route == b->route && a->wrong_method == b->wrong_method);
	if (!a->route)
		return;
	MO_CHECK(strcmp(a->pattern, b->pattern) == 0 && a->nparams == b->nparams);
	for (unsigned i = 0; i < a->nparams; i++) {
		MO_CHECK(mo_str_eq(a->params[i].name, b->params[i].name));
		MO_CHECK(mo_str_eq(a->params[i].value, b->params[i].value));
		MO_CHECK(a->params[i].value.len > 0 || (a->takes_rest && i + 1 == a->nparams));
	}
}

static bool listed(const char *allow, molt_str method)
{
	molt_str rest = mo_str(allow);

	while (rest.ptr) {
		if (mo_str_eq(mo_str_trim(mo_str_split(&rest, ',')), method))
			return true;
	}
	return false;
}

static void ask(const set *s, mo_arena *a, molt_str line)
{
	molt_str path = line, method = mo_str_split(&path, ' '), host = mo_str_split(&path, ' ');
	mo_match m, other;
	const char *allow;

	if (!path.ptr)
		return;
	mo_router_match(s->forward, method, host, path, &m);
	mo_router_match(s->backward, method, host, path, &other);
	check_same(&m, &other);
	MO_CHECK(!m.wrong_method || (m.near && !m.route));
	allow = mo_router_allow(s->forward, a, host, path);
	MO_CHECK(listed(allow, MO_STR("OPTIONS")));
	if (m.route) {
		check_rebuilt(&m, m.route, path);
		/* Any method may go to a pattern without one; Allow names the usual. */
		MO_CHECK(listed(allow, method) || listed(allow, MO_STR("GET")));
	}
}

static void check_row(void *arg, const mo_route_row *row)
{
	unsigned *count = arg;

	MO_CHECK(row->path[0] == '/' && row->methods[0] && row->route);
	++*count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	set s = { .forward = mo_router_new(), .backward = mo_router_new() };
	char *text = exact_copy(data, size);
	molt_str rest = mo_strn(text, size);
	unsigned rows = 0;
	mo_arena a;

	mo_arena_init(&a, NULL);
	/* A pattern is a C string: what follows a NUL would be lost. */
	if (!memchr(text, '\0', size)) {
		add_patterns(&s, &rest);
		for (int i = 0; i < MAX_REQUESTS && rest.ptr; i++)
			ask(&s, &a, mo_str_split(&rest, '\n'));
	}
	mo_router_each(s.forward, check_row, &rows);
	MO_CHECK(rows == s.count);
	mo_arena_fini(&a);
	mo_router_free(s.forward);
	mo_router_free(s.backward);
	while (s.count > 0)
		free(s.given[--s.count]);
	free(text);
	return 0;
}
