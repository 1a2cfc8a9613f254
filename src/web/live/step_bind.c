/* Named steps of a server: bound before the start, read-only afterwards. */
#include <errno.h>

#include "base/sized.h"
#include "base/str.h"
#include "web/live/web_step.h"

const mo_bound_step *mo_step_find(const molt_server *s, molt_str name)
{
	for (const mo_bound_step *b = s->steps; b; b = b->next)
		if (mo_str_eq(mo_str(b->name), name))
			return b;
	return NULL;
}

static bool good_name(const char *name)
{
	size_t n = strlen(name);

	for (size_t i = 0; i < n; i++)
		if (name[i] <= 0x20 || name[i] > 0x7e)
			return false;
	return n > 0 && n <= MO_STEP_NAME;
}

int molt_step_bind(molt_server *s, const char *name, molt_handler *h, void *arg)
{
	return molt_step_bind_opts(s, name, h, arg, NULL);
}

int molt_step_bind_opts(molt_server *s, const char *name, molt_handler *h, void *arg,
			const molt_route_opts *o)
{
	int err = mo_server_check_new(s);
	molt_route_opts known;
	mo_bound_step *b;
	char *why = NULL;

	if (err < 0)
		return err;
	err = MO_SIZED_IN(molt_route_opts, &known, o, &why);
	if (err < 0)
		return mo_server_fail_why(s, err, why);
	if (!name || !good_name(name) || !h)
		return mo_server_fail(s, -EINVAL,
				      "a step has a function, and a name of 1 to %u printable "
				      "characters without spaces, not \"%s\"",
				      MO_STEP_NAME, name ? name : "");
	if (mo_step_find(s, mo_str(name)))
		return mo_server_fail(s, -EEXIST, "step %s is bound twice", name);
	b = mo_arena_zalloc(mo_group_arena(s->root), sizeof(*b));
	b->name = mo_arena_strndup(mo_group_arena(s->root), name, strlen(name));
	b->label = mo_arena_fmt(mo_group_arena(s->root), "step %s", name);
	b->route.handler = h;
	b->route.arg = arg;
	b->route.opts.blocking = known.blocking;
	b->route.opts.stack_size = known.stack_size;
	b->next = s->steps;
	s->steps = b;
	return 0;
}
