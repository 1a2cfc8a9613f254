/* One round of taking connections out of service, on loops of which one may be blocked.
 *
 *   state    event                            next
 *   CLOSED   open                             OPEN, with a number of its own
 *   OPEN     a loop adds what it has packed   OPEN
 *   OPEN     close: what has been packed      CLOSED
 *   any      a loop comes with another        the same: it packs nothing
 *            round's number, or after close
 *
 * Always: a loop packs under the lock and in the round that it was asked in.  One that was
 * blocked and comes late takes nothing out of service, for nobody would give that away or
 * serve it on, and the events of that time have gone the other way. */
#ifndef MO_GEN_TRANSFER_PACK_ROUND_H
#define MO_GEN_TRANSFER_PACK_ROUND_H

#include "gen/gen.h"

unsigned mo_round_open(void); /* its number */
/* By a loop: calls pack(arg), which returns a batch, or NULL. [any] */
void mo_round_add(unsigned round, mo_gen_batch *(*pack)(void *arg), void *arg);
mo_gen_batch *mo_round_close(void); /* the list of all that was packed */

#endif
