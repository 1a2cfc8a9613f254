/* Faults on purpose, for tests of the restart: only in builds with -Dfaults=true,
 * nothing of it is in any other.
 *
 * $MOLT_FAULT names a file.  When a process comes to a point that the file's text
 * "ROLE:POINT:FAULT" names, the file gets the suffix ".fired", so that exactly one
 * process does it once, and the fault happens there:
 *
 *   kill     SIGKILL to itself
 *   stop     SIGSTOP to itself
 *   close    the socket is shut down in both directions
 *   enomem   the next system call fails so
 *   emfile   the same; of a message that was received, the descriptors are lost
 *   short    the message is sent cut in half
 *
 * ROLE: supervisor; predecessor (from its own restart on, and a first generation);
 * successor (until then).  POINT: of each message (gen/wire/wire.h) send.TYPE and sent.TYPE,
 * before and behind the call; get.TYPE, while it waits to be read; got.TYPE; or
 * step.NAME.  doc/faults.md has the list. */
#ifndef MO_BASE_FAULT_H
#define MO_BASE_FAULT_H

#define MO_FAULT_SHORT (-4095) /* no errno */

#ifdef MO_FAULT_SWITCH

void mo_fault_role(const char *role); /* a literal */
/* 0, or what the next system call shall fail with.  fd: the socket, or -1. */
int mo_fault(const char *at, const char *what, int fd);

/* The same at get.TYPE of the message that waits on the socket. */
int mo_fault_waiting(int fd);

#define MO_FAULT_ROLE(role) mo_fault_role(role)
#define MO_FAULT_WAITING(fd) mo_fault_waiting(fd)
#define MO_FAULT(at, what, fd) mo_fault(at, what, fd)

#else

#define MO_FAULT_ROLE(role) ((void)0)
#define MO_FAULT_WAITING(fd) 0
#define MO_FAULT(at, what, fd) ((void)(what), 0)

#endif

#endif
