/* malloc() and free() of the simulated processes: one arena, emptied behind each schedule;
 * see sim.h.  Whoever is killed frees nothing, so nobody could tell a leak. */
#include <string.h>
#include <sys/mman.h>

#include "base/check.h"
#include "base/mem.h"
#include "sim.h"

#define ROOM ((size_t)1 << 30)
#define STEP 16u
#define SMALL 2048u
#define CLASSES (SMALL / STEP + 1)

/* Behind this lies the block. */
typedef struct head {
	size_t size; /* of the block */
	struct head *next;
} head;

static char *arena;
static size_t used;
static head *spare[CLASSES];
static head *large; /* blocks above SMALL */

void *__real_malloc(size_t n);
void __real_free(void *p);

void sim_memory_begin(void)
{
	arena = mmap(NULL, ROOM, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	MO_CHECK(arena != MAP_FAILED);
}

void sim_memory_reset(void)
{
	used = 0;
	memset(spare, 0, sizeof(spare));
	large = NULL;
}

void *sim_keep(size_t n)
{
	void *p = __real_malloc(n);

	MO_CHECK(p != NULL);
	memset(p, 0, n);
	return p;
}

static head *take_spare(size_t size)
{
	head **at = size <= SMALL ? &spare[size / STEP] : &large, *h;

	while (*at && (*at)->size != size)
		at = &(*at)->next;
	h = *at;
	if (h)
		*at = h->next;
	return h;
}

static void *allocate(size_t n)
{
	size_t size = (n + STEP - 1) / STEP * STEP;
	head *h = take_spare(size);

	if (!h) {
		MO_CHECK(size < ROOM - used - sizeof(*h));
		h = (head *)(void *)(arena + used);
		h->size = size;
		used += sizeof(*h) + size;
	}
	return h + 1;
}

static bool is_ours(const void *p)
{
	return (const char *)p >= arena && (const char *)p < arena + ROOM;
}

static void release(void *p)
{
	head *h = (head *)p - 1, **list;

	if (!p)
		return;
	if (!is_ours(p)) {
		__real_free(p);
		return;
	}
	list = h->size <= SMALL ? &spare[h->size / STEP] : &large;
	h->next = *list;
	*list = h;
}

void *sim_alloc(size_t n)
{
	return memset(allocate(n), 0, n);
}

/* ---- under their usual names ---------------------------------------------------- */

void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *p, size_t n);
void __wrap_free(void *p);

void *__wrap_malloc(size_t n)
{
	return allocate(n);
}

void *__wrap_calloc(size_t count, size_t size)
{
	return sim_alloc(count * size);
}

void *__wrap_realloc(void *p, size_t n)
{
	void *to = allocate(n);

	if (p) {
		size_t had = ((head *)p - 1)->size;

		memcpy(to, p, had < n ? had : n);
		release(p);
	}
	return to;
}

void __wrap_free(void *p)
{
	release(p);
}

void *mo_malloc(size_t n)
{
	return allocate(n);
}

void *mo_calloc(size_t count, size_t size)
{
	return sim_alloc(count * size);
}

void *mo_realloc(void *p, size_t n)
{
	return __wrap_realloc(p, n);
}

void mo_zero(void *p, size_t n)
{
	memset(p, 0, n);
}

void *mo_copy(void *to, const void *from, size_t n)
{
	return memcpy(to, from, n);
}

char *mo_strdup(const char *s)
{
	return s ? mo_strndup(s, strlen(s)) : NULL;
}

char *mo_strndup(const char *s, size_t n)
{
	size_t len = strnlen(s, n);
	char *copy = allocate(len + 1);

	memcpy(copy, s, len);
	copy[len] = '\0';
	return copy;
}

void mo_strset(char **at, const char *s)
{
	char *copy = mo_strdup(s);

	release(*at);
	*at = copy;
}

char *mo_fmt(const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return mo_strdup(text);
}
