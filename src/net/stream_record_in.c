/* The record stream's input: records are opened, alerts and KeyUpdates understood;
 * see stream_record.c.
 *
 * One buffer, there only while it holds something; what is opened and not yet taken
 * (plain) lies before what is not yet opened (raw). */
#include "net/stream_record.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <uv.h>

#include "base/mem.h"

#define IN_CAP (2u * MO_TLS_RECORD)
#define IN_SMALL 4096u /* less than this does not keep a whole buffer */
#define STRANGE_MAX 32 /* records in a row that bring no data */

enum { NEED_MORE = INT32_MIN };

static struct record_stream *of(mo_stream *s)
{
	return (struct record_stream *)(void *)s;
}

/* ---- what comes besides data ------------------------------------------------- */

static int strange(struct record_stream *t)
{
	return ++t->strange > STRANGE_MAX ? mo_record_fail(t, MO_ALERT_UNEXPECTED_MESSAGE) : 0;
}

static int on_alert(struct record_stream *t, const uint8_t *p, size_t n)
{
	bool v12 = t->keys->suite->v12;

	if (n != 2)
		return mo_record_fail(t,
				      n == 0 ? MO_ALERT_UNEXPECTED_MESSAGE : MO_ALERT_DECODE_ERROR);
	if (p[1] == MO_ALERT_CLOSE_NOTIFY) {
		t->ended = true;
		return 0;
	}
	/* TLS 1.3 knows no warnings but this one (RFC 8446 section 6). */
	if (p[1] == MO_ALERT_USER_CANCELED || (v12 && p[0] == 1))
		return strange(t);
	return mo_record_broken(t, -ECONNRESET);
}

/* A whole handshake message: KeyUpdate is all that a client may send now. */
static int on_message(struct record_stream *t)
{
	const uint8_t *m = t->message;

	if (m[4] > 1)
		return mo_record_fail(t, MO_ALERT_ILLEGAL_PARAMETER);
	mo_tls_record_step(&t->rec, false);
	if (m[4] == 1)
		t->keys->owes_update = true;
	t->message_len = 0;
	return strange(t);
}

/* Messages may be cut at records, but none may follow in the record of a KeyUpdate:
 * the keys change (RFC 8446 section 5.1). */
static int on_handshake(struct record_stream *t, const uint8_t *p, size_t n)
{
	static const uint8_t key_update[4] = { 24, 0, 0, 1 };

	if (n == 0 || t->keys->suite->v12)
		return mo_record_fail(t, MO_ALERT_UNEXPECTED_MESSAGE);
	for (size_t i = 0; i < n; i++) {
		size_t at = t->message_len;

		if (at < 4 && p[i] != key_update[at])
			return mo_record_fail(t, at == 0 ? MO_ALERT_UNEXPECTED_MESSAGE
							 : MO_ALERT_DECODE_ERROR);
		t->message[t->message_len++] = p[i];
		if (at < 4)
			continue;
		return i + 1 == n ? on_message(t) : mo_record_fail(t, MO_ALERT_UNEXPECTED_MESSAGE);
	}
	return strange(t);
}

static int on_other(struct record_stream *t, uint8_t type, const uint8_t *p, size_t n)
{
	if (t->message_len && type != MO_TLS_HANDSHAKE)
		return mo_record_fail(t, MO_ALERT_UNEXPECTED_MESSAGE);
	if (type == MO_TLS_ALERT)
		return on_alert(t, p, n);
	if (type == MO_TLS_HANDSHAKE)
		return on_handshake(t, p, n);
	return mo_record_fail(t, MO_ALERT_UNEXPECTED_MESSAGE);
}

/* ---- reading ------------------------------------------------------------------ */

static size_t take_plain(struct record_stream *t, uint8_t *buf, size_t n)
{
	size_t have = t->plain_end - t->plain_at;

	n = n < have ? n : have;
	if (n)
		memcpy(buf, t->in + t->plain_at, n);
	t->plain_at += (uint32_t)n;
	return n;
}

/* The size of the whole record that is there; NEED_MORE; -alert. */
static ssize_t whole_record(const struct record_stream *t)
{
	ssize_t size;

	if (t->ended || t->end - t->at < MO_TLS_HEAD)
		return NEED_MORE;
	size = mo_tls_record_size(t->keys, t->in + t->at);
	return size > (ssize_t)(t->end - t->at) ? NEED_MORE : size;
}

/* Opens the next record, into buf when it fits.  How many bytes that gave; 0: none
 * there, look at plain; NEED_MORE; <0. */
static ssize_t next_record(struct record_stream *t, uint8_t *buf, size_t room)
{
	ssize_t size = whole_record(t), n;
	uint8_t *rec, *out = buf, type = 0;

	if (size == NEED_MORE)
		return size;
	if (size < 0)
		return mo_record_fail(t, (int)-size);
	rec = t->in + t->at;
	if (mo_tls_open_room(t->keys, (size_t)size) > room)
		out = rec + mo_tls_content_at(t->keys->suite);
	n = mo_tls_open(&t->rec, rec, (size_t)size, out, &type);
	if (n < 0)
		return mo_record_fail(t, (int)-n);
	t->at += (uint32_t)size;
	if (n > t->limit)
		return mo_record_fail(t, MO_ALERT_RECORD_OVERFLOW);
	if (type != MO_TLS_DATA || t->message_len)
		return on_other(t, type, out, (size_t)n);
	if (n == 0)
		return strange(t);
	t->strange = 0;
	if (out == buf)
		return n;
	t->plain_at = (uint32_t)(out - t->in);
	t->plain_end = t->plain_at + (uint32_t)n;
	return 0;
}

static void resize_input(struct record_stream *t, size_t cap)
{
	uint8_t *in = mo_malloc(cap);

	if (t->end > t->at)
		memcpy(in, t->in + t->at, t->end - t->at);
	free(t->in);
	t->in = in;
	t->end -= t->at;
	t->at = t->plain_at = t->plain_end = 0;
	t->in_cap = (uint32_t)cap;
}

/* Once nothing more is opened: a buffer stays only for what is worth it. */
static void tidy(struct record_stream *t)
{
	size_t raw = t->end - t->at;

	if (!t->in || t->plain_at < t->plain_end)
		return;
	if (raw == 0) {
		free(t->in);
		t->in = NULL;
		t->in_cap = t->at = t->end = t->plain_at = t->plain_end = 0;
	} else if (raw < IN_SMALL && t->in_cap == IN_CAP && whole_record(t) == NEED_MORE) {
		resize_input(t, raw);
	}
}

/* One read of the socket, behind the beginning of a record. */
static int receive(struct record_stream *t)
{
	ssize_t n;

	if (t->in_cap < IN_CAP)
		resize_input(t, IN_CAP);
	if (t->at > 0) {
		memmove(t->in, t->in + t->at, t->end - t->at);
		t->end -= t->at;
		t->at = 0;
	}
	do {
		n = recv(t->base.fd, t->in + t->end, t->in_cap - t->end, 0);
	} while (n < 0 && errno == EINTR);
	if (n > 0) {
		t->end += (uint32_t)n;
		return 0;
	}
	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
		t->base.want = UV_READABLE;
		return -EAGAIN;
	}
	/* TCP ended without close_notify: what came may have been cut. */
	return mo_record_broken(t, n < 0 ? -errno : -ECONNRESET);
}

/* What came before a fault is given out; the next call tells of it. */
static ssize_t tell_or_keep(struct record_stream *t, ssize_t got, int err)
{
	t->fault = got > 0 ? err : 0;
	return got > 0 ? got : err;
}

static int tell_fault(struct record_stream *t)
{
	int err = t->fault ? t->fault : -ECONNRESET;

	t->fault = 0;
	return err;
}

ssize_t mo_record_read(mo_stream *s, void *buf, size_t n)
{
	struct record_stream *t = of(s);
	ssize_t got, r = 0;

	if (n == 0)
		return -EINVAL; /* 0 would read as the end of the stream */
	if (t->state == MO_RECORD_BROKEN)
		return tell_fault(t);
	got = (ssize_t)take_plain(t, buf, n);
	while (r != -EAGAIN && (size_t)got < n) {
		r = next_record(t, (uint8_t *)buf + got, n - (size_t)got);
		if (r == NEED_MORE && (got > 0 || t->ended))
			break;
		if (r == NEED_MORE)
			r = receive(t);
		if (r > 0)
			got += r;
		else if (r == 0)
			got += (ssize_t)take_plain(t, (uint8_t *)buf + got, n - (size_t)got);
		else if (r != -EAGAIN)
			return tell_or_keep(t, got, (int)r);
	}
	tidy(t);
	if (got > 0)
		return got;
	if (!t->ended)
		return -EAGAIN;
	t->end_told = true;
	return 0;
}

bool mo_record_pending(const mo_stream *s)
{
	const struct record_stream *t = (const struct record_stream *)(const void *)s;

	if (t->state == MO_RECORD_BROKEN)
		return t->fault != 0;
	return t->plain_at < t->plain_end || (t->ended && !t->end_told) ||
	       whole_record(t) != NEED_MORE;
}
