/* Coarse timers; see timer.h.
 *
 * Tick T is the moment T * 16 ms of the loop's time.  A timer that is due at D
 * lies in the slot of the first tick not before D, modulo the wheel's size; one
 * that lies further ahead than the wheel reaches is found not yet due when its
 * slot comes, and stays for the next round.
 *
 * A pending timer that is started again for a later moment, as a connection's is
 * at each request, stays where it lies: only its due changes, and it moves on when
 * its tick comes.  So that costs no look at its neighbours in the list.
 *
 * Always: a slot's bit in used is set when its list holds any; every pending
 * timer's tick is at or after timers.at; while any is pending the handle is due
 * not after the first slot in use.  Stopping leaves the handle as it is: it may
 * find nothing once, and then looks for the next slot in use. */
#include "rt/timer.h"

#include "base/check.h"
#include "rt/loop_internal.h"

#define TICK 16
#define FOREVER (INT64_MAX / 4)
#define FAR INT64_MAX

static molt_time tick_of(molt_time due)
{
	return (due + TICK - 1) / TICK;
}

static unsigned slot_of(molt_time tick)
{
	return (unsigned)((uint64_t)tick % MO_WHEEL_SLOTS);
}

/* Slots from the one of at, going round, to the first in use; MO_WHEEL_SLOTS
 * when none is. */
static unsigned distance_to_used(const mo_timers *w)
{
	unsigned first = slot_of(w->at), words = MO_WHEEL_SLOTS / 64;
	uint64_t bits = w->used[first / 64] >> (first % 64);

	if (bits)
		return (unsigned)__builtin_ctzll(bits);
	for (unsigned i = 1; i <= words; i++) {
		bits = w->used[(first / 64 + i) % words];
		if (bits)
			return i * 64 - first % 64 + (unsigned)__builtin_ctzll(bits);
	}
	return MO_WHEEL_SLOTS;
}

static void on_tick(uv_timer_t *h);

static void sleep_until(mo_loop *l, molt_time tick)
{
	molt_time left = tick * TICK - mo_loop_now(l);

	l->timers.wake = tick;
	uv_timer_start(&l->timers.tick, on_tick, left > 0 ? (uint64_t)left : 0, 0);
}

static void slot_clear_if_empty(mo_timers *w, unsigned slot)
{
	if (mo_list_empty(&w->slots[slot]))
		w->used[slot / 64] &= ~(UINT64_C(1) << (slot % 64));
}

static void take_out(mo_timers *w, mo_timer *t)
{
	mo_list_remove(&t->node);
	w->count--;
	slot_clear_if_empty(w, slot_of(t->tick));
}

static void put_in(mo_timers *w, mo_timer *t, molt_time tick)
{
	unsigned slot = slot_of(tick);

	t->tick = tick;
	mo_list_append(&w->slots[slot], &t->node);
	w->used[slot / 64] |= UINT64_C(1) << (slot % 64);
}

/* The slot of tick w->at: takes those that are due out, moves those on that were
 * started again meanwhile. */
static void look_into(mo_timers *w, molt_time now, mo_list *out)
{
	mo_list *slot = &w->slots[slot_of(w->at)];

	MO_LIST_EACH (n, slot) {
		mo_timer *t = MO_CONTAINER_OF(n, mo_timer, node);

		if (t->due <= now) {
			mo_list_remove(n);
			mo_list_append(out, n);
			t->tick = FAR; /* in no slot: a new start puts it into one */
		} else if (t->tick <= w->at) {
			mo_list_remove(n);
			put_in(w, t, tick_of(t->due));
		}
	}
	slot_clear_if_empty(w, slot_of(w->at));
}

/* Moves the timers of all ticks up to now that are due to the list out. */
static void collect(mo_timers *w, molt_time now, mo_list *out)
{
	molt_time last = now / TICK;

	if (last - w->at >= MO_WHEEL_SLOTS)
		w->at = last - MO_WHEEL_SLOTS + 1; /* one round visits every slot */
	while (w->at <= last) {
		unsigned ahead = distance_to_used(w);

		if (ahead > last - w->at)
			break;
		w->at += ahead;
		look_into(w, now, out);
		w->at++;
	}
	if (w->at <= last)
		w->at = last + 1;
}

/* A callback may start and stop any timer, also one that waits in due. */
static void on_tick(uv_timer_t *h)
{
	mo_loop *l = uv_handle_get_data((uv_handle_t *)h);
	mo_timers *w = &l->timers;
	mo_list due;

	mo_list_init(&due);
	w->wake = 0; /* sooner than any: starting inside a callback sets no handle */
	collect(w, mo_loop_now(l), &due);
	while (!mo_list_empty(&due)) {
		mo_timer *t = MO_CONTAINER_OF(due.next, mo_timer, node);

		take_out(w, t);
		t->fn(t);
	}
	w->ticking = w->count > 0;
	if (w->ticking)
		sleep_until(l, w->at + distance_to_used(w));
}

void mo_timer_init(mo_timer *t, void (*fn)(mo_timer *t))
{
	mo_list_init(&t->node);
	t->due = t->tick = 0;
	t->fn = fn;
}

void mo_timer_stop(mo_loop *l, mo_timer *t)
{
	if (mo_timer_active(t))
		take_out(&l->timers, t);
}

void mo_timer_start(mo_loop *l, mo_timer *t, molt_time ms)
{
	mo_timers *w = &l->timers;
	molt_time now, due, tick;

	if (ms < 0) {
		mo_timer_stop(l, t);
		return;
	}
	now = mo_loop_now(l);
	/* One more, because the loop's time is cut to whole milliseconds. */
	due = now + (ms < FOREVER ? ms : FOREVER) + 1;
	tick = tick_of(due);
	if (mo_timer_active(t) && t->tick <= tick) {
		t->due = due;
		return;
	}
	mo_timer_stop(l, t);
	t->due = due;
	if (w->count++ == 0 && !w->ticking)
		w->at = now / TICK + 1;
	put_in(w, t, tick);
	if (!w->ticking || tick < w->wake) {
		w->ticking = true;
		sleep_until(l, tick);
	}
}

bool mo_timer_active(const mo_timer *t)
{
	return !mo_list_empty(&t->node);
}

void mo_timers_init(mo_loop *l)
{
	mo_timers *w = &l->timers;

	for (unsigned i = 0; i < MO_WHEEL_SLOTS; i++)
		mo_list_init(&w->slots[i]);
	uv_timer_init(&l->uv, &w->tick);
	uv_handle_set_data((uv_handle_t *)&w->tick, l);
	uv_unref((uv_handle_t *)&w->tick);
}

/* Timers that are still pending never fire; their owners may stop them later. */
void mo_timers_close(mo_loop *l)
{
	uv_close((uv_handle_t *)&l->timers.tick, NULL);
}
