/* A program that was taken back, or rolled back by hand, is refused for
 * MO_TAKEOVER_HOLD: whoever starts it again and again (its supervisor, a container's
 * manager) would end its predecessor's service each time.  It is known by its path and
 * build, and by the receipts, which go on from generation to generation: those that hold
 * a program are kept for that time, however many come after them. */
#ifndef MO_GEN_RECEIPT_TAKEOVER_HOLD_H
#define MO_GEN_RECEIPT_TAKEOVER_HOLD_H

#include <jansson.h>

#include "molt.h"

#define MO_TAKEOVER_HOLD (60 * MOLT_SECOND)

/* Puts into the receipt of a takeover that it was taken back now. */
void mo_takeover_hold(json_t *receipt, const char *build);
/* How long that receipt holds its program, ms; 0: not.  at: wall clock. */
molt_time mo_takeover_left(const json_t *receipt, molt_time at);
/* How long that program is refused, ms; 0: not.  *receipt (borrowed): for what.  at:
 * wall clock. */
molt_time mo_takeover_held(const json_t *receipts, const char *exe, const char *build, molt_time at,
			   const json_t **receipt);
/* What a hold needs of its receipt, and the receipt's place; new. */
json_t *mo_takeover_hold_of(const json_t *receipt);

#endif
