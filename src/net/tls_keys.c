/* The keys of one TLS connection; see tls_keys.h. */
#include "net/tls_keys.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/kdf.h>
#include <pthread.h>
#include <string.h>

#include "base/check.h"
#include "net/secret.h"

_Static_assert(sizeof(mo_tls_keys) <= MO_SECRET_BLOCK, "one block for each connection");

#define GCM128 "AES-128-GCM"
#define GCM256 "AES-256-GCM"
#define CHACHA "ChaCha20-Poly1305"

static const mo_tls_suite suites[] = {
	{ 0x1301, false, false, 16, 32, GCM128, "SHA256" },
	{ 0x1302, false, false, 32, 48, GCM256, "SHA384" },
	{ 0x1303, false, false, 32, 32, CHACHA, "SHA256" },
	{ 0xc02b, true, true, 16, 32, GCM128, "SHA256" }, /* ECDHE-ECDSA */
	{ 0xc02c, true, true, 32, 48, GCM256, "SHA384" },
	{ 0xc02f, true, true, 16, 32, GCM128, "SHA256" }, /* ECDHE-RSA */
	{ 0xc030, true, true, 32, 48, GCM256, "SHA384" },
	{ 0xcca8, true, false, 32, 32, CHACHA, "SHA256" },
	{ 0xcca9, true, false, 32, 32, CHACHA, "SHA256" },
};

const mo_tls_suite *mo_tls_suite_find(uint16_t id, bool v12)
{
	for (size_t i = 0; i < MO_COUNTOF(suites); i++)
		if (suites[i].id == id && suites[i].v12 == v12)
			return &suites[i];
	return NULL;
}

/* ---- what OpenSSL gives, fetched once ---- */

static struct {
	pthread_once_t once;
	EVP_CIPHER *gcm128, *gcm256, *chacha;
	EVP_KDF *prf;
	EVP_MD *sha256, *sha384;
} fetched = { .once = PTHREAD_ONCE_INIT };

static void fetch(void)
{
	fetched.gcm128 = EVP_CIPHER_fetch(NULL, GCM128, NULL);
	fetched.gcm256 = EVP_CIPHER_fetch(NULL, GCM256, NULL);
	fetched.chacha = EVP_CIPHER_fetch(NULL, CHACHA, NULL);
	fetched.sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
	fetched.sha384 = EVP_MD_fetch(NULL, "SHA384", NULL);
	fetched.prf = EVP_KDF_fetch(NULL, "TLS1-PRF", NULL);
	MO_CHECK(fetched.gcm128 && fetched.gcm256 && fetched.sha256 && fetched.sha384 &&
		 fetched.prf);
}

const EVP_CIPHER *mo_tls_suite_cipher(const mo_tls_suite *s)
{
	const EVP_CIPHER *c;

	pthread_once(&fetched.once, fetch);
	c = s->key_len == 16                 ? fetched.gcm128
	    : strcmp(s->cipher, CHACHA) == 0 ? fetched.chacha
					     : fetched.gcm256;
	MO_CHECK(c != NULL);
	return c;
}

/* ---- TLS 1.3 ---- */

/* One of the two hashes of HMAC (RFC 2104): of the key, masked, and data. */
static void masked_hash(EVP_MD_CTX *ctx, const mo_tls_suite *s, const uint8_t *key, uint8_t mask,
			const uint8_t *data, size_t n, uint8_t *out)
{
	const EVP_MD *md = s->hash_len == 32 ? fetched.sha256 : fetched.sha384;
	size_t block = s->hash_len == 32 ? 64 : 128;
	uint8_t pad[128];

	memset(pad, mask, block);
	for (size_t i = 0; i < s->hash_len; i++)
		pad[i] ^= key[i];
	MO_CHECK(EVP_DigestInit_ex(ctx, md, NULL) == 1 && EVP_DigestUpdate(ctx, pad, block) == 1 &&
		 EVP_DigestUpdate(ctx, data, n) == 1 && EVP_DigestFinal_ex(ctx, out, NULL) == 1);
	OPENSSL_cleanse(pad, sizeof(pad));
}

/* No more than one block of HKDF-Expand is ever needed: HMAC(secret, info, 1).  EVP_KDF
 * looks for its parts by name each time, which costs half as much again. */
void mo_tls_expand(const mo_tls_suite *s, const uint8_t *secret, const char *label, uint8_t *out,
		   size_t n)
{
	uint8_t info[32] = { (uint8_t)(n >> 8), (uint8_t)n }, hash[MO_TLS_SECRET];
	size_t len = strlen(label);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();

	MO_CHECK(ctx && n <= s->hash_len && 11 + len <= sizeof(info));
	pthread_once(&fetched.once, fetch);
	info[2] = (uint8_t)(6 + len);
	memcpy(info + 3, "tls13 ", 6);
	memcpy(info + 9, label, len); /* and an empty context: one zero behind it */
	info[10 + len] = 1;
	masked_hash(ctx, s, secret, 0x36, info, 11 + len, hash);
	masked_hash(ctx, s, secret, 0x5c, hash, s->hash_len, hash);
	memcpy(out, hash, n);
	OPENSSL_cleanse(hash, sizeof(hash));
	EVP_MD_CTX_free(ctx);
}

void mo_tls_side_prepare(const mo_tls_suite *s, mo_tls_side *side)
{
	if (side->ready)
		return;
	MO_CHECK(!s->v12);
	mo_tls_expand(s, side->secret, "key", side->key, s->key_len);
	mo_tls_expand(s, side->secret, "iv", side->iv, MO_TLS_IV);
	side->ready = true;
}

void mo_tls_side_step(const mo_tls_suite *s, mo_tls_side *side)
{
	uint8_t next[MO_TLS_SECRET];

	MO_CHECK(!s->v12);
	mo_tls_expand(s, side->secret, "traffic upd", next, s->hash_len);
	memcpy(side->secret, next, s->hash_len);
	OPENSSL_cleanse(next, sizeof(next));
	side->ready = false;
	side->seq = 0;
}

/* ---- TLS 1.2 ---- */

static void key_block(const mo_tls_suite *s, const uint8_t master[48], const uint8_t cr[32],
		      const uint8_t sr[32], uint8_t *out, size_t n)
{
	static const char label[] = "key expansion";
	uint8_t seed[sizeof(label) - 1 + 64];
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, (char *)(uintptr_t)s->hash,
						 0),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SECRET, (void *)(uintptr_t)master,
						  48),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SEED, seed, sizeof(seed)),
		OSSL_PARAM_construct_end(),
	};
	EVP_KDF_CTX *ctx;

	pthread_once(&fetched.once, fetch);
	memcpy(seed, label, sizeof(label) - 1);
	memcpy(seed + sizeof(label) - 1, sr, 32);
	memcpy(seed + sizeof(label) - 1 + 32, cr, 32);
	ctx = EVP_KDF_CTX_new(fetched.prf);
	MO_CHECK(ctx && EVP_KDF_derive(ctx, out, n, params) == 1);
	EVP_KDF_CTX_free(ctx);
}

void mo_tls_keys_from_master(mo_tls_keys *k, const uint8_t master[48],
			     const uint8_t client_random[32], const uint8_t server_random[32])
{
	const mo_tls_suite *s = k->suite;
	/* The client's key and iv come first: what a server reads with. */
	mo_tls_side *side[2] = { &k->read, &k->write };
	size_t iv_len = s->explicit_nonce ? 4 : MO_TLS_IV;
	uint8_t block[2 * (MO_TLS_KEY + MO_TLS_IV)], *p = block;

	MO_CHECK(s->v12);
	key_block(s, master, client_random, server_random, block, 2 * (s->key_len + iv_len));
	for (int i = 0; i < 2; i++, p += s->key_len)
		memcpy(side[i]->key, p, s->key_len);
	for (int i = 0; i < 2; i++, p += iv_len) {
		memcpy(side[i]->iv, p, iv_len);
		side[i]->ready = true;
	}
	OPENSSL_cleanse(block, sizeof(block));
}

/* ---- memory ---- */

mo_tls_keys *mo_tls_keys_new(void)
{
	return mo_secret_new(sizeof(mo_tls_keys));
}

void mo_tls_keys_free(mo_tls_keys *k)
{
	mo_secret_free(k, sizeof(*k));
}
