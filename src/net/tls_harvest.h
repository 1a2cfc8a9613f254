/* What goes on with a connection's records needs, taken from OpenSSL by its public
 * callbacks while it works: the two traffic secrets (keylog), the two numbers of
 * records (message callback), and for TLS 1.2 the nonce of the last record.
 *
 *   event of OpenSSL                     what it means here
 *   keylog CLIENT/SERVER_TRAFFIC_..._0   the secret of what is read / written
 *   head of a record                     one more of that direction
 *   head of a ChangeCipherSpec           TLS 1.2: the next record is number 0
 *   Finished                             TLS 1.3: the next record is number 0
 *   KeyUpdate                            the next secret; number 0
 *
 * Always: OpenSSL tells of a record's head before what is in it, so a Finished or
 * KeyUpdate resets the number that its own record has raised. */
#ifndef MO_NET_TLS_HARVEST_H
#define MO_NET_TLS_HARVEST_H

#include <openssl/ssl.h>

#include "net/tls_keys.h"

typedef struct mo_tls_harvest {
	mo_tls_keys *keys;
	bool read_secret, write_secret; /* have been told */
	/* TLS 1.2: where in the bytes sent the next explicit nonce is. */
	uint8_t head[13];
	uint8_t have; /* of head */
	size_t left;  /* of the record, behind what is in head */
	bool sealed;  /* ChangeCipherSpec has been sent */
	bool nonce_known;
} mo_tls_harvest;

/* Every connection of ctx can be harvested from then on. */
void mo_tls_harvest_context(SSL_CTX *ctx);
/* Before the handshake, when ssl has its socket; ssl is freed before h. */
mo_tls_harvest *mo_tls_harvest_new(SSL *ssl);
void mo_tls_harvest_free(mo_tls_harvest *h); /* wipes; NULL is accepted */
/* After the handshake: can the connection go on without OpenSSL? */
bool mo_tls_harvest_complete(const mo_tls_harvest *h, const SSL *ssl);
/* Completes the keys, which stay h's.  When OpenSSL holds nothing of the connection. */
mo_tls_keys *mo_tls_harvest_keys(mo_tls_harvest *h, const SSL *ssl);

#endif
