/* What the service manager (systemd) is told, by the sd_notify protocol: one
 * datagram of "NAME=value" lines to the socket that NOTIFY_SOCKET names.  All
 * of it does nothing when there is no such socket.
 *
 *   event                               sender       lines
 *   first generation serves             itself       READY=1, WATCHDOG=1
 *   restart asked                       predecessor  RELOADING=1, MONOTONIC_USEC
 *   restart refused or failed           predecessor  READY=1
 *   the successor serves                predecessor  MAINPID=, and then, told by
 *                                                    the message "main",
 *                                       successor    READY=1, WATCHDOG=1
 *   the same, the predecessor is dead   successor    MAINPID=, READY=1
 *   another process took over           itself       READY=1, which ends the reload
 *   shutdown                            itself       STOPPING=1
 *   half of WATCHDOG_USEC               main process WATCHDOG=1
 *
 * Each of the first seven has a STATUS line.  Below a supervisor the main process
 * is the supervisor, so that MAINPID is never sent there.
 *
 * Always: MAINPID is sent after the successor serves, never before, for it cannot
 * be taken back; READY=1 of the successor follows it, because the manager may
 * listen to the main process only.  The control loop calls all but the first two,
 * so a ping of the watchdog says that this thread lives. */
#ifndef MO_GEN_JOIN_NOTIFY_H
#define MO_GEN_JOIN_NOTIFY_H

#include <stdbool.h>
#include <sys/types.h>

/* Before main(): reads the variables.  WATCHDOG_PID leaves the environment at
 * once; the others, which a successor needs, by mo_notify_hide(), when the
 * environment for it has been saved. */
void mo_notify_take(void);
void mo_notify_hide(void);

/* This generation serves; claim_main: nobody has said so to the manager. */
void mo_notify_ready(unsigned generation, bool claim_main);
void mo_notify_reloading(void);
/* A restart has changed nothing; reason may be NULL. */
void mo_notify_failed(unsigned generation, const char *reason);
void mo_notify_main(pid_t successor);
/* A program that is not the manager's affair serves; this process ends soon. */
void mo_notify_taken(const char *exe);
void mo_notify_stopping(void);
void mo_notify_status(const char *text);
void mo_notify_end(void); /* stops the pings; before the control loop ends */

#endif
