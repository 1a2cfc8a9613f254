/* Finishing what runs, with an end: after a restart (slowly: idle connections
 * are kept for one more answer), or for a shutdown (idle ones are closed at
 * once).  Coroutine of the control loop.
 *
 *   step       until
 *   wait       no connection is left, or the deadline, or asked again;
 *              for a shutdown, what becomes idle is closed
 *   idle       idle connections closed, those with unread bytes served: 100 ms
 *   cut        calls of handlers fail, connections cut, handlers return: 1 s
 *   stop       loops ended; a handler that blocks its thread for more than 1 s
 *              is left behind: the process exits with status 1 */
#ifndef MO_GEN_DRAIN_DRAIN_H
#define MO_GEN_DRAIN_DRAIN_H

#include "gen/gen.h"

typedef struct mo_drain_result {
	size_t connections; /* open when the drain began */
	size_t requests;    /* running when it began */
	unsigned cut;       /* requests that the deadline cut */
	bool back;          /* each said so: nothing has been ended */
	molt_time ms;
} mo_drain_result;

enum mo_drain_say {
	MO_DRAIN_ON,    /* nothing besides connections matters */
	MO_DRAIN_STAY,  /* there is another reason to stay */
	MO_DRAIN_ALONE, /* the successor has shut down: from now on the shutdown's rule */
	MO_DRAIN_BACK   /* the successor has died: stop draining */
};

/* each is called about every 20 ms. */
mo_drain_result mo_drain_after_restart(const mo_gen_host *h, enum mo_drain_say (*each)(void *arg),
				       void *arg);
mo_drain_result mo_drain_for_shutdown(const mo_gen_host *h);

#endif
