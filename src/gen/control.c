/* The control thread; see control.h for its states. */
#include "gen/control.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "gen/drain.h"
#include "gen/elders.h"
#include "gen/notify.h"
#include "gen/parent.h"
#include "gen/predecessor.h"
#include "gen/request.h"
#include "gen/signals.h"
#include "gen/spawn.h"
#include "gen/successor.h"
#include "gen/takeover.h"
#include "gen/undrop.h"
#include "gen/uplink.h"
#include "gen/withdraw.h"
#include "rt/park.h"

#define MAX_HOOKS 32

static struct {
	pthread_mutex_t lock; /* of the fields up to the blank line */
	pthread_cond_t changed;
	mo_gen_info info;
	int wait_result;
	struct hook {
		enum molt_event event;
		void (*fn)(void *);
		void *arg;
	} hooks[MAX_HOOKS];
	int nhooks;

	/* Threads that are not the control thread reach the loop under it: the loop is not
	 * freed while one of them posts, and none finds it later. */
	pthread_mutex_t gate;
	bool closing;
	mo_loop *loop;
	const mo_gen_host *host;

	/* Of the control thread alone. */
	unsigned shutdowns;
	mo_park nap;
	bool napping;
	bool awake; /* poked since the last nap */

	_Atomic bool poked; /* on_poke() is on its way */
} g = { .lock = PTHREAD_MUTEX_INITIALIZER,
	.gate = PTHREAD_MUTEX_INITIALIZER,
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

static bool reach(bool (*way)(mo_loop *l, void (*fn)(void *arg), void *arg), void (*fn)(void *arg),
		  void *arg)
{
	bool taken;

	pthread_mutex_lock(&g.gate);
	taken = g.loop && !g.closing && way(g.loop, fn, arg);
	pthread_mutex_unlock(&g.gate);
	return taken;
}

bool mo_control_post(void (*fn)(void *arg), void *arg)
{
	return reach(mo_loop_post, fn, arg);
}

bool mo_control_spawn(void (*fn)(void *arg), void *arg)
{
	return reach(mo_loop_spawn, fn, arg);
}

int mo_control_reachable(void)
{
	int rc;

	pthread_mutex_lock(&g.gate);
	rc = !g.loop || g.closing ? -ENOTSUP : g.loop == mo_loop_self() ? -EDEADLK : 0;
	pthread_mutex_unlock(&g.gate);
	return rc;
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

enum mo_gen_state mo_control_state(void)
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
	for (int i = 0;; i++) {
		struct hook h;

		pthread_mutex_lock(&g.lock);
		if (i >= g.nhooks) {
			pthread_mutex_unlock(&g.lock);
			return;
		}
		h = g.hooks[i];
		pthread_mutex_unlock(&g.lock);
		if (h.event == e)
			h.fn(h.arg);
	}
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

void mo_control_wake(void)
{
	if (g.napping)
		mo_park_wake(&g.nap, 0);
	else
		g.awake = true;
}

static void on_poke(void *unused)
{
	(void)unused;
	atomic_store(&g.poked, false);
	mo_control_wake();
}

void mo_control_poke(void)
{
	if (!atomic_exchange(&g.poked, true) && !mo_control_post(on_poke, NULL))
		atomic_store(&g.poked, false);
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

void mo_control_end(int result)
{
	mo_takeover_close();
	mo_control_fire(MOLT_ON_EXIT);
	pthread_mutex_lock(&g.lock);
	g.info.state = MO_GEN_ENDED;
	g.wait_result = result;
	pthread_cond_broadcast(&g.changed);
	pthread_mutex_unlock(&g.lock);
}

void mo_control_run_stop(void *unused)
{
	(void)unused;
	mo_successor_say(MO_MSG_STOPPING);
	mo_predecessor_say(MO_MSG_STOPPING);
	mo_notify_stopping();
	mo_uplink_stopping();
	mo_control_fire(MOLT_ON_DRAIN);
	mo_drain_for_shutdown(g.host);
	mo_control_end(0);
}

bool mo_control_ends(void)
{
	enum mo_gen_state s = mo_control_state();

	return s == MO_GEN_DRAINING || s == MO_GEN_STOPPING || s == MO_GEN_ENDED;
}

bool mo_control_withdraw(void)
{
	if (mo_control_state() != MO_GEN_SERVING || mo_control_shutdown_asked())
		return false;
	mo_control_set_state(MO_GEN_DRAINING);
	return true;
}

/* ---- shutdown --------------------------------------------------------- */

void mo_control_shutdown_now(void *unused)
{
	enum mo_gen_state s = mo_control_state();

	(void)unused;
	g.shutdowns++;
	if (g.shutdowns == 1)
		mo_info("server shutting down");
	else
		mo_warn("asked to shut down again: ending at once");
	if (s == MO_GEN_NEW || s == MO_GEN_SERVING) {
		mo_control_set_state(MO_GEN_STOPPING);
		mo_request_begun();
		mo_loop_spawn(g.loop, mo_control_run_stop, NULL);
	} else if (g.napping) {
		mo_park_wake(&g.nap, 0);
	}
}

int mo_control_shutdown(void)
{
	return mo_control_post(mo_control_shutdown_now, NULL) ? 0 : -EINVAL;
}

/* ---- life ------------------------------------------------------------- */

static void close_all(void *unused)
{
	(void)unused;
	mo_request_end();
	mo_notify_end();
	mo_elders_close();
	mo_budget_close();
	mo_undrop_close();
	mo_uplink_close();
	mo_parent_unwatch();
	mo_signals_drop();
}

static void nothing(int sig)
{
	(void)sig;
}

/* A handler, for exec() makes the default of it: what a program starts by popen()
 * shall end when its reader has gone, and not inherit that this is ignored. */
static void survive_closed_pipes(void)
{
	struct sigaction now, sa = { .sa_handler = nothing, .sa_flags = SA_RESTART | SA_ONSTACK };

	if (sigaction(SIGPIPE, NULL, &now) == 0 && !(now.sa_flags & SA_SIGINFO) &&
	    (now.sa_handler == SIG_DFL || now.sa_handler == SIG_IGN))
		sigaction(SIGPIPE, &sa, NULL);
}

int mo_control_start(const mo_gen_host *host)
{
	mo_loop *l;
	sigset_t set;
	sem_t done;
	int rc;

	if (g.loop)
		return 0;
	g.host = host;
	survive_closed_pipes();
	l = mo_loop_new(-1);
	pthread_mutex_lock(&g.lock);
	g.info.since = mo_now();
	pthread_mutex_unlock(&g.lock);
	rc = mo_loop_start(l, "molt-control");
	if (rc < 0) {
		mo_loop_free(l);
		return rc;
	}
	pthread_mutex_lock(&g.gate);
	g.loop = l;
	g.closing = false;
	pthread_mutex_unlock(&g.gate);
	sem_init(&done, 0, 0);
	mo_loop_post(g.loop, mo_signals_take, &done);
	while (sem_wait(&done) < 0)
		continue;
	sem_destroy(&done);
	/* A successor was started with them blocked; what it starts must not be. */
	mo_control_signals(&set);
	if (mo_successor_is())
		pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	return 0;
}

/* Servers may be started once more: a first generation, whatever this one has been. */
static void begin_anew(void)
{
	mo_successor_forget();
	mo_withdraw_forget();
	g.shutdowns = 0;
	g.napping = g.awake = false;
	atomic_store(&g.poked, false);
	pthread_mutex_lock(&g.gate);
	g.loop = NULL;
	pthread_mutex_unlock(&g.gate);
	pthread_mutex_lock(&g.lock);
	g.info.state = MO_GEN_NEW;
	g.info.predecessor_alive = false;
	g.info.successor_pid = 0;
	pthread_mutex_unlock(&g.lock);
}

void mo_control_stop(void)
{
	mo_loop *l = g.loop;

	if (!l)
		return;
	pthread_mutex_lock(&g.gate);
	g.closing = true; /* what was posted before this is still run */
	pthread_mutex_unlock(&g.gate);
	mo_loop_post(l, close_all, NULL);
	mo_successor_close();
	mo_predecessor_close();
	mo_loop_stop(l);
	mo_loop_free(l);
	begin_anew();
}

static bool begin_serving(void)
{
	if (mo_control_state() != MO_GEN_NEW)
		return false;
	mo_control_set_state(MO_GEN_SERVING);
	mo_budget_watch(g.host->answered);
	mo_control_fire(MOLT_ON_READY);
	mo_request_begun();
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
	else if (mo_control_state() == MO_GEN_SERVING)
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
		mo_control_end(0);
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
