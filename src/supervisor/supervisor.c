/* The process above the generations: its life, signals and ends; see supervisor.h
 * for its states. */
#include "supervisor/supervisor.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "gen/engine/signals.h"
#include "gen/join/notify.h"
#include "gen/os/origin.h"
#include "gen/receipt/receipt.h"
#include "supervisor/listener_store.h"
#include "supervisor/process_table.h"
#include "supervisor/supervisor_internal.h"
#include "supervisor/upgrade.h"

#define SAME_REQUEST (50 * MOLT_MS) /* who signals us and our group asks once */
#define LOOK_AGAIN (100 * MOLT_MS)  /* where the kernel cannot tell of an end */

mo_supervisor mo_sup = { .channel = -1 };

/* ---- ends ------------------------------------------------------------------------ */

static void record_crash(const mo_process *p, const char *how)
{
	mo_receipt *r = mo_receipt_new(mo_sup.generation, mo_sup.exe);

	json_object_set_new(r->body, "pid", json_integer(p->pid));
	mo_receipt_end(r, "crashed", 0, how);
	mo_receipts_put(r->body);
	mo_receipt_free(r);
}

/* An older generation that lives: it may take the service back, and says so then. */
static const mo_process *elder(void)
{
	for (size_t i = 0; i < mo_processes_count(); i++)
		if (!mo_processes_at(i)->gone && !mo_processes_at(i)->doomed)
			return mo_processes_at(i);
	return NULL;
}

/* What is said of the end, and done about it. */
static char *go_on_after(const char *how)
{
	const mo_process *other = mo_processes_candidate();

	if (other) {
		mo_sup.retry_at = mo_now() + CANDIDATE_TIME;
		return mo_fmt("%s; its successor (pid %d) starts", how, (int)other->pid);
	}
	mo_sup_start_later();
	other = elder();
	if (other)
		return mo_fmt("%s; its predecessor (pid %d) lives; unless that serves again, the "
			      "program is started again in %lld ms",
			      how, (int)other->pid, (long long)mo_sup.pause);
	return mo_fmt("%s; it is started again in %lld ms", how, (long long)mo_sup.pause);
}

static void crashed(const mo_process *p)
{
	char *how = mo_process_end(p), *text;

	if (mo_sup.refused) { /* it did what it should */
		free(how);
		how = mo_sup.refused;
		mo_sup.refused = NULL;
	} else {
		record_crash(p, how);
	}
	text = go_on_after(how);
	mo_error("supervisor: %s", text);
	mo_notify_status(text);
	free(text);
	free(how);
}

/* A program that cannot start ends the supervisor; one that is killed when its port is
 * open already has crashed. */
static bool never_began(const mo_process *p)
{
	bool killed = p->status < 0 || WIFSIGNALED(p->status);

	return !mo_sup.served && !(mo_sup.opened && killed);
}

static void on_end(const mo_process *p)
{
	bool was_starting = p->pid == mo_sup.starting;

	(void)MO_FAULT("step", "reap", mo_sup.link);
	mo_store_sender_ended(p->pid);
	if (!was_starting && p->pid != mo_sup.serving) {
		if (p->candidate && mo_sup.retry_at && !mo_processes_candidate())
			mo_sup_start_later();
		return; /* or it has drained */
	}
	if (was_starting) {
		mo_sup.starting = 0;
		mo_sup_close_channel();
	} else {
		mo_sup.serving = 0;
	}
	if (p->status == 0 || mo_sup.taken || (was_starting && never_began(p)))
		mo_sup.stopping = true;
	mo_sup.unknown = p->status < 0;
	if (mo_sup.stopping)
		mo_sup.result = mo_process_exit_status(p->status);
	else
		crashed(p);
}

/* In this order: what a process said before its end is known when the end is
 * judged. */
static void look_for_ends(void)
{
	mo_process p;

	mo_processes_look();
	mo_sup_read_channel();
	mo_sup_read_link();
	while (mo_processes_ended(&p))
		on_end(&p);
}

/* ---- signals ----------------------------------------------------------------------- */

static void on_stop_asked(int number)
{
	bool again = mo_sup.asked != 0;

	if (again && mo_now() - mo_sup.asked < SAME_REQUEST)
		return;
	mo_sup.asked = mo_now();
	mo_sup.stopping = true;
	mo_sup.retry_at = 0;
	if (again) {
		mo_warn("supervisor: asked to end again: everybody is killed");
		mo_sup.killing = true;
		mo_processes_kill_all();
	} else {
		mo_processes_signal(number);
	}
}

/* Of one that does not serve yet or is about to be started again, when it serves. */
static void on_restart_asked(int number)
{
	if (mo_sup.serving && mo_processes_signal_one(mo_sup.serving, number))
		return;
	if (!mo_sup.stopping) {
		mo_info("supervisor: the program does not serve now; the restart waits until it "
			"does");
		mo_sup.restart = number;
	}
}

static void read_signals(void)
{
	struct signalfd_siginfo info;

	while (read(mo_sup.signals, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		int number = (int)info.ssi_signo;

		if (number == SIGUSR1 || number == SIGUSR2) {
			on_restart_asked(number);
		} else if (number != SIGCHLD) {
			on_stop_asked(number);
		}
	}
}

/* Ignored ones (nohup) stay ignored. */
static void take_signals(void)
{
	sigset_t wanted;
	int early;

	mo_control_signals(&wanted);
	sigaddset(&wanted, SIGCHLD);
	signal(SIGCHLD, SIG_DFL); /* ignored, it would take the statuses away */
	signal(SIGPIPE, SIG_IGN);
	for (int n = 1; n < NSIG; n++) {
		struct sigaction now;

		if (sigismember(&wanted, n) == 1 && sigaction(n, NULL, &now) == 0 &&
		    now.sa_handler == SIG_IGN)
			sigdelset(&wanted, n);
	}
	sigprocmask(SIG_BLOCK, &wanted, NULL);
	mo_sup.signals = signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK);
	MO_CHECK(mo_sup.signals >= 0);
	while ((early = mo_signals_kept()) != 0)
		mo_sup.restart = early; /* before they were blocked: a restart, no end is kept */
}

/* ---- the loop ------------------------------------------------------------------------ */

static int patience(void)
{
	molt_time next = mo_sup.retry_at, trial = mo_upgrade_deadline();
	molt_time left = mo_processes_count() ? MO_SIGSTOP_LOOK_MAX : -1;

	if (trial && (!next || trial < next))
		next = trial;
	if (next && (left < 0 || next - mo_now() < left))
		left = next > mo_now() ? next - mo_now() : 0;
	if (mo_processes_blind() && (left < 0 || left > LOOK_AGAIN))
		left = LOOK_AGAIN;
	return (int)left;
}

static void wait_for_news(void)
{
	struct pollfd *f = mo_calloc(mo_processes_count() + 4, sizeof(*f));
	nfds_t n = 0;

	f[n++] = (struct pollfd){ .fd = mo_sup.signals, .events = POLLIN };
	f[n++] = (struct pollfd){ .fd = mo_sup.link, .events = POLLIN };
	f[n++] = (struct pollfd){ .fd = mo_sup.channel, .events = POLLIN };
	f[n++] = (struct pollfd){ .fd = mo_upgrade_fd(), .events = POLLIN };
	n += mo_processes_poll(f + n);
	poll(f, n, patience());
	free(f);
}

/* Everybody has ended; after a kill that means every child. */
static bool all_ended(void)
{
	if (!mo_sup.stopping || mo_processes_count())
		return false;
	return !mo_sup.killing || (waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD);
}

static int begin(const char *path)
{
	const char *socket = mo_sup.control_socket ? mo_sup.control_socket : "";
	char *why = NULL;
	int rc = -EILSEQ;

	/* They go into messages, which are JSON. */
	if (!mo_str_is_utf8(mo_str(path)) || !mo_str_is_utf8(mo_str(socket)))
		why = mo_fmt("the path %s is no UTF-8 text; rename it",
			     mo_str_is_utf8(mo_str(path)) ? socket : path);
	else
		rc = mo_program_open(path, &mo_sup.program, &why);
	if (rc == 0)
		rc = mo_wire_pair(&mo_sup.link, &mo_sup.link_theirs);
	if (rc == 0)
		rc = mo_sup_spawn();
	if (rc == 0)
		return 0;
	mo_error("supervisor: %s", why ? why : strerror(-rc));
	free(why);
	return rc == -ENOENT ? 127 : 126;
}

/* Tells every generation whose it is, before there is an offer. */
static void mark_environment(void)
{
	mo_origin *start = mo_origin_get();
	size_t n = 0;

	while (start->envp[n])
		n++;
	start->envp = mo_realloc(start->envp, (n + 2) * sizeof(*start->envp));
	start->envp[n] = mo_strdup(MO_SUPERVISED_ENV "=1");
	start->envp[n + 1] = NULL;
}

static int live(void)
{
	while (!all_ended()) {
		wait_for_news();
		read_signals();
		look_for_ends();
		mo_upgrade_look();
		mo_processes_kill_stopped();
		if (mo_sup.killing)
			mo_processes_kill_all();
		if (mo_sup.retry_at && mo_now() >= mo_sup.retry_at && !mo_sup.stopping)
			mo_sup_start_now();
	}
	/* Whoever has reaped it has told its status before its own end. */
	if (mo_sup.unknown)
		mo_sup.result = mo_process_exit_status(mo_processes_late_status());
	return mo_sup.result;
}

int mo_supervise(const char *path, const char *control_socket)
{
	int rc;

	MO_FAULT_ROLE("supervisor");
	mark_environment();
	mo_sup.path = path;
	mo_sup.exe = mo_strdup(path);
	mo_sup.control_socket = control_socket;
	prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	take_signals();
	mo_store_begin();
	rc = begin(path);
	return rc ? rc : live();
}

int mo_supervise_on(void)
{
	MO_FAULT_ROLE("supervisor");
	take_signals(); /* forgets who ended meanwhile */
	look_for_ends();
	return live();
}
