/* Coarse timers of one loop: a wheel with ticks of 16 ms.  Starting, moving and
 * stopping cost a few instructions, so a connection may do it at each request.
 * A timer fires on its loop's thread, never early, at most about 32 ms late on
 * an idle loop.  The wheel turns only while timers are pending. */
#ifndef MO_RT_TIMER_H
#define MO_RT_TIMER_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "base/list.h"
#include "molt.h"

#define MO_WHEEL_SLOTS 1024

typedef struct mo_timer {
	mo_list node;  /* in a slot of the wheel, or alone */
	molt_time due; /* monotonic, ms */
	molt_time tick; /* whose slot it lies in: due is not before it */
	void (*fn)(struct mo_timer *t);
} mo_timer;

typedef struct mo_timers {
	mo_list slots[MO_WHEEL_SLOTS];
	uint64_t used[MO_WHEEL_SLOTS / 64]; /* a bit for each slot that holds any */
	uv_timer_t tick;
	molt_time at;   /* ticks before this one have been visited */
	molt_time wake; /* the tick that the handle is set for */
	unsigned count;
	bool ticking;
} mo_timers;

struct mo_loop;
void mo_timer_init(mo_timer *t, void (*fn)(mo_timer *t));
/* (Re)starts it to fire ms after mo_loop_now(); MOLT_FOREVER stops it. */
void mo_timer_start(struct mo_loop *l, mo_timer *t, molt_time ms);
void mo_timer_stop(struct mo_loop *l, mo_timer *t); /* also when not started */
bool mo_timer_active(const mo_timer *t);

/* For loop.c.  Pending timers do not keep a loop alive. */
void mo_timers_init(struct mo_loop *l);
void mo_timers_close(struct mo_loop *l);

#endif
