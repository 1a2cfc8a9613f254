/* Names what blocks a loop; see watchdog.h.
 *
 * Five times per limit the thread looks at each loop's turn (turn.c).  A loop
 * whose turn stands still either sleeps in the poll phase or is in a callback:
 *   - a coroutine runs, or the loop is outside the poll phase: a callback;
 *   - in the poll phase without a coroutine: the kernel is asked whether the
 *     thread sleeps on the loop's own poll descriptor (libuv tells nobody when
 *     poll callbacks begin).  When it cannot say: asleep, no false alarm.
 *
 *   state     what is seen                    -> next
 *   TURNING   same turn, in a callback        -> STUCK     since now
 *   STUCK     the same for the limit          -> REPORTED  one line
 *   STUCK     another turn, or asleep         -> TURNING
 *   REPORTED  another turn, or asleep         -> TURNING   a line with the total
 */
#include "rt/watchdog.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/thread.h"
#include "rt/loop_internal.h"
#include "rt/small_file.h"

#define LIMIT_DEFAULT 250
#define LOOKS 5

enum watch_state { TURNING, STUCK, REPORTED };

typedef struct watched {
	mo_loop *loop;
	enum watch_state state;
	unsigned long turn;
	molt_time since; /* STUCK and REPORTED */
} watched;

static struct {
	pthread_mutex_t lock;
	pthread_cond_t wake; /* of the thread, to leave */
	pthread_t thread;
	bool running, leave;
	watched *loops;
	int count;
	molt_time limit;
} dog = { .lock = PTHREAD_MUTEX_INITIALIZER };

static atomic_ulong incidents;
static _Atomic molt_time stuck;

/* ---- is it asleep? ------------------------------------------------------ */

/* /proc/self/task/TID/syscall: "281 0x7 0x7ffc..." in a call, "running" else. */
static bool read_syscall(int tid, char *text, size_t size)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/task/%d/syscall", tid);
	return mo_read_small(path, text, size) > 0;
}

static bool is_poll_call(long number)
{
#ifdef SYS_epoll_wait
	if (number == SYS_epoll_wait)
		return true;
#endif
	return number == SYS_epoll_pwait;
}

static bool asleep_in_poll(mo_loop *l, int tid)
{
	char text[256], *end;
	long number, fd;

	if (!read_syscall(tid, text, sizeof(text)))
		return true;
	if (strncmp(text, "running", 7) == 0)
		return false;
	number = strtol(text, &end, 10);
	fd = strtol(end, NULL, 16);
	return is_poll_call(number) && fd == uv_backend_fd(&l->uv);
}

static bool in_callback(mo_loop *l, unsigned long turn)
{
	struct mo_loop_private *p = l->p;
	int tid = atomic_load(&p->tid);

	if (tid == 0)
		return false;
	if (turn % 2 == 0 || atomic_load_explicit(&p->doing, memory_order_relaxed))
		return true;
	return !asleep_in_poll(l, tid);
}

/* ---- looking ------------------------------------------------------------ */

static void report(const watched *w, molt_time now)
{
	const char *doing = atomic_load_explicit(&w->loop->p->doing, memory_order_relaxed);
	const char *inside = atomic_load_explicit(&w->loop->p->inside, memory_order_relaxed);

	atomic_fetch_add(&incidents, 1);
	if (inside)
		mo_warn("loop %d blocked for %d ms: the library %s for route %s; the file system "
			"is slow",
			w->loop->index, (int)(now - w->since), inside, doing ? doing : "-");
	else if (doing)
		mo_warn("loop %d blocked for %d ms by route %s; use molt_block() or .blocking",
			w->loop->index, (int)(now - w->since), doing);
	else
		mo_warn("loop %d blocked for %d ms outside any route", w->loop->index,
			(int)(now - w->since));
}

static void look(watched *w, molt_time now, molt_time limit)
{
	unsigned long turn = atomic_load_explicit(&w->loop->p->turn, memory_order_relaxed);

	if (turn != w->turn || !in_callback(w->loop, turn)) {
		if (w->state == REPORTED)
			mo_warn("loop %d goes on after %d ms", w->loop->index,
				(int)(now - w->since));
		w->state = TURNING;
		w->turn = turn;
		return;
	}
	if (w->state == TURNING) {
		w->state = STUCK;
		w->since = now;
	} else if (w->state == STUCK && now - w->since >= limit) {
		w->state = REPORTED;
		report(w, now);
	}
}

static void add_ms(struct timespec *t, molt_time ms)
{
	t->tv_sec += (time_t)(ms / 1000);
	t->tv_nsec += (long)(ms % 1000) * 1000000;
	if (t->tv_nsec >= 1000000000) {
		t->tv_sec++;
		t->tv_nsec -= 1000000000;
	}
}

static void look_at_all(void)
{
	molt_time now = mo_now(), longest = 0;

	for (int i = 0; i < dog.count; i++) {
		watched *w = &dog.loops[i];

		look(w, now, dog.limit);
		if (w->state != TURNING && now - w->since > longest)
			longest = now - w->since;
	}
	atomic_store(&stuck, longest);
}

molt_time mo_watchdog_stuck(void)
{
	return atomic_load(&stuck);
}

/* With the lock.  The looks are without it: logging may take its time. */
static void rest(molt_time ms)
{
	struct timespec until;
	int err = 0;

	clock_gettime(CLOCK_MONOTONIC, &until);
	add_ms(&until, ms);
	while (!dog.leave && err == 0)
		err = pthread_cond_timedwait(&dog.wake, &dog.lock, &until);
}

static void *dog_thread(void *arg)
{
	molt_time every = dog.limit / LOOKS > 0 ? dog.limit / LOOKS : 1;

	pthread_mutex_lock(&dog.lock);
	while (!dog.leave) {
		pthread_mutex_unlock(&dog.lock);
		look_at_all();
		pthread_mutex_lock(&dog.lock);
		rest(every);
	}
	pthread_mutex_unlock(&dog.lock);
	return NULL;
}

/* ---- set-up and end ----------------------------------------------------- */

static void cond_init(void)
{
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&dog.wake, &attr);
	pthread_condattr_destroy(&attr);
}

int mo_watchdog_start(mo_loop *const *loops, int count, molt_time limit)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	int err;

	if (dog.running)
		return -EALREADY;
	if (count < 1)
		return -EINVAL;
	pthread_once(&once, cond_init);
	dog.loops = mo_calloc((size_t)count, sizeof(dog.loops[0]));
	for (int i = 0; i < count; i++)
		dog.loops[i].loop = loops[i];
	dog.count = count;
	dog.limit = limit > 0 ? limit : LIMIT_DEFAULT;
	dog.leave = false;
	err = mo_thread_start(&dog.thread, "molt-watchdog", 0, dog_thread, NULL);
	if (err < 0)
		free(dog.loops);
	dog.running = err == 0;
	return err;
}

void mo_watchdog_stop(void)
{
	if (!dog.running)
		return;
	pthread_mutex_lock(&dog.lock);
	dog.leave = true;
	pthread_cond_signal(&dog.wake);
	pthread_mutex_unlock(&dog.lock);
	pthread_join(dog.thread, NULL);
	dog.running = false;
	free(dog.loops);
	dog.loops = NULL;
}

unsigned long mo_watchdog_incidents(void)
{
	return atomic_load(&incidents);
}
