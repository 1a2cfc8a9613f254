/* The successor's side of a rollback; see withdraw.h for its states. */
#include "gen/new/withdraw.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "base/clock.h"
#include "base/log.h"
#include "gen/drain/claim.h"
#include "gen/drain/drain.h"
#include "gen/drain/older_generations.h"
#include "gen/drain/reopen_dropped.h"
#include "gen/join/call.h"
#include "gen/join/notify.h"
#include "gen/join/supervisor_client.h"
#include "gen/join/takeover.h"
#include "gen/new/parent.h"
#include "gen/new/successor.h"
#include "gen/self.h"
#include "gen/transfer/counter_ledger.h"
#include "gen/transfer/event_bus.h"
#include "gen/transfer/move.h"
#include "gen/wire/messages.h"
#include "rt/park.h"

#define END_TIME MOLT_SECOND /* between the end of the channel and that of its owner */

static struct {
	enum { SERVES, WITHDRAWN, GIVES } state;
	molt_time deadline; /* WITHDRAWN: until "back" */
	molt_time asked;    /* until we are told to withdraw; 0: we did not ask */
	bool let_go;        /* the predecessor ends, or is replaced, on purpose */
	bool failed;        /* nothing can be given any more */
} w;

bool mo_withdraw_gives(void)
{
	return w.state == GIVES;
}

void mo_withdraw_forget(void)
{
	w.state = SERVES;
	w.deadline = w.asked = 0;
	w.let_go = w.failed = false;
}

static int predecessor_pid(void)
{
	mo_gen_info info;

	mo_self_info(&info);
	return info.predecessor_pid;
}

int mo_withdraw_ask(int channel, const char *by)
{
	int rc = mo_wire_send(
		channel,
		mo_message_new(MO_MSG_ROLLBACK, "{s:s, s:I}", "by", by, "at", (json_int_t)mo_now()),
		NULL, 0);

	if (rc == 0 && !w.asked)
		w.asked = mo_deadline(MO_BACK_TIMEOUT);
	return rc;
}

/* ---- SERVES to WITHDRAWN ------------------------------------------------------ */

void mo_withdraw_asked(int channel)
{
	const mo_gen_host *host = mo_self_host();

	w.asked = 0;
	if (!mo_self_withdraw()) {
		mo_successor_say(MO_MSG_BUSY);
		mo_rollbacks_end(-EBUSY);
		return;
	}
	w.state = WITHDRAWN;
	w.deadline = mo_deadline(MO_BACK_TIMEOUT);
	/* We are the main process, so the manager may believe nobody else.  Before the predecessor
	 * can go on: what it tells after that, of a next restart, is newer. */
	if (getppid() == predecessor_pid())
		mo_notify_main(predecessor_pid());
	mo_successor_say(MO_MSG_WITHDRAWING);
	mo_older_watch(false);
	host->accept(false);
	host->leave();
	mo_successor_say(MO_MSG_WITHDRAWN);
	mo_self_fire(MOLT_ON_DRAIN);
}

static int send_elder(void *channel, json_t *body, const int *fds, int n)
{
	return mo_wire_send(*(int *)channel, body, fds, n);
}

void mo_withdraw_go_back(int channel, size_t missing)
{
	if (w.state != WITHDRAWN)
		return;
	w.state = GIVES;
	mo_claim_stand_by(!w.let_go && !mo_supervisor_client_is());
	mo_event_bus_turn_down(channel);
	mo_older_offer_back(send_elder, &channel);
	mo_self_host()->close_own();
	mo_rollbacks_end(missing ? -EADDRINUSE : 0);
	mo_info("generation %u (pid %d) serves again; generation %u gives its connections back",
		mo_self_generation() - 1, predecessor_pid(), mo_self_generation());
}

void mo_withdraw_let_go(void)
{
	w.let_go = true;
	mo_claim_stand_by(false);
}

/* ---- the predecessor does not go on ---------------------------------------------- */

/* The end of the channel is not yet that of the process, which may serve: descriptors or
 * memory can be short for a message of ours. */
static bool predecessor_ended(void)
{
	bool ended = mo_parent_ended(END_TIME);

	if (!ended)
		mo_error("the channel to generation %u is broken, but it lives: this one finishes "
			 "what runs and ends",
			 mo_self_generation() - 1);
	return ended;
}

static void serve_again(void)
{
	const mo_gen_host *host = mo_self_host();

	w.state = SERVES;
	mo_older_withdraw();
	mo_older_watch(true);
	host->come_back();
	mo_self_set_state(MO_GEN_SERVING);
	mo_supervisor_client_serving(host);
	mo_notify_ready(mo_self_generation(), true);
	mo_takeover_open();
	host->accept(true);
	host->announce_close(MO_GEN_CLOSE_NONE);
	mo_reopen_dropped(host);
	mo_error("the predecessor is gone; generation %u serves on", mo_self_generation());
}

bool mo_withdraw_alone(void)
{
	w.asked = 0;
	if (w.state != WITHDRAWN)
		return false;
	if (!predecessor_ended()) { /* it goes on, or kills us: nobody serves beside it */
		w.state = GIVES;
		w.failed = w.let_go = true;
		mo_rollbacks_end(-EPIPE);
		return true;
	}
	serve_again();
	mo_rollbacks_end(-ECHILD);
	return false;
}

/* One that took "withdrawn" and does not go on holds the service: it must not wake
 * up later as a second owner. */
void mo_withdraw_tick(void)
{
	if (w.asked && mo_left(w.asked) == 0) {
		w.asked = 0;
		mo_rollbacks_end(-ETIMEDOUT);
	}
	if (w.state != WITHDRAWN || mo_left(w.deadline) > 0)
		return;
	w.deadline = mo_deadline(MO_BACK_TIMEOUT);
	mo_error("the predecessor does not take the service back within %d ms",
		 (int)MO_BACK_TIMEOUT);
	if (getppid() == predecessor_pid())
		mo_parent_kill();
}

/* ---- GIVES ------------------------------------------------------------------------- */

static int send_waiting(int channel, json_t *body, const int *fds, int n, const molt_str *pieces)
{
	int rc;

	while ((rc = mo_wire_send_blob(channel, json_incref(body), fds, n, pieces,
				       MO_MOVE_PIECES * (size_t)n)) == -EAGAIN)
		if (mo_co_sleep(1) < 0)
			break;
	json_decref(body);
	return rc;
}

/* Until the predecessor has answered or is gone, nobody may touch them. */
static int exchange(void *arg, json_t *body, const int *fds, int n, const molt_str *pieces,
		    mo_wire_msg *answer)
{
	int channel = *(int *)arg;
	int rc = send_waiting(channel, body, fds, n, pieces);
	mo_wire_turn turn = { 0 };

	while (rc == 0) {
		rc = mo_wire_next(channel, &turn, answer);
		if (rc == 1 && mo_message_answers(answer, MO_MSG_TOOK))
			return 0;
		if (rc == 1) {
			mo_successor_hear(answer);
			mo_wire_free(answer);
		}
		if (rc == -EAGAIN && mo_co_wait_fd(channel, UV_READABLE, MOLT_FOREVER) < 0)
			return -ECANCELED;
		if (rc == -EBUSY && mo_co_sleep(1) < 0)
			return -ECANCELED;
		if (rc == -EAGAIN || rc == -EBUSY)
			mo_wire_turn_begin(&turn);
		rc = rc == 1 || rc == -EAGAIN || rc == -EBUSY ? 0 : -EPIPE;
	}
	return rc;
}

static void give(int channel)
{
	const mo_gen_host *host = mo_self_host();
	mo_forms forms;
	mo_move_link link = { .arg = &channel, .exchange = exchange, .forms = &forms };

	mo_successor_forms(&forms);
	if (w.failed || mo_move_give(host, &link) >= 0)
		return;
	w.failed = true;
	mo_event_bus_down_close();
	host->announce_close(MO_GEN_CLOSE_ALL);
}

/* What we still count belongs to the totals of the predecessor, as an older generation's does. */
static void tell_counts(bool at_once)
{
	static molt_time due; /* of the control thread */

	if (!at_once && mo_now() < due)
		return;
	due = mo_now() + MO_LEDGER_EVERY;
	mo_older_say(mo_ledger_news(mo_self_host(), false));
}

/* Below a supervisor the good program is started again instead. */
static enum mo_drain_say each(void *arg)
{
	int channel = *(int *)arg, rc;

	give(channel);
	rc = mo_successor_hear_all();
	mo_event_bus_tell_seen();
	tell_counts(false);
	if (rc != 0)
		return MO_DRAIN_ON;
	if (w.let_go || mo_claim_given_away() || mo_supervisor_client_is() || !predecessor_ended())
		return MO_DRAIN_ALONE;
	return MO_DRAIN_BACK;
}

bool mo_withdraw_drain(int channel)
{
	const mo_gen_host *host = mo_self_host();
	mo_drain_result d;

	host->announce_close(MO_GEN_CLOSE_UNMOVABLE);
	d = mo_drain_after_restart(host, each, &channel);
	mo_claim_stand_by(false);
	if (!d.back) {
		mo_event_bus_settle();
		tell_counts(true);
	}
	mo_event_bus_down_close();
	if (d.back)
		serve_again();
	return !d.back;
}
