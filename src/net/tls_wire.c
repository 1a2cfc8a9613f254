/* Between OpenSSL and the socket; see tls_wire.h. */
#include "net/tls_wire.h"

#include <errno.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/check.h"
#include "base/mem.h"
#include "net/tls_record.h"

#define IN_SMALL 4096u /* a handshake's messages, a request's head */
#define IN_LARGE (2u * MO_TLS_RECORD)
#define OUT_LEAST 1024u
#define RECORD_MAX (MO_TLS_HEAD + MO_TLS_PLAIN + 2048u) /* RFC 5246 section 6.2.3 */

/* ---- input ---- */

/* Of the record that begins at at; 0: not known yet; RECORD_MAX + 1: it is none. */
static size_t record_size(const mo_tls_wire *w)
{
	const uint8_t *head;
	size_t size;

	if (mo_tls_wire_unread(w) < MO_TLS_HEAD)
		return 0;
	head = w->in + w->at;
	size = MO_TLS_HEAD + ((size_t)head[3] << 8 | head[4]);
	return head[0] < MO_TLS_CCS || head[0] > MO_TLS_DATA || head[1] != 3 || size > RECORD_MAX
		       ? RECORD_MAX + 1
		       : size;
}

/* How much OpenSSL may have. */
static size_t whole(const mo_tls_wire *w)
{
	size_t size, have = mo_tls_wire_unread(w);

	if (w->passes)
		return have;
	size = record_size(w);
	if (size > RECORD_MAX)
		return have;
	return size <= have ? size : 0;
}

static void resize_input(mo_tls_wire *w, size_t cap)
{
	size_t have = mo_tls_wire_unread(w);
	uint8_t *in = mo_malloc(cap);

	if (have)
		memcpy(in, w->in + w->at, have);
	free(w->in);
	w->in = in;
	w->at = 0;
	w->end = (uint32_t)have;
	w->in_cap = (uint32_t)cap;
}

static void make_room(mo_tls_wire *w)
{
	bool large = w->large || record_size(w) > IN_SMALL;

	if (w->in_cap < (large ? IN_LARGE : IN_SMALL)) {
		resize_input(w, large ? IN_LARGE : IN_SMALL);
	} else if (w->at > 0) {
		memmove(w->in, w->in + w->at, mo_tls_wire_unread(w));
		w->end -= w->at;
		w->at = 0;
	}
}

/* One read of the socket.  0: something came; -EAGAIN; other: it is over. */
static int receive(mo_tls_wire *w)
{
	ssize_t n;

	if (w->drained)
		return -EAGAIN;
	make_room(w);
	do {
		n = recv(w->fd, w->in + w->end, w->in_cap - w->end, 0);
	} while (n < 0 && errno == EINTR);
	if (n > 0) {
		w->end += (uint32_t)n;
		w->drained = w->end < w->in_cap;
		w->large = w->end == w->in_cap || (w->large && n > (ssize_t)IN_SMALL);
		return 0;
	}
	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
		w->drained = true;
		return -EAGAIN;
	}
	if (n < 0)
		w->error = errno;
	else
		w->ended = true;
	return n < 0 ? -w->error : -ENODATA;
}

/* Lets OpenSSL have the next record, unless it has not yet taken all of the last. */
static bool next_record(mo_tls_wire *w)
{
	if (w->open > 0)
		return true;
	w->open = (uint32_t)whole(w);
	w->passes |= record_size(w) > RECORD_MAX;
	return w->open > 0;
}

static int on_read(BIO *b, char *p, int n)
{
	mo_tls_wire *w = BIO_get_data(b);
	uint32_t len;

	BIO_clear_retry_flags(b);
	while (!next_record(w)) {
		int err = w->error ? -w->error : w->ended ? -ENODATA : receive(w);

		if (err == -EAGAIN)
			BIO_set_retry_read(b);
		errno = w->error;
		if (err)
			return err == -ENODATA ? 0 : -1;
	}
	len = (uint32_t)n < w->open ? (uint32_t)n : w->open;
	memcpy(p, w->in + w->at, len);
	w->at += len;
	w->open -= len;
	return (int)len;
}

bool mo_tls_wire_ready(const mo_tls_wire *w)
{
	return w->open > 0 || whole(w) > 0;
}

void mo_tls_wire_tidy(mo_tls_wire *w)
{
	size_t have = mo_tls_wire_unread(w);

	if (!w->in)
		return;
	if (have == 0) {
		free(w->in);
		w->in = NULL;
		w->in_cap = w->at = w->end = 0;
	} else if (have < IN_SMALL && w->in_cap == IN_LARGE && !mo_tls_wire_ready(w)) {
		resize_input(w, have);
	}
}

/* ---- output ---- */

static void keep(mo_tls_wire *w, const char *p, size_t n)
{
	if (w->out_cap - w->out_end < n) {
		w->out_cap = w->out_end + (uint32_t)(n < OUT_LEAST ? OUT_LEAST : n);
		w->out = mo_realloc(w->out, w->out_cap);
	}
	memcpy(w->out + w->out_end, p, n);
	w->out_end += (uint32_t)n;
}

/* How many bytes the socket takes; 0: none now; <0: it is over. */
static ssize_t give(mo_tls_wire *w, const void *p, size_t n)
{
	ssize_t r;

	do {
		r = send(w->fd, p, n, MSG_NOSIGNAL | (w->more ? MSG_MORE : 0));
	} while (r < 0 && errno == EINTR);
	if (r < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return 0;
	if (r < 0)
		w->error = errno;
	return r;
}

static int on_write(BIO *b, const char *p, int n)
{
	mo_tls_wire *w = BIO_get_data(b);
	ssize_t sent = 0;

	BIO_clear_retry_flags(b);
	if (!w->error && !w->gather && mo_tls_wire_unsent(w) == 0)
		sent = give(w, p, (size_t)n);
	errno = w->error;
	if (w->error)
		return -1;
	if (w->watch)
		w->watch(w->arg, (const uint8_t *)p, (size_t)n);
	if (sent < n)
		keep(w, p + sent, (size_t)(n - sent));
	return n;
}

int mo_tls_wire_flush(mo_tls_wire *w)
{
	while (!w->error && mo_tls_wire_unsent(w) > 0) {
		ssize_t n = give(w, w->out + w->out_at, mo_tls_wire_unsent(w));

		if (n == 0)
			return -EAGAIN;
		if (n > 0)
			w->out_at += (uint32_t)n;
	}
	free(w->out);
	w->out = NULL;
	w->out_cap = w->out_at = w->out_end = 0;
	return -w->error;
}

/* ---- the BIO ---- */

static long on_ctrl(BIO *b, int what, long n, void *p)
{
	const mo_tls_wire *w = BIO_get_data(b);

	if (what == BIO_CTRL_EOF)
		return w->ended;
	return what == BIO_CTRL_FLUSH || what == BIO_CTRL_DUP;
}

static struct {
	pthread_once_t once;
	BIO_METHOD *method;
} type = { .once = PTHREAD_ONCE_INIT };

static void make_type(void)
{
	type.method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "molt");
	MO_CHECK(type.method && BIO_meth_set_read(type.method, on_read) == 1 &&
		 BIO_meth_set_write(type.method, on_write) == 1 &&
		 BIO_meth_set_ctrl(type.method, on_ctrl) == 1);
}

BIO *mo_tls_wire_bio(mo_tls_wire *w)
{
	BIO *b;

	pthread_once(&type.once, make_type);
	b = BIO_new(type.method);
	if (b) {
		BIO_set_data(b, w);
		BIO_set_init(b, 1);
	}
	return b;
}

void mo_tls_wire_free(mo_tls_wire *w)
{
	free(w->in);
	free(w->out);
	w->in = w->out = NULL;
	w->in_cap = w->at = w->end = w->open = 0;
	w->out_cap = w->out_at = w->out_end = 0;
}
