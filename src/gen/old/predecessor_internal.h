/* One restart as its predecessor keeps it: shared by predecessor.c (PREFLIGHT to
 * SWITCH), standby.c (HANDOVER to END) and rollback.c; nobody else includes this. */
#ifndef MO_GEN_OLD_PREDECESSOR_INTERNAL_H
#define MO_GEN_OLD_PREDECESSOR_INTERNAL_H

#include "gen/drain/drain.h"
#include "gen/old/child.h"
#include "gen/old/predecessor.h"
#include "gen/receipt/receipt.h"
#include "rt/co.h"

struct mo_predecessor {
	const mo_gen_host *host;
	mo_receipt *receipt;
	long reopens;        /* of the log files, so many before it was started */
	bool quiet;          /* see mo_predecessor_keep_quiet() */
	unsigned generation; /* of the successor */
	char *target;        /* as asked, or NULL */
	char *path;          /* absolute, of the program */
	char *back_by;       /* who asked for the previous program, or NULL */
	mo_program program;
	struct mo_taker *taker; /* NULL: the successor is a child of ours */
	mo_child child;
	bool stopped_accepting;
	bool left;       /* the successor has served */
	bool deaf;       /* it lives, and its channel is closed: what it does is not known */
	double switched; /* when it began to serve; ms, fine clock */
	molt_time bake_end;
	mo_error_budget budget;
	mo_rate own;          /* what we answered before the switch */
	mo_rate judged;       /* of the successor's answers: those that were within budget */
	molt_time counts_due; /* to whoever serves */
	bool move_failed;
	long moved;      /* connections that the successor took */
	json_t *dropped; /* listeners that it does not want */
	/* Taking the service back: rollback.c. */
	struct {
		char *why; /* owned; NULL: nothing asks for it */
		bool by_hand;
		bool mute;       /* it need not be asked */
		molt_time again; /* it was busy: not before this; 0 */
		bool lives;      /* the successor gives connections back */
		bool told;       /* ... and knows that we have another one */
		double detected; /* ms, fine clock */
		size_t missing;  /* listeners that could not be opened again */
		long given;      /* connections that came back */
		mo_co *co;       /* receives them */
	} back;
	struct mo_predecessor *next; /* of those that receive */
};

/* ---- standby.c ---- */

/* HANDOVER.  -ECHILD when the successor dies meanwhile: we still have all
 * listeners and whatever it did not take. */
int mo_standby_hand_over(mo_predecessor *p);
/* Supervisor and manager may have been told that the successor serves.  Before we
 * accept: whoever sees us serve may count on them. */
void mo_standby_serve_again(const mo_predecessor *p);

/* ---- rollback.c ---- */

/* Asks the successor to withdraw when there is a reason to take the service back.
 * MO_DRAIN_BACK: it does, or has been killed; MO_DRAIN_ON: it serves on. */
enum mo_drain_say mo_rollback_look(mo_predecessor *p);
/* The successor has withdrawn or is dead: this generation serves again. */
void mo_rollback_take_back(mo_predecessor *p);

#endif
