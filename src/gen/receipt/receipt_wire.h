/* Receipts on the wire: a channel that hears each that is put, and "receipt" messages. */
#ifndef MO_GEN_RECEIPT_RECEIPT_WIRE_H
#define MO_GEN_RECEIPT_RECEIPT_WIRE_H

#include "gen/wire/wire.h"

/* Sends those known by now, oldest first, and from then on each that is put: to a
 * successor, which may live on when we have ended.  -1: to nobody any more. */
void mo_receipts_follow(int channel);
/* Puts that of a "receipt" message. */
int mo_receipts_hear(void *unused, mo_wire_msg *m);

#endif
