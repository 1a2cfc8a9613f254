/* Threads for calls that block.  Started when needed (at most mo_pool_limit,
 * 64 unless set), ended after 10 s without work; work that finds all busy
 * waits in line.  Stacks of 1 MiB.
 *
 * A blocking handler runs on a pool thread while its coroutine stands for it on
 * the loop: what must happen on the loop (reading the body, flushing, sleeping)
 * is sent there by mo_on_loop(). */
#ifndef MO_RT_POOL_H
#define MO_RT_POOL_H

#include "molt.h"

/* Runs fn(arg) on a pool thread; parks the calling coroutine until it is done.
 * Inside fn, mo_on_loop() works.  -EAGAIN when no thread can be started.
 * [parks], only inside a coroutine. */
int mo_pool_run(void (*fn)(void *arg), void *arg);

/* Runs fn(arg) on the loop, in the coroutine that called mo_pool_run(), and
 * waits for it; fn may park.  On a thread that is no pool thread in
 * mo_pool_run(), calls fn(arg) directly. */
void mo_on_loop(void (*fn)(void *arg), void *arg);

/* true on a pool thread inside mo_pool_run(). */
bool mo_on_pool_thread(void);

void mo_pool_set_limit(int threads); /* before first use; 1 to 1024 */
void mo_pool_fini(void);             /* waits for idle threads to leave; tests */

#endif
