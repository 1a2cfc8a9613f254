/* A TLS connection over a socket pair: the server's end is begun by the TLS stream and
 * can be moved on, the client's end is OpenSSL's. */
#ifndef RECORD_PAIR_H
#define RECORD_PAIR_H

#include "certs.h"

#include <errno.h>
#include <sys/socket.h>
#include <uv.h>

#include "net/stream_record.h"
#include "net/stream_tls_internal.h"
#include "net/tls.h"
#include "net/tls_facts.h"
#include "net/tls_snapshot.h"

#define LIMIT ((uint64_t)1 << 23)

static char dir[] = "/tmp/molt-test-stream-record-XXXXXX";
static char cert[64], key[64];
static mo_tls *tls;
static SSL_CTX *client_ctx;

/* The connection of the running test. */
static mo_stream *s;
static SSL *client;
static int peer;

static const struct {
	const char *suite; /* of TLS 1.3, or NULL */
	const char *v12;
} kinds[] = {
	{ "TLS_AES_128_GCM_SHA256", NULL },        { "TLS_AES_256_GCM_SHA384", NULL },
	{ "TLS_CHACHA20_POLY1305_SHA256", NULL },  { NULL, "ECDHE-ECDSA-AES128-GCM-SHA256" },
	{ NULL, "ECDHE-ECDSA-AES256-GCM-SHA384" }, { NULL, "ECDHE-ECDSA-CHACHA20-POLY1305" },
};

#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

static inline void begin_pair(size_t kind)
{
	int fd[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fd), 0);
	s = mo_stream_tls(fd[0], tls);
	peer = fd[1];
	client = SSL_new(client_ctx);
	SSL_set_fd(client, peer);
	SSL_set_connect_state(client);
	if (kinds[kind].v12) {
		SSL_set_max_proto_version(client, TLS1_2_VERSION);
		assert_int_equal(SSL_set_cipher_list(client, kinds[kind].v12), 1);
	} else {
		assert_int_equal(SSL_set_ciphersuites(client, kinds[kind].suite), 1);
	}
	SSL_set_tlsext_host_name(client, "localhost");
	SSL_set_alpn_protos(client, (const unsigned char *)"\x8http/1.1", 9);
	ERR_clear_error();
}

static inline void shake(void)
{
	int r = -EAGAIN;

	for (int i = 0; i < 20 && r == -EAGAIN; i++) {
		SSL_do_handshake(client);
		r = s->ops->handshake(s);
	}
	assert_int_equal(r, 0);
	SSL_do_handshake(client);
	assert_true(SSL_is_init_finished(client));
}

static inline void end_pair(void)
{
	SSL_free(client);
	s->ops->close(s);
	close(peer);
}

/* The stream as the next process would have it. */
static inline void move(void)
{
	molt_str packed;
	mo_stream *next;
	int fd = fcntl(s->fd, F_DUPFD_CLOEXEC, 3);

	assert_true(s->ops->movable(s));
	assert_true(s->ops->settled(s));
	packed = s->ops->pack(s);
	assert_true(mo_stream_can_unpack(packed));
	next = mo_stream_unpack(fd, packed, LIMIT);
	assert_non_null(next);
	s->ops->close(s);
	s = next;
	assert_string_equal(s->ops->name, "record");
}

/* Where a connection is: at OpenSSL, without it in the same process, moved once, moved twice. */
enum where { FRESH, SHED, MOVED, TWICE, WHERES };

static inline void go(enum where to)
{
	if (to == SHED) {
		s = mo_stream_tls_shed(s);
		assert_string_equal(s->ops->name, "record");
	}
	for (int i = SHED; i < (int)to; i++)
		move();
}

/* ---- records as the client would make them, or never would ---- */

/* The connection's own keys, the other way round. */
static mo_tls_keys *forged_keys;
static mo_tls_record forge;

/* From where the stream is now; OpenSSL's client may read after it, but not write. */
static inline void begin_forge(void)
{
	forged_keys = mo_tls_keys_new();
	if (strcmp(s->ops->name, "record") == 0) {
		*forged_keys = *((struct record_stream *)(void *)s)->keys;
	} else {
		struct tls_stream *t = (struct tls_stream *)(void *)s;

		*forged_keys = *mo_tls_secrets_keys(t->secrets, t->ssl);
	}
	forged_keys->write = forged_keys->read;
	mo_tls_record_init(&forge, forged_keys);
}

static inline void end_forge(void)
{
	mo_tls_record_fini(&forge);
	mo_tls_keys_free(forged_keys);
}

static inline void send_forged(uint8_t type, const void *p, size_t n)
{
	static uint8_t out[MO_TLS_PLAIN + MO_TLS_MORE];
	struct iovec v = { (void *)(uintptr_t)p, n };
	size_t size = mo_tls_seal(&forge, type, &(mo_tls_source){ &v, 1, 0 }, n, out);

	assert_int_equal(write(peer, out, size), size);
}

/* The last fatal alert that the client got; -1: none. */
static inline int alert_seen(void)
{
	char buf[1000];
	unsigned long e;
	int seen = -1;

	ERR_clear_error();
	while (SSL_read(client, buf, sizeof(buf)) > 0)
		;
	while ((e = ERR_get_error()) != 0)
		if (ERR_GET_REASON(e) >= SSL_AD_REASON_OFFSET)
			seen = ERR_GET_REASON(e) - SSL_AD_REASON_OFFSET;
	return seen;
}

/* ---- words ---- */

static inline ssize_t put(const void *p, size_t n)
{
	struct iovec v = { (void *)(uintptr_t)p, n };

	return s->ops->writev(s, &v, 1);
}

static inline void server_says(const char *text)
{
	char buf[100];

	assert_int_equal(put(text, strlen(text)), strlen(text));
	assert_int_equal(SSL_read(client, buf, sizeof(buf)), strlen(text));
	assert_memory_equal(buf, text, strlen(text));
}

static inline void client_says(const char *text)
{
	char buf[100];

	assert_int_equal(SSL_write(client, text, (int)strlen(text)), strlen(text));
	assert_int_equal(s->ops->read(s, buf, sizeof(buf)), strlen(text));
	assert_memory_equal(buf, text, strlen(text));
	assert_int_equal(s->ops->read(s, buf, sizeof(buf)), -EAGAIN);
	assert_int_equal(s->want, UV_READABLE);
}

static inline void talk(void)
{
	client_says("hello");
	server_says("world");
}

static inline int setup(void **state)
{
	char *why;

	if (!write_new_pair(dir, cert, key, sizeof(cert)))
		return -1;
	client_ctx = SSL_CTX_new(TLS_client_method());
	if (mo_tls_new(cert, key, &tls, &why) != 0)
		return -1;
	mo_tls_allow_handover(tls, LIMIT);
	return 0;
}

static inline int teardown(void **state)
{
	mo_tls_free(tls);
	SSL_CTX_free(client_ctx);
	unlink(cert);
	unlink(key);
	return rmdir(dir);
}

#endif
