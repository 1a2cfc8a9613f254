/* Counts that go on from generation to generation; see counter_ledger.h. */
#include "gen/transfer/counter_ledger.h"

#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "gen/self.h"
#include "gen/wire/messages.h"
#include "gen/wire/series.h"

/* base: {server: series}; live: {process: the same}; ended: {process: true}. */
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

void mo_ledger_name(char name[32], unsigned generation, int pid)
{
	snprintf(name, 32, "%u.%d", generation, pid);
}

static const char *own_name(void)
{
	static char name[32]; /* of the control thread */

	mo_ledger_name(name, mo_self_generation(), (int)getpid());
	return name;
}

/* ---- what a neighbour tells -------------------------------------------------- */

/* Releases before the series told counts by their place; both sides still do. */
static const char *const by_place[] = { "requests",    "connections", "answers_1xx", "answers_2xx",
					"answers_3xx", "answers_4xx", "answers_5xx" };

static json_t *from_places(const json_t *list)
{
	json_t *series = json_object(), *counts = json_object();

	for (size_t i = 0; i < json_array_size(list) && i < MO_COUNTOF(by_place); i++)
		json_object_set(counts, by_place[i], json_array_get(list, i));
	mo_series_add(series, counts, false);
	json_decref(counts);
	return series;
}

/* {server: series} to {server: [count ...]}. */
static json_t *to_places(json_t *servers)
{
	json_t *out = json_object(), *series;
	const char *server;

	json_object_foreach (servers, server, series) {
		json_t *list = json_array();

		for (size_t i = 0; i < MO_COUNTOF(by_place); i++)
			json_array_append_new(list, json_integer((json_int_t)mo_series_number(
							    series, by_place[i])));
		json_object_set_new(out, server, list);
	}
	return out;
}

/* The counts of one process as this program would have written them, of a limited number
 * of servers.  series: NULL from a release that has none. */
static json_t *clean_process(json_t *places, json_t *series)
{
	json_t *out = json_object(), *one;
	const char *server;

	json_object_foreach (series ? series : places, server, one) {
		if (json_object_size(out) == MO_LEDGER_SERVERS)
			break;
		json_object_set_new(out, server, series ? mo_series_clean(one) : from_places(one));
	}
	return out;
}

static void add_servers(json_t *to, json_t *from)
{
	const char *server;
	json_t *series;

	json_object_foreach (from, server, series) {
		json_t *sum = json_object_get(to, server);

		if (!sum) {
			sum = json_object();
			json_object_set_new(to, server, sum);
		}
		mo_series_add(sum, series, true);
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

/* Of each process. */
static json_t *all_to_places(json_t *live)
{
	json_t *out = json_object(), *servers;
	const char *name;

	json_object_foreach (live, name, servers)
		json_object_set_new(out, name, to_places(servers));
	return out;
}

json_t *mo_ledger_offer(const mo_gen_host *h)
{
	json_t *own = h->counted(), *live, *base;

	lock();
	fold();
	base = json_deep_copy(t.base);
	live = json_deep_copy(t.live);
	unlock();
	json_object_set_new(live, own_name(), own);
	return mo_message_new(MO_MSG_TOTALS, "{s:o, s:o, s:o, s:o}", "base", to_places(base),
			      "live", all_to_places(live), "base_series", base, "live_series",
			      live);
}

json_t *mo_ledger_news(const mo_gen_host *h, bool live)
{
	json_t *all = json_object();

	if (live) {
		lock();
		json_object_update(all, t.live);
		unlock();
	}
	json_object_set_new(all, own_name(), h->counted());
	return mo_message_new(MO_MSG_COUNTS, "{s:o, s:o}", "live", all_to_places(all),
			      "live_series", all);
}

/* A name that nobody has told yet is that of one more process, of which there are few. */
static bool may_add(const char *name)
{
	if (json_object_get(t.live, name))
		return true;
	if (json_object_size(t.live) >= MO_LEDGER_PROCESSES)
		fold();
	return json_object_size(t.live) < MO_LEDGER_PROCESSES && strlen(name) < 32;
}

static void take_live(const json_t *told, const char *but)
{
	json_t *series = json_object_get(told, "live_series"), *counts;
	const char *name;

	json_object_foreach (json_object_get(told, "live"), name, counts) {
		if (json_is_object(counts) && strcmp(name, but) != 0 && may_add(name))
			json_object_set_new(t.live, name,
					    clean_process(counts, json_object_get(series, name)));
	}
}

void mo_ledger_arrive(const json_t *offer)
{
	json_t *base = json_object_get(offer, "base");

	if (!json_is_object(base) || !json_is_object(json_object_get(offer, "live")))
		return;
	lock();
	json_decref(t.base);
	t.base = clean_process(base, json_object_get(offer, "base_series"));
	json_object_clear(t.live);
	take_live(offer, "");
	unlock();
}

void mo_ledger_put(const json_t *news)
{
	lock();
	take_live(news, own_name());
	unlock();
}

int mo_ledger_hear_counts(void *unused, mo_wire_msg *m)
{
	(void)unused;
	mo_ledger_put(m->body);
	return 0;
}

int mo_ledger_hear(void *unused, mo_wire_msg *m)
{
	(void)unused;
	mo_ledger_arrive(m->body);
	return 0;
}

void mo_ledger_end(const char *name)
{
	lock();
	json_object_set_new(t.ended, name, json_true());
	unlock();
}

void mo_ledger_add(const char *server, json_t *sum)
{
	const char *name;
	json_t *servers;

	lock();
	mo_series_add(sum, json_object_get(t.base, server), false);
	json_object_foreach (t.live, name, servers)
		mo_series_add(sum, json_object_get(servers, server), false);
	unlock();
}
