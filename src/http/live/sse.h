/* An event stream on a connection, after the handler that began it has returned:
 * nothing but output, a sign of life now and then, and the drain's end.  What an
 * event looks like is the upper layer's business.
 *
 *   state    event                              -> next
 *   NEW      mo_sse_new                         -> OPEN by begin()
 *   OPEN     mo_sse_end, or the drain's turn    -> ENDING (retry:, last chunk)
 *   OPEN     the client is gone, output over its limit -> gone()
 *   ENDING   everything is sent, or 3 s         -> gone(), closed */
#ifndef MO_HTTP_LIVE_SSE_H
#define MO_HTTP_LIVE_SSE_H

#include "http/conn/exchange.h"

typedef struct mo_sse mo_sse;

typedef struct mo_sse_user {
	/* The last call: the connection is no longer ours; the owner frees it. */
	void (*gone)(void *arg);
	molt_str (*state)(void *arg); /* what a taker needs; borrowed */
} mo_sse_user;

/* chunked: as the head said. */
mo_sse *mo_sse_new(const mo_sse_user *user, void *arg, bool chunked, const mo_http_limits *lim);
void mo_sse_free(mo_sse *s);
/* Whole events.  Dropped when it is over. */
void mo_sse_write(mo_sse *s, molt_str events);
/* The client is told to come again after ms. */
void mo_sse_end(mo_sse *s, molt_time ms);
/* Instead of an upgrade, for an exchange that has ops->wait: sends from its coroutine until
 * the client is gone or the drain ends it.  gone() is not called.  [parks] */
void mo_sse_serve(mo_sse *s, molt_req *r);

bool mo_sse_chunked(const mo_sse *s);
molt_str mo_sse_output(const mo_sse *s);
void mo_sse_put_output(mo_sse *s, molt_str bytes); /* in NEW */

#endif
