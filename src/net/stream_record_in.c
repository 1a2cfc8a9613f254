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
#define MESSAGE_HEAD 4u
#define CLIENT_HELLO_MAX 131396u /* as OpenSSL has it */

enum { CLIENT_HELLO = 1, KEY_UPDATE = 24 };
enum { WARNING = 1, FATAL = 2 };

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
		return mo_record_fail(t, MO_ALERT_UNEXPECTED_MESSAGE);
	if (v12 && p[0] != WARNING && p[0] != FATAL)
		return mo_record_fail(t, MO_ALERT_ILLEGAL_PARAMETER);
	if (v12 && p[0] == FATAL)
		return mo_record_broken(t, -ECONNRESET);
	if (p[1] == MO_ALERT_CLOSE_NOTIFY) {
		t->ended = true;
		return 0;
	}
	/* An answer to a renegotiation that nobody has asked for. */
	if (v12 && p[1] == MO_ALERT_NO_RENEGOTIATION)
		return mo_record_fail(t, MO_ALERT_HANDSHAKE_FAILURE);
	/* TLS 1.3 knows no levels, and no warning but this one (RFC 8446 section 6). */
	if (v12 || p[1] == MO_ALERT_USER_CANCELED)
		return strange(t);
	return mo_record_broken(t, -ECONNRESET);
}

/* ---- handshake messages ------------------------------------------------------- */

/* How many of n bytes belong to a message's head that is not whole. */
static size_t take_head(struct record_stream *t, const uint8_t *p, size_t n)
{
	size_t lack = MESSAGE_HEAD - t->message_len;

	n = n < lack ? n : lack;
	if (n)
		memcpy(t->message + t->message_len, p, n);
	t->message_len += (uint8_t)n;
	return n;
}

/* May a client send such a message now?  0, or the alert. */
static int judge_head(struct record_stream *t)
{
	const uint8_t *m = t->message;
	uint32_t len = (uint32_t)m[1] << 16 | (uint32_t)m[2] << 8 | m[3];

	if (m[0] != (t->keys->suite->v12 ? CLIENT_HELLO : KEY_UPDATE))
		return MO_ALERT_UNEXPECTED_MESSAGE;
	if (len > (t->keys->suite->v12 ? CLIENT_HELLO_MAX : 1u))
		return MO_ALERT_ILLEGAL_PARAMETER;
	t->message_left = len;
	return len == 0 && !t->keys->suite->v12 ? MO_ALERT_DECODE_ERROR : 0;
}

/* RFC 5246 section 7.2.2: it asks for a renegotiation, which is refused. */
static int on_client_hello(struct record_stream *t)
{
	int err = mo_record_warn(t, MO_ALERT_NO_RENEGOTIATION);

	t->message_len = 0;
	return err ? err : strange(t);
}

static int on_key_update(struct record_stream *t, uint8_t value)
{
	if (value > 1)
		return mo_record_fail(t, MO_ALERT_ILLEGAL_PARAMETER);
	mo_tls_record_step(&t->rec, false);
	if (value == 1)
		t->keys->owes_update = true;
	t->message_len = 0;
	return strange(t);
}

/* Messages may be cut at records.  Of a ClientHello nothing but the length matters; behind a
 * KeyUpdate none may follow in its record: the keys change (RFC 8446 section 5.1). */
static int on_handshake(struct record_stream *t, const uint8_t *p, size_t n)
{
	bool v12 = t->keys->suite->v12;
	int err = 0, alert;

	if (n == 0 && !v12)
		return mo_record_fail(t, MO_ALERT_UNEXPECTED_MESSAGE);
	do {
		size_t skip = take_head(t, p, n);

		p += skip;
		n -= skip;
		if (skip && t->message_len == MESSAGE_HEAD) {
			alert = judge_head(t);
			if (alert)
				return mo_record_fail(t, alert);
		}
		if (t->message_len < MESSAGE_HEAD || (n == 0 && t->message_left > 0))
			return strange(t);
		if (!v12 && n > 1)
			return mo_record_fail(t, MO_ALERT_UNEXPECTED_MESSAGE);
		if (!v12)
			return on_key_update(t, *p);
		skip = n < t->message_left ? n : t->message_left;
		t->message_left -= (uint32_t)skip;
		p += skip;
		n -= skip;
		err = t->message_left == 0 ? on_client_hello(t) : strange(t);
	} while (n > 0 && err == 0);
	return err;
}

/* May nothing else come?  TLS 1.3 says so (RFC 8446 section 5.1); in TLS 1.2 OpenSSL does once
 * the head is whole. */
static bool amid_message(const struct record_stream *t)
{
	return t->message_len == MESSAGE_HEAD || (t->message_len && !t->keys->suite->v12);
}

static int on_other(struct record_stream *t, uint8_t type, const uint8_t *p, size_t n)
{
	if (amid_message(t) && type != MO_TLS_HANDSHAKE &&
	    (type != MO_TLS_ALERT || !t->keys->suite->v12))
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
	if (type != MO_TLS_DATA || amid_message(t))
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
