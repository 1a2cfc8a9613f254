/* What lies between OpenSSL's connection and its socket: a BIO of our own, whose
 * buffers are ours, so that they go along when the connection goes on without OpenSSL.
 *
 * Input: one recv() takes what is there, and OpenSSL gets a record only when the whole
 * record has come; so OpenSSL never holds the beginning of a record.  Bytes that are no
 * record are passed on as they come, for OpenSSL to refuse.
 * Output: the BIO keeps what the socket does not take, so OpenSSL never holds a record that
 * could not be sent; with gather, all output is kept until mo_tls_wire_flush().
 *
 * Always: bytes leave in the order in which OpenSSL wrote them, each once; a buffer is
 * there only while it holds something. */
#ifndef MO_NET_TLS_WIRE_H
#define MO_NET_TLS_WIRE_H

#include <openssl/bio.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct mo_tls_wire {
	int fd;
	int error;    /* errno of the socket: it is over */
	bool ended;   /* no more comes */
	bool drained; /* the socket had no more; cleared by who was told of an event */
	bool gather;
	bool more;   /* the socket's end follows at once, in the same segment */
	bool large;  /* much comes: reads are of more than one record */
	bool passes; /* what came is no TLS: all is passed on */
	uint32_t in_cap, at, end;
	uint32_t open; /* bytes from at on that OpenSSL may have */
	uint8_t *in, *out;
	uint32_t out_cap, out_at, out_end;
	/* Sees what OpenSSL writes; NULL: nobody. */
	void (*watch)(void *arg, const uint8_t *p, size_t n);
	void *arg;
} mo_tls_wire;

/* The BIO over w, which outlives it.  NULL: out of memory. */
BIO *mo_tls_wire_bio(mo_tls_wire *w);
/* Sends what is kept.  0; -EAGAIN; the socket's error. */
int mo_tls_wire_flush(mo_tls_wire *w);
/* Could OpenSSL go on reading without the socket? */
bool mo_tls_wire_ready(const mo_tls_wire *w);
/* After a read: gives back room that is not needed. */
void mo_tls_wire_tidy(mo_tls_wire *w);
void mo_tls_wire_free(mo_tls_wire *w); /* its buffers */

static inline size_t mo_tls_wire_unread(const mo_tls_wire *w)
{
	return w->end - w->at;
}

static inline size_t mo_tls_wire_unsent(const mo_tls_wire *w)
{
	return w->out_end - w->out_at;
}

#endif
