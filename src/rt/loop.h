/* One thread running one event loop (libuv).  It owns everything that was made
 * on it: connections, coroutines, buffers, arenas.  Other threads talk to it
 * by mo_loop_post() only.
 *
 * Life: mo_loop_new -> mo_loop_start (the thread runs) -> mo_loop_stop (the
 * thread leaves once the upper layers' handles are closed and every coroutine
 * has ended) -> mo_loop_free (joins).  A handle that nobody closes dies there
 * as a broken invariant. */
#ifndef MO_RT_LOOP_H
#define MO_RT_LOOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "base/arena.h"
#include "base/list.h"
#include "molt.h"
#include "rt/timer.h"

#define MO_LOOP_BUFFER 16384u /* size of the loop's spare buffers */
#define MO_LOOP_SLOTS 4

/* What upper layers keep per loop. */
enum mo_loop_slot { MO_SLOT_HTTP, MO_SLOT_WEB, MO_SLOT_GEN, MO_SLOT_SPARE };

typedef struct mo_loop {
	uint32_t magic;
	int index; /* 0, 1 ...; the control loop: -1 */
	uv_loop_t uv;
	unsigned moment;           /* see mo_loop_arrival() */
	unsigned arrivals;         /* of this turn */
	mo_chunk_cache chunks;     /* for arenas of this loop */
	mo_timers timers;          /* coarse deadlines, see timer.h */
	void *slot[MO_LOOP_SLOTS]; /* of the upper layers; they free theirs */
	struct mo_loop_private *p; /* mailbox, stacks, spare buffers, watchdog */
} mo_loop;

mo_loop *mo_loop_new(int index); /* NULL with errno: the system gave no descriptors */
int mo_loop_start(mo_loop *l, const char *thread_name); /* -errno from the system */
/* Instead of mo_loop_start(): the calling thread runs it until it was stopped. */
void mo_loop_run(mo_loop *l);
/* Asks it to end; the upper layers' handles must get closed by themselves. [any] */
void mo_loop_stop(mo_loop *l);
void mo_loop_free(mo_loop *l); /* joins the thread; NULL is accepted */

mo_loop *mo_loop_self(void);       /* of this thread, or NULL */
/* What the library itself does on this thread's loop and may wait in ("reads a file"), for
 * the watchdog: a literal; NULL: it is over.  Nothing in it may park.  On other threads it
 * does nothing. */
void mo_loop_inside(const char *what);
molt_time mo_loop_now(mo_loop *l); /* cached per turn of the loop, same clock as mo_now() */

/* Runs fn(arg) on l's thread, later, in order of posting; not inside a
 * coroutine. [any] Posting to a loop that has been stopped is dropped: false. */
bool mo_loop_post(mo_loop *l, void (*fn)(void *arg), void *arg);

/* Runs fn(arg) on l's thread inside a new coroutine (default stack). [any] */
bool mo_loop_spawn(mo_loop *l, void (*fn)(void *arg), void *arg);

/* Something that is done once, when all of a turn's callbacks and coroutines have run
 * and before the loop sleeps: what can be done together for many of them. */
typedef struct mo_turn_task {
	mo_list node;
	void (*fn)(struct mo_turn_task *t);
} mo_turn_task;
void mo_turn_task_init(mo_turn_task *t, void (*fn)(mo_turn_task *t));
/* On the loop's thread.  One that is asked for already is done once.  One that asks for
 * itself again is done at the end of the next turn, before which the loop does not
 * sleep; when the loop ends, until it no longer asks. */
void mo_loop_end_turn(mo_loop *l, mo_turn_task *t);
/* The same, before those that were asked for so far: what somebody waits for. */
void mo_loop_end_turn_first(mo_loop *l, mo_turn_task *t);

/* A moment is a part of a turn: what is handled in it had begun to arrive before it
 * began.  So what is looked up in a moment is new enough for all that is handled in
 * it.  Each turn begins one, and so does whoever reads what may have come since. */
static inline void mo_loop_new_moment(mo_loop *l)
{
	l->moment++;
}

/* An event of a descriptor, as libuv gives them.  After 1,024 of them libuv asks the
 * system for more within the turn; some are of descriptors that nobody counts. */
static inline void mo_loop_arrival(mo_loop *l)
{
	if (++l->arrivals > 256)
		mo_loop_new_moment(l);
}

/* Spare buffers of MO_LOOP_BUFFER bytes; only on the loop's thread. */
char *mo_loop_buffer_get(mo_loop *l);
void mo_loop_buffer_put(mo_loop *l, char *buf);

/* "Tue, 15 Nov 1994 08:12:31 GMT" (29 bytes and NUL), renewed each second. */
const char *mo_loop_http_date(mo_loop *l);

/* CPUs that this process may use: affinity and cgroup quota, at least 1. */
int mo_cpu_count(void);

#endif
