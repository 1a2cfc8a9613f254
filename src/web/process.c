/* The process as one service; see process.h. */
#include "web/process.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/sized.h"
#include "config/config_keys.h"
#include "gen/control.h"
#include "gen/drain/elders.h"
#include "gen/engine/engine.h"
#include "gen/os/pidfd.h"
#include "gen/os/preflight.h"
#include "gen/new/previous.h"
#include "gen/receipt/receipt.h"
#include "gen/engine/request.h"
#include "gen/self.h"
#include "gen/wire/series.h"
#include "gen/os/start.h"
#include "gen/new/successor.h"
#include "gen/transfer/totals.h"
#include "gen/join/uplink.h"
#include "http/memory.h"
#include "rt/park.h"
#include "rt/pool.h"
#include "web/loops.h"
#include "web/server.h"
#include "web/server_start.h"
#include "web/topic.h"

#ifndef MO_VERSION
#error "the build defines MO_VERSION"
#endif
_Static_assert(MOLT_VERSION_NUMBER == MO_VERSION_NUMBER,
	       "molt.h and meson.build name different versions");

#define START_GRACE (5 * MOLT_SECOND)
#define EACH_SERVER(s) for (molt_server *s = mo_servers(); s; s = s->next)

/* ---- what gen asks -------------------------------------------------------------- */

static const char *restartable(void)
{
	EACH_SERVER (s)
		if (s->state == MO_SERVER_STARTED && s->set.graceful)
			return NULL;
	return "graceful restart is off; switch it on by graceful: true or "
	       "molt_server_set_graceful()";
}

/* Does its configuration count for the process?  One that was not started has none,
 * and the library's own have the defaults. */
static bool speaks(const molt_server *s)
{
	return !s->internal && s->state != MO_SERVER_NEW;
}

/* What counts for the process of a key that its servers say differently (the key's join).
 * When nobody says something: what is least of a largest, and most of a least. */
static int64_t joined(size_t offset)
{
	const mo_key *k = mo_key_at(MO_KEY_SERVER, offset);
	int64_t v = k->join == MO_JOIN_LEAST ? INT64_MAX : 0;

	EACH_SERVER (s)
		if (speaks(s))
			v = mo_key_join(k, v, mo_key_number(k, &s->set));
	return v;
}

#define JOINED(member) joined(offsetof(mo_settings, member))

static void preflight(mo_preflight *checks)
{
	int64_t memory = JOINED(preflight_memory);

	checks->owner &= JOINED(preflight_owner) != 0;
	checks->descriptors &= JOINED(preflight_descriptors) != 0;
	if (memory != INT64_MAX)
		checks->memory = memory;
}

static size_t listeners(mo_gen_listener *out, size_t max)
{
	size_t n = 0;

	EACH_SERVER (s) {
		if (s->state != MO_SERVER_STARTED)
			continue;
		for (size_t i = 0; i < s->nendpoints; i++) {
			mo_listener *l = s->endpoints[i].listener;

			if (l && n++ < max)
				out[n - 1] = (mo_gen_listener){ s->name, l };
		}
	}
	return n;
}

static void accept_all(bool on)
{
	EACH_SERVER (s)
		mo_start_accept(s, on);
}

static void retire_on(mo_loop *l, void *server)
{
	mo_conns_retire(l, server);
}

static void set_closing(enum mo_gen_closing which)
{
	static const int as_http[] = { MO_CLOSING_NONE, MO_CLOSING_UNMOVABLE, MO_CLOSING_ALL };

	EACH_SERVER (s) {
		if (which != MO_GEN_CLOSE_ALL)
			atomic_store(&s->http.replaced, which != MO_GEN_CLOSE_NONE);
		atomic_store(&s->http.closing, as_http[which]);
	}
}

/* What waits for no request is told; a loop that is blocked learns it late. */
static void announce_close(enum mo_gen_closing which)
{
	set_closing(which);
	mo_loops_run(retire_on, NULL, MOLT_SECOND);
}

static void leave(void)
{
	EACH_SERVER (s)
		if (s->state == MO_SERVER_STARTED)
			s->state = MO_SERVER_DRAINING;
}

static void come_back(void)
{
	set_closing(MO_GEN_CLOSE_NONE);
	EACH_SERVER (s)
		if (s->state == MO_SERVER_DRAINING)
			s->state = MO_SERVER_STARTED;
}

static size_t undrop(void)
{
	size_t missing = 0;

	EACH_SERVER (s)
		if (s->state == MO_SERVER_STARTED)
			missing += mo_start_undrop(s);
	return missing;
}

static void close_own(void)
{
	EACH_SERVER (s)
		mo_start_close_own(s);
}

static void drop(const char *server, const char *text)
{
	EACH_SERVER (s)
		if (strcmp(s->name, server) == 0)
			mo_start_drop_listener(s, text);
}

/* A signal may come while main() still starts a server: its acceptors would be made
 * when the loops are at their end. */
static void close_listeners(bool remove_paths)
{
	molt_time deadline = mo_deadline(START_GRACE);

	while (mo_start_under_way() && mo_left(deadline) > 0)
		mo_co_sleep(1);
	EACH_SERVER (s) {
		if (s->state != MO_SERVER_STARTED && s->state != MO_SERVER_DRAINING)
			continue;
		mo_start_close_listeners(s, remove_paths);
		s->state = MO_SERVER_DRAINING;
	}
}

static mo_gen_load load(void)
{
	mo_gen_load sum = { .connections = mo_process_coming() };

	EACH_SERVER (s) {
		sum.connections += (size_t)atomic_load(&s->http.connections);
		sum.requests += (size_t)mo_http_counted(&s->http).requests;
	}
	return sum;
}

static void close_idle_on(mo_loop *l, void *server)
{
	mo_conns_close_idle(l, server);
}

static void close_idle(void)
{
	mo_loops_run(close_idle_on, NULL, MOLT_SECOND);
}

static _Atomic unsigned cut_count;

static void cut_on(mo_loop *l, void *server)
{
	atomic_fetch_add(&cut_count, mo_conns_cut(l, server));
}

static unsigned cut(void)
{
	atomic_store(&cut_count, 0);
	mo_loops_run(cut_on, NULL, MOLT_SECOND);
	return atomic_load(&cut_count);
}

static bool stop(molt_time grace)
{
	molt_time deadline = mo_deadline(grace);

	mo_process_end_coming();
	for (;;) {
		mo_gen_load now = load();

		if (now.connections == 0 && now.requests == 0)
			break;
		if (mo_left(deadline) == 0)
			return false;
		mo_co_sleep(2);
	}
	mo_loops_stop();
	return true;
}

#define PROCESS_TIME(member)                                                                       \
	static molt_time member(void)                                                              \
	{                                                                                          \
		return JOINED(member);                                                             \
	}
PROCESS_TIME(bake_time)
PROCESS_TIME(bake_silence)
PROCESS_TIME(drain_timeout)
PROCESS_TIME(shutdown_timeout)
PROCESS_TIME(ready_timeout)
PROCESS_TIME(probe_timeout)

static int64_t max_generations(void)
{
	return JOINED(max_generations);
}

static mo_rate answered(void)
{
	mo_rate sum = { 0 };

	EACH_SERVER (s) {
		mo_http_sum n;

		if (s->internal)
			continue;
		n = mo_http_counted(&s->http);
		for (int i = 2; i <= 5; i++)
			sum.answers += n.by_class[i];
		sum.errors += n.by_class[5];
	}
	return sum;
}

/* The most careful of all servers. */
static mo_budget budget(void)
{
	mo_budget b = { 0 };

	EACH_SERVER (s) {
		if (!speaks(s) || s->set.bake_error_share == 0)
			continue;
		if (b.share == 0 || s->set.bake_error_share < b.share)
			b.share = s->set.bake_error_share;
		if (b.min == 0 || s->set.bake_error_min < b.min)
			b.min = s->set.bake_error_min;
	}
	return b;
}

static int reopen(void)
{
	int a = mo_log_reopen(), b = mo_access_log_reopen();

	return a ? a : b;
}

static void log_listening(const char *verb)
{
	EACH_SERVER (s)
		if (s->state == MO_SERVER_STARTED)
			mo_start_log_listening(s, verb);
}

static const char *const answers_of[] = { NULL,          "answers_1xx", "answers_2xx",
					  "answers_3xx", "answers_4xx", "answers_5xx" };

/* What is counted of a server and goes on from generation to generation, by name. */
static json_t *series_of(const molt_server *s)
{
	mo_http_sum sum = mo_http_counted(&s->http);
	json_t *out = json_object();

	mo_series_set_sum(out, "requests", sum.total_requests);
	mo_series_set_sum(out, "connections", (uint64_t)atomic_load(&s->http.total_connections));
	for (int i = 1; i <= 5; i++)
		mo_series_set_sum(out, answers_of[i], sum.by_class[i]);
	mo_series_set_gauge(out, "open_connections", (uint64_t)atomic_load(&s->http.connections));
	mo_series_set_gauge(out, "running_requests", (uint64_t)sum.requests);
	return out;
}

static json_t *counted(void)
{
	json_t *all = json_object();

	EACH_SERVER (s)
		json_object_set_new(all, s->name, series_of(s));
	return all;
}

static const mo_gen_host host = {
	.restartable = restartable,
	.preflight = preflight,
	.listeners = listeners,
	.probes = mo_process_probes,
	.probe_timeout = probe_timeout,
	.serve_probe = mo_process_serve_probe,
	.accept = accept_all,
	.announce_close = announce_close,
	.leave = leave,
	.come_back = come_back,
	.undrop = undrop,
	.close_own = close_own,
	.drop = drop,
	.give = mo_process_give,
	.gave = mo_process_gave,
	.forms = mo_process_forms,
	.takes = mo_process_takes,
	.prepare = mo_process_prepare,
	.discard = mo_process_discard,
	.take = mo_process_take,
	.event = mo_topics_deliver,
	.close_listeners = close_listeners,
	.load = load,
	.close_idle = close_idle,
	.cut = cut,
	.stop = stop,
	.counted = counted,
	.max_generations = max_generations,
	.answered = answered,
	.budget = budget,
	.bake_time = bake_time,
	.bake_silence = bake_silence,
	.drain_timeout = drain_timeout,
	.shutdown_timeout = shutdown_timeout,
	.ready_timeout = ready_timeout,
	.reopen = reopen,
	.log_listening = log_listening,
};

const mo_gen_host *mo_process_host(void)
{
	return &host;
}

/* ---- the public functions --------------------------------------------------------- */

int molt_restart(const char *exe)
{
	return mo_request_restart(exe);
}

int mo_restart_chosen(const char *exe)
{
	return mo_request_restart_chosen(exe);
}

int molt_rollback(void)
{
	return mo_request_rollback("the program");
}

int molt_shutdown(void)
{
	return mo_engine_shutdown();
}

/* Serving with the servers that could start would be half of the program. */
static int start_failure(void)
{
	EACH_SERVER (s)
		if (s->state == MO_SERVER_NEW && s->start_failed)
			return s->failure;
	return 0;
}

int molt_wait(void)
{
	int rc = start_failure();

	if (rc < 0) {
		mo_error("this program ends: not every server could start");
		return rc;
	}
	rc = mo_engine_wait();
	mo_engine_stop();
	mo_servers_free();
	return rc;
}

char *molt_receipt(void)
{
	json_t *last = mo_receipts_last();
	char *text = last ? json_dumps(last, JSON_INDENT(2) | JSON_REAL_PRECISION(6)) : NULL;

	json_decref(last);
	return text;
}

int molt_process_get(molt_process_info *out)
{
	molt_process_info found;
	mo_gen_info info;
	mo_gen_load now;

	mo_servers_lock(); /* they are freed at the end of molt_wait() */
	now = load();
	mo_servers_unlock();
	mo_self_info(&info);
	found = MOLT_PROCESS_INFO(.pid = (int)getpid(),
				  .parent_generation_pid = info.predecessor_pid,
				  .generation = info.generation,
				  .draining = info.state == MO_GEN_DRAINING ||
					      info.state == MO_GEN_STOPPING,
				  .connections = now.connections, .requests = now.requests);
	return MO_SIZED_OUT(molt_process_info, out, &found, NULL);
}

const char *molt_version(void)
{
	return MO_VERSION;
}

unsigned mo_process_generation(void)
{
	mo_gen_info info;

	mo_self_info(&info);
	return info.generation;
}

/* ---- one server alone ---------------------------------------------------------------- */

static void stop_server(void *arg)
{
	molt_server *s = arg;
	molt_time deadline = mo_deadline(s->set.shutdown_timeout);

	mo_start_accept(s, false);
	mo_start_close_listeners(s, true);
	s->state = MO_SERVER_DRAINING;
	atomic_store(&s->http.closing, MO_CLOSING_ALL);
	mo_loops_run(retire_on, &s->http, MOLT_SECOND);
	/* Also what becomes idle, or comes from a predecessor that had the answer before. */
	for (;;) {
		mo_loops_run(close_idle_on, &s->http, MOLT_SECOND);
		if ((atomic_load(&s->http.connections) == 0 && mo_process_coming() == 0) ||
		    mo_left(deadline) == 0)
			break;
		mo_co_sleep(20);
	}
	mo_loops_run(cut_on, &s->http, MOLT_SECOND);
	s->state = MO_SERVER_STOPPED;
	mo_uplink_listeners(&host);
	mo_info("server %s shutdown", s->name);
	EACH_SERVER (other)
		if (!other->internal &&
		    (other->state == MO_SERVER_STARTED || other->state == MO_SERVER_DRAINING))
			return;
	mo_engine_shutdown();
}

int molt_server_stop(molt_server *s)
{
	MO_MAGIC_OK(s, MO_SERVER_MAGIC);
	if (s->state != MO_SERVER_STARTED)
		return -EINVAL;
	return mo_control_spawn(stop_server, s) ? 0 : -EBUSY;
}

/* ---- status ----------------------------------------------------------------------------- */

static json_t *number_of(const json_t *series, const char *name)
{
	return json_integer((json_int_t)mo_series_number(series, name));
}

static json_t *server_status(const molt_server *s)
{
	static const char *const states[] = { "new", "started", "draining", "stopped" };
	json_t *list = json_array(), *answers = json_object(), *all = series_of(s), *status;

	mo_totals_add(s->name, all);
	for (size_t i = 0; i < s->nendpoints; i++) {
		const mo_endpoint *e = &s->endpoints[i];

		json_array_append_new(list,
				      json_pack("{s:s, s:s?, s:b, s:b}", "address", e->text,
						"bound", e->listener ? e->listener->bound : NULL,
						"https", (int)e->https, "lost",
						e->listener && mo_listener_is_lost(e->listener)));
	}
	for (int i = 2; i <= 5; i++)
		json_object_set_new(answers, answers_of[i] + strlen("answers_"),
				    number_of(all, answers_of[i]));
	status = json_pack("{s:s, s:b, s:s, s:o, s:i, s:i, s:o, s:o, s:o, s:{s:o, s:o}}", "name",
			   s->name, "graceful", (int)s->set.graceful, "state", states[s->state],
			   "listeners", list, "connections", atomic_load(&s->http.connections),
			   "requests", mo_http_counted(&s->http).requests, "total_requests",
			   number_of(all, "requests"), "total_connections",
			   number_of(all, "connections"), "answers", answers, "all_generations",
			   "connections", number_of(all, "open_connections"), "requests",
			   number_of(all, "running_requests"));
	json_decref(all);
	return status;
}

static json_t *pool_status(void)
{
	mo_pool_state p = mo_pool_state_now();

	return json_pack("{s:i, s:i, s:i, s:i, s:i, s:I, s:I, s:I}", "limit", p.limit, "threads",
			 p.threads, "busy", p.busy, "waiting", p.queued, "waiting_limit",
			 p.queue_limit, "oldest_wait_ms", (json_int_t)p.oldest, "longest_wait_ms",
			 (json_int_t)p.longest, "refused", (json_int_t)p.refused);
}

json_t *mo_process_status(void)
{
	const mo_start *start = mo_start_get();
	json_t *servers = json_array(), *draining = json_null(), *status;
	mo_memory_sum memory = mo_memory_now();
	mo_gen_info info;

	mo_self_info(&info);
	mo_servers_lock();
	EACH_SERVER (s)
		if (!s->internal)
			json_array_append_new(servers, server_status(s));
	mo_servers_unlock();
	if (info.predecessor_alive)
		draining = json_pack("{s:i, s:i}", "generation", (int)info.generation - 1, "pid",
				     info.predecessor_pid);
	status = json_pack(
		"{s:i, s:i, s:i, s:i, s:i, s:o, s:s, s:s, s:I, s:s, s:o, s:o, s:o, s:i, s:o, s:o}",
		"pid", (int)getpid(), "generation", (int)info.generation, "supervisor_pid",
		mo_uplink_supervisor(), "predecessor_pid", info.predecessor_pid, "successor_pid",
		info.successor_pid, "exe", mo_json_text(start->exe), "build", start->build,
		"version", MO_VERSION, "uptime_ms", (json_int_t)(mo_now() - info.since), "state",
		mo_gen_state_name(info.state), "draining_generation", draining, "older_generations",
		mo_elders_list(), "servers", servers, "loops", mo_loops_count(), "receipts",
		mo_receipts_all(), "rollback", mo_previous_status());
	json_object_set_new(status, "pid_namespace", json_integer((json_int_t)mo_pid_namespace()));
	json_object_set_new(status, "restart", mo_receipt_running());
	json_object_set_new(status, "memory",
			    json_pack("{s:I, s:I, s:I, s:I, s:I}", "budget",
				      (json_int_t)memory.budget, "used", (json_int_t)memory.used,
				      "refused", (json_int_t)memory.refused, "cut",
				      (json_int_t)memory.cut, "closed", (json_int_t)memory.closed));
	json_object_set_new(status, "blocking", pool_status());
	return status;
}
