/* Connections of other protocols than HTTP/1 that come from a former generation. */
#ifndef MO_WEB_LIVE_RESTORER_H
#define MO_WEB_LIVE_RESTORER_H

#include "gen/transfer/event_bus.h"
#include "http/conn/protocol.h"
#include "rt/loop.h"

/* What the state of a protocol other than HTTP/1 becomes, before the connection is taken: a
 * row for each, in the protocol's file.  restore() runs in a coroutine of the loop, the others on the loop. */
typedef struct mo_restorer {
	const mo_protocol *proto;
	/* NULL: the state is not understood, or nobody is there who could go on with it. */
	void *(*restore)(mo_loop *l, molt_server *s, molt_str state);
	void *(*data)(void *restored); /* for mo_conn_adopt() */
	/* What it missed goes behind the output and the events that it brought along. */
	void (*taken)(void *restored, mo_event *const *missed, size_t n);
	void (*discard)(void *restored); /* instead of taken() */
} mo_restorer;

extern const mo_restorer mo_ws_restorer;   /* ws_move.c */
extern const mo_restorer mo_sse_restorer;  /* event_stream.c */
extern const mo_restorer mo_step_restorer; /* step_move.c */

/* NULL: a connection of that protocol is nothing but its bytes. */
const mo_restorer *mo_restorer_of(const mo_protocol *proto);

#endif
