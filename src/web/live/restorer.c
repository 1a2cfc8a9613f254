/* The protocols whose connections have a state; see restorer.h.  A new one is a row here. */
#include "web/live/restorer.h"

#include "base/check.h"
#include "base/mem.h"
#include "web/core/server.h"
#include "web/live/event_stream.h"
#include "web/live/web_step.h"
#include "web/live/ws_handle.h"

static void *restore_ws(mo_loop *l, molt_server *s, molt_str state)
{
	return mo_web_ws_restore(l, s, state);
}

static void *data_of_ws(void *ws)
{
	return ((molt_ws *)ws)->s;
}

static void ws_taken(void *ws, mo_event *const *missed, size_t n)
{
	mo_web_ws_taken(ws, missed, n);
}

static void discard_ws(void *ws)
{
	mo_web_ws_abandon(ws);
}

static void *restore_sse(mo_loop *l, molt_server *s, molt_str state)
{
	return mo_web_sse_restore(l, &s->http.lim, state);
}

static void *data_of_sse(void *sse)
{
	return mo_web_sse_stream(sse);
}

static void sse_taken(void *sse, mo_event *const *missed, size_t n)
{
	mo_web_sse_taken(sse, missed, n);
}

static void discard_sse(void *sse)
{
	mo_web_sse_free(sse);
}

static void *restore_step(mo_loop *l, molt_server *s, molt_str state)
{
	return mo_web_step_restore(l, s, state);
}

static void *data_of_step(void *step)
{
	return ((mo_web_step *)step)->wait;
}

static void step_taken(void *step, mo_event *const *missed, size_t n)
{
	mo_web_step_taken(step, missed, n);
}

static void discard_step(void *step)
{
	mo_web_step_free(step);
}

static const mo_restorer restorers[] = {
	{ &mo_protocol_ws, restore_ws, data_of_ws, ws_taken, discard_ws },
	{ &mo_protocol_sse, restore_sse, data_of_sse, sse_taken, discard_sse },
	{ &mo_protocol_step, restore_step, data_of_step, step_taken, discard_step },
};

const mo_restorer *mo_restorer_of(const mo_protocol *proto)
{
	for (size_t i = 0; i < MO_COUNTOF(restorers); i++)
		if (restorers[i].proto == proto)
			return &restorers[i];
	MO_CHECK(!proto->state);
	return NULL;
}
