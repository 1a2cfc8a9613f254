/* The state needed to continue a connection's record layer without OpenSSL, captured
 * through OpenSSL's public callbacks: the two traffic secrets (keylog), the two numbers of
 * records (message callback), and for TLS 1.2 the nonce of the last record.
 *
 * The keylog callback belongs to the context, and OpenSSL makes a line of text of each
 * secret before it calls it.  So it is there only from a Finished until the one secret
 * that comes with it has been told, which is within one call of OpenSSL: a context and
 * its connections belong to one thread (mo_tls_copy()).
 *
 *   event of OpenSSL                     what it means here
 *   keylog CLIENT/SERVER_TRAFFIC_..._0   the secret of what is read / written
 *   head of a record                     one more of that direction
 *   head of a ChangeCipherSpec           TLS 1.2: the next record is number 0
 *   Finished                             TLS 1.3: the next record is number 0
 *   KeyUpdate                            the next secret; number 0
 *   ServerHello, EncryptedExtensions     with record_size_limit (RFC 8449), which no OpenSSL
 *                                        has yet: the connection stays
 *
 * OpenSSL keeps the first bytes of a message where nobody sees them: they are here when a
 * record of messages was told (TLS 1.3: its inner type) and no whole message since.  A
 * ClientHello that OpenSSL drops with no_renegotiation counts as one.
 *
 * Always: OpenSSL tells of a record's head before what is in it, so a Finished or
 * KeyUpdate resets the number that its own record has raised. */
#ifndef MO_NET_TLS_SECRETS_H
#define MO_NET_TLS_SECRETS_H

#include <openssl/ssl.h>

#include "net/tls_keys.h"

typedef struct mo_tls_secrets {
	mo_tls_keys *keys;
	bool read_secret, write_secret; /* have been told */
	bool in_message;    /* a record of a handshake message was read, and not all of it */
	bool unknown_limit; /* of records, which OpenSSL keeps and tells nobody */
	/* TLS 1.2: where in the bytes sent the next explicit nonce is. */
	uint8_t head[13];
	uint8_t have; /* of head */
	size_t left;  /* of the record, behind what is in head */
	bool sealed;  /* ChangeCipherSpec has been sent */
	bool nonce_known;
} mo_tls_secrets;

/* Before the handshake; ssl is freed before h. */
mo_tls_secrets *mo_tls_secrets_new(SSL *ssl);
void mo_tls_secrets_free(mo_tls_secrets *h); /* wipes; NULL is accepted */
/* TLS 1.2: these bytes leave for the client, all of them from the first on. */
void mo_tls_secrets_sent(mo_tls_secrets *h, const uint8_t *p, size_t n);
/* After the handshake: can the connection go on without OpenSSL? */
bool mo_tls_secrets_complete(const mo_tls_secrets *h, const SSL *ssl);
/* Does OpenSSL hold the beginning of a message? */
bool mo_tls_secrets_in_message(const mo_tls_secrets *h);
/* Completes the keys, which stay h's.  When OpenSSL holds nothing of the connection. */
mo_tls_keys *mo_tls_secrets_keys(mo_tls_secrets *h, const SSL *ssl);

#endif
