/* Threads for calls that block.  A thread is started when it is needed (at most 64 unless
 * set), and ends after 10 s without work.  Stacks have 1 MiB.  Work waits in queues while
 * all threads are busy, in one queue for each coroutine's name (the route); one name has
 * three quarters of the threads at most, so that other routes go on whatever a route does.
 *
 * A blocking handler runs on a pool thread while its coroutine stands for it on
 * the loop: what must happen on the loop (reading the body, flushing, sleeping)
 * is sent there by mo_on_loop(). */
#ifndef MO_RT_POOL_H
#define MO_RT_POOL_H

#include "molt.h"

/* Runs fn(arg) on a pool thread; parks the calling coroutine until it is done.
 * Inside fn, mo_on_loop() works.  -EAGAIN when no thread can be started; -EBUSY when
 * too many of the same name wait.
 * [parks], only inside a coroutine. */
int mo_pool_run(void (*fn)(void *arg), void *arg);

/* Runs fn(arg) on the loop, in the coroutine that called mo_pool_run(), and
 * waits for it; fn may park.  On a thread that is no pool thread in
 * mo_pool_run(), calls fn(arg) directly. */
void mo_on_loop(void (*fn)(void *arg), void *arg);

/* true on a pool thread inside mo_pool_run(). */
bool mo_on_pool_thread(void);
/* In a coroutine that does so for a pool thread: what it runs may park, but not wait for
 * another thread of the pool, which may have none left. */
bool mo_pool_stands_in(void);

/* The pool has so many threads, and so many calls of each name may wait (64 and 1024
 * unless somebody asks); the largest of what was asked for counts. */
void mo_pool_ask(int threads, int queue);
void mo_pool_set_limit(int threads); /* whatever was asked for; 1 to 1024; tests */

typedef struct mo_pool_state {
	int threads, busy, limit, queued, queue_limit;
	uint64_t refused;          /* -EBUSY, so often */
	molt_time oldest, longest; /* wait of the oldest that waits; of any so far */
} mo_pool_state;
mo_pool_state mo_pool_state_now(void); /* [any] */
int mo_pool_retry_after(void); /* s: when it makes sense to try again; at least 1 */
void mo_pool_fini(void);             /* waits for idle threads to leave; tests */

#endif
