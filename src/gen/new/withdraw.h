/* The successor's side of a rollback: it stops accepting, gives its connections
 * back to its predecessor, finishes the rest and ends.
 *
 *   state      event                                     next
 *   SERVES     "withdraw", this generation serves        WITHDRAWN: accepts no more
 *   SERVES     "withdraw", it is being replaced or ends  SERVES ("busy")
 *   WITHDRAWN  "back": the predecessor accepts           GIVES
 *   WITHDRAWN  the predecessor is gone, or did not       SERVES again
 *              say so for 5 s and was killed
 *   WITHDRAWN  the channel is broken, it lives           GIVES, without giving
 *   GIVES      last connection gone, or deadline         the end of this process
 *   GIVES      the predecessor was shut down, or died    the same, soon
 *              and its supervisor starts it again
 *   GIVES      the predecessor died, nobody starts it    SERVES again
 *              again
 *   GIVES      the channel is broken, it lives           the end of this process
 *
 * Always: on the control thread.  Connections go the same way as in a restart
 * (move.h), with the sides changed; what was answered is never answered again. */
#ifndef MO_GEN_NEW_WITHDRAW_H
#define MO_GEN_NEW_WITHDRAW_H

#include "gen/gen.h"
#include "gen/wire/wire.h"

/* How long either side waits for the other to take the service. */
#define MO_BACK_TIMEOUT (5 * MOLT_SECOND)

/* The predecessor has said: "withdraw"; "back", and how many listeners it lacks;
 * "stopping" or "replaced". */
void mo_withdraw_asked(int channel);
void mo_withdraw_go_back(int channel, size_t missing);
void mo_withdraw_let_go(void);
/* Looks at the clock; call it every MO_WITHDRAW_TICK or so. */
void mo_withdraw_tick(void);
#define MO_WITHDRAW_TICK (100 * MOLT_MS)
bool mo_withdraw_gives(void);

/* Asks the predecessor to serve again.  0: mo_rollbacks_end() will tell. */
int mo_withdraw_ask(int channel, const char *by);
/* The channel has ended: this generation serves again when it had stopped, and its
 * predecessor is gone.  true: it lives, and this generation is to drain. */
bool mo_withdraw_alone(void);
void mo_withdraw_forget(void); /* this generation has ended */
/* GIVES.  true: this generation has ended.  false: it serves again. */
bool mo_withdraw_drain(int channel);

#endif
