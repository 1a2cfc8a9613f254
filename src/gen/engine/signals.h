/* The signals that mean a restart or a shutdown: taken by the control thread, kept from
 * the first moment on in which somebody may count on them.
 *
 *   from           SIGUSR1, SIGUSR2      SIGTERM, SIGINT, SIGQUIT, SIGHUP
 *   main()         kept                  as ever: nothing has begun that could be finished
 *   first listen   kept                  kept: clients may be in the queue
 *   control        answered, also those that were kept
 *   its end        kept                  as ever
 *
 * A successor is started with all of them blocked instead (spawn.h).  Handlers and not a
 * mask, because a mask would be inherited by what the program starts meanwhile, and
 * threads that the program has started already would not know of it.
 *
 * Always: a signal that is ignored stays ignored. */
#ifndef MO_GEN_ENGINE_SIGNALS_H
#define MO_GEN_ENGINE_SIGNALS_H

#include <semaphore.h>

void mo_signals_keep_restarts(void); /* by the constructor */
void mo_signals_keep_all(void);      /* before the first listener; later calls do nothing */
/* No server was started: those that end the process act again, also one that was kept. */
void mo_signals_let_go(void);
/* A signal that was kept, or 0; each once.  For a supervisor. */
int mo_signals_kept(void);

/* What is done for them, on the control thread. */
typedef struct mo_signals_to {
	void (*restart)(void);
	void (*shutdown)(void *unused);
	sem_t done; /* posted when they are taken */
} mo_signals_to;
void mo_signals_take(void *to); /* a mo_signals_to; on the control thread */
void mo_signals_drop(void);

#endif
