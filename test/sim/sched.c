/* Threads of simulated processes, their stacks, the clock, and who goes on next; see sim.h.
 *
 *   a thread      has          goes on
 *   runs          a stack      when it is drawn
 *   waits         a stack      when what it waits for is there, or its time has come
 *   idle loop     no stack     when its loop has work: loop.c draws a piece
 *   ended         -            never
 *
 * None goes on while its process is stopped, slow or dying, or a handler blocks it.  When
 * nobody can go on, the clock jumps to the first moment at which somebody can.
 *
 * Always: the scheduler has the real stack; what simulated processes do is on stacks from
 * here, which are dropped without being unwound when a process is killed. */
#include <sys/mman.h>

#include "base/check.h"
#include "sim.h"

#define STACK ((size_t)128 << 10)
#define TASKS 512u
#define MICROS_A_STEP 7 /* so that phases last */
#define CANDIDATES 128u

sim_thread *sim_current;
molt_time sim_clock;
unsigned long sim_steps;

static int64_t micros;
static mo_ctx scheduler;
static sim_task *tasks[TASKS], *spare;
static unsigned ntasks;

double sim_fine_clock(void)
{
	return (double)micros / 1e3;
}

static void set_clock(int64_t us)
{
	micros = us;
	sim_clock = us / 1000;
}

/* ---- stacks --------------------------------------------------------------------- */

static sim_task *task_make(void)
{
	sim_task *k = sim_keep(sizeof(*k));

	MO_CHECK(ntasks < TASKS);
	k->low = mmap(NULL, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	MO_CHECK(k->low != MAP_FAILED);
	tasks[ntasks++] = k;
	return k;
}

static void leave(void)
{
	sim_thread *t = sim_current;

	mo_ctx_switch(&t->task->ctx, &scheduler);
}

static void run(void *arg)
{
	sim_task *k = arg;

	k->fn(k->arg);
	k->done = true;
	mo_ctx_switch(&k->ctx, &scheduler);
	MO_DIE("a simulated thread went on after its end");
}

sim_task *sim_task_new(sim_process *p, void (*fn)(void *arg), void *arg)
{
	sim_task *k = spare;

	if (k)
		spare = k->next;
	else
		k = task_make();
	k->process = p;
	k->fn = fn;
	k->arg = arg;
	k->done = false;
	mo_ctx_make(&k->ctx, k->low, STACK, run, k);
	return k;
}

static void task_put(sim_task *k)
{
	k->process = NULL;
	k->next = spare;
	spare = k;
}

void sim_tasks_drop(const sim_process *p)
{
	for (unsigned i = 0; i < ntasks; i++)
		if (tasks[i]->process && (!p || tasks[i]->process == p))
			task_put(tasks[i]);
}

void sim_sched_begin(void)
{
	sim_tasks_drop(NULL);
	sim_current = NULL;
	sim_steps = 0;
	set_clock(1000 * 1000);
}

/* ---- threads -------------------------------------------------------------------- */

sim_thread *sim_thread_start(sim_process *p, void (*fn)(void *arg), void *arg)
{
	sim_thread *t = sim_alloc(sizeof(*t)), **at = &p->threads;

	t->process = p;
	t->task = fn ? sim_task_new(p, fn, arg) : NULL;
	while (*at)
		at = &(*at)->next;
	*at = t;
	return t;
}

static void enter(sim_thread *t)
{
	sim_task *k = t->task;

	t->ready = NULL;
	sim_current = t;
	mo_ctx_switch(&scheduler, &k->ctx);
	sim_current = NULL;
	if (!k->done)
		return;
	task_put(k);
	t->task = NULL;
	t->co = NULL;
	t->ended = t->ended || !t->loop;
}

void sim_go_on(sim_thread *t, sim_task *k, struct mo_co *co)
{
	t->task = k;
	t->co = co;
	enter(t);
}

void sim_run_on(sim_thread *t, void (*fn)(void *arg), void *arg)
{
	sim_go_on(t, sim_task_new(t->process, fn, arg), NULL);
}

/* The stack stays whose it is: a coroutine's. */
void sim_park(void)
{
	sim_thread *t = sim_current;
	sim_task *k = t->task;

	t->task = NULL;
	t->co = NULL;
	mo_ctx_switch(&k->ctx, &scheduler);
}

static bool never(void *unused)
{
	(void)unused;
	return false;
}

bool sim_wait(bool (*ready)(void *arg), void *arg, molt_time deadline)
{
	sim_thread *t = sim_current;

	if (!ready)
		ready = never;
	while (!ready(arg)) {
		if (sim_clock >= deadline)
			return false;
		t->ready = ready;
		t->arg = arg;
		t->wake = deadline;
		leave();
	}
	return true;
}

void sim_give_up_processor(void)
{
	sim_current->ended = true;
	leave();
	MO_DIE("a process went on after its end");
}

void sim_point(void)
{
	sim_process *p = sim_current ? sim_current->process : NULL;

	if (!p)
		return;
	if (++p->points == p->dies_at)
		sim_process_kill(p);
	if (p->state != SIM_RUNS)
		sim_give_up_processor();
	if (sim_chance(6)) {
		sim_current->ready = NULL;
		leave();
	}
}

/* ---- steps ---------------------------------------------------------------------- */

static bool can_run(const sim_process *p)
{
	return p->state == SIM_RUNS && !p->stopped && p->slow_until <= sim_clock;
}

static bool has_work(sim_thread *t)
{
	if (t->ended)
		return false;
	if (t->task)
		return !t->ready || t->ready(t->arg) || sim_clock >= t->wake;
	return t->loop && sim_loop_has_work(t->loop);
}

static molt_time later(molt_time a, molt_time b)
{
	return a > b ? a : b;
}

static molt_time wake_of(sim_thread *t)
{
	const sim_process *p = t->process;
	molt_time at;

	if (t->ended || p->state != SIM_RUNS || p->stopped)
		return INT64_MAX;
	if (has_work(t))
		at = sim_clock;
	else
		at = t->task ? t->wake : t->loop ? sim_loop_wake(t->loop) : INT64_MAX;
	return later(at, later(t->blocked_until, p->slow_until));
}

typedef struct candidates {
	unsigned n;
	sim_thread *threads[CANDIDATES];
	sim_process *dying[SIM_PROCESSES];
	unsigned ndying;
} candidates;

static void collect(candidates *c)
{
	c->n = c->ndying = 0;
	for (unsigned i = 0; i < sim_count; i++) {
		sim_process *p = sim_all[i];

		if (p->state == SIM_DYING)
			c->dying[c->ndying++] = p;
		if (!can_run(p))
			continue;
		for (sim_thread *t = p->threads; t; t = t->next)
			if (t->blocked_until <= sim_clock && c->n < CANDIDATES && has_work(t))
				c->threads[c->n++] = t;
	}
}

/* Nobody can go on: to the next moment at which somebody can. */
static bool jump(molt_time limit)
{
	molt_time at = sim_story_wake(), other = sim_clients_wake();

	at = other < at ? other : at;
	for (unsigned i = 0; i < sim_count; i++)
		for (sim_thread *t = sim_all[i]->threads; t; t = t->next) {
			other = wake_of(t);
			at = other < at ? other : at;
		}
	if (at > limit)
		return false;
	MO_CHECK(at > sim_clock);
	set_clock(at * 1000);
	return true;
}

bool sim_step(molt_time limit)
{
	candidates c;
	unsigned k;

	if (sim_story_act() || sim_clients_act())
		return true;
	collect(&c);
	if (c.n + c.ndying == 0)
		return jump(limit);
	sim_steps++;
	set_clock(micros + MICROS_A_STEP);
	k = sim_order(c.n + c.ndying);
	if (k >= c.n)
		sim_process_dying_step(c.dying[k - c.n]);
	else if (c.threads[k]->task)
		enter(c.threads[k]);
	else
		sim_loop_turn(c.threads[k]);
	return true;
}
