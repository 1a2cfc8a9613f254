/* Connections of one loop: accepting, watching, deadlines, closing.
 *
 * A connection belongs to its loop entirely.  An idle one is pure data: no
 * stack, no buffer, no coroutine; that is what can be moved to a successor.
 *
 *   state      event                          -> next
 *   HANDSHAKE  TLS done                       -> IDLE          (header_timeout)
 *   IDLE       first byte                     -> HEAD
 *   IDLE       idle_timeout, EOF              -> closed
 *   HEAD       complete head                  -> RUNNING
 *   HEAD       bad head                       -> 4xx, LINGER
 *   HEAD       header_timeout                 -> 408, LINGER
 *   RUNNING    answer sent, keep-alive        -> HEAD with leftover bytes, else IDLE
 *   RUNNING    answer sent, close             -> LINGER
 *   LINGER     EOF, 2 s, 64 KiB discarded     -> closed        (RFC 9112 section 9.6)
 *
 * Draining changes no state: answers say "Connection: close", idle connections
 * stay for that until mo_conns_close_idle(). */
#ifndef MO_HTTP_CONN_H
#define MO_HTTP_CONN_H

#include "http/exchange.h"
#include "net/listener.h"
#include "net/tls.h"

/* Per loop: on its own thread, before the loop starts or by mo_loop_post(). */
void mo_conns_init(mo_loop *l);
void mo_conns_fini(mo_loop *l); /* all connections must be closed */

/* One listening socket as one loop sees it. */
typedef struct mo_acceptor mo_acceptor;
/* Starts paused.  tls may be NULL (referenced). On the loop's thread. */
mo_acceptor *mo_acceptor_new(mo_loop *l, mo_listener *listener, mo_tls *tls, mo_http_server *s);
/* After pause() returns this loop accepts nothing more; the queue is left for
 * the other generation. */
void mo_acceptor_resume(mo_acceptor *a);
void mo_acceptor_pause(mo_acceptor *a);
void mo_acceptor_free(mo_acceptor *a); /* does not close the listener */

/* On the loop's thread.  All of them look at connections of server s, or of all
 * servers when s is NULL. */
typedef struct mo_conn_counts {
	unsigned handshake, idle, head, running, linger;
} mo_conn_counts;
mo_conn_counts mo_conns_count(mo_loop *l, const mo_http_server *s);
/* Closes the idle ones that have no unread bytes; those with bytes are served. */
void mo_conns_close_idle(mo_loop *l, const mo_http_server *s);
/* The drain's deadline: cancels waiting handlers (their calls fail with
 * -ECANCELED or -EPIPE) and cuts every connection.  Returns how many requests
 * were cut. */
unsigned mo_conns_cut(mo_loop *l, const mo_http_server *s);

#endif
