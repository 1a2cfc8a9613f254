/* The successor's program: checked before it is started (PREFLIGHT), started by
 * the very descriptor that was checked (SPAWN), so that nobody can put another
 * file there in between.  A script is started by its path, because its interpreter
 * opens it there: when that leads to another file than the checked one, -ESTALE. */
#ifndef MO_GEN_OS_SPAWN_H
#define MO_GEN_OS_SPAWN_H

#include <signal.h>
#include <sys/types.h>

typedef struct mo_program {
	int fd;     /* of the verified file */
	char *path; /* absolute; owned */
	int script; /* starts with "#!": must be started by its path */
} mo_program;

/* Opens and checks path: a regular file that we may execute, not writable by
 * everybody, a whole ELF program for this machine or a script with such an interpreter.
 * *why: malloc'd
 * sentence.  -ENOENT, -EACCES, -ENOEXEC ... */
int mo_program_open(const char *path, mo_program *out, char **why);
void mo_program_close(mo_program *p);

/* Starts it with the saved arguments, environment and directory; descriptors
 * 0 and 1 as ours, 2 from err_fd, handover_fd passed on, nothing else; signals
 * of control blocked until the program handles them, all else as at a fresh
 * start.  argv0: replaces the first argument, or NULL.  0, or what exec gave. */
int mo_spawn(const mo_program *p, const char *argv0, int err_fd, int handover_fd, pid_t *pid);

/* The signals that control the process: blocked across exec. */
void mo_control_signals(sigset_t *set);

#endif
