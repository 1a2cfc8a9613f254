/* Keys and numbers of records out of OpenSSL; see tls_secrets.h. */
#include "net/tls_secrets.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"

enum { SERVER_HELLO = 2, ENCRYPTED_EXTENSIONS = 8, FINISHED = 20, KEY_UPDATE = 24, CCS = 20 };
enum { RECORD_SIZE_LIMIT = 28 }; /* an extension */

static bool is_v12(const SSL *ssl)
{
	return SSL_version(ssl) == TLS1_2_VERSION;
}

static const mo_tls_suite *suite_of(const SSL *ssl)
{
	const SSL_CIPHER *c = SSL_get_current_cipher(ssl);

	return c ? mo_tls_suite_find(SSL_CIPHER_get_protocol_id(c), is_v12(ssl)) : NULL;
}

/* ---- secrets ------------------------------------------------------------------ */

static int hex_digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Exactly n bytes in hexadecimal. */
static bool read_hex(const char *s, uint8_t *out, size_t n)
{
	if (strlen(s) != 2 * n)
		return false;
	for (size_t i = 0; i < n; i++) {
		int high = hex_digit(s[2 * i]), low = hex_digit(s[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		out[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

/* line: "LABEL CLIENT_RANDOM SECRET" */
static void on_secret(const SSL *ssl, const char *line)
{
	static const char client[] = "CLIENT_TRAFFIC_SECRET_0 ";
	static const char server[] = "SERVER_TRAFFIC_SECRET_0 ";
	mo_tls_secrets *h = SSL_get_app_data(ssl);
	const mo_tls_suite *s = suite_of(ssl);
	const char *secret = strrchr(line, ' ');

	if (!h || !s || s->v12 || !secret)
		return;
	if (strncmp(line, client, sizeof(client) - 1) == 0)
		h->read_secret = read_hex(secret + 1, h->keys->read.secret, s->hash_len);
	else if (strncmp(line, server, sizeof(server) - 1) == 0)
		h->write_secret = read_hex(secret + 1, h->keys->write.secret, s->hash_len);
	else
		return;
	SSL_CTX_set_keylog_callback(SSL_get_SSL_CTX(ssl), NULL);
}

/* ---- numbers ------------------------------------------------------------------ */

/* m: a whole ServerHello or EncryptedExtensions. */
static bool has_extension(const uint8_t *m, size_t n, unsigned wanted)
{
	size_t at = 4;

	if (m[0] == SERVER_HELLO)
		at += 2 + 32 + (n > 38 ? 1u + m[38] : 0) + 2 + 1;
	for (at += 2; at + 4 <= n; at += 4 + ((size_t)m[at + 2] << 8 | m[at + 3]))
		if (((unsigned)m[at] << 8 | m[at + 1]) == wanted)
			return true;
	return false;
}

static void follow_messages(mo_tls_secrets *h, bool write, int type, const uint8_t *p, size_t n)
{
	if (write)
		h->in_message &= n < 2 || p[1] != SSL_AD_NO_RENEGOTIATION;
	else if (type == SSL3_RT_HANDSHAKE)
		h->in_message = false;
	else if (type == SSL3_RT_HEADER || type == SSL3_RT_INNER_CONTENT_TYPE)
		h->in_message |= p[0] == SSL3_RT_HANDSHAKE;
}

static void on_message(int write, int version, int type, const void *data, size_t n, SSL *ssl,
		       void *arg)
{
	mo_tls_secrets *h = arg;
	mo_tls_side *side = write ? &h->keys->write : &h->keys->read;
	const uint8_t *p = data;

	if (n == 0)
		return;
	if (!write || type == SSL3_RT_ALERT)
		follow_messages(h, write, type, p, n);
	if (type == SSL3_RT_HEADER) {
		side->seq = p[0] == CCS ? 0 : side->seq + 1;
	} else if (type == SSL3_RT_HANDSHAKE && write &&
		   (p[0] == SERVER_HELLO || p[0] == ENCRYPTED_EXTENSIONS)) {
		h->unknown_limit |= has_extension(p, n, RECORD_SIZE_LIMIT);
	} else if (type == SSL3_RT_HANDSHAKE && !is_v12(ssl)) {
		const mo_tls_suite *s = suite_of(ssl);

		if (p[0] == FINISHED) {
			side->seq = 0;
			SSL_CTX_set_keylog_callback(SSL_get_SSL_CTX(ssl), on_secret);
		} else if (p[0] == KEY_UPDATE && s) {
			mo_tls_side_step(s, side);
		}
	}
}

/* ---- TLS 1.2: the explicit nonce of each record that is sent ------------------- */

static void record_passed(mo_tls_secrets *h)
{
	if (h->sealed && h->have == sizeof(h->head)) {
		uint64_t nonce = 0;

		for (int i = 0; i < 8; i++)
			nonce = nonce << 8 | h->head[5 + i];
		h->keys->nonce = nonce + 1; /* as OpenSSL counts on */
		h->nonce_known = true;
	}
	h->sealed |= h->head[0] == CCS;
	h->have = 0;
}

void mo_tls_secrets_sent(mo_tls_secrets *h, const uint8_t *p, size_t n)
{
	while (n > 0) {
		if (h->have < 5 || (h->have < sizeof(h->head) && h->left > 0)) {
			h->left -= h->have >= 5;
			h->head[h->have++] = *p++;
			n--;
			if (h->have == 5)
				h->left = (size_t)h->head[3] << 8 | h->head[4];
		} else {
			size_t skip = n < h->left ? n : h->left;

			p += skip;
			n -= skip;
			h->left -= skip;
		}
		if (h->have >= 5 && h->left == 0)
			record_passed(h);
	}
}

/* ---- one connection ------------------------------------------------------------- */

mo_tls_secrets *mo_tls_secrets_new(SSL *ssl)
{
	mo_tls_secrets *h = mo_calloc(1, sizeof(*h));

	h->keys = mo_tls_keys_new();
	SSL_set_app_data(ssl, h);
	SSL_set_msg_callback(ssl, on_message);
	SSL_set_msg_callback_arg(ssl, h);
	return h;
}

void mo_tls_secrets_free(mo_tls_secrets *h)
{
	if (!h)
		return;
	mo_tls_keys_free(h->keys);
	free(h);
}

bool mo_tls_secrets_complete(const mo_tls_secrets *h, const SSL *ssl)
{
	const mo_tls_suite *s = suite_of(ssl);

	if (!s || h->unknown_limit)
		return false;
	if (!s->v12)
		return h->read_secret && h->write_secret;
	return h->nonce_known || !s->explicit_nonce;
}

bool mo_tls_secrets_in_message(const mo_tls_secrets *h)
{
	return h->in_message;
}

mo_tls_keys *mo_tls_secrets_keys(mo_tls_secrets *h, const SSL *ssl)
{
	mo_tls_keys *k = h->keys;
	uint8_t master[48], client[32], server[32];

	MO_CHECK(mo_tls_secrets_complete(h, ssl));
	k->suite = suite_of(ssl);
	k->owes_update = SSL_get_key_update_type(ssl) != SSL_KEY_UPDATE_NONE;
	if (!k->suite->v12)
		return k;
	MO_CHECK(SSL_SESSION_get_master_key(SSL_get0_session(ssl), master, sizeof(master)) ==
			 sizeof(master) &&
		 SSL_get_client_random(ssl, client, sizeof(client)) == sizeof(client) &&
		 SSL_get_server_random(ssl, server, sizeof(server)) == sizeof(server));
	mo_tls_keys_from_master(k, master, client, server);
	OPENSSL_cleanse(master, sizeof(master));
	return k;
}
