/* A WebSocket on a connection (RFC 6455): frames by wslay, output that waits,
 * pings, the closing handshake, moving.  The layer above pulls messages with
 * mo_ws_next() and is told by mo_ws_user when there may be one.
 *
 *   state    event                                     -> next
 *   NEW      mo_ws_new; sends gather                   -> OPEN by begin()
 *   OPEN     mo_ws_close, the drain, ws_ping passed    -> CLOSING (close frame sent)
 *   OPEN     the client closes, or breaks a rule       -> ENDING (close frame sent)
 *   CLOSING  the client's close frame, 3 s             -> ENDING
 *   any      the connection fails, output over limit   -> OVER
 *   ENDING   everything is sent                        -> OVER
 *   moving   mo_ws_close, and it stays                 -> CLOSING (the frame is sent here)
 *   moving   mo_ws_close, and it is taken              -> gone() here; the taker, which
 *                                                         has it in OPEN, meets its end
 *   OVER     no exchange runs                          -> gone(): detached, lingers
 *
 * While an exchange runs on the connection (the handler of the straight-line form)
 * the connection is RUNNING, else IDLE.  All calls on the loop's thread; what a
 * coroutine calls only changes the object, the rest is done in a turn of the
 * connection. */
#ifndef MO_HTTP_LIVE_WS_H
#define MO_HTTP_LIVE_WS_H

#include "http/conn/exchange.h"

typedef struct mo_ws mo_ws;

enum { MO_WS_TEXT = 1, MO_WS_BINARY = 2 };

typedef struct mo_ws_user {
	/* Not in a coroutine.  There may be a message, room in the output, or it is
	 * over. */
	void (*ready)(void *arg);
	/* Not in a coroutine.  The last call: the connection is no longer ours;
	 * the owner frees the socket. */
	void (*gone)(void *arg);
	/* The server drains and the socket may move (save: hold it and get ready), or
	 * must not, or no longer (!save: go on). */
	void (*save)(void *arg, bool save);
	/* Is it nothing but data now?  What the taker needs; borrowed. */
	bool (*saved)(const void *arg);
	molt_str (*state)(void *arg);
	/* Calls of its handlers must fail from now on. */
	void (*cut)(void *arg);
} mo_ws_user;

/* line: an exchange runs on it to its end; then it is closed. */
mo_ws *mo_ws_new(const mo_ws_user *user, void *arg, bool line, bool deflate,
		 const mo_http_limits *lim);
void mo_ws_free(mo_ws *w); /* gone, or never begun */
void mo_ws_drop(mo_ws *w); /* never begun: it is over, with 1006 */

/* The next message; data belongs to w until the next call.  1; 0: none at this
 * moment, ready() follows; -EPIPE: there will be none. */
int mo_ws_next(mo_ws *w, int *type, molt_str *data);
/* 0; -EINVAL: no UTF-8; -EMSGSIZE; -EPIPE: closed or closing. */
int mo_ws_send(mo_ws *w, int type, molt_str data);
/* Output that the client has not taken. */
size_t mo_ws_queued(const mo_ws *w);
/* ready() is to be called when the client has taken all of it. */
void mo_ws_want_room(mo_ws *w);
/* Starts the closing handshake.  -EINVAL: a code or reason that may not be sent;
 * -EPIPE: it is closed or closing already. */
int mo_ws_close(mo_ws *w, int code, molt_str reason);
/* Why it is over: the client's code, ours when we closed first, 1005 when the
 * client gave none, 1006 without a handshake; 0: it lives on in the successor. */
int mo_ws_code(const mo_ws *w);
bool mo_ws_open(const mo_ws *w); /* can send */

/* For state() and for the taker. */
bool mo_ws_deflates(const mo_ws *w);
molt_str mo_ws_output(const mo_ws *w);
void mo_ws_put_output(mo_ws *w, molt_str bytes); /* in NEW, before any send */
/* In save(): it does not move. */
void mo_ws_stay(mo_ws *w);
/* At a message boundary: what was read and is no whole frame is bytes. */
bool mo_ws_at_boundary(const mo_ws *w);

#endif
