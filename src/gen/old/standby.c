/* The old side of a restart from the switch on: a successor serves, and we give it
 * what can move, finish the rest, and stand by to serve again; see predecessor.h
 * for the phases. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include "gen/control.h"
#include "gen/drain/claim.h"
#include "gen/drain/drain.h"
#include "gen/drain/older_generations.h"
#include "gen/join/call.h"
#include "gen/join/notify.h"
#include "gen/join/supervisor_client.h"
#include "gen/join/takeover.h"
#include "gen/old/predecessor_internal.h"
#include "gen/self.h"
#include "gen/transfer/counter_ledger.h"
#include "gen/transfer/event_bus.h"
#include "gen/transfer/move.h"
#include "gen/wire/messages.h"

#define RESTORE_TIME (5 * MOLT_SECOND)
#define END_TIME (100 * MOLT_MS) /* between the end of the channel and that of its owner */

/* ---- HANDOVER ---------------------------------------------------------------- */

/* Until the successor has answered or is gone, nobody may touch them. */
static int exchange_conns(void *arg, json_t *body, const int *fds, int n, const molt_str *pieces,
			  mo_wire_msg *answer)
{
	mo_predecessor *p = arg;

	molt_time silence = p->host->bake_silence();

	/* It may have to restore what moves, and says nothing meanwhile. */
	if (silence >= 0)
		silence += RESTORE_TIME;
	return mo_child_ask(&p->child, body, fds, n, pieces, MO_MOVE_PIECES * (size_t)n,
			    MO_MSG_TOOK, silence, answer);
}

/* Does the successor still want them?  Looked at while a loop that is blocked is waited
 * for: whoever takes the service back must not wait for that. */
static bool is_wanted(void *arg)
{
	mo_predecessor *p = arg;

	return !mo_child_reap(&p->child) && !mo_rollbacks_by() && !p->child.asks_back;
}

/* Connections move as soon as they can: now, and each time when this is called
 * again, those whose answer has been sent meanwhile. */
static void move_connections(mo_predecessor *p)
{
	mo_move_link link = {
		.arg = p, .exchange = exchange_conns, .alive = is_wanted, .forms = &p->child.forms
	};
	long n;

	if (p->child.channel < 0 || p->move_failed)
		return;
	if (mo_child_reap(&p->child)) {
		mo_child_last_words(&p->child); /* was it replaced? */
		n = -ECHILD;
	} else {
		n = mo_move_give(p->host, &link);
	}
	if (n >= 0) {
		p->moved += n;
		return;
	}
	mo_event_bus_down_close();
	p->move_failed = true;
	if (mo_child_reap(&p->child) && !p->child.replaced)
		return; /* they are served here, or end with the service */
	mo_warn("connections cannot be moved to generation %u any more; they end with their next "
		"answer",
		p->generation);
	p->host->announce_close(MO_GEN_CLOSE_ALL);
}

static void drop_listeners(const mo_predecessor *p)
{
	json_t *one;
	size_t i;

	json_array_foreach (p->dropped, i, one)
		p->host->drop(mo_json_str(one, "server"), mo_json_str(one, "text"));
}

/* Whoever noticed its end first did not know that it has served. */
static void tell_end(mo_predecessor *p, const char *when)
{
	if (p->child.killed)
		return;
	free(p->child.why);
	p->child.why = mo_child_end(&p->child, when);
}

/* The successor has died: nobody else serves, or is about to.  Of one that could not tell us
 * of a successor of its own only a supervisor knows. */
static bool may_serve_again(const mo_predecessor *p)
{
	if (mo_claim_given_away() || (p->deaf && !mo_supervisor_client_is()))
		return false;
	return mo_supervisor_client_claim();
}

/* A process that ends closes its channel first. */
static void look_at_channel(mo_predecessor *p, bool open)
{
	molt_time deadline = mo_deadline(END_TIME);

	if (open || p->deaf)
		return;
	while (!mo_child_reap(&p->child))
		if (mo_left(deadline) == 0) {
			mo_warn("the channel to generation %u is closed, but it lives: if it dies, "
				"the service is not taken back",
				p->generation);
			p->deaf = true;
			return;
		} else {
			mo_control_nap(2);
		}
}

/* It is being shut down, and that is the end of the service: a successor that has served is
 * as good as the whole.  Or it has a successor of its own. */
static bool ends_orderly(mo_predecessor *p)
{
	mo_child_last_words(&p->child);
	return p->child.stops || p->child.replaced;
}

/* From the switch on: whoever asks to go back has seen the successor serve. */
static bool stands_by;

bool mo_predecessor_stands_by(void)
{
	return stands_by;
}

int mo_standby_hand_over(mo_predecessor *p)
{
	stands_by = true;
	mo_claim_stand_by(true);
	mo_receipt_phase(p->receipt, MO_PHASE_HANDOVER);
	p->left = true;
	p->switched = mo_fine_now();
	p->budget = p->host->budget();
	p->own = mo_error_budget_own(&p->budget);
	p->host->leave();
	if (p->taker)
		mo_notify_taken(p->path);
	else
		mo_notify_main(p->child.pid);
	mo_wire_send(
		p->child.channel,
		mo_message_new(MO_MSG_MAIN, "{s:I}", "bake_ms", (json_int_t)p->host->bake_time()),
		NULL, 0);
	p->host->announce_close(MO_GEN_CLOSE_UNMOVABLE);
	move_connections(p);
	if (mo_child_reap(&p->child) && !ends_orderly(p) && may_serve_again(p)) {
		tell_end(p, "while connections were given to it");
		stands_by = false;
		mo_rollbacks_end(0); /* what was asked since the switch is so */
		return -ECHILD;
	}
	/* It came too late to call the restart off, and meant the service.  A supervisor sees to
	 * that itself. */
	if (mo_self_shutdown_asked() && !mo_supervisor_client_is())
		mo_child_send(&p->child, mo_message_new(MO_MSG_SHUTDOWN, NULL), NULL, 0);
	drop_listeners(p);
	p->bake_end = mo_deadline(p->host->bake_time());
	p->child.heard = mo_now();
	return 0;
}

void mo_standby_serve_again(const mo_predecessor *p)
{
	mo_supervisor_client_serving(p->host);
	mo_takeover_open();
	if (p->left)
		mo_notify_ready(mo_self_generation(), true);
}

/* ---- BAKE, DRAIN ---------------------------------------------------------------- */

/* The successor's process has ended: was that wanted? */
static enum mo_drain_say successor_ended(mo_predecessor *p)
{
	mo_child_last_words(&p->child);
	if (p->child.replaced)
		return MO_DRAIN_ON;
	if (p->child.stops || mo_child_ended_well(&p->child))
		return MO_DRAIN_ALONE;
	tell_end(p, "after it had begun to serve");
	/* It may have ended a while ago, when we were slow. */
	return may_serve_again(p) ? MO_DRAIN_BACK : MO_DRAIN_ALONE;
}

/* What we still count belongs to the totals of whoever serves. */
static void tell_counts(mo_predecessor *p, bool at_once)
{
	if (!at_once && mo_now() < p->counts_due)
		return;
	p->counts_due = mo_now() + MO_LEDGER_EVERY;
	mo_older_say(mo_ledger_news(p->host, false));
}

/* BAKE and DRAIN: connections follow as they become movable; while the successor
 * has not proved itself, we stay.  A generation whose own predecessor still
 * drains, or whose former successor gives back, stays, too: it passes on what it is
 * given. */
static enum mo_drain_say while_draining(void *arg)
{
	mo_predecessor *p = arg;
	mo_gen_info info;

	(void)MO_FAULT("step", "drain", p->child.channel);
	mo_child_kill_stopped(&p->child);
	move_connections(p);
	look_at_channel(p, mo_child_listen(&p->child));
	mo_event_bus_tell_seen();
	tell_counts(p, false);
	if (mo_child_reap(&p->child)) {
		enum mo_drain_say say = successor_ended(p);

		if (say != MO_DRAIN_ON)
			return say;
	}
	if (p->child.stops && !p->child.replaced)
		return MO_DRAIN_ALONE;
	stands_by = !p->child.replaced && !p->deaf;
	mo_claim_stand_by(stands_by);
	if (!stands_by)
		mo_rollbacks_end(-EBUSY); /* asked before we knew */
	else if (mo_rollback_look(p) == MO_DRAIN_BACK)
		return MO_DRAIN_BACK;
	mo_self_info(&info);
	if (info.predecessor_alive || mo_predecessor_receives() ||
	    (mo_left(p->bake_end) > 0 && !p->child.replaced))
		return MO_DRAIN_STAY;
	return MO_DRAIN_ON;
}

/* The successor is dead: what it told us last is what it has counted. */
static void end_counts(const mo_predecessor *p)
{
	char name[32];

	mo_ledger_name(name, p->generation, (int)mo_json_int(p->receipt->body, "successor_pid"));
	mo_ledger_end(name);
}

bool mo_predecessor_drain(mo_predecessor *p)
{
	mo_drain_result d;

	p->receipt->phase = MO_PHASE_DRAIN;
	d = mo_drain_after_restart(p->host, while_draining, p);
	(void)MO_FAULT("step", "end", p->child.channel);
	stands_by = false;
	if (d.back) {
		if (!p->child.pid)
			end_counts(p);
		mo_rollback_take_back(p);
		return false;
	}
	mo_claim_stand_by(false);
	mo_event_bus_settle();
	mo_event_bus_down_close();
	json_object_set_new(p->receipt->body, "moved", json_integer(p->moved));
	mo_receipt_phase(p->receipt, MO_PHASE_END);
	json_object_set_new(p->receipt->body, "drained",
			    json_pack("{s:I, s:I, s:i, s:I}", "connections",
				      (json_int_t)d.connections, "requests", (json_int_t)d.requests,
				      "cut", (int)d.cut, "ms", (json_int_t)d.ms));
	if (mo_older_end_by() != INT64_MAX)
		json_object_set_new(json_object_get(p->receipt->body, "drained"), "ended_by",
				    json_string("maxGenerations"));
	mo_receipts_put(p->receipt->body);
	mo_info("restart %s has ended: switched, %ld connections moved, %u requests cut, "
		"drained in %lld ms",
		mo_json_str(p->receipt->body, "id"), p->moved, d.cut, (long long)d.ms);
	tell_counts(p, true);
	/* Whose successor has died tells it to whoever serves. */
	if (!p->child.pid)
		mo_older_say(mo_message_new(MO_MSG_RECEIPT, "{s:O}", "receipt", p->receipt->body));
	return true;
}
