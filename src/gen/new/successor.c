/* The new side of a restart; see successor.h for its steps. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/json.h"
#include "base/log.h"
#include "base/outlet.h"
#include "gen/control.h"
#include "gen/drain/older_generations.h"
#include "gen/error_budget.h"
#include "gen/join/notify.h"
#include "gen/join/supervisor_client.h"
#include "gen/join/takeover.h"
#include "gen/new/parent.h"
#include "gen/new/previous.h"
#include "gen/new/successor_internal.h"
#include "gen/new/withdraw.h"
#include "gen/os/origin.h"
#include "gen/os/sigstop.h"
#include "gen/receipt/receipt_wire.h"
#include "gen/self.h"
#include "gen/transfer/counter_ledger.h"
#include "gen/transfer/event_bus.h"
#include "gen/transfer/move.h"
#include "gen/transfer/reopen.h"
#include "gen/transfer/state.h"
#include "gen/wire/messages.h"
#include "gen/wire/offer.h"
#include "gen/wire/question.h"
#include "net/tls_snapshot.h"
#include "rt/park.h"
#include "rt/watchdog.h"

#define OBJECTION_TIME (100 * MOLT_MS)
#define STANDBY_TIME (30 * MOLT_SECOND) /* a predecessor may be stopped after the switch */
#define END_TIME MOLT_SECOND            /* between the end of the channel and that of its owner */

mo_successor mo_successor_self = { .channel = -1, .stderr_fd = -1, .tail_fd = -1 };

static mo_successor *const self = &mo_successor_self;

bool mo_successor_is(void)
{
	return self->begun || mo_origin_get()->handover_fd >= 0;
}

/* ---- reporting ----------------------------------------------------------- */

static void report(enum mo_msg what, const char *key, const char *text)
{
	int fd = self->begun ? atomic_load(&self->channel) : mo_origin_get()->handover_fd;

	if (fd >= 0)
		mo_wire_send(fd, mo_message_new(what, "{s:o}", key, mo_json_text(text)), NULL, 0);
}

static void on_log_line(const char *line)
{
	report(MO_MSG_LOG, "line", line);
}

void mo_successor_report_log(void)
{
	mo_log_set_observer(on_log_line);
}

void mo_successor_say(enum mo_msg what)
{
	int fd = atomic_load(&self->channel);

	if (self->begun && fd >= 0)
		mo_wire_send(fd, mo_message_new(what, NULL), NULL, 0);
}

void mo_successor_say_begun(int pid, int pidfd)
{
	int fd = atomic_load(&self->channel);

	if (self->begun && !self->by_supervisor && fd >= 0 && pidfd >= 0)
		mo_wire_send(fd, mo_message_new(MO_MSG_BEGUN, "{s:i}", "pid", pid), &pidfd, 1);
}

int mo_successor_say_replaced(molt_time limit)
{
	int fd = atomic_load(&self->channel);
	int rc = self->begun && fd >= 0 ? mo_word_tell(fd, MO_MSG_REPLACED, limit) : 0;

	if (rc == 0) {
		self->replaced = true;
		mo_previous_stands_by(-1);
	}
	return rc;
}

bool mo_successor_has_way_back(void)
{
	return self->begun && atomic_load(&self->channel) >= 0 && !self->orphan &&
	       !self->by_supervisor && !self->replaced;
}

int mo_successor_ask_back(const char *by)
{
	if (!mo_successor_has_way_back())
		return -ENOENT;
	return mo_withdraw_ask(atomic_load(&self->channel), by) < 0 ? -ENOENT : 0;
}

/* It may serve again, and then our counts are part of the total. */
void mo_successor_tell_counts(void)
{
	int fd = atomic_load(&self->channel);
	molt_time now = mo_now();

	if (!self->begun || self->by_supervisor || self->orphan || fd < 0 || now < self->counts_due)
		return;
	self->counts_due = now + MO_LEDGER_EVERY;
	mo_wire_send(fd, mo_ledger_news(mo_self_host(), true), NULL, 0);
}

void mo_successor_broken(const char *why)
{
	int fd = atomic_load(&self->channel);

	if (fd >= 0)
		mo_wire_send(fd,
			     mo_message_new(MO_MSG_FAILED, "{s:o, s:b}", "why", mo_json_text(why),
					    "protocol", 1),
			     NULL, 0);
}

void mo_successor_tell_receipt(const json_t *receipt)
{
	if (mo_successor_has_way_back())
		mo_wire_send(atomic_load(&self->channel),
			     mo_message_new(MO_MSG_RECEIPT, "{s:O}", "receipt", receipt), NULL, 0);
}

void mo_successor_failed(const char *why)
{
	if (mo_successor_is())
		report(MO_MSG_FAILED, "why", why);
}

void mo_successor_forms(mo_forms *f)
{
	mo_forms_read(f, self->offered, mo_self_host());
}

void mo_successor_forget(void)
{
	int fd = atomic_load(&self->channel);

	if (self->begun && fd >= 0)
		close(fd);
	if (self->stderr_fd >= 0)
		close(self->stderr_fd);
	if (self->tail_fd >= 0)
		close(self->tail_fd);
	mo_offered_drop();
	free(self->offer_why);
	json_decref(self->offered);
	*self = (mo_successor){ .channel = -1, .stderr_fd = -1, .tail_fd = -1 };
	mo_origin_get()->handover_fd = -1;
}

void mo_successor_count_bound(void)
{
	self->bound++;
}

/* ---- ready, commit, serving ---------------------------------------------- */

static json_t *server_names(const mo_gen_host *host)
{
	static mo_gen_listener all[MO_OFFER_MAX]; /* of the control thread */
	size_t n = host->listeners(all, MO_OFFER_MAX);
	json_t *names = json_array();

	for (size_t i = 0; i < n && i < MO_OFFER_MAX; i++)
		if (i == 0 || strcmp(all[i].server, all[i - 1].server) != 0)
			json_array_append_new(names, json_string(all[i].server));
	return names;
}

static json_t *ready_message(const mo_gen_host *host)
{
	int left = mo_offered_left();
	json_t *ready = mo_message_new(
		MO_MSG_READY, "{s:b, s:o, s:o, s:o, s:{s:i, s:i, s:i}, s:s}", "health", 1,
		"servers", server_names(host), "state", mo_state_report(), "dropped",
		mo_offered_names(), "listeners", "adopted", self->adopted - left, "bound",
		self->bound, "closed", left, "build", mo_origin_get()->build);

	mo_forms_name(ready, host);
	return ready;
}

/* Who called it off serves on, or is started again. */
static _Noreturn void called_off(const char *why)
{
	mo_error("the %s was called off: %s", self->by_path ? "takeover" : "restart", why);
	mo_exit_now(1);
}

static int on_cancel(void *arg, mo_wire_msg *m)
{
	(void)arg;
	called_off(mo_json_str(m->body, "why"));
}

/* Somebody else serves, and cannot tell us to. */
static _Noreturn void leave(const char *why)
{
	mo_error("this generation ends before it has served: %s", why);
	mo_successor_failed(why);
	mo_exit_now(1);
}

/* Waits for something to read.  0, or -ECANCELED: we end. */
static int await_more(int fd)
{
	return mo_co_wait_fd(fd, UV_READABLE, MOLT_FOREVER) < 0 ? -ECANCELED : 0;
}

static bool is_passing(int rc)
{
	return rc == -ENOMEM || rc == -ENOBUFS || rc == -EBUSY;
}

static int on_probe(void *arg, mo_wire_msg *m)
{
	(void)arg;
	mo_self_host()->serve_probe(mo_json_str(m->body, "server"), m->fds[0]);
	m->fds[0] = -1;
	return 0;
}

#define COMMIT 1
static int on_commit(void *arg, mo_wire_msg *m)
{
	(void)arg;
	if (json_is_true(json_object_get(m->body, "reopen")))
		mo_reopen_begin(0, 0, mo_older_say);
	return COMMIT;
}

static const mo_hears before_commit[] = {
	{ MO_MSG_RECEIPT, mo_receipts_hear }, { MO_MSG_TOTALS, mo_ledger_hear },
	{ MO_MSG_CANCEL, on_cancel },         { MO_MSG_PROBE, on_probe },
	{ MO_MSG_COMMIT, on_commit },
};
static const mo_role candidate = MO_ROLE(before_commit, NULL);

/* 0: commit; 1: the channel has ended; -ECANCELED: we end. */
static int await_commit(int fd)
{
	mo_wire_turn turn = { 0 };

	for (;;) {
		mo_wire_msg m;
		int rc = mo_wire_next(fd, &turn, &m);

		if (is_passing(rc) && mo_co_sleep(rc == -EBUSY ? 1 : 10) < 0)
			return -ECANCELED;
		if (rc == -EAGAIN && await_more(fd) < 0)
			return -ECANCELED;
		if (rc != 1)
			mo_wire_turn_begin(&turn);
		if (rc == -EAGAIN || is_passing(rc))
			continue;
		if (rc < 0)
			leave("what came from the predecessor cannot be read");
		if (rc == 0)
			return 1;
		rc = mo_message_hand(&candidate, NULL, &m);
		mo_wire_free(&m);
		if (rc == COMMIT)
			return 0;
	}
}

/* From now on our standard error is the real one; the pipe is read here until
 * the last child that writes to it has ended. */
static void restore_stderr(void)
{
	if (self->stderr_fd < 0)
		return;
	dup2(self->stderr_fd, STDERR_FILENO);
	close(self->stderr_fd);
	self->stderr_fd = -1;
	self->tail = mo_stderr_tail_new(mo_control_loop(), self->tail_fd, mo_outlet_stderr());
	self->tail_fd = -1;
}

static void take_its_place(void)
{
	const char *who = self->by_supervisor ? "supervisor" : "predecessor";

	bool ended = mo_parent_ended(END_TIME);

	if (mo_self_shutdown_asked())
		return;
	if (!ended)
		leave("the channel to the predecessor is closed, but it lives");
	if (!mo_older_claim() && !mo_self_shutdown_asked())
		leave("the predecessor is gone, and an older generation serves again");
	self->orphan = true;
	/* A supervisor that has started another program kills us within this. */
	if (mo_supervisor_client_is() && !self->by_supervisor)
		mo_co_sleep(OBJECTION_TIME);
	mo_warn("the %s is gone; this generation serves in its place", who);
}

int mo_successor_ready(const mo_gen_host *host)
{
	int fd = atomic_load(&self->channel), rc;

	self->co = mo_co_self();
	if (!self->by_supervisor)
		mo_parent_watch(MO_SIGSTOP_TIME);
	rc = mo_wire_send(fd, ready_message(host), NULL, 0);
	if (rc < 0 && rc != -EPIPE && rc != -ECONNRESET)
		leave("the predecessor cannot be told that it is ready");
	rc = await_commit(fd); /* also when it is closed: "cancel" may be there */
	if (rc < 0 || mo_self_shutdown_asked())
		return -ECANCELED;
	if (rc == 1 && self->by_path && self->supervised)
		called_off("the running program ended before the switch, and its supervisor starts "
			   "it again");
	if (rc == 1)
		take_its_place();
	if (mo_self_shutdown_asked())
		return -ECANCELED;
	mo_log_set_observer(NULL);
	restore_stderr();
	if (!self->orphan)
		mo_event_bus_up_open(fd);
	self->before = host->answered();
	mo_takeover_open();
	self->committed = true;
	if (!self->by_supervisor)
		mo_parent_watch(STANDBY_TIME);
	host->accept(true);
	(void)MO_FAULT("step", "accept", fd);
	mo_older_watch(true);
	mo_offered_drop();
	mo_supervisor_client_serving(host);
	mo_wire_send(fd, mo_message_new(MO_MSG_SERVING, NULL), NULL, 0);
	host->log_listening(self->by_supervisor && mo_self_generation() == 1 ? "started"
									     : "restarted");
	return 0;
}

/* The predecessor has told the service manager who serves now, or cannot. */
static void become_main(bool told)
{
	if (!self->main)
		mo_notify_ready(mo_self_generation(), !told);
	self->main = true;
}

static void predecessor_ended(void)
{
	mo_gen_info info;

	mo_self_info(&info);
	mo_self_set_identity(info.generation, info.predecessor_pid, false);
}

int mo_successor_channel(void)
{
	return atomic_load(&self->channel);
}

static int on_main(void *arg, mo_wire_msg *m)
{
	(void)arg;
	become_main(true);
	mo_previous_stands_by(mo_json_count(m->body, "bake_ms"));
	return 0;
}

static int on_conns(void *arg, mo_wire_msg *m)
{
	mo_move_take(mo_self_host(), *(int *)arg, m);
	return 0;
}

static int on_event(void *arg, mo_wire_msg *m)
{
	if (mo_withdraw_gives())
		mo_event_bus_from_below(m);
	else
		mo_event_bus_from_above(*(int *)arg, m);
	return 0;
}

static int on_seen(void *arg, mo_wire_msg *m)
{
	mo_event_bus_seen(*(int *)arg, (uint64_t)mo_json_int(m->body, "seen"));
	return 0;
}

static int on_withdraw(void *arg, mo_wire_msg *m)
{
	(void)m;
	mo_withdraw_asked(*(int *)arg);
	return 0;
}

static int on_back(void *arg, mo_wire_msg *m)
{
	mo_withdraw_go_back(*(int *)arg, (size_t)mo_json_int(m->body, "missing"));
	return 0;
}

static int on_let_go(void *arg, mo_wire_msg *m)
{
	(void)arg;
	(void)m;
	mo_withdraw_let_go();
	return 0;
}

static void (*shut_down)(void *unused);

void mo_successor_on_shutdown(void (*fn)(void *unused))
{
	shut_down = fn;
}

/* Who asked may have asked us, too: that is the same request. */
static int on_shutdown(void *arg, mo_wire_msg *m)
{
	(void)arg;
	(void)m;
	if (!mo_self_shutdown_asked())
		shut_down(NULL);
	return 0;
}

static const mo_hears after_commit[] = {
	{ MO_MSG_CANCEL, on_cancel },      { MO_MSG_MAIN, on_main },
	{ MO_MSG_CONNS, on_conns },        { MO_MSG_EVENT, on_event },
	{ MO_MSG_SEEN, on_seen },          { MO_MSG_RECEIPT, mo_receipts_hear },
	{ MO_MSG_TOTALS, mo_ledger_hear }, { MO_MSG_WITHDRAW, on_withdraw },
	{ MO_MSG_BACK, on_back },          { MO_MSG_STOPPING, on_let_go },
	{ MO_MSG_REPLACED, on_let_go },    { MO_MSG_SHUTDOWN, on_shutdown },
};

/* The giver waits for the answer. */
static int on_unreadable(void *arg, mo_wire_msg *m, const char *why)
{
	mo_message_warn(why);
	if (mo_message_is(m, MO_MSG_CONNS))
		mo_move_refuse(*(int *)arg, m);
	return 0;
}

static const mo_role serving = MO_ROLE(after_commit, on_unreadable);

void mo_successor_hear(mo_wire_msg *m)
{
	int fd = atomic_load(&self->channel);

	mo_message_hand(&serving, &fd, m);
}

int mo_successor_hear_all(void)
{
	bool gave = mo_withdraw_gives();
	mo_wire_turn turn = { 0 };
	mo_wire_msg m;
	int rc = -EAGAIN;

	/* "back" is the last that listen() hears: from there on it gives. */
	while (mo_withdraw_gives() == gave &&
	       (rc = mo_wire_next(atomic_load(&self->channel), &turn, &m)) == 1) {
		mo_successor_hear(&m);
		mo_wire_free(&m);
	}
	return rc == 1 || rc == -EAGAIN || is_passing(rc) ? -EAGAIN : 0;
}

/* So the predecessor knows that we live, and how well. */
static void report_health(void)
{
	static molt_time next; /* of the control thread */
	mo_rate n = mo_rate_since(mo_self_host()->answered(), self->before);

	if (mo_now() < next)
		return;
	next = mo_now() + MO_WITHDRAW_TICK;
	mo_wire_send(atomic_load(&self->channel),
		     mo_message_new(MO_MSG_HEALTH, "{s:I, s:I, s:I}", "answers",
				    (json_int_t)n.answers, "errors", (json_int_t)n.errors, "stuck",
				    (json_int_t)mo_watchdog_stuck()),
		     NULL, 0);
}

bool mo_successor_listen(void)
{
	int fd = atomic_load(&self->channel), rc = 0;

	while (!self->orphan) {
		if (mo_successor_hear_all() == 0)
			break;
		if (mo_withdraw_gives())
			return true;
		mo_withdraw_tick();
		mo_successor_tell_counts();
		report_health();
		rc = mo_co_wait_fd(fd, UV_READABLE, MO_WITHDRAW_TICK);
		if (rc < 0 && rc != -ETIMEDOUT)
			break; /* we end */
	}
	if ((rc >= 0 || rc == -ETIMEDOUT) && mo_withdraw_alone())
		return true;
	mo_successor_alone();
	return false;
}

void mo_successor_alone(void)
{
	int fd = atomic_load(&self->channel);

	mo_parent_unwatch();
	become_main(self->by_supervisor);
	mo_event_bus_up_close(fd);
	mo_previous_stands_by(-1);
	predecessor_ended();
	self->co = NULL;
	atomic_store(&self->channel, -1);
	close(fd);
}

static void close_on_loop(void *unused)
{
	(void)unused;
	if (self->co)
		mo_co_cancel(self->co, -ECANCELED);
	mo_stderr_tail_free(self->tail);
	self->tail = NULL;
}

void mo_successor_close(void)
{
	mo_loop_post(mo_control_loop(), close_on_loop, NULL);
}
