/* The program under proof: started in a process group of its own, asked over its
 * control socket, ended with all its generations.  This process is the reaper of
 * whoever is left without a parent, so that nobody is missed. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <dirent.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"
#include "prove/prove.h"
#include "rt/small_file.h"

#define START_LIMIT (30 * MOLT_SECOND)
#define STOP_LIMIT (8 * MOLT_SECOND)
#define END_LIMIT (2 * MOLT_SECOND) /* of a process that was killed */
#define RESTART_LIMIT (60 * MOLT_SECOND)
#define READY_TIMEOUT "4s" /* of a successor: the version that hangs waits so long */

/* For the signal handler: the group to kill, and the command that runs. */
static volatile sig_atomic_t group, command_pid;

volatile sig_atomic_t mo_prove_interrupted;

static void on_interrupt(int sig)
{
	mo_prove_interrupted = sig;
	if (group)
		kill(-group, SIGKILL);
	if (command_pid)
		kill(-command_pid, SIGKILL);
}

static void catch_signals(void)
{
	static const int sigs[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };
	struct sigaction sa = { .sa_handler = on_interrupt };

	for (size_t i = 0; i < sizeof(sigs) / sizeof(sigs[0]); i++)
		sigaction(sigs[i], &sa, NULL);
	signal(SIGPIPE, SIG_IGN);
	prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
}

/* ---- processes --------------------------------------------------------------------- */

/* Somebody of the group lives. */
static bool group_lives(pid_t pgrp)
{
	DIR *d = opendir("/proc");
	bool lives = false;
	struct dirent *e;

	while (d && !lives && (e = readdir(d)) != NULL) {
		pid_t of, pid = (pid_t)strtol(e->d_name, NULL, 10);
		char state;

		if (pid > 0 && mo_process_state(pid, &state, &of))
			lives = of == pgrp && state != 'Z' && state != 'X';
	}
	if (d)
		closedir(d);
	return lives;
}

void mo_program_reap(mo_program *g)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid == g->first) {
			g->ended = true;
			g->status = status;
		}
	}
}

static void wait_gone(pid_t pid)
{
	struct pollfd w = { .fd = -1, .events = POLLIN };
	char state = 'Z';

#ifdef SYS_pidfd_open
	w.fd = (int)syscall(SYS_pidfd_open, pid, 0);
#endif
	if (w.fd >= 0) {
		poll(&w, 1, 5000);
		close(w.fd);
		return;
	}
	for (int i = 0; i < 5000 && mo_process_state(pid, &state, NULL) && state != 'Z'; i++)
		usleep(1000);
}

bool mo_program_kill(pid_t pid, int sig)
{
	if (pid <= 1 || kill(pid, sig) != 0)
		return false;
	wait_gone(pid);
	return true;
}

/* ---- starting and stopping ------------------------------------------------------------ */

/* The last lines of its output, for a sentence about its failure. */
static char *last_lines(const char *path)
{
	FILE *f = fopen(path, "r");
	char text[1500];
	size_t n;
	long size;

	if (!f)
		return mo_strdup("");
	fseek(f, 0, SEEK_END);
	size = ftell(f);
	fseek(f, size > (long)sizeof(text) ? size - (long)sizeof(text) : 0, SEEK_SET);
	n = fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	while (n && text[n - 1] == '\n')
		n--;
	return n ? mo_fmt("; its last words:\n%.*s", (int)n, text) : mo_strdup("");
}

static void set_environment(const mo_prove *p, bool supervised)
{
	char bake[32];

	unsetenv("MOLT_CONTROL_SOCKET");
	if (!supervised)
		setenv("MOLT_SERVER_CONTROLSOCKET", p->program.control, 1);
	if (!p->o.own_address)
		setenv("MOLT_SERVER_ADDRESS", "127.0.0.1:0", 1);
	setenv("MOLT_SERVER_READYTIMEOUT", READY_TIMEOUT, 0);
	snprintf(bake, sizeof(bake), "%us", p->bake);
	if (p->bake)
		setenv("MOLT_SERVER_BAKETIME", bake, 0);
}

/* "molt run --socket PATH -- PROGRAM ARG ...": this very command.  free() it. */
static char **supervised_argv(const mo_prove *p)
{
	static const char *const words[] = { "molt", "run", "--socket", NULL, "--", NULL };
	size_t n = 0;
	char **argv;

	while (p->o.argv[n])
		n++;
	argv = mo_calloc(n + MO_COUNTOF(words), sizeof(*argv));
	for (size_t i = 0; i < MO_COUNTOF(words) - 1; i++)
		argv[i] = (char *)words[i];
	argv[3] = p->program.control;
	memcpy(argv + MO_COUNTOF(words) - 1, p->o.argv, n * sizeof(*argv));
	argv[MO_COUNTOF(words) - 1] = p->exe;
	return argv;
}

static void be_program(const mo_prove *p, bool supervised)
{
	struct rlimit no_core = { 0, 0 };
	int in = open("/dev/null", O_RDONLY | O_CLOEXEC);
	int out = open(p->program.log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

	setpgid(0, 0);
	setrlimit(RLIMIT_CORE, &no_core);
	dup2(in, 0);
	dup2(out, 1);
	dup2(out, 2);
	signal(SIGPIPE, SIG_DFL);
	set_environment(p, supervised);
	if (supervised)
		execv("/proc/self/exe", supervised_argv(p));
	else
		execv(p->exe, p->o.argv);
	dprintf(2, "%s: %s\n", p->exe, strerror(errno));
	_exit(127);
}

int mo_program_start(mo_prove *p, bool supervised, char **why)
{
	mo_program *g = &p->program;
	static unsigned serial;

	catch_signals();
	free(g->control);
	free(g->log);
	*g = (mo_program){ 0 };
	g->control = mo_fmt("%s/control%u", p->dir, ++serial);
	g->log = mo_fmt("%s/log%u", p->dir, serial);
	fflush(NULL);
	g->first = fork();
	if (g->first == 0)
		be_program(p, supervised);
	if (g->first < 0) {
		*why = mo_fmt("no process could be started: %s", strerror(errno));
		g->first = 0;
		return -EAGAIN;
	}
	setpgid(g->first, g->first); /* whoever of the two is first */
	group = g->first;
	if (mo_program_wait_serving(p, 0, START_LIMIT))
		return 0;
	mo_program_reap(g);
	if (mo_prove_interrupted) {
		*why = mo_strdup("interrupted");
	} else {
		char *words = last_lines(g->log);

		*why = mo_fmt("%s %s%s", p->exe,
			      g->ended ? "ended before it served"
				       : "opens no control socket; is it built with libmolt?",
			      words);
		free(words);
	}
	return -ECHILD;
}

void mo_program_stop(mo_prove *p)
{
	mo_program *g = &p->program;
	molt_time end = mo_deadline(STOP_LIMIT);

	if (!g->first)
		return;
	kill(-g->first, SIGTERM);
	while (group_lives(g->first) && mo_left(end) > 0 && !mo_prove_interrupted) {
		mo_program_reap(g);
		usleep(10000);
	}
	while (group_lives(g->first)) {
		kill(-g->first, SIGKILL);
		mo_program_reap(g);
		usleep(2000);
	}
	/* One that was killed has its descriptors until its last thread has ended. */
	end = mo_deadline(END_LIMIT);
	do
		mo_program_reap(g);
	while (kill(-g->first, 0) == 0 && mo_left(end) > 0 && usleep(2000) == 0);
	group = 0;
	g->first = 0;
}

/* ---- asking ----------------------------------------------------------------------------- */

json_t *mo_program_status(mo_prove *p)
{
	mo_answer a;
	json_t *body = NULL;

	if (mo_client_ask(p->program.control, "GET", "status", NULL, 5 * MOLT_SECOND, &a) < 0)
		return NULL;
	if (a.status == 200)
		body = json_incref(a.body);
	mo_answer_free(&a);
	return body;
}

static pid_t serving_of(const json_t *status)
{
	const char *state = json_string_value(json_object_get(status, "state"));

	if (!state || strcmp(state, "serving") != 0)
		return 0;
	return (pid_t)json_integer_value(json_object_get(status, "pid"));
}

pid_t mo_program_serving(mo_prove *p)
{
	json_t *status = mo_program_status(p);
	pid_t pid = status ? serving_of(status) : 0;

	json_decref(status);
	return pid;
}

bool mo_program_wait_serving(mo_prove *p, pid_t pid, molt_time limit)
{
	molt_time end = mo_deadline(limit);

	while (mo_left(end) > 0 && !mo_prove_interrupted) {
		pid_t now = mo_program_serving(p);

		if (now && (pid == 0 || now == pid))
			return true;
		mo_program_reap(&p->program);
		if (p->program.ended && !group_lives(p->program.first))
			return false;
		usleep(10000);
	}
	return false;
}

int mo_program_restart(mo_prove *p, const char *exe, mo_answer *a)
{
	json_t *body = exe ? json_pack("{s:s}", "newExeFilePath", exe) : NULL;
	int rc = mo_client_ask(p->program.control, "POST", "restart", body, RESTART_LIMIT, a);

	json_decref(body);
	mo_program_reap(&p->program);
	return rc;
}

/* ---- the reload command of another server -------------------------------------------------- */

int mo_prove_command(const char *command)
{
	molt_time end = mo_deadline(60 * MOLT_SECOND);
	int status = 0;
	pid_t pid;

	catch_signals();
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		setpgid(0, 0);
		dup2(2, 1); /* standard output is the table's */
		execl("/bin/sh", "sh", "-c", command, (char *)NULL);
		_exit(127);
	}
	if (pid < 0)
		return -1;
	setpgid(pid, pid);
	command_pid = pid;
	while (waitpid(pid, &status, WNOHANG) == 0) {
		if (mo_left(end) == 0 || mo_prove_interrupted)
			kill(-pid, SIGKILL);
		usleep(500);
	}
	command_pid = 0;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}
