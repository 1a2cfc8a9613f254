/* Connections of one loop: accepting, watching, deadlines, closing.
 *
 * A connection belongs to its loop entirely.  An idle one is pure data: no
 * stack, no buffer, no coroutine; that is what can be moved to a successor.
 *
 * Its states, what leads from one to another and how long it waits in each: the table in
 * conn_state.h.
 *
 * Draining changes no state: answers say "Connection: close", idle connections
 * stay for that until mo_conns_close_idle().  A connection that can move to the
 * successor (mo_conn_leaves) reads nothing more once it has become idle: it waits
 * to be packed, so a busy client cannot keep it in an old generation. */
#ifndef MO_HTTP_CONN_CONN_H
#define MO_HTTP_CONN_CONN_H

#include "http/conn/exchange.h"
#include "net/listener.h"
#include "net/moving.h"
#include "net/tls.h"

/* Per loop: on its own thread, before the loop starts or by mo_loop_post(). */
void mo_conns_init(mo_loop *l);
void mo_conns_fini(mo_loop *l); /* all connections must be closed */

/* One listening socket as one loop sees it. */
typedef struct mo_acceptor mo_acceptor;
/* Starts paused.  tls may be NULL (copied).  On the loop's thread.  NULL,
 * and logged, when the loop cannot watch it. */
mo_acceptor *mo_acceptor_new(mo_loop *l, mo_listener *listener, mo_tls *tls, mo_http_server *s);
/* After pause() returns this loop accepts nothing more; the queue is left for
 * the other generation. */
void mo_acceptor_resume(mo_acceptor *a);
void mo_acceptor_pause(mo_acceptor *a);
void mo_acceptor_free(mo_acceptor *a); /* does not close the listener */

/* Serves a stream that nobody has accepted (owned), counted in s->connections from here on.
 * says_tls: handlers are told that it is secure.  false: it cannot be watched, and is closed.
 * On the loop's thread. */
bool mo_conn_serve(mo_loop *l, mo_http_server *s, mo_stream *stream, const mo_addr *peer,
		   bool says_tls);

/* On the loop's thread.  All of them look at connections of server s, or of all
 * servers when s is NULL. */
typedef struct mo_conn_counts {
	unsigned handshake, idle, head, running, linger;
} mo_conn_counts;
mo_conn_counts mo_conns_count(mo_loop *l, const mo_http_server *s);
/* Closes the idle ones that have no unread bytes; those with bytes are served, and those
 * that have not sent a byte since they were accepted have a second to do so. */
void mo_conns_close_idle(mo_loop *l, const mo_http_server *s);
/* The drain's deadline: cancels waiting handlers (their calls fail with
 * -ECANCELED or -EPIPE) and cuts every connection.  Returns how many requests
 * were cut, those with a begun head included. */
unsigned mo_conns_cut(mo_loop *l, const mo_http_server *s);

/* ---- moving to a successor: conn_move.c ---- */

#define MO_PACK_MAX 64
#define MO_PACK_BYTES (48u * 1024)

/* A connection as pure data.  While it is MOVING the giver watches, reads and
 * writes nothing; the memory behind bytes stays. */
typedef struct mo_packed {
	struct mo_conn *conn;
	const mo_http_server *server;
	mo_moving moving; /* the descriptor is the giver's own; the taker gets a duplicate */
	bool taken;       /* for mo_conns_gave() */
	bool again;       /* the same: not taken, and may be packed again */
} mo_packed;

typedef struct mo_pack {
	mo_loop *loop;
	size_t n;
	mo_packed items[MO_PACK_MAX];
} mo_pack;

/* Takes up to MO_PACK_MAX movable connections out of service; NULL: none. */
mo_pack *mo_conns_pack(mo_loop *l);
/* The taker has answered: frees what was taken, serves the rest on, frees p. */
void mo_conns_gave(mo_pack *p);
/* The taker's part: serves the stream (owned) from here on, as if it had been
 * accepted here, read bytes, and waited since its deadline had left ms to go.
 * proto: the follower that speaks on it, with data; NULL: the transport.  false: it cannot be watched,
 * the stream is closed, data is the caller's. */
bool mo_conn_adopt(mo_loop *l, mo_http_server *s, mo_stream *stream, const mo_addr *peer,
		   molt_time left, molt_str bytes, const struct mo_protocol *proto, void *data);

/* Tells every connection that looks for itself (WebSockets, event streams) that
 * s->closing has changed. */
void mo_conns_retire(mo_loop *l, const mo_http_server *s);

#endif
