/* Finishing what runs; see drain.h. */
#include "gen/drain.h"

#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "gen/control.h"

#define TICK 20
#define IDLE_GRACE 100
#define CUT_GRACE 1000

/* Waits until no connection is left: true; false at the deadline, or when asked
 * to shut down more than asked times. */
static bool wait_gone(const mo_gen_host *h, molt_time deadline, unsigned asked,
		      bool (*each)(void *), void *arg)
{
	for (;;) {
		bool stay = each && each(arg);
		mo_gen_load load = h->load();

		if (load.requests == 0 && load.connections == 0 && !stay)
			return true;
		if (mo_left(deadline) == 0 || mo_control_shutdown_count() > asked)
			return false;
		mo_control_nap(TICK);
	}
}

static unsigned end_now(const mo_gen_host *h)
{
	unsigned cut;

	h->close_idle();
	if (mo_control_shutdown_count() < 2)
		wait_gone(h, mo_deadline(IDLE_GRACE), 1, NULL, NULL);
	cut = h->cut();
	if (cut)
		mo_warn("%u running request%s cut by the end of the drain", cut,
			cut == 1 ? " was" : "s were");
	return cut;
}

static void stop_loops(const mo_gen_host *h)
{
	if (h->stop(CUT_GRACE))
		return;
	mo_error("a handler did not return within %d ms after the drain; leaving it behind",
		 CUT_GRACE);
	_exit(1);
}

static mo_drain_result begin(const mo_gen_host *h)
{
	mo_gen_load load = h->load();

	return (mo_drain_result){ .connections = load.connections,
				  .requests = load.requests,
				  .ms = mo_now() };
}

static mo_drain_result finish(const mo_gen_host *h, mo_drain_result r)
{
	stop_loops(h);
	r.ms = mo_now() - r.ms;
	mo_info("all servers shutdown");
	return r;
}

/* Idle connections close at once; what becomes idle closes itself, for its
 * answer said so.  Connections that the kernel had accepted are served first. */
static unsigned shutdown_rule(const mo_gen_host *h, unsigned asked)
{
	h->announce_close(true);
	h->close_idle();
	if (wait_gone(h, mo_deadline(h->shutdown_timeout()), asked, NULL, NULL))
		return 0;
	return end_now(h);
}

mo_drain_result mo_drain_after_restart(const mo_gen_host *h, bool (*each)(void *arg), void *arg)
{
	mo_drain_result r = begin(h);
	unsigned asked = mo_control_shutdown_count();

	if (!wait_gone(h, mo_deadline(h->drain_timeout()), asked, each, arg)) {
		if (mo_control_shutdown_count() == asked + 1)
			r.cut = shutdown_rule(h, asked + 1);
		else
			r.cut = end_now(h);
	}
	return finish(h, r);
}

mo_drain_result mo_drain_for_shutdown(const mo_gen_host *h)
{
	mo_drain_result r = begin(h);

	h->accept(false);
	h->close_listeners(true);
	r.cut = shutdown_rule(h, 1);
	return finish(h, r);
}
