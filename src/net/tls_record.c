/* Records of TLS; see tls_record.h. */
#include "net/tls_record.h"

#include <string.h>

#include "base/check.h"

#define GATHER 2048u /* small records are gathered first: one call of the cipher */
#define V12 0x0303

/* ---- contexts of OpenSSL --------------------------------------------------- */

/* Those of this thread, the one that was used last at the end. */
static _Thread_local struct {
	mo_list all;
	unsigned n;
} contexts;

static void forget(mo_tls_record *r)
{
	if (mo_list_empty(&r->used))
		return;
	EVP_CIPHER_CTX_free(r->read);
	EVP_CIPHER_CTX_free(r->write);
	r->read = r->write = NULL;
	mo_list_remove(&r->used);
	contexts.n--;
}

static void remember(mo_tls_record *r)
{
	if (!contexts.all.next)
		mo_list_init(&contexts.all);
	if (contexts.all.prev == &r->used)
		return;
	if (mo_list_empty(&r->used))
		contexts.n++;
	mo_list_remove(&r->used);
	mo_list_append(&contexts.all, &r->used);
	if (contexts.n > MO_TLS_CONTEXTS)
		forget(MO_CONTAINER_OF(contexts.all.next, mo_tls_record, used));
}

static EVP_CIPHER_CTX *context(mo_tls_record *r, bool write)
{
	EVP_CIPHER_CTX **slot = write ? &r->write : &r->read;
	mo_tls_side *side = write ? &r->keys->write : &r->keys->read;

	remember(r);
	if (*slot)
		return *slot;
	mo_tls_side_prepare(r->keys->suite, side);
	*slot = EVP_CIPHER_CTX_new();
	MO_CHECK(*slot && EVP_CipherInit_ex(*slot, mo_tls_suite_cipher(r->keys->suite), NULL,
					    side->key, NULL, write) == 1);
	return *slot;
}

void mo_tls_record_init(mo_tls_record *r, mo_tls_keys *keys)
{
	*r = (mo_tls_record){ .keys = keys };
	mo_list_init(&r->used);
}

void mo_tls_record_fini(mo_tls_record *r)
{
	forget(r);
	r->keys = NULL;
}

void mo_tls_record_step(mo_tls_record *r, bool write)
{
	EVP_CIPHER_CTX **slot = write ? &r->write : &r->read;

	mo_tls_side_step(r->keys->suite, write ? &r->keys->write : &r->keys->read);
	EVP_CIPHER_CTX_free(*slot);
	*slot = NULL;
}

/* ---- nonce and additional data ---------------------------------------------- */

static void put64(uint8_t *p, uint64_t v)
{
	for (int i = 7; i >= 0; i--, v >>= 8)
		p[i] = (uint8_t)v;
}

/* The per-record nonce: the iv, with the sequence number in its last bytes. */
static void make_nonce(const mo_tls_side *side, uint8_t nonce[MO_TLS_IV])
{
	uint8_t seq[8];

	put64(seq, side->seq);
	memcpy(nonce, side->iv, MO_TLS_IV);
	for (int i = 0; i < 8; i++)
		nonce[4 + i] ^= seq[i];
}

/* TLS 1.3: the head of the record; TLS 1.2: what it says of the content. */
static size_t make_aad(const mo_tls_suite *s, const mo_tls_side *side, const uint8_t *rec,
		       size_t content, uint8_t aad[13])
{
	if (!s->v12) {
		memcpy(aad, rec, MO_TLS_HEAD);
		return MO_TLS_HEAD;
	}
	put64(aad, side->seq);
	memcpy(aad + 8, rec, 3);
	aad[11] = (uint8_t)(content >> 8);
	aad[12] = (uint8_t)content;
	return 13;
}

size_t mo_tls_content_at(const mo_tls_suite *s)
{
	return MO_TLS_HEAD + (s->explicit_nonce ? 8 : 0);
}

/* ---- sealing ------------------------------------------------------------------ */

/* The next n bytes of the source that lie in one piece, at most. */
static const uint8_t *next_piece(mo_tls_source *from, size_t *n)
{
	const uint8_t *p;

	while (from->at == from->v->iov_len) {
		MO_CHECK(from->count > 1);
		from->v++;
		from->count--;
		from->at = 0;
	}
	p = (const uint8_t *)from->v->iov_base + from->at;
	if (*n > from->v->iov_len - from->at)
		*n = from->v->iov_len - from->at;
	from->at += *n;
	return p;
}

static size_t encrypt(EVP_CIPHER_CTX *ctx, uint8_t *out, const uint8_t *in, size_t n)
{
	int done = 0;

	MO_CHECK(EVP_EncryptUpdate(ctx, out, &done, in, (int)n) == 1 && (size_t)done == n);
	return n;
}

/* The content, and in TLS 1.3 its type behind it, encrypted at out. */
static size_t encrypt_content(EVP_CIPHER_CTX *ctx, mo_tls_source *from, size_t n, bool v12,
			      uint8_t type, uint8_t *out)
{
	bool gather = n <= GATHER;
	size_t at = 0;

	while (at < n) {
		size_t len = n - at;
		const uint8_t *p = next_piece(from, &len);

		if (!gather)
			encrypt(ctx, out + at, p, len);
		else if (p != out + at)
			memmove(out + at, p, len);
		at += len;
	}
	if (!v12)
		out[at++] = type;
	if (gather)
		encrypt(ctx, out, out, at);
	else if (!v12)
		encrypt(ctx, out + n, out + n, 1);
	return at;
}

size_t mo_tls_seal(mo_tls_record *r, uint8_t type, mo_tls_source *from, size_t n, uint8_t *out)
{
	mo_tls_keys *k = r->keys;
	const mo_tls_suite *s = k->suite;
	EVP_CIPHER_CTX *ctx = context(r, true);
	size_t at = mo_tls_content_at(s), len = at - MO_TLS_HEAD + n + !s->v12 + MO_TLS_TAG,
	       aad_len;
	uint8_t nonce[MO_TLS_IV], aad[13];
	int done = 0;

	MO_CHECK(n <= MO_TLS_PLAIN && k->write.seq < UINT64_MAX);
	out[0] = s->v12 ? type : MO_TLS_DATA;
	out[1] = V12 >> 8;
	out[2] = V12 & 0xff;
	out[3] = (uint8_t)(len >> 8);
	out[4] = (uint8_t)len;
	if (s->explicit_nonce) {
		put64(out + MO_TLS_HEAD, k->nonce++);
		memcpy(nonce, k->write.iv, 4);
		memcpy(nonce + 4, out + MO_TLS_HEAD, 8);
	} else {
		make_nonce(&k->write, nonce);
	}
	aad_len = make_aad(s, &k->write, out, n, aad);
	k->write.seq++;
	MO_CHECK(EVP_CipherInit_ex(ctx, NULL, NULL, NULL, nonce, 1) == 1 &&
		 EVP_EncryptUpdate(ctx, NULL, &done, aad, (int)aad_len) == 1);
	at += encrypt_content(ctx, from, n, s->v12, type, out + at);
	MO_CHECK(EVP_EncryptFinal_ex(ctx, out + at, &done) == 1 && done == 0 &&
		 EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, MO_TLS_TAG, out + at) == 1);
	return at + MO_TLS_TAG;
}

/* ---- opening ------------------------------------------------------------------ */

/* What the sealed part of a record has besides the content. */
static size_t least(const mo_tls_suite *s)
{
	return mo_tls_content_at(s) - MO_TLS_HEAD + MO_TLS_TAG;
}

ssize_t mo_tls_record_size(const mo_tls_keys *k, const uint8_t head[MO_TLS_HEAD])
{
	const mo_tls_suite *s = k->suite;
	size_t len = (size_t)head[3] << 8 | head[4];

	if (head[1] != V12 >> 8 || (s->v12 && head[2] != (V12 & 0xff)))
		return -MO_ALERT_PROTOCOL_VERSION;
	/* In TLS 1.3 nothing is sent in the clear after the handshake. */
	if (head[0] > MO_TLS_DATA || head[0] < (s->v12 ? MO_TLS_CCS : MO_TLS_DATA))
		return -MO_ALERT_UNEXPECTED_MESSAGE;
	if (head[2] != (V12 & 0xff))
		return -MO_ALERT_DECODE_ERROR;
	if (len > (s->v12 ? MO_TLS_PLAIN + least(s) : MO_TLS_PLAIN + 256))
		return -MO_ALERT_RECORD_OVERFLOW;
	if (len < least(s) + !s->v12)
		return -MO_ALERT_BAD_RECORD_MAC;
	return (ssize_t)(MO_TLS_HEAD + len);
}

size_t mo_tls_open_room(const mo_tls_keys *k, size_t size)
{
	return size - MO_TLS_HEAD - least(k->suite);
}

/* Authentic? */
static bool decrypt(mo_tls_record *r, const uint8_t *rec, size_t n, uint8_t *out)
{
	mo_tls_side *side = &r->keys->read;
	const mo_tls_suite *s = r->keys->suite;
	EVP_CIPHER_CTX *ctx = context(r, false);
	const uint8_t *sealed = rec + mo_tls_content_at(s);
	uint8_t nonce[MO_TLS_IV], aad[13], tag[MO_TLS_TAG];
	size_t aad_len = make_aad(s, side, rec, n, aad);
	int done = 0;

	if (s->explicit_nonce) {
		memcpy(nonce, side->iv, 4);
		memcpy(nonce + 4, rec + MO_TLS_HEAD, 8);
	} else {
		make_nonce(side, nonce);
	}
	memcpy(tag, sealed + n, MO_TLS_TAG);
	MO_CHECK(side->seq < UINT64_MAX);
	side->seq++;
	return EVP_CipherInit_ex(ctx, NULL, NULL, NULL, nonce, 0) == 1 &&
	       EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, MO_TLS_TAG, tag) == 1 &&
	       EVP_DecryptUpdate(ctx, NULL, &done, aad, (int)aad_len) == 1 &&
	       EVP_DecryptUpdate(ctx, out, &done, sealed, (int)n) == 1 && (size_t)done == n &&
	       EVP_DecryptFinal_ex(ctx, out + n, &done) == 1;
}

ssize_t mo_tls_open(mo_tls_record *r, const uint8_t *rec, size_t size, uint8_t *out, uint8_t *type)
{
	const mo_tls_suite *s = r->keys->suite;
	size_t n = mo_tls_open_room(r->keys, size);

	if (!decrypt(r, rec, n, out))
		return -MO_ALERT_BAD_RECORD_MAC;
	if (s->v12) {
		*type = rec[0];
		return (ssize_t)n;
	}
	if (n > MO_TLS_PLAIN + 1)
		return -MO_ALERT_RECORD_OVERFLOW;
	while (n > 0 && out[n - 1] == 0)
		n--;
	if (n == 0)
		return -MO_ALERT_UNEXPECTED_MESSAGE;
	*type = out[n - 1];
	return (ssize_t)n - 1;
}
