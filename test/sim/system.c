/* The calls of libc and of the kernel that the simulated processes make, but for sockets
 * (socket.c) and memory (memory.c); see sim.h.  The linker puts __wrap_NAME in the place of
 * NAME in image.so. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdarg.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/outlet.h"
#include "base/thread.h"
#include "net/peer.h"
#include "net/secret.h"
#include "net/ticket.h"
#include "rt/small_file.h"
#include "sim.h"

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif

static int fail(int code)
{
	errno = -code;
	return -1;
}

/* ---- time -------------------------------------------------------------------------- */

molt_time mo_now(void)
{
	return sim_clock;
}

#define WALL_BEGAN INT64_C(1700000000000)

molt_time mo_wall(void)
{
	return WALL_BEGAN + sim_clock;
}

molt_time mo_deadline(molt_time t)
{
	return t < 0 || t > INT64_MAX / 2 ? INT64_MAX : sim_clock + t;
}

molt_time mo_left(molt_time deadline)
{
	if (deadline == INT64_MAX)
		return MOLT_FOREVER;
	return deadline > sim_clock ? deadline - sim_clock : 0;
}

int __wrap_clock_gettime(clockid_t which, struct timespec *ts);

int __wrap_clock_gettime(clockid_t which, struct timespec *ts)
{
	double ms = sim_fine_clock() + (which == CLOCK_REALTIME ? (double)WALL_BEGAN : 0);

	ts->tv_sec = (time_t)(ms / 1e3);
	ts->tv_nsec = (long)((ms - (double)ts->tv_sec * 1e3) * 1e6);
	return 0;
}

/* ---- locks: only threads of one process, of which one runs at a time ------------------- */

int __wrap_pthread_mutex_lock(pthread_mutex_t *m);
int __wrap_pthread_mutex_unlock(pthread_mutex_t *m);
int __wrap_pthread_cond_wait(pthread_cond_t *c, pthread_mutex_t *m);
int __wrap_pthread_cond_timedwait(pthread_cond_t *c, pthread_mutex_t *m, const struct timespec *at);
int __wrap_pthread_cond_broadcast(pthread_cond_t *c);
int __wrap_pthread_sigmask(int how, const sigset_t *set, sigset_t *old);
int __wrap_pthread_detach(pthread_t t);
int __wrap_sem_init(sem_t *s, int shared, unsigned n);
int __wrap_sem_destroy(sem_t *s);
int __wrap_sem_post(sem_t *s);
int __wrap_sem_wait(sem_t *s);

/* Who has it stands in the first bytes, which are zero in a new one. */
static bool is_unlocked(void *m)
{
	return *(sim_thread **)m == NULL;
}

int __wrap_pthread_mutex_lock(pthread_mutex_t *m)
{
	if (!sim_current)
		return 0;
	sim_wait(is_unlocked, m, INT64_MAX);
	*(sim_thread **)(void *)m = sim_current;
	return 0;
}

int __wrap_pthread_mutex_unlock(pthread_mutex_t *m)
{
	*(sim_thread **)(void *)m = NULL;
	return 0;
}

typedef struct change {
	const uint64_t *now;
	uint64_t was;
} change;

static bool has_changed(void *arg)
{
	const change *c = arg;

	return *c->now != c->was;
}

static bool wait_for_change(pthread_cond_t *c, pthread_mutex_t *m, molt_time deadline)
{
	change what = { (const uint64_t *)(void *)c, *(const uint64_t *)(void *)c };
	bool came;

	__wrap_pthread_mutex_unlock(m);
	came = sim_wait(has_changed, &what, deadline);
	__wrap_pthread_mutex_lock(m);
	return came;
}

int __wrap_pthread_cond_wait(pthread_cond_t *c, pthread_mutex_t *m)
{
	wait_for_change(c, m, INT64_MAX);
	return 0;
}

int __wrap_pthread_cond_timedwait(pthread_cond_t *c, pthread_mutex_t *m, const struct timespec *at)
{
	molt_time wall = (molt_time)at->tv_sec * 1000 + at->tv_nsec / 1000000;

	return wait_for_change(c, m, wall - WALL_BEGAN + 1) ? 0 : ETIMEDOUT;
}

int __wrap_pthread_cond_broadcast(pthread_cond_t *c)
{
	++*(uint64_t *)(void *)c;
	return 0;
}

int __wrap_pthread_sigmask(int how, const sigset_t *set, sigset_t *old)
{
	(void)how;
	(void)set;
	(void)old;
	return 0;
}

int __wrap_pthread_detach(pthread_t t)
{
	(void)t;
	return 0;
}

static int *count_of(sem_t *s)
{
	return (int *)(void *)s;
}

static bool is_posted(void *s)
{
	return *count_of(s) > 0;
}

int __wrap_sem_init(sem_t *s, int shared, unsigned n)
{
	(void)shared;
	*count_of(s) = (int)n;
	return 0;
}

int __wrap_sem_destroy(sem_t *s)
{
	(void)s;
	return 0;
}

int __wrap_sem_post(sem_t *s)
{
	++*count_of(s);
	return 0;
}

int __wrap_sem_wait(sem_t *s)
{
	sim_wait(is_posted, s, INT64_MAX);
	--*count_of(s);
	return 0;
}

typedef struct call {
	void *(*fn)(void *arg);
	void *arg;
} call;

static void run_call(void *arg)
{
	call *c = arg;

	c->fn(c->arg);
}

int mo_thread_start(pthread_t *t, const char *name, size_t stack, void *(*fn)(void *arg), void *arg)
{
	call *c = sim_alloc(sizeof(*c));

	(void)name;
	(void)stack;
	*c = (call){ fn, arg };
	sim_thread_start(sim_self(), run_call, c);
	*t = 0;
	return 0;
}

/* ---- descriptors --------------------------------------------------------------------- */

int __wrap_close(int fd);
int __wrap_poll(struct pollfd *all, nfds_t n, int timeout);
int __wrap_fcntl64(int fd, int what, ...);
int __wrap_dup2(int from, int to);
int __wrap_pipe2(int fds[2], int flags);
int __wrap_fstat64(int fd, struct stat *st);
int __wrap_socket(int domain, int type, int protocol);
int __wrap_getsockopt(int fd, int level, int what, void *at, socklen_t *n);
int __wrap_setsockopt(int fd, int level, int what, const void *at, socklen_t n);
ssize_t __wrap_read(int fd, void *at, size_t n);
ssize_t __wrap_sendto(int fd, const void *at, size_t n, int flags, const struct sockaddr *to,
		      socklen_t len);

int __wrap_close(int fd)
{
	int rc;

	sim_point();
	rc = sim_fd_close(sim_self(), fd);
	return rc < 0 ? fail(rc) : 0;
}

typedef struct polled {
	sim_process *process;
	struct pollfd *all;
	nfds_t n;
} polled;

static int look(const polled *p)
{
	int ready = 0;

	for (nfds_t i = 0; i < p->n; i++) {
		sim_file *f = sim_fd_of(p->process, p->all[i].fd);

		p->all[i].revents = f && sim_file_readable(f) ? POLLIN : 0;
		if (f && f->kind == SIM_CHANNEL && !f->peer)
			p->all[i].revents |= POLLHUP;
		ready += p->all[i].revents != 0;
	}
	return ready;
}

static bool is_any_ready(void *arg)
{
	return look(arg) > 0;
}

int __wrap_poll(struct pollfd *all, nfds_t n, int timeout)
{
	polled p = { sim_self(), all, n };

	sim_point();
	if (timeout != 0)
		sim_wait(is_any_ready, &p, mo_deadline(timeout));
	return look(&p);
}

int __wrap_fcntl64(int fd, int what, ...)
{
	sim_file *f = sim_fd(fd);
	int rc;

	if (!f)
		return fail(-EBADF);
	if (what != F_DUPFD_CLOEXEC)
		return 0;
	rc = sim_fd_new(sim_self(), sim_file_ref(f));
	return rc < 0 ? fail(rc) : rc;
}

int __wrap_dup2(int from, int to)
{
	(void)from;
	return to;
}

int __wrap_pipe2(int fds[2], int flags)
{
	(void)flags;
	for (int i = 0; i < 2; i++)
		fds[i] = sim_fd_new(sim_self(), sim_file_new(SIM_OTHER));
	return 0;
}

int __wrap_fstat64(int fd, struct stat *st)
{
	const sim_file *f = sim_fd(fd);

	if (!f)
		return fail(-EBADF);
	memset(st, 0, sizeof(*st));
	st->st_ino = f->number;
	return 0;
}

int __wrap_socket(int domain, int type, int protocol)
{
	(void)domain;
	(void)protocol;
	sim_point();
	return sim_fd_new(sim_self(),
			  sim_file_new((type & 0xf) == SOCK_SEQPACKET ? SIM_PATH : SIM_OTHER));
}

static int peer_pidfd(const sim_file *f)
{
	sim_process *p = sim_process_find(f->maker);
	sim_file *it;

	if (!p)
		return fail(-ESRCH);
	it = sim_file_new(SIM_PIDFD);
	it->process = p;
	return sim_fd_new(sim_self(), it);
}

int __wrap_getsockopt(int fd, int level, int what, void *at, socklen_t *n)
{
	const sim_file *f = sim_fd(fd);

	(void)level;
	if (!f)
		return fail(-EBADF);
	if (what == SO_PEERPIDFD) {
		*(int *)at = peer_pidfd(f);
		return *(int *)at < 0 ? -1 : 0;
	}
	if (what == SO_PEERCRED) {
		*(struct ucred *)at = (struct ucred){ .pid = f->maker };
		*n = sizeof(struct ucred);
		return 0;
	}
	*(int *)at = what == SO_TYPE ? f->kind == SIM_CONN ? SOCK_STREAM : SOCK_SEQPACKET : 0;
	return 0;
}

int __wrap_setsockopt(int fd, int level, int what, const void *at, socklen_t n)
{
	(void)fd;
	(void)level;
	(void)what;
	(void)at;
	(void)n;
	return 0;
}

ssize_t __wrap_read(int fd, void *at, size_t n)
{
	sim_file *f = sim_fd(fd);
	struct signalfd_siginfo *info = at;

	if (!f)
		return fail(-EBADF);
	if (f->kind != SIM_SIGNALS)
		return 0;
	if (f->process->pending == 0)
		return fail(-EAGAIN);
	memset(info, 0, n);
	info->ssi_signo = (uint32_t)__builtin_ctzll(f->process->pending);
	f->process->pending &= f->process->pending - 1;
	return (ssize_t)n;
}

/* To the service manager. */
ssize_t __wrap_sendto(int fd, const void *at, size_t n, int flags, const struct sockaddr *to,
		      socklen_t len)
{
	(void)fd;
	(void)flags;
	(void)to;
	(void)len;
	sim_point();
	sim_manager_hear(sim_self(), at, n);
	return (ssize_t)n;
}

/* ---- processes ------------------------------------------------------------------------ */

pid_t __wrap_getpid(void);
pid_t __wrap_getppid(void);
pid_t __wrap_waitpid(pid_t pid, int *status, int flags);
int __wrap_kill(pid_t pid, int number);
int __wrap_signalfd(int fd, const sigset_t *set, int flags);
int __wrap_sigaction(int number, const struct sigaction *set, struct sigaction *old);
int __wrap_sigprocmask(int how, const sigset_t *set, sigset_t *old);
sighandler_t __wrap_signal(int number, sighandler_t fn);
int __wrap_prctl(int what, ...);
long __wrap_syscall(long number, ...);
char *__wrap_secure_getenv(const char *name);
int __wrap_unsetenv(const char *name);
ssize_t __wrap_getrandom(void *at, size_t n, unsigned flags);
FILE *__wrap_fopen64(const char *path, const char *how);
void *__wrap_opendir(const char *path);
ssize_t __wrap_write(int fd, const void *at, size_t n);
ssize_t __wrap_pread64(int fd, void *at, size_t n, off_t from);
ssize_t __wrap_send(int fd, const void *at, size_t n, int flags);

pid_t __wrap_getpid(void)
{
	return sim_self()->pid;
}

pid_t __wrap_getppid(void)
{
	return sim_self()->parent;
}

pid_t __wrap_waitpid(pid_t pid, int *status, int flags)
{
	bool any = false;
	int ignored;

	(void)flags;
	sim_point();
	for (unsigned i = 0; i < sim_count; i++) {
		sim_process *c = sim_all[i];
		int rc = pid > 0 && c->pid != pid ? -ECHILD
						  : sim_process_reap(c, status ? status : &ignored);

		if (rc == 1)
			return c->pid;
		any = any || rc == 0;
	}
	return any ? 0 : fail(-ECHILD);
}

int __wrap_kill(pid_t pid, int number)
{
	sim_process *p = sim_process_find(pid);

	sim_point();
	if (!p)
		return fail(-ESRCH);
	sim_process_signal(p, number);
	return 0;
}

int __wrap_signalfd(int fd, const sigset_t *set, int flags)
{
	sim_file *f = sim_file_new(SIM_SIGNALS);

	(void)fd;
	(void)set;
	(void)flags;
	f->process = sim_self();
	return sim_fd_new(sim_self(), f);
}

int __wrap_sigaction(int number, const struct sigaction *set, struct sigaction *old)
{
	(void)number;
	(void)set;
	if (old)
		memset(old, 0, sizeof(*old));
	return 0;
}

int __wrap_sigprocmask(int how, const sigset_t *set, sigset_t *old)
{
	(void)how;
	(void)set;
	(void)old;
	return 0;
}

sighandler_t __wrap_signal(int number, sighandler_t fn)
{
	(void)number;
	(void)fn;
	return SIG_DFL;
}

/* Only PR_SET_CHILD_SUBREAPER is asked for. */
int __wrap_prctl(int what, ...)
{
	(void)what;
	sim_self()->subreaper = true;
	return 0;
}

long __wrap_syscall(long number, ...)
{
	(void)number;
	return fail(-ENOSYS);
}

char *__wrap_secure_getenv(const char *name)
{
	static char path[] = "/run/notify";

	return sim_self()->managed && strcmp(name, "NOTIFY_SOCKET") == 0 ? path : NULL;
}

int __wrap_unsetenv(const char *name)
{
	(void)name;
	return 0;
}

ssize_t __wrap_getrandom(void *at, size_t n, unsigned flags)
{
	(void)flags;
	for (size_t i = 0; i < n; i++)
		((unsigned char *)at)[i] = (unsigned char)sim_choice(256);
	return (ssize_t)n;
}

FILE *__wrap_fopen64(const char *path, const char *how)
{
	(void)path;
	(void)how;
	errno = ENOENT;
	return NULL;
}

/* /proc tells nothing. */
void *__wrap_opendir(const char *path)
{
	(void)path;
	errno = EACCES;
	return NULL;
}

/* No story has state in memory, or probes. */
ssize_t __wrap_write(int fd, const void *at, size_t n)
{
	(void)fd;
	(void)at;
	(void)n;
	return fail(-ENOSYS);
}

ssize_t __wrap_pread64(int fd, void *at, size_t n, off_t from)
{
	(void)fd;
	(void)at;
	(void)n;
	(void)from;
	return fail(-ENOSYS);
}

ssize_t __wrap_send(int fd, const void *at, size_t n, int flags)
{
	(void)fd;
	(void)at;
	(void)n;
	(void)flags;
	return fail(-ENOSYS);
}

bool mo_process_state(pid_t pid, char *state, pid_t *parent)
{
	const sim_process *p = sim_process_find(pid);

	if (!p)
		return false;
	*state = p->stopped ? 'T' : 'S';
	if (parent)
		*parent = p->parent;
	return true;
}

void mo_exit_now(int status)
{
	sim_process_exit(status);
}

/* ---- the log ------------------------------------------------------------------------ */

void mo_log_set_observer(void (*fn)(const char *line))
{
	sim_self()->observer = fn;
}

void molt_log(enum molt_level level, const char *fmt, ...)
{
	void (*observer)(const char *line) = sim_current ? sim_self()->observer : NULL;
	char text[400];
	va_list ap;

	if (!sim_tells && (level < MOLT_WARN || !observer))
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	sim_tell("  pid %d: %s", sim_current ? (int)sim_self()->pid : 0, text);
	if (level >= MOLT_WARN && observer)
		observer(text);
}

/* Of text that is none; no story has any. */
void mo_log_escape(mo_buf *out, molt_str s)
{
	(void)out;
	(void)s;
}

/* An assertion of the code under test. */
void mo_die(const char *file, int line, const char *fmt, ...)
{
	char text[300];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (!sim_current) {
		fprintf(stderr, "simulator: %s:%d: %s\n", file, line, text);
		abort();
	}
	sim_violation("%s:%d: %s", file, line, text);
	sim_process_kill(sim_self());
	sim_give_up_processor();
}

mo_outlet *mo_outlet_stderr(void)
{
	return NULL;
}

void mo_outlet_add(mo_outlet *o, const char *p, size_t n)
{
	(void)o;
	(void)p;
	(void)n;
}

/* ---- secrets: there are none ----------------------------------------------------------- */

void OPENSSL_cleanse(void *p, size_t n)
{
	memset(p, 0, n);
}

void *mo_secret_new(size_t n)
{
	return sim_alloc(n);
}

void mo_secret_free(void *p, size_t n)
{
	(void)p;
	(void)n;
}

size_t mo_tickets_export(uint8_t out[MO_TICKET_EXPORT])
{
	(void)out;
	return 0;
}

void mo_tickets_import(const uint8_t *in, size_t n)
{
	(void)in;
	(void)n;
}

int mo_peer_is_ours(int fd)
{
	(void)fd;
	return 1;
}

#ifdef MO_FAULT_SWITCH
/* Faults are made by the story. */
int mo_fault(const char *at, const char *what, int fd)
{
	(void)at;
	(void)what;
	(void)fd;
	return 0;
}

int mo_fault_waiting(int fd)
{
	(void)fd;
	return 0;
}

void mo_fault_role(const char *role)
{
	(void)role;
}
#endif
