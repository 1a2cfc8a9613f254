/* Checking and starting the successor's program; see spawn.h. */
#include "gen/os/spawn.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/thread.h"
#include "gen/os/origin.h"
#include "gen/os/script.h"

#define SPAWN_STACK ((size_t)256 << 10)

#if __SIZEOF_POINTER__ == 8
typedef Elf64_Ehdr elf_head;
typedef Elf64_Phdr elf_part;
#else
typedef Elf32_Ehdr elf_head;
typedef Elf32_Phdr elf_part;
#endif

void mo_control_signals(sigset_t *set)
{
	static const int list[] = { SIGUSR1, SIGUSR2, SIGTERM, SIGINT, SIGQUIT, SIGHUP };

	sigemptyset(set);
	for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++)
		sigaddset(set, list[i]);
}

static int refuse(char **why, int code, const char *path, const char *text)
{
	*why = mo_fmt("cannot start %s: %s", path, text);
	return code;
}

/* The header of the program that runs now says what this machine takes. */
static int own_head(elf_head *h)
{
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, h, sizeof(*h));

	if (fd >= 0)
		close(fd);
	return n == (ssize_t)sizeof(*h) ? 0 : -ENOEXEC;
}

/* Every loaded part must lie inside the file: a half-copied program is refused
 * here and not by a SIGBUS later. */
static int check_parts(int fd, const elf_head *h, off_t size)
{
	for (unsigned i = 0; i < h->e_phnum; i++) {
		elf_part part;
		off_t at = (off_t)(h->e_phoff + (size_t)i * h->e_phentsize);

		if (pread(fd, &part, sizeof(part), at) != (ssize_t)sizeof(part))
			return -ENOEXEC;
		if (part.p_type == PT_LOAD &&
		    (part.p_filesz > (size_t)size || part.p_offset > (size_t)size - part.p_filesz))
			return -ENOEXEC;
	}
	return h->e_phnum ? 0 : -ENOEXEC;
}

static int check_format(mo_program *p, off_t size, char **why)
{
	elf_head h = { 0 }, own;
	ssize_t n = pread(p->fd, &h, sizeof(h), 0);

	if (n >= 2 && memcmp(&h, "#!", 2) == 0) {
		p->script = 1;
		return mo_script_check(p->path, p->fd, why);
	}
	if (n < (ssize_t)sizeof(h) || memcmp(h.e_ident, ELFMAG, SELFMAG) != 0)
		return refuse(why, -ENOEXEC, p->path,
			      "it is not a program (no ELF file, no script)");
	if (own_head(&own) == 0 &&
	    (h.e_machine != own.e_machine || h.e_ident[EI_CLASS] != own.e_ident[EI_CLASS] ||
	     h.e_ident[EI_DATA] != own.e_ident[EI_DATA]))
		return refuse(why, -ENOEXEC, p->path, "it was built for another kind of machine");
	if ((h.e_type != ET_EXEC && h.e_type != ET_DYN) || h.e_phentsize != sizeof(elf_part))
		return refuse(why, -ENOEXEC, p->path, "it is an ELF file but not a program");
	if (check_parts(p->fd, &h, size) < 0)
		return refuse(
			why, -ENOEXEC, p->path,
			"the file is cut short; copy it to a new name and rename it into place");
	return 0;
}

int mo_program_open(const char *path, mo_program *out, char **why)
{
	struct stat st;
	int rc;

	*out = (mo_program){ .fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK),
			     .path = mo_strdup(path) };
	if (out->fd < 0 || fstat(out->fd, &st) < 0) {
		rc = refuse(why, -errno, path, strerror(errno));
		goto fail;
	}
	if (!S_ISREG(st.st_mode)) {
		rc = refuse(why, -EACCES, path, "it is not a regular file");
		goto fail;
	}
	if (faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) < 0) {
		rc = refuse(why, -EACCES, path, "it is not executable; chmod +x it");
		goto fail;
	}
	if (st.st_mode & S_IWOTH) {
		rc = refuse(why, -EACCES, path, "everybody may write to it; chmod o-w it");
		goto fail;
	}
	rc = check_format(out, st.st_size, why);
	if (rc == 0)
		return 0;
fail:
	mo_program_close(out);
	return rc;
}

void mo_program_close(mo_program *p)
{
	if (p->fd >= 0)
		close(p->fd);
	free(p->path);
	*p = (mo_program){ .fd = -1 };
}

/* Everything that the child between vfork() and exec needs, made before it:
 * there, only system calls are allowed, for it runs in our memory. */
typedef struct child_plan {
	const mo_program *program;
	char **argv, **envp;
	const char *cwd;
	int cwd_fd, err_fd, handover_fd, report_fd;
	sigset_t mask;
} child_plan;

static void child_close_on_exec(void)
{
#ifdef SYS_close_range
	if (syscall(SYS_close_range, 3u, ~0u, 4u /* CLOSE_RANGE_CLOEXEC */) == 0)
		return;
#endif
	for (int fd = 3; fd < 65536; fd++)
		fcntl(fd, F_SETFD, FD_CLOEXEC);
}

/* A script is opened once more, by its interpreter, so it is started by its path: which
 * must still lead to the file that was checked. */
static bool is_at_its_path(const mo_program *p)
{
	struct stat checked, now;

	return fstat(p->fd, &checked) == 0 && stat(p->path, &now) == 0 &&
	       checked.st_dev == now.st_dev && checked.st_ino == now.st_ino;
}

static void child_run(const child_plan *c)
{
	struct sigaction dfl = { .sa_handler = SIG_DFL };
	int err;

	/* A handler that runs here would run in the parent's memory; all signals
	 * are blocked until exec.  Ignored ones stay ignored (nohup). */
	for (int s = 1; s < NSIG; s++) {
		struct sigaction now;

		if (sigaction(s, NULL, &now) == 0 && now.sa_handler != SIG_IGN)
			sigaction(s, &dfl, NULL);
	}
	sigaction(SIGPIPE, &dfl, NULL);
	if (!c->cwd || chdir(c->cwd) < 0)
		if (c->cwd_fd >= 0 && fchdir(c->cwd_fd) < 0)
			goto fail;
	if (dup2(c->err_fd, STDERR_FILENO) < 0)
		goto fail;
	child_close_on_exec();
	if (fcntl(c->handover_fd, F_SETFD, 0) < 0)
		goto fail;
	sigprocmask(SIG_SETMASK, &c->mask, NULL);
	if (!c->program->script)
		syscall(SYS_execveat, c->program->fd, "", c->argv, c->envp, AT_EMPTY_PATH);
	errno = c->program->script ? ESTALE : errno;
	if (c->program->script ? is_at_its_path(c->program) : errno == ENOSYS)
		execve(c->program->path, c->argv, c->envp);
fail:
	err = errno;
	if (write(c->report_fd, &err, sizeof(err)) < 0)
		_exit(126);
	_exit(127);
}

struct start {
	const child_plan *plan;
	pid_t pid;
	int err;
};

static void *vfork_child(void *arg)
{
	struct start *s = arg;
	sigset_t all;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, NULL);
	s->pid = vfork();
	if (s->pid == 0)
		child_run(s->plan);
	s->err = errno;
	return NULL;
}

/* On a thread's own stack, for we may be a coroutine: in a program with
 * AddressSanitizer vfork() marks the stack as unused from here to the end of what
 * it takes for that of the thread, and that would be all memory in between. */
static int start_child(const child_plan *c, pid_t *pid)
{
	struct start s = { .plan = c, .pid = -1 };
	pthread_t t;
	int err = mo_thread_start(&t, "molt-spawn", SPAWN_STACK, vfork_child, &s);

	if (err < 0)
		return err;
	pthread_join(t, NULL);
	*pid = s.pid;
	return s.pid < 0 ? -s.err : 0;
}

/* What exec said: 0 when the pipe was closed by it. */
static int read_report(int fd, pid_t pid)
{
	int err = 0;
	ssize_t n;

	do
		n = read(fd, &err, sizeof(err));
	while (n < 0 && errno == EINTR);
	if (n != (ssize_t)sizeof(err))
		return 0;
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		continue;
	return err ? -err : -ENOEXEC;
}

static char **env_with_handover(int fd)
{
	char **from = mo_origin_get()->envp, **v;
	size_t n = 0;

	while (from[n])
		n++;
	v = mo_calloc(n + 2, sizeof(*v));
	memcpy(v, from, n * sizeof(*v));
	v[n] = mo_fmt("%s=%d", MO_HANDOVER_ENV, fd);
	return v;
}

static char **argv_with_first(const char *argv0)
{
	char **from = mo_origin_get()->argv, **v;
	size_t n = 0;

	while (from[n])
		n++;
	v = mo_calloc(n + 2, sizeof(*v));
	memcpy(v, from, n * sizeof(*v));
	if (argv0)
		v[0] = (char *)(uintptr_t)argv0;
	return v;
}

int mo_spawn(const mo_program *p, const char *argv0, int err_fd, int handover_fd, pid_t *pid)
{
	child_plan c = { .program = p,
			 .argv = argv_with_first(argv0),
			 .envp = env_with_handover(handover_fd),
			 .cwd = mo_origin_get()->cwd,
			 .cwd_fd = mo_origin_get()->cwd_fd,
			 .err_fd = err_fd,
			 .handover_fd = handover_fd };
	int report[2], rc = 0;
	size_t n = 0;

	mo_control_signals(&c.mask);
	if (pipe2(report, O_CLOEXEC) < 0) {
		rc = -errno;
	} else {
		c.report_fd = report[1];
		rc = start_child(&c, pid);
		close(report[1]);
		if (rc == 0)
			rc = read_report(report[0], *pid);
		close(report[0]);
	}
	while (c.envp[n + 1])
		n++;
	free(c.envp[n]);
	free(c.envp);
	free(c.argv);
	return rc;
}
