/* The protocols whose connections have a state; see restorer.h. */
#include "web/live/restorer.h"

#include "base/check.h"
#include "base/mem.h"

static const mo_restorer *const restorers[] = {
	&mo_ws_restorer,
	&mo_sse_restorer,
	&mo_step_restorer,
};

const mo_restorer *mo_restorer_of(const mo_protocol *proto)
{
	for (size_t i = 0; i < MO_COUNTOF(restorers); i++)
		if (restorers[i]->proto == proto)
			return restorers[i];
	MO_CHECK(!proto->state);
	return NULL;
}
