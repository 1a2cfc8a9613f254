/* Connections between gen, which sends them, and the loops, which own them: the
 * host's part of a handover. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/mem.h"
#include "gen/control.h"
#include "gen/relay.h"
#include "http/conn_internal.h"
#include "rt/park.h"
#include "web/loops.h"
#include "web/process.h"
#include "web/server.h"
#include "web/sse.h"
#include "web/step.h"
#include "web/ws.h"

_Static_assert(MO_GEN_BATCH == MO_PACK_MAX, "one pack is one batch");

#define LOOP_TIMEOUT (10 * MOLT_SECOND)
#define RESTORE_TIMEOUT (5 * MOLT_SECOND)

/* ---- the giver ----------------------------------------------------------------- */

/* What the loops have packed; a loop that was blocked may come late. */
static struct {
	pthread_mutex_t lock;
	mo_gen_batch *first;
} packed = { .lock = PTHREAD_MUTEX_INITIALIZER };

static mo_gen_batch *batch_of(mo_pack *p)
{
	mo_gen_batch *b = mo_calloc(1, sizeof(*b));

	b->owner = p;
	b->n = p->n;
	for (size_t i = 0; i < p->n; i++) {
		const mo_packed *it = &p->items[i];
		const molt_server *s = it->server->owner;

		b->conns[i] = (mo_gen_conn){ .server = s->name,
					     .fd = it->fd,
					     .peer = it->peer,
					     .left = it->left,
					     .bytes = it->bytes,
					     .protocol = it->protocol,
					     .state = it->state,
					     .stream = it->stream };
	}
	return b;
}

static void pack_on(mo_loop *l, void *unused)
{
	mo_pack *p = mo_conns_pack(l);
	mo_gen_batch *b;

	(void)unused;
	if (!p)
		return;
	b = batch_of(p);
	pthread_mutex_lock(&packed.lock);
	b->next = packed.first;
	packed.first = b;
	pthread_mutex_unlock(&packed.lock);
}

mo_gen_batch *mo_process_give(void)
{
	mo_gen_batch *all;

	mo_loops_run(pack_on, NULL, LOOP_TIMEOUT);
	pthread_mutex_lock(&packed.lock);
	all = packed.first;
	packed.first = NULL;
	pthread_mutex_unlock(&packed.lock);
	return all;
}

static void gave_on(void *pack)
{
	mo_conns_gave(pack);
}

void mo_process_gave(mo_gen_batch *b)
{
	mo_pack *p = b->owner;

	for (size_t i = 0; i < b->n; i++)
		p->items[i].taken = b->conns[i].taken;
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
	for (molt_server *s = mo_servers(); s; s = s->next)
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

/* What a connection of another protocol than HTTP/1 became here. */
typedef struct made {
	mo_loop *loop;
	const mo_protocol *proto;
	molt_ws *ws;
	mo_web_sse *sse;
	mo_web_step *step;
} made;

enum outcome { PENDING, MADE, ABANDONED };

/* One connection being made ready on its loop.  Owned by the batch; the last of
 * loop and control thread to touch the batch frees it. */
typedef struct making {
	struct batch *batch;
	molt_server *server;
	made *m;
	char *state;
	size_t len;
	_Atomic int outcome;
} making;

typedef struct batch {
	_Atomic int users, left;
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
	if (m->ws)
		mo_web_ws_abandon(m->ws);
	if (m->sse)
		mo_web_sse_free(m->sse);
	if (m->step)
		mo_web_step_free(m->step);
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

/* In a coroutine of the connection's loop. */
static void make(void *arg)
{
	making *i = arg;
	batch *b = i->batch;
	molt_str state = { i->state, i->len };
	int pending = PENDING;
	made *m = i->m;

	if (m->proto == &mo_protocol_ws)
		m->ws = mo_web_ws_restore(m->loop, i->server, state);
	else if (m->proto == &mo_protocol_step)
		m->step = mo_web_step_restore(m->loop, i->server, state);
	else
		m->sse = mo_web_sse_restore(m->loop, &i->server->http.lim, state);
	if (!atomic_compare_exchange_strong(&i->outcome, &pending, MADE))
		mo_loop_post(m->loop, discard_on_loop, m); /* it came too late */
	if (atomic_fetch_sub(&b->left, 1) == 1)
		mo_loop_post(mo_control_loop(), all_made, b);
	else
		batch_drop(b);
}

static const mo_protocol *protocol_of(const char *name)
{
	static const mo_protocol *const all[] = { &mo_protocol_h1, &mo_protocol_ws,
						  &mo_protocol_sse, &mo_protocol_step };

	for (size_t i = 0; i < MO_COUNTOF(all); i++)
		if (strcmp(all[i]->name, name) == 0)
			return all[i];
	return NULL;
}

/* Spread over the loops in turn: at a restart all come at once. */
static mo_loop *next_loop(void)
{
	static unsigned turn;

	return mo_loops_get((int)(turn++ % (unsigned)mo_loops_count()));
}

static void add_making(batch *b, mo_gen_conn *c, const mo_protocol *proto)
{
	making *i = &b->items[b->n++];

	*i = (making){ .batch = b,
		       .server = find(c->server),
		       .m = mo_calloc(1, sizeof(made)),
		       .state = mo_malloc(c->state.len + 1),
		       .len = c->state.len };
	memcpy(i->state, c->state.ptr, c->state.len);
	i->m->loop = next_loop();
	i->m->proto = proto;
	c->ready = i->m;
}

static void wait_made(batch *b)
{
	atomic_init(&b->users, (int)b->n + 1);
	atomic_init(&b->left, (int)b->n);
	for (size_t i = 0; i < b->n; i++)
		MO_CHECK(mo_loop_spawn(b->items[i].m->loop, make, &b->items[i]));
	if (b->n > 0)
		b->given_up = mo_park_wait(&b->park, RESTORE_TIMEOUT) != 0;
}

void mo_process_prepare(mo_gen_conn *c, size_t n, bool *keep)
{
	batch *b = mo_calloc(1, sizeof(*b));
	size_t at = 0;

	for (size_t i = 0; i < n; i++) {
		const mo_protocol *proto = protocol_of(c[i].protocol);

		keep[i] = keep[i] && proto && mo_stream_can_unpack(c[i].stream);
		if (keep[i] && proto != &mo_protocol_h1)
			add_making(b, &c[i], proto);
	}
	wait_made(b);
	for (size_t i = 0; i < n; i++) {
		int pending = PENDING;
		making *k;

		if (!c[i].ready)
			continue;
		k = &b->items[at++];
		if (atomic_compare_exchange_strong(&k->outcome, &pending, ABANDONED)) {
			keep[i] = false; /* its loop discards it */
			c[i].ready = NULL;
		} else if (!k->m->ws && !k->m->sse && !k->m->step) {
			keep[i] = false;
			free(k->m);
			c[i].ready = NULL;
		}
	}
	batch_drop(b);
}

typedef struct arrival {
	mo_loop *loop;
	molt_server *server;
	made *ready; /* NULL: HTTP/1 */
	mo_stream *stream;
	mo_addr peer;
	molt_time left;
	mo_event **missed;
	size_t nmissed, len;
	char bytes[];
} arrival;

static void adopt_made(arrival *a, molt_str bytes)
{
	made *m = a->ready;
	void *data;

	/* What it missed goes behind the output and the events that it brought along. */
	if (m->ws) {
		data = m->ws->s;
		mo_web_ws_taken(m->ws, a->missed, a->nmissed);
	} else if (m->step) {
		data = m->step->wait;
		mo_web_step_taken(m->step, a->missed, a->nmissed);
	} else {
		data = mo_web_sse_stream(m->sse);
		mo_web_sse_taken(m->sse, a->missed, a->nmissed);
	}
	if (mo_conn_adopt(a->loop, &a->server->http, a->stream, &a->peer, a->left, bytes, m->proto,
			  data))
		free(m);
	else
		discard(m);
}

static void adopt(void *arg)
{
	arrival *a = arg;
	molt_str bytes = { a->bytes, a->len };

	if (a->ready)
		adopt_made(a, bytes);
	else
		mo_conn_adopt(a->loop, &a->server->http, a->stream, &a->peer, a->left, bytes, NULL,
			      NULL);
	for (size_t i = 0; i < a->nmissed; i++)
		mo_event_unref(a->missed[i]);
	free(a->missed);
	free(a);
}

void mo_process_take(const mo_gen_conn *c)
{
	arrival *a = mo_malloc(sizeof(*a) + c->bytes.len);
	made *m = c->ready;

	*a = (arrival){ .loop = m ? m->loop : next_loop(),
			.server = find(c->server),
			.ready = m,
			.peer = c->peer,
			.left = c->left,
			.nmissed = m ? c->nmissed : 0,
			.len = c->bytes.len };
	MO_CHECK(a->server != NULL);
	a->stream = mo_stream_unpack(c->fd, c->stream, a->server->http.lim.tls_key_limit);
	MO_CHECK(a->stream != NULL); /* prepare() has looked */
	if (a->len)
		memcpy(a->bytes, c->bytes.ptr, a->len);
	a->missed = mo_calloc(a->nmissed + 1, sizeof(mo_event *));
	for (size_t i = 0; i < a->nmissed; i++)
		a->missed[i] = mo_event_ref(c->missed[i]);
	MO_CHECK(mo_loop_post(a->loop, adopt, a));
}
