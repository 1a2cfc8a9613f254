/* The process as one service; see process.h. */
#include "web/run/process.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/sized.h"
#include "config/config_keys.h"
#include "gen/control.h"
#include "gen/drain/older_generations.h"
#include "gen/engine/engine.h"
#include "gen/engine/restart_request.h"
#include "gen/join/supervisor_client.h"
#include "gen/new/previous.h"
#include "gen/new/successor.h"
#include "gen/os/preflight.h"
#include "gen/receipt/receipt.h"
#include "gen/self.h"
#include "gen/transfer/counter_ledger.h"
#include "rt/park.h"
#include "rt/pool.h"
#include "web/core/loops.h"
#include "web/core/server.h"
#include "web/live/topic.h"
#include "web/log/access_log.h"
#include "web/run/listen.h"

#ifndef MO_VERSION
#error "the build defines MO_VERSION"
#endif
_Static_assert(MOLT_VERSION_NUMBER == MO_VERSION_NUMBER,
	       "molt.h and meson.build name different versions");

#define START_GRACE (5 * MOLT_SECOND)

/* ---- what gen asks -------------------------------------------------------------- */

static const char *restartable(void)
{
	MO_EACH_SERVER (s)
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

	MO_EACH_SERVER (s)
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

	MO_EACH_SERVER (s) {
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
	MO_EACH_SERVER (s)
		mo_listen_accept(s, on);
}

static void retire_on(mo_loop *l, void *server)
{
	mo_conns_retire(l, server);
}

static void set_closing(enum mo_gen_closing which)
{
	static const int as_http[] = { MO_CLOSING_NONE, MO_CLOSING_UNMOVABLE, MO_CLOSING_ALL };

	MO_EACH_SERVER (s) {
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
	MO_EACH_SERVER (s)
		if (s->state == MO_SERVER_STARTED)
			s->state = MO_SERVER_DRAINING;
}

static void come_back(void)
{
	set_closing(MO_GEN_CLOSE_NONE);
	MO_EACH_SERVER (s)
		if (s->state == MO_SERVER_DRAINING)
			s->state = MO_SERVER_STARTED;
}

static size_t undrop(void)
{
	size_t missing = 0;

	MO_EACH_SERVER (s)
		if (s->state == MO_SERVER_STARTED)
			missing += mo_listen_undrop(s);
	return missing;
}

static void close_own(void)
{
	MO_EACH_SERVER (s)
		mo_listen_close_own(s);
}

static void drop(const char *server, const char *text)
{
	MO_EACH_SERVER (s)
		if (strcmp(s->name, server) == 0)
			mo_listen_drop(s, text);
}

/* A signal may come while main() still starts a server: its acceptors would be made
 * when the loops are at their end. */
static void close_listeners(bool remove_paths)
{
	molt_time deadline = mo_deadline(START_GRACE);

	while (mo_servers_starting() && mo_left(deadline) > 0)
		mo_co_sleep(1);
	MO_EACH_SERVER (s) {
		if (s->state != MO_SERVER_STARTED && s->state != MO_SERVER_DRAINING)
			continue;
		mo_listen_close(s, remove_paths);
		s->state = MO_SERVER_DRAINING;
	}
}

static mo_gen_load load(void)
{
	mo_gen_load sum = { .connections = mo_process_coming() };

	MO_EACH_SERVER (s) {
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
	mo_loops_stop(mo_topics_fini);
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

	MO_EACH_SERVER (s) {
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
static mo_error_budget budget(void)
{
	mo_error_budget b = { 0 };

	MO_EACH_SERVER (s) {
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
	MO_EACH_SERVER (s)
		if (s->state == MO_SERVER_STARTED)
			mo_listen_log(s, verb);
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
	.counted = mo_process_counted,
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
	MO_EACH_SERVER (s)
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
	mo_servers_lock(); /* of a thread that opens log files anew */
	MO_EACH_SERVER (s)
		mo_access_log_close(s);
	mo_servers_unlock();
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

/* ---- one server alone ---------------------------------------------------------------- */

static void stop_server(void *arg)
{
	molt_server *s = arg;
	molt_time deadline = mo_deadline(s->set.shutdown_timeout);

	mo_listen_accept(s, false);
	mo_listen_close(s, true);
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
	mo_supervisor_client_listeners(&host);
	mo_info("server %s shutdown", s->name);
	MO_EACH_SERVER (other)
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
