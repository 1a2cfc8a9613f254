/* The keys that seal TLS session tickets (RFC 5077 section 4, RFC 8446 section
 * 4.6.1), one set for the process.  The newest seals, all of them open, so a
 * session resumes after a rotation and, because a successor gets the keys, after
 * a restart.  A ticket is bound to its certificate by the session id context. */
#ifndef MO_NET_TICKET_H
#define MO_NET_TICKET_H

#include <openssl/ssl.h>
#include <stddef.h>
#include <stdint.h>

#define MO_TICKET_KEYS 3
#define MO_TICKET_KEY_SIZE 88 /* name 16, cipher 32, mac 32, birth 8 */
#define MO_TICKET_EXPORT (MO_TICKET_KEYS * MO_TICKET_KEY_SIZE)
#define MO_TICKET_ROTATION (12 * 3600) /* seconds */

/* Makes ctx use the keys; they are made at the first use. */
void mo_tickets_install(SSL_CTX *ctx);

/* The keys as bytes, newest first: for the handover socket only; the caller
 * wipes them.  Returns the size: 0 when no key has been made. [any] */
size_t mo_tickets_export(uint8_t out[MO_TICKET_EXPORT]);
/* Takes keys from a predecessor, in place of those of this process.  Bytes of
 * another size are ignored: sessions then begin anew. [any] */
void mo_tickets_import(const uint8_t *in, size_t n);
void mo_tickets_rotate(void); /* a new key seals from now on. [any] */

#endif
