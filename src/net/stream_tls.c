/* The TLS stream: one OpenSSL connection over the descriptor; see stream.h and
 * tls.h.  Used by the loop that owns the connection, and by no other thread.
 *
 *   state   event                         -> next
 *   NEW     first byte is a letter        -> plain stream (-EPROTO, got_http)
 *   NEW     any other first byte          -> OPEN
 *   OPEN    error of TLS or the socket    -> BROKEN
 *   OPEN    finish() took effect          -> FINISHED (reads go on)
 *   BROKEN  every call                    -> BROKEN (-ECONNRESET): OpenSSL must not be asked again
 *
 * How it goes on without OpenSSL, here (tlsShed) or in another process, is in
 * stream_tls_move.c.
 *
 * The error queue of OpenSSL belongs to the thread: it is emptied before each
 * call, so that no connection sees the error of another one. */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include "base/check.h"
#include "base/mem.h"
#include "net/secret.h"
#include "net/stream_tls_internal.h"
#include "net/tls.h"
#include "net/tls_facts.h"

#define RECORD 16384u /* the most that one TLS record carries */

static struct tls_stream *of(mo_stream *s)
{
	return (struct tls_stream *)(void *)s;
}

static int broken(struct tls_stream *t, int err)
{
	t->state = MO_TLS_BROKEN;
	return err;
}

/* What a failed OpenSSL call means.  The only 0 is close_notify. */
static int result(struct tls_stream *t, int ret)
{
	switch (SSL_get_error(t->ssl, ret)) {
	case SSL_ERROR_WANT_READ:
		t->base.want = UV_READABLE;
		return -EAGAIN;
	case SSL_ERROR_WANT_WRITE:
		t->base.want = UV_WRITABLE;
		return -EAGAIN;
	case SSL_ERROR_ZERO_RETURN:
		return 0;
	case SSL_ERROR_SYSCALL:
		return broken(t, t->wire.error ? -t->wire.error : -ECONNRESET);
	default:
		/* TCP ended without close_notify: what came may have been cut. */
		if (ERR_GET_REASON(ERR_peek_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING)
			return broken(t, -ECONNRESET);
		if (ERR_GET_REASON(ERR_peek_error()) >= SSL_AD_REASON_OFFSET)
			return broken(t, -ECONNRESET); /* the client's alert */
		t->alerted = true;
		return broken(t, -EPROTO);
	}
}

/* The same behind a call that was the last one: our alert leaves, and what waits before
 * it, such as tickets and the rest of a record. */
static int failed(struct tls_stream *t, int ret)
{
	int err = result(t, ret);

	if (err != -EAGAIN)
		(void)mo_tls_wire_flush(&t->wire);
	return err;
}

static bool is_letter(char c)
{
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'z';
}

void mo_tls_stream_drop(struct tls_stream *t)
{
	SSL_free(t->ssl);
	ERR_clear_error();
	t->ssl = NULL;
	mo_tls_wire_free(&t->wire);
	mo_tls_secrets_free(t->secrets);
	t->secrets = NULL;
	free(t->facts);
	t->facts = NULL;
	free(t->carry);
	t->carry = NULL;
	mo_secret_free(t->snapshot, t->snapshot_size);
	t->snapshot = NULL;
}

static void become_plain(struct tls_stream *t)
{
	mo_tls_stream_drop(t);
	t->got_http = true;
	t->base.ops = &mo_stream_plain_ops;
}

/* Looks at the first byte before OpenSSL does: a TLS record cannot begin with a
 * letter, a request of plain HTTP does. */
static int look_at_first_byte(struct tls_stream *t)
{
	char first;
	ssize_t n;

	do {
		n = recv(t->base.fd, &first, 1, MSG_PEEK);
	} while (n < 0 && errno == EINTR);
	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
		t->base.want = UV_READABLE;
		return -EAGAIN;
	}
	if (n <= 0)
		return broken(t, n < 0 ? -errno : -ECONNRESET);
	if (is_letter(first)) {
		become_plain(t);
		return -EPROTO;
	}
	t->state = MO_TLS_OPEN;
	return 0;
}

/* Before each call of OpenSSL. */
static int prepare(struct tls_stream *t)
{
	int err = 0;

	if (t->state == MO_TLS_BROKEN)
		return -ECONNRESET;
	if (t->state == MO_TLS_NEW)
		err = look_at_first_byte(t);
	ERR_clear_error();
	t->wire.drained = false;
	return err;
}

const char *mo_tls_stream_fact(mo_stream *s, int fact)
{
	struct tls_stream *t = of(s);

	if (!t->facts)
		t->facts = mo_facts_of(t->ssl, &t->facts_len);
	return mo_facts_get(t->facts, (enum mo_tls_fact)fact);
}

int mo_tls_stream_flush(struct tls_stream *t)
{
	int err = mo_tls_wire_flush(&t->wire);

	if (err == -EAGAIN)
		t->base.want = UV_WRITABLE;
	return err == 0 || err == -EAGAIN ? err : broken(t, err);
}

/* The tickets of TLS 1.3 may leave with the answer to a request that is here already. */
static bool may_wait(const struct tls_stream *t)
{
	return SSL_version(t->ssl) == TLS1_3_VERSION && mo_tls_wire_ready(&t->wire);
}

static int tls_handshake(mo_stream *s)
{
	struct tls_stream *t = of(s);
	int ret, err = prepare(t), sent;

	if (err)
		return err;
	t->wire.gather = true; /* a flight leaves whole */
	ret = SSL_accept(t->ssl);
	t->wire.gather = false;
	err = ret == 1 ? 0 : result(t, ret);
	if (ret != 1 && err == 0)
		err = broken(t, -ECONNRESET);
	sent = err || !may_wait(t) ? mo_tls_wire_flush(&t->wire) : 0;
	if (err && err != -EAGAIN)
		return err;
	if (sent == -EAGAIN)
		t->base.want = UV_WRITABLE;
	if (sent)
		return sent == -EAGAIN ? sent : broken(t, sent);
	if (err == 0)
		(void)mo_tls_stream_fact(s, 0); /* other threads may ask later */
	return err;
}

static size_t take_carried(struct tls_stream *t, void *buf, size_t n)
{
	size_t have = t->carry_end - t->carry_at;

	n = n < have ? n : have;
	memcpy(buf, t->carry + t->carry_at, n);
	t->carry_at += n;
	if (n == have) {
		free(t->carry);
		t->carry = NULL;
	}
	return n;
}

/* What came before a fault is given out; the next call tells of it. */
static ssize_t tell_or_keep(struct tls_stream *t, size_t got, int err)
{
	t->fault = got > 0 ? err : 0;
	return got > 0 ? (ssize_t)got : err;
}

static int tell_fault(struct tls_stream *t)
{
	int err = t->fault ? t->fault : -ECONNRESET;

	t->fault = 0;
	return err;
}

/* What was kept for an answer (or, of a handshake, could not be sent) leaves before
 * anything is waited for. */
static int wait_for_more(struct tls_stream *t)
{
	int err = t->owed == 0 ? mo_tls_stream_flush(t) : 0;

	if (err == 0 || SSL_is_init_finished(t->ssl))
		t->base.want = UV_READABLE;
	return err == 0 ? -EAGAIN : err;
}

/* Records that are here are read before the socket is asked for more, so that less
 * than n bytes mean that no whole record is left. */
static ssize_t tls_read(mo_stream *s, void *buf, size_t n)
{
	struct tls_stream *t = of(s);
	size_t got = 0, more;
	int ret = 1, err;

	if (n == 0)
		return -EINVAL; /* 0 would read as the end of the stream */
	if (t->state == MO_TLS_BROKEN)
		return tell_fault(t);
	err = prepare(t);
	if (err)
		return err;
	if (t->carry)
		got = take_carried(t, buf, n);
	while (ret == 1 && got < n && (got == 0 || mo_tls_wire_ready(&t->wire))) {
		ret = SSL_read_ex(t->ssl, (char *)buf + got, n - got, &more);
		got += ret == 1 ? more : 0;
	}
	mo_tls_wire_tidy(&t->wire);
	err = ret == 1 ? 0 : failed(t, ret);
	if (err && err != -EAGAIN)
		return tell_or_keep(t, got, err);
	if (got > 0)
		return (ssize_t)got;
	if (err == -EAGAIN)
		return wait_for_more(t);
	t->end_told = true;
	return 0;
}

/* RFC 8446 section 5.5: no key is used for more records than is safe. */
static void update_keys(struct tls_stream *t)
{
	if (t->secrets && SSL_version(t->ssl) == TLS1_3_VERSION &&
	    t->secrets->keys->write.seq >= t->key_limit && SSL_is_init_finished(t->ssl))
		(void)SSL_key_update(t->ssl, SSL_KEY_UPDATE_NOT_REQUESTED);
}

/* Sends what was sealed; the content of its last record counts when all has left. */
static ssize_t send_record(struct tls_stream *t)
{
	size_t n = t->owed;
	int err = mo_tls_stream_flush(t);

	if (err)
		return err;
	t->owed = 0;
	t->base.parted = t->closing;
	return (ssize_t)n;
}

static int may_write(struct tls_stream *t)
{
	int err = prepare(t);

	if (err)
		return err;
	return t->state == MO_TLS_FINISHED || (t->closing && t->owed == 0) ? -EPIPE : 0;
}

static void say_goodbye(struct tls_stream *t)
{
	t->closing = t->wire.more = true;
	(void)SSL_shutdown(t->ssl);
}

/* Writes at most one record.  After -EAGAIN it waits, sealed, and the next call must
 * bring the same bytes, or more. */
static ssize_t write_record(struct tls_stream *t, const void *p, size_t n)
{
	bool last;
	size_t done;
	int ret, err = may_write(t);

	if (err)
		return err;
	if (t->owed > 0)
		return n < t->owed ? broken(t, -EPIPE) : send_record(t);
	update_keys(t);
	last = t->base.last && n <= mo_tls_stream_limit(t);
	t->wire.gather = last;
	ret = SSL_write_ex(t->ssl, p, n < RECORD ? n : RECORD, &done);
	if (ret == 1 && last)
		say_goodbye(t);
	t->wire.gather = false;
	if (ret == 1) {
		t->owed = done;
		return send_record(t);
	}
	err = failed(t, ret);
	return err ? err : broken(t, -EPIPE);
}

/* Small pieces (a head and its body) go out as one record. */
static ssize_t tls_writev(mo_stream *s, const struct iovec *iov, int count)
{
	char *record;
	size_t len = 0;
	ssize_t r;

	while (count > 0 && iov->iov_len == 0) {
		iov++;
		count--;
	}
	if (count == 0)
		return 0;
	if (count == 1 || iov->iov_len >= RECORD)
		return write_record(of(s), iov->iov_base, iov->iov_len);
	record = mo_malloc(RECORD);
	for (; count > 0 && len < RECORD; iov++, count--) {
		size_t n = iov->iov_len < RECORD - len ? iov->iov_len : RECORD - len;

		if (n)
			memcpy(record + len, iov->iov_base, n);
		len += n;
	}
	r = write_record(of(s), record, len);
	free(record);
	return r;
}

static ssize_t tls_sendfile(mo_stream *s, int file, off_t *off, size_t n)
{
	char *record;
	ssize_t r;

	if (n == 0)
		return 0;
	if (of(s)->owed > 0) { /* was read and sealed */
		r = write_record(of(s), NULL, n);
		*off += r > 0 ? r : 0;
		return r;
	}
	record = mo_malloc(RECORD);
	do {
		r = pread(file, record, n < RECORD ? n : RECORD, *off);
	} while (r < 0 && errno == EINTR);
	if (r < 0)
		r = -errno;
	else if (r == 0)
		r = -EIO;
	else
		r = write_record(of(s), record, (size_t)r);
	free(record);
	if (r > 0)
		*off += r;
	return r;
}

static int tls_finish(mo_stream *s)
{
	struct tls_stream *t = of(s);
	int err;

	if (t->state == MO_TLS_BROKEN) {
		err = t->alerted ? mo_tls_wire_flush(&t->wire) : 0;
		if (err == -EAGAIN)
			s->want = UV_WRITABLE;
		return err == -EAGAIN ? err : mo_stream_end_alerted(s, t->alerted);
	}
	if (t->state == MO_TLS_FINISHED)
		return 0;
	if (t->state == MO_TLS_OPEN && SSL_is_init_finished(t->ssl)) {
		prepare(t);
		if (!t->closing)
			say_goodbye(t);
		err = mo_tls_stream_flush(t);
		if (err)
			return err;
	}
	t->state = MO_TLS_FINISHED;
	s->parted = true;
	return shutdown(s->fd, SHUT_WR) < 0 ? -errno : 0;
}

static bool tls_pending(const mo_stream *s)
{
	const struct tls_stream *t = (const struct tls_stream *)(const void *)s;

	if (t->state == MO_TLS_BROKEN)
		return t->fault != 0;
	return t->carry || SSL_pending(t->ssl) > 0 || mo_tls_wire_ready(&t->wire) ||
	       (SSL_get_shutdown(t->ssl) & SSL_RECEIVED_SHUTDOWN && !t->end_told);
}

static void tls_close(mo_stream *s)
{
	struct tls_stream *t = of(s);

	mo_tls_stream_drop(t);
	close(s->fd);
	free(t);
}

const mo_stream_ops mo_stream_tls_ops = {
	.name = "tls",
	.read = tls_read,
	.writev = tls_writev,
	.sendfile = tls_sendfile,
	.handshake = tls_handshake,
	.finish = tls_finish,
	.pending = tls_pending,
	.movable = mo_tls_stream_movable,
	.settled = mo_tls_stream_settled,
	.pack = mo_tls_stream_pack,
	.unpacked = mo_tls_stream_unpacked,
	.fact = mo_tls_stream_fact,
	.close = tls_close,
};

/* Only TLS 1.2 has nonces that are not known from the number of the record. */
static void on_sent(void *arg, const uint8_t *p, size_t n)
{
	struct tls_stream *t = arg;

	if (SSL_version(t->ssl) == TLS1_2_VERSION)
		mo_tls_secrets_sent(t->secrets, p, n);
}

mo_stream *mo_stream_tls(int fd, mo_tls *tls)
{
	struct tls_stream *t = mo_calloc(1, sizeof(*t));
	SSL *ssl = SSL_new(mo_tls_context(tls));
	BIO *bio = ssl ? mo_tls_wire_bio(&t->wire) : NULL;

	if (!bio) {
		SSL_free(ssl);
		ERR_clear_error();
		close(fd);
		free(t);
		return NULL;
	}
	SSL_set_bio(ssl, bio, bio);
	SSL_set_accept_state(ssl);
	t->base.ops = &mo_stream_tls_ops;
	t->base.fd = fd;
	t->base.want = UV_READABLE;
	t->wire.fd = fd;
	t->ssl = ssl;
	t->key_limit = mo_tls_key_limit(tls);
	t->versions = (uint8_t)mo_tls_versions(tls);
	if (t->versions) {
		t->secrets = mo_tls_secrets_new(ssl);
		t->wire.watch = on_sent;
		t->wire.arg = t;
	}
	return &t->base;
}

bool mo_stream_tls_got_http(const mo_stream *s)
{
	return ((const struct tls_stream *)(const void *)s)->got_http;
}

molt_str mo_stream_tls_protocol(const mo_stream *s)
{
	const struct tls_stream *t = (const struct tls_stream *)(const void *)s;
	const unsigned char *name;
	unsigned len;

	SSL_get0_alpn_selected(t->ssl, &name, &len);
	return (molt_str){ len ? (const char *)name : "", len };
}
