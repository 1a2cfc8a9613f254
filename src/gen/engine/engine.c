/* The life of the control thread; see engine.h. */
#include "gen/engine/engine.h"
#include "gen/error_budget.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "gen/control.h"
#include "gen/drain/claim.h"
#include "gen/drain/older_generations.h"
#include "gen/drain/reopen_dropped.h"
#include "gen/engine/generation_end.h"
#include "gen/engine/restart_request.h"
#include "gen/engine/signals.h"
#include "gen/join/notify.h"
#include "gen/join/supervisor_client.h"
#include "gen/join/takeover.h"
#include "gen/new/parent.h"
#include "gen/new/successor.h"
#include "gen/new/withdraw.h"
#include "gen/old/predecessor.h"
#include "gen/os/spawn.h"
#include "gen/self.h"

/* ---- shutdown --------------------------------------------------------- */

static void shutdown_now(void *unused)
{
	enum mo_gen_state s = mo_self_state();

	(void)unused;
	if (mo_self_ask_shutdown() == 1)
		mo_info("server shutting down");
	else
		mo_warn("asked to shut down again: ending at once");
	if (s == MO_GEN_NEW || s == MO_GEN_SERVING) {
		mo_self_set_state(MO_GEN_STOPPING);
		mo_request_begun();
		mo_loop_spawn(mo_control_loop(), mo_shutdown_run, NULL);
	} else {
		mo_control_rouse();
	}
}

int mo_engine_shutdown(void)
{
	return mo_control_post(shutdown_now, NULL) ? 0 : -EINVAL;
}

/* ---- life ------------------------------------------------------------- */

static void close_all(void *unused)
{
	(void)unused;
	mo_request_end();
	mo_notify_end();
	mo_older_close();
	mo_error_budget_close();
	mo_reopen_dropped_close();
	mo_supervisor_client_close();
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

/* What those below have for us. */
static void connect_parts(void)
{
	mo_takeover_on_taker(mo_request_takeover);
	mo_successor_on_shutdown(shutdown_now);
}

int mo_engine_start(const mo_gen_host *host)
{
	mo_signals_to to = { .restart = mo_request_by_signal, .shutdown = shutdown_now };
	mo_loop *l;
	sigset_t set;
	int rc;

	if (mo_control_loop())
		return 0;
	mo_self_begin(host);
	connect_parts();
	survive_closed_pipes();
	l = mo_loop_new(-1);
	rc = mo_loop_start(l, "molt-control");
	if (rc < 0) {
		mo_loop_free(l);
		return rc;
	}
	mo_control_open(l);
	sem_init(&to.done, 0, 0);
	mo_loop_post(l, mo_signals_take, &to);
	while (sem_wait(&to.done) < 0)
		continue;
	sem_destroy(&to.done);
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
	mo_claim_forget();
	mo_control_forget();
	mo_self_begin_anew();
}

void mo_engine_stop(void)
{
	mo_loop *l = mo_control_loop();

	if (!l)
		return;
	mo_control_close();
	mo_loop_post(l, close_all, NULL);
	mo_successor_close();
	mo_predecessor_close();
	mo_loop_stop(l);
	mo_loop_free(l);
	begin_anew();
}

static bool begin_serving(void)
{
	if (mo_self_state() != MO_GEN_NEW)
		return false;
	mo_self_set_state(MO_GEN_SERVING);
	mo_error_budget_watch(mo_self_host()->answered);
	mo_self_fire(MOLT_ON_READY);
	mo_request_begun();
	return true;
}

/* Of a process without a predecessor, whose first server has started; a
 * successor's part is in successor.c.  Later servers add listeners. */
static void on_serving(void *unused)
{
	(void)unused;
	if (begin_serving()) {
		mo_takeover_open();
		mo_notify_ready(mo_self_generation(), false);
	} else if (mo_self_state() == MO_GEN_SERVING) {
		mo_supervisor_client_listeners(mo_self_host());
	}
}

void mo_engine_serving(void)
{
	mo_loop_post(mo_control_loop(), on_serving, NULL);
}

/* The coroutine of a successor: reports ready, waits for the commit, serves. */
static void run_ready(void *unused)
{
	int rc;

	(void)unused;
	rc = mo_successor_ready(mo_self_host());
	if (rc == 0)
		begin_serving();
	if (!mo_successor_listen()) {
		mo_request_no_predecessor();
		return;
	}
	rc = mo_withdraw_drain(mo_successor_channel());
	mo_successor_alone();
	mo_request_no_predecessor();
	if (rc)
		mo_shutdown_end(0);
}

int mo_engine_wait(void)
{
	if (!mo_control_loop())
		return 0;
	if (mo_successor_is())
		mo_loop_spawn(mo_control_loop(), run_ready, NULL);
	return mo_self_await_end();
}
