/* Opening again what was dropped; see reopen_dropped.h. */
#include "gen/drain/reopen_dropped.h"

#include "base/log.h"
#include "gen/control.h"
#include "gen/join/supervisor_client.h"
#include "gen/self.h"
#include "rt/co.h"
#include "rt/timer.h"

#define AGAIN MOLT_SECOND

static mo_timer retry; /* of the control thread */

static void try_again(void *unused)
{
	(void)unused;
	if (mo_self_state() != MO_GEN_SERVING)
		return;
	if (mo_reopen_dropped(mo_self_host()) > 0)
		return;
	mo_info("generation %u listens again on all that it had", mo_self_generation());
	mo_supervisor_client_listeners(mo_self_host());
}

static void on_time(mo_timer *t)
{
	(void)t;
	mo_loop_spawn(mo_control_loop(), try_again, NULL);
}

void mo_reopen_dropped_close(void)
{
	if (retry.fn)
		mo_timer_stop(mo_control_loop(), &retry);
}

size_t mo_reopen_dropped(const mo_gen_host *h)
{
	size_t missing = h->undrop();

	if (missing > 0) {
		if (!retry.fn)
			mo_timer_init(&retry, on_time);
		mo_timer_start(mo_control_loop(), &retry, AGAIN);
	}
	return missing;
}
