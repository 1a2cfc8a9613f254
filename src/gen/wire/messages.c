/* The list of all messages, and the way to their handlers; see messages.h. */
#include "gen/wire/messages.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/log.h"
#include "base/mem.h"

#define MOST_WARNINGS 16

/* clang-format off */
#define NEEDS(name, kind) { name, kind, true }
#define MAY(name, kind) { name, kind, false }
/* Whoever names the versions that it speaks; see forms.h. */
#define PROTOCOL MAY("protocol", MO_NUMBER), MAY("protocol_highest", MO_NUMBER)
#define FORMS PROTOCOL, MAY("tls_state", MO_NUMBER), MAY("tls_state_highest", MO_NUMBER), \
	MAY("forms", MO_OBJECT)

static const mo_message messages[MO_MSGS] = {
	/* ---- the restart ---- */

	/* successor: it was started by others (takeover.h) */
	[MO_MSG_TAKEOVER] = { "takeover", 1, MO_FDS_FREE,
		{ NEEDS("exe", MO_TEXT), MAY("build", MO_TEXT), PROTOCOL } },
	/* predecessor to "takeover"; that one to its supervisor; supervisor to "claim" and
	 * "upgrade" */
	[MO_MSG_REFUSED] = { "refused", 1, MO_FDS_FREE,
		{ NEEDS("why", MO_TEXT), MAY("errno", MO_NUMBER), MAY("pid", MO_NUMBER),
		  MAY("build", MO_TEXT) } },
	/* predecessor or supervisor; offered.c has the descriptors of each */
	[MO_MSG_OFFER] = { "offer", 1, MO_FDS_FREE,
		{ NEEDS("generation", MO_NUMBER), NEEDS("pid", MO_NUMBER), MAY("exe", MO_TEXT),
		  MAY("control_socket", MO_TEXT), MAY("supervisor", MO_NUMBER),
		  MAY("supervised", MO_BOOL), MAY("from_supervisor", MO_BOOL), FORMS } },
	/* predecessor; behind the object: the keys of TLS session tickets */
	[MO_MSG_TICKETS] = { "tickets", 1, MO_FDS_FREE, { { 0 } } },
	/* predecessor, and back: generations that still live, the last its own
	 * (older_generations.h) */
	[MO_MSG_ELDERS] = { "elders", 1, MO_FDS_EACH,
		{ NEEDS("generations", MO_LIST), MAY("names", MO_LIST) } },
	/* predecessor, in the offer and again before the commit (counter_ledger.h) */
	[MO_MSG_TOTALS] = { "totals", 1, MO_FDS_FREE,
		{ NEEDS("base", MO_OBJECT), NEEDS("live", MO_OBJECT),
		  MAY("base_series", MO_OBJECT), MAY("live_series", MO_OBJECT) } },
	/* predecessor: list of [key, bytes, descriptor?]; its descriptors (state.h) */
	[MO_MSG_STATE] = { "state", 1, MO_FDS_FREE, { NEEDS("list", MO_LIST) } },
	/* predecessor, of itself; with its program's descriptor, if it is kept */
	[MO_MSG_PREVIOUS] = { "previous", 1, MO_FDS_FREE,
		{ NEEDS("generation", MO_NUMBER), MAY("pid", MO_NUMBER), MAY("exe", MO_TEXT),
		  MAY("build", MO_TEXT) } },
	/* predecessor or supervisor; serving generation to supervisor: list of {server, text} */
	[MO_MSG_LISTENERS] = { "listeners", 1, MO_FDS_EACH, { NEEDS("list", MO_LIST) } },
	/* the same, behind them: how many in all */
	[MO_MSG_OFFERED] = { "offered", 1, MO_FDS_FREE, { NEEDS("listeners", MO_NUMBER) } },
	/* successor: its own warnings and errors */
	[MO_MSG_LOG] = { "log", 1, MO_FDS_FREE, { NEEDS("line", MO_TEXT) } },
	/* successor: it gives up; protocol: for it does not understand the predecessor */
	[MO_MSG_FAILED] = { "failed", 1, MO_FDS_FREE,
		{ MAY("why", MO_TEXT), MAY("protocol", MO_BOOL) } },
	/* successor.  servers: their names; state: what became of it; dropped: listeners that
	 * it lacks; listeners: how many were adopted, bound and closed; health: it tells it */
	[MO_MSG_READY] = { "ready", 1, MO_FDS_FREE,
		{ MAY("health", MO_BOOL), MAY("servers", MO_LIST), MAY("state", MO_OBJECT),
		  MAY("dropped", MO_LIST), MAY("listeners", MO_OBJECT), MAY("build", MO_TEXT),
		  FORMS } },
	/* predecessor: the server whose request waits on the descriptor */
	[MO_MSG_PROBE] = { "probe", 1, MO_FDS_ONE, { NEEDS("server", MO_TEXT) } },
	/* predecessor or supervisor; reopen: the log files may have been renamed since the
	 * successor opened them */
	[MO_MSG_COMMIT] = { "commit", 1, MO_FDS_FREE, { MAY("reopen", MO_BOOL) } },
	/* successor to "commit"; with members: serving generation to supervisor */
	[MO_MSG_SERVING] = { "serving", 1, MO_FDS_FREE,
		{ MAY("generation", MO_NUMBER), MAY("exe", MO_TEXT) } },
	/* predecessor: who took over must end */
	[MO_MSG_CANCEL] = { "cancel", 1, MO_FDS_FREE, { MAY("why", MO_TEXT) } },
	/* predecessor: the service manager knows the successor; bake_ms: so long it stands by */
	[MO_MSG_MAIN] = { "main", 1, MO_FDS_FREE, { NEEDS("bake_ms", MO_NUMBER) } },
	/* successor: it has a successor of its own, which is not told to serve yet; with its
	 * process's descriptor: whoever takes the service back ends that one, too */
	[MO_MSG_BEGUN] = { "begun", 1, MO_FDS_ONE, { NEEDS("pid", MO_NUMBER) } },
	/* predecessor: it was asked to shut down when it still was the service */
	[MO_MSG_SHUTDOWN] = { "shutdown", 1, MO_FDS_FREE, { { 0 } } },

	/* ---- while both live ---- */

	/* giver: list of [server, peer, left, bytes, protocol, state, stream]; bytes, state and
	 * stream of each follow the object (move.h) */
	[MO_MSG_CONNS] = { "conns", 1, MO_FDS_EACH,
		{ NEEDS("list", MO_LIST), NEEDS("seen", MO_NUMBER) } },
	/* taker to "conns": numbers in the list; short: for want of descriptors, so these may be
	 * given again */
	[MO_MSG_TOOK] = { "took", 1, MO_FDS_FREE,
		{ NEEDS("refused", MO_LIST), MAY("short", MO_BOOL) } },
	/* successor to predecessor, older to serving generation (counter_ledger.h) */
	[MO_MSG_COUNTS] = { "counts", 1, MO_FDS_FREE,
		{ NEEDS("live", MO_OBJECT), MAY("live_series", MO_OBJECT) } },
	/* successor, every 100 ms: answers and errors (5xx) since it serves; stuck: ms that a
	 * loop has been blocked */
	[MO_MSG_HEALTH] = { "health", 1, MO_FDS_FREE,
		{ NEEDS("answers", MO_NUMBER), NEEDS("errors", MO_NUMBER),
		  MAY("stuck", MO_NUMBER) } },
	/* both.  parts: lengths of topic, name and id, which follow the object with the data.
	 * One that cannot be read counts all the same (event_bus.h) */
	[MO_MSG_EVENT] = { "event", 1, MO_FDS_FREE, { MAY("parts", MO_ANY) } },
	/* predecessor, or who is given back: how many of the other side's events have come */
	[MO_MSG_SEEN] = { "seen", 1, MO_FDS_FREE, { NEEDS("seen", MO_NUMBER) } },
	/* both; serving generation to supervisor: it is being shut down, its end is wanted */
	[MO_MSG_STOPPING] = { "stopping", 1, MO_FDS_FREE, { { 0 } } },
	/* both: it is about to commit to a successor of its own */
	[MO_MSG_REPLACED] = { "replaced", 1, MO_FDS_FREE, { { 0 } } },
	/* both, older, serving generation to supervisor: a receipt was put (receipt.h) */
	[MO_MSG_RECEIPT] = { "receipt", 1, MO_FDS_FREE, { NEEDS("receipt", MO_OBJECT) } },

	/* ---- the way back ---- */

	/* successor.  by: who asks; at: when, monotonic ms */
	[MO_MSG_ROLLBACK] = { "rollback", 1, MO_FDS_FREE,
		{ NEEDS("by", MO_TEXT), NEEDS("at", MO_NUMBER) } },
	/* predecessor: the successor is to stop accepting and to give everything back */
	[MO_MSG_WITHDRAW] = { "withdraw", 1, MO_FDS_FREE, { { 0 } } },
	/* successor to "withdraw": it cannot, for it is being replaced or shut down */
	[MO_MSG_BUSY] = { "busy", 1, MO_FDS_FREE, { { 0 } } },
	/* successor to "withdraw": it does; it accepts no more */
	[MO_MSG_WITHDRAWING] = { "withdrawing", 1, MO_FDS_FREE, { { 0 } } },
	[MO_MSG_WITHDRAWN] = { "withdrawn", 1, MO_FDS_FREE, { { 0 } } },
	/* predecessor to "withdrawn": it accepts again.  missing: listeners that it lacks.
	 * "conns", "took" and "seen" change sides from here on */
	[MO_MSG_BACK] = { "back", 1, MO_FDS_FREE, { MAY("missing", MO_NUMBER) } },

	/* ---- between the serving generation and an older one (older_generations.h) ---- */

	[MO_MSG_END] = { "end", 1, MO_FDS_FREE, { { 0 } } },
	[MO_MSG_REOPEN] = { "reopen", 1, MO_FDS_FREE,
		{ NEEDS("by", MO_NUMBER), NEEDS("n", MO_NUMBER) } },
	/* the older one; errno: 0, or why not */
	[MO_MSG_REOPENED] = { "reopened", 1, MO_FDS_FREE,
		{ NEEDS("by", MO_NUMBER), NEEDS("n", MO_NUMBER), MAY("errno", MO_NUMBER) } },

	/* ---- to the supervisor (supervisor_client.h), and its upgrade (upgrade.h) ---- */

	/* successor: it has read the offer of the process with that pid */
	[MO_MSG_STARTING] = { "starting", 1, MO_FDS_FREE, { NEEDS("predecessor", MO_NUMBER) } },
	/* successor: it is about to open its listeners */
	[MO_MSG_OPENING] = { "opening", 1, MO_FDS_FREE, { { 0 } } },
	/* serving generation: a stranger takes over */
	[MO_MSG_TAKEN] = { "taken", 1, MO_FDS_FREE, { { 0 } } },
	/* predecessor: it has reaped its successor; status: as waitpid() gives it */
	[MO_MSG_ENDED] = { "ended", 1, MO_FDS_FREE,
		{ NEEDS("pid", MO_NUMBER), NEEDS("status", MO_NUMBER) } },
	/* older generation whose successor has died: may it serve again?  The answer is wanted on
	 * the descriptor */
	[MO_MSG_CLAIM] = { "claim", 1, MO_FDS_ONE, { { 0 } } },
	/* supervisor to "claim"; or "refused", for another program serves */
	[MO_MSG_GRANTED] = { "granted", 1, MO_FDS_FREE, { { 0 } } },
	/* serving generation: the answer is wanted on the descriptor */
	[MO_MSG_UPGRADE] = { "upgrade", 1, MO_FDS_ONE, { { 0 } } },
	/* supervisor to its trial: its state, in memory */
	[MO_MSG_TRY] = { "try", 1, MO_FDS_ONE, { { 0 } } },
	/* the trial to "try" */
	[MO_MSG_GOOD] = { "good", 1, MO_FDS_FREE, { MAY("why", MO_TEXT) } },
	[MO_MSG_BAD] = { "bad", 1, MO_FDS_FREE, { MAY("why", MO_TEXT) } },
	/* the supervisor's new image to "upgrade" */
	[MO_MSG_UPGRADED] = { "upgraded", 1, MO_FDS_FREE,
		{ NEEDS("pid", MO_NUMBER), MAY("errno", MO_NUMBER), MAY("why", MO_TEXT),
		  MAY("build", MO_TEXT) } },
};
/* clang-format on */

const mo_message *mo_message_of(enum mo_msg what)
{
	MO_CHECK(what < MO_MSGS);
	return &messages[what];
}

/* The type comes first: base/fault.c looks for it there. */
json_t *mo_message_new(enum mo_msg what, const char *members, ...)
{
	json_t *body = json_pack("{s:s}", "type", mo_message_of(what)->type), *rest;
	json_error_t error;
	va_list ap;

	if (!members)
		return body;
	va_start(ap, members);
	rest = json_vpack_ex(&error, 0, members, ap);
	va_end(ap);
	if (rest) {
		json_object_update(body, rest);
		json_decref(rest);
		return body;
	}
	json_decref(body);
	return NULL;
}

/* ---- one that has come ------------------------------------------------------ */

bool mo_message_is(const mo_wire_msg *m, enum mo_msg what)
{
	return strcmp(m->type, messages[what].type) == 0;
}

static bool is_kind(const json_t *v, enum mo_kind kind)
{
	switch (kind) {
	case MO_TEXT:
		return json_is_string(v);
	case MO_NUMBER:
		return json_is_integer(v);
	case MO_BOOL:
		return json_is_boolean(v);
	case MO_LIST:
		return json_is_array(v);
	case MO_OBJECT:
		return json_is_object(v);
	case MO_ANY:
		return true;
	}
	return false;
}

static bool is_good(const json_t *body, const mo_member *want)
{
	const json_t *v = json_object_get(body, want->name);

	if (!v || json_is_null(v))
		return !want->needed;
	return is_kind(v, want->kind);
}

static char *refuse_member(const mo_wire_msg *m, const mo_message *want)
{
	static const char *const kinds[] = {
		[MO_TEXT] = "text", [MO_NUMBER] = "number", [MO_BOOL] = "boolean",
		[MO_LIST] = "list", [MO_OBJECT] = "object", [MO_ANY] = "value"
	};

	for (size_t i = 0; i < MO_MSG_MEMBERS && want->members[i].name; i++) {
		const mo_member *one = &want->members[i];

		if (!is_good(m->body, one))
			return mo_fmt("\"%s\" came without the %s \"%s\"", want->type,
				      kinds[one->kind], one->name);
	}
	return NULL;
}

static char *refuse_fds(const mo_wire_msg *m, const mo_message *want)
{
	size_t n = 1;

	if (m->cut)
		return mo_fmt("\"%s\" has lost its descriptors on the way", want->type);
	if (want->fds == MO_FDS_FREE)
		return NULL;
	if (want->fds == MO_FDS_EACH)
		n = json_array_size(json_object_get(m->body, want->members[0].name));
	if ((size_t)m->nfds == n)
		return NULL;
	return mo_fmt("\"%s\" came with %d descriptors instead of %zu", want->type, m->nfds, n);
}

char *mo_message_refuse(const mo_wire_msg *m, enum mo_msg what)
{
	const mo_message *want = mo_message_of(what);
	char *why;

	if (!mo_message_is(m, what))
		return mo_fmt("another message came instead of \"%s\"", want->type);
	why = refuse_member(m, want);
	return why ? why : refuse_fds(m, want);
}

void mo_message_warn(const char *why)
{
	static _Atomic unsigned told;

	if (atomic_fetch_add(&told, 1) < MOST_WARNINGS)
		mo_warn("a message of another process is refused: %s", why);
}

bool mo_message_answers(const mo_wire_msg *m, enum mo_msg what)
{
	char *why;

	if (!mo_message_is(m, what))
		return false;
	why = mo_message_refuse(m, what);
	if (!why)
		return true;
	mo_message_warn(why);
	free(why);
	return false;
}

/* ---- what a role hears ------------------------------------------------------- */

static int refuse(const mo_role *r, void *arg, mo_wire_msg *m, char *why)
{
	int rc = 0;

	if (r->refused)
		rc = r->refused(arg, m, why);
	else
		mo_message_warn(why);
	free(why);
	return rc;
}

int mo_message_hand(const mo_role *r, void *arg, mo_wire_msg *m)
{
	const mo_hears *h = r->hears, *end = h + r->n;
	char *why;

	while (h < end && !mo_message_is(m, h->what))
		h++;
	if (h == end)
		return 0;
	why = mo_message_refuse(m, h->what);
	return why ? refuse(r, arg, m, why) : h->handle(arg, m);
}
