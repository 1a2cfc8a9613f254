/* Memory that dies at once: an arena hands out pieces of chunks and frees them
 * together.  Chunks of the common size go back to a cache that belongs to one
 * loop, so a request costs no malloc.  Under AddressSanitizer the cache is off
 * and every piece is its own allocation, so that overruns and late uses show. */
#ifndef MO_BASE_ARENA_H
#define MO_BASE_ARENA_H

#include <stdarg.h>
#include <stddef.h>

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

void *mo_arena_alloc(mo_arena *a, size_t n);  /* aligned for any type, not zeroed */
void *mo_arena_zalloc(mo_arena *a, size_t n); /* zeroed */
char *mo_arena_strndup(mo_arena *a, const char *s, size_t n);
char *mo_arena_fmt(mo_arena *a, const char *fmt, ...) MOLT_PRINTF(2, 3);
char *mo_arena_vfmt(mo_arena *a, const char *fmt, va_list ap) MOLT_PRINTF(2, 0);
void mo_arena_defer(mo_arena *a, void (*fn)(void *), void *arg);

#endif
