/* Public structs that go by pointer begin with their size, as the program knows it.  So a
 * member can be added to one: a program that was compiled before has fewer members than the
 * library, one that was compiled later has more, and neither side reads or writes what the
 * other does not have.
 *
 *   the program's size   what comes in (options)               what goes out (results)
 *   0, or absurd         -EINVAL, -E2BIG: nobody set it         the same
 *   less than ours       the rest has its defaults (zero)      the rest is not written
 *   ours                 all                                   all
 *   more than ours       -E2BIG when one of those is set       those are set to zero
 *
 * A new member is added at the end.  No struct has padding there: in a program that was
 * compiled before, the new member would lie in bytes that nobody has set. */
#ifndef MO_BASE_SIZED_H
#define MO_BASE_SIZED_H

#include <stddef.h>

#include "molt.h"

/* For the macros.  0 or a negative errno; then *why is a sentence (malloc'd), which is
 * logged as an error instead when why is NULL.  theirs may be NULL in mo_sized_in(): all
 * members have their defaults. */
int mo_sized_check(const void *theirs, const char *type, char **why);
int mo_sized_in(void *ours, size_t size, const void *theirs, const char *type, char **why);
int mo_sized_out(void *theirs, const void *ours, size_t size, const char *type, char **why);

/* Copies *theirs into *ours, a whole struct of this library. */
#define MO_SIZED_IN(type, ours, theirs, why)                                                       \
	mo_sized_in(1 ? (ours) : (type *)NULL, sizeof(type), 1 ? (theirs) : (const type *)NULL,    \
		    #type, (why))
/* Copies *ours into *theirs, whose size the program has set. */
#define MO_SIZED_OUT(type, theirs, ours, why)                                                      \
	mo_sized_out(1 ? (theirs) : (type *)NULL, 1 ? (ours) : (const type *)NULL, sizeof(type),   \
		     #type, (why))
/* Says beforehand whether MO_SIZED_OUT() will do. */
#define MO_SIZED_CHECK(type, theirs, why)                                                          \
	mo_sized_check(1 ? (theirs) : (const type *)NULL, #type, (why))

#endif
