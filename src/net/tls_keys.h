/* The keys of one TLS connection after its handshake: what OpenSSL or we need to
 * go on with its records, and nothing else.  TLS 1.3: the two application traffic
 * secrets (RFC 8446 section 7); TLS 1.2: the keys of its key block (RFC 5246
 * section 6.3).  One side is what we write with, the other what we read with.
 *
 * Always: lies in memory of secret.h.  A side's seq is the number of the next
 * record; it only grows, and it starts at 0 only together with new keys. */
#ifndef MO_NET_TLS_KEYS_H
#define MO_NET_TLS_KEYS_H

#include <openssl/evp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MO_TLS_SECRET 48 /* the longest: SHA-384 */
#define MO_TLS_KEY 32
#define MO_TLS_IV 12
#define MO_TLS_TAG 16

typedef struct mo_tls_suite {
	uint16_t id; /* IANA */
	bool v12;
	bool explicit_nonce; /* 8 bytes of nonce in each record: GCM of TLS 1.2 */
	uint8_t key_len, hash_len;
	const char *cipher, *hash; /* as OpenSSL fetches them */
} mo_tls_suite;

typedef struct mo_tls_side {
	uint8_t secret[MO_TLS_SECRET]; /* TLS 1.3 */
	uint8_t key[MO_TLS_KEY], iv[MO_TLS_IV];
	bool ready; /* key and iv are there */
	uint64_t seq;
} mo_tls_side;

typedef struct mo_tls_keys {
	const mo_tls_suite *suite; /* NULL: not known yet */
	mo_tls_side read, write;
	uint64_t nonce;   /* of the next record written, where it is explicit */
	bool owes_update; /* the peer asked for a KeyUpdate that has not been sent */
} mo_tls_keys;

/* The suite of that number, if its connections can go on here; else NULL. */
const mo_tls_suite *mo_tls_suite_find(uint16_t id, bool v12);
/* Fetched once for the process; borrowed. */
const EVP_CIPHER *mo_tls_suite_cipher(const mo_tls_suite *s);

/* HKDF-Expand-Label with an empty context (RFC 8446 section 7.1). */
void mo_tls_expand(const mo_tls_suite *s, const uint8_t *secret, const char *label, uint8_t *out,
		   size_t n);
/* Makes key and iv from the secret, unless they are there. */
void mo_tls_side_prepare(const mo_tls_suite *s, mo_tls_side *side);
/* A KeyUpdate: the next secret, and its first record. */
void mo_tls_side_step(const mo_tls_suite *s, mo_tls_side *side);
/* TLS 1.2: both sides from the master secret, as the server has them. */
void mo_tls_keys_from_master(mo_tls_keys *k, const uint8_t master[48],
			     const uint8_t client_random[32], const uint8_t server_random[32]);

mo_tls_keys *mo_tls_keys_new(void);
void mo_tls_keys_free(mo_tls_keys *k); /* wipes; NULL is accepted */

#endif
