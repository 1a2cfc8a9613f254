/* A proof of what OpenSSL tells; see tls_proof.h. */
#include "net/tls_proof.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/str.h"
#include "net/stream_tls_internal.h"
#include "net/tls.h"

#define KEY_LIMIT UINT64_MAX
#define ROUNDS 10 /* no handshake takes more flights */

typedef struct trial {
	mo_tls *server;
	SSL_CTX *client_ctx;
	mo_stream *s;
	SSL *client;
	int peer;
} trial;

/* A key and a certificate for one handshake. */
static mo_tls *make_server(void)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *x = X509_new();
	mo_tls *t = NULL;

	if (key && x && X509_gmtime_adj(X509_getm_notBefore(x), -3600) &&
	    X509_gmtime_adj(X509_getm_notAfter(x), 3600) && X509_set_pubkey(x, key) == 1 &&
	    X509_sign(x, key, EVP_sha256()) > 0)
		t = mo_tls_of(x, key);
	X509_free(x);
	EVP_PKEY_free(key);
	return t;
}

static bool begin(trial *t, int version)
{
	int fd[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fd) < 0)
		return false;
	t->peer = fd[1];
	t->s = mo_stream_tls(fd[0], t->server);
	t->client = SSL_new(t->client_ctx);
	if (!t->s || !t->client || SSL_set_fd(t->client, t->peer) != 1)
		return false;
	SSL_set_connect_state(t->client);
	return SSL_set_min_proto_version(t->client, version) == 1 &&
	       SSL_set_max_proto_version(t->client, version) == 1;
}

static void end(trial *t)
{
	SSL_free(t->client);
	if (t->s)
		t->s->ops->close(t->s);
	if (t->peer >= 0)
		close(t->peer);
	t->client = NULL;
	t->s = NULL;
	t->peer = -1;
}

static bool shake(trial *t)
{
	for (int i = 0; i < ROUNDS; i++) {
		int done = SSL_do_handshake(t->client), r = t->s->ops->handshake(t->s);

		if (r != 0 && r != -EAGAIN)
			return false;
		if (done == 1 && r == 0)
			return true;
	}
	return false;
}

/* A record each way. */
static bool talk(trial *t)
{
	struct iovec v = { (void *)(uintptr_t) "s", 1 };
	char c[2];

	return SSL_write(t->client, "c", 1) == 1 && t->s->ops->read(t->s, c, 2) == 1 &&
	       c[0] == 'c' && t->s->ops->writev(t->s, &v, 1) == 1 &&
	       SSL_read(t->client, c, 2) == 1 && c[0] == 's';
}

/* The answer leaves before the server's next record. */
static bool change_keys(trial *t)
{
	return SSL_version(t->client) == TLS1_2_VERSION ||
	       (SSL_key_update(t->client, SSL_KEY_UPDATE_REQUESTED) == 1 &&
		SSL_do_handshake(t->client) == 1);
}

/* The next numbers, as they were told. */
static bool numbers_are(const trial *t, uint64_t read, uint64_t written)
{
	const mo_tls_keys *k = ((const struct tls_stream *)(const void *)t->s)->secrets->keys;

	return k->read.seq == read && k->write.seq == written;
}

/* New keys set numbers anew, so they are looked at before that.  Of TLS 1.3 two tickets are
 * records behind Finished, of TLS 1.2 that is one itself. */
static bool goes_on(trial *t)
{
	bool v12 = SSL_get_min_proto_version(t->client) == TLS1_2_VERSION;

	if (!shake(t) || !talk(t) || !numbers_are(t, v12 ? 2 : 1, v12 ? 2 : 3))
		return false;
	if (!change_keys(t) || !talk(t) || !talk(t) || !numbers_are(t, v12 ? 4 : 2, v12 ? 4 : 2))
		return false;
	t->s = mo_stream_tls_shed(t->s);
	return strcmp(t->s->ops->name, "record") == 0 && talk(t) && change_keys(t) && talk(t);
}

static unsigned prove(trial *t, int version, unsigned bit, const char *name)
{
	bool ok = begin(t, version) && goes_on(t);

	end(t);
	ERR_clear_error();
	if (!ok)
		mo_warn("%s does not tell of %s as this program expects: such HTTPS connections "
			"stay "
			"with it and do not move (tlsHandover and tlsShed are off for them)",
			OpenSSL_version(OPENSSL_VERSION), name);
	return ok ? bit : 0;
}

static struct {
	pthread_once_t once;
	unsigned versions;
} proven = { .once = PTHREAD_ONCE_INIT };

static void prove_all(void)
{
	trial t = { .server = make_server(),
		    .client_ctx = SSL_CTX_new(TLS_client_method()),
		    .peer = -1 };

	if (t.server && t.client_ctx) {
		mo_tls_try_handover(t.server, KEY_LIMIT);
		proven.versions = prove(&t, TLS1_3_VERSION, MO_TLS_V13, "TLS 1.3") |
				  prove(&t, TLS1_2_VERSION, MO_TLS_V12, "TLS 1.2");
	} else {
		mo_warn("OpenSSL cannot be tried: HTTPS connections do not move");
	}
	mo_tls_free(t.server);
	SSL_CTX_free(t.client_ctx);
	ERR_clear_error();
}

unsigned mo_tls_proven(void)
{
	pthread_once(&proven.once, prove_all);
	return proven.versions;
}
