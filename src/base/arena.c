/* Memory that dies at once; see arena.h. */
#include "base/arena.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "base/sanitizer.h"

#define ALIGN _Alignof(max_align_t)
#define MAX_SPARE 256u

struct mo_chunk {
	mo_chunk *next;
	size_t size; /* of the whole chunk, header included */
	_Alignas(max_align_t) char data[];
};

struct mo_deferred {
	mo_deferred *next;
	void (*fn)(void *);
	void *arg;
};

void mo_chunk_cache_drain(mo_chunk_cache *c)
{
	while (c->spare) {
		mo_chunk *next = c->spare->next;

		free(c->spare);
		c->spare = next;
	}
	c->count = 0;
}

static mo_chunk *chunk_get(mo_chunk_cache *cache, size_t size)
{
	mo_chunk *k;

	if (size == MO_ARENA_CHUNK && cache && cache->spare) {
		k = cache->spare;
		cache->spare = k->next;
		cache->count--;
		return k;
	}
	k = mo_malloc(size);
	k->size = size;
	return k;
}

static void chunk_put(mo_chunk_cache *cache, mo_chunk *k)
{
	if (!MO_ASAN && cache && k->size == MO_ARENA_CHUNK && cache->count < MAX_SPARE) {
		k->next = cache->spare;
		cache->spare = k;
		cache->count++;
		return;
	}
	free(k);
}

void mo_arena_init(mo_arena *a, mo_chunk_cache *cache)
{
	*a = (mo_arena){ .cache = cache };
}

void mo_arena_fini(mo_arena *a)
{
	mo_chunk_cache *cache = a->cache;
	mo_chunk *k;

	while (a->deferred) {
		mo_deferred *d = a->deferred;

		a->deferred = d->next;
		d->fn(d->arg);
	}
	k = a->chunks;
	*a = (mo_arena){ .cache = cache };
	while (k) {
		mo_chunk *next = k->next;

		chunk_put(cache, k);
		k = next;
	}
}

/* A large piece gets a chunk of its own behind the newest one, so that the newest
 * one's free part stays in use. */
void *mo_arena_alloc_slow(mo_arena *a, size_t n)
{
	size_t room = MO_ARENA_CHUNK - sizeof(mo_chunk);
	mo_chunk *k;

	MO_CHECK(n <= SIZE_MAX / 2);
	n = (n + (n == 0) + (ALIGN - 1)) & ~(ALIGN - 1);
	if (MO_ASAN || n > room / 2) {
		k = chunk_get(NULL, sizeof(mo_chunk) + n);
		if (a->chunks) {
			k->next = a->chunks->next;
			a->chunks->next = k;
		} else {
			k->next = NULL;
			a->chunks = k;
			a->at = a->end = k->data + n;
		}
		return k->data;
	}
	k = chunk_get(a->cache, MO_ARENA_CHUNK);
	k->next = a->chunks;
	a->chunks = k;
	a->at = k->data + n;
	a->end = k->data + room;
	return k->data;
}

void *mo_arena_zalloc(mo_arena *a, size_t n)
{
	return memset(mo_arena_alloc(a, n), 0, n);
}

char *mo_arena_strndup(mo_arena *a, const char *s, size_t n)
{
	char *p = mo_arena_alloc(a, n + 1);

	if (n)
		memcpy(p, s, n);
	p[n] = '\0';
	return p;
}

char *mo_arena_vfmt(mo_arena *a, const char *fmt, va_list ap)
{
	va_list again;
	char small[256], *p;
	int n;

	va_copy(again, ap);
	n = vsnprintf(small, sizeof(small), fmt, ap);
	MO_CHECK(n >= 0);
	if ((size_t)n < sizeof(small)) {
		p = mo_arena_strndup(a, small, (size_t)n);
	} else {
		p = mo_arena_alloc(a, (size_t)n + 1);
		vsnprintf(p, (size_t)n + 1, fmt, again);
	}
	va_end(again);
	return p;
}

char *mo_arena_fmt(mo_arena *a, const char *fmt, ...)
{
	va_list ap;
	char *p;

	va_start(ap, fmt);
	p = mo_arena_vfmt(a, fmt, ap);
	va_end(ap);
	return p;
}

void mo_arena_defer(mo_arena *a, void (*fn)(void *), void *arg)
{
	mo_deferred *d = mo_arena_alloc(a, sizeof(*d));

	*d = (mo_deferred){ .next = a->deferred, .fn = fn, .arg = arg };
	a->deferred = d;
}
