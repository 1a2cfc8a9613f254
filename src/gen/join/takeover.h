/* Takeover by path: a program that was started by others (a new container, another
 * unit, by hand) finds the running one at a unix socket and becomes its successor,
 * by the messages of an ordinary restart.
 *
 *   step     the running generation                the program that starts
 *   find     listens at the path while it serves   connects; nobody there: it is the
 *                                                  first generation
 *   meet     asks the kernel whose process it is   the same
 *   hello                                          "takeover": its program
 *   answer   "refused" and why, or the offer       gives up, or goes on as a successor
 *   end      has its descriptor, if the kernel     as always
 *            gives one: to see it end, to kill it
 *   cancel   "cancel" before it is killed          ends, whatever it was doing
 *   move                                           its own socket takes the path, under
 *                                                  a lock, when it serves
 *
 * One that was taken back is refused for a while: takeover_hold.h.
 *
 * Always: the path is in a directory where nobody else may write, its mode is 0600,
 * and both sides let in their own user and root only.  A generation that serves
 * again takes the path again.  Nobody is ever without an answer: a generation that
 * does not serve now refuses. */
#ifndef MO_GEN_JOIN_TAKEOVER_H
#define MO_GEN_JOIN_TAKEOVER_H

#include <stdbool.h>

#include "gen/receipt/takeover_hold.h"
#include "molt.h"

/* A program that wants to take over; as the running generation sees it. */
typedef struct mo_taker {
	int channel;
	int pid;   /* 0: in another pid namespace */
	int pidfd; /* -1: the kernel gives none */
	char *exe;
	char *build; /* "": it has none, or does not tell */
} mo_taker;

void mo_taker_refuse(mo_taker *t, int code, const char *why); /* and frees it */
void mo_taker_free(mo_taker *t);                              /* not its descriptors */

/* Where; once, before the first start.  -EPERM, -EEXIST, -EINVAL and a sentence. */
int mo_takeover_set(const char *path, char **why);

bool mo_takeover_wanted(void); /* was it set? */
bool mo_takeover_is(const char *path);

/* The program that starts.  1: connected, *channel waits for the offer; 0: nobody is
 * there; -EPERM, -ETIMEDOUT, -EACCES ... and a sentence. */
int mo_takeover_join(int *channel, char **why);

/* The running generation, on the control thread. */
/* Who may take over goes there, and is owned there; before the first mo_takeover_open(). */
void mo_takeover_on_taker(void (*fn)(mo_taker *t));
void mo_takeover_open(void);  /* takes the path; also when another has it */
void mo_takeover_close(void); /* removes it when it is still ours */

#endif
