/* Connections on their way from one generation to the next: HANDOVER.
 *
 *   giver                               taker
 *   host->give(): out of service
 *   "conns" with descriptors       →
 *                                       refuses those whose server it lacks
 *                                  ←    "took"
 *   host->gave(): taken ones freed,     host->take(): serves them
 *   the rest served on
 *
 * Always: one batch is under way at a time.  The giver frees a connection only
 * after "took", the taker touches it only after it has sent "took": a taker that
 * dies before has read nothing, and the giver serves on. */
#ifndef MO_GEN_TRANSFER_MOVE_H
#define MO_GEN_TRANSFER_MOVE_H

#include "gen/gen.h"
#include "gen/wire/wire.h"

#define MO_MOVE_PIECES 3 /* of each connection: bytes, state, stream */

/* The giver sends through these, so that it need not know the transaction. */
typedef struct mo_move_link {
	void *arg;
	/* Sends one message and waits for "took": 0 and *answer; -ECANCELED: no
	 * answer came, but one may have been on its way; other <0: the successor
	 * is gone, without an answer. */
	int (*exchange)(void *arg, json_t *body, const int *fds, int n, const molt_str *pieces,
			mo_wire_msg *answer);
	/* What the other side reads.  A connection whose state it cannot read stays here
	 * and drains: an older program would take its records for HTTP. */
	const struct mo_forms *forms;
	/* Is there still somebody to give to?  NULL: yes. */
	bool (*alive)(void *arg);
} mo_move_link;

/* Gives what can move at this moment.  How many were taken, or <0. */
long mo_move_give(const mo_gen_host *h, const mo_move_link *link);

/* Takes the connections of a "conns" message.  How many were taken, or <0 when
 * the giver is gone (they are ours then, too). */
long mo_move_take(const mo_gen_host *h, int channel, mo_wire_msg *m);
/* Takes none of them: the message cannot be read. */
void mo_move_refuse(int channel, const mo_wire_msg *m);

#endif
