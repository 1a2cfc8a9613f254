/* In the place of src/gen/os and of what else of the library a simulated process has from
 * the world; linked to each image, so the variables here are the process's own. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "base/check.h"
#include "base/mem.h"
#include "gen/os/activate.h"
#include "gen/os/memfd.h"
#include "gen/os/origin.h"
#include "gen/os/pidfd.h"
#include "gen/os/preflight.h"
#include "gen/os/stderr_tail.h"
#include "image.h"
#include "net/listener.h"
#include "supervisor/upgrade.h"

/* ---- where it comes from ------------------------------------------------------------- */

static mo_origin origin;

mo_origin *mo_origin_get(void)
{
	return &origin;
}

void sim_origin_begin(void)
{
	const sim_process *p = sim_self();

	origin.exe = mo_strdup(p->program->path);
	origin.exe_fd = sim_program_open(p->program->path);
	snprintf(origin.build, sizeof(origin.build), "%s", p->program->build);
	origin.handover_fd = p->handover_fd;
	origin.supervised = p->supervised;
	origin.cwd_fd = -1;
	origin.argv = mo_calloc(2, sizeof(char *));
	origin.argv[0] = origin.exe;
	origin.envp = mo_calloc(1, sizeof(char *));
}

void mo_origin_set_exe(const char *path)
{
	mo_strset(&origin.exe, path);
}

char *mo_origin_resolve(const char *path)
{
	return mo_strdup(path);
}

void mo_origin_set_argv(char *const *argv)
{
	(void)argv;
}

/* ---- programs -------------------------------------------------------------------------- */

int mo_program_open(const char *path, mo_program *out, char **why)
{
	*out = (mo_program){ .fd = sim_program_open(path) };
	if (out->fd < 0) {
		*why = mo_fmt("%s is not there", path);
		return out->fd;
	}
	out->path = mo_strdup(path);
	return 0;
}

void mo_program_close(mo_program *p)
{
	if (p->fd >= 0)
		sim_fd_close(sim_self(), p->fd);
	free(p->path);
	*p = (mo_program){ .fd = -1 };
}

int mo_spawn(const mo_program *p, const char *argv0, int err_fd, int handover_fd, pid_t *pid)
{
	(void)argv0;
	(void)err_fd;
	return sim_spawn(p->fd, handover_fd, origin.supervised || origin.envp[0], pid);
}

void mo_control_signals(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGUSR1);
}

void mo_preflight_init(mo_preflight *c)
{
	memset(c, 0, sizeof(*c));
}

int mo_preflight_run(const mo_preflight *c, const mo_program *p, json_t *found, char **why)
{
	(void)c;
	(void)p;
	(void)found;
	(void)why;
	return 0;
}

/* ---- processes -------------------------------------------------------------------------- */

uint64_t mo_pid_namespace(void)
{
	return 1;
}

int mo_pidfd_open(pid_t pid)
{
	sim_process *p = sim_process_find(pid);
	sim_file *f;

	if (!p) {
		errno = ESRCH;
		return -1;
	}
	f = sim_file_new(SIM_PIDFD);
	f->process = p;
	return sim_fd_new(sim_self(), f);
}

int mo_pidfd_open_child(pid_t pid)
{
	return mo_pidfd_open(pid);
}

static sim_process *process_of(int fd, pid_t pid)
{
	const sim_file *f = fd >= 0 ? sim_fd(fd) : NULL;

	return f ? f->process : sim_process_find(pid);
}

bool mo_pidfd_ended(int fd, pid_t pid)
{
	const sim_process *p = process_of(fd, pid);

	return !p || p->state >= SIM_ZOMBIE;
}

int mo_pidfd_signal(int fd, pid_t pid, int number)
{
	sim_process *p = process_of(fd, pid);

	sim_point();
	if (!p || p->state == SIM_GONE)
		return -ESRCH;
	sim_process_signal(p, number);
	return 0;
}

int mo_pidfd_reap(int fd, pid_t pid, int *status)
{
	return sim_process_reap(process_of(fd, pid), status);
}

/* ---- standard error ------------------------------------------------------------------------ */

struct mo_stderr_tail {
	int fd;
	json_t *lines;
};

mo_stderr_tail *mo_stderr_tail_new(mo_loop *l, int from_fd, mo_outlet *to)
{
	mo_stderr_tail *t = mo_calloc(1, sizeof(*t));

	(void)l;
	(void)to;
	t->fd = from_fd;
	t->lines = json_array();
	return t;
}

void mo_stderr_tail_add(mo_stderr_tail *t, const char *line, size_t n)
{
	if (json_array_size(t->lines) < MO_TAIL_LINES)
		json_array_append_new(t->lines, json_stringn(line, n));
}

void mo_stderr_tail_read_now(mo_stderr_tail *t)
{
	(void)t;
}

json_t *mo_stderr_tail_lines(const mo_stderr_tail *t)
{
	return json_deep_copy(t->lines);
}

void mo_stderr_tail_free(mo_stderr_tail *t)
{
	if (!t)
		return;
	sim_fd_close(sim_self(), t->fd);
	json_decref(t->lines);
	free(t);
}

/* ---- what no story has ----------------------------------------------------------------------- */

size_t mo_activate_unused(mo_gen_listener *out, size_t max)
{
	(void)out;
	(void)max;
	return 0;
}

void mo_activate_keep(mo_listener *l)
{
	mo_listener_close(l);
}

int mo_memfd_new(const char *name)
{
	(void)name;
	return -ENOSYS;
}

int mo_memfd_seal(int fd)
{
	(void)fd;
	return -ENOSYS;
}

void mo_upgrade_asked(mo_wire_msg *m)
{
	(void)m;
}

int mo_upgrade_fd(void)
{
	return -1;
}

molt_time mo_upgrade_deadline(void)
{
	return 0;
}

void mo_upgrade_look(void)
{
}

/* ---- listeners -------------------------------------------------------------------------------- */

static mo_listener *listener_of(int fd, const char *text)
{
	mo_listener *l = mo_calloc(1, sizeof(*l));

	l->fd = fd;
	snprintf(l->text, sizeof(l->text), "%s", text);
	return l;
}

int sim_listener_bind(int address, mo_listener **out)
{
	sim_file *f = sim_listener_open(address);
	char text[16];

	if (!f)
		return -EADDRINUSE;
	snprintf(text, sizeof(text), ":%d", address);
	*out = listener_of(sim_fd_new(sim_self(), f), text);
	return 0;
}

int mo_listener_adopt(int fd, const char *text, mo_listener **out)
{
	const sim_file *f = sim_fd(fd);

	if (!f || f->kind != SIM_LISTENER)
		return -ENOTSOCK;
	*out = listener_of(fd, text);
	(*out)->inherited = true;
	return 0;
}

void mo_listener_close(mo_listener *l)
{
	if (!l)
		return;
	sim_fd_close(sim_self(), l->fd);
	free(l);
}

bool mo_listener_matches(const mo_listener *l, const char *text)
{
	return strcmp(l->text, text) == 0;
}

bool mo_listener_same(const mo_listener *a, const mo_listener *b)
{
	return sim_fd(a->fd) == sim_fd(b->fd);
}

void mo_listener_set_file(mo_listener *l, uint64_t dev, uint64_t ino)
{
	(void)l;
	(void)dev;
	(void)ino;
}

int mo_listener_check_private(const char *text, char **why)
{
	(void)text;
	(void)why;
	return 0;
}

/* ---- signals ------------------------------------------------------------------------------------ */

static struct {
	uv_signal_cb fn;
	uv_signal_t *handle;
} taken[65];

int uv_signal_init(uv_loop_t *l, uv_signal_t *h)
{
	(void)l;
	(void)h;
	return 0;
}

int uv_signal_start(uv_signal_t *h, uv_signal_cb fn, int number)
{
	taken[number].fn = fn;
	taken[number].handle = h;
	sim_self()->takes_signals = true;
	return 0;
}

void uv_close(uv_handle_t *h, uv_close_cb fn)
{
	(void)h;
	(void)fn;
	sim_self()->takes_signals = false;
}

void sim_on_signal(int number)
{
	if (taken[number].fn)
		taken[number].fn(taken[number].handle, number);
}
