/* The record stream, inside: for stream_record.c and stream_record_in.c, for stream_tls.c,
 * which makes a record stream of a connection that sheds OpenSSL, and for the unit test. */
#ifndef MO_NET_STREAM_RECORD_H
#define MO_NET_STREAM_RECORD_H

#include "net/stream.h"
#include "net/tls_record.h"
#include "net/tls_snapshot.h"

enum mo_record_state { MO_RECORD_OPEN, MO_RECORD_FINISHED, MO_RECORD_BROKEN };

struct record_stream {
	mo_stream base;
	mo_tls_keys *keys;
	mo_tls_record rec;
	uint64_t key_limit; /* records written until the next KeyUpdate */
	uint8_t state;      /* enum mo_record_state */
	bool closing;       /* our close_notify is sealed */
	bool ended;         /* the peer's has come */
	bool end_told;
	bool alerted;    /* BROKEN by a fault of the peer's, which it was told */
	int fault;       /* to be told by the next read, after what came before it */
	uint8_t strange; /* records in a row without data */
	uint16_t limit;  /* content of a record, both ways (RFC 6066 section 4) */
	uint8_t message_len, message[4]; /* the head of a handshake message that came */
	uint32_t message_left;           /* when that is whole: what is still to come of it */
	uint8_t *in;
	uint32_t in_cap, plain_at, plain_end, at, end;
	uint8_t *out;
	uint32_t out_at, out_end;
	uint32_t owed; /* content of the record in out */
	uint32_t facts_len, snapshot_size;
	char *facts;
	uint8_t *snapshot; /* of pack() */
};

/* It is over: wipes the keys, drops what is buffered; returns err. */
int mo_record_broken(struct record_stream *t, int err);
/* The peer broke the rules: says which, once, and nothing after it.  -EPROTO. */
int mo_record_fail(struct record_stream *t, int alert);
/* Says something that does not end it (TLS 1.2); what the socket does not take now leaves
 * before the next record.  0, or the socket's error. */
int mo_record_warn(struct record_stream *t, int alert);
ssize_t mo_record_read(mo_stream *s, void *buf, size_t n);
bool mo_record_pending(const mo_stream *s);

/* Goes on with what is in the snapshot.  Owns fd, its keys and facts, which are those of
 * the snapshot in memory of their own. */
mo_stream *mo_stream_record(int fd, const mo_tls_snapshot *p, char *facts, uint64_t key_limit);

#endif
