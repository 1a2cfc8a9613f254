/* The way of an answer's body from the program to the transport: a chain of stages that may
 * read, change or hold back its bytes.
 *
 *   program -> length -> stage added last -> ... -> stage added first -> transport
 *
 *   length     the chain's own: holds the program to the length that it has said
 *   transport  mo_exchange_ops: HTTP/1 frames there, in chunks, by length or by the close
 *
 * An answer without a stage, as most are, goes straight to the transport: mo_out_send() is
 * ops->send() then, and a file leaves by sendfile().  Whoever adds stages is a middleware: it
 * runs before the handler, and an outer one's stage is nearer to the transport.
 *
 * What a stage is given, on the loop and in the exchange's coroutine:
 *
 *   takes_part()  once, before the head is decided.  Status and fields may change in it.
 *                 false: nothing more is given to it.  Nobody is asked for an answer without
 *                 a body, and for a range (206) nobody who changes bytes.
 *   bytes()       the body in order, each piece borrowed until the call returns:
 *     MORE          more follows; the stage may keep it back
 *     FLUSH         what is kept back leaves now, and the flush is passed on
 *     END           nothing follows; n may be 0; the end is passed on once
 *   release()     with the exchange's end, whatever has become of the answer
 *
 * What a stage does:
 *
 *   it passes on  with mo_out_pass(), any number of pieces in a call, the flow with the last
 *   it waits      mo_out_pass() parks until the transport has taken the bytes, so a slow
 *                 client slows the program, and nothing gathers.  The stage may park itself
 *                 (rt/pool.h): much work is not for the loop.  What it allocates for the
 *                 bytes of clients it counts (memory.h).
 *   it fails      with any error but -EPIPE and -ETIMEDOUT, which mo_out_pass() gives and the
 *                 stage returns as they are.  The client gets 500, or sees that the answer
 *                 is cut; the program's call gives the error.
 *
 * A chain that changes bytes takes the length off the head (the transport knows that of a whole
 * answer again), makes a strong ETag weak and takes Accept-Ranges away (RFC 9110 sections 8.8.1
 * and 14.3).  An answer that has begun behind a stage cannot become an event stream or wait in
 * steps: the stage's state does not move. */
#ifndef MO_HTTP_CONN_OUT_CHAIN_H
#define MO_HTTP_CONN_OUT_CHAIN_H

#include "http/conn/exchange.h"

enum mo_flow { MO_FLOW_MORE, MO_FLOW_FLUSH, MO_FLOW_END };

typedef struct mo_out_stage mo_out_stage;

typedef struct mo_out_stage_ops {
	const char *name;
	bool changes; /* the bytes, or their number */
	/* length: of the body as it comes to this stage; -1: not known yet. */
	bool (*takes_part)(mo_out_stage *s, molt_req *r, int64_t length);
	int (*bytes)(mo_out_stage *s, molt_req *r, const void *p, size_t n, enum mo_flow flow);
	void (*release)(mo_out_stage *s); /* NULL: there is nothing to free */
} mo_out_stage_ops;

/* The first member of a stage's own struct, which lives as long as the exchange (r->arena). */
struct mo_out_stage {
	const mo_out_stage_ops *ops;
	mo_out_stage *next; /* towards the transport; NULL: that is next */
};

/* s->ops is set.  -EALREADY: the answer has begun; release() is not called then. */
int mo_out_add(molt_req *r, mo_out_stage *s);

/* From a stage to the next one.  0; -EPIPE, -ETIMEDOUT, or what a later stage gave.  [parks] */
int mo_out_pass(mo_out_stage *s, molt_req *r, const void *p, size_t n, enum mo_flow flow);

/* Has the answer begun, and does a stage take part in it? */
bool mo_out_is_staged(const molt_req *r);

/* ---- the program's end ---- */

int mo_out_send_staged(molt_req *r, const void *p, size_t n, enum mo_flow flow);
int mo_out_file_staged(molt_req *r, int fd, off_t off, size_t n, enum mo_flow flow);

/* Body, as mo_exchange_ops.send().  -EMSGSIZE: more than was said; what fits was sent.  On the
 * loop.  [parks] */
static inline int mo_out_send(molt_req *r, const void *p, size_t n, enum mo_flow flow)
{
	return r->chain ? mo_out_send_staged(r, p, n, flow)
			: r->ops->send(r, p, n, flow == MO_FLOW_END);
}

/* The same with bytes of a file, which must be there. */
static inline int mo_out_file(molt_req *r, int fd, off_t off, size_t n, enum mo_flow flow)
{
	return r->chain ? mo_out_file_staged(r, fd, off, n, flow)
			: r->ops->send_file(r, fd, off, n, flow == MO_FLOW_END);
}

#endif
