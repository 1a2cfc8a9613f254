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
 */
#include "rt/pool.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <time.h>

#include "base/check.h"
#include "base/list.h"
#include "rt/loop_private.h"
#include "rt/thread.h"

#define THREAD_STACK (((size_t)1 << 20) * MO_STACK_SCALE)
#define IDLE_SECONDS 10

typedef struct job {
	mo_list node; /* in pool.queue */
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
	mo_list queue;       /* jobs, first in first out */
	int queued, idle, threads, limit;
	bool leaving;     /* mo_pool_fini() */
	bool have_leaver; /* leaver has left and is not joined yet */
	pthread_t leaver;
} pool = {
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.gone = PTHREAD_COND_INITIALIZER,
	.queue = { &pool.queue, &pool.queue },
	.limit = 64,
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
	while (pool.queued == 0 && !pool.leaving && err == 0)
		err = pthread_cond_timedwait(&pool.work, &pool.lock, &until);
	pool.idle--;
	if (pool.queued == 0)
		return NULL;
	job *j = MO_CONTAINER_OF(pool.queue.next, job, node);

	mo_list_remove(&j->node);
	pool.queued--;
	return j;
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
		pthread_mutex_unlock(&pool.lock);
		run_job(j);
		pthread_mutex_lock(&pool.lock);
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

	if (pool.queued <= pool.idle || pool.threads >= pool.limit)
		return 0;
	pool.threads++;
	err = mo_thread_start(&t, "molt-pool", THREAD_STACK, pool_thread, NULL);
	if (err == 0)
		return 0;
	pool.threads--;
	return pool.threads == 0 ? -EAGAIN : 0;
}

static int submit(job *j)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	int err;

	pthread_once(&once, work_cond_init);
	pthread_mutex_lock(&pool.lock);
	mo_list_append(&pool.queue, &j->node);
	pool.queued++;
	err = thread_for_queue();
	if (err < 0) {
		mo_list_remove(&j->node);
		pool.queued--;
	} else {
		pthread_cond_signal(&pool.work);
	}
	pthread_mutex_unlock(&pool.lock);
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
	err = submit(&j);
	while (err == 0) {
		mo_park_wait(&j.park, MOLT_FOREVER);
		if (!j.op)
			break;
		j.op(j.op_arg);
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

bool mo_on_pool_thread(void)
{
	return current != NULL;
}

/* ---- set-up and end ----------------------------------------------------- */

void mo_pool_set_limit(int threads)
{
	pthread_mutex_lock(&pool.lock);
	pool.limit = threads < 1 ? 1 : threads > 1024 ? 1024 : threads;
	pthread_mutex_unlock(&pool.lock);
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
