/* A TLS connection as bytes, on its way to another process: keys, sequence numbers,
 * bytes under way, and what the handshake told.  Written by the giver's stream, read
 * by mo_stream_snapshot() of the taker; see doc/tls-handover.md.
 *
 *   1   version of this format: 1        2   suite
 *   1   flags                            1   records in a row without data
 *   2   owed: content bytes behind "sent"
 *   8   number of the next record read   8   number of the next record written
 *   8   next explicit nonce              48  read secret (TLS 1.3), or key and iv
 *   48  write secret                     4x4 lengths of facts, plain, raw, sent
 *   2   with flag LIMIT only: content of a record at most
 *   ... those four
 *
 * Numbers are little-endian.  Always: nothing is accepted whose lengths do not add up
 * to the whole, and no flag that is not known: a program of before a flag refuses
 * what it would forget. */
#ifndef MO_NET_TLS_SNAPSHOT_H
#define MO_NET_TLS_SNAPSHOT_H

#include "molt.h"
#include "net/tls_keys.h"

/* The form of the bytes.  A neighbour process names the one that it takes (gen/wire/wire.h). */
#define MO_SNAPSHOT_VERSION 1
#define MO_SNAPSHOT_BYTES (20u * 1024) /* of plain, raw and sent together */
#define MO_SNAPSHOT_FACTS 2048u

enum mo_tls_snapshot_flags {
	MO_SNAPSHOT_V12 = 1,
	MO_SNAPSHOT_OWES_UPDATE = 2, /* the peer waits for a KeyUpdate */
	MO_SNAPSHOT_ENDED = 4,       /* the peer has sent close_notify */
	MO_SNAPSHOT_LIMIT = 8        /* records are smaller than MO_TLS_PLAIN */
};

/* Strings and bytes are borrowed. */
typedef struct mo_tls_snapshot {
	mo_tls_keys *keys;
	bool ended;
	uint8_t strange;
	size_t owed;
	size_t limit;   /* content of a record: MO_TLS_LIMIT_LEAST to MO_TLS_PLAIN */
	molt_str facts; /* see tls_facts.h */
	molt_str plain; /* read and opened, but not yet taken by the protocol */
	molt_str raw;   /* read: the beginning of a record */
	molt_str sent;  /* sealed, but not yet sent */
} mo_tls_snapshot;

size_t mo_tls_snapshot_size(const mo_tls_snapshot *p);
void mo_tls_snapshot_write(const mo_tls_snapshot *p, uint8_t *out);
/* Fills *p, which points into in; p->keys is new and the caller's.  false: it is no
 * snapshot, p->keys is NULL. */
bool mo_tls_snapshot_read(molt_str in, mo_tls_snapshot *p);
/* Would it be accepted? */
bool mo_tls_snapshot_ok(molt_str in);

#endif
