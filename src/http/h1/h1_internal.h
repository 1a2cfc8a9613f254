/* HTTP/1 on one connection, inside: shared by h1.c (the driver), h1_io.c (input,
 * waiting), h1_exchange.c, h1_body.c (request bodies), h1_answer.c (heads), h1_send.c,
 * h1_upgrade.c, and for requests that wait h1_step.c; nobody else includes this.
 *
 * The connection's input lies in one borrowed buffer, its gathered answers in
 * another; both go back as soon as they are empty.  Exchanges run one after
 * another.  Two places of the code run at different times, never at once:
 *
 *   the driver      on the loop: reads heads, starts exchanges, sends what was
 *                   gathered
 *   the coroutine   of the one exchange: reads its body, gathers or sends its
 *                   answer, and ends it
 *
 * Who looks at the descriptor:
 *
 *   state         watched                     an event means
 *   IDLE, HEAD    readable                    read, go on
 *   RUNNING       waiting: what it waits for  wake the coroutine
 *   RUNNING       blocked: writable           send on what was gathered
 *   RUNNING       neither: readable at first  someone is there: the next request
 *                                             (watch only the disconnect), or
 *                                             the end (gone)
 *
 * dead: the stream has failed or was cut; nothing is read or written any more,
 * every operation fails, and the connection closes when the exchange ends. */
#ifndef MO_HTTP_H1_H1_INTERNAL_H
#define MO_HTTP_H1_H1_INTERNAL_H

#include "http/conn/conn_protocol.h"
#include "http/h1/chunk.h"
#include "http/h1/h1_parse.h"
#include "http/h1/step.h"
#include "http/h1/step_state.h"
#include "rt/park.h"

#define MO_H1_GATHER 8192u /* sent before the next exchange when more is gathered */

enum mo_h1_framing { MO_H1_NO_BODY, MO_H1_LENGTH, MO_H1_CHUNKED, MO_H1_UNTIL_CLOSE };

/* The exchange as HTTP/1 sees it. */
typedef struct mo_h1_req {
	molt_req r; /* first: the ops get this */
	mo_conn *c;
	/* The request. */
	bool keep_alive;      /* what its head asked for */
	bool expect_continue; /* the client waits for 100 before it sends the body */
	bool continue_sent;   /* ... and waits no more */
	bool in_chunks;       /* the body */
	int body_error;       /* why the body is MO_BODY_FAILED */
	uint64_t body_left;   /* Content-Length framing */
	mo_chunked chunked;   /* chunked framing */
	molt_time body_due;   /* read_timeout of the whole request; INT64_MAX: none */
	/* The answer, once its head was made. */
	enum mo_h1_framing framing;
	bool head_only;   /* HEAD */
	uint64_t left;    /* of Content-Length */
	size_t head_size; /* of the head's copy */
	struct mo_h1 *h1; /* of its connection, also when that was upgraded */
	bool waits;       /* it ends as bytes, and goes on later; see h1_step.c */
} mo_h1_req;

enum mo_h1_peer { MO_H1_PEER_THERE, MO_H1_PEER_ENDED, MO_H1_PEER_LOST };

typedef struct mo_h1 {
	char *in;                       /* borrowed, or NULL when nothing is unread */
	uint32_t in_at, in_end, in_cap; /* at most the limit of a head and a buffer */
	uint32_t out_at, out_end;
	char *out;            /* borrowed, or NULL when nothing is gathered */
	mo_h1_req *req;       /* the running exchange */
	mo_park io;           /* where its coroutine waits for the descriptor */
	molt_time head_began; /* HEAD: when; 0 when the head came in one piece */
	size_t spent;         /* bytes moved by the coroutine without waiting */
	int unsent;           /* ended exchanges whose answers are not all sent */
	bool waiting;         /* a coroutine is in io */
	bool blocked;         /* the driver waits to send */
	bool soon;            /* the gathered answers leave at the turn's end */
	bool driving;         /* the driver is on the stack below the coroutine */
	bool dead;
	bool eof;             /* the client will send no more */
	bool closing;         /* after what is gathered */
	bool last;            /* closing because the client said that it was its last request */
	bool drained;         /* the last read got less than it could have taken */
	bool cut;             /* closing without a proper end */
	bool reset;           /* ... that only a reset can show */
	bool no_room;         /* the budget of memory ends the head that comes */
	bool upgraded;        /* the connection is another protocol's; see h1_upgrade.c */
	bool spoken;          /* a request has come: what follows is HTTP/1 */
	_Atomic uint8_t peer; /* enum mo_h1_peer, for any thread */
} mo_h1;

static inline mo_h1 *mo_h1_of(const mo_conn *c)
{
	return c->data;
}

static inline mo_conn *mo_h1_conn(const mo_h1_req *q)
{
	return q->c;
}

static inline mo_h1_req *mo_h1_req_of(const molt_req *r)
{
	return (mo_h1_req *)(uintptr_t)r;
}

/* It will send no more, but may still read. */
static inline void mo_h1_peer_ended(mo_h1 *h)
{
	atomic_store_explicit(&h->peer, MO_H1_PEER_ENDED, memory_order_relaxed);
}

static inline size_t mo_h1_unread(const mo_h1 *h)
{
	return h->in_end - h->in_at;
}

static inline size_t mo_h1_gathered(const mo_h1 *h)
{
	return h->out_end - h->out_at;
}

/* What stands right around a system call is part of its caller: see net/syscall.h. */
#define MO_H1_BY_SYSCALL static inline __attribute__((always_inline))

/* ---- h1_io.c ---- */

/* Room to read into: at the end of the input, else by moving, else by growing.
 * false: there is none. */
bool mo_h1_make_room(mo_conn *c, size_t limit);
/* The buffer back, to the loop or the heap. */
void mo_h1_input_put(mo_h1 *h, mo_loop *l);
/* Drops n bytes of the input; gives the buffer back when it is empty. */
void mo_h1_consume(mo_conn *c, size_t n);
/* One read into the input buffer, which may grow to limit.  > 0; 0 at the end;
 * -EAGAIN; -ENOBUFS when it is full, or no_room; other errors mean dead. */
MO_H1_BY_SYSCALL ssize_t mo_h1_fill(mo_conn *c, size_t limit)
{
	mo_h1 *h = mo_h1_of(c);
	ssize_t n;

	if (!mo_h1_make_room(c, limit))
		return -ENOBUFS;
	n = mo_stream_read(c->stream, h->in + h->in_end, h->in_cap - h->in_end);
	h->drained = n < (ssize_t)(h->in_cap - h->in_end);
	if (n > 0)
		h->in_end += (uint32_t)n;
	else
		mo_h1_consume(c, 0); /* gives an empty buffer back */
	return n;
}
/* The stream is over. */
void mo_h1_die(mo_conn *c);
/* In the coroutine: waits for events.  0 (try again), -ETIMEDOUT, -EPIPE. */
int mo_h1_wait(mo_conn *c, int events, molt_time timeout);
/* Lets the coroutine that is in mo_h1_wait() try again. */
void mo_h1_wake(mo_h1 *h);
/* In the coroutine: n more bytes were moved; lets others run when that was much. */
void mo_h1_spend(mo_conn *c, size_t n);

/* ---- h1_exchange.c ---- */

/* An exchange for the head that begins at the unread input; copies it. */
mo_h1_req *mo_h1_exchange_new(mo_conn *c, const mo_head *head, const mo_field *fields);
/* Runs it.  true: it has ended; false: its coroutine waits, and asks for a turn
 * of the connection when it ends.  Not in a coroutine. */
bool mo_h1_exchange_run(mo_h1_req *q);
const char *mo_h1_tls_fact(const molt_req *r, int fact);
int mo_h1_peer_is_ours(const molt_req *r);
/* The ops resume and drop of mo_protocol. */
void mo_h1_resume(molt_req *r, void *waited);
void mo_h1_drop(molt_req *r, int status);

/* ---- h1_upgrade.c ---- */

int mo_h1_upgrade(molt_req *r, const struct mo_protocol *proto, void *data);
/* In the exchange's coroutine: the connection and what is unread are proto's. */
void mo_h1_hand_over(mo_h1_req *q, const struct mo_protocol *proto, void *data);
/* The end of an exchange whose connection was upgraded. */
void mo_h1_upgrade_end(mo_h1_req *q);

/* ---- h1_step.c ---- */

int mo_h1_suspend(molt_req *r, mo_step *s);
molt_req *mo_h1_revive(mo_conn *c, const mo_step_state *st, molt_str unread);

/* ---- h1_body.c ---- */

void mo_h1_body_init(mo_h1_req *q);
long mo_h1_body_read(molt_req *r, void *buf, size_t n);
/* Could the unread rest of the body be read away to keep the connection? */
bool mo_h1_body_drainable(const mo_h1_req *q);
/* Reads it away, as far as that is worth it.  After the answer. */
void mo_h1_body_drain(mo_h1_req *q);

/* ---- h1_answer.c ---- */

#define MO_H1_REFUSAL_MAX 2048u

/* Fixes framing and keep-alive.  n: bytes of body that come with the head, all
 * of them when last. */
void mo_h1_head_decide(mo_h1_req *q, size_t n, bool last);
/* The most that mo_h1_head_put() writes; it returns the end. */
size_t mo_h1_head_bound(const mo_h1_req *q);
char *mo_h1_head_put(char *p, const mo_h1_req *q);
/* A small whole answer that closes; text empty: status and reason. */
size_t mo_h1_refusal_put(char out[MO_H1_REFUSAL_MAX], mo_conn *c, int status, molt_str text,
			 bool head_only);

/* ---- h1_send.c ---- */

int mo_h1_send(molt_req *r, const void *data, size_t n, bool last);
int mo_h1_send_file(molt_req *r, int fd, off_t off, size_t n, bool last);
/* The handler has returned: sends what is missing. */
void mo_h1_finish(mo_h1_req *q);
/* Sends what is gathered.  In the coroutine; 0, -ETIMEDOUT, -EPIPE: dead then. */
int mo_h1_flush_wait(mo_h1_req *q);
MO_H1_BY_SYSCALL ssize_t mo_h1_send_gathered(mo_conn *c)
{
	mo_h1 *h = mo_h1_of(c);
	struct iovec v = { h->out + h->out_at, mo_h1_gathered(h) };

	return mo_stream_send(c->stream, &v);
}
/* Goes on after a first mo_h1_send_gathered() that gave n; for mo_h1_flush(). */
int mo_h1_flush_on(mo_conn *c, ssize_t n);
/* The same as mo_h1_flush_wait() without waiting: 0, -EAGAIN (stream->want), -EPIPE:
 * dead. */
MO_H1_BY_SYSCALL int mo_h1_flush(mo_conn *c)
{
	mo_h1 *h = mo_h1_of(c);
	bool any = !h->dead && mo_h1_gathered(h) > 0;

	return mo_h1_flush_on(c, any ? mo_h1_send_gathered(c) : 0);
}
/* Gathers an interim answer (100).  In the coroutine. */
void mo_h1_gather_interim(mo_h1_req *q, molt_str text);
/* Gathers a small whole answer for a request that has no exchange; head_only: its head. */
void mo_h1_gather_refusal(mo_conn *c, int status, molt_str text, bool head_only);

#endif
