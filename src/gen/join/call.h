/* Those who asked for a restart, a takeover or a rollback in this process, and wait for its
 * outcome: a thread, a coroutine, or nobody (a signal).  restart_request.c decides what
 * becomes of them; whoever gives the service back, or takes it back, answers the rollbacks.
 *
 * Always: each hears once how it ended, after it has ended.  On the control thread, except
 * where marked. */
#ifndef MO_GEN_JOIN_CALL_H
#define MO_GEN_JOIN_CALL_H

#include <semaphore.h>
#include <stdbool.h>

#include "rt/loop.h"
#include "rt/park.h"

struct mo_taker;

typedef struct mo_call {
	struct mo_call *next;
	void (*ask)(void *call); /* on the control thread */
	char *target;            /* absolute; NULL: the same file; of a rollback: who asks */
	struct mo_taker *taker;  /* who asked by a takeover, until it is under way */
	int result;
	mo_loop *loop; /* of the waiting coroutine, or NULL: */
	mo_park park;
	sem_t sem;   /* the waiting thread */
	bool nobody; /* by a signal: freed when done */
	bool chosen; /* the target: by a client */
} mo_call;

mo_call *mo_call_new(char *target); /* owns target */
/* Asks on the control thread, and waits for the outcome.  Owns c. [any] [parks] */
int mo_call_ask(void (*ask)(void *call), mo_call *c);
void mo_call_finish(mo_call *c, int result);

/* Of a list: all are answered; those that were kept until something had happened are asked
 * again (and may be kept once more); the control thread ends: threads that wait are told
 * -EBUSY, handlers are gone with their loops. */
void mo_calls_finish(mo_call **list, int result);
void mo_calls_ask_again(mo_call **list, void (*ask)(void *call));
void mo_calls_close(mo_call **list);

/* The list of the rollbacks that have not ended. */
void mo_rollbacks_add(mo_call *c);
const char *mo_rollbacks_by(void); /* who asked for the newest; NULL: nobody has */
void mo_rollbacks_end(int result); /* it has ended so: for all of them */
void mo_rollbacks_ask_again(void (*ask)(void *call));
void mo_rollbacks_close(void);

#endif
