/* Threads for calls that block; see pool.h.
 *
 * Not uv_queue_work(): its four threads are shared with the file and DNS work
 * of the program's own libuv code, so four slow handlers would stop all of
 * that; its size can be set only by an environment variable before first use;
 * and it has no way to send work back to the loop in the middle of a call.
 *
 * A job lives on the stack of the coroutine that waits for it, which the pool
 * thread reaches only through mo_loop_answer().
 *
 *   job       event                        -> next
 *   QUEUED    a pool thread takes it       -> WORKING
 *   WORKING   mo_on_loop()                 -> CALLING  the thread waits, the coroutine runs op
 *   CALLING   op has returned              -> WORKING  the coroutine waits, the thread runs
 *   WORKING   fn has returned              -> DONE     mo_pool_run() returns
 *
 * Jobs of one name (a route's pattern) are a share: a queue of its own, and at most
 * three quarters of the threads.  Threads go round the shares, so that a quick route
 * never stands behind all that wait for a slow one.
 */
#include "rt/pool.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <time.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/thread.h"
#include "rt/co_internal.h"
#include "rt/loop_internal.h"

#define THREAD_STACK (((size_t)1 << 20) * MO_STACK_SCALE)
#define IDLE_SECONDS 10
#define LONG_WAIT (1 * MOLT_SECOND) /* is told */
#define TELL_EVERY (10 * MOLT_SECOND)
#define RETRY_MAX 60 /* s */
#define QUEUE_LIMIT 1024

typedef struct share {
	mo_list node; /* in pool.shares */
	const char *name;
	mo_list queue; /* jobs, first in first out */
	int queued, running;
} share;

typedef struct job {
	mo_list node; /* in its share's queue */
	share *share;
	molt_time since; /* in the queue */
	void (*fn)(void *arg);
	void *arg;
	mo_loop *loop;
	mo_park park;          /* the coroutine waits for an op or the end */
	void (*op)(void *arg); /* of mo_on_loop(); NULL: fn has returned */
	void *op_arg;
	sem_t op_done; /* the thread waits for the coroutine */
} job;

static struct {
	pthread_mutex_t lock;
	pthread_cond_t work; /* a job, or leaving */
	pthread_cond_t gone; /* a thread has left */
	mo_list shares;      /* that have jobs; the next to be served first */
	int queued, idle, threads, limit, queue_limit;
	uint64_t refused;
	molt_time longest;   /* wait so far */
	molt_time tell_next; /* the next warning not before */
	bool asked;       /* mo_pool_ask() has been called */
	bool leaving;     /* mo_pool_fini() */
	bool have_leaver; /* leaver has left and is not joined yet */
	pthread_t leaver;
} pool = {
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.gone = PTHREAD_COND_INITIALIZER,
	.shares = { &pool.shares, &pool.shares },
	.limit = 64,
	.queue_limit = QUEUE_LIMIT,
};

static _Thread_local job *current;

/* ---- pool threads ------------------------------------------------------- */

/* The idle time counts on the monotonic clock, which no initialiser can say. */
static void work_cond_init(void)
{
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&pool.work, &attr);
	pthread_condattr_destroy(&attr);
}

/* On the loop: an op is to be run, or the job is done. */
static void wake_proxy(void *arg)
{
	job *j = arg;

	mo_park_wake(&j->park, 0);
}

/* ---- shares; all with the lock ------------------------------------------ */

/* Calls that belong to no route have no bound but the pool's. */
static int most_of(const share *s)
{
	int kept = pool.limit / 4 > 1 ? pool.limit / 4 : 1;

	return !s->name || pool.limit == 1 ? pool.limit : pool.limit - kept;
}

static int takeable_of(const share *s)
{
	int room = most_of(s) - s->running;

	return room <= 0 ? 0 : room < s->queued ? room : s->queued;
}

static int takeable(void)
{
	int n = 0;

	MO_LIST_EACH (node, &pool.shares)
		n += takeable_of(MO_CONTAINER_OF(node, share, node));
	return n;
}

static share *share_of(const char *name)
{
	share *s;

	MO_LIST_EACH (node, &pool.shares) {
		s = MO_CONTAINER_OF(node, share, node);
		if (s->name == name)
			return s;
	}
	s = mo_calloc(1, sizeof(*s));
	s->name = name;
	mo_list_init(&s->queue);
	mo_list_append(&pool.shares, &s->node);
	return s;
}

static void share_drop(share *s)
{
	if (s->queued || s->running)
		return;
	mo_list_remove(&s->node);
	free(s);
}

static void enqueue(job *j, share *s)
{
	j->share = s;
	j->since = mo_now();
	mo_list_append(&s->queue, &j->node);
	s->queued++;
	pool.queued++;
}

static void dequeue(job *j)
{
	mo_list_remove(&j->node);
	j->share->queued--;
	pool.queued--;
}

/* Of the first share that may have one more thread; it is the last one then. */
static job *take(void)
{
	MO_LIST_EACH (node, &pool.shares) {
		share *s = MO_CONTAINER_OF(node, share, node);
		job *j;

		if (takeable_of(s) == 0)
			continue;
		j = MO_CONTAINER_OF(s->queue.next, job, node);
		dequeue(j);
		s->running++;
		mo_list_remove(&s->node);
		mo_list_append(&pool.shares, &s->node);
		return j;
	}
	return NULL;
}

/* ---- what is told of waiting -------------------------------------------- */

typedef struct news {
	const char *name; /* of the share whose job waits, or has waited, for long */
	molt_time wait;
	mo_pool_state state;
	int running; /* of that share */
	bool tell;
} news;

static mo_pool_state state_now(void)
{
	mo_pool_state s = { .threads = pool.threads,
			    .limit = pool.limit,
			    .queued = pool.queued,
			    .queue_limit = pool.queue_limit,
			    .refused = pool.refused,
			    .longest = pool.longest };
	molt_time now = mo_now();

	MO_LIST_EACH (node, &pool.shares) {
		const share *one = MO_CONTAINER_OF(node, share, node);

		s.busy += one->running;
		if (one->queued) {
			const job *j = MO_CONTAINER_OF(one->queue.next, job, node);

			s.oldest = now - j->since > s.oldest ? now - j->since : s.oldest;
		}
	}
	return s;
}

/* With the lock: a job of s has waited so long.  Every ten seconds that is news. */
static void look_at_wait(const share *s, molt_time wait, news *out)
{
	molt_time now = mo_now();

	pool.longest = wait > pool.longest ? wait : pool.longest;
	if (wait < LONG_WAIT || now < pool.tell_next)
		return;
	pool.tell_next = now + TELL_EVERY;
	*out = (news){ .name = s->name ? s->name : "no route",
		       .wait = wait,
		       .state = state_now(),
		       .running = s->running,
		       .tell = true };
}

static void tell(const news *n)
{
	if (n->tell)
		mo_warn("a blocking call of %s waited %lld ms for a thread: %d of %d are busy "
			"(%d with that route), %d calls wait; see blockingThreads",
			n->name, (long long)n->wait, n->state.busy, n->state.limit, n->running,
			n->state.queued);
}

static void run_job(job *j)
{
	current = j;
	j->fn(j->arg);
	current = NULL;
	j->op = NULL;
	mo_loop_answer(j->loop, wake_proxy, j);
}

/* With the lock.  The next job; NULL: the thread should leave. */
static job *next_job(void)
{
	struct timespec until;
	int err = 0;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += IDLE_SECONDS;
	pool.idle++;
	while (takeable() == 0 && !(pool.leaving && pool.queued == 0) && err == 0)
		err = pthread_cond_timedwait(&pool.work, &pool.lock, &until);
	pool.idle--;
	return take();
}

/* With the lock; lets go of it while joining.  Each leaver joins the one
 * before it, mo_pool_fini() the last: no thread is ever left unjoined. */
static void join_former(void)
{
	pthread_t former = pool.leaver;

	if (!pool.have_leaver)
		return;
	pool.have_leaver = false;
	pthread_mutex_unlock(&pool.lock);
	pthread_join(former, NULL);
	pthread_mutex_lock(&pool.lock);
}

static void *pool_thread(void *arg)
{
	job *j;

	pthread_mutex_lock(&pool.lock);
	while ((j = next_job()) != NULL) {
		share *s = j->share;
		news n = { .tell = false };

		look_at_wait(s, mo_now() - j->since, &n);
		pthread_mutex_unlock(&pool.lock);
		tell(&n);
		run_job(j); /* which may be gone then */
		pthread_mutex_lock(&pool.lock);
		s->running--;
		share_drop(s);
		if (pool.leaving && pool.queued == 0)
			pthread_cond_broadcast(&pool.work);
	}
	while (pool.have_leaver)
		join_former();
	pool.have_leaver = true;
	pool.leaver = pthread_self();
	pool.threads--;
	pthread_cond_broadcast(&pool.gone);
	pthread_mutex_unlock(&pool.lock);
	return NULL;
}

/* ---- the coroutine's side ----------------------------------------------- */

/* With the lock.  A failure matters only when no thread is there to serve. */
static int thread_for_queue(void)
{
	pthread_t t;
	int err;

	if (takeable() <= pool.idle || pool.threads >= pool.limit)
		return 0;
	pool.threads++;
	err = mo_thread_start(&t, "molt-pool", THREAD_STACK, pool_thread, NULL);
	if (err == 0)
		return 0;
	pool.threads--;
	return pool.threads == 0 ? -EAGAIN : 0;
}

/* With the lock. */
static int submit_to(share *s, job *j, news *n)
{
	int err;

	/* Those that a thread may take now do not wait. */
	if (s->queued - takeable_of(s) >= pool.queue_limit) {
		pool.refused++;
		return -EBUSY;
	}
	enqueue(j, s);
	err = thread_for_queue();
	if (err < 0) {
		dequeue(j);
		return err;
	}
	pthread_cond_signal(&pool.work);
	/* Threads that never come back would never tell. */
	look_at_wait(s, j->since - MO_CONTAINER_OF(s->queue.next, job, node)->since, n);
	return 0;
}

static int submit(job *j, const char *name)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	news n = { .tell = false };
	share *s;
	int err;

	pthread_once(&once, work_cond_init);
	pthread_mutex_lock(&pool.lock);
	s = share_of(name);
	err = submit_to(s, j, &n);
	share_drop(s);
	pthread_mutex_unlock(&pool.lock);
	tell(&n);
	return err;
}

int mo_pool_run(void (*fn)(void *arg), void *arg)
{
	mo_co *co = mo_co_self();
	job j = { .fn = fn, .arg = arg };
	int err;

	MO_CHECK(co);
	j.loop = mo_co_loop(co);
	sem_init(&j.op_done, 0, 0);
	err = submit(&j, mo_co_name(co));
	while (err == 0) {
		mo_park_wait(&j.park, MOLT_FOREVER);
		if (!j.op)
			break;
		co->stands_in = true;
		j.op(j.op_arg);
		co->stands_in = false;
		sem_post(&j.op_done);
	}
	sem_destroy(&j.op_done);
	return err;
}

void mo_on_loop(void (*fn)(void *arg), void *arg)
{
	job *j = current;

	if (!j) {
		fn(arg);
		return;
	}
	j->op = fn;
	j->op_arg = arg;
	mo_loop_answer(j->loop, wake_proxy, j);
	while (sem_wait(&j->op_done) < 0)
		MO_CHECK(errno == EINTR);
}

bool mo_pool_stands_in(void)
{
	const mo_co *co = mo_co_self();

	return co && co->stands_in;
}

bool mo_on_pool_thread(void)
{
	return current != NULL;
}

/* ---- set-up and end ----------------------------------------------------- */

void mo_pool_set_limit(int threads)
{
	pthread_mutex_lock(&pool.lock);
	pool.limit = threads < 1 ? 1 : threads > 1024 ? 1024 : threads;
	pool.queue_limit = QUEUE_LIMIT;
	pool.asked = false;
	pthread_mutex_unlock(&pool.lock);
}

void mo_pool_ask(int threads, int queue)
{
	pthread_mutex_lock(&pool.lock);
	if (!pool.asked || threads > pool.limit)
		pool.limit = threads;
	if (!pool.asked || queue > pool.queue_limit)
		pool.queue_limit = queue;
	pool.asked = true;
	pthread_mutex_unlock(&pool.lock);
}

mo_pool_state mo_pool_state_now(void)
{
	mo_pool_state s;

	pthread_mutex_lock(&pool.lock);
	s = state_now();
	pthread_mutex_unlock(&pool.lock);
	return s;
}

int mo_pool_retry_after(void)
{
	molt_time s = (mo_pool_state_now().oldest + MOLT_SECOND - 1) / MOLT_SECOND;

	return s < 1 ? 1 : s > RETRY_MAX ? RETRY_MAX : (int)s;
}

void mo_pool_fini(void)
{
	pthread_mutex_lock(&pool.lock);
	pool.leaving = true;
	if (pool.threads)
		pthread_cond_broadcast(&pool.work);
	while (pool.threads)
		pthread_cond_wait(&pool.gone, &pool.lock);
	while (pool.have_leaver)
		join_former();
	pool.leaving = false;
	pthread_mutex_unlock(&pool.lock);
}
