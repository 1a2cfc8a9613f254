/* This process as a successor: shared by successor.c, which lives with the
 * predecessor, and offered.c, which reads what it offers; nobody else includes this. */
#ifndef MO_GEN_NEW_SUCCESSOR_INTERNAL_H
#define MO_GEN_NEW_SUCCESSOR_INTERNAL_H

#include <jansson.h>
#include <stdatomic.h>

#include "gen/gen.h"
#include "gen/new/successor.h"
#include "gen/os/stderr_tail.h"
#include "gen/wire/wire.h"
#include "rt/co.h"

/* A listener on offer. */
typedef struct mo_offered {
	struct mo_offered *next;
	char *server;
	mo_listener *listener;
	bool spare; /* our supervisor's: whom we take over from never had it */
} mo_offered;

typedef struct mo_successor {
	bool begun;
	int offer;             /* what reading it gave */
	char *offer_why;       /* its sentence */
	bool orphan;           /* the predecessor is gone */
	bool by_supervisor;    /* what started us is no predecessor */
	bool by_path;          /* a takeover: others started us */
	bool supervised;       /* the predecessor, by a supervisor that is not ours */
	bool opening;          /* the supervisor knows that listeners are being opened */
	bool looked;           /* for somebody to take over from */
	json_t *offered;       /* the predecessor's "offer": what it reads; owned */
	bool told;             /* the predecessor, that its offer is not understood */
	bool committed;        /* it serves, or is about to */
	bool main;             /* the service manager knows that we serve */
	bool replaced;         /* the predecessor has been told that we have a successor */
	_Atomic int channel;   /* -1 when closed */
	mo_offered *listeners; /* not taken yet */
	int came;              /* listeners of the offer that is read */
	int adopted, bound;
	mo_rate before; /* answered before the switch: probes */
	int stderr_fd;  /* the real standard error; -1 */
	int tail_fd;    /* reading end of the pipe that is our standard error; -1 */
	mo_stderr_tail *tail;
	molt_time counts_due; /* to the predecessor */
	mo_co *co;            /* the coroutine of ready and listen, while it lives */
} mo_successor;

/* Set up on the program's own thread, then of the control thread. */
extern mo_successor mo_successor_self;

/* ---- offered.c ---- */

int mo_offered_left(void); /* listeners that nobody has taken */
/* Of those, what the predecessor is to close: a new list of {server, text}. */
json_t *mo_offered_names(void);
void mo_offered_drop(void); /* them: nobody wants them now */

#endif
