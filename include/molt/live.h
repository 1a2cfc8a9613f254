/* SPDX-License-Identifier: MIT
 *
 * What goes on after a handler: events, WebSockets, requests that wait in steps.
 * Programs include molt.h, which includes this file. */
#ifndef MOLT_LIVE_H
#define MOLT_LIVE_H

#include "molt/route.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- events: topics and Server-Sent Events --------------------------- */

/* Sends one event to every subscriber of topic: an event stream gets event, id and data (UTF-8), a
 * WebSocket the data as one message (text when it is UTF-8), a request that waits
 * (molt_continue_on()) runs its step.  event and id may be NULL.  Returns at once; what one
 * process publishes keeps its order.
 *
 * While two generations live, an event reaches the subscribers of both, whichever of them
 * published it, and one that moves meanwhile gets it once.  -EINVAL: a topic of 0 or over 128
 * bytes, a line end in event or id; -EMSGSIZE: over 64 KiB in all.  [any] */
MOLT_API int molt_publish(const char *topic, const char *event, const char *id, const void *buf,
			  size_t n);

/* Server-Sent Events, movable form: subscribes the client and returns; call it for
 * up to 64 topics (-ENOSPC).  What the handler writes or sends besides goes first.
 * When it has returned, with status 200, the connection is an event stream that
 * needs no handler, and survives restarts: output that the client has not taken
 * moves along.  -EINVAL as molt_publish(), -EALREADY after the head was sent. */
MOLT_API int molt_sse_subscribe(molt_req *r, const char *topic);

/* Server-Sent Events, straight-line form: open once, then send; -EPIPE when the
 * client left.  While draining, molt_sse_send() tells the client behind the event
 * when to come again (retry:) and returns -ECANCELED: return then.  [parks] */
MOLT_API int molt_sse_open(molt_req *r);
MOLT_API int molt_sse_send(molt_req *r, const char *event, const char *id, const char *data);

/* ---- WebSocket ------------------------------------------------------- */
/* RFC 6455 over HTTP/1.1 and HTTPS, with permessage-deflate (RFC 7692) when the client offers
 * it.  The library answers pings, sends its own (ws_ping), checks masks, fragments, UTF-8 and
 * sizes, and closes with 1002, 1007, 1009 and, when memoryBudget is used up, 1013.  A bad
 * handshake is answered with 400 or 426, a page of another host with 403 (see ws_origins). */

enum molt_ws_type { MOLT_WS_TEXT = 1, MOLT_WS_BINARY = 2 };
typedef struct molt_ws_msg {
	size_t size;
	enum molt_ws_type type;
	molt_str data; /* borrowed: until the callback returns, or the next molt_ws_recv() */
} molt_ws_msg;
#define MOLT_WS_MSG(...) MOLT_SIZED(molt_ws_msg, __VA_ARGS__)

/* on_close() with it: the socket lives on in the next generation.  A code of on_close()
 * alone: molt_ws_code() is 0 as long as a socket is open. */
enum { MOLT_WS_MOVED = 0 };

/* Movable form: callbacks, each run in a coroutine, one at a time per socket.  on_open (NULL: all
 * are let in) runs before the handshake is answered; <0 refuses, with the status that it set or
 * 403.  What it sends follows the handshake.  on_close is called once for each socket that on_open
 * or restore accepted, with the close code: the client's, 1005 when it gave none, 1006 when the
 * connection broke, ours when we closed; MOLT_WS_MOVED.  It is the last; sending fails in it.
 *
 * At a restart the socket moves to the next generation between two messages: save() writes what
 * the program needs to go on (at most 32 KiB, malloc'd), restore() reads it there, before
 * anything else happens to the socket.  Topics move by themselves, and so does output that the
 * client has not taken.  No message is lost, doubled or reordered.  A socket without save or
 * restore, whose save() or restore() fails, or whose endpoint the next generation lacks (server
 * and pattern must be the same), is closed with 1012 instead. */
typedef struct molt_ws_endpoint {
	size_t size;
	int (*on_open)(molt_ws *w, molt_req *r);
	void (*on_message)(molt_ws *w, const molt_ws_msg *m);
	void (*on_close)(molt_ws *w, int code);
	int (*save)(molt_ws *w, void **buf, size_t *len);
	int (*restore)(molt_ws *w, const void *buf, size_t len);
	const char *subprotocol; /* named to clients that offer it; NULL: none */
} molt_ws_endpoint;
#define MOLT_WS_ENDPOINT(...) MOLT_SIZED(molt_ws_endpoint, __VA_ARGS__)
/* Binds an endpoint, like molt_bind() with GET; middleware runs for its handshake.
 * The pattern has no other method. */
MOLT_API int molt_ws_bind(molt_group *g, const char *pattern, const molt_ws_endpoint *e,
			  void *arg);

/* The functions of a socket work in its callbacks, or in the handler of the straight-line form;
 * to reach others, publish.  After on_close, or after the handler has returned, it is gone. */
MOLT_API void molt_ws_set(molt_ws *w, void *value); /* for the program; not moved */
MOLT_API void *molt_ws_get(const molt_ws *w);
MOLT_API void *molt_ws_arg(const molt_ws *w); /* given to molt_ws_bind(), or NULL */
/* Events of the topic are sent to the client as messages.  -EINVAL, -ENOSPC (64). */
MOLT_API int molt_ws_subscribe(molt_ws *w, const char *topic);
/* Queues a message; waits while more than 64 KiB are not taken by the client.
 * -EINVAL: a text that is no UTF-8; -EMSGSIZE: over ws_max_queue; -EPIPE: closed or
 * closing; -ETIMEDOUT: the client takes nothing (write_timeout).  [parks] */
MOLT_API int molt_ws_send(molt_ws *w, enum molt_ws_type t, const void *buf, size_t n);
/* Starts the closing handshake; code 1000 or 3000 to 4999 is the program's choice,
 * reason (NULL: none) at most 123 bytes.  -EINVAL, -EPIPE when it is closing. */
MOLT_API int molt_ws_close(molt_ws *w, int code, const char *reason);
/* The close code, the same as on_close() gets; 0: open, or (in on_close() alone) moved. */
MOLT_API int molt_ws_code(const molt_ws *w);

/* Straight-line form: completes the handshake in a handler; NULL when r opens no
 * WebSocket (the refusal is set as the answer).  The socket is closed with 1000 when
 * the handler returns, with 1012 by a restart.  subprotocol as above.  [parks] */
MOLT_API molt_ws *molt_ws_accept(molt_req *r, const char *subprotocol);
/* 1: a message; 0: closed, see molt_ws_code(); -ETIMEDOUT; -EPERM in the movable
 * form.  m->size is set before: molt_ws_msg m = MOLT_WS_MSG();  [parks] */
MOLT_API int molt_ws_recv(molt_ws *w, molt_ws_msg *m, molt_time timeout);

/* ---- requests that wait without a stack ------------------------------ */
/* A request in parts: a handler ends its run, not the request, and a named step goes
 * on with it.  What waits between two parts is pure data: a restart moves it with its
 * connection, so the first half of an answer may be of the old program and the second
 * of the new one.  doc/steps.md has the whole picture.
 *
 *   travels      the request with its body (read before it waits), parameters, id; the
 *                answer so far, sent or not; the step's name; state; topic and events
 *   ends         molt_alloc() memory, molt_defer() calls and molt_req_set() values: with
 *                each part
 *   again        middleware of molt_group_use_steps(); other: around the first part only
 *
 * While it waits it is a running request; a client that leaves ends it, and no step
 * runs.  It stays in its generation, and is finished there, when its connection does
 * not move (no_handover, no_tls_handover, some TLS 1.2 suites), it has more than 48 KiB
 * in all, or the next program has not bound the step.  What still waits when the
 * drain or shutdown ends gets 503, or a cut answer when it has begun. */

enum { MOLT_STATE_MAX = 32 * 1024 };

/* Binds a step, before the start.  name: 1 to 64 printable characters without spaces;
 * it is what finds the step in the next program.  arg: for molt_req_arg().  -EINVAL,
 * -EEXIST, -EBUSY once started. */
MOLT_API int molt_step_bind(molt_server *s, const char *name, molt_handler *h, void *arg);
/* The same with options: blocking and stack_size count, the others are the route's. */
MOLT_API int molt_step_bind_opts(molt_server *s, const char *name, molt_handler *h, void *arg,
				 const molt_route_opts *o);

/* When this part has returned, the step called name goes on with the request after delay ms (0:
 * at once, but in a run of its own), in whichever generation has it by then.  state (len bytes,
 * copied) is for molt_req_state() there.  Output is kept; what molt_res_flush() sent stays sent.
 * Of several calls the last counts.  A step may call it again, any number of times.  -ENOENT:
 * the server has no such step; -EMSGSIZE: over MOLT_STATE_MAX; -EINVAL: a negative delay;
 * -EBUSY: the body of a stream_body route is not read to its end, or the answer is an event
 * stream; <0 as molt_req_body(); -EPIPE, -ETIMEDOUT, -EALREADY as writes.  The request ends with
 * this part then.  [parks] */
MOLT_API int molt_continue(molt_req *r, const char *name, molt_time delay, const void *state,
			   size_t len);
/* The same, for long polling: the step also runs when an event of topic is published, in any
 * generation; timeout may be MOLT_FOREVER.  The request hears the topic from this call on, not
 * only when it waits, so "subscribe, then look whether there is something already" misses
 * nothing.  Each event runs the step once; those that come while it runs wait for its next
 * molt_continue_on() of the same topic.  None is lost or doubled by a restart.  A shutdown, or a
 * restart that cannot move it, ends the wait early as if the time were over; molt_req_draining()
 * tells.  -EINVAL: a topic as in molt_publish(); -ENOBUFS: events were lost, over ws_max_queue
 * waited; call again to go on without them. */
MOLT_API int molt_continue_on(molt_req *r, const char *name, const char *topic, molt_time timeout,
			      const void *state, size_t len);

/* Inside a step, borrowed: the state it was given ("" and 0 when none). */
MOLT_API const void *molt_req_state(const molt_req *r, size_t *len);
/* The library makes it, and later members come at its end: it needs no size. */
typedef struct molt_news {
	const char *topic, *event, *id; /* as published; "" */
	molt_str data;
} molt_news;
/* Inside a step, borrowed: the event that woke it; NULL: the time is over. */
MOLT_API const molt_news *molt_req_news(const molt_req *r);

#ifdef __cplusplus
}
#endif
#endif
