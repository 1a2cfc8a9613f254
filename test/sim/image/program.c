/* The program that runs in a simulated process: a server with one or two listeners, or a
 * supervisor; and what the restart asks of it (gen.h). */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/outlet.h"
#include "base/str.h"
#include "gen/control.h"
#include "gen/engine/engine.h"
#include "gen/engine/restart_request.h"
#include "gen/join/notify.h"
#include "gen/join/takeover.h"
#include "gen/new/parent.h"
#include "gen/new/successor.h"
#include "gen/os/origin.h"
#include "gen/receipt/receipt.h"
#include "gen/self.h"
#include "gen/transfer/event_bus.h"
#include "gen/transfer/state.h"
#include "gen/wire/series.h"
#include "image.h"
#include "rt/park.h"
#include "supervisor/supervisor.h"

#define ADDRESSES 2
#define ACCEPT_TIMEOUT MOLT_SECOND
#define RESUME_TIMEOUT (50 * MOLT_MS)

static struct {
	enum { NEW, STARTED, DRAINING } state;
	mo_listener *listeners[ADDRESSES];
	bool dropped[ADDRESSES];
	int addresses;
} server;

sim_process *sim_serving_self(void)
{
	static sim_process *self;

	return self = self ? self : sim_self();
}

int sim_program_listener(int which)
{
	return server.listeners[which] ? server.listeners[which]->fd : -1;
}

bool sim_program_may_take(void)
{
	return server.state == STARTED ||
	       (server.state == DRAINING && sim_serving_is_closing() == MO_GEN_CLOSE_UNMOVABLE);
}

/* ---- what the restart asks ------------------------------------------------------------- */

static const char *restartable(void)
{
	return NULL;
}

static void preflight(struct mo_preflight *checks)
{
	(void)checks;
}

static size_t listeners(mo_gen_listener *out, size_t max)
{
	size_t n = 0;

	for (int i = 0; i < ADDRESSES && server.state == STARTED; i++)
		if (server.listeners[i] && n++ < max)
			out[n - 1] = (mo_gen_listener){ "s", server.listeners[i] };
	return n;
}

static size_t probes(mo_gen_probe *out, size_t max)
{
	(void)out;
	(void)max;
	return 0;
}

static void accept_on(int loop, void *on)
{
	sim_serving_accept(loop, on != NULL);
}

static void accept_all(bool on)
{
	if (server.state != STARTED)
		return;
	sim_check_accepts(sim_self(), on);
	sim_on_loops(accept_on, on ? &server : NULL, on ? RESUME_TIMEOUT : ACCEPT_TIMEOUT, NULL,
		     NULL);
}

static void announce_close(enum mo_gen_closing which)
{
	sim_serving_closing(which);
}

static void leave(void)
{
	if (server.state == STARTED)
		server.state = DRAINING;
}

static void come_back(void)
{
	sim_serving_closing(MO_GEN_CLOSE_NONE);
	if (server.state == DRAINING)
		server.state = STARTED;
}

static size_t undrop(void)
{
	size_t missing = 0;

	for (int i = 0; i < ADDRESSES && server.state == STARTED; i++) {
		if (!server.dropped[i])
			continue;
		if (sim_listener_bind(i, &server.listeners[i]) < 0) {
			missing++;
			continue;
		}
		server.dropped[i] = false;
	}
	return missing;
}

static void close_own(void)
{
	for (int i = 0; i < ADDRESSES; i++)
		if (server.listeners[i] && !server.listeners[i]->inherited) {
			mo_listener_close(server.listeners[i]);
			server.listeners[i] = NULL;
		}
}

static void drop(const char *name, const char *text)
{
	(void)name;
	for (int i = 0; i < ADDRESSES; i++)
		if (server.listeners[i] && strcmp(server.listeners[i]->text, text) == 0) {
			mo_listener_close(server.listeners[i]);
			server.listeners[i] = NULL;
			server.dropped[i] = true;
		}
}

static void close_listeners(bool remove_paths)
{
	(void)remove_paths;
	if (server.state == NEW)
		return;
	for (int i = 0; i < ADDRESSES; i++) {
		mo_listener_close(server.listeners[i]);
		server.listeners[i] = NULL;
	}
	server.state = DRAINING;
}

static size_t forms(mo_gen_form *out, size_t room)
{
	(void)room;
	out[0] = (mo_gen_form){ "sim", { 1, 1 } };
	return 1;
}

static bool takes(const char *name, bool tls)
{
	return strcmp(name, "s") == 0 && !tls && sim_program_may_take();
}

static void event(struct mo_event *e)
{
	(void)e;
}

static void close_idle_on(int loop, void *unused)
{
	(void)unused;
	sim_serving_close_idle(loop);
}

static void close_idle(void)
{
	sim_on_loops(close_idle_on, NULL, MOLT_SECOND, NULL, NULL);
}

static unsigned cut_count;

static void cut_on(int loop, void *unused)
{
	(void)unused;
	cut_count += sim_serving_cut(loop);
}

static unsigned cut(void)
{
	cut_count = 0;
	sim_on_loops(cut_on, NULL, MOLT_SECOND, NULL, NULL);
	return cut_count;
}

static bool stop(molt_time grace)
{
	molt_time deadline = mo_deadline(grace);

	while (sim_serving_load().connections > 0) {
		if (mo_left(deadline) == 0)
			return false;
		mo_co_sleep(2);
	}
	sim_serving_stop();
	return true;
}

static json_t *counted(void)
{
	json_t *series = json_object();

	mo_series_set_sum(series, "requests", sim_serving_answered().answers);
	return json_pack("{s:o}", "s", series);
}

static int64_t max_generations(void)
{
	return 4;
}

static mo_error_budget budget(void)
{
	return (mo_error_budget){ .share = 50, .min = 3 };
}

static molt_time bake_time(void)
{
	return sim_setting_now.bake;
}

static molt_time bake_silence(void)
{
	return 2000;
}

static molt_time drain_timeout(void)
{
	return sim_setting_now.drain;
}

static molt_time shutdown_timeout(void)
{
	return 1000;
}

static molt_time ready_timeout(void)
{
	return 3000;
}

static int reopen(void)
{
	return 0;
}

static void log_listening(const char *verb)
{
	mo_info("server %s", verb);
}

static void serve_probe(const char *name, int fd)
{
	(void)name;
	sim_fd_close(sim_self(), fd);
}

static const mo_gen_host host = {
	.restartable = restartable,
	.preflight = preflight,
	.listeners = listeners,
	.probes = probes,
	.probe_timeout = ready_timeout,
	.serve_probe = serve_probe,
	.accept = accept_all,
	.announce_close = announce_close,
	.leave = leave,
	.come_back = come_back,
	.undrop = undrop,
	.close_own = close_own,
	.drop = drop,
	.give = sim_serving_give,
	.gave = sim_serving_gave,
	.forms = forms,
	.takes = takes,
	.prepare = sim_serving_prepare,
	.take = sim_serving_take,
	.discard = sim_serving_discard,
	.event = event,
	.close_listeners = close_listeners,
	.load = sim_serving_load,
	.close_idle = close_idle,
	.cut = cut,
	.stop = stop,
	.counted = counted,
	.max_generations = max_generations,
	.answered = sim_serving_answered,
	.budget = budget,
	.bake_time = bake_time,
	.bake_silence = bake_silence,
	.drain_timeout = drain_timeout,
	.shutdown_timeout = shutdown_timeout,
	.ready_timeout = ready_timeout,
	.reopen = reopen,
	.log_listening = log_listening,
};

/* ---- its life ------------------------------------------------------------------------------ */

static _Noreturn void give_up(const char *why)
{
	mo_error("server s cannot start: %s", why);
	mo_successor_failed(why);
	mo_exit_now(1);
}

static void open_listeners(void)
{
	int wanted = sim_self()->program->lacks_second ? 1 : sim_setting_now.addresses;

	for (int i = 0; i < wanted; i++) {
		char text[16];

		snprintf(text, sizeof(text), ":%d", i);
		server.listeners[i] = mo_successor_take("s", text);
		if (server.listeners[i])
			continue;
		if (sim_listener_bind(i, &server.listeners[i]) < 0)
			give_up("the address is in use");
		mo_successor_count_bound();
	}
}

/* As supervisor/begin.c has it. */
static void begin(void)
{
	mo_state_comes_by(mo_successor_begin);
	if (mo_origin_get()->handover_fd >= 0) {
		mo_parent_set(sim_self()->parent);
		mo_successor_report_log();
	}
	mo_notify_take();
}

static void crash(void *unused)
{
	(void)unused;
	sim_wait(NULL, NULL, mo_deadline((molt_time)sim_choice(400)));
	mo_exit_now(4);
}

static bool by_supervisor(void)
{
	const sim_process *parent = sim_process_find(sim_self()->parent);

	return parent && parent->program->supervises;
}

static bool has_ended(void *unused)
{
	(void)unused;
	return mo_self_state() == MO_GEN_ENDED;
}

static void start(void)
{
	char *why = NULL;

	if (sim_setting_now.takeover && mo_takeover_set("/run/takeover", &why) < 0)
		give_up(why);
	if (mo_successor_begin(&why) < 0)
		give_up(why);
	open_listeners();
	if (mo_engine_start(&host) < 0)
		give_up("no control thread");
	sim_serving_begin(1 + (int)sim_choice(2));
	server.state = STARTED;
	if (mo_self_ends() || (mo_successor_is() && mo_self_state() == MO_GEN_NEW))
		return;
	accept_all(true);
	mo_engine_serving();
}

static void run(void)
{
	const sim_program *program = sim_self()->program;
	int rc;

	sim_origin_begin();
	if (program->supervises) {
		mo_notify_take();
		mo_exit_now(mo_supervise(sim_programs[program->runs].path, NULL));
	}
	sim_serving_self();
	begin();
	if (program->slow_start)
		sim_wait(NULL, NULL, mo_deadline((molt_time)sim_choice(800)));
	if (program->dies_early)
		mo_exit_now(3);
	start();
	if (program->never_ready && mo_successor_is())
		sim_wait(has_ended, NULL, INT64_MAX);
	/* Not again and again below a supervisor, which would never settle. */
	if (program->dies_ready && !by_supervisor())
		sim_thread_start(sim_self(), crash, NULL);
	rc = mo_engine_wait();
	mo_engine_stop();
	mo_exit_now(rc);
}

static int state(void)
{
	return mo_self_state();
}

static void *receipts(void)
{
	return mo_receipts_all();
}

static void publish(void)
{
	mo_event *e = mo_event_new(mo_str("topic"), mo_str("name"), mo_str("1"), mo_str("data"));

	if (!mo_event_bus_publish(e))
		mo_event_unref(e);
}

const sim_entry sim_image_entry __attribute__((visibility("default"))) = {
	.main = run,
	.restart = mo_request_restart,
	.rollback = mo_request_rollback,
	.publish = publish,
	.generation = mo_self_generation,
	.state = state,
	.receipts = receipts,
	.on_signal = sim_on_signal,
};
