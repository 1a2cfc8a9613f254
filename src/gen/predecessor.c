/* The old side of a restart; see predecessor.h for its phases. */
#include "gen/predecessor.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "gen/control.h"
#include "gen/drain.h"
#include "gen/move.h"
#include "gen/notify.h"
#include "gen/offer.h"
#include "gen/receipt.h"
#include "gen/relay.h"
#include "gen/spawn.h"
#include "gen/start.h"
#include "gen/successor.h"
#include "gen/tail.h"
#include "gen/uplink.h"
#include "gen/wire.h"
#include "net/ticket.h"
#include "rt/park.h"

#define SERVING_TIMEOUT (5 * MOLT_SECOND)
#define OFFER_TIMEOUT (10 * MOLT_SECOND)

struct mo_predecessor {
	const mo_gen_host *host;
	mo_receipt *receipt;
	unsigned generation; /* of the successor */
	char *target;        /* as asked, or NULL */
	char *path;          /* absolute, of the program */
	mo_program program;
	pid_t pid;  /* 0: not started, or reaped */
	int status; /* of waitpid, when reaped */
	bool status_known;
	int channel; /* to the successor; -1 */
	int tail_fd; /* reading end of its standard error, for the offer; -1 */
	mo_tail *tail;
	char *why;  /* the failure as a sentence */
	char *said; /* the same by the successor itself, which knows better */
	bool stopped_accepting;
	bool left;     /* the successor has served */
	bool stops;    /* it is being shut down: its end is wanted */
	bool replaced; /* it has a successor of its own: its end is wanted */
	molt_time bake_end;
	bool move_failed;
	long moved;      /* connections that the successor took */
	json_t *dropped; /* listeners that it does not want */
};

mo_predecessor *mo_predecessor_new(const mo_gen_host *host, const char *target)
{
	mo_predecessor *p = mo_calloc(1, sizeof(*p));
	mo_gen_info info;

	mo_control_info(&info);
	p->host = host;
	p->generation = info.generation + 1;
	p->target = mo_strdup(target);
	p->path = mo_strdup(target ? target : mo_start_get()->exe);
	p->receipt = mo_receipt_new(info.generation, p->path);
	p->channel = p->tail_fd = p->program.fd = -1;
	return p;
}

void mo_predecessor_free(mo_predecessor *p)
{
	mo_program_close(&p->program);
	if (p->channel >= 0)
		close(p->channel);
	if (p->tail_fd >= 0)
		close(p->tail_fd);
	mo_tail_free(p->tail);
	mo_receipt_free(p->receipt);
	free(p->target);
	free(p->path);
	free(p->why);
	free(p->said);
	json_decref(p->dropped);
	free(p);
}

/* The first failure's sentence counts: later ones follow from it. */
static int fail(mo_predecessor *p, int code, char *why)
{
	if (p->why)
		free(why);
	else
		p->why = why;
	return code;
}

/* ---- the successor's process ------------------------------------------- */

/* true when it has ended; then it is reaped and p->status says how. */
static bool reap(mo_predecessor *p)
{
	pid_t got;

	if (p->pid == 0)
		return true;
	got = waitpid(p->pid, &p->status, WNOHANG);
	if (got == 0 || (got < 0 && errno == EINTR))
		return false;
	/* ECHILD: somebody else (SIGCHLD ignored) took the status. */
	if (got < 0 && kill(p->pid, 0) == 0)
		return false;
	p->status_known = got > 0;
	p->pid = 0;
	return true;
}

static void kill_and_reap(mo_predecessor *p)
{
	if (p->pid)
		kill(p->pid, SIGKILL);
	while (!reap(p))
		mo_control_nap(1);
}

static char *describe_end(const mo_predecessor *p, const char *when)
{
	if (!p->status_known)
		return mo_fmt("it ended %s", when);
	if (WIFSIGNALED(p->status))
		return mo_fmt("it was killed by signal %d (%s) %s", WTERMSIG(p->status),
			      strsignal(WTERMSIG(p->status)), when);
	return mo_fmt("it exited with status %d %s", WEXITSTATUS(p->status), when);
}

static const char *when_now(const mo_predecessor *p)
{
	return p->stopped_accepting ? "before it served" : "before it was ready";
}

static void record_end(mo_predecessor *p)
{
	json_t *b = p->receipt->body;

	if (!p->status_known)
		return;
	if (WIFSIGNALED(p->status))
		json_object_set_new(b, "signal", json_integer(WTERMSIG(p->status)));
	else
		json_object_set_new(b, "exit_status", json_integer(WEXITSTATUS(p->status)));
}

/* ---- messages ----------------------------------------------------------- */

/* Takes what may come besides the message that is waited for. */
static void on_other_message(mo_predecessor *p, const mo_wire_msg *m)
{
	if (strcmp(m->type, "log") == 0) {
		const char *line = mo_json_str(m->body, "line");

		if (p->tail)
			mo_tail_add(p->tail, line, strlen(line));
	} else if (strcmp(m->type, "failed") == 0 && !p->said) {
		p->said = mo_strdup(mo_json_str(m->body, "why"));
	} else if (strcmp(m->type, "stopping") == 0) {
		p->stops = true;
	} else if (strcmp(m->type, "replaced") == 0) {
		p->replaced = true;
	} else if (strcmp(m->type, "event") == 0) {
		mo_relay_from_below(m);
	}
}

/* What it said before it went; an end that came while our messages were unread
 * is told before its own are given. */
static void take_last_messages(mo_predecessor *p)
{
	mo_wire_msg m;

	for (int ends = 0; p->channel >= 0 && ends < 2;) {
		if (mo_wire_recv(p->channel, &m) != 1) {
			ends++;
			continue;
		}
		on_other_message(p, &m);
		mo_wire_free(&m);
	}
}

/* The channel is closed: the program ended, or closed it and lives on. */
static int on_channel_closed(mo_predecessor *p)
{
	molt_time deadline = mo_deadline(MOLT_SECOND);

	while (!reap(p) && mo_left(deadline) > 0)
		mo_control_nap(2);
	if (p->pid)
		return fail(p, -EPROTO,
			    mo_fmt("it closed the handover socket without being ready; is %s a "
				   "program built with libmolt that calls molt_wait()?",
				   p->path));
	return fail(p, -ECHILD, describe_end(p, when_now(p)));
}

/* Waits for a message of that type.  0 and *m to be freed, or <0. */
static int await(mo_predecessor *p, const char *type, molt_time deadline, mo_wire_msg *m)
{
	for (;;) {
		int rc = mo_wire_recv(p->channel, m);

		if (rc == 1 && strcmp(m->type, type) == 0)
			return 0;
		if (rc == 1) {
			on_other_message(p, m);
			mo_wire_free(m);
			continue;
		}
		if (rc == 0)
			return on_channel_closed(p);
		if (rc != -EAGAIN)
			return fail(p, -EPROTO, mo_strdup("it sent what is no message of Molt"));
		if (mo_control_shutdown_asked() && deadline != INT64_MAX)
			return fail(p, -ECANCELED, mo_strdup("a shutdown was asked for meanwhile"));
		if (mo_left(deadline) == 0)
			return -ETIMEDOUT;
		/* A grandchild may hold the socket open: look for the end by hand too. */
		if (reap(p))
			return fail(p, -ECHILD, describe_end(p, when_now(p)));
		rc = mo_co_wait_fd(
			p->channel, UV_READABLE,
			mo_left(deadline) > 50 || deadline == INT64_MAX ? 50 : mo_left(deadline));
		MO_CHECK(rc > 0 || rc == -ETIMEDOUT);
	}
}

/* Sends, waiting for room; a program that never reads runs into the deadline. */
static int send_message(mo_predecessor *p, json_t *body, const int *fds, int n)
{
	molt_time deadline = mo_deadline(OFFER_TIMEOUT);
	int rc;

	for (;;) {
		rc = mo_wire_send(p->channel, json_incref(body), fds, n);
		if (rc != -EAGAIN || mo_left(deadline) == 0)
			break;
		mo_control_nap(2);
	}
	json_decref(body);
	if (rc == 0)
		return 0;
	if (rc == -EPIPE || rc == -ECONNRESET)
		return on_channel_closed(p);
	return fail(p, rc, mo_fmt("the handover to it failed: %s", strerror(-rc)));
}

/* ---- the phases ---------------------------------------------------------- */

static int preflight(mo_predecessor *p)
{
	char *why = NULL;
	int rc;

	mo_receipt_phase(p->receipt, MO_PHASE_PREFLIGHT);
	if (!p->path)
		return fail(p, -ENOENT, mo_strdup("the path of this program is not known"));
	rc = mo_program_open(p->path, &p->program, &why);
	return rc < 0 ? fail(p, rc, why) : 0;
}

static int spawn(mo_predecessor *p)
{
	int theirs = -1, pipe_fds[2] = { -1, -1 };
	int rc;

	mo_receipt_phase(p->receipt, MO_PHASE_SPAWN);
	rc = mo_wire_pair(&p->channel, &theirs);
	if (rc == 0 && pipe2(pipe_fds, O_CLOEXEC) < 0)
		rc = -errno;
	if (rc == 0) {
		p->tail_fd = fcntl(pipe_fds[0], F_DUPFD_CLOEXEC, 3);
		if (p->tail_fd < 0) {
			rc = -errno;
			close(pipe_fds[0]);
		} else {
			p->tail = mo_tail_new(mo_control_loop(), pipe_fds[0], STDERR_FILENO);
			rc = mo_spawn(&p->program, p->target, pipe_fds[1], theirs, &p->pid);
		}
	}
	if (theirs >= 0)
		close(theirs);
	if (pipe_fds[1] >= 0)
		close(pipe_fds[1]);
	if (rc < 0) {
		p->pid = 0;
		return fail(p, rc, mo_fmt("cannot start %s: %s", p->path, strerror(-rc)));
	}
	mo_control_set_successor(p->pid);
	json_object_set_new(p->receipt->body, "successor_pid", json_integer(p->pid));
	json_object_set_new(p->receipt->body, "successor_generation", json_integer(p->generation));
	return 0;
}

static int send_part(void *arg, json_t *body, const int *fds, int n)
{
	return send_message(arg, body, fds, n);
}

/* With them the successor resumes the TLS sessions that we began. */
static int send_ticket_keys(mo_predecessor *p)
{
	uint8_t keys[MO_TICKET_EXPORT];
	molt_str piece = { (const char *)keys, mo_tickets_export(keys) };
	int rc = mo_wire_send_blob(p->channel, json_pack("{s:s}", "type", "tickets"), NULL, 0,
				   &piece, 1);

	explicit_bzero(keys, sizeof(keys));
	if (rc == -EPIPE || rc == -ECONNRESET)
		return on_channel_closed(p);
	return rc < 0 ? fail(p, rc, mo_fmt("the ticket keys cannot be sent: %s", strerror(-rc)))
		      : 0;
}

static int offer(mo_predecessor *p)
{
	static mo_gen_listener all[MO_OFFER_MAX]; /* one restart at a time */
	size_t n = mo_offer_collect(p->host, all, MO_OFFER_MAX);
	int fds[3] = { STDERR_FILENO, p->tail_fd, mo_uplink_fd() };
	int rc;

	mo_receipt_phase(p->receipt, MO_PHASE_OFFER);
	rc = send_message(p,
			  json_pack("{s:s, s:i, s:i, s:i, s:s, s:s?, s:i, s:o}", "type", "offer",
				    "protocol", MO_WIRE_PROTOCOL, "generation", (int)p->generation,
				    "pid", (int)getpid(), "exe", p->path, "control_socket",
				    mo_start_get()->control_socket, "supervisor",
				    mo_uplink_supervisor(), "receipts", mo_receipts_all()),
			  fds, mo_uplink_is() ? 3 : 2);
	if (rc == 0)
		rc = send_ticket_keys(p);
	return rc < 0 ? rc : mo_offer_send(all, n, send_part, p);
}

static int await_ready(mo_predecessor *p)
{
	molt_time limit = p->host->ready_timeout();
	mo_wire_msg m;
	json_t *listeners;
	int rc;

	mo_receipt_phase(p->receipt, MO_PHASE_INIT);
	rc = await(p, "ready", mo_deadline(limit), &m);
	if (rc == -ETIMEDOUT)
		return fail(p, rc,
			    mo_fmt("it was not ready within %lld ms (readyTimeout) and was killed; "
				   "does it call molt_wait() or molt_server_run()?",
				   (long long)limit));
	if (rc < 0)
		return rc;
	mo_receipt_phase(p->receipt, MO_PHASE_READY);
	if (m.pid != p->pid)
		rc = fail(p, -EPROTO,
			  mo_fmt("pid %d reported ready, but pid %d was started; a wrapper script "
				 "must exec the program",
				 (int)m.pid, (int)p->pid));
	listeners = json_object_get(m.body, "listeners");
	if (listeners)
		json_object_set(p->receipt->body, "listeners", listeners);
	p->dropped = json_incref(json_object_get(m.body, "dropped"));
	mo_wire_free(&m);
	return rc;
}

static int switch_over(mo_predecessor *p)
{
	mo_wire_msg m;
	int rc;

	mo_receipt_phase(p->receipt, MO_PHASE_SWITCH);
	/* Before there can be a third one: our own predecessor must not come back. */
	mo_successor_say("replaced");
	p->stopped_accepting = true;
	p->host->accept(false);
	rc = send_message(p, json_pack("{s:s}", "type", "commit"), NULL, 0);
	mo_relay_down_open(p->channel);
	if (rc == 0)
		rc = await(p, "serving", mo_deadline(SERVING_TIMEOUT), &m);
	if (rc == -ETIMEDOUT)
		return fail(p, rc, mo_strdup("it was ready but did not begin to serve"));
	if (rc == 0)
		mo_wire_free(&m);
	return rc;
}

/* Sends connections and waits for the answer, however long it takes: until the
 * successor has answered or is gone, nobody may touch them. */
static int exchange_conns(void *arg, json_t *body, const int *fds, int n, const molt_str *pieces,
			  mo_wire_msg *answer)
{
	mo_predecessor *p = arg;
	int rc;

	for (;;) {
		rc = mo_wire_send_blob(p->channel, json_incref(body), fds, n, pieces,
				       2 * (size_t)n);
		if (rc != -EAGAIN)
			break;
		mo_control_nap(1);
	}
	json_decref(body);
	return rc < 0 ? rc : await(p, "took", INT64_MAX, answer);
}

/* Connections move as soon as they can: now, and each time when this is called
 * again, those whose answer has been sent meanwhile. */
static void move_connections(mo_predecessor *p)
{
	mo_move_link link = { .arg = p, .exchange = exchange_conns };
	long n;

	if (p->channel < 0 || p->move_failed)
		return;
	n = mo_move_give(p->host, &link);
	if (n >= 0) {
		p->moved += n;
		return;
	}
	mo_relay_down_close();
	mo_warn("connections cannot be moved to generation %u any more; they end with their next "
		"answer",
		p->generation);
	p->move_failed = true;
	p->host->announce_close(MO_GEN_CLOSE_ALL);
}

/* The successor keeps the receipts; it may be gone, and then nobody does. */
static void tell_receipt(const mo_predecessor *p, json_t *receipt)
{
	mo_wire_send(p->channel, json_pack("{s:s, s:O}", "type", "receipt", "receipt", receipt),
		     NULL, 0);
}

static const char *outcome_of(const mo_predecessor *p)
{
	return p->receipt->phase <= MO_PHASE_SPAWN ? "refused" : "failed";
}

/* The successor may have said to supervisor and manager that it serves. */
static void serve_again(const mo_predecessor *p)
{
	mo_uplink_serving(p->host);
	if (p->left)
		mo_notify_ready(p->generation - 1, true);
}

static void give_up(mo_predecessor *p, int code)
{
	json_t *lines;
	size_t i;
	json_t *line;

	mo_relay_down_close();
	kill_and_reap(p);
	take_last_messages(p);
	if (p->left)
		p->host->come_back();
	if (p->stopped_accepting) {
		p->host->accept(true);
		serve_again(p);
	}
	record_end(p);
	if (p->said) {
		free(p->why);
		p->why = p->said;
		p->said = NULL;
	} else if (!p->why) {
		p->why = mo_strdup(strerror(-code));
	}
	mo_error("restart %s in phase %s: %s", outcome_of(p), mo_phase_name(p->receipt->phase),
		 p->why);
	if (p->tail) {
		mo_tail_read_now(p->tail);
		lines = mo_tail_lines(p->tail);
		json_array_foreach (lines, i, line)
			mo_error("  its last lines: %s", json_string_value(line));
		json_object_set_new(p->receipt->body, "last_lines", lines);
	}
	mo_receipt_end(p->receipt, outcome_of(p), code, p->why);
	mo_receipts_put(p->receipt->body);
}

static void drop_listeners(const mo_predecessor *p)
{
	json_t *one;
	size_t i;

	json_array_foreach (p->dropped, i, one)
		p->host->drop(mo_json_str(one, "server"), mo_json_str(one, "text"));
}

/* HANDOVER.  -ECHILD when the successor dies meanwhile: we still have all
 * listeners and whatever it did not take. */
static int hand_over(mo_predecessor *p)
{
	mo_receipt_phase(p->receipt, MO_PHASE_HANDOVER);
	p->left = true;
	p->host->leave();
	mo_notify_main(p->pid);
	mo_wire_send(p->channel, json_pack("{s:s}", "type", "main"), NULL, 0);
	p->host->announce_close(MO_GEN_CLOSE_UNMOVABLE);
	move_connections(p);
	if (p->pid && reap(p))
		return fail(p, -ECHILD, describe_end(p, "while connections were given to it"));
	drop_listeners(p);
	p->bake_end = mo_deadline(p->host->bake_time());
	return 0;
}

int mo_predecessor_run(mo_predecessor *p)
{
	int rc = preflight(p);

	if (rc == 0)
		rc = spawn(p);
	if (rc == 0)
		rc = offer(p);
	if (rc == 0)
		rc = await_ready(p);
	if (rc == 0)
		rc = switch_over(p);
	if (rc == 0)
		rc = hand_over(p);
	if (rc < 0) {
		give_up(p, rc);
		return rc;
	}
	json_object_set_new(p->receipt->body, "moved", json_integer(p->moved));
	mo_receipt_end(p->receipt, "switched", 0, NULL);
	mo_receipts_put(p->receipt->body);
	tell_receipt(p, p->receipt->body);
	mo_info("generation %u (pid %d) serves after %lld ms; generation %u drains", p->generation,
		(int)p->pid, (long long)mo_json_int(p->receipt->body, "ms"), p->generation - 1);
	/* From here the successor reads its own standard error. */
	mo_tail_free(p->tail);
	p->tail = NULL;
	return 0;
}

static void read_messages(mo_predecessor *p)
{
	mo_wire_msg m;

	while (mo_wire_recv(p->channel, &m) == 1) {
		on_other_message(p, &m);
		mo_wire_free(&m);
	}
}

/* The successor's process has ended: was that wanted? */
static enum mo_drain_say successor_ended(mo_predecessor *p)
{
	take_last_messages(p);
	if (p->replaced)
		return MO_DRAIN_ON;
	if (p->stops || (p->status_known && WIFEXITED(p->status) && WEXITSTATUS(p->status) == 0))
		return MO_DRAIN_ALONE;
	p->why = describe_end(p, "after it had begun to serve");
	return MO_DRAIN_BACK;
}

/* BAKE and DRAIN: connections follow as they become movable; while the successor
 * has not proved itself, we stay.  A generation whose own predecessor still
 * drains stays, too: it passes on what that one gives it. */
static enum mo_drain_say while_draining(void *arg)
{
	mo_predecessor *p = arg;
	mo_gen_info info;

	move_connections(p);
	read_messages(p);
	mo_relay_tell_seen();
	if (p->pid && reap(p)) {
		enum mo_drain_say say = successor_ended(p);

		if (say != MO_DRAIN_ON)
			return say;
	}
	if (p->stops && !p->replaced)
		return MO_DRAIN_ALONE;
	mo_control_info(&info);
	if (info.predecessor_alive || (mo_left(p->bake_end) > 0 && !p->replaced))
		return MO_DRAIN_STAY;
	return MO_DRAIN_ON;
}

/* The successor died after the switch, and we are still here. */
static void take_back(mo_predecessor *p)
{
	p->host->come_back();
	/* Before the first connection that may ask for the next restart. */
	mo_control_set_successor(0);
	mo_control_set_state(MO_GEN_SERVING);
	p->host->accept(true);
	serve_again(p);
	mo_error("generation %u is gone: %s; generation %u serves again", p->generation, p->why,
		 p->generation - 1);
	record_end(p);
	json_object_set_new(p->receipt->body, "outcome", json_string("taken back"));
	json_object_set_new(p->receipt->body, "reason", json_string(p->why));
	mo_receipt_phase(p->receipt, MO_PHASE_END);
	mo_receipts_put(p->receipt->body);
}

bool mo_predecessor_drain(mo_predecessor *p)
{
	mo_drain_result d;

	p->receipt->phase = MO_PHASE_DRAIN;
	d = mo_drain_after_restart(p->host, while_draining, p);
	mo_relay_settle();
	mo_relay_down_close();
	if (d.back) {
		take_back(p);
		return false;
	}
	json_object_set_new(p->receipt->body, "moved", json_integer(p->moved));
	mo_receipt_phase(p->receipt, MO_PHASE_END);
	json_object_set_new(p->receipt->body, "drained",
			    json_pack("{s:I, s:I, s:i, s:I}", "connections",
				      (json_int_t)d.connections, "requests", (json_int_t)d.requests,
				      "cut", (int)d.cut, "ms", (json_int_t)d.ms));
	mo_receipts_put(p->receipt->body);
	tell_receipt(p, p->receipt->body);
	return true;
}
