/* What a loop does at each turn of libuv: resumes the coroutines that were
 * woken, and beats for the watchdog.  Own handles never hold the loop.
 *
 *   libuv's phase    here
 *   timers           wakes fill the ready queue
 *   idle             the queue is run
 *   prepare          the tasks of the turn's end are done, a new moment begins;
 *                    turn becomes odd: in the poll phase
 *   poll, callbacks  wakes fill the ready queue
 *   check            turn becomes even; the queue is run
 *
 * Always: the idle handle is active when the queue holds any, or a task has asked
 * for itself again, so that the loop never sleeps on them, whichever phase it is.  A run takes only
 * what was in the queue at its start: coroutines that wake each other do not
 * keep the loop from its descriptors. */
#include "rt/loop_internal.h"

#include "base/check.h"

static mo_loop *loop_of(void *handle)
{
	return uv_handle_get_data((uv_handle_t *)handle);
}

static void on_idle(uv_idle_t *h);

void mo_ready_push(mo_co *co)
{
	struct mo_loop_private *p = co->loop->p;

	MO_CHECK(mo_list_empty(&co->ready));
	if (mo_list_empty(&p->ready))
		uv_idle_start(&p->idle, on_idle);
	mo_list_append(&p->ready, &co->ready);
}

/* Moves what is in the list (not nothing) to another, so that what is added meanwhile
 * is for the next time. */
static void take_all(mo_list *from, mo_list *to)
{
	*to = *from;
	to->next->prev = to->prev->next = to;
	mo_list_init(from);
}

static void run_ready(struct mo_loop_private *p)
{
	mo_list now;

	if (mo_list_empty(&p->ready))
		return;
	take_all(&p->ready, &now);
	while (!mo_list_empty(&now)) {
		mo_co *co = MO_CONTAINER_OF(now.next, mo_co, ready);

		mo_list_remove(&co->ready);
		mo_co_resume(co);
	}
}

/* Whoever needs no other turn than this has the loop sleep again. */
static void on_idle(uv_idle_t *h)
{
	struct mo_loop_private *p = loop_of(h)->p;

	run_ready(p);
	if (mo_list_empty(&p->ready))
		uv_idle_stop(&p->idle);
}

/* One thread writes: no locked instruction is needed. */
static void beat(struct mo_loop_private *p)
{
	unsigned long turn = atomic_load_explicit(&p->turn, memory_order_relaxed);

	atomic_store_explicit(&p->turn, turn + 1, memory_order_relaxed);
}

void mo_turn_task_init(mo_turn_task *t, void (*fn)(mo_turn_task *t))
{
	mo_list_init(&t->node);
	t->fn = fn;
}

void mo_loop_end_turn(mo_loop *l, mo_turn_task *t)
{
	struct mo_loop_private *p = l->p;

	if (!mo_list_empty(&t->node))
		return;
	mo_list_append(t == p->task ? &p->tasks_again : &p->tasks, &t->node);
}

void mo_loop_end_turn_first(mo_loop *l, mo_turn_task *t)
{
	if (mo_list_empty(&t->node))
		mo_list_prepend(&l->p->tasks, &t->node);
}

static void run_tasks(struct mo_loop_private *p)
{
	while (!mo_list_empty(&p->tasks)) {
		p->task = MO_CONTAINER_OF(p->tasks.next, mo_turn_task, node);
		mo_list_remove(&p->task->node);
		p->task->fn(p->task);
	}
	p->task = NULL;
	if (mo_list_empty(&p->tasks_again))
		return;
	take_all(&p->tasks_again, &p->tasks);
	uv_idle_start(&p->idle, on_idle); /* the next turn comes at once */
}

static void on_prepare(uv_prepare_t *h)
{
	mo_loop *l = loop_of(h);
	struct mo_loop_private *p = l->p;

	run_tasks(p);
	mo_loop_new_moment(l);
	l->arrivals = 0;
	beat(p);
}

static void on_check(uv_check_t *h)
{
	struct mo_loop_private *p = loop_of(h)->p;

	beat(p);
	run_ready(p);
}

static void own_handle(mo_loop *l, void *handle)
{
	uv_handle_set_data(handle, l);
	uv_unref(handle);
}

void mo_turn_init(mo_loop *l)
{
	struct mo_loop_private *p = l->p;

	mo_list_init(&p->ready);
	mo_list_init(&p->tasks);
	mo_list_init(&p->tasks_again);
	uv_idle_init(&l->uv, &p->idle);
	uv_prepare_init(&l->uv, &p->prepare);
	uv_check_init(&l->uv, &p->check);
	own_handle(l, &p->idle);
	own_handle(l, &p->prepare);
	own_handle(l, &p->check);
	uv_prepare_start(&p->prepare, on_prepare);
	uv_check_start(&p->check, on_check);
}

void mo_turn_close(mo_loop *l)
{
	struct mo_loop_private *p = l->p;

	MO_CHECK(mo_list_empty(&p->ready));
	while (!mo_list_empty(&p->tasks))
		run_tasks(p);
	uv_close((uv_handle_t *)&p->idle, NULL);
	uv_close((uv_handle_t *)&p->prepare, NULL);
	uv_close((uv_handle_t *)&p->check, NULL);
}
