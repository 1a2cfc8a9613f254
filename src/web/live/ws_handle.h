/* A WebSocket as the program sees it: the struct behind molt_ws.
 *
 *   ws_handle.c       handle, callbacks one at a time, sending, the endpoint's handshake
 *   ws_line.c  the straight-line form
 *   ws_move.c  save and restore
 *
 * It lives on one loop.  In the movable form a coroutine of its own runs each
 * callback; it exists only while there is something to do:
 *
 *   no coroutine   a message, room, the end, save wanted -> runs
 *   runs           pulls messages until there is none    -> no coroutine
 *   runs           parked in send until there is room
 *   runs, at the end of all: on_close, then the struct is freed
 *
 * In the straight-line form the handler's coroutine plays that part. */
#ifndef MO_WEB_LIVE_WS_HANDLE_H
#define MO_WEB_LIVE_WS_HANDLE_H

#include "http/live/ws.h"
#include "http/live/ws_handshake.h"
#include "rt/park.h"
#include "web/core/group.h"
#include "web/live/topic.h"

#define MO_WEB_WS_MAGIC 0x77737721u
#define MO_WS_SAVE_MAX (32u * 1024)

/* What molt_ws_bind() bound; in the server's list, in the groups' arena. */
typedef struct mo_ws_route {
	struct mo_ws_route *next;
	molt_ws_endpoint calls;
	void *arg;
	const char *key; /* group's prefix and pattern: finds it in the next generation */
} mo_ws_route;

struct molt_ws {
	uint32_t magic;
	mo_ws *s;
	mo_loop *loop;
	molt_server *server;
	const mo_ws_route *route; /* NULL: the straight-line form */
	void *value;
	mo_subscriber sub;
	mo_co *co;       /* the running one, or the handler's; NULL */
	mo_park io;      /* where it waits for the socket */
	bool waiting;    /* ... it does */
	bool begun;      /* the connection is its own */
	bool owes_close; /* on_open or restore succeeded: on_close will be called */
	bool gone, cut;
	bool save_wanted, saved;
	mo_buf kept;   /* of save() */
	mo_buf state;  /* for the taker */
	mo_buf topics; /* restored: to subscribe when it is taken */
};

/* ---- ws_handle.c ---- */

molt_ws *mo_web_ws_new(mo_loop *l, molt_server *s, const mo_ws_route *route, bool deflate);
/* Never begun, or gone. */
void mo_web_ws_free(molt_ws *w);
/* Checks the handshake and answers a bad one: false. */
bool mo_web_ws_hello(molt_req *r, mo_ws_hello *out);
/* Sends 101; w has the connection then. */
int mo_web_ws_upgrade(molt_req *r, molt_ws *w, const mo_ws_hello *hello, const char *subprotocol);
/* Starts or wakes its coroutine.  Not in a coroutine. */
void mo_web_ws_ready(molt_ws *w);
/* The end of one that was restored and then not begun after all. */
void mo_web_ws_abandon(molt_ws *w);
/* Waits in its coroutine until ready(). */
int mo_web_ws_wait(molt_ws *w, molt_time timeout);

/* ---- ws_move.c ---- */

void mo_web_ws_run_save(molt_ws *w); /* in its coroutine */
void mo_web_ws_save(void *arg, bool save);
bool mo_web_ws_saved(const void *arg);
molt_str mo_web_ws_state(void *arg);

#endif
