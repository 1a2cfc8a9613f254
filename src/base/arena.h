/* Memory that dies at once: an arena hands out pieces of chunks and frees them
 * together.  Chunks of the common size go back to a cache that belongs to one
 * loop, so a request costs no malloc.  Under AddressSanitizer the cache is off
 * and every piece is its own allocation, so that overruns and late uses show. */
#ifndef MO_BASE_ARENA_H
#define MO_BASE_ARENA_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "molt.h"

#define MO_ARENA_CHUNK 4096u

typedef struct mo_chunk mo_chunk;

/* Spare chunks of one thread. All zero is an empty one. */
typedef struct mo_chunk_cache {
	mo_chunk *spare;
	unsigned count;
} mo_chunk_cache;

void mo_chunk_cache_drain(mo_chunk_cache *c); /* frees all */

typedef struct mo_deferred mo_deferred;

typedef struct mo_arena {
	mo_chunk_cache *cache; /* may be NULL */
	mo_chunk *chunks;      /* newest first; owned */
	char *at, *end;	       /* free part of the newest chunk */
	mo_deferred *deferred; /* newest first */
} mo_arena;

void mo_arena_init(mo_arena *a, mo_chunk_cache *cache);
/* Runs the deferred calls, last in first out, then frees everything.  The arena
 * struct itself may lie inside the arena. */
void mo_arena_fini(mo_arena *a);

/* A new chunk, or a piece of its own for a large n; for mo_arena_alloc(). */
void *mo_arena_alloc_slow(mo_arena *a, size_t n);

/* Aligned for any type, not zeroed.  Here, because a request takes a dozen. */
static inline void *mo_arena_alloc(mo_arena *a, size_t n)
{
	const size_t align = _Alignof(max_align_t);
	char *p = a->at;
	size_t whole = (n + (n == 0) + (align - 1)) & ~(align - 1);

	if (__builtin_expect(n > SIZE_MAX / 2 || (size_t)(a->end - p) < whole, 0))
		return mo_arena_alloc_slow(a, n);
	a->at = p + whole;
	return p;
}

void *mo_arena_zalloc(mo_arena *a, size_t n); /* zeroed */
char *mo_arena_strndup(mo_arena *a, const char *s, size_t n);
char *mo_arena_fmt(mo_arena *a, const char *fmt, ...) MOLT_PRINTF(2, 3);
char *mo_arena_vfmt(mo_arena *a, const char *fmt, va_list ap) MOLT_PRINTF(2, 0);
void mo_arena_defer(mo_arena *a, void (*fn)(void *), void *arg);

#endif
