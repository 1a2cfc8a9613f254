/* The coroutine object; shared by co.c (switching) and park.c (waiting).
 *
 * It belongs to its stack and is used again with it, so its uv_timer_t is
 * initialised once and closed when the loop ends: uv_close() is asynchronous,
 * and the memory must outlive it. */
#ifndef MO_RT_CO_INTERNAL_H
#define MO_RT_CO_INTERNAL_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "base/list.h"
#include "rt/co.h"
#include "rt/ctx.h"
#include "rt/park.h"
#include "rt/sanitize.h"
#include "rt/stack.h"
#include "rt/timer.h"

#define MO_CO_MAGIC 0x6f636f6du

enum mo_co_state { MO_CO_NEW, MO_CO_RUNNING, MO_CO_PARKED, MO_CO_DONE };

struct mo_co {
	uint32_t magic;
	enum mo_co_state state;
	mo_loop *loop;
	mo_stack *stack;
	void (*fn)(void *);
	void *arg;
	const char *name;
	bool stands_in; /* for a pool thread, which waits for it: pool.c */
	mo_ctx ctx;
	/* Waiting: */
	mo_list ready;      /* in the loop's ready queue, or alone */
	mo_park *park;      /* where it waits, or NULL */
	mo_park *breakable; /* of a sleep or a wait for a descriptor, or NULL */
	int wait_result;
	int cancelled;    /* 0 or the result of mo_co_cancel() */
	mo_timer limit;   /* the time-out of a park */
	uv_timer_t sleep; /* mo_co_sleep(): to the millisecond */
#if MO_ASAN
	void *fake_stack;
#endif
#if MO_TSAN
	void *fiber;
#endif
};

/* park.c: the parts of a coroutine that wait, at its first and at each use. */
void mo_co_wait_init(mo_co *co);
void mo_co_wait_reset(mo_co *co);

/* co.c: for the loop.  At its end all coroutines have ended. */
void mo_cos_init(mo_loop *l);
void mo_cos_close(mo_loop *l); /* closes their handles */
void mo_cos_free(mo_loop *l);

#endif
