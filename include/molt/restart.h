/* SPDX-License-Identifier: MIT
 *
 * The process: restart, rollback, shutdown, events; the state for the next generation.
 * Programs include molt.h, which includes this file. */
#ifndef MOLT_RESTART_H
#define MOLT_RESTART_H

#include "molt/types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- the process: restart, shutdown, wait ---------------------------- */

/* Starts exe (NULL: the file this process was started from, as it is on disk
 * now) with the same arguments, environment and directory, gives it every
 * listener, waits until it serves, then drains this process.
 * Returns 0 once the new process serves; on any failure before that returns
 * <0, has changed nothing, and this process serves on.
 *   -ENOENT/-EACCES/-ENOEXEC  exe cannot be executed, or others could have put it there
 *   -EILSEQ     exe, or the path of this program, is no UTF-8
 *   -ENOMEM/-EMFILE/-ENFILE   no memory, no descriptors for a second process
 *   -ECHILD     it ended before it was ready (its status and last lines are logged)
 *   -ETIMEDOUT  not ready within ready_timeout; it was killed
 *   -EREMOTEIO  a probe was not answered as configured
 *   -EBUSY      a restart to another target is under way (the same target joins it),
 *               or this process is already being replaced or shut down
 *   -ENOTSUP    no server is graceful
 *   -EPROTO     it broke the protocol (not built with libmolt of this kind)
 * Same as SIGUSR1 or SIGUSR2.  [any] [parks] */
MOLT_API int molt_restart(const char *exe);

/* Goes back to the generation before this one: while that stands by after a
 * restart, it accepts again within milliseconds, and gets the connections back
 * the way they came; what runs here is finished.  In the old process, while it
 * drains, the same.  Returns 0 once the predecessor accepts again; on a failure
 * this process serves on.
 *   -ENOENT     there is nothing to go back to
 *   -EBUSY      a restart or a shutdown is under way
 *   -ETIMEDOUT  the predecessor did not answer within 5 s
 *   -ECHILD     the predecessor died before it served again
 *   -EADDRINUSE the predecessor serves again, but without a listener that it had closed
 *               for this process; it goes on trying to open that
 * [any] [parks] */
MOLT_API int molt_rollback(void);

/* The receipt of the last restart that this process took part in, as JSON: target, outcome, each
 * phase with its milliseconds, what was handed over, drained, lost, and the reason of a failure.
 * malloc'd, the caller frees it; NULL when there was none.  [any] */
MOLT_API char *molt_receipt(void);

/* Drains every server, then molt_wait() returns.  Same as SIGTERM.  A second
 * call, or a second signal, ends the drain at once.  [any] */
MOLT_API int molt_shutdown(void);

/* Blocks until the last server has drained; in a successor it also reports to the predecessor that
 * this program is ready.  0; <0 when the process could not become the serving one.  At once the
 * failure of molt_server_start(), when that failed for any server; main() is to return then.
 *
 * When it has returned, all servers and groups are freed and their handles dangle.  These
 * functions may be called then: those marked [any] that take no server, molt_server_get() (which
 * makes a new one), molt_config_str(), molt_config_int(), molt_state_take(). */
MOLT_API int molt_wait(void);

/* What this process is. */
typedef struct molt_process_info {
	size_t size;
	int pid, parent_generation_pid; /* 0: first generation                 */
	unsigned generation;		/* 1, 2, 3 ...                         */
	bool draining;
	size_t connections, requests; /* now open / in progress                */
} molt_process_info;
#define MOLT_PROCESS_INFO(...) MOLT_SIZED(molt_process_info, __VA_ARGS__)
/* out->size is set before: molt_process_info i = MOLT_PROCESS_INFO();  0, -EINVAL.  [any] */
MOLT_API int molt_process_get(molt_process_info *out);

enum molt_event {
	MOLT_ON_READY,	 /* this process serves now                              */
	MOLT_ON_RESTART, /* a successor serves; this process is about to drain   */
	MOLT_ON_DRAIN,	 /* draining begins, for a restart or a shutdown         */
	MOLT_ON_EXIT,	 /* the last request is done; molt_wait() is about to return */
	MOLT_ON_OFFER	 /* a successor was started and is about to get the state:
			    the last moment for molt_state_give()                */
};
/* Calls fn(arg) on the control thread when e happens; several may be added, at
 * most 32 in all (-ENOSPC), and none is taken away again: fn and arg must be there as
 * long as the process.  fn must not block and must not call molt_restart().  One that is
 * added while e happens may be called for that already.  [any] */
MOLT_API int molt_on(enum molt_event e, void (*fn)(void *arg), void *arg);

/* What linking does before main(): of the descriptors 0, 1 and 2 those that are closed become
 * /dev/null (a listener could get the number, and the log with it); MOLT_* variables of a restart
 * leave the environment, and so do NOTIFY_SOCKET, WATCHDOG_* and LISTEN_*, which the library
 * answers; SIGUSR1 and SIGUSR2 do not end the process any more; and pid 1, whose end is that of
 * its container, becomes the supervisor ("molt run"), with main() in a child of it.  The first
 * molt_server_start() takes SIGUSR1, SIGUSR2, SIGTERM, SIGINT, SIGQUIT and SIGHUP, unless they are
 * ignored, and gives SIGPIPE a handler that does nothing, unless the program has its own; what
 * exec() starts has SIGPIPE's default.  What a program wants to keep for itself it says once,
 * outside of functions: MOLT_AT_START(MOLT_KEEP_ENVIRONMENT | MOLT_KEEP_PID_1); */
enum {
	MOLT_KEEP_ENVIRONMENT = 1, /* the service manager's variables; no "systemd:" addresses */
	MOLT_KEEP_PID_1 = 2	   /* main() runs as pid 1; a restart ends the container       */
};
extern MOLT_API const unsigned molt_at_start; /* the program's; 0 when it has none */
#define MOLT_AT_START(flags) const unsigned molt_at_start = (flags)

/* ---- state for the next generation ----------------------------------- */
/* By name: bytes and a descriptor.
 *
 * A program gives what its successor should begin with, any time before a restart or
 * in MOLT_ON_OFFER, and takes it first of all in its own start-up.  What it means, and
 * in which version it is written, is the program's business: put a version into it,
 * and refuse one that is not understood.  There is none after a crash: every program
 * must be able to begin without it. */

/* Gives len bytes (copied) and, when fd is not -1, a descriptor (duplicated) to every
 * successor that is started from now on, in place of what was given under key.  A
 * restart that fails loses nothing.  key: 1 to 64 printable ASCII characters without
 * spaces.  -EINVAL; -EBADF; -ENOSPC: more than 128 keys, or 1024 with those of former
 * programs that nobody has taken; -EFBIG: more than 1 GiB in all; -ENOMEM, -EMFILE.  It copies
 * on the spot: many megabytes belong on a pool thread.  [any] */
MOLT_API int molt_state_give(const char *key, const void *buf, size_t len, int fd);
/* Takes back what was given.  -ENOENT.  [any] */
MOLT_API int molt_state_drop(const char *key);
/* Takes what the predecessor gave under key: *buf is malloc'd, the caller frees it, and has a
 * NUL behind its *len bytes; *fd is the caller's to close, -1 when there is none.  buf and len,
 * or fd, may be NULL: that part is thrown away.  -ENOENT: nothing came, or it has been taken.
 * What nobody takes goes on to the next generation.  Before molt_server_start() it waits for the
 * predecessor's offer, and belongs to the thread that sets up; after it [any]. */
MOLT_API int molt_state_take(const char *key, void **buf, size_t *len, int *fd);
/* Says that the state under key, taken or not, is not understood, and throws it
 * away: the program starts cold.  The refusal is logged, and recorded in the receipt when
 * it comes before molt_wait().  why: a sentence, of which at most 200 bytes are told.
 * -ENOENT: nothing came under that key.  [any] as molt_state_take(). */
MOLT_API int molt_state_refuse(const char *key, const char *why);

#ifdef __cplusplus
}
#endif
#endif
