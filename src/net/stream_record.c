/* The record stream: a TLS connection after its handshake, without OpenSSL's
 * connection; see stream.h and doc/tls-handover.md.  Made from a snapshot of another
 * process, or from one's own TLS stream (tlsShed).  Used by the loop that owns the
 * connection.
 *
 *   state     event                                     -> next
 *   OPEN      finish(): close_notify has left           -> FINISHED (reads go on)
 *   OPEN      the peer broke the rules                  -> BROKEN, its alert was sent
 *   OPEN      alert, end without close_notify, error    -> BROKEN
 *   any       the peer's close_notify                   reads give 0 (ended)
 *   BROKEN    every call                                -> BROKEN (-ECONNRESET)
 *
 * Output: one sealed record, there only until it has left; its content counts as
 * written then.  Input is in stream_record_in.c.
 *
 * Always: BROKEN writes nothing; no plaintext is given out before its record was
 * authenticated. */
#include "net/stream_record.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include "base/check.h"
#include "base/mem.h"
#include "net/secret.h"
#include "net/tls_facts.h"
#include "net/tls_snapshot.h"

static struct record_stream *of(mo_stream *s)
{
	return (struct record_stream *)(void *)s;
}

/* ---- the end ---------------------------------------------------------------- */

static void drop_output(struct record_stream *t)
{
	free(t->out);
	t->out = NULL;
	t->out_at = t->out_end = t->owed = 0;
}

static void wipe(struct record_stream *t)
{
	t->state = MO_RECORD_BROKEN;
	mo_tls_record_fini(&t->rec);
	OPENSSL_cleanse(t->keys, sizeof(*t->keys));
	free(t->in);
	t->in = NULL;
	t->plain_at = t->plain_end = t->at = t->end = t->in_cap = 0;
}

int mo_record_broken(struct record_stream *t, int err)
{
	wipe(t);
	drop_output(t);
	return err;
}

/* Room for n bytes of content behind what waits to be sent. */
static uint8_t *output_room(struct record_stream *t, size_t n)
{
	t->out = mo_realloc(t->out, t->out_end + n + MO_TLS_MORE);
	return t->out + t->out_end;
}

static void seal_small(struct record_stream *t, uint8_t type, const void *data, size_t n)
{
	struct iovec v = { (void *)(uintptr_t)data, n };
	mo_tls_source from = { &v, 1, 0 };
	uint8_t *out = output_room(t, n);

	t->out_end += (uint32_t)mo_tls_seal(&t->rec, type, &from, n, out);
}

/* Sends what is sealed; behind a goodbye the socket's end follows at once, in the same
 * segment.  0; -EAGAIN; other errors: broken. */
static int flush(struct record_stream *t)
{
	while (t->out_at < t->out_end) {
		ssize_t n = send(t->base.fd, t->out + t->out_at, t->out_end - t->out_at,
				 MSG_NOSIGNAL | (t->closing ? MSG_MORE : 0));

		if (n >= 0) {
			t->out_at += (uint32_t)n;
		} else if (errno == EAGAIN || errno == EWOULDBLOCK) {
			t->base.want = UV_WRITABLE;
			return -EAGAIN;
		} else if (errno != EINTR) {
			return mo_record_broken(t, -errno);
		}
	}
	free(t->out);
	t->out = NULL;
	t->out_at = t->out_end = 0;
	return 0;
}

/* The peer broke the rules: says which, once, and nothing after it.  What the socket does
 * not take now, finish() sends. */
int mo_record_fail(struct record_stream *t, int alert)
{
	uint8_t body[2] = { 2, (uint8_t)alert };
	int sent = 0;

	if (t->state == MO_RECORD_OPEN && !t->closing) {
		seal_small(t, MO_TLS_ALERT, body, sizeof(body));
		sent = flush(t);
	}
	t->alerted = true;
	wipe(t);
	if (sent != -EAGAIN)
		drop_output(t);
	return -EPROTO;
}

int mo_record_warn(struct record_stream *t, int alert)
{
	uint8_t body[2] = { 1, (uint8_t)alert };
	int err;

	if (t->state != MO_RECORD_OPEN || t->closing)
		return 0;
	seal_small(t, MO_TLS_ALERT, body, sizeof(body));
	err = flush(t);
	return err == -EAGAIN ? 0 : err;
}

/* ---- writing ------------------------------------------------------------------ */

/* Before the next record: the KeyUpdate that the peer waits for, or that the number
 * of records calls for (RFC 8446 section 5.5). */
static void update_keys(struct record_stream *t)
{
	static const uint8_t key_update[5] = { 24, 0, 0, 1, 0 };
	mo_tls_keys *k = t->keys;

	if (k->suite->v12 || (!k->owes_update && k->write.seq < t->key_limit))
		return;
	seal_small(t, MO_TLS_HANDSHAKE, key_update, sizeof(key_update));
	mo_tls_record_step(&t->rec, true);
	k->owes_update = false;
}

static int may_write(const struct record_stream *t)
{
	if (t->state == MO_RECORD_BROKEN)
		return -ECONNRESET;
	return t->closing && t->owed == 0 ? -EPIPE : 0;
}

/* Sends the sealed record; its content counts when all of it has left. */
static ssize_t send_record(struct record_stream *t)
{
	size_t n = t->owed;
	int err = flush(t);

	if (err)
		return err;
	t->owed = 0;
	t->base.parted = t->closing;
	return (ssize_t)n;
}

static void say_goodbye(struct record_stream *t)
{
	static const uint8_t close_notify[2] = { 1, MO_ALERT_CLOSE_NOTIFY };

	seal_small(t, MO_TLS_ALERT, close_notify, sizeof(close_notify));
	t->closing = true;
}

static ssize_t record_writev(mo_stream *s, const struct iovec *iov, int count)
{
	struct record_stream *t = of(s);
	mo_tls_source from = { iov, count, 0 };
	size_t n = 0;
	bool last;
	int err = may_write(t);

	if (err)
		return err;
	for (int i = 0; i < count && n <= t->limit; i++)
		n += iov[i].iov_len <= t->limit ? iov[i].iov_len : t->limit + 1u;
	last = s->last && n <= t->limit;
	if (n < t->owed) /* not the same data again: they were sealed already */
		return mo_record_broken(t, -EPIPE);
	if (n == 0 || t->owed > 0)
		return n == 0 ? 0 : send_record(t);
	n = n < t->limit ? n : t->limit;
	update_keys(t);
	t->out_end += (uint32_t)mo_tls_seal(&t->rec, MO_TLS_DATA, &from, n, output_room(t, n));
	t->owed = (uint32_t)n;
	if (last)
		say_goodbye(t);
	return send_record(t);
}

static ssize_t record_sendfile(mo_stream *s, int file, off_t *off, size_t n)
{
	struct record_stream *t = of(s);
	struct iovec v;
	uint8_t *out;
	ssize_t r = may_write(t);

	if (r || n == 0)
		return r;
	if (t->owed == 0) {
		update_keys(t);
		n = n < t->limit ? n : t->limit;
		out = output_room(t, n);
		v.iov_base = out + mo_tls_content_at(t->keys->suite);
		do {
			r = pread(file, v.iov_base, n, *off);
		} while (r < 0 && errno == EINTR);
		if (r <= 0)
			return r < 0 ? -errno : -EIO;
		v.iov_len = (size_t)r;
		t->out_end += (uint32_t)mo_tls_seal(&t->rec, MO_TLS_DATA,
						    &(mo_tls_source){ &v, 1, 0 }, (size_t)r, out);
		t->owed = (uint32_t)r;
	}
	r = send_record(t);
	if (r > 0)
		*off += r;
	return r;
}

static int record_handshake(mo_stream *s)
{
	return 0;
}

static int record_finish(mo_stream *s)
{
	struct record_stream *t = of(s);
	int err;

	if (t->state == MO_RECORD_BROKEN) {
		err = flush(t);
		return err == -EAGAIN ? err : mo_stream_end_alerted(s, t->alerted);
	}
	if (t->state == MO_RECORD_FINISHED)
		return 0;
	if (!t->closing)
		say_goodbye(t);
	err = flush(t);
	if (err)
		return err;
	t->state = MO_RECORD_FINISHED;
	s->parted = true;
	return shutdown(s->fd, SHUT_WR) < 0 ? -errno : 0;
}

/* ---- moving ------------------------------------------------------------------- */

static bool record_movable(const mo_stream *s)
{
	const struct record_stream *t = (const struct record_stream *)(const void *)s;

	return t->state == MO_RECORD_OPEN && !t->closing;
}

static bool record_settled(mo_stream *s)
{
	struct record_stream *t = of(s);

	if (record_movable(s) && t->owed == 0 && t->out && flush(t) != 0)
		return false;
	return record_movable(s) && t->message_len == 0 &&
	       (t->plain_end - t->plain_at) + (t->end - t->at) + (t->out_end - t->out_at) <=
		       MO_SNAPSHOT_BYTES &&
	       (t->owed > 0) == (t->out_end > t->out_at);
}

static molt_str piece(const uint8_t *p, size_t from, size_t to)
{
	return (molt_str){ p ? (const char *)p + from : "", to - from };
}

static molt_str record_pack(mo_stream *s)
{
	struct record_stream *t = of(s);
	mo_tls_snapshot p = { .keys = t->keys,
			      .ended = t->ended,
			      .strange = t->strange,
			      .owed = t->owed,
			      .limit = t->limit,
			      .facts = { t->facts, t->facts_len },
			      .plain = piece(t->in, t->plain_at, t->plain_end),
			      .raw = piece(t->in, t->at, t->end),
			      .sent = piece(t->out, t->out_at, t->out_end) };

	MO_CHECK(!t->snapshot);
	t->snapshot_size = (uint32_t)mo_tls_snapshot_size(&p);
	t->snapshot = mo_secret_new(t->snapshot_size);
	mo_tls_snapshot_write(&p, t->snapshot);
	return (molt_str){ (char *)t->snapshot, t->snapshot_size };
}

static void record_unpacked(mo_stream *s)
{
	struct record_stream *t = of(s);

	mo_secret_free(t->snapshot, t->snapshot_size);
	t->snapshot = NULL;
}

static const char *record_fact(mo_stream *s, int fact)
{
	return mo_facts_get(of(s)->facts, (enum mo_tls_fact)fact);
}

static void record_close(mo_stream *s)
{
	struct record_stream *t = of(s);

	mo_tls_record_fini(&t->rec);
	record_unpacked(s);
	mo_tls_keys_free(t->keys);
	free(t->in);
	free(t->out);
	free(t->facts);
	close(s->fd);
	free(t);
}

static const mo_stream_ops record_ops = {
	.name = "record",
	.read = mo_record_read,
	.writev = record_writev,
	.sendfile = record_sendfile,
	.handshake = record_handshake,
	.finish = record_finish,
	.pending = mo_record_pending,
	.movable = record_movable,
	.settled = record_settled,
	.pack = record_pack,
	.unpacked = record_unpacked,
	.fact = record_fact,
	.close = record_close,
};

static void put_input(struct record_stream *t, molt_str plain, molt_str raw)
{
	if (plain.len + raw.len == 0)
		return;
	t->in_cap = t->end = (uint32_t)(plain.len + raw.len);
	t->at = t->plain_end = (uint32_t)plain.len;
	t->in = mo_malloc(t->in_cap);
	if (plain.len)
		memcpy(t->in, plain.ptr, plain.len);
	if (raw.len)
		memcpy(t->in + plain.len, raw.ptr, raw.len);
}

static void put_output(struct record_stream *t, molt_str sealed)
{
	if (sealed.len == 0)
		return;
	t->out_end = (uint32_t)sealed.len;
	t->out = mo_malloc(sealed.len);
	memcpy(t->out, sealed.ptr, sealed.len);
}

mo_stream *mo_stream_record(int fd, const mo_tls_snapshot *p, char *facts, uint64_t key_limit)
{
	struct record_stream *t = mo_calloc(1, sizeof(*t));

	t->base = (mo_stream){ .ops = &record_ops, .fd = fd, .want = UV_READABLE };
	t->keys = p->keys;
	mo_tls_record_init(&t->rec, p->keys);
	t->facts = facts;
	t->facts_len = (uint32_t)p->facts.len;
	t->key_limit = key_limit;
	t->ended = p->ended;
	t->strange = p->strange;
	t->owed = (uint32_t)p->owed;
	t->limit = (uint16_t)p->limit;
	put_input(t, p->plain, p->raw);
	put_output(t, p->sent);
	return &t->base;
}

mo_stream *mo_stream_unpack(int fd, molt_str packed, uint64_t key_limit)
{
	mo_tls_snapshot p;
	char *facts;

	if (packed.len == 0)
		return mo_stream_plain(fd);
	if (!mo_tls_snapshot_read(packed, &p))
		return NULL;
	facts = mo_malloc(p.facts.len);
	memcpy(facts, p.facts.ptr, p.facts.len);
	return mo_stream_record(fd, &p, facts, key_limit);
}

bool mo_stream_can_unpack(molt_str packed)
{
	return packed.len == 0 || mo_tls_snapshot_ok(packed);
}
