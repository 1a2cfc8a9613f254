/* The control thread; see control.h for its states. */
#include "gen/control.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "gen/drain.h"
#include "gen/elders.h"
#include "gen/notify.h"
#include "gen/predecessor.h"
#include "gen/previous.h"
#include "gen/receipt.h"
#include "gen/spawn.h"
#include "gen/start.h"
#include "gen/successor.h"
#include "gen/takeover.h"
#include "gen/uplink.h"
#include "gen/withdraw.h"
#include "rt/park.h"
#include "rt/pool.h"

#define MAX_HOOKS 32

/* Someone who asked for a restart or a rollback and waits for its outcome. */
typedef struct call {
	struct call *next;
	void (*ask)(void *call); /* on the control thread */
	char *target; /* absolute; NULL: the same file */
	mo_taker *taker; /* who asked by a takeover, until it is under way */
	int result;
	mo_loop *loop; /* of the waiting coroutine, or NULL: */
	mo_park park;
	sem_t sem;   /* the waiting thread */
	bool nobody; /* by a signal: freed when done */
} call;

static struct {
	pthread_mutex_t lock; /* of the fields up to the blank line */
	pthread_cond_t changed;
	mo_gen_info info;
	int wait_result;
	bool started;
	struct {
		enum molt_event event;
		void (*fn)(void *);
		void *arg;
	} hooks[MAX_HOOKS];
	int nhooks;

	mo_loop *loop;
	const mo_gen_host *host;

	/* Of the control thread alone. */
	uv_signal_t signals[6];
	call *calls; /* joined to the running restart */
	char *back_by; /* the running restart goes back; who asked for it */
	call *rollbacks; /* their target is who asks */
	char *target;
	bool takeover; /* the running restart is one */
	unsigned shutdowns;
	mo_park nap;
	bool napping;
	bool awake; /* poked since the last nap */

	_Atomic bool poked; /* on_poke() is on its way */
} g = { .lock = PTHREAD_MUTEX_INITIALIZER,
	.changed = PTHREAD_COND_INITIALIZER,
	.info = { .generation = 1 } };

static const char *const state_names[] = { "starting", "serving",  "restarting",
					   "draining", "stopping", "ended" };

const char *mo_gen_state_name(enum mo_gen_state s)
{
	return state_names[s];
}

mo_loop *mo_control_loop(void)
{
	return g.loop;
}

const mo_gen_host *mo_control_host(void)
{
	return g.host;
}

void mo_control_info(mo_gen_info *out)
{
	pthread_mutex_lock(&g.lock);
	*out = g.info;
	pthread_mutex_unlock(&g.lock);
}

unsigned mo_control_generation(void)
{
	mo_gen_info info;

	mo_control_info(&info);
	return info.generation;
}

void mo_control_set_state(enum mo_gen_state s)
{
	pthread_mutex_lock(&g.lock);
	MO_CHECK(g.info.state != MO_GEN_ENDED);
	g.info.state = s;
	pthread_cond_broadcast(&g.changed);
	pthread_mutex_unlock(&g.lock);
}

void mo_control_set_identity(unsigned generation, int predecessor_pid, bool alive)
{
	pthread_mutex_lock(&g.lock);
	g.info.generation = generation;
	g.info.predecessor_pid = predecessor_pid;
	g.info.predecessor_alive = alive;
	pthread_mutex_unlock(&g.lock);
}

void mo_control_set_successor(int pid)
{
	pthread_mutex_lock(&g.lock);
	g.info.successor_pid = pid;
	pthread_mutex_unlock(&g.lock);
}

static enum mo_gen_state state_now(void)
{
	mo_gen_info info;

	mo_control_info(&info);
	return info.state;
}

/* ---- hooks ------------------------------------------------------------ */

int molt_on(enum molt_event e, void (*fn)(void *arg), void *arg)
{
	int rc = 0;

	if (!fn || e < MOLT_ON_READY || e > MOLT_ON_OFFER)
		return -EINVAL;
	pthread_mutex_lock(&g.lock);
	if (g.nhooks == MAX_HOOKS) {
		rc = -ENOSPC;
	} else {
		g.hooks[g.nhooks].event = e;
		g.hooks[g.nhooks].fn = fn;
		g.hooks[g.nhooks++].arg = arg;
	}
	pthread_mutex_unlock(&g.lock);
	return rc;
}

void mo_control_fire(enum molt_event e)
{
	for (int i = 0; i < g.nhooks; i++)
		if (g.hooks[i].event == e)
			g.hooks[i].fn(g.hooks[i].arg);
}

/* ---- naps ------------------------------------------------------------- */

void mo_control_nap(molt_time ms)
{
	MO_CHECK(!g.napping);
	if (g.awake) {
		g.awake = false;
		return;
	}
	g.napping = true;
	g.nap = (mo_park){ 0 };
	mo_park_wait(&g.nap, ms);
	g.napping = false;
}

static void on_poke(void *unused)
{
	(void)unused;
	atomic_store(&g.poked, false);
	if (g.napping)
		mo_park_wake(&g.nap, 0);
	else
		g.awake = true;
}

void mo_control_poke(void)
{
	if (!atomic_exchange(&g.poked, true))
		mo_loop_post(g.loop, on_poke, NULL);
}

bool mo_control_shutdown_asked(void)
{
	return g.shutdowns > 0;
}

unsigned mo_control_shutdown_count(void)
{
	return g.shutdowns;
}

/* ---- the end ---------------------------------------------------------- */

static void ended(int result)
{
	mo_takeover_close();
	mo_control_fire(MOLT_ON_EXIT);
	pthread_mutex_lock(&g.lock);
	g.info.state = MO_GEN_ENDED;
	g.wait_result = result;
	pthread_cond_broadcast(&g.changed);
	pthread_mutex_unlock(&g.lock);
}

static void run_stop(void *unused)
{
	(void)unused;
	mo_successor_say("stopping");
	mo_predecessor_say("stopping");
	mo_notify_stopping();
	mo_uplink_stopping();
	mo_control_fire(MOLT_ON_DRAIN);
	mo_drain_for_shutdown(g.host);
	ended(0);
}

/* ---- restart ---------------------------------------------------------- */

static void wake_call(void *arg)
{
	call *c = arg;

	mo_park_wake(&c->park, 0);
}

static void finish_call(call *c, int result)
{
	c->result = result;
	if (c->taker)
		mo_taker_refuse(c->taker, result,
				result == -EBUSY ? "it is being restarted, replaced or shut down"
						 : "restarts are off there (graceful)");
	if (c->nobody) {
		free(c->target);
		free(c);
	} else if (c->loop) {
		mo_loop_post(c->loop, wake_call, c);
	} else {
		sem_post(&c->sem);
	}
}

static void finish_list(call **list, int result)
{
	while (*list) {
		call *c = *list;

		*list = c->next;
		finish_call(c, result);
	}
}

static void finish_calls(int result)
{
	finish_list(&g.calls, result);
	free(g.target);
	free(g.back_by);
	g.target = g.back_by = NULL;
	g.takeover = false;
}

static void notify_failed(void)
{
	json_t *last = mo_receipts_last();

	mo_notify_failed(mo_control_generation(),
			 json_string_value(json_object_get(last, "reason")));
	json_decref(last);
}

/* The coroutine of one restart, from request to the end of this process or back
 * to serving. */
static void run_restart(void *taker)
{
	mo_predecessor *p;
	int rc;

	mo_info("server reloading");
	mo_notify_reloading();
	p = mo_predecessor_new(g.host, g.target, taker, g.back_by);
	rc = mo_predecessor_run(p);
	if (rc < 0) {
		mo_control_set_successor(0);
		mo_predecessor_free(p);
		if (mo_control_shutdown_asked()) {
			mo_control_set_state(MO_GEN_STOPPING);
			finish_calls(rc);
			run_stop(NULL);
			return;
		}
		mo_control_set_state(MO_GEN_SERVING);
		notify_failed();
		finish_calls(rc);
		return;
	}
	mo_control_set_state(MO_GEN_DRAINING);
	mo_control_fire(MOLT_ON_RESTART);
	mo_control_fire(MOLT_ON_DRAIN);
	finish_calls(0);
	if (mo_predecessor_drain(p)) {
		mo_predecessor_free(p);
		finish_list(&g.rollbacks, -ENOENT);
		ended(0);
		return;
	}
	finish_list(&g.rollbacks, 0);
	/* It serves again, unless a shutdown was asked for on the way back. */
	if (mo_control_shutdown_asked() && state_now() == MO_GEN_SERVING) {
		mo_control_set_state(MO_GEN_STOPPING);
		mo_loop_spawn(g.loop, run_stop, NULL);
	}
	mo_predecessor_receive(p);
	mo_predecessor_free(p);
}

static bool same_target(const call *c)
{
	if (c->taker || g.takeover || g.back_by)
		return false;
	return c->target && g.target ? strcmp(c->target, g.target) == 0 : c->target == g.target;
}

static int may_restart(const call *c)
{
	enum mo_gen_state s = state_now();
	const char *why;

	if (s == MO_GEN_RESTARTING) {
		bool same = same_target(c);

		if (!same)
			mo_warn("restart refused: a %s is under way",
				g.takeover ? "takeover" : "restart");
		return same ? 1 : -EBUSY;
	}
	if (s != MO_GEN_SERVING) {
		mo_warn("restart refused: this generation is %s", state_names[s]);
		return -EBUSY;
	}
	why = g.host->restartable();
	if (why) {
		mo_warn("restart refused: %s", why);
		return -ENOTSUP;
	}
	return 0;
}

static void on_restart_asked(void *arg);

static void ask_again(void *c)
{
	mo_co_sleep(2);
	on_restart_asked(c);
}

static void on_restart_asked(void *arg)
{
	call *c = arg;
	mo_taker *taker = c->taker;
	int rc;

	/* Our loops accept already, and this came before the last of them said so. */
	if (state_now() == MO_GEN_NEW && mo_successor_committed()) {
		mo_loop_spawn(g.loop, ask_again, c);
		return;
	}
	rc = may_restart(c);
	if (rc < 0) {
		finish_call(c, rc);
		return;
	}
	c->next = g.calls;
	g.calls = c;
	if (rc == 1)
		return; /* joined */
	c->taker = NULL;
	g.takeover = taker != NULL;
	g.target = mo_strdup(c->target);
	mo_control_set_state(MO_GEN_RESTARTING);
	mo_loop_spawn(g.loop, run_restart, taker);
}

static call *call_new(char *target)
{
	call *c = mo_calloc(1, sizeof(*c));

	c->target = target;
	return c;
}

void mo_control_take_over(mo_taker *t)
{
	call *c = call_new(NULL);

	c->nobody = true;
	c->taker = t;
	mo_info("takeover asked by %s (pid %d)", t->exe, t->pid);
	on_restart_asked(c);
}

/* On the loop of a handler, inside its coroutine. */
static void ask_in_coroutine(void *arg)
{
	call *c = arg;

	c->loop = mo_loop_self();
	mo_loop_post(g.loop, c->ask, c);
	mo_park_wait(&c->park, MOLT_FOREVER);
}

/* Asks on the control thread, and waits for the outcome.  Owns target. */
static int ask_and_wait(void (*ask)(void *call), char *target)
{
	call *c = call_new(target);
	int rc;

	c->ask = ask;
	if (mo_co_self() || mo_on_pool_thread()) {
		mo_on_loop(ask_in_coroutine, c);
	} else {
		sem_init(&c->sem, 0, 0);
		mo_loop_post(g.loop, ask, c);
		while (sem_wait(&c->sem) < 0)
			continue;
		sem_destroy(&c->sem);
	}
	rc = c->result;
	free(c->target);
	free(c);
	return rc;
}

int mo_control_restart(const char *exe)
{
	if (!g.loop)
		return -ENOTSUP;
	if (mo_loop_self() == g.loop)
		return -EDEADLK;
	return ask_and_wait(on_restart_asked, exe && exe[0] ? mo_start_resolve(exe) : NULL);
}

/* ---- rollback --------------------------------------------------------- */

/* Nobody stands by: the previous program is started like any other. */
static int start_previous(call *c)
{
	char *path = mo_previous_path();
	int rc = path ? may_restart(c) : -ENOENT;

	free(path);
	if (rc < 0)
		return rc;
	if (rc == 0) {
		g.back_by = mo_strdup(c->target);
		mo_control_set_state(MO_GEN_RESTARTING);
		mo_loop_spawn(g.loop, run_restart, NULL);
	}
	c->next = g.calls;
	g.calls = c;
	return 0;
}

static void on_rollback_asked(void *arg)
{
	call *c = arg;
	enum mo_gen_state s = state_now();
	int rc = -EBUSY;

	if (s == MO_GEN_SERVING)
		rc = mo_successor_ask_back(c->target);
	else if (s == MO_GEN_DRAINING && mo_predecessor_stands_by())
		rc = 0;
	if (rc == -ENOENT && (rc = start_previous(c)) == 0)
		return;
	if (rc < 0) {
		mo_warn("rollback refused: %s", rc == -EBUSY ? "not in this state"
							     : "there is nothing to go back to");
		finish_call(c, rc);
		return;
	}
	c->next = g.rollbacks;
	g.rollbacks = c;
	on_poke(NULL);
}

int mo_control_rollback(const char *by)
{
	if (!g.loop)
		return -ENOENT;
	if (mo_loop_self() == g.loop)
		return -EDEADLK;
	return ask_and_wait(on_rollback_asked, mo_strdup(by));
}

const char *mo_control_rollback_by(void)
{
	return g.rollbacks ? g.rollbacks->target : NULL;
}

void mo_control_rolled_back(int result)
{
	finish_list(&g.rollbacks, result);
}

void mo_control_no_predecessor(void)
{
	call *list = g.rollbacks;

	g.rollbacks = NULL;
	while (list) {
		call *c = list;

		list = c->next;
		on_rollback_asked(c);
	}
}

bool mo_control_withdraw(void)
{
	if (state_now() != MO_GEN_SERVING || mo_control_shutdown_asked())
		return false;
	mo_control_set_state(MO_GEN_DRAINING);
	return true;
}

/* ---- shutdown --------------------------------------------------------- */

static void on_shutdown_asked(void *unused)
{
	enum mo_gen_state s = state_now();

	(void)unused;
	g.shutdowns++;
	if (g.shutdowns == 1)
		mo_info("server shutting down");
	else
		mo_warn("asked to shut down again: ending at once");
	if (s == MO_GEN_NEW || s == MO_GEN_SERVING) {
		mo_control_set_state(MO_GEN_STOPPING);
		mo_loop_spawn(g.loop, run_stop, NULL);
	} else if (g.napping) {
		mo_park_wake(&g.nap, 0);
	}
}

int mo_control_shutdown(void)
{
	if (!g.loop)
		return -EINVAL;
	mo_loop_post(g.loop, on_shutdown_asked, NULL);
	return 0;
}

/* ---- signals ---------------------------------------------------------- */

/* Who signals a process and then its whole group (timeout, make) asks once. */
#define SAME_REQUEST (50 * MOLT_MS)

static bool asked_just_now(void)
{
	static molt_time last = -SAME_REQUEST; /* of the control thread */
	molt_time now = mo_now();
	bool same = now - last < SAME_REQUEST;

	if (!same)
		last = now;
	return same;
}

static void on_signal(uv_signal_t *h, int number)
{
	if (number == SIGUSR1 || number == SIGUSR2) {
		call *c = call_new(NULL);

		c->nobody = true;
		on_restart_asked(c);
	} else if (!asked_just_now()) {
		on_shutdown_asked(NULL);
	}
}

static bool is_ignored(int number)
{
	struct sigaction now;

	return sigaction(number, NULL, &now) == 0 && now.sa_handler == SIG_IGN;
}

/* On the control thread.  A signal that came before waits blocked (in a
 * successor) and is taken now.  An ignored SIGHUP (nohup) stays ignored. */
static void take_signals(void *done)
{
	static const int list[] = { SIGUSR1, SIGUSR2, SIGTERM, SIGINT, SIGQUIT, SIGHUP };
	sigset_t set;

	for (size_t i = 0; i < MO_COUNTOF(list); i++) {
		uv_signal_init(&g.loop->uv, &g.signals[i]);
		if (!is_ignored(list[i]))
			uv_signal_start(&g.signals[i], on_signal, list[i]);
	}
	mo_control_signals(&set);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	sem_post(done);
}

static void drop_signals(void *unused)
{
	(void)unused;
	mo_notify_end();
	mo_elders_close();
	mo_budget_close();
	for (size_t i = 0; i < MO_COUNTOF(g.signals); i++)
		uv_close((uv_handle_t *)&g.signals[i], NULL);
}

/* ---- life ------------------------------------------------------------- */

int mo_control_start(const mo_gen_host *host)
{
	sigset_t set;
	sem_t done;
	int rc;

	if (g.loop)
		return 0;
	g.host = host;
	signal(SIGPIPE, SIG_IGN);
	g.loop = mo_loop_new(-1);
	pthread_mutex_lock(&g.lock);
	g.info.since = mo_now();
	pthread_mutex_unlock(&g.lock);
	rc = mo_loop_start(g.loop, "molt-control");
	if (rc < 0)
		return rc;
	sem_init(&done, 0, 0);
	mo_loop_post(g.loop, take_signals, &done);
	while (sem_wait(&done) < 0)
		continue;
	sem_destroy(&done);
	/* A successor was started with them blocked; what it starts must not be. */
	mo_control_signals(&set);
	if (mo_successor_is())
		pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	return 0;
}

void mo_control_stop(void)
{
	mo_loop *l = g.loop;

	if (!l)
		return;
	mo_loop_post(l, drop_signals, NULL);
	mo_successor_close();
	mo_predecessor_close();
	mo_loop_stop(l);
	mo_loop_free(l);
	g.loop = NULL;
}

static bool begin_serving(void)
{
	if (state_now() != MO_GEN_NEW)
		return false;
	mo_control_set_state(MO_GEN_SERVING);
	mo_budget_watch(g.host->answered);
	mo_control_fire(MOLT_ON_READY);
	return true;
}

/* Of a process without a predecessor, whose first server has started; a
 * successor's part is in successor.c.  Later servers add listeners. */
static void on_serving(void *unused)
{
	(void)unused;
	bool first = begin_serving();

	if (first)
		mo_takeover_open();
	if (first)
		mo_notify_ready(mo_control_generation(), false);
	else if (state_now() == MO_GEN_SERVING)
		mo_uplink_listeners(g.host);
}

void mo_control_serving(void)
{
	mo_loop_post(g.loop, on_serving, NULL);
}

/* The coroutine of a successor: reports ready, waits for the commit, serves. */
static void run_ready(void *unused)
{
	int rc;

	(void)unused;
	rc = mo_successor_ready(g.host);
	if (rc == 0)
		begin_serving();
	if (!mo_successor_listen())
		return;
	rc = mo_withdraw_drain(mo_successor_channel());
	mo_successor_alone();
	if (rc)
		ended(0);
}

int mo_control_wait(void)
{
	int rc;

	if (!g.loop)
		return 0;
	if (mo_successor_is())
		mo_loop_spawn(g.loop, run_ready, NULL);
	pthread_mutex_lock(&g.lock);
	while (g.info.state != MO_GEN_ENDED)
		pthread_cond_wait(&g.changed, &g.lock);
	rc = g.wait_result;
	pthread_mutex_unlock(&g.lock);
	return rc;
}
