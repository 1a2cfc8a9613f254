/* What a TLS handshake told about a connection: a row of strings, each ended by a
 * NUL, in the order of the enum; it moves with the connection.  Not secret. */
#ifndef MO_NET_TLS_FACTS_H
#define MO_NET_TLS_FACTS_H

#include <stdbool.h>

#include "molt.h"

/* The same as molt_tls_fact of molt.h. */
enum mo_tls_fact {
	MO_FACT_VERSION,  /* "TLSv1.3" */
	MO_FACT_SUITE,    /* "TLS_AES_128_GCM_SHA256" */
	MO_FACT_SNI,      /* the name that the client asked for; "" */
	MO_FACT_ALPN,     /* "http/1.1"; "" */
	MO_FACT_SUBJECT,  /* of the client's certificate, RFC 2253; "" */
	MO_FACT_VERIFIED, /* "ok", or why its chain is not trusted; "": there is none */
	MO_FACT_SESSION,  /* id in hexadecimal; "" */
	MO_FACTS
};

struct ssl_st;
struct ssl_ctx_st;

/* Before the first connection: its handshakes are listened to. */
void mo_facts_listen(struct ssl_ctx_st *ctx);

/* malloc'd. */
char *mo_facts_of(const struct ssl_st *ssl, size_t *len);
bool mo_facts_ok(molt_str facts);
const char *mo_facts_get(const char *facts, enum mo_tls_fact fact);

#endif
