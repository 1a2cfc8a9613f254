/* The supervisor goes on in a new image; see upgrade.h for the steps. */
#include "supervisor/upgrade.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/outlet.h"
#include "base/str.h"
#include "gen/os/origin.h"
#include "gen/os/pidfd.h"
#include "gen/wire/messages.h"
#include "supervisor/listener_store.h"
#include "supervisor/process_table.h"
#include "supervisor/supervisor_internal.h"
#include "supervisor/upgrade_state.h"

#define TRIAL_TIME (10 * MOLT_SECOND)

static struct {
	int asker;          /* who wants the answer; -1: nothing is under way */
	mo_program program; /* the new image */
	pid_t pid;          /* of the trial */
	int pidfd, channel;
	molt_time deadline;
} u = { .asker = -1, .channel = -1, .pidfd = -1, .program = { .fd = -1 } };

/* ---- the answer ---------------------------------------------------------------- */

static void answer(int asker, int code, const char *why)
{
	mo_wire_send(asker,
		     mo_message_new(code < 0 ? MO_MSG_REFUSED : MO_MSG_UPGRADED,
				    "{s:i, s:s?, s:i, s:s}", "errno", code, "why", why, "pid",
				    (int)getpid(), "build", mo_origin_get()->build),
		     NULL, 0);
	close(asker);
}

static void end_trial(void)
{
	if (u.channel >= 0)
		close(u.channel);
	/* The descriptor, for the number may be another process's by now. */
	if (u.pidfd >= 0) {
		mo_pidfd_signal(u.pidfd, u.pid, SIGKILL);
		close(u.pidfd);
	}
	u.channel = u.pidfd = -1;
	u.deadline = 0;
}

static void refuse(int code, const char *why)
{
	mo_error("supervisor: it goes on as it is: %s", why);
	end_trial();
	mo_program_close(&u.program);
	answer(u.asker, code, why);
	u.asker = -1;
}

/* The kept descriptors are whole, and nothing but the service is under way. */
static const char *unable(void)
{
	if (mo_sup.stopping || mo_sup.taken)
		return "the program is being ended";
	if (!mo_sup.serving || mo_sup.starting || mo_sup.retry_at)
		return "the program is being started; ask again when it serves";
	return mo_store_in_part() ? "the listeners are changing; ask again" : NULL;
}

/* ---- the trial ------------------------------------------------------------------- */

static char **with(char *const *v, char *a, char *b)
{
	size_t n = 0;
	char **copy;

	while (v[n])
		n++;
	copy = mo_calloc(n + 3, sizeof(*copy));
	memcpy(copy, v, n * sizeof(*copy));
	copy[n] = a;
	copy[n + 1] = b;
	return copy;
}

static int run(char *const *argv, char *const *envp)
{
	syscall(SYS_execveat, u.program.fd, "", argv, envp, AT_EMPTY_PATH);
	return -errno;
}

/* In the child.  An image that knows nothing of trials sees arguments that no molt
 * command does anything for, and the handover of a predecessor that never offers. */
static _Noreturn void trial(int theirs)
{
	const mo_origin *start = mo_origin_get();
	char *argv[] = { (start->own_argv ? start->own_argv : start->argv)[0],
			 (char *)(uintptr_t) "--version", NULL };
	char *handover = mo_fmt("%s=%d", MO_HANDOVER_ENV, theirs);
	char **envp = with(start->envp, mo_strdup(MO_UPGRADE_ENV "=try"), handover);
	int rc = fcntl(theirs, F_SETFD, 0) < 0 ? -errno : run(argv, envp);

	mo_wire_send(theirs, mo_message_new(MO_MSG_BAD, "{s:s}", "why", strerror(-rc)), NULL, 0);
	_exit(127);
}

static int start_trial(void)
{
	json_t *state = mo_upgrade_state(-1);
	int theirs, memfd, rc = state ? mo_upgrade_write(state) : -EILSEQ;

	json_decref(state);
	if (rc < 0)
		return rc;
	memfd = rc;
	rc = mo_wire_pair(&u.channel, &theirs);
	if (rc == 0) {
		mo_wire_send(u.channel, mo_message_new(MO_MSG_TRY, NULL), &memfd, 1);
		u.pid = fork();
		if (u.pid == 0)
			trial(theirs);
		rc = u.pid < 0 ? -errno : 0;
		close(theirs);
	}
	close(memfd);
	if (rc == 0)
		u.pidfd = mo_pidfd_open(u.pid);
	if (rc == 0 && u.pidfd < 0) {
		rc = -errno;
		kill(u.pid, SIGKILL); /* it cannot have been reaped yet */
	}
	u.deadline = mo_now() + TRIAL_TIME;
	return rc;
}

/* A program that supervises itself is renewed with the program. */
static const char *new_image(void)
{
	return &mo_supervises_itself ? mo_origin_get()->exe : mo_sup.exe;
}

void mo_upgrade_asked(mo_wire_msg *m)
{
	const char *no = unable();
	char *why = NULL;
	int rc;

	if (!mo_processes_find(m->pid))
		return;
	rc = m->fds[0];
	m->fds[0] = -1;
	if (u.asker >= 0) {
		answer(rc, -EBUSY, "it is being upgraded already");
		return;
	}
	u.asker = rc;
	if (no) {
		refuse(-EBUSY, no);
		return;
	}
	rc = mo_program_open(new_image(), &u.program, &why);
	if (rc == 0 && u.program.script) {
		rc = -ENOEXEC;
		why = mo_fmt("%s is a script; a supervisor must be a program", new_image());
	}
	if (rc == 0)
		rc = start_trial();
	if (rc < 0)
		refuse(rc, why ? why : strerror(-rc));
	else
		mo_info("supervisor: tries %s (pid %d)", new_image(), (int)u.pid);
	free(why);
}

int mo_upgrade_fd(void)
{
	return u.channel;
}

molt_time mo_upgrade_deadline(void)
{
	return u.deadline;
}

/* ---- exec -------------------------------------------------------------------------- */

static void go_on(void)
{
	const mo_origin *start = mo_origin_get();
	json_t *state = mo_upgrade_state(u.asker);
	int rc = state ? mo_upgrade_write(state) : -EILSEQ, memfd = rc;
	char *variable, **envp;

	if (rc < 0) {
		json_decref(state);
		refuse(rc, "its state cannot be written");
		return;
	}
	end_trial();
	variable = mo_fmt("%s=%d", MO_UPGRADE_ENV, memfd);
	envp = with(start->envp, variable, NULL);
	mo_upgrade_keep_open(state, true);
	mo_outlets_flush(MO_LAST_LINES, MO_LAST_LINES_STILL);
	rc = fcntl(memfd, F_SETFD, 0) < 0
		     ? -errno
		     : run(start->own_argv ? start->own_argv : start->argv, envp);
	mo_upgrade_keep_open(state, false);
	json_decref(state);
	free(envp);
	free(variable);
	close(memfd);
	refuse(rc, strerror(-rc));
}

static int on_good(void *unused, mo_wire_msg *m)
{
	const char *no = unable();

	(void)unused;
	(void)m;
	if (no)
		refuse(-EBUSY, no);
	else
		go_on();
	return 0;
}

static int on_bad(void *unused, mo_wire_msg *m)
{
	char *text = mo_fmt("%s: %s", u.program.path, mo_json_str(m->body, "why"));

	(void)unused;
	refuse(-EPROTO, text);
	free(text);
	return 0;
}

static const mo_hears of_the_trial[] = {
	{ MO_MSG_GOOD, on_good },
	{ MO_MSG_BAD, on_bad },
};
static const mo_role role = MO_ROLE(of_the_trial, NULL);

void mo_upgrade_look(void)
{
	mo_wire_turn turn = { 0 };
	mo_wire_msg m;
	char *text;
	int rc = 0;

	while (u.channel >= 0 && (rc = mo_wire_next(u.channel, &turn, &m)) == 1) {
		mo_message_hand(&role, NULL, &m);
		mo_wire_free(&m);
	}
	if (rc == -EBUSY)
		rc = -EAGAIN;
	if (u.channel < 0 || (rc == -EAGAIN && mo_now() < u.deadline))
		return;
	text = mo_fmt(rc == -EAGAIN
			      ? "%s gave no answer in time"
			      : "%s does not start here, or is not built with libmolt of this "
				"kind",
		      u.program.path);
	refuse(rc == -EAGAIN ? -ETIMEDOUT : -ENOEXEC, text);
	free(text);
}

/* ---- the new image -------------------------------------------------------------------- */

/* Whether this program can go on where that supervisor is. */
static int try_state(int fd)
{
	json_t *state = NULL;
	char *why = NULL;
	mo_wire_msg m;
	int rc = -EPROTO;

	mo_wire_await(fd, TRIAL_TIME);
	if (mo_wire_recv(fd, &m) != 1)
		return 1;
	if (mo_message_answers(&m, MO_MSG_TRY))
		rc = mo_upgrade_read(m.fds[0], &state, &why);
	mo_wire_send(fd,
		     mo_message_new(rc == 0 ? MO_MSG_GOOD : MO_MSG_BAD, "{s:o}", "why",
				    mo_json_text(why)),
		     NULL, 0);
	mo_wire_free(&m);
	json_decref(state);
	free(why);
	return rc == 0 ? 0 : 1;
}

/* A program started by descriptor is named after the descriptor. */
static void set_name(const char *path)
{
	const char *base = strrchr(path, '/');

	prctl(PR_SET_NAME, base ? base + 1 : path, 0, 0, 0);
}

int mo_upgrade_begin(const char *text, int handover_fd)
{
	json_t *state;
	char *why = NULL;
	uint64_t fd;
	int asker;

	if (strcmp(text, "try") == 0)
		return handover_fd < 0 ? 1 : try_state(handover_fd);
	if (!mo_str_u64(mo_str(text), INT_MAX, &fd) || mo_upgrade_read((int)fd, &state, &why) < 0) {
		mo_error("supervisor: " MO_UPGRADE_ENV ": %s", why ? why : "no descriptor");
		free(why);
		return 126;
	}
	close((int)fd);
	set_name(mo_origin_get()->argv[0]);
	asker = mo_upgrade_restore(state);
	json_decref(state);
	mo_info("supervisor: goes on as a new program (build %s)", mo_origin_get()->build);
	answer(asker, 0, NULL);
	return mo_supervise_on();
}
