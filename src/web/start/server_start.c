/* Starting a server; see server_start.h.
 *
 *   step       what                                         undone by
 *   settle     file, calls and environment become settings  -
 *   endpoints  the list of addresses                        -
 *   open       certificates read, listeners taken or bound  mo_endpoints_free
 *   compile    routes, middleware, limits, logs             -
 *   attach     an acceptor on each loop, still paused       mo_listen_close
 *   accept     first generation: at once; successor: at the commit */
#include "web/start/server_start.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "config/config.h"
#include "gen/control.h"
#include "gen/engine/engine.h"
#include "gen/engine/signals.h"
#include "gen/join/takeover.h"
#include "gen/new/successor.h"
#include "gen/os/activate.h"
#include "gen/self.h"
#include "http/conn/memory.h"
#include "http/conn/protocol.h"
#include "rt/pool.h"
#include "web/admin/admin.h"
#include "web/admin/control_server.h"
#include "web/core/group.h"
#include "web/core/loops.h"
#include "web/log/access_log.h"
#include "web/run/dispatch.h"
#include "web/run/listen.h"
#include "web/run/process.h"

/* ---- settle ------------------------------------------------------------------ */

/* Which addresses win: the environment's, else the program's, else the file's. */
typedef struct wanted {
	char *file_http, *file_https; /* owned; from the file */
} wanted;

static int settle(molt_server *s, wanted *w)
{
	char *why = NULL;
	int rc;

	if (s->internal)
		return 0;
	if (mo_config_error())
		return mo_server_fail(s, -EINVAL, "the configuration was refused: %s",
				      mo_config_error());
	w->file_http = s->set.address;
	w->file_https = s->set.https_addr;
	s->set.address = s->set.https_addr = NULL;
	rc = mo_config_env(s->name, &s->set, &why);
	if (rc == 0)
		rc = mo_settings_check(&s->set, &why);
	if (rc == 0)
		rc = mo_unix_access_find((int)s->set.unix_mode, s->set.unix_user, s->set.unix_group,
					 &s->access, &why);
	if (rc == 0)
		rc = mo_config_logger(&why);
	if (rc < 0)
		mo_server_fail(s, rc, "%s", why);
	free(why);
	return rc;
}

static int add_list(molt_server *s, const char *list, bool https)
{
	molt_str rest = mo_str(list);
	int rc = 0;

	while (rest.ptr && rc == 0) {
		molt_str one = mo_str_trim(mo_str_split(&rest, ','));
		char *text = mo_strndup(one.ptr, one.len);

		if (one.len)
			rc = mo_server_add_endpoint(s, text, NULL);
		if (one.len && rc == 0)
			s->endpoints[s->nendpoints - 1].https = https;
		free(text);
	}
	return rc;
}

/* Drops the program's endpoints of one kind, which the environment replaces. */
static void drop_endpoints(molt_server *s, bool https)
{
	size_t kept = 0;

	for (size_t i = 0; i < s->nendpoints; i++) {
		if (s->endpoints[i].https == https)
			mo_endpoint_free(&s->endpoints[i]);
		else
			s->endpoints[kept++] = s->endpoints[i];
	}
	s->nendpoints = kept;
}

static bool has_endpoint(const molt_server *s, bool https)
{
	for (size_t i = 0; i < s->nendpoints; i++)
		if (s->endpoints[i].https == https)
			return true;
	return false;
}

static int choose(molt_server *s, const char *env, const char *file, bool https)
{
	if (env) {
		drop_endpoints(s, https);
		return add_list(s, env, https);
	}
	if (!has_endpoint(s, https) && file)
		return add_list(s, file, https);
	return 0;
}

/* A certificate without an HTTPS address makes the plain addresses HTTPS, as
 * GoFrame does; with one, both kinds stand side by side. */
static int endpoints(molt_server *s, const wanted *w)
{
	int rc = choose(s, s->set.address, w->file_http, false);

	if (rc == 0)
		rc = choose(s, s->set.https_addr, w->file_https, true);
	if (rc == 0 && s->nendpoints == 0)
		rc = mo_server_fail(
			s, -EINVAL,
			"it has no address; set \"address\", MOLT_SERVER_ADDRESS, or call "
			"molt_server_set_port()");
	if (rc < 0)
		return rc;
	if (s->set.https_cert && !has_endpoint(s, true))
		for (size_t i = 0; i < s->nendpoints; i++)
			s->endpoints[i].https = true;
	for (size_t i = 0; i < s->nendpoints; i++)
		if (s->endpoints[i].https && !s->endpoints[i].cert && !s->set.https_cert)
			return mo_server_fail(s, -EINVAL,
					      "HTTPS on %s needs httpsCertPath and httpsKeyPath",
					      s->endpoints[i].text);
	return 0;
}

/* ---- open ---------------------------------------------------------------------- */

static int open_tls(molt_server *s, mo_endpoint *e)
{
	const char *cert = e->cert ? e->cert : s->set.https_cert;
	const char *key = e->cert ? e->key : s->set.https_key;
	char *why = NULL;
	int rc;

	if (!e->https)
		return 0;
	rc = mo_tls_new(cert, key, &e->tls, &why);
	if (rc == 0)
		mo_tls_offer(e->tls, mo_transport_names(s->set.http2));
	if (rc == 0 && s->set.https_client_ca)
		rc = mo_tls_ask_clients(e->tls, s->set.https_client_ca,
					s->set.https_client_required, &why);
	if (rc < 0)
		mo_server_fail(s, rc, "HTTPS on %s: %s", e->text, why);
	else if (s->set.tls_shed || (s->set.handover && s->set.tls_handover))
		mo_tls_allow_handover(e->tls, (uint64_t)s->set.tls_key_limit);
	free(why);
	return rc;
}

/* The predecessor's, or NULL.  One whose file is gone is of no use to clients: the
 * path is bound anew, and the predecessor drains what it has. */
static mo_listener *take_listener(molt_server *s, const char *text)
{
	mo_listener *l = mo_successor_take(s->name, text);

	if (!l || !mo_listener_is_lost(l))
		return l;
	mo_warn("server %s: the file of %s was removed or replaced; it is made again", s->name,
		text);
	mo_listener_close(l);
	return NULL;
}

/* Its file gets our mode and owners when this server accepts. */
static int adopt(molt_server *s, mo_endpoint *e, int backlog)
{
	char *why = NULL;
	int rc = s->internal ? 0 : mo_listener_check_access(e->listener, &s->access, &why);

	if (rc < 0)
		mo_server_fail(s, rc, "cannot listen on %s: %s", e->text, why);
	free(why);
	/* The queue of a passed socket is as long as its unit says. */
	if (rc == 0 && (backlog || !mo_addr_is_passed(e->text)))
		mo_listener_set_backlog(e->listener, backlog);
	return rc;
}

/* A process that is killed closes one descriptor after the other: whoever finds nobody at the
 * path of a takeover may come before its listeners are closed. */
#define DYING_TIME MOLT_SECOND

static int bind_anew(molt_server *s, mo_endpoint *e, int backlog, char **why)
{
	molt_time deadline = mo_deadline(mo_takeover_wanted() ? DYING_TIME : 0);
	int rc;

	while ((rc = mo_listen_bind(s, e->text, backlog, &e->listener, why)) == -EADDRINUSE &&
	       mo_left(deadline) > 0) {
		free(*why);
		*why = NULL;
		poll(NULL, 0, 10);
	}
	return rc;
}

static int open_listener(molt_server *s, mo_endpoint *e)
{
	int backlog = e->backlog ? e->backlog : (int)s->set.backlog;
	char *why = NULL;
	int rc;

	e->listener = take_listener(s, e->text);
	if (e->listener)
		return adopt(s, e, backlog);
	if (mo_addr_is_passed(e->text))
		rc = mo_activate_open(e->text, &e->listener, &why);
	else
		rc = bind_anew(s, e, backlog, &why);
	if (rc < 0)
		mo_server_fail(s, rc, "%s", why);
	else
		mo_successor_count_bound();
	free(why);
	return rc;
}

static int open_all(molt_server *s)
{
	int rc = 0;

	for (size_t i = 0; i < s->nendpoints && rc == 0; i++)
		rc = open_tls(s, &s->endpoints[i]);
	for (size_t i = 0; i < s->nendpoints && rc == 0; i++)
		rc = open_listener(s, &s->endpoints[i]);
	return rc;
}

/* ---- compile ------------------------------------------------------------------- */

static int prepare_routes(molt_server *s)
{
	char *why = NULL;
	int rc = 0;

	if (s->set.server_root)
		rc = molt_static(s->root, "/", s->set.server_root,
				 &MOLT_STATIC_OPTS(.index = s->set.index_files,
						   .list = s->set.index_folder));
	if (rc == 0)
		rc = mo_admin_mount(s);
	if (rc == 0)
		rc = mo_groups_compile(s);
	if (rc == 0)
		rc = mo_access_log_open(s, &why);
	if (rc < 0 && s->failure == 0)
		mo_server_fail(s, rc, "%s", why ? why : molt_strerror(rc));
	free(why);
	return rc;
}

static void prepare_http2(mo_http_limits *lim, const mo_settings *set)
{
	lim->h2_cleartext = set->http2_cleartext;
	lim->h2_streams = (uint32_t)set->http2_streams;
	lim->h2_stream_window = (uint32_t)set->http2_stream_window;
	lim->h2_connection_window = (uint32_t)set->http2_connection_window;
	lim->h2_frame_size = (uint32_t)set->http2_frame_size;
	lim->h2_header_list = (size_t)set->http2_header_list;
	lim->h2_resets = (uint32_t)set->http2_resets;
	lim->h2_controls = (uint32_t)set->http2_controls;
	lim->h2_continuations = (uint32_t)set->http2_continuations;
	lim->h2_replies = (uint32_t)set->http2_replies;
}

static void prepare_limits(molt_server *s)
{
	const mo_settings *set = &s->set;

	s->http.lim = (mo_http_limits){ .max_header = (size_t)set->max_header,
					.max_target = (size_t)set->max_header / 2,
					.max_body = (size_t)set->max_body,
					.stack_size = (size_t)set->stack_size,
					.max_fields = 100,
					.max_connections = (int)set->max_connections,
					.header_timeout = set->header_timeout,
					.body_timeout = set->body_timeout,
					.read_timeout = set->read_timeout,
					.write_timeout = set->write_timeout,
					.idle_timeout = set->idle_timeout,
					.keep_alive = set->keep_alive,
					.handover = set->handover,
					.tls_handover = set->tls_handover,
					.tls_shed = set->tls_shed,
					.tls_key_limit = (uint64_t)set->tls_key_limit,
					.ws_max_message = (size_t)set->ws_max_message,
					.ws_max_queue = (size_t)set->ws_max_queue,
					.ws_ping = set->ws_ping,
					.ws_close_spread = set->ws_close_spread,
					.ws_origins = set->ws_origins };
	prepare_http2(&s->http.lim, set);
	s->http.app = mo_web_app;
	s->http.app.movable = mo_control_poke;
	s->http.server_field = mo_strdup(set->server_agent);
	s->http.owner = s;
}

/* ---- start ------------------------------------------------------------------------ */

/* The loops are the process's, and there from the first server's start on: the largest
 * number of all servers that are set up by then; 0: by the CPUs. */
static int start_loops(const molt_server *s)
{
	int64_t most = s->set.loops;

	for (const molt_server *o = mo_servers(); o; o = o->next)
		if (!o->internal && o->set.loops > most)
			most = o->set.loops;
	if (mo_loops_count() > 0 && s->set.loops > mo_loops_count())
		mo_warn("server %s: it asks for %d event loops, and the %d of the process run "
			"already; set it up before the first server is started",
			s->name, (int)s->set.loops, mo_loops_count());
	return mo_loops_start((int)most);
}

static int start(molt_server *s)
{
	wanted w = { 0 };
	char *why = NULL;
	int rc = settle(s, &w);

	if (rc == 0)
		rc = endpoints(s, &w);
	free(w.file_http);
	free(w.file_https);
	mo_signals_keep_all(); /* clients may come from here on */
	if (rc == 0)
		rc = mo_server_takeover(s);
	if (rc == 0)
		rc = mo_successor_begin(&why);
	if (why)
		mo_server_fail(s, rc, "%s", why);
	free(why);
	if (rc == 0)
		rc = open_all(s);
	if (rc == 0)
		rc = prepare_routes(s);
	if (rc == 0)
		rc = mo_control_server_start(s);
	if (rc < 0)
		return rc;
	prepare_limits(s);
	if (!s->internal) {
		mo_memory_budget((uint64_t)s->set.memory_budget);
		mo_pool_ask((int)s->set.blocking_threads, (int)s->set.blocking_queue);
	}
	rc = mo_engine_start(mo_process_host());
	if (rc == 0)
		rc = start_loops(s);
	if (rc < 0)
		return mo_server_fail(s, rc, "cannot start threads: %s", strerror(-rc));
	mo_listen_attach(s);
	return 0;
}

/* A successor accepts at the switch; a server that it starts later, at once.  Who has been
 * asked to end while it started accepts nothing: its predecessor may serve. */
static bool accepts_now(void)
{
	mo_gen_info info;

	mo_self_info(&info);
	return !mo_self_ends() && !(mo_successor_is() && info.state == MO_GEN_NEW);
}

static int start_server(molt_server *s)
{
	int rc = mo_server_check_new(s);

	if (rc == 0)
		rc = s->failure;
	if (rc == 0 && mo_self_ends())
		rc = mo_server_fail(s, -ECANCELED,
				    "this process is being shut down, or has been replaced");
	if (rc == 0)
		rc = start(s);
	if (rc < 0) {
		mo_error("server %s cannot start: %s", s->name, s->failure_why);
		mo_successor_failed(s->failure_why);
		s->start_failed = true;
		if (s->state == MO_SERVER_NEW)
			mo_endpoints_free(s);
		mo_signals_let_go();
		return rc;
	}
	s->state = MO_SERVER_STARTED;
	if (s->set.dump_router_map)
		mo_routes_dump(s);
	if (accepts_now()) {
		mo_listen_accept(s, true);
		mo_listen_log(s, "started");
		if (!s->internal) /* the server that asked for it follows */
			mo_engine_serving();
	}
	return 0;
}

int molt_server_start(molt_server *s)
{
	int rc;

	mo_servers_starts(true);
	rc = start_server(s);
	mo_servers_starts(false);
	return rc;
}

int molt_server_run(molt_server *s)
{
	int rc = molt_server_start(s);

	return rc < 0 || molt_wait() < 0;
}
