/* A generation's end of the supervisor's socket, when there is a supervisor.
 *
 *   type       when                                   with
 *   starting   the offer has come                     predecessor: its pid
 *   listeners  the set of listeners has changed,      list of {server, text}, one
 *              and before "serving"                   fd each
 *   offered    behind them                            listeners: how many in all
 *   serving    it is the serving generation now       generation, exe
 *   taken      a process that is not below this
 *              supervisor takes over
 *   stopping   it ends by a shutdown
 *   ended      it has reaped its successor            pid, status (of waitpid())
 *   receipt    a restart has ended                    receipt
 *   claim      its successor has died; may it serve   a socket for the answer
 *              again?
 *   upgrade    the supervisor shall be renewed        a socket for the answer
 *
 * The first two are those of wire.h.  Every generation holds the same socket
 * (it goes on with the offer), and only ever sends; the supervisor tells them
 * apart by the pid that the kernel adds.
 *
 * Always: nothing waits for the supervisor but "claim", for one second.  One that is gone or
 * does not read costs a line in the log; the service goes on without it. */
#ifndef MO_GEN_JOIN_SUPERVISOR_CLIENT_H
#define MO_GEN_JOIN_SUPERVISOR_CLIENT_H

#include "gen/gen.h"

void mo_supervisor_client_take(int fd, int supervisor_pid); /* owns fd */
bool mo_supervisor_client_is(void); /* was this process started below a supervisor? */
int mo_supervisor_client_fd(void);  /* for the offer to a successor; -1 */
/* Asks the supervisor to go on in a new image, and waits for its answer: 0 and the
 * answer (a new reference), or -errno and a sentence (malloc'd). [parks] */
int mo_supervisor_client_upgrade(json_t **answer, char **why);
int mo_supervisor_client_supervisor(void); /* its pid; 0 */

void mo_supervisor_client_starting(int predecessor_pid);

/* On the control thread. */
void mo_supervisor_client_listeners(const mo_gen_host *h);
void mo_supervisor_client_serving(const mo_gen_host *h);
void mo_supervisor_client_close(void); /* the loop is about to end; the link stays */
void mo_supervisor_client_taken(void);
/* Before the service is taken back from a successor that has died: false: the supervisor has
 * let another program serve meanwhile.  Without a supervisor, or an answer: true. [parks] */
bool mo_supervisor_client_claim(void);
/* The program is about to open its listeners: its end is a crash from here on. */
void mo_supervisor_client_opening(void);
/* Whoever serves does not let this program take over; before the control thread. */
void mo_supervisor_client_refused(const char *why);
void mo_supervisor_client_stopping(void);
void mo_supervisor_client_ended(int pid, int status);

#endif
