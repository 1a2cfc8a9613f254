/* Requests to restart, to take over, to go back; see restart_request.h. */
#include "gen/engine/restart_request.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "gen/control.h"
#include "gen/engine/generation_end.h"
#include "gen/join/call.h"
#include "gen/join/notify.h"
#include "gen/join/takeover.h"
#include "gen/new/previous.h"
#include "gen/new/successor.h"
#include "gen/old/predecessor.h"
#include "gen/os/origin.h"
#include "gen/receipt/receipt.h"
#include "gen/self.h"

/* Of the control thread alone. */
static struct {
	mo_call *calls; /* joined to the running restart */
	char *back_by;  /* the running restart goes back; who asked for it */
	char *target;
	mo_call *early; /* asked before this generation serves */
	bool takeover;  /* the running restart is one */
	bool chosen;    /* its target: by a client */
} g;

/* ---- restart ---------------------------------------------------------- */

static void finish_calls(int result)
{
	mo_calls_finish(&g.calls, result);
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
		mo_rollbacks_end(-ENOENT);
		mo_shutdown_end(0);
		return;
	}
	mo_rollbacks_end(mo_predecessor_back_result(p));
	/* It serves again, unless a shutdown was asked for on the way back. */
	if (mo_self_shutdown_asked() && mo_self_state() == MO_GEN_SERVING) {
		mo_self_set_state(MO_GEN_STOPPING);
		mo_loop_spawn(mo_control_loop(), mo_shutdown_run, NULL);
	}
	mo_predecessor_receive(p);
	mo_predecessor_free(p);
}

static bool same_target(const mo_call *c)
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

static int may_restart(const mo_call *c)
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
	if (!is_text(mo_origin_get()->exe)) {
		mo_warn("restart refused: the path of this program is no UTF-8 text: %s",
			mo_origin_get()->exe);
		return -EILSEQ;
	}
	return 0;
}

static void on_restart_asked(void *arg);

void mo_request_begun(void)
{
	mo_calls_ask_again(&g.early, on_restart_asked);
}

static void on_restart_asked(void *arg)
{
	mo_call *c = arg;
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
		mo_call_finish(c, rc);
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

void mo_request_takeover(mo_taker *t)
{
	mo_call *c = mo_call_new(NULL);

	c->nobody = true;
	c->taker = t;
	mo_info("takeover asked by %s (pid %d)", t->exe, t->pid);
	on_restart_asked(c);
}

static int request_restart(const char *exe, bool chosen)
{
	int rc = mo_control_reachable();
	mo_call *c;

	if (rc < 0)
		return rc;
	if (!is_text(exe))
		return -EILSEQ;
	c = mo_call_new(exe && exe[0] ? mo_origin_resolve(exe) : NULL);
	c->chosen = chosen;
	return mo_call_ask(on_restart_asked, c);
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
static int start_previous(mo_call *c)
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
	mo_call *c = arg;
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
		mo_call_finish(c, rc);
		return;
	}
	mo_rollbacks_add(c);
	mo_control_wake();
}

int mo_request_rollback(const char *by)
{
	int rc = mo_control_reachable();

	if (rc < 0)
		return rc == -EDEADLK ? rc : -ENOENT;
	return mo_call_ask(on_rollback_asked, mo_call_new(mo_strdup(by)));
}

void mo_request_no_predecessor(void)
{
	mo_rollbacks_ask_again(on_rollback_asked);
}

void mo_request_end(void)
{
	mo_calls_close(&g.early);
	mo_calls_close(&g.calls);
	mo_rollbacks_close();
}

/* By a signal: nobody waits. */
void mo_request_by_signal(void)
{
	mo_call *c = mo_call_new(NULL);

	c->nobody = true;
	on_restart_asked(c);
}
