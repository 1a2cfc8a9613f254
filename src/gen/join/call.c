/* Those who asked and wait for the outcome; see call.h. */
#include "gen/join/call.h"

#include <errno.h>
#include <stdlib.h>

#include "base/mem.h"
#include "gen/control.h"
#include "gen/join/takeover.h"
#include "rt/pool.h"

mo_call *mo_call_new(char *target)
{
	mo_call *c = mo_calloc(1, sizeof(*c));

	c->target = target;
	return c;
}

/* On the loop of a handler, inside its coroutine. */
static void ask_in_coroutine(void *arg)
{
	mo_call *c = arg;

	c->loop = mo_loop_self();
	if (mo_control_post(c->ask, c))
		mo_park_wait(&c->park, MOLT_FOREVER);
}

int mo_call_ask(void (*ask)(void *call), mo_call *c)
{
	int rc;

	c->ask = ask;
	c->result = -EBUSY; /* if nobody is there to say more */
	if (mo_co_self() || mo_on_pool_thread()) {
		mo_on_loop(ask_in_coroutine, c);
	} else {
		sem_init(&c->sem, 0, 0);
		if (mo_control_post(ask, c))
			while (sem_wait(&c->sem) < 0)
				continue;
		sem_destroy(&c->sem);
	}
	rc = c->result;
	free(c->target);
	free(c);
	return rc;
}

/* ---- the outcome ------------------------------------------------------------- */

static void wake_call(void *arg)
{
	mo_call *c = arg;

	mo_park_wake(&c->park, 0);
}

void mo_call_finish(mo_call *c, int result)
{
	c->result = result;
	if (c->taker)
		mo_taker_refuse(c->taker, result,
				result == -EBUSY    ? "it is being restarted, replaced or shut down"
				: result == -EILSEQ ? "the path of its program is no UTF-8 text"
						    : "restarts are off there (graceful)");
	if (c->nobody) {
		free(c->target);
		free(c);
	} else if (c->loop) {
		mo_loop_post(c->loop, wake_call, c);
	} else {
		sem_post(&c->sem);
	}
}

void mo_calls_finish(mo_call **list, int result)
{
	while (*list) {
		mo_call *c = *list;

		*list = c->next;
		mo_call_finish(c, result);
	}
}

void mo_calls_ask_again(mo_call **kept, void (*ask)(void *call))
{
	mo_call *list = *kept;

	*kept = NULL;
	while (list) {
		mo_call *c = list;

		list = c->next;
		ask(c);
	}
}

void mo_calls_close(mo_call **list)
{
	while (*list) {
		mo_call *c = *list;

		*list = c->next;
		if (!c->loop)
			mo_call_finish(c, -EBUSY);
	}
}

/* ---- rollbacks --------------------------------------------------------------- */

static mo_call *rollbacks; /* of the control thread */

void mo_rollbacks_add(mo_call *c)
{
	c->next = rollbacks;
	rollbacks = c;
}

const char *mo_rollbacks_by(void)
{
	return rollbacks ? rollbacks->target : NULL;
}

void mo_rollbacks_end(int result)
{
	mo_calls_finish(&rollbacks, result);
}

void mo_rollbacks_ask_again(void (*ask)(void *call))
{
	mo_calls_ask_again(&rollbacks, ask);
}

void mo_rollbacks_close(void)
{
	mo_calls_close(&rollbacks);
}
