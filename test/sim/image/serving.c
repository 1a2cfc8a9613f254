/* The connections of a simulated process, on its loops: in the place of src/http and of
 * src/web/run/handover.c, whose rounds (gen/transfer/pack_round.h) are the real ones.
 *
 *   state   event                                next
 *   IDLE    a request can be read                RUNS, as long as the client says
 *   RUNS    its time is over                     the answer; IDLE, or closed
 *   IDLE    packed for the next generation       OUT: nobody touches it
 *   OUT     taken                                gone from here
 *   OUT     not taken                            IDLE; it stays here for good
 *   IDLE    close_idle() and nothing to read     closed
 *   any     cut()                                closed */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"
#include "gen/control.h"
#include "gen/transfer/pack_round.h"
#include "image.h"
#include "rt/park.h"

#define LOOPS 2
#define LISTENERS 2
#define LOOP_TIMEOUT (200 * MOLT_MS)
#define SLICE (20 * MOLT_MS)

typedef struct conn {
	mo_list node;
	int loop, fd;
	sim_conn *client;
	enum { IDLE, RUNS, OUT } state;
	bool stays;      /* it was refused once */
	molt_time until; /* RUNS */
	unsigned record; /* the next number */
} conn;

static struct {
	mo_loop *loop;
	mo_list conns;
	bool accepts;
} loops[LOOPS];
static int count;
static size_t coming;
static enum mo_gen_closing closing;
static mo_rate answered;

/* ---- one connection -------------------------------------------------------------------- */

static conn *add(int loop, int fd, sim_conn *client, unsigned record)
{
	conn *c = mo_calloc(1, sizeof(*c));

	*c = (conn){ .loop = loop, .fd = fd, .client = client, .record = record };
	mo_list_init(&c->node);
	mo_list_append(&loops[loop].conns, &c->node);
	return c;
}

static void forget(conn *c)
{
	mo_list_remove(&c->node);
	sim_fd_close(sim_self(), c->fd);
	free(c);
}

static void end(conn *c)
{
	sim_conn_close(c->client);
	forget(c);
}

static void answer(conn *c)
{
	bool errs = sim_self()->program->errs;

	sim_conn_answer(c->client, c->record++);
	answered.answers++;
	answered.errors += errs;
	c->state = IDLE;
	if (closing == MO_GEN_CLOSE_ALL || (closing == MO_GEN_CLOSE_UNMOVABLE && c->stays))
		end(c);
	else if (closing == MO_GEN_CLOSE_UNMOVABLE)
		mo_control_poke();
}

static void serve(conn *c)
{
	if (c->state == RUNS) {
		answer(c);
		return;
	}
	c->client->unread--;
	c->state = RUNS;
	c->until = mo_now() + c->client->handler;
}

static bool is_due(const conn *c)
{
	return c->state == IDLE ? c->client->unread > 0 : c->state == RUNS && c->until <= mo_now();
}

/* ---- what a loop can do next ------------------------------------------------------------ */

static bool has_client(int loop, int listener)
{
	int fd = loops[loop].accepts ? sim_program_listener(listener) : -1;

	return fd >= 0 && sim_file_readable(sim_fd_of(sim_serving_self(), fd));
}

static unsigned ready(int loop)
{
	unsigned n = 0;

	for (int i = 0; i < LISTENERS; i++)
		n += has_client(loop, i);
	MO_LIST_EACH (node, &loops[loop].conns)
		n += is_due(MO_CONTAINER_OF(node, conn, node));
	return n;
}

static void accept_one(int loop, int listener)
{
	sim_conn *client;
	int fd = sim_accept(sim_program_listener(listener), &client);

	if (fd < 0)
		return;
	sim_conn_serve(client, "accepted", false);
	add(loop, fd, client, client->records);
}

static void serve_piece(int loop, unsigned which)
{
	for (int i = 0; i < LISTENERS; i++)
		if (has_client(loop, i) && which-- == 0) {
			accept_one(loop, i);
			return;
		}
	MO_LIST_EACH (node, &loops[loop].conns) {
		conn *c = MO_CONTAINER_OF(node, conn, node);

		if (is_due(c) && which-- == 0) {
			serve(c);
			return;
		}
	}
}

static molt_time wake(int loop)
{
	molt_time at = INT64_MAX;

	MO_LIST_EACH (node, &loops[loop].conns) {
		const conn *c = MO_CONTAINER_OF(node, conn, node);

		if (c->state == RUNS && c->until < at)
			at = c->until;
	}
	return at;
}

/* ---- all loops --------------------------------------------------------------------------- */

void sim_serving_begin(int n)
{
	for (count = 0; count < n; count++) {
		mo_list_init(&loops[count].conns);
		loops[count].loop = mo_loop_new(count);
		mo_loop_start(loops[count].loop, "loop");
	}
	sim_self()->serving = (sim_serving){ ready, serve_piece, wake };
}

typedef struct barrier {
	void (*fn)(int loop, void *arg);
	void *arg;
	int left, loop;
	mo_loop *waiter;
	mo_park park;
	bool given_up;
} barrier;

typedef struct errand {
	barrier *b;
	int loop;
} errand;

static void wake_waiter(void *arg)
{
	barrier *b = arg;

	if (!b->given_up)
		mo_park_wake(&b->park, 0);
}

static void run_errand(void *arg)
{
	errand *e = arg;
	barrier *b = e->b;

	b->fn(e->loop, b->arg);
	if (--b->left == 0 && b->waiter)
		mo_loop_post(b->waiter, wake_waiter, b);
}

static bool is_done(void *b)
{
	return ((barrier *)b)->left == 0;
}

static bool wait_parked(barrier *b, molt_time timeout, bool (*go_on)(void *arg), void *arg)
{
	molt_time deadline = mo_deadline(timeout);

	while (b->left > 0) {
		molt_time left = mo_left(deadline);

		if (left == 0 || (go_on && !go_on(arg)))
			return false;
		if (mo_park_wait(&b->park, go_on && left > SLICE ? SLICE : left) == 0)
			return true;
	}
	return true;
}

/* A barrier is not freed: a loop that is blocked comes to it late. */
bool sim_on_loops(void (*fn)(int loop, void *arg), void *arg, molt_time timeout,
		  bool (*go_on)(void *arg), void *go_on_arg)
{
	barrier *b = mo_calloc(1, sizeof(*b));
	bool all;

	*b = (barrier){ .fn = fn, .arg = arg, .waiter = mo_co_self() ? mo_loop_self() : NULL };
	for (int i = 0; i < count; i++) {
		errand *e = mo_calloc(1, sizeof(*e));

		*e = (errand){ b, i };
		b->left += mo_loop_post(loops[i].loop, run_errand, e);
	}
	if (!b->waiter)
		return sim_wait(is_done, b, mo_deadline(timeout));
	all = wait_parked(b, timeout, go_on, go_on_arg);
	b->given_up = true;
	return all;
}

void sim_serving_accept(int loop, bool on)
{
	loops[loop].accepts = on;
}

void sim_serving_closing(enum mo_gen_closing which)
{
	closing = which;
}

enum mo_gen_closing sim_serving_is_closing(void)
{
	return closing;
}

mo_gen_load sim_serving_load(void)
{
	mo_gen_load sum = { .connections = coming };

	for (int i = 0; i < count; i++)
		MO_LIST_EACH (node, &loops[i].conns) {
			sum.connections++;
			sum.requests += MO_CONTAINER_OF(node, conn, node)->state == RUNS;
		}
	return sum;
}

void sim_serving_close_idle(int loop)
{
	MO_LIST_EACH (node, &loops[loop].conns) {
		conn *c = MO_CONTAINER_OF(node, conn, node);

		if (c->state == IDLE && c->client->unread == 0)
			end(c);
	}
}

unsigned sim_serving_cut(int loop)
{
	unsigned n = 0;

	MO_LIST_EACH (node, &loops[loop].conns) {
		conn *c = MO_CONTAINER_OF(node, conn, node);

		if (c->state == OUT)
			continue;
		n += c->state == RUNS;
		end(c);
	}
	return n;
}

void sim_serving_stop(void)
{
	for (int i = 0; i < count; i++)
		mo_loop_stop(loops[i].loop);
	for (int i = 0; i < count; i++)
		while (loops[i].loop && !sim_loop_is_ended(loops[i].loop))
			mo_co_sleep(1);
}

mo_rate sim_serving_answered(void)
{
	return answered;
}

/* ---- the giver ------------------------------------------------------------------------------ */

typedef struct pack {
	int loop;
	conn *conns[MO_GEN_BATCH];
	uint64_t state[MO_GEN_BATCH];
} pack;

static mo_gen_batch *pack_loop(void *arg)
{
	int loop = *(int *)arg;
	mo_gen_batch *b = mo_calloc(1, sizeof(*b));
	pack *p = mo_calloc(1, sizeof(*p));

	p->loop = loop;
	b->owner = p;
	MO_LIST_EACH (node, &loops[loop].conns) {
		conn *c = MO_CONTAINER_OF(node, conn, node);

		if (c->state != IDLE || c->stays || b->n == MO_GEN_BATCH)
			continue;
		c->state = OUT;
		sim_conn_pause(c->client);
		p->conns[b->n] = c;
		p->state[b->n] = c->record;
		b->conns[b->n] = (mo_gen_conn){ .server = "s",
						.moving = { .fd = c->fd,
							    .left = MOLT_FOREVER,
							    .protocol = "sim",
							    .state = { (char *)&p->state[b->n],
								       sizeof(uint64_t) } } };
		b->conns[b->n++].moving.peer.u.sa.sa_family = AF_UNIX;
	}
	if (b->n > 0)
		return b;
	free(p);
	free(b);
	return NULL;
}

static void pack_on(int loop, void *round)
{
	mo_round_add((unsigned)(uintptr_t)round, pack_loop, &loop);
}

mo_gen_batch *sim_serving_give(bool (*go_on)(void *arg), void *arg)
{
	unsigned round = mo_round_open();

	sim_on_loops(pack_on, (void *)(uintptr_t)round, LOOP_TIMEOUT, go_on, arg);
	return mo_round_close();
}

static void gave_on_loop(void *batch)
{
	mo_gen_batch *b = batch;
	pack *p = b->owner;

	for (size_t i = 0; i < b->n; i++) {
		conn *c = p->conns[i];

		if (b->conns[i].taken) {
			forget(c);
			continue;
		}
		c->state = IDLE;
		c->stays = !b->conns[i].again;
		sim_conn_serve(c->client, "not taken", true);
	}
}

void sim_serving_gave(mo_gen_batch *b)
{
	MO_CHECK(mo_loop_post(loops[((pack *)b->owner)->loop].loop, gave_on_loop, b));
}

/* ---- the taker ------------------------------------------------------------------------------- */

typedef struct made {
	int loop, fd;
	unsigned record;
} made;

void sim_serving_prepare(mo_gen_conn *c, size_t n, bool *keep)
{
	static unsigned turn;

	for (size_t i = 0; i < n; i++) {
		made *m;
		uint64_t record = 0;

		keep[i] = keep[i] && c[i].moving.state.len == sizeof(record);
		if (!keep[i])
			continue;
		memcpy(&record, c[i].moving.state.ptr, sizeof(record));
		m = mo_calloc(1, sizeof(*m));
		*m = (made){ .loop = (int)(turn++ % (unsigned)count), .record = (unsigned)record };
		c[i].ready = m;
		coming++;
	}
	if (sim_chance(4))
		mo_co_sleep(1 + (molt_time)sim_choice(30));
	for (size_t i = 0; i < n; i++)
		if (keep[i] && !sim_program_may_take()) {
			keep[i] = false;
			sim_serving_discard(&c[i]);
			c[i].ready = NULL;
		}
}

static void adopt(void *arg)
{
	made *m = arg;
	sim_conn *client = sim_conn_of(m->fd);

	sim_conn_serve(client, "taken", false);
	add(m->loop, m->fd, client, m->record);
	coming--;
	free(m);
	if (closing == MO_GEN_CLOSE_UNMOVABLE)
		mo_control_poke();
}

void sim_serving_take(const mo_gen_conn *c)
{
	made *m = c->ready;

	m->fd = c->moving.fd;
	MO_CHECK(mo_loop_post(loops[m->loop].loop, adopt, m));
}

void sim_serving_discard(const mo_gen_conn *c)
{
	coming--;
	free(c->ready);
}
