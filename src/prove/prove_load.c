/* The thread of the load and its counts; see prove_load.h. */
#include "prove/prove_load.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "prove/prove_client.h"

const char *mo_fault_name(enum mo_fault f)
{
	static const char *const names[] = { "connect",      "handshake",         "fresh_reset",
					     "reused_reset", "eof_before_answer", "partial",
					     "bad_status",   "mixed_up",          "broken",
					     "timeout" };

	return names[f];
}

int64_t mo_load_now(void)
{
	return (int64_t)(uv_hrtime() / 1000);
}

/* xorshift64*: pauses need no better one. */
uint64_t mo_load_random(mo_load *l, uint64_t below)
{
	l->random ^= l->random >> 12;
	l->random ^= l->random << 25;
	l->random ^= l->random >> 27;
	return (l->random * 2685821657736338717ull >> 16) % below;
}

/* ---- the thread ------------------------------------------------------------------ */

static void close_client(mo_client *c)
{
	mo_client_drop(c, false);
	uv_close((uv_handle_t *)&c->timer, NULL);
}

static void close_all(mo_load *l)
{
	for (unsigned i = 0; i < l->n_clients; i++)
		close_client(&l->clients[i]);
	uv_close((uv_handle_t *)&l->watch, NULL);
	uv_close((uv_handle_t *)&l->turn, NULL);
	uv_close((uv_handle_t *)&l->wake, NULL);
}

static bool is_late(const mo_client *c, int64_t now)
{
	return c->busy && now - c->started - c->pause > MO_LOAD_TIMEOUT;
}

/* Every 50 ms, and when the end is asked for. */
static void look(mo_load *l)
{
	int64_t now = mo_load_now();
	unsigned busy = 0;

	for (unsigned i = 0; i < l->n_clients; i++) {
		if (is_late(&l->clients[i], now))
			mo_client_fail(&l->clients[i], MO_FAULT_TIMEOUT);
		busy += l->clients[i].busy;
	}
	/* No request begins any more, and those under way end, or are late. */
	if (atomic_load(&l->stop_asked))
		l->stopping = true;
	if (l->stopping && (busy == 0 || atomic_load(&l->abandoned)))
		close_all(l);
}

/* Before each poll: what was ready before it is seen in the turn that begins. */
static void on_turn(uv_prepare_t *t)
{
	mo_load *l = t->data;
	int64_t ended = atomic_load(&l->kill_ended);

	if (ended != l->kill_seen)
		l->turns = 0;
	l->turns++;
	l->kill_seen = ended;
}

/* Of a kill that no turn has seen to its end yet: none. */
unsigned mo_load_turns_since_kill(const mo_load *l)
{
	return atomic_load(&l->kill_ended) == l->kill_seen ? l->turns : 0;
}

static void on_watch(uv_timer_t *t)
{
	mo_load *l = t->data;

	if (!uv_is_closing((uv_handle_t *)&l->watch))
		look(l);
}

static void on_wake(uv_async_t *a)
{
	on_watch(&((mo_load *)a->data)->watch);
}

static void *run(void *arg)
{
	mo_load *l = arg;

	uv_timer_start(&l->watch, on_watch, 50, 50);
	uv_prepare_start(&l->turn, on_turn);
	/* Not all at the same instant: the queue of connections is finite. */
	for (unsigned i = 0; i < l->n_clients; i++)
		uv_timer_start(&l->clients[i].timer,
			       l->clients[i].crowd->work == MO_WORK_WS ? mo_wsc_next
								       : mo_client_next,
			       i / 16, 0);
	uv_run(&l->loop, UV_RUN_DEFAULT);
	return NULL;
}

/* Signals are the main thread's. */
static void start_thread(mo_load *l)
{
	sigset_t all, before;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	if (pthread_create(&l->thread, NULL, run, l) != 0)
		MO_DIE("the system gives no thread");
	pthread_sigmask(SIG_SETMASK, &before, NULL);
}

/* ---- from outside ----------------------------------------------------------------- */

static void add_clients(mo_load *l)
{
	unsigned n = 0;

	for (unsigned k = 0; k < l->n_crowds; k++) {
		for (unsigned i = 0; i < l->crowds[k].clients; i++, n++) {
			mo_client *c = &l->clients[n];

			c->load = l;
			c->crowd = &l->crowds[k];
			c->count = &l->counts[k];
			c->number = n;
			uv_timer_init(&l->loop, &c->timer);
			c->timer.data = c;
		}
	}
}

mo_load *mo_load_start(const mo_crowd *crowds, unsigned n)
{
	mo_load *l = mo_calloc(1, sizeof(*l));

	l->n_crowds = n;
	l->crowds = mo_calloc(n, sizeof(*crowds));
	memcpy(l->crowds, crowds, n * sizeof(*crowds));
	l->counts = mo_calloc(n, sizeof(*l->counts));
	for (unsigned k = 0; k < n; k++)
		l->n_clients += crowds[k].clients;
	l->clients = mo_calloc(l->n_clients ? l->n_clients : 1, sizeof(*l->clients));
	l->input = mo_malloc(MO_LOAD_INPUT);
	l->random = uv_hrtime() | 1;
	if (uv_loop_init(&l->loop) != 0 || uv_async_init(&l->loop, &l->wake, on_wake) != 0)
		MO_DIE("the system gives no event loop");
	uv_timer_init(&l->loop, &l->watch);
	uv_prepare_init(&l->loop, &l->turn);
	l->watch.data = l->wake.data = l->turn.data = l;
	add_clients(l);
	start_thread(l);
	return l;
}

void mo_load_kill_begins(mo_load *l)
{
	atomic_store(&l->back, 0);
	atomic_store(&l->kill_ended, 0);
	atomic_store(&l->kill_began, mo_load_now());
}

void mo_load_kill_ended(mo_load *l)
{
	atomic_store(&l->kill_ended, mo_load_now());
}

int64_t mo_load_back_after(mo_load *l)
{
	int64_t back = atomic_load(&l->back);

	return back ? back - atomic_load(&l->kill_began) : -1;
}

bool mo_load_warm(mo_load *l)
{
	return atomic_load(&l->warm);
}

void mo_load_glance(mo_load *l, uint64_t *ok, uint64_t *failed)
{
	*ok = atomic_load(&l->ok);
	*failed = atomic_load(&l->failed);
}

void mo_load_stop(mo_load *l)
{
	atomic_store(&l->stop_asked, true);
	uv_async_send(&l->wake);
	pthread_join(l->thread, NULL);
	MO_CHECK(uv_loop_close(&l->loop) == 0);
}

void mo_load_abandon(mo_load *l)
{
	atomic_store(&l->abandoned, true);
	mo_load_stop(l);
	mo_load_free(l);
}

const mo_load_count *mo_load_counted(const mo_load *l, unsigned crowd)
{
	MO_CHECK(crowd < l->n_crowds);
	return &l->counts[crowd];
}

const char *mo_load_example(const mo_load *l, unsigned i)
{
	return i < MO_LOAD_EXAMPLES ? l->examples[i] : NULL;
}

void mo_load_free(mo_load *l)
{
	for (unsigned i = 0; i < l->n_clients; i++) {
		mo_buf_free(&l->clients[i].out);
		mo_buf_free(&l->clients[i].body);
		mo_reply_free(&l->clients[i].reply);
	}
	for (unsigned i = 0; i < MO_LOAD_EXAMPLES; i++)
		free(l->examples[i]);
	free(l->clients);
	free(l->counts);
	free(l->crowds);
	free(l->input);
	free(l);
}

uint64_t mo_load_failed(const mo_load_count *c)
{
	uint64_t sum = 0;

	for (int f = 0; f < MO_FAULTS; f++)
		sum += c->failed[f];
	return sum;
}

void mo_load_add(mo_load_count *sum, const mo_load_count *c)
{
	sum->requests += c->requests;
	sum->ok += c->ok;
	for (int f = 0; f < MO_FAULTS; f++)
		sum->failed[f] += c->failed[f];
	sum->inside += c->inside;
	sum->cut += c->cut;
	sum->reopened += c->reopened;
	sum->stalls += c->stalls;
	if (c->longest > sum->longest)
		sum->longest = c->longest;
}
