/* The error budget of a new generation: how many of its answers may be errors (5xx)
 * before its predecessor takes the service back.
 *
 * Spent when, of at least min answers, the share of errors is above the
 * predecessor's own by more than share per cent points, and by more than chance
 * makes (six standard deviations of that own share).
 *
 * Its own share is that of the last minute, so that what fails since a while for
 * another reason is not laid on the new program; of its whole life when the minute
 * had fewer than min answers. */
#ifndef MO_GEN_ERROR_BUDGET_H
#define MO_GEN_ERROR_BUDGET_H

#include "gen/gen.h"

/* A pure function. */
bool mo_error_budget_spent(const mo_error_budget *b, mo_rate own, mo_rate theirs);
mo_rate mo_rate_since(mo_rate now, mo_rate then);
double mo_rate_share(mo_rate r); /* 0 to 100 */

/* On the control thread: remembers what this process has answered, from now on. */
void mo_error_budget_watch(mo_rate (*answered)(void));
void mo_error_budget_close(void);
mo_rate mo_error_budget_own(const mo_error_budget *b);

#endif
