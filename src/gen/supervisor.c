/* The process above the generations; see supervisor.h for its states. */
#include "gen/supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "gen/kept.h"
#include "gen/notify.h"
#include "gen/receipt.h"
#include "gen/spawn.h"
#include "gen/start.h"
#include "gen/watched.h"

#define LEAST_PAUSE (100 * MOLT_MS)
#define LONGEST_PAUSE (10 * MOLT_SECOND)
#define STABLE MOLT_SECOND   /* served so long: the pause is short again */
#define SAME_REQUEST (50 * MOLT_MS) /* who signals us and our group asks once */
#define CANDIDATE_TIME (60 * MOLT_SECOND)
#define LOOK_AGAIN (100 * MOLT_MS) /* where the kernel cannot tell of an end */

static struct {
	const char *path, *control_socket;
	mo_program program; /* to be started: that which served last */
	char *exe;          /* its path */
	unsigned generation;

	int signals, link, link_theirs;
	int channel;             /* to the program that starts; or -1 */
	pid_t starting, serving; /* 0: none */

	bool served, stopping, killing;
	int result;         /* exit status when everybody has ended */
	molt_time asked;    /* when a stop was last asked for */
	molt_time retry_at; /* WAITING; 0: not */
	molt_time pause, since;
} s;

/* ---- starting --------------------------------------------------------------- */

static void close_channel(void)
{
	mo_receipts_follow(-1);
	if (s.channel >= 0)
		close(s.channel);
	s.channel = -1;
}

static int send_part(void *unused, json_t *body, const int *fds, int n)
{
	(void)unused;
	return mo_wire_send(s.channel, body, fds, n);
}

/* The ordinary offer, with what we keep. */
static int offer(void)
{
	const mo_gen_listener *all;
	size_t n = mo_kept_all(&all);
	json_t *body = json_pack("{s:s, s:b, s:i, s:i, s:i, s:i, s:s, s:s?}", "type", "offer",
				 "from_supervisor", 1, "protocol", MO_WIRE_PROTOCOL, "generation",
				 (int)s.generation, "pid", (int)getpid(), "supervisor",
				 (int)getpid(), "exe", s.exe, "control_socket", s.control_socket);
	int rc = mo_wire_send(s.channel, body, &s.link_theirs, 1);

	if (rc == 0)
		rc = mo_offer_send(all, n, send_part, NULL);
	if (rc == 0)
		mo_receipts_follow(s.channel);
	return rc;
}

static int spawn(void)
{
	bool other = strcmp(s.exe, s.path) != 0;
	int theirs, rc = mo_wire_pair(&s.channel, &theirs);
	pid_t pid;

	if (rc < 0)
		return rc;
	rc = mo_spawn(&s.program, other ? s.exe : NULL, STDERR_FILENO, theirs, &pid);
	close(theirs);
	if (rc < 0) {
		close_channel();
		return rc;
	}
	s.generation++;
	s.starting = pid;
	mo_watch(pid);
	if (offer() < 0)
		kill(pid, SIGKILL); /* it has ended, or reads nothing */
	return 0;
}

static void start_later(void)
{
	if (s.since && mo_now() - s.since >= STABLE)
		s.pause = 0;
	s.since = 0;
	s.pause = s.pause ? 2 * s.pause : LEAST_PAUSE;
	if (s.pause > LONGEST_PAUSE)
		s.pause = LONGEST_PAUSE;
	s.retry_at = mo_now() + s.pause;
}

static void start_now(void)
{
	int rc;

	mo_watched_doom_candidates();
	s.retry_at = 0;
	rc = spawn();
	if (rc == 0)
		return;
	mo_error("supervisor: cannot start %s: %s", s.exe, strerror(-rc));
	start_later();
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
	free(s.exe);
	s.exe = mo_strdup(exe);
	if (mo_program_open(exe, &found, &why) == 0 && found.script) {
		mo_program_close(&s.program);
		s.program = found;
		return;
	}
	mo_program_close(&found);
	free(why);
	snprintf(link, sizeof(link), "/proc/%d/exe", (int)pid);
	if (mo_program_open(link, &found, &why) == 0) {
		mo_program_close(&s.program);
		s.program = found;
	} else {
		free(why);
	}
}

/* An older generation took the service back, while another was being started. */
static void call_off_start(void)
{
	kill(s.starting, SIGKILL);
	close_channel();
}

static void on_serving(const mo_wire_msg *m)
{
	mo_process *p = mo_watched_find(m->pid);

	if (p && p->doomed)
		return;
	if (s.starting && s.starting != m->pid && p)
		call_off_start();
	s.starting = 0;
	p = mo_watch(m->pid);
	p->candidate = false;
	s.serving = m->pid;
	s.generation = (unsigned)mo_json_int(m->body, "generation");
	s.served = true;
	s.since = mo_now();
	s.retry_at = 0;
	remember_program(m->pid, mo_json_str(m->body, "exe"));
	if (s.stopping) /* it began to serve while we asked its predecessor to end */
		kill(m->pid, SIGTERM);
}

/* A successor has read its offer.  One whose predecessor is dead comes too late
 * when another program was started in the meantime. */
static void on_starting(const mo_wire_msg *m)
{
	pid_t predecessor = (pid_t)mo_json_int(m->body, "predecessor");
	mo_process *p;

	if (m->pid == s.starting)
		return;
	p = mo_watch(m->pid);
	p->candidate = true;
	if (mo_watched_find(predecessor))
		return;
	if (s.serving || s.starting) {
		p->doomed = true;
		kill(m->pid, SIGKILL);
	} else if (s.retry_at) {
		s.retry_at = mo_now() + CANDIDATE_TIME;
	}
}

static void on_link_message(mo_wire_msg *m)
{
	json_t *receipt = json_object_get(m->body, "receipt");

	if (strcmp(m->type, "listeners") == 0 || strcmp(m->type, "offered") == 0) {
		mo_kept_take(m);
	} else if (strcmp(m->type, "serving") == 0) {
		on_serving(m);
	} else if (strcmp(m->type, "starting") == 0) {
		on_starting(m);
	} else if (strcmp(m->type, "receipt") == 0 && json_is_object(receipt)) {
		mo_receipts_put(receipt);
	} else if (strcmp(m->type, "stopping") == 0 && m->pid == s.serving) {
		s.stopping = true;
		mo_kept_drop(); /* new clients are refused, not left to wait */
	}
}

static void read_link(void)
{
	mo_wire_msg m;
	int rc;

	while ((rc = mo_wire_recv(s.link, &m)) == 1 || rc == -EBADMSG) {
		if (rc != 1)
			continue;
		on_link_message(&m);
		mo_wire_free(&m);
	}
}

/* The program that starts takes us for its predecessor. */
static void read_channel(void)
{
	mo_wire_msg m;
	bool done = false;
	int rc;

	while (!done && s.channel >= 0 && (rc = mo_wire_recv(s.channel, &m)) != -EAGAIN) {
		if (rc <= 0) {
			close_channel();
			return;
		}
		if (strcmp(m.type, "ready") == 0)
			mo_wire_send(s.channel, json_pack("{s:s}", "type", "commit"), NULL, 0);
		done = strcmp(m.type, "serving") == 0;
		mo_wire_free(&m);
	}
	if (done)
		close_channel();
}

/* ---- ends ------------------------------------------------------------------------ */

static void record_crash(const mo_process *p, const char *how)
{
	mo_receipt *r = mo_receipt_new(s.generation, s.exe);

	json_object_set_new(r->body, "pid", json_integer(p->pid));
	mo_receipt_end(r, "crashed", 0, how);
	mo_receipts_put(r->body);
	mo_receipt_free(r);
}

static void crashed(const mo_process *p)
{
	const mo_process *other = mo_watched_candidate();
	char *how = mo_process_end(p), *text;

	record_crash(p, how);
	if (other) {
		s.retry_at = mo_now() + CANDIDATE_TIME;
		text = mo_fmt("%s; its successor (pid %d) starts", how, (int)other->pid);
	} else {
		start_later();
		text = mo_fmt("%s; it is started again in %lld ms", how, (long long)s.pause);
	}
	mo_error("supervisor: %s", text);
	mo_notify_status(text);
	free(text);
	free(how);
}

static void on_end(const mo_process *p)
{
	bool was_starting = p->pid == s.starting;

	if (!was_starting && p->pid != s.serving) {
		if (p->candidate && s.retry_at && !mo_watched_candidate())
			start_later();
		return; /* or it has drained */
	}
	if (was_starting) {
		s.starting = 0;
		close_channel();
	} else {
		s.serving = 0;
	}
	if (p->status == 0 || (was_starting && !s.served))
		s.stopping = true;
	if (s.stopping)
		s.result = mo_process_exit_status(p->status);
	else
		crashed(p);
}

/* In this order: what a process said before its end is known when the end is
 * judged. */
static void look_for_ends(void)
{
	mo_process p;

	mo_watched_look();
	read_channel();
	read_link();
	while (mo_watched_ended(&p))
		on_end(&p);
}

/* ---- signals ----------------------------------------------------------------------- */

static void on_stop_asked(int number)
{
	bool again = s.asked != 0;

	if (again && mo_now() - s.asked < SAME_REQUEST)
		return;
	s.asked = mo_now();
	s.stopping = true;
	s.retry_at = 0;
	if (again) {
		mo_warn("supervisor: asked to end again: everybody is killed");
		s.killing = true;
		mo_watched_kill_all();
	} else {
		mo_watched_signal(number);
	}
}

static void read_signals(void)
{
	struct signalfd_siginfo info;

	while (read(s.signals, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		int number = (int)info.ssi_signo;

		if (number == SIGUSR1 || number == SIGUSR2) {
			if (s.serving)
				kill(s.serving, number);
			else
				mo_warn("supervisor: no restart: the program does not serve now");
		} else if (number != SIGCHLD) {
			on_stop_asked(number);
		}
	}
}

/* Ignored ones (nohup) stay ignored. */
static void take_signals(void)
{
	sigset_t wanted;

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
	s.signals = signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK);
	MO_CHECK(s.signals >= 0);
}

/* ---- the loop ------------------------------------------------------------------------ */

static int patience(void)
{
	molt_time left = -1;

	if (s.retry_at)
		left = s.retry_at > mo_now() ? s.retry_at - mo_now() : 0;
	if (mo_watched_blind() && (left < 0 || left > LOOK_AGAIN))
		left = LOOK_AGAIN;
	return (int)left;
}

static void wait_for_news(void)
{
	struct pollfd *f = mo_calloc(mo_watched_count() + 3, sizeof(*f));
	nfds_t n = 0;

	f[n++] = (struct pollfd){ .fd = s.signals, .events = POLLIN };
	f[n++] = (struct pollfd){ .fd = s.link, .events = POLLIN };
	f[n++] = (struct pollfd){ .fd = s.channel, .events = POLLIN };
	n += mo_watched_poll(f + n);
	poll(f, n, patience());
	free(f);
}

/* Everybody has ended; after a kill that means every child. */
static bool all_ended(void)
{
	if (!s.stopping || mo_watched_count())
		return false;
	return !s.killing || (waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD);
}

static int begin(const char *path)
{
	char *why = NULL;
	int rc = mo_program_open(path, &s.program, &why);

	if (rc == 0)
		rc = mo_wire_pair(&s.link, &s.link_theirs);
	if (rc == 0)
		rc = spawn();
	if (rc == 0)
		return 0;
	mo_error("supervisor: %s", why ? why : strerror(-rc));
	free(why);
	return rc == -ENOENT ? 127 : 126;
}

/* Tells every generation whose it is, before there is an offer. */
static void mark_environment(void)
{
	mo_start *start = mo_start_get();
	size_t n = 0;

	while (start->envp[n])
		n++;
	start->envp = mo_realloc(start->envp, (n + 2) * sizeof(*start->envp));
	start->envp[n] = mo_strdup(MO_SUPERVISED_ENV "=1");
	start->envp[n + 1] = NULL;
}

int mo_supervise(const char *path, const char *control_socket)
{
	int rc;

	mark_environment();
	s.path = path;
	s.exe = mo_strdup(path);
	s.control_socket = control_socket;
	s.channel = -1;
	prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	take_signals();
	mo_kept_begin();
	rc = begin(path);
	if (rc)
		return rc;
	while (!all_ended()) {
		wait_for_news();
		read_signals();
		look_for_ends();
		if (s.killing)
			mo_watched_kill_all();
		if (s.retry_at && mo_now() >= s.retry_at && !s.stopping)
			start_now();
	}
	return s.result;
}
