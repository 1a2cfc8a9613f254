/* Taking the service back from a successor that serves: when, and how.
 *
 *   successor   what happens                                     then
 *   died        nothing is to be asked                           we accept again
 *   lives       "withdraw"; it stops accepting: "withdrawn",     we accept again, and
 *               or after 40 ms, when a loop of it is blocked     it gives back
 *   is busy     it is being replaced or shut down: "busy"        it serves on
 *   is mute     it says nothing for bakeSilence, or answers      we accept again
 *               "withdraw" with nothing for 2 s: it is killed
 *
 * Used by standby.c, in its coroutine.  Always: a successor that lives has said
 * that it withdraws before we accept, and cannot come back as long as we live. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <uv.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "gen/control.h"
#include "gen/drain/older_generations.h"
#include "gen/drain/reopen_dropped.h"
#include "gen/join/call.h"
#include "gen/join/takeover.h"
#include "gen/old/predecessor_internal.h"
#include "gen/receipt/receipt_wire.h"
#include "gen/self.h"
#include "gen/transfer/event_bus.h"
#include "gen/transfer/move.h"
#include "gen/wire/messages.h"
#include "gen/wire/question.h"
#include "rt/park.h"

#define EARLY (40 * MOLT_MS)
#define MUTE (2 * MOLT_SECOND)
#define AGAIN (500 * MOLT_MS)
#define GONE_TIME (10 * MOLT_SECOND)
#define BACK_TIME MOLT_SECOND

/* Those whose successor gives back. */
static mo_predecessor *receiving;

/* ---- when -------------------------------------------------------------------- */

/* Many good answers must not hide those that it fails now. */
#define WINDOW 10

static char *errors(mo_predecessor *p)
{
	mo_rate lately = mo_rate_since(p->child.answered, p->judged);

	if (mo_error_budget_spent(&p->budget, p->own, lately))
		return mo_fmt("%.1f %% of its last %llu answers were errors (5xx), of generation "
			      "%u's %.1f %%",
			      mo_rate_share(lately), (unsigned long long)lately.answers,
			      mo_self_generation(), mo_rate_share(p->own));
	if (lately.answers >= WINDOW * (uint64_t)p->budget.min)
		p->judged = p->child.answered;
	return NULL;
}

static char *silence(mo_predecessor *p)
{
	molt_time limit = p->host->bake_silence(), quiet = mo_now() - p->child.heard;

	if (limit <= 0 || quiet + p->child.stuck <= limit)
		return NULL;
	p->back.mute = true;
	if (p->child.stuck > quiet)
		return mo_fmt("an event loop of it has been blocked for %lld ms (bakeSilence)",
			      (long long)(quiet + p->child.stuck));
	return mo_fmt("it has said nothing for %lld ms (bakeSilence)", (long long)quiet);
}

/* What asks for it now, as a sentence (malloc'd), or NULL. */
static char *cause(mo_predecessor *p)
{
	const char *by = mo_rollbacks_by();
	char *why = NULL;

	if (!by)
		by = p->child.asks_back;
	p->back.by_hand = by != NULL;
	if (by)
		return mo_fmt("asked for by %s", by);
	if (!p->child.reports || mo_left(p->bake_end) == 0 || mo_now() < p->back.again)
		return NULL;
	why = silence(p);
	return why ? why : errors(p);
}

/* ---- how --------------------------------------------------------------------- */

/* 0: it withdraws; -EBUSY: it cannot; -ECHILD, -ETIMEDOUT. */
static int await_withdrawal(mo_child *c)
{
	molt_time early = mo_deadline(EARLY), last = mo_deadline(MUTE);

	for (;;) {
		bool open = mo_child_listen(c);

		if (c->busy || c->replaced || c->stops)
			return -EBUSY;
		if (c->withdrawn || (c->withdrawing && mo_left(early) == 0))
			return 0;
		if (mo_child_reap(c))
			return -ECHILD;
		if (mo_left(last) == 0)
			return -ETIMEDOUT;
		if (open)
			mo_co_wait_fd(c->channel, UV_READABLE, 10);
		else
			mo_co_sleep(1);
	}
}

static int withdraw(mo_predecessor *p)
{
	mo_child *c = &p->child;
	int rc;

	c->busy = c->withdrawing = c->withdrawn = false;
	rc = mo_child_send(c, mo_message_new(MO_MSG_WITHDRAW, NULL), NULL, 0);
	return rc < 0 ? rc : await_withdrawal(c);
}

static void refuse(mo_predecessor *p)
{
	free(p->child.asks_back);
	p->child.asks_back = NULL;
	mo_rollbacks_end(-EBUSY);
	p->back.again = mo_now() + AGAIN;
	free(p->back.why);
	p->back.why = NULL;
}

enum mo_drain_say mo_rollback_look(mo_predecessor *p)
{
	int rc;

	p->back.why = cause(p);
	if (!p->back.why)
		return MO_DRAIN_ON;
	p->back.detected = mo_fine_now();
	rc = p->back.mute ? -ETIMEDOUT : withdraw(p);
	if (rc == -EBUSY) {
		refuse(p);
		return MO_DRAIN_ON;
	}
	p->back.lives = rc == 0;
	if (rc < 0)
		mo_child_kill(&p->child);
	return MO_DRAIN_BACK;
}

/* ---- serving again -------------------------------------------------------------- */

static void record(mo_predecessor *p, double accepting)
{
	json_t *body = p->receipt->body;
	json_t *back =
		json_pack("{s:s, s:o, s:o, s:b}", "by", p->back.by_hand ? "hand" : "bake",
			  "after_ms", mo_receipt_ms(p->back.detected - p->switched), "accepting_ms",
			  mo_receipt_ms(accepting - p->back.detected), "withdrawn", p->back.lives);

	if (p->back.missing)
		json_object_set_new(back, "not_listening",
				    json_integer((json_int_t)p->back.missing));

	json_object_set_new(body, "outcome",
			    json_string(p->back.by_hand ? "rolled back" : "taken back"));
	json_object_set_new(body, "reason", mo_json_text(p->back.why));
	json_object_set_new(body, "rollback", back);
	mo_child_record_end(&p->child, body);
	if (p->taker)
		mo_takeover_hold(body, p->taker->build);
	mo_receipt_phase(p->receipt, MO_PHASE_END);
	mo_receipts_put(body);
}

static bool is_short(int rc)
{
	return rc == -ENOMEM || rc == -ENOBUFS || rc == -EMFILE || rc == -ENFILE;
}

static int send_back(mo_predecessor *p)
{
	molt_time deadline = mo_deadline(BACK_TIME);
	int rc;

	while (is_short(rc = mo_child_send(&p->child,
					   mo_message_new(MO_MSG_BACK, "{s:i}", "missing",
							  (int)p->back.missing),
					   NULL, 0)) &&
	       mo_left(deadline) > 0)
		mo_control_nap(2);
	return rc;
}

/* From this message on our events are numbered for it; see event_bus.h.  One that cannot be
 * told would serve again as soon as we end. */
static void tell_back(mo_predecessor *p)
{
	if (p->back.lives && send_back(p) == 0) {
		mo_event_bus_turn_up(p->child.channel);
		return;
	}
	if (p->back.lives)
		mo_child_kill(&p->child);
	p->back.lives = false;
	mo_event_bus_down_close();
}

static void tell_log(const mo_predecessor *p)
{
	const char *what = p->back.lives ? "is taken back" : "is gone";
	unsigned own = mo_self_generation();

	if (p->back.by_hand && !p->back.missing)
		mo_info("generation %u %s: %s; generation %u serves again", p->generation, what,
			p->back.why, own);
	else if (p->back.missing)
		mo_error("generation %u %s: %s; generation %u has the service, but %zu of its "
			 "listeners cannot be opened",
			 p->generation, what, p->back.why, own, p->back.missing);
	else
		mo_error("generation %u %s: %s; generation %u serves again", p->generation, what,
			 p->back.why, own);
}

void mo_rollback_take_back(mo_predecessor *p)
{
	double accepting;

	if (!p->back.why) { /* it died */
		p->back.detected = mo_fine_now();
		p->back.why = mo_strdup(p->child.why);
	}
	mo_receipts_follow(-1);
	mo_older_withdraw();
	mo_older_watch(true);
	mo_child_kill_next(&p->child);
	p->host->come_back();
	/* Before the first connection that may ask for the next restart. */
	mo_self_set_successor(0);
	mo_self_set_state(MO_GEN_SERVING);
	mo_standby_serve_again(p);
	p->host->accept(true);
	accepting = mo_fine_now();
	p->back.missing = mo_reopen_dropped(p->host);
	tell_back(p);
	tell_log(p);
	record(p, accepting);
	p->host->announce_close(MO_GEN_CLOSE_NONE);
}

int mo_predecessor_back_result(const mo_predecessor *p)
{
	return p->back.missing ? -EADDRINUSE : 0;
}

/* ---- what is given back ------------------------------------------------------------ */

bool mo_predecessor_receives(void)
{
	return receiving != NULL;
}

void mo_predecessor_say(enum mo_msg what)
{
	for (mo_predecessor *p = receiving; p; p = p->next)
		mo_wire_send(p->child.channel, mo_message_new(what, NULL), NULL, 0);
}

/* While this waits the list may change: begun anew, one that was told hears nothing new. */
int mo_predecessor_say_replaced(molt_time limit)
{
	molt_time deadline = mo_deadline(limit);
	mo_predecessor *p = receiving;
	int rc = 0;

	while (p && rc == 0)
		if (p->back.told) {
			p = p->next;
		} else {
			p->back.told = true;
			rc = mo_word_tell(p->child.channel, MO_MSG_REPLACED, mo_left(deadline));
			p = receiving;
		}
	return rc;
}

static int on_conns(void *arg, mo_wire_msg *m)
{
	mo_predecessor *p = arg;
	long n = mo_move_take(p->host, p->child.channel, m);

	if (n > 0)
		p->back.given += n;
	return 0;
}

static int on_event(void *arg, mo_wire_msg *m)
{
	mo_event_bus_from_above(((mo_predecessor *)arg)->child.channel, m);
	return 0;
}

static int on_seen(void *arg, mo_wire_msg *m)
{
	mo_event_bus_seen(((mo_predecessor *)arg)->child.channel,
			  (uint64_t)mo_json_int(m->body, "seen"));
	return 0;
}

static int on_elders(void *arg, mo_wire_msg *m)
{
	(void)arg;
	if (mo_older_arrive(m) == 0)
		mo_older_watch(true);
	return 0;
}

/* The giver waits for the answer. */
static int on_unreadable(void *arg, mo_wire_msg *m, const char *why)
{
	mo_message_warn(why);
	if (mo_message_is(m, MO_MSG_CONNS))
		mo_move_refuse(((mo_predecessor *)arg)->child.channel, m);
	return 0;
}

static const mo_hears hears[] = {
	{ MO_MSG_CONNS, on_conns },
	{ MO_MSG_EVENT, on_event },
	{ MO_MSG_SEEN, on_seen },
	{ MO_MSG_ELDERS, on_elders },
};
static const mo_role role = MO_ROLE(hears, on_unreadable);

static void take_all(mo_predecessor *p)
{
	mo_wire_turn *turn = &p->child.turn;
	mo_wire_msg m;
	int rc;

	mo_wire_turn_begin(turn);
	for (;;) {
		rc = mo_wire_next(p->child.channel, turn, &m);
		if (rc == 1) {
			mo_message_hand(&role, p, &m);
			mo_wire_free(&m);
			continue;
		}
		mo_wire_turn_begin(turn);
		if (rc == -EBUSY && mo_co_sleep(1) == 0)
			continue;
		if (rc != -EAGAIN || mo_co_wait_fd(p->child.channel, UV_READABLE, MOLT_FOREVER) < 0)
			return;
	}
}

/* It finishes what it runs, which has its deadline there. */
static molt_time ends_by(const mo_gen_host *h)
{
	molt_time drain = h->drain_timeout(), stop = h->shutdown_timeout();

	if (drain < 0 || stop < 0)
		return mo_deadline(MOLT_FOREVER);
	return mo_deadline((drain > stop ? drain : stop) + GONE_TIME);
}

/* Nothing more can be told on the channel.  When it was ours that failed, the other side
 * learns it, and serves on what it has not given. */
static void reap(mo_predecessor *p)
{
	molt_time deadline = ends_by(p->host);

	shutdown(p->child.channel, SHUT_RDWR);
	while (!mo_child_reap(&p->child)) {
		if (mo_co_sleep(5) < 0)
			return;
		if (mo_left(deadline) == 0) {
			mo_child_kill(&p->child);
			return;
		}
	}
}

static void forget(mo_predecessor *p)
{
	mo_predecessor **at = &receiving;

	while (*at != p)
		at = &(*at)->next;
	*at = p->next;
}

void mo_predecessor_receive(mo_predecessor *p)
{
	json_t *back = json_object_get(p->receipt->body, "rollback");

	if (!p->back.lives)
		return;
	p->next = receiving;
	p->back.co = mo_co_self();
	receiving = p;
	take_all(p);
	mo_event_bus_up_close(p->child.channel);
	reap(p);
	forget(p);
	json_object_set_new(back, "given_back", json_integer(p->back.given));
	mo_child_record_end(&p->child, p->receipt->body);
	mo_receipts_put(p->receipt->body);
	mo_info("generation %u has ended; it gave %ld connection%s back", p->generation,
		p->back.given, p->back.given == 1 ? "" : "s");
	mo_control_poke();
}

static void close_on_loop(void *unused)
{
	(void)unused;
	for (mo_predecessor *p = receiving; p; p = p->next)
		mo_co_cancel(p->back.co, -ECANCELED);
}

void mo_predecessor_close(void)
{
	mo_loop_post(mo_control_loop(), close_on_loop, NULL);
}
