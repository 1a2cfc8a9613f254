/* The opening handshake of a WebSocket, the server's part (RFC 6455 section 4.2,
 * RFC 7692 section 7).  A pure look at a request; the caller answers. */
#ifndef MO_HTTP_LIVE_WS_HANDSHAKE_H
#define MO_HTTP_LIVE_WS_HANDSHAKE_H

#include "http/conn/exchange.h"

#define MO_WS_ACCEPT 29 /* bytes of Sec-WebSocket-Accept and its NUL */

typedef struct mo_ws_hello {
	char accept[MO_WS_ACCEPT];
	bool deflate;    /* permessage-deflate, without context takeover on both sides */
	const char *why; /* of a refusal; a static sentence */
} mo_ws_hello;

/* 0, or the status to refuse with:
 *   426  no upgrade to a WebSocket, or another version (the answer then carries
 *        Upgrade: websocket and Sec-WebSocket-Version: 13)
 *   400  no GET, a body, no single version or key, a key that is not 16 bytes
 *   403  an Origin that is neither the request's host nor in origins ("*": all) */
int mo_ws_handshake(const molt_req *r, const char *origins, mo_ws_hello *out);

/* Does the client offer that subprotocol? */
bool mo_ws_offers(const molt_req *r, const char *subprotocol);

#endif
