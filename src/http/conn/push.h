/* Bytes on their way to a client that is sent to without being asked: the
 * output of WebSockets and event streams.  Unlike an answer's it has no
 * coroutine that waits; what the socket does not take stays here, and moves to a
 * successor as bytes. */
#ifndef MO_HTTP_CONN_PUSH_H
#define MO_HTTP_CONN_PUSH_H

#include "http/conn/conn_protocol.h"

#define MO_PUSH_MOVES (16u * 1024) /* with more than this a connection cannot move */

typedef struct mo_push {
	mo_buf buf;
	size_t at; /* sent up to here */
} mo_push;         /* all zero is an empty one */

static inline size_t mo_push_pending(const mo_push *p)
{
	return p->buf.len - p->at;
}

static inline molt_str mo_push_bytes(const mo_push *p)
{
	return (molt_str){ p->buf.data ? p->buf.data + p->at : "", mo_push_pending(p) };
}

/* home: whose spare buffers are used; NULL: the heap's. */
void mo_push_add(mo_push *p, mo_conns *home, const void *data, size_t n);
/* Is the client so far behind that more must not be added?  By its own limit, or by the
 * budget of the process (memory.h). */
bool mo_push_too_much(const mo_push *p, size_t more, size_t limit);
/* After something was added.  When the budget of the process is used up, what is there is
 * sent at once, and not at the end of the turn in which many more may get theirs.  false:
 * the client does not take it, and is to be cut.  c: NULL before it has begun. */
bool mo_push_relieve(mo_push *p, mo_conn *c);
/* Sends what the socket takes.  0: all; -EAGAIN (stream->want); -EPIPE. */
int mo_push_flush(mo_push *p, mo_conn *c);
void mo_push_free(mo_push *p, mo_conns *home);

#endif
