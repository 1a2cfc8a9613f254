/* HTTP/2 on one connection (RFC 9113), inside: shared by the files of this folder; nobody
 * else includes this.  Frames, HPACK and flow control are nghttp2's; what is ours:
 *
 *   h2.c           the driver: reading, states, deadlines, the end of the connection
 *   h2_session.c   the nghttp2 session, its options, its calls back to us
 *   h2_head.c      from the fields of a request to molt_req
 *   h2_exchange.c  an exchange from its head to its end
 *   h2_body.c      request bodies
 *   h2_answer.c    heads of answers
 *   h2_send.c      bodies of answers
 *   h2_output.c    frames on their way to the socket
 *   h2_drain.c     GOAWAY: the end in good order
 *   h2_limit.c     limits against abuse
 *
 * One session belongs to one connection, and with it to one loop.  Three places of the code
 * run at different times, never at once:
 *
 *   the driver       on the loop: reads, starts exchanges, sends
 *   the coroutines   of the exchanges, one at a time: read bodies, give answers
 *   calls back       of nghttp2, inside one of its functions that the other two call
 *
 * nghttp2 must not be entered again from its own calls back.  So a call back only notes:
 * a complete head waits in `starting` until the driver has left nghttp2, and a coroutine
 * that something has come for is woken by the loop, never run in place.
 *
 * What flows, and what bounds it:
 *
 *   request bodies   a stream's window of bytes at most lies in its exchange; what the
 *                    handler has read is given back to both windows, so the connection's
 *                    window bounds all bodies of a connection together
 *   answers          the bytes stay the handler's; its coroutine waits until they are in
 *                    `out`, MO_H2_OUT bytes at most, which the socket empties
 *   control replies  http2MaxQueuedReplies, then GOAWAY (h2_limit.c)
 *
 * An exchange and its stream end apart.  A stream that is reset (closed) leaves an exchange
 * behind whose calls fail until its handler returns; an exchange that has ended leaves a
 * stream behind whose client still has to say the end of its body.
 *
 *   exchange   event                             -> next
 *   READING    END_HEADERS                       -> READY
 *   READING    the head is malformed             -> READING, until RST_STREAM is out
 *   READING    the stream is closed              -> gone
 *   READY      the stream is closed              -> gone, by the driver
 *   READY      the driver; it is refused (431)   -> gone, answered without a handler
 *   READY      the driver                        -> RUNNING: app->route(), its coroutine
 *   RUNNING    the handler returns, all is sent  -> gone: app->done()
 *
 * over: the session has said its last frame; no stream is served any more, and the
 * connection closes when the last handler has returned.  dead: the same, and nothing can be
 * sent, not even that frame. */
#ifndef MO_HTTP_H2_H2_INTERNAL_H
#define MO_HTTP_H2_H2_INTERNAL_H

#include <nghttp2/nghttp2.h>

#include "http/conn/conn_protocol.h"
#include "rt/park.h"

#define MO_H2_OUT 32768u   /* bytes of frames that wait for the socket, at most */
#define MO_H2_PIECE 16375u /* of a DATA frame; with its head 16 KiB */
#define MO_H2_NEVER INT64_MAX

/* What is left of a number for each minute; see h2_limit.c. */
typedef struct mo_h2_bucket {
	uint32_t spent;
	molt_time since;
} mo_h2_bucket;

enum mo_h2_drain {
	MO_H2_SERVES,
	MO_H2_NOTICED, /* GOAWAY(2^31-1) is out; requests on their way are still answered */
	MO_H2_ENDS     /* GOAWAY(last) is out */
};

typedef struct mo_h2 {
	mo_conn *c;
	nghttp2_session *session;
	mo_buf out; /* borrowed while bytes wait */
	size_t out_at;
	mo_list reading, starting, exchanges; /* mo_h2_req.node: READING, READY, RUNNING */
	unsigned running;                     /* exchanges whose handlers have not returned */
	int unsent;                           /* ended exchanges whose answers are not all sent */
	uint64_t taken;                       /* bytes of bodies in frames, so far */
	/* Of the loop's clock; MO_H2_NEVER: none. */
	molt_time idle_due, head_due, write_due, drain_due;
	/* Of the header block that comes. */
	size_t block_bytes, block_fields;
	unsigned continuations;
	/* Against abuse. */
	mo_h2_bucket resets, controls;
	int64_t credit;    /* frames of control that requests and data have paid for */
	uint32_t error;    /* that a callback has found, for GOAWAY; 0: none */
	uint8_t drain;     /* enum mo_h2_drain */
	uint8_t read_want; /* what reading waits for, in events of libuv */
	bool driving;      /* the driver is on the stack below the coroutine */
	bool soon;         /* a turn was asked for */
	bool blocked;      /* the socket takes no more */
	bool eof;          /* the client will send no more */
	bool failed;       /* GOAWAY with an error is out */
	bool over, dead;
	bool peer_leaves; /* the client has sent GOAWAY */
} mo_h2;

enum mo_h2_peer { MO_H2_PEER_THERE, MO_H2_PEER_ENDED, MO_H2_PEER_LOST };

/* The exchange as HTTP/2 sees it. */
typedef struct mo_h2_req {
	molt_req r; /* first: the ops get this */
	mo_conn *c;
	mo_h2 *h;
	mo_list node;
	int32_t id; /* of the stream; nghttp2 knows it until closed */
	bool begun; /* READY or RUNNING */
	bool closed;
	bool complete;        /* END_STREAM has come */
	bool ended;           /* END_STREAM has left */
	bool waiting;         /* its coroutine is in io */
	_Atomic uint8_t peer; /* enum mo_h2_peer, for any thread */
	mo_park io;
	/* The head while it comes; see h2_head.c. */
	molt_str path, authority, scheme;
	size_t list_size; /* as SETTINGS_MAX_HEADER_LIST_SIZE counts */
	unsigned fields_room, crumbs, others;
	int refuse; /* the status of an answer without a handler, or 0 */
	bool malformed;
	/* The body. */
	bool expect_continue, continue_sent;
	int body_error;
	mo_buf in; /* borrowed while bytes wait */
	size_t in_at, in_counted;
	molt_time body_due; /* read_timeout of the whole request; INT64_MAX: none */
	/* The answer, once its head was made. */
	bool empty; /* no DATA follows its head */
	bool has_length;
	bool last; /* nothing follows what is given now */
	bool broken_file;
	uint64_t left;    /* of its length */
	const char *data; /* given now: the handler's bytes, or those of the file */
	int fd;
	off_t off;
	size_t n;
	uint64_t taken; /* bytes of the body in frames, so far */
} mo_h2_req;

static inline mo_h2 *mo_h2_of(const mo_conn *c)
{
	return c->data;
}

static inline mo_h2_req *mo_h2_req_of(const molt_req *r)
{
	return (mo_h2_req *)(uintptr_t)r;
}

/* ---- h2.c ---- */

/* Asks for a turn of the driver, if none is under way. */
void mo_h2_soon(mo_h2 *h);
/* Starts what waits, sends, and decides how the connection goes on.  It may be closed on
 * return. */
void mo_h2_drive(mo_conn *c);
/* Nothing can be sent or read any more. */
void mo_h2_die(mo_h2 *h);

/* ---- h2_session.c ---- */

nghttp2_session *mo_h2_session_new(mo_h2 *h);
/* What was read.  false: the connection is at its end; what it has to say is queued. */
bool mo_h2_session_feed(mo_h2 *h, const char *data, size_t n);

/* ---- h2_head.c ---- */

/* One field; part of a call back. */
void mo_h2_head_field(mo_h2_req *q, molt_str name, molt_str value);
/* The head is complete.  Sets q->malformed, or q->refuse, or what molt_req holds of it. */
void mo_h2_head_end(mo_h2_req *q);

/* ---- h2_exchange.c ---- */

mo_h2_req *mo_h2_exchange_new(mo_h2 *h, int32_t id);
/* One that has not run. */
void mo_h2_exchange_free(mo_h2_req *q);
void mo_h2_exchange_start(mo_h2_req *q);
/* Its stream is no more: its calls fail, unless all was said. */
void mo_h2_exchange_closed(mo_h2_req *q);
/* All of them: the connection is over or dead. */
void mo_h2_exchanges_lost(mo_h2 *h);
/* In the coroutine: 0 (try again), -ETIMEDOUT, -EPIPE. */
int mo_h2_wait(mo_h2_req *q, molt_time timeout);
void mo_h2_wake(mo_h2_req *q);
bool mo_h2_lost(const mo_h2_req *q);

/* ---- h2_body.c ---- */

void mo_h2_body_init(mo_h2_req *q);
/* Part of a call back: bytes have come. */
void mo_h2_body_add(mo_h2_req *q, const void *data, size_t n);
long mo_h2_body_read(molt_req *r, void *buf, size_t n);
/* The handler has returned: what it did not read is dropped. */
void mo_h2_body_drop(mo_h2_req *q);

/* ---- h2_answer.c ---- */

/* Gives the head to nghttp2.  n: bytes of body that come with it, all of them when last. */
void mo_h2_answer_begin(mo_h2_req *q, size_t n, bool last);
void mo_h2_answer_continue(mo_h2_req *q); /* 100 */
/* A whole answer of one line, for a stream without a handler. */
void mo_h2_answer_status(mo_h2 *h, int32_t id, int status, bool head_only);

/* ---- h2_send.c ---- */

int mo_h2_send(molt_req *r, const void *data, size_t n, bool last);
int mo_h2_send_file(molt_req *r, int fd, off_t off, size_t n, bool last);
/* The handler has returned: sends what is missing, or resets the stream. */
void mo_h2_finish(mo_h2_req *q);
/* The calls back of nghttp2 that fetch DATA. */
ssize_t mo_h2_data_length(nghttp2_session *s, int32_t id, uint8_t *buf, size_t length,
			  uint32_t *flags, nghttp2_data_source *source, void *user);
int mo_h2_data_put(nghttp2_session *s, nghttp2_frame *frame, const uint8_t *head, size_t length,
		   nghttp2_data_source *source, void *user);

/* ---- h2_output.c ---- */

/* Moves frames from nghttp2 to `out`, as far as there is room. */
void mo_h2_pull(mo_h2 *h);
/* Sends all that there is.  true: it is sent; false: the socket takes no more now, a turn's
 * worth was sent and another turn asked for, or dead. */
bool mo_h2_flush(mo_h2 *h);
/* Room for n bytes at the end of `out`; whoever fills it raises out.len. */
char *mo_h2_out_room(mo_h2 *h, size_t n);
static inline bool mo_h2_out_full(const mo_h2 *h)
{
	return h->out.len - h->out_at + MO_H2_PIECE + 9 > MO_H2_OUT;
}
void mo_h2_output_free(mo_h2 *h);

/* ---- h2_drain.c ---- */

/* The server drains: begins the end in good order, if it has not begun. */
void mo_h2_drain(mo_h2 *h);
void mo_h2_drain_answered(mo_h2 *h); /* the client has read the first GOAWAY */
/* No stream after those that have begun. */
void mo_h2_drain_end(mo_h2 *h);
/* Ends it by GOAWAY with that error. */
void mo_h2_fail(mo_h2 *h, uint32_t code);

/* ---- h2_limit.c: each is part of a call back, and false: ENHANCE_YOUR_CALM ---- */

bool mo_h2_limit_frame(mo_h2 *h, const nghttp2_frame_hd *hd);
bool mo_h2_limit_reset(mo_h2 *h);
/* A request, or data, pays for frames of control. */
void mo_h2_limit_earn(mo_h2 *h, unsigned frames);

#endif
