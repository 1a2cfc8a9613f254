/* Assertions that stay on in production, and magic numbers for handles.
 *
 * A broken invariant ends the process with a sentence: going on would risk
 * answering one client with another client's bytes.  The predecessor of a
 * restart then takes over, or the supervisor starts the program again. */
#ifndef MO_BASE_CHECK_H
#define MO_BASE_CHECK_H

#include <stdint.h>
#include <stdnoreturn.h>

#include "molt.h"

noreturn void mo_die(const char *file, int line, const char *fmt, ...) MOLT_PRINTF(3, 4);

#define MO_DIE(...) mo_die(__FILE__, __LINE__, __VA_ARGS__)

#define MO_CHECK(cond)                                                                             \
	do {                                                                                       \
		if (__builtin_expect(!(cond), 0))                                                  \
			mo_die(__FILE__, __LINE__, "invariant broken: %s", #cond);                 \
	} while (0)

/* Every handle starts with "uint32_t magic"; a stale or foreign one dies here. */
#define MO_MAGIC_OK(handle, value) MO_CHECK((handle) != NULL && (handle)->magic == (value))

#define MO_COUNTOF(a) (sizeof(a) / sizeof((a)[0]))
#define MO_CONTAINER_OF(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

#endif
