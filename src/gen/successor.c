/* The new side of a restart; see successor.h for its steps. */
#include "gen/successor.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include "gen/activate.h"
#include "gen/control.h"
#include "gen/elders.h"
#include "gen/move.h"
#include "gen/notify.h"
#include "gen/offer.h"
#include "gen/parent.h"
#include "gen/previous.h"
#include "gen/receipt.h"
#include "gen/relay.h"
#include "gen/start.h"
#include "gen/stopped.h"
#include "gen/state.h"
#include "gen/takeover.h"
#include "gen/tail.h"
#include "gen/totals.h"
#include "gen/uplink.h"
#include "gen/withdraw.h"
#include "gen/wire.h"
#include "net/ticket.h"
#include "rt/park.h"
#include "rt/watchdog.h"

#define OFFER_TIMEOUT (10 * MOLT_SECOND)
#define OBJECTION_TIME (100 * MOLT_MS)
#define STANDBY_TIME (30 * MOLT_SECOND) /* a predecessor may be stopped after the switch */
#define END_TIME MOLT_SECOND /* between the end of the channel and that of its owner */

/* A listener on offer. */
typedef struct offered {
	struct offered *next;
	char *server;
	mo_listener *listener;
} offered;

static struct {
	bool begun;
	int offer;       /* what reading it gave */
	char *offer_why; /* its sentence */
	bool orphan;         /* the predecessor is gone */
	bool by_supervisor;  /* what started us is no predecessor */
	bool by_path;        /* a takeover: others started us */
	bool supervised;     /* the predecessor, by a supervisor that is not ours */
	bool looked;         /* for somebody to take over from */
	int kept;            /* listeners of an offer before this one */
	bool committed;      /* it serves, or is about to */
	bool main;           /* the service manager knows that we serve */
	bool replaced;       /* the predecessor has been told that we have a successor */
	_Atomic int channel; /* -1 when closed */
	offered *listeners;  /* not taken yet */
	int adopted, bound;
	mo_rate before; /* answered before the switch: probes */
	int stderr_fd; /* the real standard error; -1 */
	int tail_fd;   /* reading end of the pipe that is our standard error; -1 */
	mo_tail *tail;
	molt_time counts_due; /* to the predecessor */
	mo_co *co; /* the coroutine of ready and listen, while it lives */
} s = { .channel = -1, .stderr_fd = -1, .tail_fd = -1 };

bool mo_successor_is(void)
{
	return s.begun || mo_start_get()->handover_fd >= 0;
}

/* ---- reporting ----------------------------------------------------------- */

static void report(const char *type, const char *key, const char *text)
{
	int fd = s.begun ? atomic_load(&s.channel) : mo_start_get()->handover_fd;
	json_t *body;

	if (fd < 0)
		return;
	body = json_pack("{s:s, s:s}", "type", type, key, text);
	if (body)
		mo_wire_send(fd, body, NULL, 0);
}

static void on_log_line(const char *line)
{
	report("log", "line", line);
}

void mo_successor_report_log(void)
{
	mo_log_set_observer(on_log_line);
}

void mo_successor_say(const char *type)
{
	int fd = atomic_load(&s.channel);

	if (s.begun && fd >= 0)
		mo_wire_send(fd, json_pack("{s:s}", "type", type), NULL, 0);
	if (strcmp(type, "replaced") == 0) {
		s.replaced = true;
		mo_previous_stands_by(-1);
	}
}

bool mo_successor_has_way_back(void)
{
	return s.begun && atomic_load(&s.channel) >= 0 && !s.orphan && !s.by_supervisor &&
	       !s.replaced;
}

int mo_successor_ask_back(const char *by)
{
	if (!mo_successor_has_way_back())
		return -ENOENT;
	return mo_withdraw_ask(atomic_load(&s.channel), by) < 0 ? -ENOENT : 0;
}

/* It may serve again, and then our counts are part of the total. */
void mo_successor_tell_counts(void)
{
	int fd = atomic_load(&s.channel);
	molt_time now = mo_now();

	if (!s.begun || s.by_supervisor || s.orphan || fd < 0 || now < s.counts_due)
		return;
	s.counts_due = now + MO_TOTALS_EVERY;
	mo_wire_send(fd, mo_totals_news(mo_control_host(), true), NULL, 0);
}

void mo_successor_failed(const char *why)
{
	if (mo_successor_is())
		report("failed", "why", why);
}

/* ---- the offer ----------------------------------------------------------- */

/* The next message, blocking; set-up runs on the program's own thread. */
static int next_message(int fd, molt_time deadline, mo_wire_msg *m)
{
	for (;;) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		int rc = mo_wire_recv(fd, m);

		if (rc != -EAGAIN)
			return rc;
		if (mo_left(deadline) == 0)
			return -ETIMEDOUT;
		poll(&p, 1, (int)mo_left(deadline));
	}
}

/* From a supervisor: its link.  From a predecessor: the real standard error, the
 * reading end of ours, and the link when there is a supervisor. */
static void take_offer_fds(mo_wire_msg *m)
{
	int link = s.by_supervisor ? 0 : 2;

	if (s.by_path)
		return;
	if (!s.by_supervisor) {
		s.stderr_fd = m->fds[0];
		s.tail_fd = m->fds[1];
		m->fds[0] = m->fds[1] = -1;
	}
	if (m->nfds > link) {
		mo_uplink_take(m->fds[link], (int)mo_json_int(m->body, "supervisor"));
		m->fds[link] = -1;
		mo_uplink_starting((int)mo_json_int(m->body, "pid"));
	}
}

static int take_offer(mo_wire_msg *m, char **why)
{
	s.by_supervisor = json_is_true(json_object_get(m->body, "from_supervisor"));
	if (mo_json_int(m->body, "protocol") != MO_WIRE_PROTOCOL ||
	    m->nfds < (s.by_path ? 0 : s.by_supervisor ? 1 : 2)) {
		*why = mo_fmt("the predecessor speaks handover protocol %lld, this program %d",
			      mo_json_int(m->body, "protocol"), MO_WIRE_PROTOCOL);
		return -EPROTO;
	}
	s.supervised = json_is_true(json_object_get(m->body, "supervised"));
	if (!s.by_path) {
		mo_start_set_exe(mo_json_str(m->body, "exe"));
		mo_start_get()->control_socket = mo_strdup(
			json_string_value(json_object_get(m->body, "control_socket")));
	}
	mo_control_set_identity((unsigned)mo_json_int(m->body, "generation"),
				s.by_supervisor ? 0 : (int)mo_json_int(m->body, "pid"),
				!s.by_supervisor);
	mo_parent_set(m->pid);
	take_offer_fds(m);
	return 0;
}

static void add_offered(void *unused, const char *server, mo_listener *l)
{
	offered *o = mo_calloc(1, sizeof(*o)), **at = &s.listeners;

	(void)unused;
	*o = (offered){ .server = mo_strdup(server), .listener = l };
	while (*at)
		at = &(*at)->next;
	*at = o;
	s.adopted++;
}

/* What the predecessor tells until its end. */
static void take_record(const mo_wire_msg *m)
{
	json_t *r = json_object_get(m->body, "receipt");

	if (strcmp(m->type, "receipt") == 0 && json_is_object(r))
		mo_receipts_put(r);
	else if (strcmp(m->type, "totals") == 0)
		mo_totals_arrive(m->body);
}

/* One message of the offer: 1 when it was the last. */
static int take_message(mo_wire_msg *m, char **why)
{
	if (strcmp(m->type, "offer") == 0)
		return take_offer(m, why);
	if (strcmp(m->type, "refused") == 0) {
		*why = mo_fmt("the program that runs (pid %lld) refuses the takeover: %s",
			      mo_json_int(m->body, "pid"), mo_json_str(m->body, "why"));
		return -EBUSY;
	}
	if (strcmp(m->type, "listeners") == 0)
		return mo_offer_unpack(m, add_offered, NULL, why);
	if (strcmp(m->type, "previous") == 0)
		mo_previous_take(m);
	if (strcmp(m->type, "tickets") == 0)
		mo_tickets_import((const uint8_t *)m->blob.ptr, m->blob.len);
	if (strcmp(m->type, "state") == 0 && mo_state_arrive(m) < 0) {
		*why = mo_strdup("the state that was offered is not whole");
		return -EPROTO;
	}
	take_record(m);
	if (strcmp(m->type, "elders") == 0)
		return mo_elders_arrive(m);
	if (strcmp(m->type, "offered") != 0)
		return 0; /* of a newer version */
	if (mo_json_int(m->body, "listeners") == s.adopted - s.kept)
		return 1;
	*why = mo_fmt("%lld listeners were announced, %d came", mo_json_int(m->body, "listeners"),
		      s.adopted - s.kept);
	return -EPROTO;
}

/* A process that is killed closes one descriptor after the other. */
static void await_end(int fd)
{
	struct pollfd p = { .fd = mo_wire_peer_pidfd(fd), .events = POLLIN };

	if (p.fd < 0)
		return;
	poll(&p, 1, (int)MOLT_SECOND);
	close(p.fd);
}

/* The whole offer, once; it says why not. */
static int read_offer(int fd, char **why)
{
	molt_time deadline = mo_deadline(OFFER_TIMEOUT);
	int rc = 0;

	(void)MO_FAULT("step", "begin", fd);
	while (rc == 0) {
		mo_wire_msg m;

		rc = next_message(fd, deadline, &m);
		if (rc == 1) {
			rc = take_message(&m, why);
			mo_wire_free(&m);
		} else if (rc == 0 && (s.by_path ? s.supervised : mo_start_get()->supervised)) {
			/* The listeners are the supervisor's to give. */
			*why = mo_strdup("the predecessor is gone before its offer was complete");
			return -EPIPE;
		} else if (rc == 0) {
			/* It died: what it did not give is bound anew, when its own
			 * descriptors are closed. */
			await_end(fd);
			mo_warn("the predecessor is gone before its offer was complete");
			rc = 1;
		} else {
			*why = mo_fmt("no complete offer came from the predecessor: %s",
				      strerror(-rc));
			rc = -EPROTO;
		}
	}
	return rc < 0 ? rc : 0;
}

/* From whoever serves at the path of a takeover, if anybody does. */
static int take_over(char **why)
{
	int fd, before = atomic_load(&s.channel), rc = mo_takeover_join(&fd, why);

	s.looked = mo_takeover_wanted();
	if (rc <= 0)
		return rc;
	s.begun = s.by_path = true;
	s.kept = s.adopted;
	atomic_store(&s.channel, fd);
	if (before >= 0)
		close(before); /* to a supervisor, which hears of us by its link */
	return read_offer(fd, why);
}

int mo_successor_begin(char **why)
{
	int fd = mo_start_get()->handover_fd;

	if (!s.begun && fd >= 0) {
		s.offer = read_offer(fd, &s.offer_why);
		s.begun = true;
		atomic_store(&s.channel, fd);
	}
	if (s.offer == 0 && !s.looked && (fd < 0 || s.by_supervisor))
		s.offer = take_over(&s.offer_why);
	if (s.offer < 0)
		*why = mo_strdup(s.offer_why ? s.offer_why : strerror(-s.offer));
	return s.offer;
}

static mo_listener *unlink_offered(offered **at)
{
	offered *o = *at;
	mo_listener *l = o->listener;

	*at = o->next;
	free(o->server);
	free(o);
	return l;
}

mo_listener *mo_successor_take(const char *server, const char *text)
{
	for (offered **at = &s.listeners; *at; at = &(*at)->next)
		if (strcmp((*at)->server, server) == 0 && strcmp((*at)->listener->text, text) == 0)
			return unlink_offered(at);
	for (offered **at = &s.listeners; *at; at = &(*at)->next)
		if (mo_listener_matches((*at)->listener, text))
			return unlink_offered(at);
	return NULL;
}

bool mo_successor_committed(void)
{
	return s.committed;
}

void mo_successor_count_bound(void)
{
	s.bound++;
}

/* ---- ready, commit, serving ---------------------------------------------- */

static int count_left(void)
{
	int n = 0;

	for (offered *o = s.listeners; o; o = o->next)
		n++;
	return n;
}

static json_t *dropped(void)
{
	json_t *list = json_array();

	for (offered *o = s.listeners; o; o = o->next)
		json_array_append_new(list, json_pack("{s:s, s:s}", "server", o->server, "text",
						      o->listener->text));
	return list;
}

static json_t *server_names(const mo_gen_host *host)
{
	static mo_gen_listener all[MO_OFFER_MAX]; /* of the control thread */
	size_t n = host->listeners(all, MO_OFFER_MAX);
	json_t *names = json_array();

	for (size_t i = 0; i < n && i < MO_OFFER_MAX; i++)
		if (i == 0 || strcmp(all[i].server, all[i - 1].server) != 0)
			json_array_append_new(names, json_string(all[i].server));
	return names;
}

static json_t *ready_message(const mo_gen_host *host)
{
	int left = count_left();

	return json_pack("{s:s, s:b, s:o, s:o, s:o, s:{s:i, s:i, s:i}, s:s}", "type", "ready", "health", 1, "servers",
			 server_names(host), "state", mo_state_report(), "dropped", dropped(), "listeners", "adopted", s.adopted - left, "bound", s.bound,
			 "closed", left, "build", mo_start_get()->build);
}

/* Who called the takeover off serves on, or is started again. */
static _Noreturn void called_off(const char *why)
{
	mo_error("the takeover was called off: %s", why);
	_exit(1);
}

static void heed_cancel(const mo_wire_msg *m)
{
	if (strcmp(m->type, "cancel") == 0)
		called_off(mo_json_str(m->body, "why"));
}

/* Somebody else serves, and cannot tell us to. */
static _Noreturn void leave(const char *why)
{
	mo_error("this generation ends before it has served: %s", why);
	mo_successor_failed(why);
	_exit(1);
}

/* Waits for something to read.  0, or -ECANCELED: we end. */
static int await_more(int fd)
{
	return mo_co_wait_fd(fd, UV_READABLE, MOLT_FOREVER) < 0 ? -ECANCELED : 0;
}

static bool is_passing(int rc)
{
	return rc == -ENOMEM || rc == -ENOBUFS;
}

/* 0: commit; 1: the channel has ended; -ECANCELED: we end. */
static int await_commit(const mo_gen_host *host, int fd)
{
	for (;;) {
		mo_wire_msg m;
		int rc = mo_wire_recv(fd, &m);
		bool commit;

		if (is_passing(rc))
			mo_co_sleep(10);
		if (rc == -EAGAIN && await_more(fd) < 0)
			return -ECANCELED;
		if (rc == -EAGAIN || is_passing(rc))
			continue;
		if (rc < 0)
			leave("what came from the predecessor cannot be read");
		if (rc == 0)
			return 1;
		take_record(&m);
		heed_cancel(&m);
		if (strcmp(m.type, "probe") == 0 && m.nfds == 1) {
			host->serve_probe(mo_json_str(m.body, "server"), m.fds[0]);
			m.fds[0] = -1;
		}
		commit = strcmp(m.type, "commit") == 0;
		mo_wire_free(&m);
		if (commit)
			return 0;
	}
}

/* From now on our standard error is the real one; the pipe is read here until
 * the last child that writes to it has ended. */
static void restore_stderr(void)
{
	if (s.stderr_fd < 0)
		return;
	dup2(s.stderr_fd, STDERR_FILENO);
	close(s.stderr_fd);
	s.stderr_fd = -1;
	s.tail = mo_tail_new(mo_control_loop(), s.tail_fd, STDERR_FILENO);
	s.tail_fd = -1;
}

/* A listener that nobody wants now. */
static void drop(mo_listener *l)
{
	if (mo_addr_is_passed(l->text))
		mo_activate_keep(l);
	else
		mo_listener_close(l);
}

static void take_its_place(void)
{
	const char *who = s.by_supervisor ? "supervisor" : "predecessor";

	if (!mo_parent_ended(END_TIME))
		leave("the channel to the predecessor is closed, but it lives");
	s.orphan = true;
	/* A supervisor that has started another program kills us within this. */
	if (mo_uplink_is() && !s.by_supervisor)
		mo_co_sleep(OBJECTION_TIME);
	mo_warn("the %s is gone; this generation serves in its place", who);
}

int mo_successor_ready(const mo_gen_host *host)
{
	int fd = atomic_load(&s.channel), rc;

	s.co = mo_co_self();
	if (!s.by_supervisor)
		mo_parent_watch(MO_STOPPED_TIME);
	rc = mo_wire_send(fd, ready_message(host), NULL, 0);
	if (rc < 0 && rc != -EPIPE && rc != -ECONNRESET)
		leave("the predecessor cannot be told that it is ready");
	rc = rc < 0 ? 1 : await_commit(host, fd);
	if (rc < 0 || mo_control_shutdown_asked())
		return -ECANCELED;
	if (rc == 1 && s.by_path && s.supervised)
		called_off("the running program ended before the switch, and its supervisor starts "
			   "it again");
	if (rc == 1)
		take_its_place();
	mo_log_set_observer(NULL);
	restore_stderr();
	if (!s.orphan)
		mo_relay_up_open(fd);
	s.before = host->answered();
	mo_takeover_open();
	s.committed = true;
	if (!s.by_supervisor)
		mo_parent_watch(STANDBY_TIME);
	host->accept(true);
	(void)MO_FAULT("step", "accept", fd);
	mo_elders_watch(true);
	while (s.listeners)
		drop(unlink_offered(&s.listeners));
	mo_uplink_serving(host);
	mo_wire_send(fd, json_pack("{s:s}", "type", "serving"), NULL, 0);
	host->log_listening(s.by_supervisor && mo_control_generation() == 1 ? "started"
									    : "restarted");
	return 0;
}

/* The predecessor has told the service manager who serves now, or cannot. */
static void become_main(bool told)
{
	if (!s.main)
		mo_notify_ready(mo_control_generation(), !told);
	s.main = true;
}

static void predecessor_ended(void)
{
	mo_gen_info info;

	mo_control_info(&info);
	mo_control_set_identity(info.generation, info.predecessor_pid, false);
}

int mo_successor_channel(void)
{
	return atomic_load(&s.channel);
}

void mo_successor_hear(mo_wire_msg *m)
{
	int fd = atomic_load(&s.channel);

	heed_cancel(m);
	if (strcmp(m->type, "main") == 0) {
		become_main(true);
		mo_previous_stands_by(mo_json_int(m->body, "bake_ms"));
	} else if (strcmp(m->type, "conns") == 0)
		mo_move_take(mo_control_host(), fd, m);
	else if (strcmp(m->type, "event") == 0 && mo_withdraw_gives())
		mo_relay_from_below(m);
	else if (strcmp(m->type, "event") == 0)
		mo_relay_from_above(fd, m);
	else if (strcmp(m->type, "seen") == 0)
		mo_relay_seen(fd, (uint64_t)mo_json_int(m->body, "seen"));
	else
		mo_withdraw_hear(fd, m);
	take_record(m);
}

int mo_successor_hear_all(void)
{
	bool gave = mo_withdraw_gives();
	mo_wire_msg m;
	int rc = -EAGAIN;

	/* "back" is the last that listen() hears: from there on it gives. */
	while (mo_withdraw_gives() == gave &&
	       (rc = mo_wire_recv(atomic_load(&s.channel), &m)) == 1) {
		mo_successor_hear(&m);
		mo_wire_free(&m);
	}
	return rc == 1 || rc == -EAGAIN || is_passing(rc) ? -EAGAIN : 0;
}

/* So the predecessor knows that we live, and how well. */
static void report_health(void)
{
	static molt_time next; /* of the control thread */
	mo_rate n = mo_rate_since(mo_control_host()->answered(), s.before);

	if (mo_now() < next)
		return;
	next = mo_now() + MO_WITHDRAW_TICK;
	mo_wire_send(atomic_load(&s.channel),
		     json_pack("{s:s, s:I, s:I, s:I}", "type", "health", "answers",
			       (json_int_t)n.answers, "errors", (json_int_t)n.errors, "stuck",
			       (json_int_t)mo_watchdog_stuck()),
		     NULL, 0);
}

bool mo_successor_listen(void)
{
	int fd = atomic_load(&s.channel), rc = 0;

	while (!s.orphan) {
		if (mo_successor_hear_all() == 0)
			break;
		if (mo_withdraw_gives())
			return true;
		mo_withdraw_tick();
		mo_successor_tell_counts();
		report_health();
		rc = mo_co_wait_fd(fd, UV_READABLE, MO_WITHDRAW_TICK);
		if (rc < 0 && rc != -ETIMEDOUT)
			break; /* we end */
	}
	if (rc >= 0 || rc == -ETIMEDOUT)
		mo_withdraw_alone();
	mo_successor_alone();
	return false;
}

void mo_successor_alone(void)
{
	int fd = atomic_load(&s.channel);

	mo_parent_unwatch();
	become_main(s.by_supervisor);
	mo_relay_up_close(fd);
	mo_previous_stands_by(-1);
	predecessor_ended();
	s.co = NULL;
	atomic_store(&s.channel, -1);
	close(fd);
	mo_control_no_predecessor();
}

static void close_on_loop(void *unused)
{
	(void)unused;
	if (s.co)
		mo_co_cancel(s.co, -ECANCELED);
	mo_tail_free(s.tail);
	s.tail = NULL;
}

void mo_successor_close(void)
{
	mo_loop_post(mo_control_loop(), close_on_loop, NULL);
}
