/* Stacks for coroutines; see stack.h.
 *
 * A guard is four pages of 4 KiB, because a function with a large array may
 * touch memory well below its stack pointer of a moment ago.  Where the kernel
 * has MADV_GUARD_INSTALL (6.13), guards cost no mapping of their own; elsewhere
 * each mprotect() splits the slab, and the system's limit of mappings
 * (vm.max_map_count) ends the growth at about 32,000 stacks. */
#include "rt/stack.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/check.h"
#include "base/log.h"
#include "base/mem.h"
#include "rt/sanitize.h"

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif

#define SLAB_STACKS 64u
#define SLAB_BYTES ((size_t)4 << 20)
#define GUARD_LEAST ((size_t)16 << 10)

typedef struct mo_slab {
	struct mo_slab *next;
	char *map;
	size_t map_size;
	unsigned count;
	mo_stack stacks[];
} mo_slab;

size_t mo_stack_guard(void)
{
	static atomic_size_t cached;
	size_t guard = atomic_load_explicit(&cached, memory_order_relaxed);
	long page;

	if (guard == 0) {
		page = sysconf(_SC_PAGESIZE);
		guard = page > (long)GUARD_LEAST ? (size_t)page : GUARD_LEAST;
		atomic_store_explicit(&cached, guard, memory_order_relaxed);
	}
	return guard;
}

static bool guard_install(char *at, size_t size)
{
	static atomic_bool not_there;

	if (!atomic_load_explicit(&not_there, memory_order_relaxed)) {
		if (madvise(at, size, MADV_GUARD_INSTALL) == 0)
			return true;
		/* EINVAL also means locked memory (mlockall); the answer is the same. */
		atomic_store_explicit(&not_there, true, memory_order_relaxed);
	}
	return mprotect(at, size, PROT_NONE) == 0;
}

static unsigned slab_count(size_t size)
{
	size_t n = SLAB_BYTES / size;

	return n < 1 ? 1 : n > SLAB_STACKS ? SLAB_STACKS : (unsigned)n;
}

static void stack_init(mo_stack *s, char *low, size_t size, unsigned class)
{
	*s = (mo_stack){ .low = low, .size = size, .class = (unsigned char)class };
#if MO_VALGRIND
	s->valgrind_id = VALGRIND_STACK_REGISTER(low, low + size);
#endif
}

static bool slab_guards(mo_slab *slab, size_t step)
{
	for (unsigned i = 0; i < slab->count; i++)
		if (!guard_install(slab->map + i * step, mo_stack_guard()))
			return false;
	return true;
}

/* NULL with errno. */
static mo_slab *slab_map(size_t size, unsigned class)
{
	unsigned count = slab_count(size);
	size_t step = size + mo_stack_guard();
	mo_slab *slab = mo_calloc(1, sizeof(*slab) + count * sizeof(slab->stacks[0]));

	slab->count = count;
	slab->map_size = count * step;
	slab->map = mmap(NULL, slab->map_size, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
	if (slab->map == MAP_FAILED) {
		free(slab);
		return NULL;
	}
	if (!slab_guards(slab, step)) {
		int err = errno;

		munmap(slab->map, slab->map_size);
		free(slab);
		errno = err;
		return NULL;
	}
	for (unsigned i = 0; i < count; i++)
		stack_init(&slab->stacks[i], slab->map + i * step + mo_stack_guard(), size, class);
	return slab;
}

static void report_refusal(int err)
{
	static atomic_bool told;

	if (!atomic_exchange(&told, true))
		mo_error("no memory for more coroutines' stacks: %s; the limits are "
			 "vm.max_map_count and the memory of the process",
			 strerror(err));
}

static bool grow(mo_stacks *all, unsigned class, size_t size)
{
	mo_stack_class *c = &all->classes[class];
	mo_slab *slab = slab_map(size, class);

	if (!slab) {
		report_refusal(errno);
		return false;
	}
	slab->next = all->slabs;
	all->slabs = slab;
	c->total += slab->count;
	c->idle = mo_realloc(c->idle, c->total * sizeof(c->idle[0]));
	for (unsigned i = slab->count; i-- > 0;)
		c->idle[c->idle_count++] = &slab->stacks[i];
	return true;
}

static unsigned class_of(size_t size)
{
	size_t want = size ? size : MO_STACK_DEFAULT;

	if (want < mo_stack_guard())
		want = mo_stack_guard(); /* a page, where pages are large */
	if (want <= MO_STACK_LEAST)
		return 0;
	return 64 - (unsigned)__builtin_clzll((want - 1) / MO_STACK_LEAST);
}

static size_t class_size(unsigned class)
{
	return (MO_STACK_LEAST << class) * MO_STACK_SCALE;
}

mo_stack *mo_stack_get(mo_stacks *all, size_t size)
{
	mo_stack_class *c;
	mo_stack *s;
	unsigned class;

	if (size > MO_STACK_MOST)
		return NULL;
	class = class_of(size);
	c = &all->classes[class];
	if (c->idle_count == 0 && !grow(all, class, class_size(class)))
		return NULL;
	s = c->idle[--c->idle_count];
	if (c->rested > c->idle_count)
		c->rested = c->idle_count;
	s->touched = true;
	return s;
}

void mo_stack_put(mo_stacks *all, mo_stack *s)
{
	mo_stack_class *c = &all->classes[s->class];

	MO_CHECK(c->idle_count < c->total);
	c->idle[c->idle_count++] = s;
	if (c->idle_count > MO_STACK_WARM)
		all->crowded = true;
}

static bool trim_class(mo_stack_class *c)
{
	unsigned keep = MO_STACK_WARM, rested = c->rested;
	bool more = false;

	c->rested = c->idle_count;
	for (unsigned i = 0; i + keep < c->idle_count; i++) {
		mo_stack *s = c->idle[i];

		if (!s->touched)
			continue;
		if (i + keep >= rested) {
			more = true;
			continue;
		}
		/* Fails on locked memory only; there is nothing to gain then. */
		(void)madvise(s->low, s->size, MADV_DONTNEED);
		s->touched = false;
	}
	return more;
}

bool mo_stacks_trim(mo_stacks *all)
{
	bool more = false;

	for (unsigned i = 0; i < MO_STACK_CLASSES; i++)
		more |= trim_class(&all->classes[i]);
	all->crowded = false;
	return more;
}

void mo_stacks_each(mo_stacks *all, void (*fn)(mo_stack *s))
{
	for (mo_slab *slab = all->slabs; slab; slab = slab->next)
		for (unsigned i = 0; i < slab->count; i++)
			fn(&slab->stacks[i]);
}

void mo_stacks_fini(mo_stacks *all)
{
	while (all->slabs) {
		mo_slab *slab = all->slabs;

		all->slabs = slab->next;
#if MO_VALGRIND
		for (unsigned i = 0; i < slab->count; i++)
			VALGRIND_STACK_DEREGISTER(slab->stacks[i].valgrind_id);
#endif
#if MO_ASAN
		/* The next mapping at this address must not find old poison. */
		ASAN_UNPOISON_MEMORY_REGION(slab->map, slab->map_size);
#endif
		munmap(slab->map, slab->map_size);
		free(slab);
	}
	for (unsigned i = 0; i < MO_STACK_CLASSES; i++)
		free(all->classes[i].idle);
	memset(all, 0, sizeof(*all));
}
