/* Waiting, blocking and memory for handlers, wherever they run:
 *
 *                    in a coroutine        .blocking or molt_block()   elsewhere
 *   molt_sleep       parks                 parks its coroutine         blocks
 *   molt_wait_fd     parks                 parks its coroutine         -EPERM
 *   molt_block       a pool thread         calls fn                    calls fn
 *
 * "Parks its coroutine" means: on the loop, in the coroutine that stands for the
 * pool thread, so that the end of the drain cuts it short too. */
#include <errno.h>
#include <time.h>
#include <uv.h>

#include "base/check.h"
#include "base/clock.h"
#include "http/conn/exchange.h"
#include "rt/co.h"
#include "rt/park.h"
#include "rt/pool.h"

struct sleeping {
	molt_time time;
	int result;
};

static void sleep_on_loop(void *arg)
{
	struct sleeping *s = arg;

	s->result = mo_co_sleep(s->time);
}

/* Blocks the thread until the time is over, signals or not. */
static void sleep_thread(molt_time t)
{
	molt_time until = mo_deadline(t);

	for (;;) {
		molt_time left = mo_left(until);
		struct timespec ts = { .tv_sec = 3600 };

		if (left == 0)
			return;
		if (left != MOLT_FOREVER && left < 3600 * MOLT_SECOND)
			ts = (struct timespec){ .tv_sec = left / 1000,
						.tv_nsec = left % 1000 * 1000000 };
		nanosleep(&ts, NULL);
	}
}

int molt_sleep(molt_time t)
{
	struct sleeping s = { .time = t };

	if (t < 0 && t != MOLT_FOREVER)
		s.time = 0;
	if (mo_co_self() || mo_on_pool_thread())
		mo_on_loop(sleep_on_loop, &s);
	else
		sleep_thread(s.time);
	return s.result;
}

struct waiting {
	int fd, events, result;
	molt_time timeout;
};

static void wait_on_loop(void *arg)
{
	struct waiting *w = arg;

	w->result = mo_co_wait_fd(w->fd, w->events, w->timeout);
}

int molt_wait_fd(int fd, bool for_write, molt_time timeout)
{
	struct waiting w = { .fd = fd,
			     .events = for_write ? UV_WRITABLE : UV_READABLE,
			     .timeout = timeout };

	if (!mo_co_self() && !mo_on_pool_thread())
		return -EPERM;
	if (fd < 0)
		return -EBADF;
	mo_on_loop(wait_on_loop, &w);
	return w.result > 0 ? 0 : w.result;
}

int molt_block(void (*fn)(void *arg), void *arg)
{
	if (mo_co_self())
		return mo_pool_run(fn, arg);
	fn(arg);
	return 0;
}

/* ---- memory that lives as long as the request ---- */

/* Inside molt_block() the loop goes on with its spare chunks, so the arena must
 * do without them. */
static mo_arena *arena_of(molt_req *r)
{
	MO_MAGIC_OK(r, MO_REQ_MAGIC);
	if (r->arena.cache && mo_on_pool_thread())
		r->arena.cache = NULL;
	return &r->arena;
}

void *molt_alloc(molt_req *r, size_t n)
{
	return mo_arena_zalloc(arena_of(r), n);
}

char *molt_strdup(molt_req *r, const char *s)
{
	return s ? mo_arena_strndup(arena_of(r), s, strlen(s)) : NULL;
}

char *molt_fmt(molt_req *r, const char *fmt, ...)
{
	va_list ap;
	char *text;

	va_start(ap, fmt);
	text = mo_arena_vfmt(arena_of(r), fmt, ap);
	va_end(ap);
	return text;
}

void molt_defer(molt_req *r, void (*fn)(void *), void *arg)
{
	mo_arena_defer(arena_of(r), fn, arg);
}
