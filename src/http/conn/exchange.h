/* One request and its response: the struct behind molt_req.
 *
 * Made by a protocol (http/h1/h1.c, http/h2/h2.c), which reads the head, runs
 * app->handle() in a coroutine of the connection's loop, sends the answer when
 * that returns, and frees it.  The upper layer (web) sees protocols only through
 * mo_exchange_ops; a protocol sees web only through mo_http_app.
 *
 * It lies in its own arena, with everything that belongs to it.  All of it is
 * touched by one thread at a time: the loop, or for .blocking routes the pool
 * thread while the coroutine waits for it. */
#ifndef MO_HTTP_CONN_EXCHANGE_H
#define MO_HTTP_CONN_EXCHANGE_H

#include <stdatomic.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/list.h"
#include "http/conn/memory.h"
#include "http/syntax/field.h"
#include "net/addr.h"
#include "rt/co.h"
#include "rt/loop.h"

#define MO_REQ_MAGIC 0x72657121u

/* Versions of HTTP: ten times the major number, and the minor one. */
#define MO_HTTP_1_0 10
#define MO_HTTP_1_1 11
#define MO_HTTP_2 20

struct mo_http_server;
struct mo_protocol;
struct mo_step;

/* A field of the answer. */
typedef struct mo_out_field {
	struct mo_out_field *next;
	molt_str name, value;
} mo_out_field;

enum mo_body_state {
	MO_BODY_NONE,    /* there is none, or it has been read to its end */
	MO_BODY_PENDING, /* there is more to read */
	MO_BODY_FAILED   /* bad framing, too long, gone: the connection closes */
};

typedef struct mo_exchange_ops {
	/* Up to n bytes of the decoded body; 0 at its end; <0.  Sends 100 Continue
	 * first when the client waits for it.  [parks] */
	long (*read)(molt_req *r, void *buf, size_t n);
	/* Sends the head if it was not yet, then data as body.  last: nothing
	 * follows.  Before the first call with !last, r->res_length decides what the
	 * head says: >= 0 the length, -1 none (HTTP/1.1 frames in chunks, 1.0 by the close).
	 * 0, -EPIPE, -ETIMEDOUT.  [parks] */
	int (*send)(molt_req *r, const void *data, size_t n, bool last);
	/* The same with bytes of a file; the range must exist: when the file turns
	 * out shorter the answer is cut, so that the client sees it.  [parks] */
	int (*send_file)(molt_req *r, int fd, off_t off, size_t n, bool last);
	/* The client will send no more: it has disconnected, or closed its sending
	 * side and waits for the answer, which only a write can tell apart. [any] */
	bool (*gone)(const molt_req *r);
	bool (*broken)(const molt_req *r); /* nothing can be sent to it any more. [any] */
	/* Sends the head and what is gathered of the body, then gives the connection
	 * to proto with data; the exchange can only end from there on.  0; -EBUSY:
	 * there is a body to read; -EPROTONOSUPPORT: its connection is not its own (HTTP/2);
	 * -EPIPE, -ETIMEDOUT: data stays the caller's.  [parks] */
	int (*upgrade)(molt_req *r, const struct mo_protocol *proto, void *data);
	/* Sends what was gathered and gives the connection to s: the exchange can only
	 * end, and app->resume() gets another one that goes on with it.  0; -EBUSY: there
	 * is a body to read; -EFBIG: too much to keep; -EPROTONOSUPPORT as above; -EPIPE,
	 * -ETIMEDOUT: s stays the caller's.  [parks] */
	int (*suspend)(molt_req *r, struct mo_step *s);
	/* Of a transport without upgrade and suspend: waits until wake(), the client's
	 * disconnect, a change of what the server drains, or ms are over, and sometimes for
	 * less.  0, -EPIPE, -ETIMEDOUT.  NULL in other transports.  [parks] */
	int (*wait)(molt_req *r, molt_time ms);
	void (*wake)(molt_req *r);
	/* enum mo_tls_fact of net/tls_facts.h.  NULL: no TLS. [any] */
	const char *(*tls_fact)(const molt_req *r, int fact);
	/* mo_peer_is_ours() of the connection. */
	int (*peer_is_ours)(const molt_req *r);
} mo_exchange_ops;

struct molt_req {
	uint32_t magic;
	const mo_exchange_ops *ops;
	mo_loop *loop;
	mo_co *co;
	struct mo_http_server *server; /* limits, app, counters */
	mo_arena arena;

	/* The request; pointers into the arena.  Every molt_str here is also
	 * NUL-terminated at ptr[len]. */
	molt_str method, target, raw_path, query, host; /* host: as received */
	mo_field *fields;
	size_t nfields;
	uint8_t version; /* of HTTP: MO_HTTP_1_0 and so on */
	bool tls;
	bool upgrade;        /* the client offers to speak another protocol from here on */
	int64_t body_length; /* as its head says; -1: its end will show; 0: there is none */
	const mo_addr *peer;
	molt_time started; /* monotonic */
	uint64_t id;

	/* The body. */
	enum mo_body_state body_state;
	uint64_t body_read; /* decoded bytes so far */
	size_t body_max;    /* set by app->route(); the protocol answers 413 */

	/* The answer.  Until head_sent, web changes these; then they are fixed. */
	int status;
	mo_out_field *out_fields, **out_tail;
	mo_buf out;         /* body bytes not yet given to send */
	size_t out_counted; /* ... and their part in the budget (memory.h) */
	int64_t res_length; /* see send; -1 */
	bool head_sent;
	bool finished;            /* the last byte was given to the protocol */
	bool close;               /* close the connection after this answer (HTTP/1) */
	bool cut;                 /* the answer broke off: close without a proper end */
	uint64_t bytes_sent;      /* of body, for the access log */
	molt_time write_deadline; /* route's timeout; INT64_MAX */

	/* The stages of the body (out_chain.h); NULL: there are none. */
	struct mo_out_chain *chain;

	/* Of the web layer. */
	size_t stack_size; /* set by app->route() */
	void *web;
};

/* After whatever has made the output grow. */
static inline void mo_out_count(molt_req *r)
{
	mo_memory_track(&r->out_counted, r->out.cap);
}

/* The upper layer's part. */
typedef struct mo_http_app {
	/* On the loop, before the coroutine exists: makes r->web, finds the route,
	 * sets r->stack_size and r->body_max. Never parks, never answers. */
	void (*route)(molt_req *r);
	/* In the coroutine: makes the answer in r->status, out_fields, out; may
	 * send by r->ops.  The protocol sends what is left when it returns. */
	void (*handle)(molt_req *r);
	/* After the answer (or its failure): access log, counters.  Not for the parts of
	 * a request before the last. */
	void (*done)(molt_req *r);
	/* A connection was refused before there was a request: bad head (status
	 * 4xx/5xx sent), for the access log.  line: what came, to be escaped. */
	void (*refused)(struct mo_http_server *s, const mo_addr *peer, int status, molt_str line);
	/* A connection of a replaced server waits to be packed for the successor; NULL:
	 * nobody wants to know. */
	void (*movable)(void);
	/* Instead of route(), for a request that has waited as bytes (step.h); waited: the
	 * mo_step's arg, which is the app's again. */
	void (*resume)(molt_req *r, void *waited);
} mo_http_app;

/* Limits of one server; every value is final (no zero means default). */
typedef struct mo_http_limits {
	size_t max_header, max_target, max_body, stack_size;
	unsigned max_fields;
	int max_connections;
	molt_time header_timeout, body_timeout, read_timeout, write_timeout, idle_timeout;
	bool keep_alive;
	bool handover;                       /* connections may move to a successor */
	bool tls_handover;                   /* those of TLS, too */
	bool tls_shed;                       /* OpenSSL's state is freed after the first answer */
	uint64_t tls_key_limit;              /* records written with one key */
	size_t ws_max_message, ws_max_queue; /* of a message; of output not yet taken */
	molt_time ws_ping;         /* silence until a ping, and until it must be answered */
	molt_time ws_close_spread; /* over which a drain closes what cannot move */
	const char *ws_origins;    /* comma list besides the same host, "*": all; or NULL */
	bool h2_cleartext;         /* HTTP/2 without TLS, by prior knowledge */
	uint32_t h2_streams, h2_stream_window, h2_connection_window, h2_frame_size;
	size_t h2_header_list;
	/* Against abuse, of a connection; see h2_limit.c. */
	uint32_t h2_resets, h2_controls, h2_continuations, h2_replies;
} mo_http_limits;

/* Which connections end with their next answer: of a server that drains, those
 * that its successor cannot take, or all. */
enum mo_closing { MO_CLOSING_NONE, MO_CLOSING_UNMOVABLE, MO_CLOSING_ALL };

/* What one loop has answered for one server.  Only that loop's thread writes, so
 * that no count costs a locked instruction or another loop's cache line. */
typedef struct mo_http_count {
	_Atomic int requests; /* in progress now */
	_Atomic uint64_t total_requests;
	_Atomic uint64_t by_class[6];                       /* answers 1xx .. 5xx at [1..5] */
	_Atomic int h2_connections;                         /* open now that speak HTTP/2 */
	_Atomic uint64_t h2_total_connections, h2_requests; /* of HTTP/2, in the totals too */
	_Atomic uint64_t h2_calmed; /* connections ended with ENHANCE_YOUR_CALM */
	char apart[64];
} mo_http_count;

#define MO_LOOPS_MAX 256

/* What a protocol needs to know of the server it works for.  Read-only after
 * start, except the counters. */
typedef struct mo_http_server {
	mo_http_limits lim;
	mo_http_app app;
	char *server_field;      /* value of Server:, or NULL */
	void *owner;             /* molt_server */
	bool (*admits)(int fd);  /* NULL: everybody; may refuse a new connection */
	_Atomic int connections; /* open now */
	_Atomic uint64_t total_connections;
	_Atomic uint64_t idle_closed; /* for new ones, at the limit */
	_Atomic molt_time full_logged;
	mo_http_count counts[MO_LOOPS_MAX]; /* by the loop's index */
	_Atomic int closing;                /* enum mo_closing */
	_Atomic bool replaced;              /* closing, because a successor serves */
} mo_http_server;

typedef struct mo_http_sum {
	int requests, h2_connections;
	uint64_t total_requests, by_class[6];
	uint64_t h2_total_connections, h2_requests, h2_calmed;
} mo_http_sum;

static inline void mo_http_count_one(_Atomic uint64_t *count)
{
	uint64_t n = atomic_load_explicit(count, memory_order_relaxed);

	atomic_store_explicit(count, n + 1, memory_order_relaxed);
}

/* n more requests are in progress, or fewer.  On the loop, as the next one. */
static inline void mo_http_count_requests(mo_http_count *c, int n)
{
	int now = atomic_load_explicit(&c->requests, memory_order_relaxed);

	atomic_store_explicit(&c->requests, now + n, memory_order_relaxed);
}

static inline void mo_http_count_answer(mo_http_count *c, int status)
{
	int class = status / 100;

	if (class >= 1 && class <= 5)
		mo_http_count_one(&c->by_class[class]);
}

/* Of all loops.  [any] */
mo_http_sum mo_http_counted(const mo_http_server *s);

/* What is the same in each new exchange; the rest of *r is zero but for its arena. */
static inline void mo_exchange_init(molt_req *r, const mo_exchange_ops *ops, mo_loop *l,
				    mo_http_server *s)
{
	r->magic = MO_REQ_MAGIC;
	r->ops = ops;
	r->loop = l;
	r->server = s;
	r->started = mo_loop_now(l);
	r->body_max = s->lim.max_body;
	r->stack_size = s->lim.stack_size;
	r->status = 200;
	r->out_tail = &r->out_fields;
	r->res_length = -1;
	r->write_deadline = INT64_MAX;
}

/* ---- the end of an answer ---- */

/* Is the route's timeout over? */
static inline bool mo_exchange_overdue(const molt_req *r)
{
	return r->write_deadline != INT64_MAX && mo_loop_now(r->loop) >= r->write_deadline;
}

/* The answer cannot become what its handler wanted.  true: nothing of it has been sent, and
 * the caller makes another one, for which no timeout counts; false: it is cut. */
bool mo_exchange_begins_again(molt_req *r);
/* Its time was over: 503 when nothing has been sent. */
void mo_exchange_times_out(molt_req *r);
/* Sends r->out through the stages, as the last of the body; out_chain.h.  [parks] */
void mo_out_end(molt_req *r);
/* The handler has returned.  true: the protocol sends r->out now, as the last of the body.
 * [parks] */
static inline bool mo_exchange_ends(molt_req *r)
{
	if (mo_exchange_overdue(r) && !r->finished)
		mo_exchange_times_out(r);
	mo_out_count(r);
	if (r->chain)
		mo_out_end(r);
	return !r->finished && !r->cut;
}
/* The whole answer of an exchange whose handler cannot run, which closes; one that has begun
 * is cut.  [does not park: it fits what a protocol gathers] */
void mo_exchange_answer_status(molt_req *r, int status);

/* The first field with that id, or NULL. */
const mo_field *mo_req_field(const molt_req *r, enum mo_field_id id);
/* Reason phrase: "Not Found"; "" for unknown codes. */
const char *mo_status_text(int status);
/* 1xx, 204, 304 have no body (RFC 9110 section 6.4.1). */
bool mo_status_has_body(int status);

#endif
