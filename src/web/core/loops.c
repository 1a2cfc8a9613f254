/* The event loops that serve; see loops.h. */
#include "web/core/loops.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"
#include "http/conn/conn.h"
#include "rt/park.h"
#include "rt/watchdog.h"

#define MAX_LOOPS MO_LOOPS_MAX
#define WATCHDOG_LIMIT 250
#define SLICE (20 * MOLT_MS)

static mo_loop *loops[MAX_LOOPS];
static int count;

int mo_loops_count(void)
{
	return count;
}

mo_loop *mo_loops_get(int i)
{
	MO_CHECK(i >= 0 && i < count);
	return loops[i];
}

int mo_loops_start(int n)
{
	int rc = 0;

	if (count)
		return 0;
	if (n <= 0)
		n = mo_cpu_count();
	if (n > MAX_LOOPS)
		n = MAX_LOOPS;
	while (count < n && rc == 0) {
		char name[32];

		snprintf(name, sizeof(name), "molt-loop-%d", count);
		loops[count] = mo_loop_new(count);
		mo_conns_init(loops[count]);
		rc = mo_loop_start(loops[count], name);
		if (rc == 0)
			count++;
	}
	return rc < 0 ? rc : mo_watchdog_start(loops, count, WATCHDOG_LIMIT);
}

/* One call of mo_loops_run(): freed by the last of its users, because a blocked
 * loop may come to it after the waiter has gone on. */
typedef struct barrier {
	_Atomic int users;
	_Atomic int left;
	void (*fn)(mo_loop *l, void *arg);
	void *arg;
	mo_loop *waiter_loop; /* NULL: a thread waits on the condition */
	mo_park park;
	bool given_up; /* of the waiter's loop */
	pthread_mutex_t lock;
	pthread_cond_t all;
} barrier;

static void barrier_drop(barrier *b)
{
	if (atomic_fetch_sub(&b->users, 1) > 1)
		return;
	pthread_mutex_destroy(&b->lock);
	pthread_cond_destroy(&b->all);
	free(b);
}

static void wake_waiter(void *arg)
{
	barrier *b = arg;

	if (!b->given_up)
		mo_park_wake(&b->park, 0);
	barrier_drop(b);
}

static void run_one(void *arg)
{
	barrier *b = arg;

	b->fn(mo_loop_self(), b->arg);
	if (atomic_fetch_sub(&b->left, 1) == 1) {
		if (b->waiter_loop) {
			mo_loop_post(b->waiter_loop, wake_waiter, b);
			return; /* it drops our use */
		}
		pthread_mutex_lock(&b->lock);
		pthread_cond_broadcast(&b->all);
		pthread_mutex_unlock(&b->lock);
	}
	barrier_drop(b);
}

static bool wait_on_thread(barrier *b, molt_time timeout)
{
	struct timespec until;
	int rc = 0;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += timeout / 1000;
	until.tv_nsec += timeout % 1000 * 1000000;
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	pthread_mutex_lock(&b->lock);
	while (atomic_load(&b->left) > 0 && rc != ETIMEDOUT)
		rc = pthread_cond_timedwait(&b->all, &b->lock, &until);
	pthread_mutex_unlock(&b->lock);
	return rc != ETIMEDOUT;
}

/* One that has been stopped comes to nothing any more. */
static void ask(mo_loop *l, barrier *b)
{
	if (mo_loop_post(l, run_one, b))
		return;
	atomic_fetch_sub(&b->left, 1);
	atomic_fetch_sub(&b->users, 1); /* the waiter still has its own use */
}

/* In slices, between which go_on() is asked.  A loop may be the last one before this waits. */
static bool wait_in_coroutine(barrier *b, molt_time timeout, bool (*go_on)(void *arg), void *arg)
{
	molt_time deadline = mo_deadline(timeout);

	while (atomic_load(&b->left) > 0) {
		molt_time left = mo_left(deadline);

		if (left == 0 || (go_on && !go_on(arg)))
			return false;
		if (go_on && (left < 0 || left > SLICE))
			left = SLICE;
		if (mo_park_wait(&b->park, left) == 0)
			return true;
	}
	return true;
}

bool mo_loops_run_while(void (*fn)(mo_loop *l, void *arg), void *arg, molt_time timeout,
			bool (*go_on)(void *go_on_arg), void *go_on_arg)
{
	barrier *b;
	bool all;

	if (count == 0)
		return true;
	b = mo_calloc(1, sizeof(*b));
	atomic_init(&b->users, count + 1);
	atomic_init(&b->left, count);
	b->fn = fn;
	b->arg = arg;
	b->waiter_loop = mo_co_self() ? mo_loop_self() : NULL;
	pthread_mutex_init(&b->lock, NULL);
	pthread_cond_init(&b->all, NULL);
	for (int i = 0; i < count; i++)
		ask(loops[i], b);
	if (b->waiter_loop) {
		all = wait_in_coroutine(b, timeout, go_on, go_on_arg);
		b->given_up = true;
	} else {
		all = wait_on_thread(b, timeout);
	}
	barrier_drop(b);
	return all;
}

bool mo_loops_run(void (*fn)(mo_loop *l, void *arg), void *arg, molt_time timeout)
{
	return mo_loops_run_while(fn, arg, timeout, NULL, NULL);
}

struct end {
	void (*fn)(mo_loop *l);
};

static void end_loop(mo_loop *l, void *end)
{
	((struct end *)end)->fn(l);
	mo_conns_fini(l);
}

void mo_loops_stop(void (*end)(mo_loop *l))
{
	struct end e = { end };

	mo_watchdog_stop();
	mo_loops_run(end_loop, &e, 10 * MOLT_SECOND);
	for (int i = 0; i < count; i++)
		mo_loop_stop(loops[i]);
	for (int i = 0; i < count; i++) {
		mo_loop_free(loops[i]);
		loops[i] = NULL;
	}
	count = 0;
}
