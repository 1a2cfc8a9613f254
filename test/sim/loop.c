/* Event loops, coroutines, parks and timers of the simulated processes, by the headers of
 * src/rt; see sim.h.  A turn is one piece of work, drawn from all that could be next; what
 * was posted comes in order, and so do coroutines that were woken.
 *
 *   a coroutine   event                            next
 *   READY         drawn                            RUNS
 *   RUNS          waits: park, sleep, descriptor   WAITS
 *   WAITS         woken, time, event, cancelled    READY
 *   RUNS          its function returns             gone */
#include <errno.h>
#include <uv.h>

#include "base/check.h"
#include "base/clock.h"
#include "rt/loop.h"
#include "rt/park.h"
#include "rt/pool.h"
#include "rt/watchdog.h"
#include "sim.h"

#define PIECES 96u

struct mo_co {
	mo_list node;  /* of the ready ones, in their order */
	mo_list other; /* of all that wait */
	sim_loop *loop;
	sim_task *task;
	void (*fn)(void *arg);
	void *arg;
	mo_park *park; /* it waits there; NULL: elsewhere */
	int fd;        /* it waits for that; -1 */
	int events;
	molt_time due;
	int result, cancelled;
};

typedef struct mail {
	struct mail *next;
	void (*fn)(void *arg);
	void *arg;
	bool spawn;
} mail;

struct sim_loop {
	sim_process *process;
	sim_thread *thread;
	int index;
	mail *first, *last;
	mo_list ready, waiting, timers;
	int live;
	bool stopping, ended;
};

static sim_loop *of(mo_loop *l)
{
	return (sim_loop *)(void *)l;
}

/* ---- life ----------------------------------------------------------------------- */

mo_loop *mo_loop_new(int index)
{
	sim_loop *l = sim_alloc(sizeof(*l));

	l->process = sim_self();
	l->index = index;
	mo_list_init(&l->ready);
	mo_list_init(&l->waiting);
	mo_list_init(&l->timers);
	if (index < 0)
		l->process->control = l;
	return (mo_loop *)(void *)l;
}

int mo_loop_start(mo_loop *loop, const char *name)
{
	sim_loop *l = of(loop);

	(void)name;
	l->thread = sim_thread_start(l->process, NULL, NULL);
	l->thread->loop = l;
	return 0;
}

void mo_loop_stop(mo_loop *l)
{
	of(l)->stopping = true;
}

static bool has_ended(void *l)
{
	return ((sim_loop *)l)->ended;
}

bool sim_loop_is_ended(const void *l)
{
	return ((const sim_loop *)l)->ended;
}

void mo_loop_free(mo_loop *l)
{
	if (l && of(l)->thread)
		sim_wait(has_ended, l, INT64_MAX);
}

mo_loop *mo_loop_self(void)
{
	return sim_current ? (mo_loop *)(void *)sim_current->loop : NULL;
}

molt_time mo_loop_now(mo_loop *l)
{
	(void)l;
	return mo_now();
}

/* ---- mail ----------------------------------------------------------------------- */

static bool post(mo_loop *loop, void (*fn)(void *arg), void *arg, bool spawn)
{
	sim_loop *l = of(loop);
	mail *m;

	if (l->stopping)
		return false;
	m = sim_alloc(sizeof(*m));
	*m = (mail){ .fn = fn, .arg = arg, .spawn = spawn };
	if (l->first)
		l->last->next = m;
	else
		l->first = m;
	l->last = m;
	return true;
}

bool mo_loop_post(mo_loop *l, void (*fn)(void *arg), void *arg)
{
	return post(l, fn, arg, false);
}

bool mo_loop_spawn(mo_loop *l, void (*fn)(void *arg), void *arg)
{
	return post(l, fn, arg, true);
}

static void run_co(void *arg)
{
	mo_co *co = arg;

	co->fn(co->arg);
	co->loop->live--;
}

static void make_ready(mo_co *co, int result)
{
	mo_list_remove(&co->other);
	if (co->park)
		co->park->co = NULL;
	co->park = NULL;
	co->fd = -1;
	co->result = result;
	mo_list_append(&co->loop->ready, &co->node);
}

static void spawn(sim_loop *l, const mail *m)
{
	mo_co *co = sim_alloc(sizeof(*co));

	*co = (mo_co){ .loop = l, .fn = m->fn, .arg = m->arg, .fd = -1 };
	mo_list_init(&co->other);
	co->task = sim_task_new(l->process, run_co, co);
	l->live++;
	mo_list_append(&l->ready, &co->node);
}

static void take_mail(sim_thread *t)
{
	sim_loop *l = t->loop;
	mail *m = l->first;

	l->first = m->next;
	if (m->spawn)
		spawn(l, m);
	else
		sim_run_on(t, m->fn, m->arg);
}

/* ---- coroutines ------------------------------------------------------------------ */

mo_co *mo_co_self(void)
{
	return sim_current ? sim_current->co : NULL;
}

/* The coroutine that runs waits for what it was set up for. */
static int wait(mo_co *co, molt_time timeout)
{
	co->due = mo_deadline(timeout);
	mo_list_append(&co->loop->waiting, &co->other);
	sim_park();
	return co->result;
}

int mo_park_wait(mo_park *p, molt_time timeout)
{
	mo_co *co = mo_co_self();

	MO_CHECK(co && !p->co);
	if (p->woken) {
		p->woken = false;
		return p->result;
	}
	p->co = co;
	co->park = p;
	return wait(co, timeout);
}

void mo_park_wake(mo_park *p, int result)
{
	if (p->co) {
		make_ready(p->co, result);
		return;
	}
	p->woken = true;
	p->result = result;
}

int mo_co_sleep(molt_time ms)
{
	mo_co *co = mo_co_self();

	if (co->cancelled)
		return co->cancelled;
	co->park = NULL;
	return wait(co, ms) == -ETIMEDOUT ? 0 : co->cancelled;
}

int mo_co_wait_fd(int fd, int events, molt_time timeout)
{
	mo_co *co = mo_co_self();

	if (co->cancelled)
		return co->cancelled;
	if (!sim_fd(fd))
		return -EBADF;
	MO_LIST_EACH (n, &co->loop->waiting)
		if (MO_CONTAINER_OF(n, mo_co, other)->fd == fd)
			return -EEXIST;
	co->fd = fd;
	co->events = events;
	return wait(co, timeout);
}

void mo_co_cancel(mo_co *co, int result)
{
	co->cancelled = result;
	if (!mo_list_empty(&co->other) && !co->park)
		make_ready(co, result);
}

/* ---- timers ---------------------------------------------------------------------- */

void mo_timer_init(mo_timer *t, void (*fn)(mo_timer *t))
{
	mo_list_init(&t->node);
	t->fn = fn;
	t->due = 0;
}

void mo_timer_start(mo_loop *l, mo_timer *t, molt_time ms)
{
	mo_timer_stop(l, t);
	if (ms < 0)
		return;
	t->due = mo_now() + ms;
	mo_list_append(&of(l)->timers, &t->node);
}

void mo_timer_stop(mo_loop *l, mo_timer *t)
{
	(void)l;
	mo_list_remove(&t->node);
}

static void fire(void *arg)
{
	mo_timer *t = arg;

	t->fn(t);
}

/* ---- a turn ---------------------------------------------------------------------- */

enum piece { MAIL, SIGNAL, READY, TIME, EVENT, TIMER, SERVE, END };

typedef struct pieces {
	unsigned n;
	struct {
		enum piece what;
		void *it;
		unsigned which;
	} all[PIECES];
} pieces;

static void add(pieces *p, enum piece what, void *it, unsigned which)
{
	if (p->n == PIECES)
		return;
	p->all[p->n].what = what;
	p->all[p->n].it = it;
	p->all[p->n++].which = which;
}

static void add_waiting(pieces *p, sim_loop *l)
{
	MO_LIST_EACH (n, &l->waiting) {
		mo_co *co = MO_CONTAINER_OF(n, mo_co, other);
		sim_file *f = co->fd >= 0 ? sim_fd_of(l->process, co->fd) : NULL;

		if (f && sim_file_readable(f))
			add(p, EVENT, co, 0);
		else if (co->due <= mo_now())
			add(p, TIME, co, 0);
	}
}

/* What could be next; first: one is enough. */
static void look(pieces *p, sim_loop *l, bool first)
{
	sim_process *of_it = l->process;

	p->n = 0;
	if (l->first)
		add(p, MAIL, NULL, 0);
	if (!mo_list_empty(&l->ready))
		add(p, READY, l->ready.next, 0);
	if (first && p->n)
		return;
	if (l == of_it->control && of_it->takes_signals && of_it->pending)
		add(p, SIGNAL, NULL, 0);
	add_waiting(p, l);
	MO_LIST_EACH (n, &l->timers) {
		mo_timer *t = MO_CONTAINER_OF(n, mo_timer, node);

		if (t->due <= mo_now())
			add(p, TIMER, t, 0);
	}
	if (l->index >= 0 && of_it->serving.ready)
		for (unsigned i = of_it->serving.ready(l->index); i > 0; i--)
			add(p, SERVE, NULL, i - 1);
	if (p->n == 0 && l->stopping && l->live == 0 && !l->ended)
		add(p, END, NULL, 0);
}

bool sim_loop_has_work(sim_loop *l)
{
	pieces p;

	look(&p, l, true);
	return p.n > 0;
}

molt_time sim_loop_wake(sim_loop *l)
{
	molt_time at = INT64_MAX;

	MO_LIST_EACH (n, &l->waiting) {
		mo_co *co = MO_CONTAINER_OF(n, mo_co, other);

		at = co->due < at ? co->due : at;
	}
	MO_LIST_EACH (n, &l->timers) {
		mo_timer *t = MO_CONTAINER_OF(n, mo_timer, node);

		at = t->due < at ? t->due : at;
	}
	if (l->index >= 0 && l->process->serving.wake) {
		molt_time serve = l->process->serving.wake(l->index);

		at = serve < at ? serve : at;
	}
	return at;
}

static void serve(void *which)
{
	sim_thread *t = sim_current;

	t->process->serving.serve(t->loop->index, (unsigned)(uintptr_t)which);
}

static void take_signal(void *unused)
{
	sim_process *p = sim_self();
	int number = __builtin_ctzll(p->pending);

	(void)unused;
	p->pending &= p->pending - 1;
	p->entry->on_signal(number);
}

static void end(sim_thread *t)
{
	t->loop->ended = true;
	t->ended = true;
}

void sim_loop_turn(sim_thread *t)
{
	sim_loop *l = t->loop;
	pieces p;
	unsigned k;
	mo_co *co;

	look(&p, l, false);
	k = sim_order(p.n);
	co = p.all[k].it;
	switch (p.all[k].what) {
	case MAIL:
		take_mail(t);
		break;
	case SIGNAL:
		sim_run_on(t, take_signal, NULL);
		break;
	case READY:
		co = MO_CONTAINER_OF((mo_list *)p.all[k].it, mo_co, node);
		mo_list_remove(&co->node);
		sim_go_on(t, co->task, co);
		break;
	case TIME:
		make_ready(co, -ETIMEDOUT);
		break;
	case EVENT:
		make_ready(co, co->events);
		break;
	case TIMER: {
		mo_timer *timer = p.all[k].it;

		mo_list_remove(&timer->node);
		sim_run_on(t, fire, timer);
		break;
	}
	case SERVE:
		sim_run_on(t, serve, (void *)(uintptr_t)p.all[k].which);
		break;
	case END:
		end(t);
		break;
	}
}

/* ---- the rest of rt --------------------------------------------------------------- */

bool mo_on_pool_thread(void)
{
	return false;
}

void mo_on_loop(void (*fn)(void *arg), void *arg)
{
	fn(arg);
}

/* Of the process that asks: how long the loop has been blocked that is for longest. */
molt_time mo_watchdog_stuck(void)
{
	molt_time longest = 0;

	for (sim_thread *t = sim_self()->threads; t; t = t->next) {
		molt_time since = t->blocked_until > sim_clock ? sim_clock - t->blocked_since : 0;

		longest = since > longest ? since : longest;
	}
	return longest;
}
