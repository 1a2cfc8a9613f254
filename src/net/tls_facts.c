/* What a TLS handshake told; see tls_facts.h. */
#include "net/tls_facts.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/check.h"
#include "base/mem.h"

#define SUBJECT_MAX 1024u

/* ---- the name that was asked for ----
 *
 * On a resumed connection of TLS 1.2 SSL_get_servername() knows only a name that the server has
 * acknowledged when the session began, so the name is that of the ClientHello. */

static struct {
	pthread_once_t once;
	int index; /* of a connection's data */
} names = { .once = PTHREAD_ONCE_INIT };

static void free_name(void *ssl, void *name, CRYPTO_EX_DATA *data, int index, long n, void *arg)
{
	free(name);
}

static void make_index(void)
{
	names.index = SSL_get_ex_new_index(0, NULL, NULL, NULL, free_name);
	MO_CHECK(names.index >= 0);
}

static const char *asked_name(const SSL *ssl)
{
	pthread_once(&names.once, make_index);
	return SSL_get_ex_data(ssl, names.index);
}

/* RFC 6066 section 3: the list's length, and of its one entry type, length, name.  What is
 * wrong with it OpenSSL refuses itself. */
static int on_client_hello(SSL *ssl, int *alert, void *arg)
{
	const unsigned char *p;
	size_t n, len = 0;
	char *name = NULL;

	if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &p, &n) == 1 && n > 5 &&
	    p[2] == TLSEXT_NAMETYPE_host_name)
		len = (size_t)p[3] << 8 | p[4];
	if (len > 0 && len <= n - 5 && len <= TLSEXT_MAXLEN_host_name && !memchr(p + 5, '\0', len))
		name = mo_strndup((const char *)p + 5, len);
	free(SSL_get_ex_data(ssl, names.index)); /* a second one behind a HelloRetryRequest */
	MO_CHECK(SSL_set_ex_data(ssl, names.index, name) == 1);
	return SSL_CLIENT_HELLO_SUCCESS;
}

void mo_facts_listen(SSL_CTX *ctx)
{
	pthread_once(&names.once, make_index);
	SSL_CTX_set_client_hello_cb(ctx, on_client_hello, NULL);
}

/* ---- all of them ---- */

static void add(mo_buf *b, const char *s, size_t n)
{
	/* A NUL inside would shift what follows. */
	if (n && !memchr(s, '\0', n))
		mo_buf_add(b, s, n);
	mo_buf_putc(b, '\0');
}

static void add_text(mo_buf *b, const char *s)
{
	add(b, s ? s : "", s ? strlen(s) : 0);
}

static void add_subject(mo_buf *b, const SSL *ssl)
{
	X509 *x = SSL_get0_peer_certificate(ssl);
	BIO *mem = x ? BIO_new(BIO_s_mem()) : NULL;
	char *text = NULL;
	long n = 0;

	if (mem && X509_NAME_print_ex(mem, X509_get_subject_name(x), 0, XN_FLAG_RFC2253) >= 0)
		n = BIO_get_mem_data(mem, &text);
	add(b, text, n > 0 && (size_t)n <= SUBJECT_MAX ? (size_t)n : 0);
	add_text(b, x ? X509_verify_cert_error_string(SSL_get_verify_result(ssl)) : NULL);
	BIO_free(mem);
	ERR_clear_error();
}

static void add_session(mo_buf *b, const SSL *ssl)
{
	static const char digits[] = "0123456789abcdef";
	unsigned n = 0;
	const unsigned char *id =
		SSL_get0_session(ssl) ? SSL_SESSION_get_id(SSL_get0_session(ssl), &n) : NULL;

	for (unsigned i = 0; i < n; i++) {
		mo_buf_putc(b, digits[id[i] >> 4]);
		mo_buf_putc(b, digits[id[i] & 15]);
	}
	mo_buf_putc(b, '\0');
}

char *mo_facts_of(const SSL *ssl, size_t *len)
{
	const unsigned char *alpn;
	unsigned alpn_len;
	mo_buf b = { 0 };

	add_text(&b, SSL_get_version(ssl));
	add_text(&b, SSL_CIPHER_standard_name(SSL_get_current_cipher(ssl)));
	add_text(&b, asked_name(ssl));
	SSL_get0_alpn_selected(ssl, &alpn, &alpn_len);
	add(&b, (const char *)alpn, alpn_len);
	add_subject(&b, ssl);
	add_session(&b, ssl);
	*len = b.len;
	return b.data;
}

bool mo_facts_ok(molt_str facts)
{
	size_t n = 0;

	for (size_t i = 0; i < facts.len; i++)
		n += facts.ptr[i] == '\0';
	return n == MO_FACTS && facts.ptr[facts.len - 1] == '\0';
}

const char *mo_facts_get(const char *facts, enum mo_tls_fact fact)
{
	for (int i = 0; i < (int)fact; i++)
		facts += strlen(facts) + 1;
	return facts;
}
