/* What was counted since the first generation: each process counts for itself, in series
 * (series.h) of each server, and knows what the others have counted.
 *
 *   own    by this process; the host's
 *   live   by others that may still count: one entry for each, by its name
 *   base   by those that have ended; nobody sends any more
 *
 * The sum is the total.  An entry is always the whole count of its process, so it can
 * be told twice, or late, and nothing is counted twice.
 *
 *   told by          to            when
 *   the serving one  successor     all, with the offer and again before the commit
 *   an older one     serving one   its own, each second and at its end (older_generations.h)
 *   a successor      predecessor   live and own, each second: it may serve again
 *
 * Only what a process that is killed has counted in its last second is lost. */
#ifndef MO_GEN_TRANSFER_COUNTER_LEDGER_H
#define MO_GEN_TRANSFER_COUNTER_LEDGER_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "gen/gen.h"
#include "gen/wire/wire.h"

#define MO_LEDGER_EVERY MOLT_SECOND
/* What is kept of what neighbours tell: more is not believed. */
#define MO_LEDGER_PROCESSES 64
#define MO_LEDGER_SERVERS 256

/* "2.4711": the name of a process. */
void mo_ledger_name(char name[32], unsigned generation, int pid);

/* ---- to be told; new references to messages ---- */

/* For a successor: everything, our own as an entry of its own. */
json_t *mo_ledger_offer(const mo_gen_host *h);
/* For a predecessor: live and our own.  For an older generation's line: our own alone. */
json_t *mo_ledger_news(const mo_gen_host *h, bool live);

/* ---- told by others ---- */

void mo_ledger_arrive(const json_t *offer); /* in place of all that was known */
/* Those of a "totals" and of a "counts" message. */
int mo_ledger_hear(void *unused, mo_wire_msg *m);
int mo_ledger_hear_counts(void *unused, mo_wire_msg *m);
void mo_ledger_put(const json_t *news);
void mo_ledger_end(const char *name); /* that process counts no more */

/* What others have counted for a server is added to the series in sum. [any] */
void mo_ledger_add(const char *server, json_t *sum);

#endif
