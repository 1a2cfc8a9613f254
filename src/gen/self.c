/* What this process is; see self.h for its states. */
#include "gen/self.h"

#include <errno.h>
#include <pthread.h>

#include "base/check.h"
#include "base/clock.h"

#define MAX_HOOKS 32

static struct {
	pthread_mutex_t lock; /* of the fields up to the blank line */
	pthread_cond_t changed;
	mo_gen_info info;
	int wait_result;
	struct hook {
		enum molt_event event;
		void (*fn)(void *);
		void *arg;
	} hooks[MAX_HOOKS];
	int nhooks;

	const mo_gen_host *host;
	unsigned shutdowns; /* of the control thread alone */
} g = { .lock = PTHREAD_MUTEX_INITIALIZER,
	.changed = PTHREAD_COND_INITIALIZER,
	.info = { .generation = 1 } };

static const char *const state_names[] = { "starting", "serving",  "restarting",
					   "draining", "stopping", "ended" };

const char *mo_gen_state_name(enum mo_gen_state s)
{
	return state_names[s];
}

const mo_gen_host *mo_self_host(void)
{
	return g.host;
}

void mo_self_info(mo_gen_info *out)
{
	pthread_mutex_lock(&g.lock);
	*out = g.info;
	pthread_mutex_unlock(&g.lock);
}

unsigned mo_self_generation(void)
{
	mo_gen_info info;

	mo_self_info(&info);
	return info.generation;
}

enum mo_gen_state mo_self_state(void)
{
	mo_gen_info info;

	mo_self_info(&info);
	return info.state;
}

void mo_self_set_state(enum mo_gen_state s)
{
	pthread_mutex_lock(&g.lock);
	MO_CHECK(g.info.state != MO_GEN_ENDED);
	g.info.state = s;
	pthread_cond_broadcast(&g.changed);
	pthread_mutex_unlock(&g.lock);
}

void mo_self_set_identity(unsigned generation, int predecessor_pid, bool alive)
{
	pthread_mutex_lock(&g.lock);
	g.info.generation = generation;
	g.info.predecessor_pid = predecessor_pid;
	g.info.predecessor_alive = alive;
	pthread_mutex_unlock(&g.lock);
}

void mo_self_set_successor(int pid)
{
	pthread_mutex_lock(&g.lock);
	g.info.successor_pid = pid;
	pthread_mutex_unlock(&g.lock);
}

bool mo_self_ends(void)
{
	enum mo_gen_state s = mo_self_state();

	return s == MO_GEN_DRAINING || s == MO_GEN_STOPPING || s == MO_GEN_ENDED;
}

bool mo_self_withdraw(void)
{
	if (mo_self_state() != MO_GEN_SERVING || mo_self_shutdown_asked())
		return false;
	mo_self_set_state(MO_GEN_DRAINING);
	return true;
}

/* ---- hooks ------------------------------------------------------------ */

int molt_on(enum molt_event e, void (*fn)(void *arg), void *arg)
{
	int rc = 0;

	if (!fn || e < MOLT_ON_READY || e > MOLT_ON_OFFER)
		return -EINVAL;
	pthread_mutex_lock(&g.lock);
	if (g.nhooks == MAX_HOOKS) {
		rc = -ENOSPC;
	} else {
		g.hooks[g.nhooks].event = e;
		g.hooks[g.nhooks].fn = fn;
		g.hooks[g.nhooks++].arg = arg;
	}
	pthread_mutex_unlock(&g.lock);
	return rc;
}

void mo_self_fire(enum molt_event e)
{
	for (int i = 0;; i++) {
		struct hook h;

		pthread_mutex_lock(&g.lock);
		if (i >= g.nhooks) {
			pthread_mutex_unlock(&g.lock);
			return;
		}
		h = g.hooks[i];
		pthread_mutex_unlock(&g.lock);
		if (h.event == e)
			h.fn(h.arg);
	}
}

/* ---- its life --------------------------------------------------------- */

unsigned mo_self_ask_shutdown(void)
{
	return ++g.shutdowns;
}

unsigned mo_self_shutdowns(void)
{
	return g.shutdowns;
}

bool mo_self_shutdown_asked(void)
{
	return g.shutdowns > 0;
}

void mo_self_begin(const mo_gen_host *host)
{
	g.host = host;
	pthread_mutex_lock(&g.lock);
	g.info.since = mo_now();
	pthread_mutex_unlock(&g.lock);
}

void mo_self_end(int result)
{
	pthread_mutex_lock(&g.lock);
	g.info.state = MO_GEN_ENDED;
	g.wait_result = result;
	pthread_cond_broadcast(&g.changed);
	pthread_mutex_unlock(&g.lock);
}

int mo_self_await_end(void)
{
	int rc;

	pthread_mutex_lock(&g.lock);
	while (g.info.state != MO_GEN_ENDED)
		pthread_cond_wait(&g.changed, &g.lock);
	rc = g.wait_result;
	pthread_mutex_unlock(&g.lock);
	return rc;
}

void mo_self_begin_anew(void)
{
	g.shutdowns = 0;
	pthread_mutex_lock(&g.lock);
	g.info.state = MO_GEN_NEW;
	g.info.predecessor_alive = false;
	g.info.successor_pid = 0;
	pthread_mutex_unlock(&g.lock);
}
