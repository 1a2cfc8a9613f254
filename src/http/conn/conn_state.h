/* The states of a connection and what leads from one to another.
 *
 *   NEW        it was just made
 *   HANDSHAKE  TLS
 *   IDLE       nothing of a request is here: pure data, which can move to a successor
 *   HEAD       part of a request's head is here
 *   RUNNING    an exchange runs, or its answer is not yet sent
 *   LINGER     our end is closed; what the client still sends is discarded (RFC 9112
 *              section 9.6)
 *   MOVING     offered to a successor; in mo_conns.moving
 *   CLOSED     to be freed at the turn's end
 *
 * The table below is the whole of it: mo_conn_set_state() in conn_protocol.h is the only
 * place that changes a state, and ends the process on a change that is not in the table. */
#ifndef MO_HTTP_CONN_CONN_STATE_H
#define MO_HTTP_CONN_CONN_STATE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdnoreturn.h>

enum mo_conn_state {
	MO_CONN_NEW,
	MO_CONN_HANDSHAKE,
	MO_CONN_IDLE,
	MO_CONN_HEAD,
	MO_CONN_RUNNING,
	MO_CONN_LINGER,
	MO_CONN_MOVING,
	MO_CONN_CLOSED,
	MO_CONN_STATES
};

/* clang-format off */
#define MO_CONN_TABLE(ROW) \
	/* from       to            on */ \
	ROW(NEW,       HANDSHAKE) /* accepted, for TLS (header_timeout) */ \
	ROW(NEW,       IDLE)      /* accepted, or of a former generation (header_timeout, idle_timeout) */ \
	ROW(HANDSHAKE, IDLE)      /* done (header_timeout) */ \
	ROW(HANDSHAKE, RUNNING)   /* the client speaks without TLS: 400, then LINGER */ \
	ROW(HANDSHAKE, LINGER)    /* refused by an alert */ \
	ROW(HANDSHAKE, CLOSED)    /* header_timeout, failed */ \
	ROW(IDLE,      HEAD)      /* first byte */ \
	ROW(IDLE,      RUNNING)   /* a complete or a bad head; a waiting request came from elsewhere */ \
	ROW(IDLE,      LINGER)    /* TLS failed by an alert; the end of a WebSocket or event stream */ \
	ROW(IDLE,      MOVING)    /* mo_conns_pack */ \
	ROW(IDLE,      CLOSED)    /* idle_timeout, EOF; header_timeout without a byte since it was \
				     accepted; max_connections, and longer idle than any other */ \
	ROW(HEAD,      IDLE)      /* it was an empty line */ \
	ROW(HEAD,      RUNNING)   /* complete head; bad head: 4xx; header_timeout: 408 */ \
	ROW(HEAD,      LINGER)    /* TLS failed by an alert */ \
	ROW(HEAD,      MOVING)    /* mo_conns_pack */ \
	ROW(HEAD,      CLOSED)    /* EOF, failed */ \
	ROW(RUNNING,   RUNNING)   /* answered; the next request is here */ \
	ROW(RUNNING,   IDLE)      /* answer sent, keep-alive; upgraded, and the exchange has ended */ \
	ROW(RUNNING,   HEAD)      /* answer sent, keep-alive, with leftover bytes */ \
	ROW(RUNNING,   LINGER)    /* answer sent, close */ \
	ROW(RUNNING,   MOVING)    /* mo_conns_pack, with only unread bytes */ \
	ROW(RUNNING,   CLOSED)    /* answer sent, close that the client asked for, all was read (it \
				     sends no more); failed, cut */ \
	ROW(LINGER,    CLOSED)    /* EOF; 2 s without a byte; 30 s or 256 MiB */ \
	ROW(MOVING,    IDLE)      /* mo_conns_gave, not taken: as before; never offered again */ \
	ROW(MOVING,    HEAD) \
	ROW(MOVING,    RUNNING) \
	ROW(MOVING,    CLOSED)    /* mo_conns_gave, taken: lives on there */
/* clang-format on */

#define MO_CONN_BIT(from, to) ((uint64_t)1 << (8 * (from) + (to)))
#define MO_CONN_ROW_BIT(from, to) | MO_CONN_BIT(MO_CONN_##from, MO_CONN_##to)

/* The table as one constant, so that the check costs no load. */
static inline bool mo_conn_may_become(unsigned from, enum mo_conn_state to)
{
	const uint64_t table = 0 MO_CONN_TABLE(MO_CONN_ROW_BIT);

	return table & MO_CONN_BIT(from, to);
}

const char *mo_conn_state_name(unsigned state);
/* Ends the process with a sentence. */
noreturn void mo_conn_state_broken(unsigned from, unsigned to);

#endif
