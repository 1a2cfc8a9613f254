/* TLS contexts: one per certificate and key, read once at start and copied for
 * every loop; see tls.h.  OpenSSL's error queue is empty when a function here
 * returns.  The key's contents and pass phrases never reach a message. */
#include "net/tls.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <fcntl.h>

#include "base/check.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/secret.h"
#include "net/ticket.h"
#include "net/tls_facts.h"
#include "net/tls_proof.h"

#define TLS_MAGIC 0x746c7363u

/* TLS 1.3 has AEAD suites only; these are those of TLS 1.2. */
#define CIPHERS "ECDHE+AESGCM:ECDHE+CHACHA20"

struct mo_tls {
	uint32_t magic;
	SSL_CTX *ctx;
	uint64_t key_limit;
	unsigned versions;                    /* that can move */
	const char *const *protocols;         /* offered by ALPN */
	unsigned char bound[EVP_MAX_MD_SIZE]; /* what sessions are bound to */
	unsigned nbound;
};

/* The oldest reason in OpenSSL's queue, which is the cause of the others, as
 * text; empties the queue. */
static const char *openssl_reason(void)
{
	const char *text = ERR_reason_error_string(ERR_peek_error());

	ERR_clear_error();
	return text ? text : "unknown error of OpenSSL";
}

static const char *const http_1_1[] = { "http/1.1", NULL };

/* Where name stands in a client's list, or NULL. */
static const unsigned char *find_protocol(const char *name, const unsigned char *in, unsigned inlen)
{
	while (inlen > 0 && in[0] < inlen) {
		unsigned len = in[0];

		if (len == strlen(name) && memcmp(in + 1, name, len) == 0)
			return in;
		in += len + 1;
		inlen -= len + 1;
	}
	return NULL;
}

/* RFC 7301 section 3.2: no common protocol is a fatal alert, which also keeps
 * clients of other protocols from being talked into speaking to us. */
static int choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *outlen,
			   const unsigned char *in, unsigned inlen, void *arg)
{
	for (const char *const *name = arg; *name; name++) {
		const unsigned char *at = find_protocol(*name, in, inlen);

		if (at) {
			*out = at + 1;
			*outlen = at[0];
			return SSL_TLSEXT_ERR_OK;
		}
	}
	return SSL_TLSEXT_ERR_ALERT_FATAL;
}

/* OpenSSL would ask on the terminal; a server never does.  arg: bool, set when a
 * pass phrase was asked for. */
static int no_pass_phrase(char *buf, int size, int writing, void *arg)
{
	*(bool *)arg = true;
	return 0;
}

static int check_file(const char *path, const char *what, struct stat *st, char **why)
{
	int err = 0;

	if (!path || !path[0]) {
		*why = mo_fmt("no file is given for the %s", what);
		return -EINVAL;
	}
	if (stat(path, st) < 0 || faccessat(AT_FDCWD, path, R_OK, AT_EACCESS) < 0)
		err = -errno;
	else if (S_ISDIR(st->st_mode))
		err = -EISDIR;
	if (!err)
		return 0;
	*why = mo_fmt("cannot read the %s %s: %s", what, path, strerror(-err));
	return err == -ENOENT || err == -EACCES ? err : -EINVAL;
}

static void warn_about_dates(const X509 *x, const char *path)
{
	if (X509_cmp_current_time(X509_get0_notAfter(x)) < 0)
		mo_warn("the certificate %s has expired; clients will refuse it", path);
	else if (X509_cmp_current_time(X509_get0_notBefore(x)) > 0)
		mo_warn("the certificate %s is not valid yet; clients will refuse it", path);
}

static int load_cert(SSL_CTX *ctx, const char *path, char **why)
{
	struct stat st;
	bool asked = false;
	int err = check_file(path, "certificate", &st, why);

	if (err)
		return err;
	SSL_CTX_set_default_passwd_cb(ctx, no_pass_phrase);
	SSL_CTX_set_default_passwd_cb_userdata(ctx, &asked);
	err = SSL_CTX_use_certificate_chain_file(ctx, path) == 1 ? 0 : -EINVAL;
	SSL_CTX_set_default_passwd_cb_userdata(ctx, NULL);
	SSL_CTX_set_default_passwd_cb(ctx, NULL);
	if (err) {
		unsigned long code = ERR_peek_error();

		if (ERR_GET_LIB(code) == ERR_LIB_PEM && ERR_GET_REASON(code) == PEM_R_NO_START_LINE)
			*why = mo_fmt("the certificate %s holds no certificate in PEM form", path);
		else
			*why = mo_fmt("the certificate %s cannot be used: %s", path,
				      openssl_reason());
		ERR_clear_error();
		return err;
	}
	warn_about_dates(SSL_CTX_get0_certificate(ctx), path);
	return 0;
}

static EVP_PKEY *read_key(const char *path, bool *encrypted)
{
	BIO *file = BIO_new_file(path, "r");
	EVP_PKEY *key = NULL;

	if (file)
		key = PEM_read_bio_PrivateKey(file, NULL, no_pass_phrase, encrypted);
	BIO_free(file);
	return key;
}

static int use_key(SSL_CTX *ctx, EVP_PKEY *key, const char *cert, const char *path, char **why)
{
	if (X509_check_private_key(SSL_CTX_get0_certificate(ctx), key) != 1) {
		*why = mo_fmt("the key %s does not belong to the certificate %s", path, cert);
		return -EINVAL;
	}
	if (SSL_CTX_use_PrivateKey(ctx, key) != 1) {
		*why = mo_fmt("the key %s cannot be used: %s", path, openssl_reason());
		return -EINVAL;
	}
	return 0;
}

static int load_key(SSL_CTX *ctx, const char *cert, const char *path, char **why)
{
	struct stat st;
	bool encrypted = false;
	EVP_PKEY *key;
	int err = check_file(path, "key", &st, why);

	if (err)
		return err;
	if (st.st_mode & S_IROTH)
		mo_warn("the key %s can be read by every user of this machine; chmod 600 it", path);
	key = read_key(path, &encrypted);
	if (!key) {
		*why = encrypted ? mo_fmt("the key %s is encrypted with a pass phrase; write it "
					  "without one: openssl pkey -in FILE -out NEW",
					  path)
				 : mo_fmt("the key %s holds no private key in PEM form", path);
		return -EINVAL;
	}
	err = use_key(ctx, key, cert, path, why);
	EVP_PKEY_free(key);
	return err;
}

static SSL_CTX *new_context(void)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

	if (!ctx)
		MO_DIE("OpenSSL gives no context: %s", openssl_reason());
	SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
	MO_CHECK(SSL_CTX_set_cipher_list(ctx, CIPHERS) == 1);
	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
	SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
				      SSL_MODE_RELEASE_BUFFERS | SSL_MODE_NO_AUTO_CHAIN);
	/* Sessions live in tickets, whose keys are the process's. */
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	mo_tickets_install(ctx);
	SSL_CTX_set_num_tickets(ctx, 2);
	SSL_CTX_set_max_early_data(ctx, 0);
	mo_facts_listen(ctx);
	return ctx;
}

/* A ticket is refused where sessions are bound to something else. */
static void bind_sessions(mo_tls *t)
{
	MO_CHECK(SSL_CTX_set_session_id_context(t->ctx, t->bound, t->nbound) == 1);
}

static void bind_sessions_to_cert(mo_tls *t)
{
	MO_CHECK(X509_digest(SSL_CTX_get0_certificate(t->ctx), EVP_sha256(), t->bound,
			     &t->nbound) == 1);
	bind_sessions(t);
}

/* The context outlives t, as streams hold it, and the names outlive both. */
void mo_tls_offer(mo_tls *t, const char *const *names)
{
	t->protocols = names;
	SSL_CTX_set_alpn_select_cb(t->ctx, choose_protocol, (void *)(uintptr_t)names);
}

static mo_tls *wrap(SSL_CTX *ctx)
{
	mo_tls *t = mo_calloc(1, sizeof(*t));

	t->magic = TLS_MAGIC;
	t->ctx = ctx;
	mo_tls_offer(t, http_1_1);
	return t;
}

int mo_tls_new(const char *cert, const char *key, mo_tls **out, char **why)
{
	SSL_CTX *ctx = new_context();
	int err;

	*out = NULL;
	*why = NULL;
	if (!mo_secret_openssl_wipes())
		mo_warn("OpenSSL was in use before Molt was loaded: what it frees is not wiped, "
			"so keys of closed HTTPS connections can be in a core dump");
	ERR_clear_error();
	err = load_cert(ctx, cert, why);
	if (!err)
		err = load_key(ctx, cert, key, why);
	ERR_clear_error();
	if (err) {
		SSL_CTX_free(ctx);
		return err;
	}
	*out = wrap(ctx);
	bind_sessions_to_cert(*out);
	return 0;
}

mo_tls *mo_tls_of(X509 *cert, EVP_PKEY *key)
{
	mo_tls *t = wrap(new_context());

	MO_CHECK(SSL_CTX_use_cert_and_key(t->ctx, cert, key, NULL, 1) == 1);
	bind_sessions_to_cert(t);
	return t;
}

/* Sessions are bound to what was asked of the client, too: a ticket does not outlive
 * the authorities that let its client in. */
static void bind_sessions_to(mo_tls *t, const char *ca)
{
	unsigned char piece[4096];
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	BIO *file = BIO_new_file(ca, "r");
	int got;

	MO_CHECK(md && EVP_DigestInit_ex(md, EVP_sha256(), NULL) == 1);
	EVP_DigestUpdate(md, t->bound, t->nbound);
	while (file && (got = BIO_read(file, piece, sizeof(piece))) > 0)
		EVP_DigestUpdate(md, piece, (size_t)got);
	BIO_free(file);
	MO_CHECK(EVP_DigestFinal_ex(md, t->bound, &t->nbound) == 1);
	EVP_MD_CTX_free(md);
	bind_sessions(t);
}

int mo_tls_ask_clients(mo_tls *t, const char *ca, bool required, char **why)
{
	STACK_OF(X509_NAME) * names;
	struct stat st;
	int err = check_file(ca, "certificates of the clients' authorities", &st, why);

	MO_MAGIC_OK(t, TLS_MAGIC);
	if (err)
		return err;
	ERR_clear_error();
	names = SSL_load_client_CA_file(ca);
	if (!names || SSL_CTX_load_verify_file(t->ctx, ca) != 1) {
		*why = mo_fmt(
			"the certificates of the clients' authorities in %s cannot be used: %s", ca,
			openssl_reason());
		sk_X509_NAME_pop_free(names, X509_NAME_free);
		return -EINVAL;
	}
	bind_sessions_to(t, ca);
	SSL_CTX_clear_mode(t->ctx, SSL_MODE_NO_AUTO_CHAIN);
	SSL_CTX_set_client_CA_list(t->ctx, names);
	SSL_CTX_set_verify(
		t->ctx, SSL_VERIFY_PEER | (required ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0), NULL);
	return 0;
}

/* What mo_tls_ask_clients() has told of clients. */
static void copy_clients(SSL_CTX *to, const SSL_CTX *from)
{
	STACK_OF(X509_NAME) *names = SSL_CTX_get_client_CA_list(from);

	if (SSL_CTX_get_verify_mode(from) == SSL_VERIFY_NONE)
		return;
	SSL_CTX_clear_mode(to, SSL_MODE_NO_AUTO_CHAIN);
	SSL_CTX_set1_cert_store(to, SSL_CTX_get_cert_store(from));
	SSL_CTX_set_client_CA_list(to, SSL_dup_CA_list(names));
	SSL_CTX_set_verify(to, SSL_CTX_get_verify_mode(from), NULL);
}

mo_tls *mo_tls_copy(const mo_tls *t)
{
	SSL_CTX *ctx = new_context();
	STACK_OF(X509) *chain = NULL;
	mo_tls *copy;

	MO_MAGIC_OK(t, TLS_MAGIC);
	SSL_CTX_get0_chain_certs(t->ctx, &chain);
	MO_CHECK(SSL_CTX_use_cert_and_key(ctx, SSL_CTX_get0_certificate(t->ctx),
					  SSL_CTX_get0_privatekey(t->ctx), chain, 1) == 1);
	copy_clients(ctx, t->ctx);
	copy = wrap(ctx);
	mo_tls_offer(copy, t->protocols);
	copy->key_limit = t->key_limit;
	copy->versions = t->versions;
	copy->nbound = t->nbound;
	memcpy(copy->bound, t->bound, t->nbound);
	bind_sessions(copy);
	return copy;
}

void mo_tls_free(mo_tls *t)
{
	if (!t)
		return;
	MO_MAGIC_OK(t, TLS_MAGIC);
	SSL_CTX_free(t->ctx); /* its streams hold it, too */
	t->magic = 0;
	free(t);
}

SSL_CTX *mo_tls_context(const mo_tls *t)
{
	MO_MAGIC_OK(t, TLS_MAGIC);
	return t->ctx;
}

void mo_tls_allow_handover(mo_tls *t, uint64_t key_limit)
{
	MO_MAGIC_OK(t, TLS_MAGIC);
	MO_CHECK(key_limit > 0);
	t->key_limit = key_limit;
	t->versions = mo_tls_proven();
}

void mo_tls_try_handover(mo_tls *t, uint64_t key_limit)
{
	MO_MAGIC_OK(t, TLS_MAGIC);
	t->key_limit = key_limit;
	t->versions = MO_TLS_VERSIONS;
}

unsigned mo_tls_versions(const mo_tls *t)
{
	MO_MAGIC_OK(t, TLS_MAGIC);
	return t->versions;
}

uint64_t mo_tls_key_limit(const mo_tls *t)
{
	MO_MAGIC_OK(t, TLS_MAGIC);
	return t->key_limit;
}
