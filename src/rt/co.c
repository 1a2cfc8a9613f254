/* Coroutines: states, reuse, and what must be told to the checkers at each
 * switch; see co.h for the table.  The switch itself is ctx.h.
 *
 * A coroutine object belongs to its stack and goes with it into the loop's
 * cache, so starting one that has been used costs no allocation and no system
 * call.  Always: p->running is the coroutine whose stack this thread is on, and
 * p->live counts those that have not ended. */
#include "rt/co.h"

#include <errno.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/mem.h"
#include "rt/loop_internal.h"

#define TRIM_EVERY (2 * MOLT_SECOND)

static const char unnamed[] = "(no name)";

/* ---- the switch, with its announcements -------------------------------- */

static void into(struct mo_loop_private *p, mo_co *co)
{
#if MO_ASAN
	__sanitizer_start_switch_fiber(&p->fake_stack, co->stack->low, co->stack->size);
#endif
#if MO_TSAN
	p->fiber = __tsan_get_current_fiber();
	__tsan_switch_to_fiber(co->fiber, 0);
#endif
	mo_ctx_switch(&p->back, &co->ctx);
#if MO_ASAN
	__sanitizer_finish_switch_fiber(p->fake_stack, NULL, NULL);
#endif
}

static void out(struct mo_loop_private *p, mo_co *co)
{
#if MO_ASAN
	__sanitizer_start_switch_fiber(&co->fake_stack, p->thread_low, p->thread_size);
#endif
#if MO_TSAN
	__tsan_switch_to_fiber(p->fiber, 0);
#endif
	mo_ctx_switch(&co->ctx, &p->back);
#if MO_ASAN
	__sanitizer_finish_switch_fiber(co->fake_stack, &p->thread_low, &p->thread_size);
#endif
}

/* ThreadSanitizer counts entries and exits of functions, and co_main() has an
 * entry only. */
#if defined(__clang__)
#define NO_ENTRY_COUNT __attribute__((disable_sanitizer_instrumentation))
#else
#define NO_ENTRY_COUNT __attribute__((no_sanitize("thread")))
#endif

/* Runs on the coroutine's stack and never returns: the end is a switch. */
NO_ENTRY_COUNT static void co_main(void *arg)
{
	mo_co *co = arg;
	struct mo_loop_private *p = co->loop->p;

#if MO_ASAN
	__sanitizer_finish_switch_fiber(NULL, &p->thread_low, &p->thread_size);
#endif
	co->fn(co->arg);
	co->state = MO_CO_DONE;
#if MO_ASAN
	__sanitizer_start_switch_fiber(NULL, p->thread_low, p->thread_size);
#endif
#if MO_TSAN
	__tsan_switch_to_fiber(p->fiber, 0);
#endif
	mo_ctx_switch(&co->ctx, &p->back);
	MO_DIE("a coroutine went on after its end");
}

/* ---- objects ------------------------------------------------------------ */

static mo_co *co_make(mo_loop *l, mo_stack *s)
{
	mo_co *co = mo_calloc(1, sizeof(*co));

	co->magic = MO_CO_MAGIC;
	co->loop = l;
	co->stack = s;
#if MO_TSAN
	co->fiber = __tsan_create_fiber(0);
#endif
	mo_co_wait_init(co);
	s->user = co;
	return co;
}

static void trim_cb(mo_timer *t)
{
	struct mo_loop_private *p = MO_CONTAINER_OF(t, struct mo_loop_private, trim);

	if (mo_stacks_trim(&p->stacks))
		mo_timer_start(mo_loop_self(), t, TRIM_EVERY);
}

static void co_ended(mo_co *co)
{
	mo_loop *l = co->loop;
	struct mo_loop_private *p = l->p;

	MO_CHECK(mo_list_empty(&co->ready) && !co->park);
	p->live--;
	mo_stack_put(&p->stacks, co->stack);
	if (p->stacks.crowded && !mo_timer_active(&p->trim))
		mo_timer_start(l, &p->trim, TRIM_EVERY);
	if (p->mail.starved.count)
		mo_mailbox_retry(l);
	if (p->live == 0)
		mo_loop_hold_update(l);
}

mo_co *mo_co_new(mo_loop *l, size_t stack, void (*fn)(void *), void *arg)
{
	struct mo_loop_private *p = l->p;
	mo_stack *s = mo_stack_get(&p->stacks, stack);
	mo_co *co;

	if (!s)
		return NULL;
	co = s->user ? s->user : co_make(l, s);
	co->state = MO_CO_NEW;
	co->fn = fn;
	co->arg = arg;
	co->name = NULL;
	mo_co_wait_reset(co);
#if MO_ASAN
	/* Frames of the last run that never returned left their red zones. */
	ASAN_UNPOISON_MEMORY_REGION(s->low, s->size);
#endif
	mo_ctx_make(&co->ctx, s->low, s->size, co_main, co);
	if (p->live++ == 0)
		mo_loop_hold_update(l);
	return co;
}

/* ---- resume and yield --------------------------------------------------- */

bool mo_co_resume(mo_co *co)
{
	mo_loop *l = mo_loop_self();
	struct mo_loop_private *p;
	int saved = errno;

	MO_MAGIC_OK(co, MO_CO_MAGIC);
	MO_CHECK(co->loop == l);
	p = l->p;
	MO_CHECK(!p->running);
	MO_CHECK(co->state == MO_CO_NEW || co->state == MO_CO_PARKED);
	co->state = MO_CO_RUNNING;
	p->running = co;
	atomic_store_explicit(&p->doing, co->name ? co->name : unnamed, memory_order_relaxed);
	into(p, co);
	atomic_store_explicit(&p->doing, NULL, memory_order_relaxed);
	p->running = NULL;
	errno = saved;
	if (co->state != MO_CO_DONE)
		return false;
	co_ended(co);
	return true;
}

void mo_co_yield(void)
{
	mo_co *co = mo_co_self();
	int saved = errno;

	MO_CHECK(co && co->state == MO_CO_RUNNING);
	co->state = MO_CO_PARKED;
	out(co->loop->p, co);
	errno = saved;
}

mo_co *mo_co_self(void)
{
	mo_loop *l = mo_loop_self();

	return l ? l->p->running : NULL;
}

mo_loop *mo_co_loop(const mo_co *co)
{
	return co->loop;
}

void mo_co_set_name(mo_co *co, const char *name)
{
	struct mo_loop_private *p = co->loop->p;

	co->name = name;
	if (p->running == co)
		atomic_store_explicit(&p->doing, name ? name : unnamed, memory_order_relaxed);
}

const char *mo_co_name(const mo_co *co)
{
	return co->name;
}

/* ---- a loop's beginning and end ----------------------------------------- */

void mo_cos_init(mo_loop *l)
{
	mo_timer_init(&l->p->trim, trim_cb);
}

static void close_one(mo_stack *s)
{
	mo_co *co = s->user;

	if (co)
		uv_close((uv_handle_t *)&co->sleep, NULL);
}

static void free_one(mo_stack *s)
{
	mo_co *co = s->user;

	if (!co)
		return;
#if MO_TSAN
	__tsan_destroy_fiber(co->fiber);
#endif
	co->magic = 0;
	free(co);
	s->user = NULL;
}

void mo_cos_close(mo_loop *l)
{
	MO_CHECK(l->p->live == 0);
	mo_timer_stop(l, &l->p->trim);
	mo_stacks_each(&l->p->stacks, close_one);
}

void mo_cos_free(mo_loop *l)
{
	mo_stacks_each(&l->p->stacks, free_one);
	mo_stacks_fini(&l->p->stacks);
}
