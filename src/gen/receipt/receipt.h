/* The record of one restart: what was asked, each phase with its time, what was
 * handed over and drained, how it ended and why.  The last MO_RECEIPTS are kept
 * for the status page and go on to the successor; the last lines of the program's output
 * in the newest one alone.  Of older ones that hold a program (takeover_hold.h), what the hold
 * needs is kept behind them until its time is over. */
#ifndef MO_GEN_RECEIPT_RECEIPT_H
#define MO_GEN_RECEIPT_RECEIPT_H

#include <jansson.h>

#include "molt.h"

#define MO_RECEIPTS 32
#define MO_RECEIPTS_HELD 64 /* besides those */

enum mo_phase {
	MO_PHASE_REQUEST,
	MO_PHASE_PREFLIGHT,
	MO_PHASE_SPAWN,
	MO_PHASE_OFFER,
	MO_PHASE_INIT,
	MO_PHASE_READY,
	MO_PHASE_PROBE,
	MO_PHASE_SWITCH,
	MO_PHASE_HANDOVER,
	MO_PHASE_DRAIN,
	MO_PHASE_END
};
const char *mo_phase_name(enum mo_phase p);

typedef struct mo_receipt {
	json_t *body;
	enum mo_phase phase;
	molt_time begun;    /* of the restart */
	double phase_begun; /* ms, fine clock */
} mo_receipt;

/* target: NULL for "the same file". */
mo_receipt *mo_receipt_new(unsigned generation, const char *target);
void mo_receipt_free(mo_receipt *r);
double mo_fine_now(void);         /* ms of the monotonic clock, with fractions */
json_t *mo_receipt_ms(double ms); /* as it is written into receipts */
/* Closes the present phase with its time and begins the next. */
void mo_receipt_phase(mo_receipt *r, enum mo_phase next);
/* outcome: "switched", "failed", "refused".  reason may be NULL. */
void mo_receipt_end(mo_receipt *r, const char *outcome, int code, const char *reason);

/* The restart under way, for the status: its phase and its time so far, ms; a new
 * reference, JSON's null when there is none. [any] */
json_t *mo_receipt_running(void);

/* The ring of the process, and those who hear what is put there.  Puts a copy of r, replacing the one with its id. [any] */
void mo_receipts_put(const json_t *body);
/* From now on hear() is called with each that is put, before the ring has it: one after the
 * other and on the thread that puts, so it must neither wait nor put one itself.  The same
 * function again: with that arg in place of the former. [any] */
void mo_receipts_listen(void (*hear)(void *arg, const json_t *receipt), void *arg);
void mo_receipts_unlisten(void (*hear)(void *arg, const json_t *receipt));
#define MO_RECEIPT_LISTENERS 4
/* The highest number that a successor in them was given, whether it served or not. [any] */
unsigned mo_receipts_newest(void);
json_t *mo_receipts_all(void); /* new reference: array, newest first. [any] */
/* And behind them what is kept of older ones that hold a program: for who decides about a
 * takeover, and for who keeps them in our place.  New reference. [any] */
json_t *mo_receipts_kept(void);
json_t *mo_receipts_last(void); /* new reference, or NULL. [any] */

#endif
