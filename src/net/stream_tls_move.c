/* The TLS stream goes on without OpenSSL, here (tlsShed) or in another process, when
 * that holds nothing of it: nothing read and not taken (which is carried then), no
 * handshake message under way.  Records that are half read or half sent are in
 * tls_wire.h's buffers, which go along. */
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "net/secret.h"
#include "net/stream_record.h"
#include "net/stream_tls_internal.h"
#include "net/tls.h"
#include "net/tls_proof.h"
#include "net/tls_snapshot.h"

static struct tls_stream *of(mo_stream *s)
{
	return (struct tls_stream *)(void *)s;
}

static bool proven(const struct tls_stream *t)
{
	return t->versions & (SSL_version(t->ssl) == TLS1_2_VERSION ? MO_TLS_V12 : MO_TLS_V13);
}

bool mo_tls_stream_movable(const mo_stream *s)
{
	const struct tls_stream *t = (const struct tls_stream *)(const void *)s;

	return t->secrets && t->state == MO_TLS_OPEN && !t->closing &&
	       SSL_is_init_finished(t->ssl) && proven(t) &&
	       mo_tls_secrets_complete(t->secrets, t->ssl);
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

bool mo_tls_stream_settled(mo_stream *s)
{
	struct tls_stream *t = of(s);
	const mo_tls_wire *w = &t->wire;

	if (!mo_tls_stream_movable(s) || SSL_get_shutdown(t->ssl) ||
	    SSL_get_state(t->ssl) != TLS_ST_OK || mo_tls_secrets_in_message(t->secrets))
		return false;
	if (t->owed == 0 && mo_tls_wire_unsent(w) > 0 && mo_tls_stream_flush(t) != 0)
		return false;
	/* "RH": between records; the head of one may be read when nothing is pending. */
	if (w->passes || w->open > 0 || strcmp(SSL_rstate_string(t->ssl), "RH") != 0)
		return false;
	carry_pending(t);
	return !SSL_has_pending(t->ssl) && (t->carry ? t->carry_end - t->carry_at : 0) +
							   mo_tls_wire_unread(w) +
							   mo_tls_wire_unsent(w) <=
						   MO_SNAPSHOT_BYTES;
}

static molt_str piece(const uint8_t *p, size_t from, size_t to)
{
	return (molt_str){ p ? (const char *)p + from : "", to - from };
}

/* RFC 6066 section 4; a resumed session keeps it. */
size_t mo_tls_stream_limit(const struct tls_stream *t)
{
	uint8_t mode = SSL_SESSION_get_max_fragment_length(SSL_get0_session(t->ssl));

	return mode >= TLSEXT_max_fragment_length_512 && mode <= TLSEXT_max_fragment_length_4096
		       ? 256u << mode
		       : MO_TLS_PLAIN;
}

/* All that there is of it, borrowed. */
static mo_tls_snapshot snapshot_of(struct tls_stream *t)
{
	const mo_tls_wire *w = &t->wire;
	mo_tls_snapshot p = { .keys = mo_tls_secrets_keys(t->secrets, t->ssl),
			      .owed = t->owed,
			      .limit = mo_tls_stream_limit(t) };

	p.facts.ptr = mo_tls_stream_fact(&t->base, 0);
	p.facts.len = t->facts_len;
	if (t->carry)
		p.plain = piece(t->carry, t->carry_at, t->carry_end);
	p.raw = piece(w->in, w->at, w->end);
	p.sent = piece(w->out, w->out_at, w->out_end);
	return p;
}

molt_str mo_tls_stream_pack(mo_stream *s)
{
	struct tls_stream *t = of(s);
	mo_tls_snapshot p = snapshot_of(t);

	MO_CHECK(!t->snapshot);
	t->snapshot_size = mo_tls_snapshot_size(&p);
	t->snapshot = mo_secret_new(t->snapshot_size);
	mo_tls_snapshot_write(&p, t->snapshot);
	return (molt_str){ (char *)t->snapshot, t->snapshot_size };
}

void mo_tls_stream_unpacked(mo_stream *s)
{
	struct tls_stream *t = of(s);

	mo_secret_free(t->snapshot, t->snapshot_size);
	t->snapshot = NULL;
}

mo_stream *mo_stream_tls_shed(mo_stream *s)
{
	struct tls_stream *t = of(s);
	mo_tls_snapshot p;
	mo_stream *r;

	if (s->ops != &mo_stream_tls_ops || !mo_tls_stream_settled(s))
		return s;
	p = snapshot_of(t);
	t->secrets->keys = NULL;
	r = mo_stream_record(s->fd, &p, t->facts, t->key_limit);
	r->want = s->want;
	t->facts = NULL;
	mo_tls_stream_drop(t);
	free(t);
	return r;
}
