/* Who serves when the generation in the middle has died while it started its successor: the
 * older one, which stood by for it, or the younger one, which was not told to serve yet.
 *
 *   the older one                   the younger one, when it is ready
 *   stands by: it will see that     asks on the line (older_generations.h): "claim"
 *   end and serve again: "refused"  it ends
 *   does not stand by (the one in   it serves
 *   the middle was about to
 *   commit): "granted", and from
 *   here on it never comes back
 *   has closed the line, and lives: it ends
 *   it serves again
 *   has ended                       it serves
 *   is stopped                      it is killed: nobody serves at this moment
 *   does not know the question, as  it serves
 *   an older release, or says
 *   nothing for 1 s: it is slow
 *   finds that nobody waits for     -
 *   its answer: it was slow, and
 *   never comes back
 *
 * Always: the older one decides, in one place and once.  On the control thread. */
#ifndef MO_GEN_DRAIN_CLAIM_H
#define MO_GEN_DRAIN_CLAIM_H

#include "gen/wire/messages.h"

/* The older one: it would serve again, or would not any more. */
void mo_claim_stand_by(bool on);
/* Has it left the service to a younger one? */
bool mo_claim_given_away(void);
void mo_claim_forget(void); /* this generation has ended */
/* Of its line's messages. */
int mo_claim_hear(void *unused, mo_wire_msg *m);

/* The younger one: true when that generation will not serve.  [parks] */
bool mo_claim_ask(int line, unsigned generation, pid_t pid);

#endif
