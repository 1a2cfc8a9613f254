/* The life of the control thread, and what of it the program around it asks for: starting,
 * waiting for the end, shutting down.  It stands above all of this folder, and nothing of
 * the folder includes it: what those below need of it they are given here.
 *
 * The states are in self.h; who may ask for a restart, and hears what, in restart_request.h.
 *
 * Always: one restart at a time. */
#ifndef MO_GEN_ENGINE_ENGINE_H
#define MO_GEN_ENGINE_ENGINE_H

#include "gen/gen.h"

/* Starts the thread and takes the signals over; later calls do nothing. */
int mo_engine_start(const mo_gen_host *host);
/* A server accepts, and no switch was needed: the first generation serves from
 * its first one on. */
void mo_engine_serving(void);
int mo_engine_shutdown(void); /* [any] */
int mo_engine_wait(void);     /* see molt_wait(); not in a handler */
void mo_engine_stop(void);    /* ends the thread; after wait; tests */

#endif
