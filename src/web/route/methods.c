/* Methods and sets of them; see methods.h.  Called by the router when routes
 * are added and when an answer needs Allow; never on the way of a request that
 * finds its route. */
#include "web/route/methods.h"

#include "base/buf.h"
#include "base/str.h"

struct mo_other_method {
	struct mo_other_method *next;
	molt_str name;
};

/* In the order in which Allow lists them; the bit of each is its place. */
enum { GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS, TRACE, CONNECT, KNOWN };
static const molt_str known_methods[KNOWN] = {
	[GET] = { "GET", 3 },         [HEAD] = { "HEAD", 4 },   [POST] = { "POST", 4 },
	[PUT] = { "PUT", 3 },         [PATCH] = { "PATCH", 5 }, [DELETE] = { "DELETE", 6 },
	[OPTIONS] = { "OPTIONS", 7 }, [TRACE] = { "TRACE", 5 }, [CONNECT] = { "CONNECT", 7 },
};

static unsigned known_place(molt_str method)
{
	unsigned i = 0;

	while (i < KNOWN && !mo_str_eq(method, known_methods[i]))
		i++;
	return i;
}

bool mo_method_is_known(molt_str method)
{
	return known_place(method) < KNOWN;
}

void mo_method_set_add(mo_arena *a, mo_method_set *s, molt_str method)
{
	unsigned place = known_place(method);
	struct mo_other_method **at = &s->others;

	if (place < KNOWN) {
		s->known |= 1u << place;
		if (place == GET)
			s->known |= 1u << HEAD;
		return;
	}
	while (*at && !mo_str_eq((*at)->name, method))
		at = &(*at)->next;
	if (!*at) {
		*at = mo_arena_zalloc(a, sizeof(**at));
		(*at)->name = method;
	}
}

void mo_method_set_add_usual(mo_method_set *s)
{
	s->known |= ((1u << KNOWN) - 1) & ~(1u << TRACE | 1u << CONNECT);
}

bool mo_method_set_has(const mo_method_set *s, molt_str method)
{
	unsigned place = known_place(method);

	if (place < KNOWN)
		return s->known & (1u << place);
	for (const struct mo_other_method *o = s->others; o; o = o->next) {
		if (mo_str_eq(o->name, method))
			return true;
	}
	return false;
}

const char *mo_method_set_text(mo_arena *a, const mo_method_set *s)
{
	mo_buf b = { 0 };
	const char *text;

	for (unsigned i = 0; i < KNOWN; i++) {
		if ((s->known | 1u << OPTIONS) & (1u << i))
			mo_buf_fmt(&b, "%s%s", b.len ? ", " : "", known_methods[i].ptr);
	}
	for (const struct mo_other_method *o = s->others; o; o = o->next)
		mo_buf_fmt(&b, ", %s", o->name.ptr);
	text = mo_arena_strndup(a, b.data, b.len);
	mo_buf_free(&b);
	return text;
}
