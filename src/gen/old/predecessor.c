/* The old side of a restart up to the switch; see predecessor.h for its phases
 * and standby.c for what follows. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include "gen/drain/older_generations.h"
#include "gen/drain/reopen_dropped.h"
#include "gen/join/supervisor_client.h"
#include "gen/join/takeover.h"
#include "gen/new/previous.h"
#include "gen/new/successor.h"
#include "gen/old/predecessor_internal.h"
#include "gen/old/probe.h"
#include "gen/os/origin.h"
#include "gen/os/preflight.h"
#include "gen/receipt/receipt_wire.h"
#include "gen/self.h"
#include "gen/transfer/counter_ledger.h"
#include "gen/transfer/event_bus.h"
#include "gen/transfer/state.h"
#include "gen/wire/messages.h"
#include "gen/wire/offer.h"
#include "net/ticket.h"

#define SERVING_TIMEOUT (5 * MOLT_SECOND)
#define TELL_TIMEOUT (2 * MOLT_SECOND)

/* The last number that served: one that was taken back has used it up. */
static unsigned newest;

/* Nobody has had it, also none that did not come to serve, so that a number in a log
 * or in the history is one process's. */
static unsigned next_number(unsigned own)
{
	unsigned told = mo_receipts_newest();

	own = newest > own ? newest : own;
	return (told > own ? told : own) + 1;
}

/* The name that it is called by is ours as long as the path is. */
static void set_paths(mo_predecessor *p, const char *target)
{
	const char *own = mo_origin_get()->exe;

	if (p->taker) {
		p->path = mo_strdup(p->taker->exe);
		return;
	}
	if (!p->back_by) {
		p->target = mo_strdup(target);
		p->path = mo_strdup(target ? target : own);
		return;
	}
	p->path = mo_previous_path();
	if (p->path && own && strcmp(p->path, own) != 0)
		p->target = mo_strdup(p->path);
}

mo_predecessor *mo_predecessor_new(const mo_gen_host *host, const char *target, mo_taker *taker,
				   const char *back_by)
{
	mo_predecessor *p = mo_calloc(1, sizeof(*p));
	mo_gen_info info;

	MO_FAULT_ROLE("predecessor");
	mo_self_info(&info);
	p->host = host;
	p->generation = next_number(info.generation);
	p->reopens = mo_older_reopens();
	p->taker = taker;
	p->back_by = mo_strdup(back_by);
	set_paths(p, target);
	p->receipt = mo_receipt_new(info.generation, p->path);
	p->program.fd = -1;
	mo_child_init(&p->child, p->path);
	if (taker) {
		mo_child_adopt(&p->child, taker->channel, taker->pid, taker->pidfd);
		json_object_set_new(p->receipt->body, "how", json_string("takeover"));
	}
	return p;
}

void mo_predecessor_free(mo_predecessor *p)
{
	if (!p->back.why)
		mo_receipts_follow(-1);
	free(p->back.why);
	mo_program_close(&p->program);
	mo_child_fini(&p->child);
	mo_taker_free(p->taker);
	mo_receipt_free(p->receipt);
	free(p->target);
	free(p->path);
	free(p->back_by);
	json_decref(p->dropped);
	free(p);
}

/* ---- the phases ---------------------------------------------------------- */

static int look_at_machine(mo_predecessor *p, char **why)
{
	json_t *found = json_object();
	mo_preflight checks;
	int rc;

	mo_preflight_init(&checks);
	p->host->preflight(&checks);
	rc = mo_preflight_run(&checks, &p->program, found, why);
	json_object_set_new(p->receipt->body, "preflight", found);
	if (rc == 0)
		rc = mo_older_make_room(p->host->max_generations(), p->receipt->body, why);
	return rc;
}

static int preflight(mo_predecessor *p)
{
	char *why = NULL;
	int rc;

	mo_receipt_phase(p->receipt, MO_PHASE_PREFLIGHT);
	if (!p->path)
		return mo_child_fail(&p->child, -ENOENT,
				     mo_strdup("the path of this program is not known"));
	rc = MO_FAULT("step", "preflight", -1);
	if (rc < 0)
		return mo_child_fail(&p->child, rc, mo_strdup(strerror(-rc)));
	rc = p->back_by ? mo_previous_program(&p->program, &why)
			: mo_program_open(p->path, &p->program, &why);
	if (rc == 0)
		rc = look_at_machine(p, &why);
	return rc < 0 ? mo_child_fail(&p->child, rc, why) : 0;
}

/* In place of it for a program that is there already. */
static int make_room(mo_predecessor *p)
{
	char *why = NULL;
	int rc;

	mo_receipt_phase(p->receipt, MO_PHASE_PREFLIGHT);
	rc = mo_older_make_room(p->host->max_generations(), p->receipt->body, &why);
	return rc < 0 ? mo_child_fail(&p->child, rc, why) : 0;
}

static int spawn(mo_predecessor *p)
{
	int rc = 0;

	mo_receipt_phase(p->receipt, MO_PHASE_SPAWN);
	if (!p->taker)
		rc = mo_child_spawn(&p->child, &p->program, p->target);
	if (rc < 0)
		return rc;
	mo_self_set_successor(p->child.pid);
	mo_successor_say_begun(p->child.pid, p->child.pidfd);
	json_object_set_new(p->receipt->body, "successor_pid", json_integer(p->child.pid));
	json_object_set_new(p->receipt->body, "successor_generation", json_integer(p->generation));
	return 0;
}

static int send_part(void *arg, json_t *body, const int *fds, int n)
{
	return mo_child_send(&((mo_predecessor *)arg)->child, body, fds, n);
}

/* With them the successor resumes the TLS sessions that we began. */
static int send_ticket_keys(mo_predecessor *p)
{
	uint8_t keys[MO_TICKET_EXPORT];
	molt_str piece = { (const char *)keys, mo_tickets_export(keys) };
	int rc = mo_wire_send_blob(p->child.channel, mo_message_new(MO_MSG_TICKETS, NULL), NULL, 0,
				   &piece, 1);

	explicit_bzero(keys, sizeof(keys));
	if (rc == -EPIPE || rc == -ECONNRESET)
		return mo_child_closed(&p->child);
	return rc < 0 ? mo_child_fail(&p->child, rc,
				      mo_fmt("the ticket keys cannot be sent: %s", strerror(-rc)))
		      : 0;
}

/* The program may still want to give its freshest state. */
static int send_state(mo_predecessor *p)
{
	json_t *told;
	int rc;

	mo_self_fire(MOLT_ON_OFFER);
	rc = mo_state_offer(send_part, p, &told);
	if (told)
		json_object_set_new(p->receipt->body, "state", told);
	return rc;
}

static int offer(mo_predecessor *p)
{
	static mo_gen_listener all[MO_OFFER_MAX]; /* one restart at a time */
	size_t n = mo_offer_collect(p->host, all, MO_OFFER_MAX);
	int fds[3] = { STDERR_FILENO, p->child.tail_fd, mo_supervisor_client_fd() };
	json_t *body = mo_message_new(MO_MSG_OFFER, "{s:i, s:i, s:s, s:s?, s:i, s:b}", "generation",
				      (int)p->generation, "pid", (int)getpid(), "exe", p->path,
				      "control_socket", mo_origin_get()->control_socket,
				      "supervisor", mo_supervisor_client_supervisor(), "supervised",
				      mo_supervisor_client_is());
	int rc;

	mo_receipt_phase(p->receipt, MO_PHASE_OFFER);
	mo_forms_name(body, p->host);
	rc = mo_child_send(&p->child, body, fds, p->taker ? 0 : mo_supervisor_client_is() ? 3 : 2);
	if (rc == 0)
		rc = send_ticket_keys(p);
	if (rc == 0)
		rc = mo_older_offer(send_part, p);
	if (rc == 0)
		rc = mo_child_send(&p->child, mo_ledger_offer(p->host), NULL, 0);
	if (rc == 0)
		rc = send_state(p);
	if (rc == 0)
		rc = mo_previous_offer(send_part, p);
	if (rc == 0)
		rc = mo_offer_send(all, n, send_part, p);
	if (rc == 0)
		mo_receipts_follow(p->child.channel);
	return rc;
}

static int probe(mo_predecessor *p, const json_t *ready)
{
	mo_gen_probe first;
	json_t *told;
	int rc;

	if (p->host->probes(&first, 1) == 0)
		return 0;
	mo_receipt_phase(p->receipt, MO_PHASE_PROBE);
	rc = mo_probes_run(&p->child, p->host, ready, &told);
	json_object_set_new(p->receipt->body, "probes", told);
	return rc;
}

static void record_number(json_t *to, const json_t *from, const char *key)
{
	json_object_set_new(to, key, json_integer(mo_json_count(from, key)));
}

/* What the program said to the state that it was offered.  Only what a receipt has
 * comes into it, whatever the program says. */
static void record_state(mo_predecessor *p, const json_t *ready)
{
	json_t *told = json_object_get(p->receipt->body, "state");
	json_t *said = json_object_get(ready, "state"), *one, *refused;
	size_t i;

	if (!told || !said)
		return;
	refused = json_array();
	json_array_foreach (json_object_get(said, "refused"), i, one)
		json_array_append_new(refused,
				      json_pack("{s:s, s:s}", "key", mo_json_str(one, "key"), "why",
						mo_json_str(one, "why")));
	record_number(told, said, "taken");
	record_number(told, said, "kept");
	json_object_set_new(told, "refused", refused);
}

static void record_listeners(mo_predecessor *p, const json_t *ready)
{
	const json_t *said = json_object_get(ready, "listeners");
	json_t *told = json_object();

	record_number(told, said, "adopted");
	record_number(told, said, "bound");
	record_number(told, said, "closed");
	json_object_set_new(p->receipt->body, "listeners", told);
}

/* INIT, READY and PROBE. */
static int await_ready(mo_predecessor *p)
{
	molt_time limit = p->host->ready_timeout();
	mo_wire_msg m;
	int rc;

	mo_receipt_phase(p->receipt, MO_PHASE_INIT);
	rc = mo_child_await(&p->child, MO_MSG_READY, mo_deadline(limit), &m);
	if (rc == -ETIMEDOUT)
		return mo_child_fail(
			&p->child, rc,
			mo_fmt("it was not ready within %lld ms (readyTimeout) and was killed; "
			       "does it call molt_wait() or molt_server_run()?",
			       (long long)limit));
	if (rc < 0)
		return rc;
	mo_receipt_phase(p->receipt, MO_PHASE_READY);
	if (m.pid != p->child.started && !p->taker)
		rc = mo_child_fail(
			&p->child, -EPROTO,
			mo_fmt("pid %d reported ready, but pid %d was started; a wrapper script "
			       "must exec the program, and a program must not go into the "
			       "background",
			       (int)m.pid, (int)p->child.started));
	record_listeners(p, m.body);
	p->dropped = json_incref(json_object_get(m.body, "dropped"));
	p->child.reports = json_is_true(json_object_get(m.body, "health"));
	mo_forms_read(&p->child.forms, m.body, p->host);
	record_state(p, m.body);
	if (rc == 0)
		rc = probe(p, m.body);
	mo_wire_free(&m);
	return rc;
}

/* It may have opened its log files before they were renamed. */
static json_t *commit_message(const mo_predecessor *p)
{
	return mo_message_new(MO_MSG_COMMIT, "{s:b}", "reopen",
			      (int)(mo_older_reopens() != p->reopens));
}

/* Before there can be a third one: neither our own predecessor nor a successor that was
 * taken back may serve again when we die. */
static int say_replaced(mo_predecessor *p)
{
	int rc = mo_successor_say_replaced(TELL_TIMEOUT);

	if (rc == 0)
		rc = mo_predecessor_say_replaced(TELL_TIMEOUT);
	return rc < 0 ? mo_child_fail(&p->child, rc,
				      mo_fmt("another generation, which could serve again, cannot "
					     "be told of it: %s",
					     strerror(-rc)))
		      : 0;
}

static int switch_over(mo_predecessor *p)
{
	mo_wire_msg m;
	int rc;

	mo_receipt_phase(p->receipt, MO_PHASE_SWITCH);
	rc = say_replaced(p);
	if (rc < 0)
		return rc;
	mo_older_watch(false);
	p->stopped_accepting = p->child.committed = true;
	p->host->accept(false);
	(void)MO_FAULT("step", "switch", p->child.channel);
	/* The last moment in which it means the whole service. */
	if (mo_self_shutdown_asked())
		return mo_child_fail(&p->child, -ECANCELED,
				     mo_strdup("a shutdown was asked for meanwhile"));
	/* What has been counted since the offer; from here on we tell it as an older generation. */
	rc = mo_child_send(&p->child, mo_ledger_offer(p->host), NULL, 0);
	if (rc == 0)
		rc = mo_child_send(&p->child, commit_message(p), NULL, 0);
	if (rc == 0 && p->taker)
		mo_supervisor_client_taken();
	mo_event_bus_down_open(p->child.channel);
	if (rc == 0)
		rc = mo_child_await(&p->child, MO_MSG_SERVING, mo_deadline(SERVING_TIMEOUT), &m);
	if (rc == -ETIMEDOUT)
		return mo_child_fail(&p->child, rc,
				     mo_strdup("it was ready but did not begin to serve"));
	if (rc == 0)
		mo_wire_free(&m);
	return rc;
}

static const char *outcome_of(const mo_predecessor *p)
{
	return p->receipt->phase <= MO_PHASE_SPAWN ? "refused" : "failed";
}

static void tell_last_lines(mo_predecessor *p)
{
	json_t *lines, *line;
	size_t i;

	if (!p->child.tail)
		return;
	mo_stderr_tail_read_now(p->child.tail);
	lines = mo_stderr_tail_lines(p->child.tail);
	json_array_foreach (lines, i, line)
		mo_error("  its last lines: %s", json_string_value(line));
	if (p->quiet)
		json_decref(lines);
	else
		json_object_set_new(p->receipt->body, "last_lines", lines);
}

static void give_up(mo_predecessor *p, int code)
{
	const char *why;

	mo_event_bus_down_close();
	mo_receipts_follow(-1);
	mo_child_kill(&p->child);
	mo_child_last_words(&p->child);
	mo_child_kill_speaker(&p->child);
	mo_older_withdraw();
	mo_older_watch(true);
	mo_child_kill_next(&p->child);
	if (p->left)
		p->host->come_back();
	if (p->stopped_accepting) {
		mo_standby_serve_again(p);
		p->host->accept(true);
	}
	if (p->left) {
		p->host->announce_close(MO_GEN_CLOSE_NONE);
		mo_reopen_dropped(p->host);
	}
	mo_child_record_end(&p->child, p->receipt->body);
	why = mo_child_why(&p->child, code);
	mo_error("restart %s in phase %s: %s", outcome_of(p), mo_phase_name(p->receipt->phase),
		 why);
	tell_last_lines(p);
	mo_receipt_end(p->receipt, outcome_of(p), code, why);
	mo_receipts_put(p->receipt->body);
	mo_successor_tell_receipt(p->receipt->body);
}

static void end_well(mo_predecessor *p)
{
	char *reason = p->back_by ? mo_fmt("asked for by %s; the previous program, which is kept, "
					   "was started",
					   p->back_by)
				  : NULL;

	mo_receipt_end(p->receipt, p->back_by ? "rolled back" : "switched", 0, reason);
	free(reason);
}

void mo_predecessor_keep_quiet(mo_predecessor *p)
{
	p->quiet = true;
}

int mo_predecessor_run(mo_predecessor *p)
{
	int rc = p->taker ? make_room(p) : preflight(p);

	if (rc == 0)
		rc = spawn(p);
	if (rc == 0)
		rc = offer(p);
	if (rc == 0)
		rc = await_ready(p);
	if (rc == 0)
		rc = switch_over(p);
	if (rc == 0)
		rc = mo_standby_hand_over(p);
	if (rc < 0) {
		give_up(p, rc);
		return rc;
	}
	newest = p->generation;
	json_object_set_new(p->receipt->body, "moved", json_integer(p->moved));
	end_well(p);
	mo_receipts_put(p->receipt->body);
	mo_info("generation %u (pid %d) serves after %lld ms; generation %u drains", p->generation,
		(int)p->child.pid, (long long)mo_json_int(p->receipt->body, "ms"),
		mo_self_generation());
	/* From here the successor reads its own standard error. */
	mo_stderr_tail_free(p->child.tail);
	p->child.tail = NULL;
	return 0;
}
