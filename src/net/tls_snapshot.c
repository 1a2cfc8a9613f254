/* A TLS connection as bytes; see tls_snapshot.h. */
#include "net/tls_snapshot.h"

#include <string.h>

#include "base/check.h"
#include "net/tls_facts.h"
#include "net/tls_record.h"

#define PARTS 4
#define FLAGS (MO_SNAPSHOT_V12 | MO_SNAPSHOT_OWES_UPDATE | MO_SNAPSHOT_ENDED | MO_SNAPSHOT_LIMIT)
#define FIXED (7 + 3 * 8 + 2 * MO_TLS_SECRET + PARTS * 4)

_Static_assert(MO_TLS_KEY + MO_TLS_IV <= MO_TLS_SECRET, "key and iv take a secret's place");

typedef struct cursor {
	uint8_t *p;
} cursor;

static void put(cursor *c, uint64_t v, int bytes)
{
	for (int i = 0; i < bytes; i++, v >>= 8)
		*c->p++ = (uint8_t)v;
}

static uint64_t get(cursor *c, int bytes)
{
	uint64_t v = 0;

	for (int i = 0; i < bytes; i++)
		v |= (uint64_t)*c->p++ << (8 * i);
	return v;
}

static void put_side(cursor *c, const mo_tls_suite *s, const mo_tls_side *side)
{
	memset(c->p, 0, MO_TLS_SECRET);
	if (s->v12) {
		memcpy(c->p, side->key, MO_TLS_KEY);
		memcpy(c->p + MO_TLS_KEY, side->iv, MO_TLS_IV);
	} else {
		memcpy(c->p, side->secret, s->hash_len);
	}
	c->p += MO_TLS_SECRET;
}

static void get_side(cursor *c, const mo_tls_suite *s, mo_tls_side *side)
{
	if (s->v12) {
		memcpy(side->key, c->p, MO_TLS_KEY);
		memcpy(side->iv, c->p + MO_TLS_KEY, MO_TLS_IV);
		side->ready = true;
	} else {
		memcpy(side->secret, c->p, s->hash_len);
	}
	c->p += MO_TLS_SECRET;
}

static size_t limit_size(size_t limit)
{
	return limit < MO_TLS_PLAIN ? 2 : 0;
}

size_t mo_tls_snapshot_size(const mo_tls_snapshot *p)
{
	return FIXED + limit_size(p->limit) + p->facts.len + p->plain.len + p->raw.len +
	       p->sent.len;
}

void mo_tls_snapshot_write(const mo_tls_snapshot *p, uint8_t *out)
{
	const mo_tls_keys *k = p->keys;
	const molt_str part[PARTS] = { p->facts, p->plain, p->raw, p->sent };
	cursor c = { out };

	put(&c, MO_SNAPSHOT_VERSION, 1);
	put(&c, k->suite->id, 2);
	put(&c,
	    (k->suite->v12 ? MO_SNAPSHOT_V12 : 0u) |
		    (k->owes_update ? MO_SNAPSHOT_OWES_UPDATE : 0u) |
		    (p->ended ? MO_SNAPSHOT_ENDED : 0u) |
		    (p->limit < MO_TLS_PLAIN ? MO_SNAPSHOT_LIMIT : 0u),
	    1);
	put(&c, p->strange, 1);
	put(&c, p->owed, 2);
	put(&c, k->read.seq, 8);
	put(&c, k->write.seq, 8);
	put(&c, k->nonce, 8);
	put_side(&c, k->suite, &k->read);
	put_side(&c, k->suite, &k->write);
	for (int i = 0; i < PARTS; i++)
		put(&c, part[i].len, 4);
	put(&c, p->limit, (int)limit_size(p->limit));
	for (int i = 0; i < PARTS; i++) {
		if (part[i].len)
			memcpy(c.p, part[i].ptr, part[i].len);
		c.p += part[i].len;
	}
	MO_CHECK((size_t)(c.p - out) == mo_tls_snapshot_size(p));
}

/* Behind the lengths; room: what is there besides them. */
static bool get_limit(cursor *c, unsigned flags, size_t *room, mo_tls_snapshot *p)
{
	p->limit = MO_TLS_PLAIN;
	if (!(flags & MO_SNAPSHOT_LIMIT))
		return true;
	if (*room < 2)
		return false;
	*room -= 2;
	p->limit = (size_t)get(c, 2);
	return p->limit >= MO_TLS_LIMIT_LEAST && p->limit < MO_TLS_PLAIN;
}

/* The lengths of the parts, against what is there. */
static bool cut_parts(cursor *c, unsigned flags, size_t left, mo_tls_snapshot *p)
{
	molt_str *part[PARTS] = { &p->facts, &p->plain, &p->raw, &p->sent };

	for (int i = 0; i < PARTS; i++)
		part[i]->len = (size_t)get(c, 4);
	if (!get_limit(c, flags, &left, p))
		return false;
	for (int i = 0; i < PARTS; i++) {
		if (part[i]->len > left)
			return false;
		part[i]->ptr = (const char *)c->p;
		c->p += part[i]->len;
		left -= part[i]->len;
	}
	return left == 0 && p->facts.len <= MO_SNAPSHOT_FACTS && mo_facts_ok(p->facts) &&
	       p->plain.len + p->raw.len + p->sent.len <= MO_SNAPSHOT_BYTES &&
	       p->owed <= p->limit && (p->owed == 0) == (p->sent.len == 0);
}

/* k is filled where it is given. */
static bool read_snapshot(molt_str in, mo_tls_snapshot *p, mo_tls_keys *k)
{
	cursor c = { (uint8_t *)(uintptr_t)in.ptr };
	const mo_tls_suite *s;
	unsigned flags;
	uint16_t id;

	*p = (mo_tls_snapshot){ 0 };
	if (in.len < FIXED || get(&c, 1) != MO_SNAPSHOT_VERSION)
		return false;
	id = (uint16_t)get(&c, 2);
	flags = (unsigned)get(&c, 1);
	s = mo_tls_suite_find(id, flags & MO_SNAPSHOT_V12);
	if (!s || flags > FLAGS)
		return false;
	p->ended = flags & MO_SNAPSHOT_ENDED;
	p->strange = (uint8_t)get(&c, 1);
	p->owed = (size_t)get(&c, 2);
	k->suite = s;
	k->owes_update = flags & MO_SNAPSHOT_OWES_UPDATE;
	k->read.seq = get(&c, 8);
	k->write.seq = get(&c, 8);
	k->nonce = get(&c, 8);
	get_side(&c, s, &k->read);
	get_side(&c, s, &k->write);
	return k->read.seq < INT64_MAX && k->write.seq < INT64_MAX &&
	       cut_parts(&c, flags, in.len - FIXED, p);
}

bool mo_tls_snapshot_read(molt_str in, mo_tls_snapshot *p)
{
	mo_tls_keys *k = mo_tls_keys_new();

	if (read_snapshot(in, p, k)) {
		p->keys = k;
		return true;
	}
	mo_tls_keys_free(k);
	return false;
}

bool mo_tls_snapshot_ok(molt_str in)
{
	mo_tls_snapshot p;

	if (!mo_tls_snapshot_read(in, &p))
		return false;
	mo_tls_keys_free(p.keys);
	return true;
}
