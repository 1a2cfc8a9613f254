/* The last part of a generation's life; see generation_end.h. */
#include "gen/engine/generation_end.h"

#include "gen/drain/drain.h"
#include "gen/join/notify.h"
#include "gen/join/supervisor_client.h"
#include "gen/join/takeover.h"
#include "gen/new/successor.h"
#include "gen/old/predecessor.h"
#include "gen/self.h"
#include "gen/wire/messages.h"

void mo_shutdown_end(int result)
{
	mo_takeover_close();
	mo_self_fire(MOLT_ON_EXIT);
	mo_self_end(result);
}

void mo_shutdown_run(void *unused)
{
	(void)unused;
	mo_successor_say(MO_MSG_STOPPING);
	mo_predecessor_say(MO_MSG_STOPPING);
	mo_notify_stopping();
	mo_supervisor_client_stopping();
	mo_self_fire(MOLT_ON_DRAIN);
	mo_drain_for_shutdown(mo_self_host());
	mo_shutdown_end(0);
}
