/* Keys of session tickets; see ticket.h. */
#include "net/ticket.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <pthread.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "net/secret.h"

typedef struct key {
	uint8_t name[16], cipher[32], mac[32];
	int64_t birth; /* seconds since 1970 */
} key;

_Static_assert(sizeof(key) == MO_TICKET_KEY_SIZE, "a key is exported as it lies");

static struct {
	pthread_mutex_t lock;
	key *keys; /* MO_TICKET_KEYS, newest first, in memory for secrets; NULL: none yet */
	unsigned count;
} ring = { .lock = PTHREAD_MUTEX_INITIALIZER };

static int64_t now_s(void)
{
	return mo_wall() / 1000;
}

/* With the lock held. */
static void have_room(void)
{
	if (!ring.keys)
		ring.keys = mo_secret_new(MO_TICKET_EXPORT);
}

/* With the lock held. */
static void rotate(void)
{
	key *k;

	have_room();
	k = &ring.keys[0];
	memmove(ring.keys + 1, ring.keys, MO_TICKET_EXPORT - sizeof(key));
	MO_CHECK(RAND_bytes(k->name, sizeof(k->name)) == 1 &&
		 RAND_bytes(k->cipher, sizeof(k->cipher)) == 1 &&
		 RAND_bytes(k->mac, sizeof(k->mac)) == 1);
	k->birth = now_s();
	if (ring.count < MO_TICKET_KEYS)
		ring.count++;
}

void mo_tickets_rotate(void)
{
	pthread_mutex_lock(&ring.lock);
	rotate();
	pthread_mutex_unlock(&ring.lock);
}

static void sealing_key(key *k)
{
	pthread_mutex_lock(&ring.lock);
	if (ring.count == 0 || now_s() - ring.keys[0].birth > MO_TICKET_ROTATION)
		rotate();
	*k = ring.keys[0];
	pthread_mutex_unlock(&ring.lock);
}

/* Its place in the ring, or -1. */
static int opening_key(const uint8_t name[16], key *out)
{
	int at = -1;

	pthread_mutex_lock(&ring.lock);
	for (unsigned i = 0; i < ring.count && at < 0; i++)
		if (CRYPTO_memcmp(ring.keys[i].name, name, sizeof(out->name)) == 0)
			at = (int)i;
	if (at >= 0)
		*out = ring.keys[at];
	pthread_mutex_unlock(&ring.lock);
	return at;
}

static int use_mac(EVP_MAC_CTX *mac, key *k)
{
	char digest[] = "sha256";
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, k->mac, sizeof(k->mac)),
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
		OSSL_PARAM_construct_end(),
	};

	return EVP_MAC_CTX_set_params(mac, params);
}

/* Found once: by its name OpenSSL would look for it at each ticket. */
static struct {
	pthread_once_t once;
	EVP_CIPHER *cipher;
} fetched = { .once = PTHREAD_ONCE_INIT };

static void fetch(void)
{
	fetched.cipher = EVP_CIPHER_fetch(NULL, "AES-256-CBC", NULL);
	MO_CHECK(fetched.cipher);
}

/* OpenSSL's contract: 1 use it, 2 use it and give a new ticket, 0 no such key
 * (a full handshake), -1 failed. */
static int on_ticket(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
		     EVP_MAC_CTX *mac, int seal)
{
	key k = { 0 };
	int at = 0, ok;

	if (seal) {
		sealing_key(&k);
		memcpy(name, k.name, sizeof(k.name));
		ok = RAND_bytes(iv, EVP_CIPHER_get_iv_length(fetched.cipher)) == 1 &&
		     EVP_EncryptInit_ex(cipher, fetched.cipher, NULL, k.cipher, iv) == 1;
	} else {
		at = opening_key(name, &k);
		if (at < 0)
			return 0;
		ok = EVP_DecryptInit_ex(cipher, fetched.cipher, NULL, k.cipher, iv) == 1;
	}
	ok = ok && use_mac(mac, &k) == 1;
	OPENSSL_cleanse(&k, sizeof(k));
	if (!ok)
		return -1;
	/* A client uses a ticket of TLS 1.3 once (RFC 8446 section 8.1, C.4): without a
	 * new one it could resume every other connection only. */
	return at > 0 || SSL_version(ssl) == TLS1_3_VERSION ? 2 : 1;
}

void mo_tickets_install(SSL_CTX *ctx)
{
	pthread_once(&fetched.once, fetch);
	MO_CHECK(SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, on_ticket) == 1);
}

size_t mo_tickets_export(uint8_t out[MO_TICKET_EXPORT])
{
	size_t n;

	pthread_mutex_lock(&ring.lock);
	n = ring.count * sizeof(key);
	if (n)
		memcpy(out, ring.keys, n);
	pthread_mutex_unlock(&ring.lock);
	return n;
}

void mo_tickets_import(const uint8_t *in, size_t n)
{
	if (n == 0 || n % sizeof(key) || n > MO_TICKET_EXPORT)
		return;
	pthread_mutex_lock(&ring.lock);
	have_room();
	memset(ring.keys, 0, MO_TICKET_EXPORT);
	memcpy(ring.keys, in, n);
	ring.count = (unsigned)(n / sizeof(key));
	pthread_mutex_unlock(&ring.lock);
}
