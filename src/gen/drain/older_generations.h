/* The older generations that still live: how many they are, what they still say, and
 * how the oldest is ended when there would be too many.
 *
 * For each successor a generation makes a pair of sockets (a line), keeps one end,
 * and offers the other together with those of its own older ones.  So whoever serves has
 * a line to each of them, also when one in the middle has died:
 *
 *   on the line   from      means
 *   end of file   older     it has ended
 *   receipt       older     its final one, when its successor is gone
 *   counts        older     what it has counted, each second and at its end
 *   end           serving   finish within a second; then what runs is cut
 *   reopen        serving   open the log files anew; by: its generation; n: counts up
 *   claim         serving   its predecessor has died before the commit; may it serve?  With
 *                           a socket for the answer (claim.h)
 *   reopened      older     all up to n is done; by, n: of "reopen"; errno: 0 or why not.
 *                           An older Molt says nothing
 *
 * Always: only the serving generation reads; the others keep their lines for the
 * time when they may serve again.  On the control thread, except where marked. */
#ifndef MO_GEN_DRAIN_OLDER_GENERATIONS_H
#define MO_GEN_DRAIN_OLDER_GENERATIONS_H

#include "gen/wire/wire.h"

#define MO_OLDER_MAX 30
#define MO_OLDER_GRACE MOLT_SECOND

/* ---- the serving generation ---- */

/* Takes the lines of an "elders" message.  Before main() has threads, too. */
int mo_older_arrive(mo_wire_msg *m);
/* Begins or stops to read the lines: we serve, or do not. */
void mo_older_watch(bool on);
void mo_older_close(void); /* the loop is about to end */
/* Ends the oldest until one more process makes at most most.  What was ended is put
 * into the receipt.  -EBUSY: one does not end; -ECANCELED: we are to end. */
int mo_older_make_room(int64_t most, json_t *receipt, char **why);
/* Of a successor whose predecessor died before the commit: false when an older generation
 * serves again.  [parks] */
bool mo_older_claim(void);
/* They shall open their log files anew: the number of this time, or -EBUSY: we are to
 * serve no longer, or do not for the moment.  One that becomes an older one later is told
 * then. */
long mo_older_reopen(void);
/* How often that was asked for. */
long mo_older_reopens(void);
/* Blocks the thread until all have answered or ended: how many were asked, and in *why
 * who did not or could not (malloc'd; NULL: none).  -EBUSY: we have been replaced
 * meanwhile.  [any], but not the control thread */
int mo_older_reopened(long n, molt_time limit, char **why);
json_t *mo_older_list(void); /* of {generation, pid}, oldest first. [any] */

/* ---- an older generation, or who may become one ---- */

/* Opens our line and sends it with those of our older ones by send(). */
int mo_older_offer(int (*send)(void *arg, json_t *body, const int *fds, int n), void *arg);
/* The same for a successor that was rolled back, to its predecessor: our line alone. */
int mo_older_offer_back(int (*send)(void *arg, json_t *body, const int *fds, int n), void *arg);
void mo_older_withdraw(void); /* that successor is gone */
/* Looks what we are told: to end, to open the log files anew. */
void mo_older_listen(void);
/* Until when we may drain; INT64_MAX: as long as our own settings say. */
molt_time mo_older_end_by(void);
/* Says something to whoever serves; it may be lost. */
void mo_older_say(json_t *body);

#endif
