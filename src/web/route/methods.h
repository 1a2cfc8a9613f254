/* Methods of HTTP by name, and sets of them for Allow (RFC 9110 section 10.2.1). */
#ifndef MO_WEB_ROUTE_METHODS_H
#define MO_WEB_ROUTE_METHODS_H

#include "base/arena.h"
#include "molt.h"

/* One of RFC 9110 or PATCH. */
bool mo_method_is_known(molt_str method);

/* All zero is the empty set; what it holds lies in the arena of the calls. */
typedef struct mo_method_set {
	unsigned known; /* a bit for each known method */
	struct mo_other_method *others;
} mo_method_set;

/* Adds method (its bytes must stay); GET brings HEAD. */
void mo_method_set_add(mo_arena *a, mo_method_set *s, molt_str method);
/* Adds what a pattern without methods takes: every known one but TRACE and CONNECT. */
void mo_method_set_add_usual(mo_method_set *s);
bool mo_method_set_has(const mo_method_set *s, molt_str method);
/* "GET, HEAD, OPTIONS": OPTIONS is always answered and always in the list. */
const char *mo_method_set_text(mo_arena *a, const mo_method_set *s);

#endif
