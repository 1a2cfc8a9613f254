/* Records of TLS 1.3 (RFC 8446 section 5) and of TLS 1.2 with AEAD suites (RFC 5246
 * section 6.2.3.3, RFC 5288, RFC 7905): one is sealed, one is opened.  No I/O; the
 * streams that use it are in stream_record.c.
 *
 * Always: a sequence number is used up before the record's first byte leaves this
 * file; what was not authenticated is never returned.  The contexts of OpenSSL are
 * made when they are needed, and a thread keeps MO_TLS_CONTEXTS of those that were
 * used last: idle connections own none. */
#ifndef MO_NET_TLS_RECORD_H
#define MO_NET_TLS_RECORD_H

#include <sys/types.h>
#include <sys/uio.h>

#include "base/list.h"
#include "net/tls_keys.h"

#define MO_TLS_HEAD 5
#define MO_TLS_PLAIN 16384u    /* content of one record */
#define MO_TLS_LIMIT_LEAST 64u /* less than that no peer may ask for (RFC 8449 section 4) */
#define MO_TLS_RECORD (MO_TLS_PLAIN + 256u + MO_TLS_HEAD) /* the longest that is accepted */
#define MO_TLS_MORE                                                                                \
	(MO_TLS_HEAD + 8u + 1u + MO_TLS_TAG) /* a sealed record is so much longer at most */
#define MO_TLS_CONTEXTS 1024u

enum mo_tls_type { MO_TLS_CCS = 20, MO_TLS_ALERT = 21, MO_TLS_HANDSHAKE = 22, MO_TLS_DATA = 23 };

/* RFC 8446 section 6. */
enum mo_tls_alert {
	MO_ALERT_CLOSE_NOTIFY = 0,
	MO_ALERT_UNEXPECTED_MESSAGE = 10,
	MO_ALERT_BAD_RECORD_MAC = 20,
	MO_ALERT_RECORD_OVERFLOW = 22,
	MO_ALERT_HANDSHAKE_FAILURE = 40,
	MO_ALERT_ILLEGAL_PARAMETER = 47,
	MO_ALERT_DECODE_ERROR = 50,
	MO_ALERT_PROTOCOL_VERSION = 70,
	MO_ALERT_USER_CANCELED = 90,
	MO_ALERT_NO_RENEGOTIATION = 100
};

typedef struct mo_tls_record {
	mo_tls_keys *keys;            /* borrowed */
	EVP_CIPHER_CTX *read, *write; /* NULL: to be made */
	mo_list used;                 /* of the thread's list while there is one */
} mo_tls_record;

void mo_tls_record_init(mo_tls_record *r, mo_tls_keys *keys);
/* On the thread that used it last. */
void mo_tls_record_fini(mo_tls_record *r);

/* Where content begins in a record. */
size_t mo_tls_content_at(const mo_tls_suite *s);

/* Where the bytes to send are: at behind the beginning of v[0]. */
typedef struct mo_tls_source {
	const struct iovec *v;
	int count;
	size_t at;
} mo_tls_source;

/* Seals n bytes (at most MO_TLS_PLAIN) from the source, which moves on, as one record
 * at out, which has room for n + MO_TLS_MORE.  They may lie in out already, where
 * content begins.  Returns the record's length. */
size_t mo_tls_seal(mo_tls_record *r, uint8_t type, mo_tls_source *from, size_t n, uint8_t *out);

/* The length of the record with that head, or the alert as a negative number. */
ssize_t mo_tls_record_size(const mo_tls_keys *k, const uint8_t head[MO_TLS_HEAD]);
/* How many bytes mo_tls_open() writes for a record of that size. */
size_t mo_tls_open_room(const mo_tls_keys *k, size_t size);
/* Opens a whole record into out, which may be rec + mo_tls_content_at().  The content
 * begins at out; returns its length, or the alert as a negative number (-0 never). */
ssize_t mo_tls_open(mo_tls_record *r, const uint8_t *rec, size_t size, uint8_t *out, uint8_t *type);

/* A KeyUpdate of one direction: the next record of it has new keys. */
void mo_tls_record_step(mo_tls_record *r, bool write);

#endif
