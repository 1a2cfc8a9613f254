/* Requests to restart, to take over, to go back; see request.h. */
#include "gen/request.h"

#include <errno.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "gen/control.h"
#include "gen/notify.h"
#include "gen/predecessor.h"
#include "gen/previous.h"
#include "gen/receipt.h"
#include "gen/self.h"
#include "gen/shutdown.h"
#include "gen/start.h"
#include "gen/successor.h"
#include "gen/takeover.h"
#include "rt/park.h"
#include "rt/pool.h"

/* Someone who asked for a restart or a rollback and waits for its outcome. */
typedef struct call {
	struct call *next;
	void (*ask)(void *call); /* on the control thread */
	char *target;            /* absolute; NULL: the same file */
	mo_taker *taker;         /* who asked by a takeover, until it is under way */
	int result;
	mo_loop *loop; /* of the waiting coroutine, or NULL: */
	mo_park park;
	sem_t sem;   /* the waiting thread */
	bool nobody; /* by a signal: freed when done */
	bool chosen; /* the target: by a client */
} call;

/* Of the control thread alone. */
static struct {
	call *calls;     /* joined to the running restart */
	char *back_by;   /* the running restart goes back; who asked for it */
	call *rollbacks; /* their target is who asks */
	char *target;
	call *early;   /* asked before this generation serves */
	bool takeover; /* the running restart is one */
	bool chosen;   /* its target: by a client */
} g;

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
				result == -EBUSY    ? "it is being restarted, replaced or shut down"
				: result == -EILSEQ ? "the path of its program is no UTF-8 text"
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
	g.takeover = g.chosen = false;
}

static void notify_failed(void)
{
	json_t *last = mo_receipts_last();

	mo_notify_failed(mo_self_generation(), json_string_value(json_object_get(last, "reason")));
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
	p = mo_predecessor_new(mo_self_host(), g.target, taker, g.back_by);
	if (g.chosen)
		mo_predecessor_keep_quiet(p);
	rc = mo_predecessor_run(p);
	if (rc < 0) {
		mo_self_set_successor(0);
		mo_predecessor_free(p);
		if (mo_self_shutdown_asked()) {
			mo_self_set_state(MO_GEN_STOPPING);
			finish_calls(rc);
			mo_shutdown_run(NULL);
			return;
		}
		mo_self_set_state(MO_GEN_SERVING);
		notify_failed();
		finish_calls(rc);
		return;
	}
	mo_self_set_state(MO_GEN_DRAINING);
	mo_self_fire(MOLT_ON_RESTART);
	mo_self_fire(MOLT_ON_DRAIN);
	finish_calls(0);
	if (mo_predecessor_drain(p)) {
		mo_predecessor_free(p);
		finish_list(&g.rollbacks, -ENOENT);
		mo_shutdown_end(0);
		return;
	}
	finish_list(&g.rollbacks, mo_predecessor_back_result(p));
	/* It serves again, unless a shutdown was asked for on the way back. */
	if (mo_self_shutdown_asked() && mo_self_state() == MO_GEN_SERVING) {
		mo_self_set_state(MO_GEN_STOPPING);
		mo_loop_spawn(mo_control_loop(), mo_shutdown_run, NULL);
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

/* A path goes into messages and receipts, which are JSON. */
static bool is_text(const char *path)
{
	return !path || mo_str_is_utf8(mo_str(path));
}

static int may_restart(const call *c)
{
	enum mo_gen_state s = mo_self_state();
	const char *why;

	if (s == MO_GEN_RESTARTING) {
		bool same = same_target(c);

		if (!same)
			mo_warn("restart refused: a %s is under way",
				g.takeover ? "takeover" : "restart");
		return same ? 1 : -EBUSY;
	}
	if (s != MO_GEN_SERVING) {
		mo_warn("restart refused: this generation is %s", mo_gen_state_name(s));
		return -EBUSY;
	}
	why = mo_self_host()->restartable();
	if (why) {
		mo_warn("restart refused: %s", why);
		return -ENOTSUP;
	}
	if (!is_text(mo_start_get()->exe)) {
		mo_warn("restart refused: the path of this program is no UTF-8 text: %s",
			mo_start_get()->exe);
		return -EILSEQ;
	}
	return 0;
}

/* Those that were kept until something had happened; they may be kept once more. */
static void ask_again(call **kept, void (*ask)(void *call))
{
	call *list = *kept;

	*kept = NULL;
	while (list) {
		call *c = list;

		list = c->next;
		ask(c);
	}
}

static void on_restart_asked(void *arg);

void mo_request_begun(void)
{
	ask_again(&g.early, on_restart_asked);
}

static void on_restart_asked(void *arg)
{
	call *c = arg;
	mo_taker *taker = c->taker;
	int rc;

	/* A signal; or our loops accept already, and this came before the last of them
	 * said so. */
	if (mo_self_state() == MO_GEN_NEW) {
		c->next = g.early;
		g.early = c;
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
	g.chosen = c->chosen;
	g.target = mo_strdup(c->target);
	mo_self_set_state(MO_GEN_RESTARTING);
	mo_loop_spawn(mo_control_loop(), run_restart, taker);
}

static call *call_new(char *target)
{
	call *c = mo_calloc(1, sizeof(*c));

	c->target = target;
	return c;
}

void mo_request_takeover(mo_taker *t)
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
	if (mo_control_post(c->ask, c))
		mo_park_wait(&c->park, MOLT_FOREVER);
}

/* Asks on the control thread, and waits for the outcome.  Owns c. */
static int ask_and_wait(void (*ask)(void *call), call *c)
{
	int rc;

	c->ask = ask;
	c->result = -EBUSY; /* if nobody is there to say more */
	if (mo_co_self() || mo_on_pool_thread()) {
		mo_on_loop(ask_in_coroutine, c);
	} else {
		sem_init(&c->sem, 0, 0);
		if (mo_control_post(ask, c))
			while (sem_wait(&c->sem) < 0)
				continue;
		sem_destroy(&c->sem);
	}
	rc = c->result;
	free(c->target);
	free(c);
	return rc;
}

static int request_restart(const char *exe, bool chosen)
{
	int rc = mo_control_reachable();
	call *c;

	if (rc < 0)
		return rc;
	if (!is_text(exe))
		return -EILSEQ;
	c = call_new(exe && exe[0] ? mo_start_resolve(exe) : NULL);
	c->chosen = chosen;
	return ask_and_wait(on_restart_asked, c);
}

int mo_request_restart(const char *exe)
{
	return request_restart(exe, false);
}

int mo_request_restart_chosen(const char *exe)
{
	return request_restart(exe, true);
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
		mo_self_set_state(MO_GEN_RESTARTING);
		mo_loop_spawn(mo_control_loop(), run_restart, NULL);
	}
	c->next = g.calls;
	g.calls = c;
	return 0;
}

static void on_rollback_asked(void *arg)
{
	call *c = arg;
	enum mo_gen_state s = mo_self_state();
	int rc = -EBUSY;

	if (s == MO_GEN_SERVING)
		rc = mo_successor_ask_back(c->target);
	else if ((s == MO_GEN_RESTARTING || s == MO_GEN_DRAINING) && mo_predecessor_stands_by())
		rc = 0;
	if (rc == -ENOENT && (rc = start_previous(c)) == 0)
		return;
	if (rc < 0) {
		mo_warn("rollback refused: %s",
			rc == -EBUSY ? "not in this state" : "there is nothing to go back to");
		finish_call(c, rc);
		return;
	}
	c->next = g.rollbacks;
	g.rollbacks = c;
	mo_control_wake();
}

int mo_request_rollback(const char *by)
{
	int rc = mo_control_reachable();

	if (rc < 0)
		return rc == -EDEADLK ? rc : -ENOENT;
	return ask_and_wait(on_rollback_asked, call_new(mo_strdup(by)));
}

const char *mo_request_rollback_by(void)
{
	return g.rollbacks ? g.rollbacks->target : NULL;
}

void mo_request_rolled_back(int result)
{
	finish_list(&g.rollbacks, result);
}

void mo_request_no_predecessor(void)
{
	ask_again(&g.rollbacks, on_rollback_asked);
}

/* Threads that still wait are told; handlers are gone with their loops. */
static void end_list(call **list)
{
	while (*list) {
		call *c = *list;

		*list = c->next;
		if (!c->loop)
			finish_call(c, -EBUSY);
	}
}

void mo_request_end(void)
{
	end_list(&g.early);
	end_list(&g.calls);
	end_list(&g.rollbacks);
}

/* By a signal: nobody waits. */
void mo_request_by_signal(void)
{
	call *c = call_new(NULL);

	c->nobody = true;
	on_restart_asked(c);
}
