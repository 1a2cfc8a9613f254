/* The budget of memory; see memory.h. */
#include "http/conn/memory.h"

#include <stdatomic.h>

#include "base/clock.h"
#include "base/log.h"
#include "rt/ram.h"

#define LOG_PAUSE MOLT_MINUTE
#define MIB (1024.0 * 1024)

static _Atomic uint64_t budget; /* 0: not yet set, no limit */
static _Atomic int64_t used;
static _Atomic uint64_t refused, cut, closed;
static _Atomic molt_time logged;

void mo_memory_budget(uint64_t bytes)
{
	uint64_t now = atomic_load(&budget);

	if (bytes == 0)
		bytes = mo_ram_limit() / 2;
	while ((now == 0 || bytes < now) && !atomic_compare_exchange_weak(&budget, &now, bytes))
		continue;
}

static size_t counted(size_t capacity)
{
	return capacity > MO_MEMORY_FROM ? capacity : 0;
}

void mo_memory_count(size_t before, size_t after)
{
	int64_t change = (int64_t)counted(after) - (int64_t)counted(before);

	if (change != 0)
		atomic_fetch_add_explicit(&used, change, memory_order_relaxed);
}

void mo_memory_track(size_t *was, size_t now)
{
	mo_memory_count(*was, now);
	*was = now;
}

bool mo_memory_over(size_t more)
{
	uint64_t limit = atomic_load_explicit(&budget, memory_order_relaxed);
	int64_t now = atomic_load_explicit(&used, memory_order_relaxed);

	return limit > 0 && (now > 0 ? (uint64_t)now : 0) + more > limit;
}

bool mo_memory_may_grow(size_t from, size_t to)
{
	return to <= from || to <= MO_MEMORY_FROM || !mo_memory_over(to - counted(from));
}

static void warn(void)
{
	molt_time now = mo_now(), last = atomic_load(&logged);

	if ((last && now - last < LOG_PAUSE) ||
	    !atomic_compare_exchange_strong(&logged, &last, now))
		return;
	mo_warn("memoryBudget (%.1f MiB) is used up: so far %llu requests were refused with "
		"503, %llu WebSockets were closed with 1013, and %llu clients that did not take "
		"their output were cut",
		(double)atomic_load(&budget) / MIB, (unsigned long long)atomic_load(&refused),
		(unsigned long long)atomic_load(&closed), (unsigned long long)atomic_load(&cut));
}

void mo_memory_refused(void)
{
	atomic_fetch_add(&refused, 1);
	warn();
}

void mo_memory_cut(void)
{
	atomic_fetch_add(&cut, 1);
	warn();
}

void mo_memory_closed(void)
{
	atomic_fetch_add(&closed, 1);
	warn();
}

mo_memory_sum mo_memory_now(void)
{
	int64_t now = atomic_load(&used);

	return (mo_memory_sum){ .budget = atomic_load(&budget),
				.used = now > 0 ? (uint64_t)now : 0,
				.refused = atomic_load(&refused),
				.cut = atomic_load(&cut),
				.closed = atomic_load(&closed) };
}
