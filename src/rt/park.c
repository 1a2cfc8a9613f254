/* Waiting inside a coroutine; see park.h for the table.
 *
 * Wake and time-out cannot both happen: whichever comes first takes the waiter
 * out of the park, and the wake stops the timer.  A woken coroutine goes
 * through the loop's ready queue (turn.c); a time-out resumes it at once, being
 * a callback of the loop already.
 *
 * Time-outs are limits and use the coarse wheel; a sleep is a promise of time
 * and uses libuv's timer, which belongs to the coroutine object. */
#include "rt/park.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <uv.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"
#include "rt/loop_internal.h"

/* Takes the waiter out of the park it waits in. */
static void leave(mo_co *co, int result)
{
	co->park->co = NULL;
	co->park = NULL;
	co->wait_result = result;
}

static void on_limit(mo_timer *t)
{
	mo_co *co = MO_CONTAINER_OF(t, mo_co, limit);

	leave(co, -ETIMEDOUT);
	mo_co_resume(co);
}

static void on_sleep(uv_timer_t *t)
{
	mo_co *co = MO_CONTAINER_OF(t, mo_co, sleep);

	leave(co, 0);
	mo_co_resume(co);
}

void mo_co_wait_init(mo_co *co)
{
	mo_list_init(&co->ready);
	mo_timer_init(&co->limit, on_limit);
	uv_timer_init(&co->loop->uv, &co->sleep);
	uv_unref((uv_handle_t *)&co->sleep); /* the live coroutine holds the loop */
}

void mo_co_wait_reset(mo_co *co)
{
	co->park = NULL;
	co->breakable = NULL;
	co->cancelled = 0;
}

int mo_park_wait(mo_park *p, molt_time timeout)
{
	mo_co *co = mo_co_self();

	MO_CHECK(co && !p->co);
	if (p->woken) {
		p->woken = false;
		return p->result;
	}
	if (timeout == 0)
		return -ETIMEDOUT;
	p->co = co;
	co->park = p;
	if (timeout > 0)
		mo_timer_start(co->loop, &co->limit, timeout);
	mo_co_yield();
	return co->wait_result;
}

void mo_park_wake(mo_park *p, int result)
{
	mo_co *co = p->co;

	if (!co) {
		p->woken = true;
		p->result = result;
		return;
	}
	MO_CHECK(co->loop == mo_loop_self());
	mo_timer_stop(co->loop, &co->limit);
	leave(co, result);
	mo_ready_push(co);
}

/* A wait that mo_co_cancel() may break. */
static int breakable_wait(mo_co *co, mo_park *p, molt_time timeout)
{
	int result;

	co->breakable = p;
	result = mo_park_wait(p, timeout);
	co->breakable = NULL;
	return result;
}

void mo_co_cancel(mo_co *co, int result)
{
	MO_CHECK(result < 0 && co->loop == mo_loop_self());
	co->cancelled = result;
	/* One that was woken already finds the result at its next wait. */
	if (co->breakable && co->breakable->co) {
		uv_timer_stop(&co->sleep); /* it must not fire before the resume */
		mo_park_wake(co->breakable, result);
	}
}

int mo_co_sleep(molt_time ms)
{
	mo_co *co = mo_co_self();
	mo_park park = { 0 };
	molt_time behind;
	int result;

	MO_CHECK(co);
	if (co->cancelled)
		return co->cancelled;
	if (ms == 0) {
		mo_ready_push(co);
		mo_co_yield();
		return 0;
	}
	if (ms > 0) {
		/* libuv counts from the loop's time; the handler may have run for a
		 * while since then, and both clocks are cut to milliseconds. */
		behind = mo_now() - mo_loop_now(co->loop) + 1;
		ms = ms < INT64_MAX / 4 ? ms : INT64_MAX / 4;
		uv_timer_start(&co->sleep, on_sleep, (uint64_t)(ms + behind), 0);
	}
	result = breakable_wait(co, &park, MOLT_FOREVER);
	uv_timer_stop(&co->sleep);
	return result;
}

/* ---- descriptors -------------------------------------------------------- */

typedef struct fd_wait {
	uv_poll_t poll; /* freed by its close callback */
	mo_park park;
	int events; /* asked */
} fd_wait;

/* libuv turns an error of the descriptor (a refused connect) into EBADF; the
 * caller's next call on it finds the true one, so it counts as ready. */
static void on_poll(uv_poll_t *h, int status, int events)
{
	fd_wait *w = MO_CONTAINER_OF(h, fd_wait, poll);

	uv_poll_stop(h);
	mo_park_wake(&w->park, status < 0 ? w->events : events);
}

static void free_wait(uv_handle_t *h)
{
	free(MO_CONTAINER_OF((uv_poll_t *)h, fd_wait, poll));
}

static int wait_polled(mo_co *co, fd_wait *w, int events, molt_time timeout)
{
	int err;

	w->events = events;
	err = uv_poll_start(&w->poll, events, on_poll);
	return err < 0 ? err : breakable_wait(co, &w->park, timeout);
}

int mo_co_wait_fd(int fd, int events, molt_time timeout)
{
	mo_co *co = mo_co_self();
	int flags = fcntl(fd, F_GETFL), result;
	fd_wait *w;

	MO_CHECK(co && events);
	if (co->cancelled)
		return co->cancelled;
	if (flags < 0)
		return -EBADF;
	w = mo_calloc(1, sizeof(*w));
	result = uv_poll_init(&co->loop->uv, &w->poll, fd);
	if (result < 0) {
		free(w);
		/* epoll refuses files, which are always ready. */
		return result == -EPERM ? events : result;
	}
	result = wait_polled(co, w, events, timeout);
	uv_close((uv_handle_t *)&w->poll, free_wait);
	if (!(flags & O_NONBLOCK))
		fcntl(fd, F_SETFL, flags); /* uv_poll_init() changed the caller's choice */
	return result;
}
