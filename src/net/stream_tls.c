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
 * It goes on without OpenSSL, here (tlsShed) or in another process, when that holds
 * nothing of it: no record half read or half written, nothing read and not taken
 * (which is carried then), no handshake message under way.
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
#include "net/stream_record.h"
#include "net/tls.h"
#include "net/tls_facts.h"
#include "net/tls_harvest.h"
#include "net/tls_parcel.h"

#define RECORD 16384u /* the most that one TLS record carries */

enum state { NEW, OPEN, FINISHED, BROKEN };

struct tls_stream {
	mo_stream base; /* first: a stream turned plain is freed by plain's close() */
	SSL *ssl;       /* NULL once plain */
	enum state state;
	bool got_http;
	bool blocked;            /* OpenSSL holds a record that has not left */
	mo_tls_harvest *harvest; /* NULL: the connection stays */
	uint64_t key_limit;      /* records written until a KeyUpdate */
	char *facts;             /* NULL: not asked for yet */
	size_t facts_len;
	uint8_t *carry; /* out of OpenSSL, not yet taken; NULL: none */
	size_t carry_at, carry_end;
	uint8_t *parcel; /* of pack() */
	size_t parcel_size;
};

static struct tls_stream *of(mo_stream *s)
{
	return (struct tls_stream *)(void *)s;
}

static int broken(struct tls_stream *t, int err)
{
	t->state = BROKEN;
	return err;
}

/* What a failed OpenSSL call means.  The only 0 is close_notify. */
static int result(struct tls_stream *t, int ret)
{
	int saved = errno;

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
		return broken(t, saved ? -saved : -ECONNRESET);
	default:
		/* TCP ended without close_notify: what came may have been cut. */
		if (ERR_GET_REASON(ERR_peek_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING)
			return broken(t, -ECONNRESET);
		return broken(t, -EPROTO);
	}
}

static bool is_letter(char c)
{
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'z';
}

static void free_tls(struct tls_stream *t)
{
	SSL_free(t->ssl);
	ERR_clear_error();
	t->ssl = NULL;
	mo_tls_harvest_free(t->harvest);
	t->harvest = NULL;
	free(t->facts);
	t->facts = NULL;
	free(t->carry);
	t->carry = NULL;
	mo_secret_free(t->parcel, t->parcel_size);
	t->parcel = NULL;
}

static void become_plain(struct tls_stream *t)
{
	free_tls(t);
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
	t->state = OPEN;
	return 0;
}

/* Before each call of OpenSSL. */
static int prepare(struct tls_stream *t)
{
	int err = 0;

	if (t->state == BROKEN)
		return -ECONNRESET;
	if (t->state == NEW)
		err = look_at_first_byte(t);
	ERR_clear_error();
	errno = 0;
	return err;
}

static const char *tls_fact(mo_stream *s, int fact)
{
	struct tls_stream *t = of(s);

	if (!t->facts)
		t->facts = mo_facts_of(t->ssl, &t->facts_len);
	return mo_facts_get(t->facts, (enum mo_tls_fact)fact);
}

static int tls_handshake(mo_stream *s)
{
	struct tls_stream *t = of(s);
	int ret, err = prepare(t);

	if (err)
		return err;
	ret = SSL_accept(t->ssl);
	if (ret == 1) {
		(void)tls_fact(s, 0); /* other threads may ask later */
		return 0;
	}
	err = result(t, ret);
	return err ? err : broken(t, -ECONNRESET);
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

static ssize_t tls_read(mo_stream *s, void *buf, size_t n)
{
	struct tls_stream *t = of(s);
	size_t got;
	int ret, err = prepare(t);

	if (n == 0)
		return -EINVAL; /* 0 would read as the end of the stream */
	if (err)
		return err;
	if (t->carry)
		return (ssize_t)take_carried(t, buf, n);
	ret = SSL_read_ex(t->ssl, buf, n, &got);
	return ret == 1 ? (ssize_t)got : result(t, ret);
}

/* RFC 8446 section 5.5: no key is used for more records than is safe. */
static void update_keys(struct tls_stream *t)
{
	if (t->harvest && !t->blocked && SSL_version(t->ssl) == TLS1_3_VERSION &&
	    t->harvest->keys->write.seq >= t->key_limit && SSL_is_init_finished(t->ssl))
		(void)SSL_key_update(t->ssl, SSL_KEY_UPDATE_NOT_REQUESTED);
}

/* Writes at most one record.  After -EAGAIN OpenSSL holds that record already
 * encrypted, and the next call must bring the same bytes, or more. */
static ssize_t write_record(struct tls_stream *t, const void *p, size_t n)
{
	size_t done;
	int ret, err = prepare(t);

	if (err)
		return err;
	if (t->state == FINISHED)
		return -EPIPE;
	update_keys(t);
	ret = SSL_write_ex(t->ssl, p, n < RECORD ? n : RECORD, &done);
	t->blocked = ret != 1;
	if (ret == 1)
		return (ssize_t)done;
	err = result(t, ret);
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
	int ret, err;

	if (t->state == BROKEN)
		return -ECONNRESET;
	if (t->state == FINISHED)
		return 0;
	if (t->state == OPEN && SSL_is_init_finished(t->ssl)) {
		prepare(t);
		ret = SSL_shutdown(t->ssl);
		err = ret < 0 ? result(t, ret) : 0;
		if (err)
			return err;
	}
	t->state = FINISHED;
	return shutdown(s->fd, SHUT_WR) < 0 ? -errno : 0;
}

static bool tls_pending(const mo_stream *s)
{
	const struct tls_stream *t = (const struct tls_stream *)(const void *)s;

	return t->state != BROKEN && (t->carry || SSL_pending(t->ssl) > 0);
}

/* ---- going on without OpenSSL ---- */

static bool tls_movable(const mo_stream *s)
{
	const struct tls_stream *t = (const struct tls_stream *)(const void *)s;

	return t->harvest && t->state == OPEN && SSL_is_init_finished(t->ssl) &&
	       mo_tls_harvest_complete(t->harvest, t->ssl);
}

/* Takes what is opened and not yet read out of OpenSSL: at most one record. */
static void carry_pending(struct tls_stream *t)
{
	size_t n = (size_t)SSL_pending(t->ssl), got = 0;

	if (n == 0 || t->carry)
		return;
	t->carry = mo_malloc(n);
	ERR_clear_error();
	if (SSL_read_ex(t->ssl, t->carry, n, &got) != 1)
		got = 0;
	t->carry_at = 0;
	t->carry_end = got;
	if (got == 0) {
		free(t->carry);
		t->carry = NULL;
	}
}

static bool tls_settled(mo_stream *s)
{
	struct tls_stream *t = of(s);

	if (!tls_movable(s) || t->blocked || SSL_get_shutdown(t->ssl) ||
	    SSL_get_state(t->ssl) != TLS_ST_OK)
		return false;
	/* "RH": between records; the head of one may be read when nothing is pending. */
	if (strcmp(SSL_rstate_string(t->ssl), "RH") != 0)
		return false;
	carry_pending(t);
	return !SSL_has_pending(t->ssl);
}

static molt_str tls_pack(mo_stream *s)
{
	struct tls_stream *t = of(s);
	mo_tls_parcel p = { .keys = mo_tls_harvest_keys(t->harvest, t->ssl) };

	MO_CHECK(!t->parcel);
	p.facts.ptr = tls_fact(s, 0);
	p.facts.len = t->facts_len;
	if (t->carry)
		p.plain = (molt_str){ (char *)t->carry + t->carry_at, t->carry_end - t->carry_at };
	t->parcel_size = mo_parcel_size(&p);
	t->parcel = mo_secret_new(t->parcel_size);
	mo_parcel_write(&p, t->parcel);
	return (molt_str){ (char *)t->parcel, t->parcel_size };
}

static void tls_unpacked(mo_stream *s)
{
	struct tls_stream *t = of(s);

	mo_secret_free(t->parcel, t->parcel_size);
	t->parcel = NULL;
}

static void tls_close(mo_stream *s)
{
	struct tls_stream *t = of(s);

	free_tls(t);
	close(s->fd);
	free(t);
}

static const mo_stream_ops tls_ops = {
	.name = "tls",
	.read = tls_read,
	.writev = tls_writev,
	.sendfile = tls_sendfile,
	.handshake = tls_handshake,
	.finish = tls_finish,
	.pending = tls_pending,
	.movable = tls_movable,
	.settled = tls_settled,
	.pack = tls_pack,
	.unpacked = tls_unpacked,
	.fact = tls_fact,
	.close = tls_close,
};

mo_stream *mo_stream_tls(int fd, mo_tls *tls)
{
	struct tls_stream *t;
	SSL *ssl = SSL_new(mo_tls_context(tls));

	if (!ssl || SSL_set_fd(ssl, fd) != 1) {
		SSL_free(ssl);
		ERR_clear_error();
		close(fd);
		return NULL;
	}
	SSL_set_accept_state(ssl);
	t = mo_calloc(1, sizeof(*t));
	t->base.ops = &tls_ops;
	t->base.fd = fd;
	t->base.want = UV_READABLE;
	t->ssl = ssl;
	t->key_limit = mo_tls_key_limit(tls);
	if (t->key_limit)
		t->harvest = mo_tls_harvest_new(ssl);
	return &t->base;
}

mo_stream *mo_stream_tls_shed(mo_stream *s)
{
	struct tls_stream *t = of(s);
	mo_tls_keys *keys;
	mo_stream *r;

	if (s->ops != &tls_ops || !tls_settled(s) || t->carry)
		return s;
	keys = mo_tls_harvest_keys(t->harvest, t->ssl);
	t->harvest->keys = NULL;
	(void)tls_fact(s, 0);
	r = mo_stream_record(s->fd, keys, t->facts, t->facts_len, t->key_limit);
	t->facts = NULL;
	free_tls(t);
	free(t);
	return r;
}

bool mo_stream_tls_got_http(const mo_stream *s)
{
	return ((const struct tls_stream *)(const void *)s)->got_http;
}
