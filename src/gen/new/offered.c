/* What the predecessor, or a supervisor, offers to this process: read before the
 * program's own start-up, taken by its servers; see successor.h for the steps. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include "gen/drain/older_generations.h"
#include "gen/join/supervisor_client.h"
#include "gen/join/takeover.h"
#include "gen/new/parent.h"
#include "gen/new/previous.h"
#include "gen/new/successor_internal.h"
#include "gen/os/activate.h"
#include "gen/os/origin.h"
#include "gen/receipt/receipt_wire.h"
#include "gen/self.h"
#include "gen/transfer/counter_ledger.h"
#include "gen/transfer/state.h"
#include "gen/wire/forms.h"
#include "gen/wire/messages.h"
#include "gen/wire/offer.h"
#include "net/ticket.h"

#define OFFER_TIMEOUT (10 * MOLT_SECOND)

static mo_successor *const self = &mo_successor_self;

/* The next message, blocking; set-up runs on the program's own thread.  The deadline
 * counts while messages come, too. */
static int next_message(int fd, molt_time deadline, mo_wire_msg *m)
{
	for (;;) {
		int rc;

		if (mo_left(deadline) == 0)
			return -ETIMEDOUT;
		rc = mo_wire_recv(fd, m);
		if (rc != -EAGAIN)
			return rc;
		mo_wire_await(fd, mo_left(deadline));
	}
}

/* From a supervisor: its link.  From a predecessor: the real standard error, the
 * reading end of ours, and the link when there is a supervisor. */
static void take_offer_fds(mo_wire_msg *m)
{
	int link = self->by_supervisor ? 0 : 2;

	if (self->by_path)
		return;
	if (!self->by_supervisor) {
		self->stderr_fd = m->fds[0];
		self->tail_fd = m->fds[1];
		m->fds[0] = m->fds[1] = -1;
	}
	if (m->nfds > link) {
		mo_supervisor_client_take(m->fds[link], (int)mo_json_int(m->body, "supervisor"));
		m->fds[link] = -1;
		mo_supervisor_client_starting((int)mo_json_int(m->body, "pid"));
	}
}

static int on_offer(void *arg, mo_wire_msg *m)
{
	char **why = arg;
	int fds;

	self->by_supervisor = json_is_true(json_object_get(m->body, "from_supervisor"));
	fds = self->by_path ? 0 : self->by_supervisor ? 1 : 2;
	*why = mo_forms_refuse(m->body, "the predecessor");
	if (*why)
		return -EPROTO;
	if (m->nfds < fds) {
		*why = mo_fmt("the predecessor's offer came with %d descriptors instead of %d",
			      m->nfds, fds);
		return -EPROTO;
	}
	json_decref(self->offered);
	self->offered = json_incref(m->body);
	self->supervised = json_is_true(json_object_get(m->body, "supervised"));
	if (!self->by_path) {
		mo_origin_set_exe(mo_json_str(m->body, "exe"));
		mo_origin_get()->control_socket =
			mo_strdup(json_string_value(json_object_get(m->body, "control_socket")));
	}
	mo_self_set_identity((unsigned)mo_json_int(m->body, "generation"),
			     self->by_supervisor ? 0 : (int)mo_json_int(m->body, "pid"),
			     !self->by_supervisor);
	mo_parent_set(m->pid);
	take_offer_fds(m);
	return 0;
}

static mo_listener *unlink_offered(mo_offered **at)
{
	mo_offered *o = *at;
	mo_listener *l = o->listener;

	*at = o->next;
	free(o->server);
	free(o);
	return l;
}

static void remove_spare(const mo_listener *same)
{
	for (mo_offered **at = &self->listeners; *at; at = &(*at)->next)
		if ((*at)->spare && mo_listener_same((*at)->listener, same)) {
			mo_listener_close(unlink_offered(at));
			self->adopted--;
			return;
		}
}

/* Before those of our supervisor, which may be older sockets at the same addresses,
 * or the very same: dropped as spare, these would be closed by who serves. */
static void add_offered(void *unused, const char *server, mo_listener *l)
{
	mo_offered *o = mo_calloc(1, sizeof(*o)), **at = &self->listeners;

	(void)unused;
	remove_spare(l);
	*o = (mo_offered){ .server = mo_strdup(server), .listener = l };
	while (*at && !(*at)->spare)
		at = &(*at)->next;
	o->next = *at;
	*at = o;
	self->adopted++;
	self->came++;
}

static void mark_spare(void)
{
	for (mo_offered *o = self->listeners; o; o = o->next)
		o->spare = true;
	self->came = 0;
}

static int on_refused(void *arg, mo_wire_msg *m)
{
	char **why = arg;

	*why = mo_fmt("the program that runs (pid %lld) refuses the takeover: %s",
		      mo_json_int(m->body, "pid"), mo_json_str(m->body, "why"));
	mo_supervisor_client_refused(*why);
	return -EBUSY;
}

static int on_cancel(void *arg, mo_wire_msg *m)
{
	char **why = arg;

	*why = mo_fmt("the restart was called off: %s", mo_json_str(m->body, "why"));
	return -ECANCELED;
}

static int on_listeners(void *arg, mo_wire_msg *m)
{
	return mo_offer_unpack(m, add_offered, NULL, arg);
}

static int on_previous(void *arg, mo_wire_msg *m)
{
	(void)arg;
	mo_previous_take(m);
	return 0;
}

static int on_tickets(void *arg, mo_wire_msg *m)
{
	(void)arg;
	mo_tickets_import((const uint8_t *)m->blob.ptr, m->blob.len);
	return 0;
}

static int on_state(void *arg, mo_wire_msg *m)
{
	char **why = arg;

	if (mo_state_arrive(m) == 0)
		return 0;
	*why = mo_strdup("the state that was offered is not whole");
	return -EPROTO;
}

static int on_elders(void *arg, mo_wire_msg *m)
{
	(void)arg;
	return mo_older_arrive(m);
}

static int on_offered(void *arg, mo_wire_msg *m)
{
	char **why = arg;

	if (mo_json_int(m->body, "listeners") == self->came)
		return 1;
	*why = mo_fmt("%lld listeners were announced, %d came", mo_json_int(m->body, "listeners"),
		      self->came);
	return -EPROTO;
}

/* Of another protocol, anything may be in it. */
static int on_unreadable(void *arg, mo_wire_msg *m, const char *reason)
{
	char **why = arg;

	if (mo_message_is(m, MO_MSG_OFFER))
		*why = mo_forms_refuse(m->body, "the predecessor");
	if (!*why)
		*why = mo_strdup(reason);
	return -EPROTO;
}

/* The messages of the offer, whoever makes it: 1 when it was the last. */
static const mo_hears hears[] = {
	{ MO_MSG_OFFER, on_offer },           { MO_MSG_REFUSED, on_refused },
	{ MO_MSG_CANCEL, on_cancel },         { MO_MSG_TICKETS, on_tickets },
	{ MO_MSG_ELDERS, on_elders },         { MO_MSG_TOTALS, mo_ledger_hear },
	{ MO_MSG_STATE, on_state },           { MO_MSG_PREVIOUS, on_previous },
	{ MO_MSG_RECEIPT, mo_receipts_hear }, { MO_MSG_LISTENERS, on_listeners },
	{ MO_MSG_OFFERED, on_offered },
};
static const mo_role role = MO_ROLE(hears, on_unreadable);

/* A process that is killed closes one descriptor after the other. */
static void await_end(int fd)
{
	int process = mo_wire_peer_pidfd(fd);

	if (process < 0)
		return;
	mo_wire_await(process, MOLT_SECOND);
	close(process);
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
			rc = mo_message_hand(&role, why, &m);
			mo_wire_free(&m);
		} else if (rc == 0 &&
			   (self->by_path ? self->supervised : mo_origin_get()->supervised)) {
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
	int fd, before = atomic_load(&self->channel), rc = mo_takeover_join(&fd, why);

	self->looked = mo_takeover_wanted();
	if (rc <= 0)
		return rc;
	self->begun = self->by_path = true;
	mark_spare();
	atomic_store(&self->channel, fd);
	if (before >= 0)
		close(before); /* to a supervisor, which hears of us by its link */
	return read_offer(fd, why);
}

int mo_successor_begin(char **why)
{
	int fd = mo_origin_get()->handover_fd;

	if (!self->begun && fd >= 0) {
		self->offer = read_offer(fd, &self->offer_why);
		self->begun = true;
		atomic_store(&self->channel, fd);
	}
	if (self->offer == 0 && !self->looked && (fd < 0 || self->by_supervisor))
		self->offer = take_over(&self->offer_why);
	if (self->offer == 0 && self->by_supervisor && !self->opening) {
		self->opening = true;
		mo_supervisor_client_opening();
	}
	if (self->offer < 0)
		*why = mo_strdup(self->offer_why ? self->offer_why : strerror(-self->offer));
	if (self->offer == -EPROTO && !self->told) {
		self->told = true;
		mo_successor_broken(*why);
	}
	return self->offer;
}

mo_listener *mo_successor_take(const char *server, const char *text)
{
	for (mo_offered **at = &self->listeners; *at; at = &(*at)->next)
		if (strcmp((*at)->server, server) == 0 && strcmp((*at)->listener->text, text) == 0)
			return unlink_offered(at);
	for (mo_offered **at = &self->listeners; *at; at = &(*at)->next)
		if (mo_listener_matches((*at)->listener, text))
			return unlink_offered(at);
	return NULL;
}

int mo_offered_left(void)
{
	int n = 0;

	for (mo_offered *o = self->listeners; o; o = o->next)
		n++;
	return n;
}

json_t *mo_offered_names(void)
{
	json_t *list = json_array();

	for (mo_offered *o = self->listeners; o; o = o->next)
		if (!o->spare)
			json_array_append_new(list, json_pack("{s:s, s:s}", "server", o->server,
							      "text", o->listener->text));
	return list;
}

/* A listener that nobody wants now. */
static void drop(mo_listener *l)
{
	if (mo_addr_is_passed(l->text))
		mo_activate_keep(l);
	else
		mo_listener_close(l);
}

void mo_offered_drop(void)
{
	while (self->listeners)
		drop(unlink_offered(&self->listeners));
}
