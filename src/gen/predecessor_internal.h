/* One restart as its predecessor keeps it: shared by predecessor.c (PREFLIGHT to
 * SWITCH) and standby.c (HANDOVER to END); nobody else includes this. */
#ifndef MO_GEN_PREDECESSOR_INTERNAL_H
#define MO_GEN_PREDECESSOR_INTERNAL_H

#include "gen/child.h"
#include "gen/predecessor.h"
#include "gen/receipt.h"

struct mo_predecessor {
	const mo_gen_host *host;
	mo_receipt *receipt;
	unsigned generation; /* of the successor */
	char *target;	     /* as asked, or NULL */
	char *path;	     /* absolute, of the program */
	mo_program program;
	struct mo_taker *taker; /* NULL: the successor is a child of ours */
	mo_child child;
	bool stopped_accepting;
	bool left; /* the successor has served */
	molt_time bake_end;
	molt_time counts_due; /* to whoever serves */
	bool move_failed;
	long moved;	 /* connections that the successor took */
	json_t *dropped; /* listeners that it does not want */
};

/* ---- standby.c ---- */

/* HANDOVER.  -ECHILD when the successor dies meanwhile: we still have all
 * listeners and whatever it did not take. */
int mo_standby_hand_over(mo_predecessor *p);
/* Supervisor and manager may have been told that the successor serves.  Before we
 * accept: whoever sees us serve may count on them. */
void mo_standby_serve_again(const mo_predecessor *p);

#endif
