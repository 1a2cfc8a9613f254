/* Connections between gen, which sends them, and the loops, which own them: the
 * host's part of a handover. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/mem.h"
#include "http/conn.h"
#include "web/loops.h"
#include "web/process.h"
#include "web/server.h"

_Static_assert(MO_GEN_BATCH == MO_PACK_MAX, "one pack is one batch");

#define LOOP_TIMEOUT (10 * MOLT_SECOND)

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
					     .bytes = it->bytes };
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

/* A server that has become HTTPS only must not go on in plain text. */
bool mo_process_takes(const char *server)
{
	const molt_server *s = find(server);

	for (size_t i = 0; s && i < s->nendpoints; i++)
		if (!s->endpoints[i].https)
			return true;
	return false;
}

typedef struct arrival {
	mo_loop *loop;
	molt_server *server;
	int fd;
	mo_addr peer;
	molt_time left;
	size_t len;
	char bytes[];
} arrival;

static void adopt(void *arg)
{
	arrival *a = arg;

	mo_conn_adopt(a->loop, &a->server->http, a->fd, &a->peer, a->left,
		      (molt_str){ a->bytes, a->len });
	free(a);
}

/* Spread over the loops in turn: at a restart all come at once. */
void mo_process_take(const mo_gen_conn *c)
{
	static unsigned turn;
	arrival *a = mo_malloc(sizeof(*a) + c->bytes.len);

	*a = (arrival){ .loop = mo_loops_get((int)(turn++ % (unsigned)mo_loops_count())),
			.server = find(c->server),
			.fd = c->fd,
			.peer = c->peer,
			.left = c->left,
			.len = c->bytes.len };
	MO_CHECK(a->server != NULL);
	if (a->len)
		memcpy(a->bytes, c->bytes.ptr, a->len);
	if (!mo_loop_post(a->loop, adopt, a)) {
		close(a->fd);
		free(a);
	}
}
