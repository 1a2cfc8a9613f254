/* Listeners that were closed because a successor did not want them, when the service
 * comes back.  Where one cannot be opened (another process has the address), opening
 * is tried again each second as long as this generation serves: nobody else would. */
#ifndef MO_GEN_DRAIN_REOPEN_DROPPED_H
#define MO_GEN_DRAIN_REOPEN_DROPPED_H

#include "gen/gen.h"

/* How many are still missing.  [parks], on the control thread. */
size_t mo_reopen_dropped(const mo_gen_host *h);
void mo_reopen_dropped_close(void); /* the loop is about to end */

#endif
