/* Connections between gen, which sends them, and the loops, which own them: the
 * host's part of a handover. */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/mem.h"
#include "gen/control.h"
#include "gen/transfer/event_bus.h"
#include "gen/transfer/pack_round.h"
#include "http/conn/protocol.h"
#include "rt/park.h"
#include "web/core/loops.h"
#include "web/core/server.h"
#include "web/live/restorer.h"
#include "web/run/process.h"

_Static_assert(MO_GEN_BATCH == MO_PACK_MAX, "one pack is one batch");

/* A loop that a handler blocks for longer is asked again: events wait for the others. */
#define LOOP_TIMEOUT (200 * MOLT_MS)
#define RESTORE_TIMEOUT (5 * MOLT_SECOND)

/* ---- the giver ----------------------------------------------------------------- */

static mo_gen_batch *batch_of(mo_pack *p)
{
	mo_gen_batch *b = mo_calloc(1, sizeof(*b));

	b->owner = p;
	b->n = p->n;
	for (size_t i = 0; i < p->n; i++) {
		const mo_packed *it = &p->items[i];
		const molt_server *s = it->server->owner;

		b->conns[i] = (mo_gen_conn){ .server = s->name, .moving = it->moving };
	}
	return b;
}

static mo_gen_batch *pack_loop(void *loop)
{
	mo_pack *p = mo_conns_pack(loop);

	return p ? batch_of(p) : NULL;
}

static void pack_on(mo_loop *l, void *round)
{
	mo_round_add((unsigned)(uintptr_t)round, pack_loop, l);
}

mo_gen_batch *mo_process_give(bool (*go_on)(void *arg), void *arg)
{
	unsigned round = mo_round_open();

	mo_loops_run_while(pack_on, (void *)(uintptr_t)round, LOOP_TIMEOUT, go_on, arg);
	return mo_round_close();
}

static void gave_on(void *pack)
{
	mo_conns_gave(pack);
}

void mo_process_gave(mo_gen_batch *b)
{
	mo_pack *p = b->owner;

	for (size_t i = 0; i < b->n; i++) {
		p->items[i].taken = b->conns[i].taken;
		p->items[i].again = b->conns[i].again;
	}
	MO_CHECK(mo_loop_post(p->loop, gave_on, p));
	free(b);
}

/* ---- the taker ----------------------------------------------------------------- */

/* One that drains after a restart of its own passes the connection on. */
static bool may_take(const molt_server *s)
{
	return s->state == MO_SERVER_STARTED ||
	       (s->state == MO_SERVER_DRAINING &&
		atomic_load(&s->http.closing) == MO_CLOSING_UNMOVABLE);
}

static molt_server *find(const char *name)
{
	MO_EACH_SERVER (s)
		if (strcmp(s->name, name) == 0)
			return may_take(s) ? s : NULL;
	return NULL;
}

/* A server that has become HTTPS only must not go on in plain text, nor one that
 * speaks no TLS any more with a connection of HTTPS. */
bool mo_process_takes(const char *server, bool tls)
{
	const molt_server *s = find(server);

	if (s && tls && !s->set.tls_handover)
		return false;
	for (size_t i = 0; s && i < s->nendpoints; i++)
		if (s->endpoints[i].https == tls)
			return true;
	return false;
}

/* Connections that are made ready or acknowledged, and not yet their loops', and makers
 * that have not returned: the end of the process waits for them. */
static _Atomic int coming;
/* The process ends now: what is still made ready is not taken. */
static bool ends;
static mo_list making_batches = { &making_batches, &making_batches };

size_t mo_process_coming(void)
{
	return (size_t)atomic_load(&coming);
}

/* Where a connection goes to, found before anything parks: its server may have begun to
 * end when the giver has the answer. */
typedef struct made {
	mo_loop *loop;
	molt_server *server;
	const mo_restorer *by; /* NULL: of HTTP/1 */
	void *restored;        /* by it; NULL: not yet */
} made;

enum outcome { PENDING, MADE, ABANDONED };

/* One connection being made ready on its loop.  Owned by the batch; the last of
 * loop and control thread to touch the batch frees it. */
typedef struct making {
	struct batch *batch;
	made *m;
	char *state;
	size_t len;
	_Atomic int outcome;
} making;

typedef struct batch {
	_Atomic int users, left;
	mo_list node; /* in making_batches while the control thread waits */
	mo_park park;
	bool given_up; /* of the control thread */
	size_t n;
	making items[MO_GEN_BATCH];
} batch;

static void batch_drop(batch *b)
{
	if (atomic_fetch_sub(&b->users, 1) > 1)
		return;
	for (size_t i = 0; i < b->n; i++)
		free(b->items[i].state);
	free(b);
}

static void discard(made *m)
{
	if (m->restored)
		m->by->discard(m->restored);
	free(m);
}

static void all_made(void *arg)
{
	batch *b = arg;

	if (!b->given_up)
		mo_park_wake(&b->park, 0);
	batch_drop(b);
}

static void discard_on_loop(void *m)
{
	discard(m);
}

/* It will not be taken, or not served. */
static void forgo(made *m)
{
	atomic_fetch_sub(&coming, 1);
	if (!m->restored)
		free(m);
	else
		MO_CHECK(mo_loop_post(m->loop, discard_on_loop, m));
}

/* In a coroutine of the connection's loop. */
static void make(void *arg)
{
	making *i = arg;
	batch *b = i->batch;
	molt_str state = { i->state, i->len };
	int pending = PENDING;
	made *m = i->m;

	m->restored = m->by->restore(m->loop, m->server, state);
	if (!atomic_compare_exchange_strong(&i->outcome, &pending, MADE))
		mo_loop_post(m->loop, discard_on_loop, m); /* it came too late */
	atomic_fetch_sub(&coming, 1);
	if (atomic_fetch_sub(&b->left, 1) == 1)
		mo_loop_post(mo_control_loop(), all_made, b);
	else
		batch_drop(b);
}

/* HTTP/1 gives at most what its buffer holds (movable() in http/h1/h1.c). */
static bool fits(const mo_gen_conn *c, const mo_protocol *proto)
{
	return mo_restorer_of(proto) || c->moving.bytes.len <= MO_LOOP_BUFFER;
}

size_t mo_process_forms(mo_gen_form *out, size_t room)
{
	size_t n = 0;

	for (const mo_protocol *const *p = mo_protocols; *p && n < room; p++)
		if ((*p)->state_form.highest > 0)
			out[n++] = (mo_gen_form){ (*p)->name, (*p)->state_form };
	return n;
}

/* Spread over the loops in turn: at a restart all come at once. */
static mo_loop *next_loop(void)
{
	static unsigned turn;

	return mo_loops_get((int)(turn++ % (unsigned)mo_loops_count()));
}

static made *made_new(const mo_gen_conn *c, const mo_protocol *proto)
{
	made *m = mo_calloc(1, sizeof(*m));

	m->loop = next_loop();
	m->server = find(c->server);
	m->by = mo_restorer_of(proto);
	atomic_fetch_add(&coming, 1);
	return m;
}

static void add_making(batch *b, const mo_gen_conn *c)
{
	making *i = &b->items[b->n++];

	*i = (making){ .batch = b,
		       .m = c->ready,
		       .state = mo_malloc(c->moving.state.len + 1),
		       .len = c->moving.state.len };
	memcpy(i->state, c->moving.state.ptr, i->len);
}

static void wait_made(batch *b)
{
	atomic_init(&b->users, (int)b->n + 1);
	atomic_init(&b->left, (int)b->n);
	for (size_t i = 0; i < b->n; i++) {
		atomic_fetch_add(&coming, 1);
		MO_CHECK(mo_loop_spawn(b->items[i].m->loop, make, &b->items[i]));
	}
	if (b->n == 0 || ends)
		return;
	mo_list_append(&making_batches, &b->node);
	b->given_up = mo_park_wait(&b->park, RESTORE_TIMEOUT) != 0;
	mo_list_remove(&b->node);
}

void mo_process_end_coming(void)
{
	ends = true;
	MO_LIST_EACH (node, &making_batches)
		mo_park_wake(&MO_CONTAINER_OF(node, batch, node)->park, -ECANCELED);
}

/* false: not made, or not in time; it is its loop's to discard then. */
static bool was_made(making *k)
{
	int pending = PENDING;
	made *m = k->m;

	if (atomic_compare_exchange_strong(&k->outcome, &pending, ABANDONED)) {
		atomic_fetch_sub(&coming, 1);
		return false;
	}
	if (m->restored)
		return true;
	forgo(m);
	return false;
}

void mo_process_prepare(mo_gen_conn *c, size_t n, bool *keep)
{
	batch *b = mo_calloc(1, sizeof(*b));
	size_t at = 0;

	for (size_t i = 0; i < n; i++) {
		const mo_protocol *proto = mo_protocol_named(c[i].moving.protocol);
		made *m;

		keep[i] = keep[i] && !ends && proto && fits(&c[i], proto) &&
			  mo_stream_can_unpack(c[i].moving.stream);
		if (!keep[i])
			continue;
		m = made_new(&c[i], proto);
		c[i].ready = m;
		if (m->by)
			add_making(b, &c[i]);
	}
	wait_made(b);
	for (size_t i = 0; i < n; i++) {
		made *m = c[i].ready;

		if (m && m->by)
			keep[i] = was_made(&b->items[at++]);
		/* Meanwhile its server may have begun to end. */
		if (keep[i] && !may_take(m->server)) {
			keep[i] = false;
			forgo(m);
		}
		if (!keep[i])
			c[i].ready = NULL;
	}
	batch_drop(b);
}

typedef struct arrival {
	made *ready;
	mo_stream *stream;
	mo_addr peer;
	molt_time left;
	mo_event **missed;
	size_t nmissed, len;
	char bytes[];
} arrival;

static void adopt(void *arg)
{
	arrival *a = arg;
	made *m = a->ready;
	molt_str bytes = { a->bytes, a->len };

	if (m->by)
		m->by->taken(m->restored, a->missed, a->nmissed);
	if (mo_conn_adopt(m->loop, &m->server->http, a->stream, &a->peer, a->left, bytes,
			  m->by ? m->by->proto : NULL, m->by ? m->by->data(m->restored) : NULL))
		free(m);
	else
		discard(m);
	atomic_fetch_sub(&coming, 1);
	for (size_t i = 0; i < a->nmissed; i++)
		mo_event_unref(a->missed[i]);
	free(a->missed);
	free(a);
}

/* The giver has the answer and no longer serves it, so it is served here even when its
 * server has begun to end, by the rule for all that it has then.  One that has ended has
 * cut the others, too. */
static bool can_serve(const mo_gen_conn *c)
{
	const made *m = c->ready;

	return (m->server->state == MO_SERVER_STARTED || m->server->state == MO_SERVER_DRAINING) &&
	       (!c->deaf || !m->by);
}

void mo_process_take(const mo_gen_conn *c)
{
	made *m = c->ready;
	mo_stream *stream =
		mo_stream_unpack(c->moving.fd, c->moving.stream, m->server->http.lim.tls_key_limit);
	arrival *a;

	MO_CHECK(stream != NULL); /* prepare() has looked */
	if (!can_serve(c)) {
		stream->ops->close(stream);
		forgo(m);
		return;
	}
	a = mo_malloc(sizeof(*a) + c->moving.bytes.len);
	*a = (arrival){ .ready = m,
			.stream = stream,
			.peer = c->moving.peer,
			.left = c->moving.left,
			.nmissed = m->by ? c->nmissed : 0,
			.len = c->moving.bytes.len };
	if (a->len)
		memcpy(a->bytes, c->moving.bytes.ptr, a->len);
	a->missed = mo_calloc(a->nmissed + 1, sizeof(mo_event *));
	for (size_t i = 0; i < a->nmissed; i++)
		a->missed[i] = mo_event_ref(c->missed[i]);
	MO_CHECK(mo_loop_post(m->loop, adopt, a));
}

void mo_process_discard(const mo_gen_conn *c)
{
	forgo(c->ready);
}
