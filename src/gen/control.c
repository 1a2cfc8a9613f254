/* The way to the control thread's loop; see control.h. */
#include "gen/control.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>

#include "base/check.h"
#include "rt/park.h"

static struct {
	/* Threads that are not the control thread reach the loop under it: the loop is not
	 * freed while one of them posts, and none finds it later. */
	pthread_mutex_t gate;
	bool closing;
	mo_loop *loop;

	/* Of the control thread alone. */
	mo_park nap;
	bool napping;
	bool awake; /* poked since the last nap */

	_Atomic bool poked; /* on_poke() is on its way */
} g = { .gate = PTHREAD_MUTEX_INITIALIZER };

mo_loop *mo_control_loop(void)
{
	return g.loop;
}

static bool reach(bool (*way)(mo_loop *l, void (*fn)(void *arg), void *arg), void (*fn)(void *arg),
		  void *arg)
{
	bool taken;

	pthread_mutex_lock(&g.gate);
	taken = g.loop && !g.closing && way(g.loop, fn, arg);
	pthread_mutex_unlock(&g.gate);
	return taken;
}

bool mo_control_post(void (*fn)(void *arg), void *arg)
{
	return reach(mo_loop_post, fn, arg);
}

bool mo_control_spawn(void (*fn)(void *arg), void *arg)
{
	return reach(mo_loop_spawn, fn, arg);
}

int mo_control_reachable(void)
{
	int rc;

	pthread_mutex_lock(&g.gate);
	rc = !g.loop || g.closing ? -ENOTSUP : g.loop == mo_loop_self() ? -EDEADLK : 0;
	pthread_mutex_unlock(&g.gate);
	return rc;
}

/* ---- its life --------------------------------------------------------- */

void mo_control_open(mo_loop *l)
{
	pthread_mutex_lock(&g.gate);
	g.loop = l;
	g.closing = false;
	pthread_mutex_unlock(&g.gate);
}

void mo_control_close(void)
{
	pthread_mutex_lock(&g.gate);
	g.closing = true; /* what was posted before this is still run */
	pthread_mutex_unlock(&g.gate);
}

void mo_control_forget(void)
{
	g.napping = g.awake = false;
	atomic_store(&g.poked, false);
	pthread_mutex_lock(&g.gate);
	g.loop = NULL;
	pthread_mutex_unlock(&g.gate);
}

/* ---- naps ------------------------------------------------------------- */

void mo_control_nap(molt_time ms)
{
	MO_CHECK(!g.napping);
	if (g.awake) {
		g.awake = false;
		return;
	}
	g.napping = true;
	g.nap = (mo_park){ 0 };
	mo_park_wait(&g.nap, ms);
	g.napping = false;
}

void mo_control_rouse(void)
{
	if (g.napping)
		mo_park_wake(&g.nap, 0);
}

void mo_control_wake(void)
{
	if (g.napping)
		mo_control_rouse();
	else
		g.awake = true;
}

static void on_poke(void *unused)
{
	(void)unused;
	atomic_store(&g.poked, false);
	mo_control_wake();
}

void mo_control_poke(void)
{
	if (!atomic_exchange(&g.poked, true) && !mo_control_post(on_poke, NULL))
		atomic_store(&g.poked, false);
}
