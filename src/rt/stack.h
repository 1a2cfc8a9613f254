/* Stacks for coroutines, of one loop, with a guard below each.
 *
 * Sizes are rounded up to a power of two of pages, a class each, so that a
 * route's size finds the stacks of others.  Stacks up to 4 MiB / 64 come from
 * slabs of 64 in one mapping, larger ones from mappings of fewer.  A stack that
 * was put back is the next one out (its pages are warm).  Mappings live until
 * mo_stacks_fini(); pages of stacks that rested are given back by
 * mo_stacks_trim(). */
#ifndef MO_RT_STACK_H
#define MO_RT_STACK_H

#include <stdbool.h>
#include <stddef.h>

#define MO_STACK_DEFAULT ((size_t)64 << 10)
#define MO_STACK_LEAST ((size_t)16 << 10)
#define MO_STACK_MOST ((size_t)1 << 30)
#define MO_STACK_CLASSES 17 /* 16 KiB << 0 to 16 */
#define MO_STACK_WARM 64u   /* unused stacks of a class that keep their pages */

typedef struct mo_stack {
	char *low; /* lowest usable byte; mo_stack_guard() bytes below it trap */
	size_t size;
	void *user; /* what the user keeps with this stack over its reuses */
	unsigned valgrind_id;
	unsigned char class;
	bool touched; /* used since its pages were given back */
} mo_stack;

typedef struct mo_stack_class {
	mo_stack **idle; /* the first of them rests longest; room for all of the class */
	unsigned idle_count, total;
	unsigned rested; /* fewest idle ones since the last trim: those were not used */
} mo_stack_class;

typedef struct mo_stacks {
	mo_stack_class classes[MO_STACK_CLASSES];
	struct mo_slab *slabs;
	bool crowded; /* a class has more than the warm ones idle: worth a trim */
} mo_stacks;          /* all zero is an empty one */

/* NULL when size is over MO_STACK_MOST or the system refuses. */
mo_stack *mo_stack_get(mo_stacks *all, size_t size);
void mo_stack_put(mo_stacks *all, mo_stack *s);

/* Gives back the pages of stacks that were not used since the last call, but
 * for the warm ones.  True: more may be given back after another while. */
bool mo_stacks_trim(mo_stacks *all);

void mo_stacks_each(mo_stacks *all, void (*fn)(mo_stack *s)); /* idle or not */
void mo_stacks_fini(mo_stacks *all);                          /* unmaps all */

size_t mo_stack_guard(void); /* bytes of the guard below each stack */

#endif
