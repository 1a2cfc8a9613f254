/* Connections of the load; see prove_conn.h. */
#include "prove/prove_conn.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/check.h"
#include "base/mem.h"

/* On an error the loop stops watching; reading then tells what it was. */
static void on_poll(uv_poll_t *poll, int status, int events)
{
	mo_pconn *c = poll->data;

	if (status < 0)
		c->watching = 0;
	c->on_ready(c->arg);
}

static int connect_socket(const mo_addr *addr)
{
	int on = 1,
	    fd = socket(addr->u.sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (connect(fd, &addr->u.sa, addr->len) < 0 && errno != EINPROGRESS) {
		int err = errno;

		close(fd);
		return -err;
	}
	return fd;
}

static void add_tls(mo_pconn *c, SSL_CTX *tls, const char *host, bool verify)
{
	struct in6_addr ip;

	c->ssl = SSL_new(tls);
	MO_CHECK(c->ssl && SSL_set_fd(c->ssl, c->fd) == 1);
	if (uv_inet_pton(AF_INET, host, &ip) != 0 && uv_inet_pton(AF_INET6, host, &ip) != 0)
		SSL_set_tlsext_host_name(c->ssl, host);
	if (verify) {
		X509_VERIFY_PARAM *param = SSL_get0_param(c->ssl);

		if (X509_VERIFY_PARAM_set1_ip_asc(param, host) != 1)
			SSL_set1_host(c->ssl, host);
	}
	SSL_set_connect_state(c->ssl);
}

mo_pconn *mo_pconn_open(uv_loop_t *loop, const mo_addr *addr, SSL_CTX *tls, const char *host,
			bool verify, void (*on_ready)(void *), void *arg)
{
	int64_t now = (int64_t)(uv_hrtime() / 1000); /* before: the kernel may accept at once */
	int fd = connect_socket(addr);
	mo_pconn *c;

	if (fd < 0) {
		errno = -fd;
		return NULL;
	}
	c = mo_calloc(1, sizeof(*c));
	c->fd = fd;
	c->on_ready = on_ready;
	c->arg = arg;
	c->opened = now;
	MO_CHECK(uv_poll_init(loop, &c->poll, fd) == 0);
	c->poll.data = c;
	if (tls)
		add_tls(c, tls, host, verify);
	c->watching = UV_WRITABLE;
	uv_poll_start(&c->poll, UV_WRITABLE, on_poll);
	return c;
}

static void watch(mo_pconn *c, int events)
{
	if (events != c->watching)
		uv_poll_start(&c->poll, events, on_poll);
	c->watching = events;
}

void mo_pconn_watch(mo_pconn *c, bool write_too)
{
	watch(c, write_too ? UV_READABLE | UV_WRITABLE : UV_READABLE);
}

int mo_pconn_advance(mo_pconn *c)
{
	int err = 0, rc;
	socklen_t len = sizeof(err);

	if (!c->connected) {
		getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &err, &len);
		if (err)
			return -err;
		c->connected = true;
	}
	if (!c->ssl) {
		c->ready = true;
		return 1;
	}
	ERR_clear_error();
	rc = SSL_do_handshake(c->ssl);
	if (rc == 1) {
		c->ready = true;
		return 1;
	}
	rc = SSL_get_error(c->ssl, rc);
	if (rc != SSL_ERROR_WANT_READ && rc != SSL_ERROR_WANT_WRITE)
		return -EPROTO;
	watch(c, rc == SSL_ERROR_WANT_READ ? UV_READABLE : UV_WRITABLE);
	return 0;
}

/* What an unsuccessful call of OpenSSL means.  An end without close_notify is an end. */
static ssize_t tls_result(mo_pconn *c, int rc, int err)
{
	switch (SSL_get_error(c->ssl, rc)) {
	case SSL_ERROR_WANT_READ:
	case SSL_ERROR_WANT_WRITE:
		return -EAGAIN;
	case SSL_ERROR_ZERO_RETURN:
		return 0;
	case SSL_ERROR_SYSCALL:
		return err ? -err : 0;
	default:
		return ERR_GET_REASON(ERR_peek_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING
			       ? 0
			       : -EPROTO;
	}
}

ssize_t mo_pconn_read(mo_pconn *c, void *buf, size_t n)
{
	ssize_t got;
	int rc;

	if (!c->ssl) {
		do
			got = recv(c->fd, buf, n, 0);
		while (got < 0 && errno == EINTR);
		return got < 0 ? -errno : got;
	}
	ERR_clear_error();
	errno = 0;
	rc = SSL_read(c->ssl, buf, (int)n);
	return rc > 0 ? rc : tls_result(c, rc, errno);
}

ssize_t mo_pconn_write(mo_pconn *c, const void *buf, size_t n)
{
	ssize_t put;
	int rc;

	if (!c->ssl) {
		do
			put = send(c->fd, buf, n, MSG_NOSIGNAL);
		while (put < 0 && errno == EINTR);
		return put < 0 ? -errno : put;
	}
	ERR_clear_error();
	errno = 0;
	rc = SSL_write(c->ssl, buf, (int)n);
	if (rc > 0)
		return rc;
	put = tls_result(c, rc, errno);
	return put ? put : -EPIPE;
}

static void on_closed(uv_handle_t *h)
{
	free(h->data);
}

void mo_pconn_drop(mo_pconn *c, bool abort)
{
	struct linger none = { 1, 0 };

	if (c->ssl && c->ready && !abort)
		SSL_shutdown(c->ssl);
	SSL_free(c->ssl);
	c->ssl = NULL;
	uv_close((uv_handle_t *)&c->poll, on_closed);
	if (abort)
		setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &none, sizeof(none));
	close(c->fd);
}
