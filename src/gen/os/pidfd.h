/* A process by its descriptor: a number may be another process's as soon as somebody
 * has reaped the first (a program that reaps everything, SIGCHLD ignored), and a signal
 * to a number may reach a stranger.
 *
 * Always: where a descriptor is known, it alone decides who has ended and who gets the
 * signal; fd -1 is a kernel without pidfd_open() (before Linux 5.3), which is said in the
 * log once, and there the number has to do. */
#ifndef MO_GEN_OS_PIDFD_H
#define MO_GEN_OS_PIDFD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Numbers mean the same processes for who reads the same here; 0: not known. */
uint64_t mo_pid_namespace(void);

/* -1: there is no such process (ESRCH), or the kernel has none (ENOSYS). */
int mo_pidfd_open(pid_t pid);
/* Of a child that was just started: -1 also when that number is no child of ours (any
 * more). */
int mo_pidfd_open_child(pid_t pid);
bool mo_pidfd_ended(int fd, pid_t pid);
/* 0, -ESRCH ... */
int mo_pidfd_signal(int fd, pid_t pid, int number);
/* Of a child: 1: it was reaped, *status as waitpid() gives it; 0: it runs;
 * -ECHILD: it has ended, and somebody else has taken the status. */
int mo_pidfd_reap(int fd, pid_t pid, int *status);

#endif
