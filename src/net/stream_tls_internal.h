/* The TLS stream, inside: stream_tls.c and stream_tls_move.c. */
#ifndef MO_NET_STREAM_TLS_INTERNAL_H
#define MO_NET_STREAM_TLS_INTERNAL_H

#include <openssl/ssl.h>

#include "net/stream.h"
#include "net/tls_secrets.h"
#include "net/tls_wire.h"

enum mo_tls_state { MO_TLS_NEW, MO_TLS_OPEN, MO_TLS_FINISHED, MO_TLS_BROKEN };

struct tls_stream {
	mo_stream base; /* first: a stream turned plain is freed by plain's close() */
	SSL *ssl;       /* NULL once plain */
	enum mo_tls_state state;
	bool got_http;
	bool closing;  /* our close_notify is sealed */
	bool end_told; /* the client's was */
	bool alerted;  /* BROKEN by a fault, which OpenSSL has told the client */
	int fault;     /* to be told by the next read, after what came before it */
	size_t owed;   /* content of the record that waits to leave */
	mo_tls_wire wire;
	mo_tls_secrets *secrets; /* NULL: the connection stays */
	uint8_t versions;        /* of which it can move: enum mo_tls_versions */
	uint64_t key_limit;      /* records written until a KeyUpdate */
	char *facts;             /* NULL: not asked for yet */
	size_t facts_len;
	uint8_t *carry; /* out of OpenSSL, not yet taken; NULL: none */
	size_t carry_at, carry_end;
	uint8_t *snapshot; /* of pack() */
	size_t snapshot_size;
};

extern const mo_stream_ops mo_stream_tls_ops;

/* Sends what OpenSSL has written.  0, -EAGAIN, <0. */
int mo_tls_stream_flush(struct tls_stream *t);
/* Frees all but the descriptor and t. */
void mo_tls_stream_drop(struct tls_stream *t);

/* Of mo_stream_ops. */
const char *mo_tls_stream_fact(mo_stream *s, int fact);
size_t mo_tls_stream_limit(const struct tls_stream *t); /* content of a record at most */
bool mo_tls_stream_movable(const mo_stream *s);
bool mo_tls_stream_settled(mo_stream *s);
molt_str mo_tls_stream_pack(mo_stream *s);
void mo_tls_stream_unpacked(mo_stream *s);

#endif
