/* TLS by OpenSSL 3: one context per certificate, one stream per connection.
 * TLS 1.2 and 1.3, AEAD suites, no renegotiation, no compression, tickets (no
 * session cache), no early data, ALPN http/1.1 unless mo_tls_offer() names others
 * (a client that offers none of them gets a fatal alert, RFC 7301 section 3.2). */
#ifndef MO_NET_TLS_H
#define MO_NET_TLS_H

#include "net/stream.h"

typedef struct mo_tls mo_tls;
struct ssl_ctx_st;
struct x509_st;
struct evp_pkey_st;

/* Reads a PEM chain and key.  *why gets a sentence (malloc'd) that names the
 * file and what is wrong: missing, not readable, no PEM, expired (a warning
 * through the log only), key does not fit.  -ENOENT, -EACCES, -EINVAL. */
int mo_tls_new(const char *cert, const char *key, mo_tls **out, char **why);
/* The same certificate, key and rules for another thread: the streams of one mo_tls
 * belong to one thread (see tls_secrets.h), and share nothing with those of another. */
mo_tls *mo_tls_copy(const mo_tls *t);
void mo_tls_free(mo_tls *t);                        /* NULL accepted; its streams go on */
struct ssl_ctx_st *mo_tls_context(const mo_tls *t); /* for the streams; borrowed */
/* Before the first stream: clients are asked for a certificate of the authorities in
 * the PEM file ca.  One that is not valid is refused; required: none, too.  Errors as
 * mo_tls_new(). */
int mo_tls_ask_clients(mo_tls *t, const char *ca, bool required, char **why);
/* Before the first stream: which protocols are offered by ALPN, the best first, instead of
 * http/1.1 alone.  names ends with NULL and stays for ever. */
void mo_tls_offer(mo_tls *t, const char *const *names);
/* Before the first stream: its connections can move to another process, and change
 * their keys after key_limit records (TLS 1.3; at least 1).  Those of a version that is not
 * proven (tls_proof.h, which the first call finds out) stay. */
void mo_tls_allow_handover(mo_tls *t, uint64_t key_limit);
uint64_t mo_tls_key_limit(const mo_tls *t); /* 0: they cannot move */
unsigned mo_tls_versions(const mo_tls *t);  /* that can move: enum mo_tls_versions */
/* For the proof itself: of a certificate and its key, both borrowed; any version moves. */
mo_tls *mo_tls_of(struct x509_st *cert, struct evp_pkey_st *key);
void mo_tls_try_handover(mo_tls *t, uint64_t key_limit);

/* Owns fd. NULL only when OpenSSL is out of memory; fd is closed then. */
mo_stream *mo_stream_tls(int fd, mo_tls *t);

/* true when the first byte is that of a request line: the client speaks plain
 * HTTP to an HTTPS port and deserves a 400 in plain text (set after -EPROTO).
 * The stream has then become a plain one: read, writev and finish work without
 * TLS, and not one byte of the client has been read. */
bool mo_stream_tls_got_http(const mo_stream *s);

/* After the handshake: what ALPN has chosen; borrowed; "": the client named nothing. */
molt_str mo_stream_tls_protocol(const mo_stream *s);

/* After the handshake: the same connection on our record layer, without OpenSSL's
 * state; s itself when it cannot be done (now). */
mo_stream *mo_stream_tls_shed(mo_stream *s);

#endif
