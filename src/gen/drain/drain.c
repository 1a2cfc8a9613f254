/* Finishing what runs; see drain.h. */
#include "gen/drain/drain.h"

#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/outlet.h"
#include "gen/control.h"
#include "gen/drain/older_generations.h"
#include "gen/self.h"

#define TICK 20
#define IDLE_GRACE 100
#define CUT_GRACE 1000

enum waited { GONE, DEADLINE, ASKED, ALONE, BACK };

typedef enum mo_drain_say each_fn(void *arg);

/* Waits until no connection is left, until the deadline, until asked to shut
 * down more than asked times (since the process began), or until each says so. */
static enum waited wait_gone(const mo_gen_host *h, molt_time deadline, unsigned asked,
			     each_fn *each, void *arg)
{
	for (;;) {
		enum mo_drain_say say;
		mo_gen_load load;

		mo_older_listen();
		say = each(arg);
		load = h->load();

		if (say == MO_DRAIN_BACK)
			return BACK;
		/* Also without a connection: one may be given to us until we refuse them. */
		if (say == MO_DRAIN_ALONE)
			return ALONE;
		if (load.requests == 0 && load.connections == 0 && say != MO_DRAIN_STAY)
			return GONE;
		if (mo_self_shutdowns() > asked)
			return ASKED;
		if (mo_left(deadline) == 0 || mo_left(mo_older_end_by()) == 0)
			return DEADLINE;
		mo_control_nap(TICK);
	}
}

static enum mo_drain_say close_idle(void *host)
{
	((const mo_gen_host *)host)->close_idle();
	return MO_DRAIN_ON;
}

static enum mo_drain_say nothing(void *unused)
{
	return MO_DRAIN_ON;
}

/* What ran is cut, but there is another reason to stay. */
static enum waited stand_by(unsigned asked, each_fn *each, void *arg)
{
	for (;;) {
		enum mo_drain_say say;

		mo_older_listen();
		say = each(arg);
		if (say == MO_DRAIN_BACK)
			return BACK;
		if (say == MO_DRAIN_ALONE)
			return ALONE;
		if (say != MO_DRAIN_STAY || mo_left(mo_older_end_by()) == 0)
			return GONE;
		if (mo_self_shutdowns() > asked)
			return ASKED;
		mo_control_nap(TICK);
	}
}

static unsigned end_now(const mo_gen_host *h)
{
	unsigned cut;

	h->announce_close(MO_GEN_CLOSE_ALL);
	h->close_idle();
	if (mo_self_shutdowns() < 2)
		wait_gone(h, mo_deadline(IDLE_GRACE), 1, nothing, NULL);
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
	mo_exit_now(1);
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

/* Idle connections close at once, and each that becomes idle: its answer may
 * have begun before it could say so.  Those with unread bytes are served. */
static unsigned shutdown_rule(const mo_gen_host *h, molt_time limit, unsigned asked)
{
	h->announce_close(MO_GEN_CLOSE_ALL);
	if (wait_gone(h, mo_deadline(limit), asked, close_idle, (void *)(uintptr_t)h) == GONE)
		return 0;
	return end_now(h);
}

/* The successor has shut down: no longer than the drain may take.  Whoever asks us to
 * shut down, too, means the same end (a signal to every generation reaches us before
 * or after that news), and wishes nothing to be cut; only one more does. */
static unsigned alone_rule(const mo_gen_host *h)
{
	h->announce_close(MO_GEN_CLOSE_ALL);
	switch (wait_gone(h, mo_deadline(h->drain_timeout()), 0, close_idle,
			  (void *)(uintptr_t)h)) {
	case GONE:
		return 0;
	case ASKED:
		return shutdown_rule(h, h->shutdown_timeout(), 1);
	default:
		return end_now(h);
	}
}

/* A request to shut down counts whenever it came: also while the service was handed
 * over, before this began. */
mo_drain_result mo_drain_after_restart(const mo_gen_host *h, enum mo_drain_say (*each)(void *arg),
				       void *arg)
{
	mo_drain_result r = begin(h);
	enum waited why = wait_gone(h, mo_deadline(h->drain_timeout()), 0, each, arg);

	if (why == DEADLINE) {
		r.cut = end_now(h);
		why = stand_by(0, each, arg);
	}
	switch (why) {
	case GONE:
	case DEADLINE:
		break;
	case ASKED:
		r.cut += shutdown_rule(h, h->shutdown_timeout(), 1);
		break;
	case ALONE:
		h->close_listeners(false);
		r.cut += alone_rule(h);
		break;
	case BACK:
		r.back = true;
		return r;
	}
	h->close_listeners(false);
	return finish(h, r);
}

mo_drain_result mo_drain_for_shutdown(const mo_gen_host *h)
{
	mo_drain_result r = begin(h);

	h->accept(false);
	h->close_listeners(true);
	r.cut = shutdown_rule(h, h->shutdown_timeout(), 1);
	return finish(h, r);
}
