/* What speaks on a connection: one row of functions for each protocol.
 *
 *   a transport  speaks first on a connection, chosen by ALPN or by the first bytes, and
 *                makes exchanges (h1.c, h2.c)
 *   a follower   is given the connection by an exchange, or by a former generation
 *                (ws.c, sse.c, step.c)
 *
 * To its protocol a connection is what conn_protocol.h says; to all others it is opaque. */
#ifndef MO_HTTP_CONN_PROTOCOL_H
#define MO_HTTP_CONN_PROTOCOL_H

#include <stdbool.h>

#include "base/versions.h"
#include "molt.h"

struct mo_step_state;

typedef struct mo_conn mo_conn;
typedef struct mo_conns mo_conns; /* of one loop */

/* All on the loop's thread, none in a coroutine. */
typedef struct mo_protocol {
	const char *name;
	const char *alpn;       /* of a transport (RFC 7301); NULL: a follower */
	mo_versions state_form; /* of what state() writes; none: it writes nothing */
	/* In IDLE it may end at any time, without a word to the client.  Else retire() is
	 * asked to end it. */
	bool ends_silently;
	void (*on_ready)(mo_conn *c, int events); /* the descriptor; -1: it has failed */
	void (*on_timeout)(mo_conn *c);           /* c->timer, in IDLE, HEAD, RUNNING */
	void (*on_turn)(mo_conn *c);              /* asked for by mo_conn_next_turn() */
	/* RUNNING only: every call of the handlers fails from now on; the
	 * connection closes when the last of them has returned. */
	void (*cut)(mo_conn *c);
	/* RUNNING: how many requests that cuts.  NULL: one. */
	unsigned (*requests)(const mo_conn *c);
	void (*closed)(mo_conn *c); /* frees c->data */
	/* IDLE: the last words, as far as the socket takes them, of one that is closed for a
	 * new one.  NULL: none; then ends_silently says whether it may be closed. */
	void (*goodbye)(mo_conn *c);
	/* IDLE, HEAD, RUNNING: is it nothing but a descriptor and unread bytes? */
	bool (*movable)(const mo_conn *c);
	molt_str (*unread)(const mo_conn *c); /* when movable; borrowed */
	/* The server drains, or no longer does, or the successor did not take it:
	 * look at mo_conn_leaves() and server->closing. */
	void (*retire)(mo_conn *c);

	/* Frees what it keeps in home for all its connections; none is left.  NULL: nothing. */
	void (*loop_ends)(mo_conns *home);

	/* Of transports; NULL in followers. */

	void (*open)(mo_conn *c); /* makes c->data; the state is IDLE */
	/* Of the first transport.  In HANDSHAKE: the client spoke without TLS, and the stream
	 * has become a plain one.  Answers; the connection lingers then. */
	void (*not_tls)(mo_conn *c);
	/* After open: goes on with bytes that a former generation, or another transport, has
	 * read.  The connection may be closed then, or another protocol's. */
	void (*restore)(mo_conn *c, molt_str bytes);
	/* The next three: of a transport whose exchanges can be suspended. */
	/* The connection is the transport's again, with the exchange of a request that has
	 * waited as st; unread: what was read behind it.  One of the next two follows. */
	molt_req *(*revive)(mo_conn *c, const struct mo_step_state *st, molt_str unread);
	/* Goes on with it: app->resume(r, waited), then its coroutine. */
	void (*resume)(molt_req *r, void *waited);
	/* Ends it and the connection now: with an answer of that status, or cut when it has
	 * begun; 0: its client has gone. */
	void (*drop)(molt_req *r, int status);

	/* Of followers; NULL in transports. */

	/* Works from here on with c->data, after an upgrade (RUNNING, until alone())
	 * or for a former generation (IDLE).  bytes: read by others, borrowed. */
	void (*begin)(mo_conn *c, molt_str bytes);
	/* The exchange that upgraded the connection has ended, in its coroutine. */
	void (*alone)(mo_conn *c);
	/* When movable: what the taker needs to know of it; borrowed. */
	molt_str (*state)(mo_conn *c);
} mo_protocol;

extern const mo_protocol mo_protocol_h1, mo_protocol_h2, mo_protocol_ws, mo_protocol_sse,
	mo_protocol_step;

/* All of them, NULL at the end.  The first is the transport of connections without TLS, and
 * of those whose handshake named none. */
extern const mo_protocol *const mo_protocols[];
/* NULL: this program does not know it. */
const mo_protocol *mo_protocol_named(const char *name);

/* What a server offers in a TLS handshake, the best first, NULL at the end; with HTTP/2 all
 * that there are. */
const char *const *mo_transport_names(bool http2);
/* alpn: what the handshake chose of them; "": nothing. */
const mo_protocol *mo_transport_for(molt_str alpn);

#endif
