/* The supervisor's programs: starting them, with the offer of what is kept, and
 * what generations say; see supervisor_internal.h. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include "gen/os/origin.h"
#include "gen/os/pidfd.h"
#include "gen/receipt/receipt.h"
#include "gen/receipt/receipt_wire.h"
#include "gen/wire/forms.h"
#include "gen/wire/messages.h"
#include "gen/wire/question.h"
#include "supervisor/listener_store.h"
#include "supervisor/process_table.h"
#include "supervisor/supervisor_internal.h"
#include "supervisor/upgrade.h"

#define LEAST_PAUSE (100 * MOLT_MS)
#define LONGEST_PAUSE (10 * MOLT_SECOND)
#define STABLE MOLT_SECOND /* served so long: the pause is short again */

/* ---- starting --------------------------------------------------------------- */

void mo_sup_close_channel(void)
{
	mo_receipts_follow(-1);
	if (mo_sup.channel >= 0)
		close(mo_sup.channel);
	mo_sup.channel = -1;
}

static int send_part(void *unused, json_t *body, const int *fds, int n)
{
	(void)unused;
	return mo_wire_send(mo_sup.channel, body, fds, n);
}

/* The ordinary offer, with what we keep. */
static int offer(void)
{
	const mo_gen_listener *all;
	size_t n = mo_store_all(&all);
	json_t *body = mo_message_new(MO_MSG_OFFER, "{s:b, s:i, s:i, s:i, s:s, s:s?}",
				      "from_supervisor", 1, "generation", (int)mo_sup.generation,
				      "pid", (int)getpid(), "supervisor", (int)getpid(), "exe",
				      mo_sup.exe, "control_socket", mo_sup.control_socket);
	int rc;

	mo_forms_name_protocol(body);
	rc = mo_wire_send(mo_sup.channel, body, &mo_sup.link_theirs, 1);
	if (rc == 0)
		rc = mo_offer_send(all, n, send_part, NULL);
	if (rc == 0)
		mo_receipts_follow(mo_sup.channel);
	return rc;
}

int mo_sup_spawn(void)
{
	bool other = strcmp(mo_sup.exe, mo_sup.path) != 0;
	int theirs, rc = MO_FAULT("step", "start", -1);
	pid_t pid;

	if (rc == 0)
		rc = mo_wire_pair(&mo_sup.channel, &theirs);
	if (rc < 0)
		return rc;
	rc = mo_spawn(&mo_sup.program, other ? mo_sup.exe : NULL, STDERR_FILENO, theirs, &pid);
	close(theirs);
	if (rc < 0) {
		mo_sup_close_channel();
		return rc;
	}
	/* A number that nobody has had, also none that was taken back. */
	if (mo_receipts_newest() > mo_sup.generation)
		mo_sup.generation = mo_receipts_newest();
	mo_sup.generation++;
	mo_sup.starting = pid;
	mo_sup.opened = mo_sup.committed = false;
	mo_processes_watch(pid);
	if (offer() < 0)
		mo_processes_signal_one(pid, SIGKILL); /* it has ended, or reads nothing */
	return 0;
}

void mo_sup_start_later(void)
{
	if (mo_sup.since && mo_now() - mo_sup.since >= STABLE)
		mo_sup.pause = 0;
	mo_sup.since = 0;
	mo_sup.pause = mo_sup.pause ? 2 * mo_sup.pause : LEAST_PAUSE;
	if (mo_sup.pause > LONGEST_PAUSE)
		mo_sup.pause = LONGEST_PAUSE;
	mo_sup.retry_at = mo_now() + mo_sup.pause;
}

void mo_sup_start_now(void)
{
	int rc;

	mo_processes_doom_candidates();
	mo_sup.retry_at = 0;
	rc = mo_sup_spawn();
	if (rc == 0)
		return;
	mo_error("supervisor: cannot start %s: %s", mo_sup.exe, strerror(-rc));
	mo_sup_start_later();
}

/* ---- what generations say ------------------------------------------------------ */

/* The file that serves is kept open: a worse one may be put at its path.  A script
 * is the exception, for its interpreter wants a path. */
static void remember_program(pid_t pid, const char *exe)
{
	char link[32], *why = NULL;
	mo_program found;

	if (!*exe)
		return;
	mo_strset(&mo_sup.exe, exe);
	if (mo_program_open(exe, &found, &why) == 0 && found.script) {
		mo_program_close(&mo_sup.program);
		mo_sup.program = found;
		return;
	}
	mo_program_close(&found);
	free(why);
	snprintf(link, sizeof(link), "/proc/%d/exe", (int)pid);
	if (mo_program_open(link, &found, &why) == 0) {
		mo_program_close(&mo_sup.program);
		mo_sup.program = found;
	} else {
		free(why);
	}
}

/* An older generation took the service back, while another was being started. */
static void call_off_start(void)
{
	mo_processes_signal_one(mo_sup.starting, SIGKILL);
	mo_sup_close_channel();
}

static int on_serving(void *unused, mo_wire_msg *m)
{
	mo_process *p = mo_processes_find(m->pid);

	(void)unused;
	if (p && p->doomed)
		return 0;
	if (mo_sup.starting && mo_sup.starting != m->pid && p)
		call_off_start();
	if (mo_sup.starting == m->pid)
		mo_sup_close_channel(); /* its word there may have been lost */
	if (mo_sup.retry_at && p && !p->candidate)
		mo_warn("supervisor: pid %d serves again: nothing is started", (int)m->pid);
	mo_sup.starting = 0;
	p = mo_processes_watch(m->pid);
	p->candidate = false;
	mo_sup.serving = m->pid;
	mo_sup.generation = (unsigned)mo_json_int(m->body, "generation");
	mo_sup.served = true;
	mo_sup.taken = false;
	mo_sup.since = mo_now();
	mo_sup.retry_at = 0;
	remember_program(m->pid, mo_json_str(m->body, "exe"));
	if (mo_sup.restart) { /* asked for while nobody served */
		mo_processes_signal_one(m->pid, mo_sup.restart);
		mo_sup.restart = 0;
	}
	/* It began to serve while we asked its predecessor to end.  Asked twice it would cut. */
	if (mo_sup.stopping && !p->asked)
		mo_processes_signal_one(m->pid, SIGTERM);
	return 0;
}

/* Who serves besides pid, or is about to; 0: nobody.  One that has ended does not, also when
 * its end has not been judged yet. */
static pid_t other_owner(pid_t pid)
{
	pid_t it = mo_sup.starting && mo_sup.committed ? mo_sup.starting : mo_sup.serving;
	const mo_process *p = it == pid ? NULL : mo_processes_find(it);

	return p && !p->gone && !mo_pidfd_ended(p->pidfd, p->pid) ? it : 0;
}

static void grant(pid_t pid)
{
	if (mo_sup.starting)
		call_off_start();
	mo_processes_doom_candidates(); /* of the one that has died */
	mo_sup.starting = 0;
	mo_sup.retry_at = 0;
	mo_sup.serving = pid;
}

/* An older generation whose successor has died.  It may be late, for it was slow or stopped:
 * what is decided here is so, for nobody else starts a program or lets one serve. */
static int on_claim(void *unused, mo_wire_msg *m)
{
	const mo_process *p = mo_processes_find(m->pid);
	pid_t other = other_owner(m->pid);
	char *why = mo_fmt("pid %d serves in its place", (int)other);

	(void)unused;
	if (p && !p->doomed && !other)
		grant(m->pid);
	mo_question_answer(m, mo_sup.serving == m->pid
				      ? mo_message_new(MO_MSG_GRANTED, NULL)
				      : mo_message_new(MO_MSG_REFUSED, "{s:i, s:s}", "errno",
						       -EBUSY, "why", why));
	free(why);
	return 0;
}

/* A successor has read its offer.  One whose predecessor is dead comes too late
 * when another program was started in the meantime. */
static int on_starting(void *unused, mo_wire_msg *m)
{
	pid_t predecessor = (pid_t)mo_json_int(m->body, "predecessor");
	mo_process *p;

	(void)unused;
	if (m->pid == mo_sup.starting)
		return 0;
	p = mo_processes_watch(m->pid);
	p->candidate = true;
	if (mo_sup.stopping) /* it was not watched when the others were asked to end */
		mo_processes_signal_one(m->pid, SIGTERM);
	if (mo_processes_find(predecessor))
		return 0;
	if (mo_sup.serving || mo_sup.starting) {
		p->doomed = true;
		mo_processes_signal_one(m->pid, SIGKILL);
	} else if (mo_sup.retry_at) {
		mo_sup.retry_at = mo_now() + CANDIDATE_TIME;
	}
	return 0;
}

static int on_listeners(void *unused, mo_wire_msg *m)
{
	(void)unused;
	mo_store_take_part(m);
	return 0;
}

static int on_offered(void *unused, mo_wire_msg *m)
{
	(void)unused;
	mo_store_take_end(m);
	return 0;
}

static int on_taken(void *unused, mo_wire_msg *m)
{
	(void)unused;
	if (m->pid == mo_sup.serving)
		mo_sup.taken = true;
	return 0;
}

static int on_opening(void *unused, mo_wire_msg *m)
{
	(void)unused;
	if (m->pid == mo_sup.starting)
		mo_sup.opened = true;
	return 0;
}

static int on_refused(void *unused, mo_wire_msg *m)
{
	(void)unused;
	if (m->pid != mo_sup.starting)
		return 0;
	mo_strset(&mo_sup.refused, mo_json_str(m->body, "why"));
	return 0;
}

static int on_ended(void *unused, mo_wire_msg *m)
{
	(void)unused;
	mo_processes_status((pid_t)mo_json_int(m->body, "pid"),
			    (int)mo_json_int(m->body, "status"));
	return 0;
}

static int on_upgrade(void *unused, mo_wire_msg *m)
{
	(void)unused;
	mo_upgrade_asked(m);
	return 0;
}

static int on_stopping(void *unused, mo_wire_msg *m)
{
	(void)unused;
	if (m->pid != mo_sup.serving)
		return 0;
	mo_sup.stopping = true;
	mo_store_drop(); /* new clients are refused, not left to wait */
	return 0;
}

/* On the link: of any generation. */
static const mo_hears of_generations[] = {
	{ MO_MSG_LISTENERS, on_listeners },   { MO_MSG_OFFERED, on_offered },
	{ MO_MSG_SERVING, on_serving },       { MO_MSG_STARTING, on_starting },
	{ MO_MSG_RECEIPT, mo_receipts_hear }, { MO_MSG_TAKEN, on_taken },
	{ MO_MSG_OPENING, on_opening },       { MO_MSG_REFUSED, on_refused },
	{ MO_MSG_ENDED, on_ended },           { MO_MSG_CLAIM, on_claim },
	{ MO_MSG_UPGRADE, on_upgrade },       { MO_MSG_STOPPING, on_stopping },
};
static const mo_role supervisor = MO_ROLE(of_generations, NULL);

static void on_link_message(mo_wire_msg *m)
{
	if (m->pid > 0) /* else of a process that cannot be named here */
		mo_message_hand(&supervisor, NULL, m);
}

/* Up to what can have been waiting there: more comes after the signals' turn. */
void mo_sup_read_link(void)
{
	mo_wire_turn turn = { 0 };
	mo_wire_msg m;
	int rc = 0;

	for (int i = 0; i < MO_WIRE_LAST_TURNS && rc != -EAGAIN; i++) {
		mo_wire_turn_begin(&turn);
		for (unsigned bad = 0; bad < MO_WIRE_TURN; bad += rc == -EBADMSG) {
			rc = mo_wire_next(mo_sup.link, &turn, &m);
			if (rc != 1 && rc != -EBADMSG)
				break;
			if (rc != 1)
				continue;
			on_link_message(&m);
			mo_wire_free(&m);
		}
	}
}

static int on_ready(void *unused, mo_wire_msg *m)
{
	(void)unused;
	if (mo_wire_send(mo_sup.channel, mo_message_new(MO_MSG_COMMIT, NULL), NULL, 0) < 0)
		mo_processes_signal_one(m->pid, SIGKILL); /* it would wait for ever */
	mo_sup.committed = true;
	return 0;
}

#define SERVES 1
static int on_switched(void *unused, mo_wire_msg *m)
{
	(void)unused;
	(void)m;
	return SERVES;
}

/* On the channel: the program that starts takes us for its predecessor. */
static const mo_hears of_the_program[] = {
	{ MO_MSG_READY, on_ready },
	{ MO_MSG_SERVING, on_switched },
};
static const mo_role starter = MO_ROLE(of_the_program, NULL);

void mo_sup_read_channel(void)
{
	mo_wire_turn turn = { 0 };
	mo_wire_msg m;
	int rc = 0;

	while (rc != SERVES && mo_sup.channel >= 0) {
		rc = mo_wire_next(mo_sup.channel, &turn, &m);
		if (rc == -EAGAIN || rc == -EBUSY)
			return;
		if (rc <= 0) {
			mo_sup_close_channel();
			return;
		}
		rc = mo_message_hand(&starter, NULL, &m);
		mo_wire_free(&m);
	}
	if (rc == SERVES)
		mo_sup_close_channel();
}
