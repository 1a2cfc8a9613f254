/* What a process tells of itself: counts, which go on from generation to generation, and
 * the state that the admin page shows. */
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "gen/drain/older_generations.h"
#include "gen/join/supervisor_client.h"
#include "gen/new/previous.h"
#include "gen/os/origin.h"
#include "gen/os/pidfd.h"
#include "gen/receipt/receipt.h"
#include "gen/self.h"
#include "gen/transfer/counter_ledger.h"
#include "gen/wire/series.h"
#include "http/conn/memory.h"
#include "rt/pool.h"
#include "web/core/loops.h"
#include "web/core/server.h"
#include "web/run/process.h"

/* ---- counts ---- */

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
	mo_series_set_sum(out, "http2_requests", sum.h2_requests);
	mo_series_set_sum(out, "http2_connections", sum.h2_total_connections);
	mo_series_set_sum(out, "http2_calmed", sum.h2_calmed);
	mo_series_set_gauge(out, "open_http2_connections", (uint64_t)sum.h2_connections);
	mo_series_set_gauge(out, "open_connections", (uint64_t)atomic_load(&s->http.connections));
	mo_series_set_gauge(out, "running_requests", (uint64_t)sum.requests);
	return out;
}

json_t *mo_process_counted(void)
{
	json_t *all = json_object();

	MO_EACH_SERVER (s)
		json_object_set_new(all, s->name, series_of(s));
	return all;
}

/* ---- state ---- */

static json_t *number_of(const json_t *series, const char *name)
{
	return json_integer((json_int_t)mo_series_number(series, name));
}

/* The part of HTTP/2 in the numbers beside it. */
static json_t *http2_status(const molt_server *s, const json_t *all)
{
	return json_pack(
		"{s:i, s:o, s:o, s:o}", "connections", mo_http_counted(&s->http).h2_connections,
		"total_requests", number_of(all, "http2_requests"), "total_connections",
		number_of(all, "http2_connections"), "calmed", number_of(all, "http2_calmed"));
}

static json_t *server_status(const molt_server *s)
{
	static const char *const states[] = { "new", "started", "draining", "stopped" };
	json_t *list = json_array(), *answers = json_object(), *all = series_of(s), *status;

	mo_ledger_add(s->name, all);
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
	json_object_set_new(status, "http2", http2_status(s, all));
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
	const mo_origin *start = mo_origin_get();
	json_t *servers = json_array(), *draining = json_null(), *status;
	mo_memory_sum memory = mo_memory_now();
	mo_gen_info info;

	mo_self_info(&info);
	mo_servers_lock();
	MO_EACH_SERVER (s)
		if (!s->internal)
			json_array_append_new(servers, server_status(s));
	mo_servers_unlock();
	if (info.predecessor_alive)
		draining = json_pack("{s:i, s:i}", "generation", (int)info.generation - 1, "pid",
				     info.predecessor_pid);
	status = json_pack(
		"{s:i, s:i, s:i, s:i, s:i, s:o, s:s, s:s, s:I, s:s, s:o, s:o, s:o, s:i, s:o, s:o}",
		"pid", (int)getpid(), "generation", (int)info.generation, "supervisor_pid",
		mo_supervisor_client_supervisor(), "predecessor_pid", info.predecessor_pid,
		"successor_pid", info.successor_pid, "exe", mo_json_text(start->exe), "build",
		start->build, "version", MO_VERSION, "uptime_ms",
		(json_int_t)(mo_now() - info.since), "state", mo_gen_state_name(info.state),
		"draining_generation", draining, "older_generations", mo_older_list(), "servers",
		servers, "loops", mo_loops_count(), "receipts", mo_receipts_all(), "rollback",
		mo_previous_status());
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
