/* Counts that go on from generation to generation; see totals.h. */
#include "gen/totals.h"

#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "gen/messages.h"
#include "gen/self.h"

/* base: {server: [count ...]}; live: {process: the same}; ended: {process: true}. */
static struct {
	pthread_mutex_t lock;
	json_t *base, *live, *ended;
} t = { .lock = PTHREAD_MUTEX_INITIALIZER };

static void lock(void)
{
	pthread_mutex_lock(&t.lock);
	if (t.base)
		return;
	t.base = json_object();
	t.live = json_object();
	t.ended = json_object();
}

static void unlock(void)
{
	pthread_mutex_unlock(&t.lock);
}

void mo_totals_name(char name[32], unsigned generation, int pid)
{
	snprintf(name, 32, "%u.%d", generation, pid);
}

static const char *own_name(void)
{
	static char name[32]; /* of the control thread */

	mo_totals_name(name, mo_self_generation(), (int)getpid());
	return name;
}

/* ---- what a neighbour tells -------------------------------------------------- */

/* A count, as an unsigned number, for sums that wrap instead of overflowing. */
static uint64_t number(const json_t *counts, size_t i)
{
	json_int_t n = json_integer_value(json_array_get(counts, i));

	return n < 0 ? 0 : (uint64_t)n;
}

/* The counts of one process as this program would have written them: numbers, of a
 * limited number of servers. */
static json_t *clean_process(json_t *from)
{
	json_t *out = json_object(), *counts;
	const char *server;

	json_object_foreach (from, server, counts) {
		json_t *list = json_array();

		for (size_t i = 0; i < json_array_size(counts) && i < MO_TOTALS_COUNTS; i++)
			json_array_append_new(list, json_integer((json_int_t)number(counts, i)));
		json_object_set_new(out, server, list);
		if (json_object_size(out) == MO_TOTALS_SERVERS)
			break;
	}
	return out;
}

/* a[i] += b[i], for as many as b has. */
static void add_counts(json_t *a, const json_t *b)
{
	for (size_t i = 0; i < json_array_size(b); i++) {
		json_int_t n = (json_int_t)((number(a, i) + number(b, i)) & INT64_MAX);

		if (i < json_array_size(a))
			json_array_set_new(a, i, json_integer(n));
		else
			json_array_append_new(a, json_integer(n));
	}
}

static void add_servers(json_t *to, json_t *from)
{
	const char *server;
	json_t *counts;

	json_object_foreach (from, server, counts) {
		json_t *sum = json_object_get(to, server);

		if (!sum) {
			sum = json_array();
			json_object_set_new(to, server, sum);
		}
		add_counts(sum, counts);
	}
}

/* Those that have ended need no entry of their own any more: a successor replaces
 * all that it knows by the offer, and our predecessor has ended before us. */
static void fold(void)
{
	const char *name;
	json_t *yes;
	void *next;

	json_object_foreach_safe(t.ended, next, name, yes)
	{
		json_t *counts = json_object_get(t.live, name);

		if (!counts)
			continue;
		add_servers(t.base, counts);
		json_object_del(t.live, name);
	}
	json_object_clear(t.ended);
}

json_t *mo_totals_offer(const mo_gen_host *h)
{
	json_t *own = h->counted(), *live, *base;

	lock();
	fold();
	base = json_deep_copy(t.base);
	live = json_deep_copy(t.live);
	unlock();
	json_object_set_new(live, own_name(), own);
	return mo_message_new(MO_MSG_TOTALS, "{s:o, s:o}", "base", base, "live", live);
}

json_t *mo_totals_news(const mo_gen_host *h, bool live)
{
	json_t *all = json_object();

	if (live) {
		lock();
		json_object_update(all, t.live);
		unlock();
	}
	json_object_set_new(all, own_name(), h->counted());
	return mo_message_new(MO_MSG_COUNTS, "{s:o}", "live", all);
}

/* A name that nobody has told yet is that of one more process, of which there are few. */
static bool may_add(const char *name)
{
	if (json_object_get(t.live, name))
		return true;
	if (json_object_size(t.live) >= MO_TOTALS_PROCESSES)
		fold();
	return json_object_size(t.live) < MO_TOTALS_PROCESSES && strlen(name) < 32;
}

static void take_live(json_t *live, const char *but)
{
	const char *name;
	json_t *counts;

	json_object_foreach (live, name, counts) {
		if (json_is_object(counts) && strcmp(name, but) != 0 && may_add(name))
			json_object_set_new(t.live, name, clean_process(counts));
	}
}

void mo_totals_arrive(const json_t *offer)
{
	json_t *base = json_object_get(offer, "base"), *live = json_object_get(offer, "live");

	if (!json_is_object(base) || !json_is_object(live))
		return;
	lock();
	json_decref(t.base);
	t.base = clean_process(base);
	json_object_clear(t.live);
	take_live(live, "");
	unlock();
}

void mo_totals_put(const json_t *news)
{
	lock();
	take_live(json_object_get(news, "live"), own_name());
	unlock();
}

int mo_totals_hear_counts(void *unused, mo_wire_msg *m)
{
	(void)unused;
	mo_totals_put(m->body);
	return 0;
}

int mo_totals_hear(void *unused, mo_wire_msg *m)
{
	(void)unused;
	mo_totals_arrive(m->body);
	return 0;
}

void mo_totals_end(const char *name)
{
	lock();
	json_object_set_new(t.ended, name, json_true());
	unlock();
}

static void sum_up(json_t *servers, const char *server, uint64_t *sum, size_t n)
{
	json_t *counts = json_object_get(servers, server);

	for (size_t i = 0; i < n; i++)
		sum[i] += number(counts, i);
}

void mo_totals_add(const char *server, uint64_t *sum, size_t n)
{
	const char *name;
	json_t *counts;

	lock();
	sum_up(t.base, server, sum, n);
	json_object_foreach (t.live, name, counts)
		sum_up(counts, server, sum, n);
	unlock();
}
