/* Connections on their way to the next generation; see move.h. */
#include "gen/transfer/move.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/check.h"
#include "base/log.h"
#include "base/str.h"
#include "gen/transfer/event_bus.h"
#include "gen/wire/forms.h"
#include "gen/wire/messages.h"
#include "rt/park.h"

_Static_assert(MO_GEN_BATCH <= MO_WIRE_FDS, "a batch fits one message");

/* No deadline of a connection is longer; sums with it do not overflow. */
#define LEFT_MAX ((json_int_t)MO_WIRE_NUMBER)

/* ---- the giver ------------------------------------------------------------- */

static bool is_understood(const mo_forms *f, const mo_gen_conn *c)
{
	return (c->moving.stream.len == 0 || mo_forms_version(f, MO_FORM_TLS)) &&
	       (c->moving.state.len == 0 || mo_forms_version(f, c->moving.protocol));
}

/* Which of the batch the other side understands; how many. */
static size_t choose(const mo_move_link *link, mo_gen_batch *b, mo_gen_conn **out)
{
	size_t n = 0;

	for (size_t i = 0; i < b->n; i++)
		if (is_understood(link->forms, &b->conns[i]))
			out[n++] = &b->conns[i];
	return n;
}

static json_t *describe(mo_gen_conn *const *all, size_t n, uint64_t seen, int *fds,
			molt_str *pieces)
{
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++) {
		const mo_gen_conn *c = all[i];
		char peer[MO_ADDR_TEXT];

		/* The path of a client's own socket is whatever the client likes. */
		if (c->moving.peer.u.sa.sa_family == AF_UNIX)
			strcpy(peer, "unix");
		else
			mo_addr_format(&c->moving.peer, peer);
		json_array_append_new(
			list, json_pack("[s, s, I, I, s, I, I]", c->server, peer,
					(json_int_t)c->moving.left, (json_int_t)c->moving.bytes.len,
					c->moving.protocol, (json_int_t)c->moving.state.len,
					(json_int_t)c->moving.stream.len));
		fds[i] = c->moving.fd;
		pieces[MO_MOVE_PIECES * i] = c->moving.bytes;
		pieces[MO_MOVE_PIECES * i + 1] = c->moving.state;
		pieces[MO_MOVE_PIECES * i + 2] = c->moving.stream;
	}
	return mo_message_new(MO_MSG_CONNS, "{s:o, s:I}", "list", list, "seen", (json_int_t)seen);
}

/* Everything that was sent is taken but what the answer names. */
static long mark_taken(mo_gen_conn *const *all, size_t sent, const json_t *answer)
{
	json_t *refused = json_object_get(answer, "refused"), *number;
	long n = 0;
	size_t i;

	for (i = 0; i < sent; i++)
		all[i]->taken = true;
	json_array_foreach (refused, i, number) {
		json_int_t k = json_integer_value(number);

		if (k >= 0 && (size_t)k < sent)
			all[k]->taken = false;
	}
	for (i = 0; i < sent; i++) {
		n += all[i]->taken;
		all[i]->again = !all[i]->taken && json_is_true(json_object_get(answer, "short"));
	}
	return n;
}

/* The answer will not come, and whether they were taken cannot be known: they are
 * closed here without one more byte, as both may believe to own them. */
static void give_up(mo_gen_conn *const *all, size_t n)
{
	for (size_t i = 0; i < n; i++)
		all[i]->taken = true;
}

static long give_batch(const mo_move_link *link, mo_gen_batch *b, uint64_t seen)
{
	molt_str pieces[MO_MOVE_PIECES * MO_GEN_BATCH];
	int fds[MO_GEN_BATCH], rc;
	mo_gen_conn *all[MO_GEN_BATCH];
	size_t sent = choose(link, b, all);
	mo_wire_msg answer;
	long n;

	if (sent == 0)
		return 0;
	rc = link->exchange(link->arg, describe(all, sent, seen, fds, pieces), fds, (int)sent,
			    pieces, &answer);
	if (rc == -ECANCELED)
		give_up(all, sent);
	if (rc < 0)
		return rc;
	n = mark_taken(all, sent, answer.body);
	mo_wire_free(&answer);
	return n;
}

/* Descriptors may be short on the other side: not at once again. */
static bool is_short(const mo_gen_batch *b)
{
	for (size_t i = 0; i < b->n; i++)
		if (b->conns[i].again)
			return true;
	return false;
}

/* Those that can move at one moment.  *any: there were some, and more may be given. */
static long give_once(const mo_gen_host *h, const mo_move_link *link, bool *any)
{
	uint64_t seen = mo_event_bus_hold();
	mo_gen_batch *b = h->give(link->alive, link->arg);
	long sum = 0, failed = 0;

	*any = b != NULL;
	mo_event_bus_settle();
	while (b) {
		mo_gen_batch *next = b->next;
		long n = failed < 0 ? failed : give_batch(link, b, seen);

		if (n < 0)
			failed = n;
		else
			sum += n;
		*any = *any && !is_short(b);
		h->gave(b);
		b = next;
	}
	mo_event_bus_release();
	return failed < 0 ? failed : sum;
}

long mo_move_give(const mo_gen_host *h, const mo_move_link *link)
{
	long sum = 0;
	bool any = true;

	while (any) {
		long n = give_once(h, link, &any);

		if (n < 0)
			return n;
		sum += n;
	}
	return sum;
}

/* ---- the taker ------------------------------------------------------------- */

static void free_missed(mo_event **missed, size_t n)
{
	while (n > 0)
		mo_event_unref(missed[--n]);
	free(missed);
}

/* The first n bytes of the blob; false: there are not so many. */
static bool cut_off(molt_str *blob, json_int_t n, molt_str *out)
{
	if (n < 0 || (size_t)n > blob->len)
		return false;
	*out = (molt_str){ blob->ptr, (size_t)n };
	*blob = (molt_str){ blob->ptr + n, blob->len - (size_t)n };
	return true;
}

/* One entry of the list; its bytes are cut off *blob.  false: not understood. */
static bool read_entry(json_t *entry, molt_str *blob, mo_gen_conn *out)
{
	const char *server, *peer, *protocol;
	json_int_t left, len, state, stream;

	if (json_unpack(entry, "[s, s, I, I, s, I, I]", &server, &peer, &left, &len, &protocol,
			&state, &stream) < 0)
		return false;
	left = left < 0 ? MOLT_FOREVER : left > LEFT_MAX ? LEFT_MAX : left;
	*out = (mo_gen_conn){ .server = server,
			      .moving = { .fd = -1, .left = left, .protocol = protocol } };
	if (!cut_off(blob, len, &out->moving.bytes) || !cut_off(blob, state, &out->moving.state) ||
	    !cut_off(blob, stream, &out->moving.stream))
		return false;
	if (strcmp(peer, "unix") == 0 || strncmp(peer, "unix:", 5) == 0) {
		out->moving.peer.u.sa.sa_family = AF_UNIX;
		out->moving.peer.len = sizeof(sa_family_t);
		return true;
	}
	return mo_addr_parse(peer, &out->moving.peer) == 0;
}

/* Only a connected stream socket is served; it must not block a loop, whatever it was
 * when it was sent. */
static bool is_connection(int fd)
{
	int type = 0, listens = 1;
	socklen_t n = sizeof(type);

	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &n) < 0 || type != SOCK_STREAM)
		return false;
	n = sizeof(listens);
	if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &n) < 0 || listens)
		return false;
	return fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) == 0;
}

/* Reads the list and decides who is kept; true: the descriptors are as many. */
static bool read_list(const mo_gen_host *h, mo_wire_msg *m, mo_gen_conn *conns, bool *keep)
{
	json_t *list = json_object_get(m->body, "list");
	molt_str blob = m->blob;

	for (int i = 0; i < m->nfds; i++)
		keep[i] = false;
	if (m->nfds > MO_GEN_BATCH || json_array_size(list) != (size_t)m->nfds)
		return false;
	for (int i = 0; i < m->nfds; i++) {
		if (!read_entry(json_array_get(list, (size_t)i), &blob, &conns[i]))
			return false;
		keep[i] = is_connection(m->fds[i]) &&
			  h->takes(conns[i].server, conns[i].moving.stream.len > 0);
	}
	h->prepare(conns, (size_t)m->nfds, keep);
	return true;
}

static long serve(const mo_gen_host *h, mo_wire_msg *m, mo_gen_conn *conns, const bool *keep,
		  struct mo_event **missed, size_t nmissed, bool deaf)
{
	long n = 0;

	for (int i = 0; i < m->nfds; i++) {
		if (!keep[i])
			continue;
		conns[i].moving.fd = m->fds[i];
		conns[i].missed = missed;
		conns[i].nmissed = nmissed;
		conns[i].deaf = deaf;
		m->fds[i] = -1;
		h->take(&conns[i]);
		n++;
	}
	return n;
}

/* Until the giver has the answer or is gone, for nobody may serve what both could
 * believe to be theirs.  -ECANCELED: this process ends, and has answered nothing. */
static int answer(int channel, json_t *refused, bool was_short)
{
	json_t *body = mo_message_new(MO_MSG_TOOK, "{s:o, s:b}", "refused", refused, "short",
				      (int)was_short);
	int rc;

	for (;;) {
		rc = mo_wire_send(channel, json_incref(body), NULL, 0);
		if (rc == 0 || rc == -EPIPE || rc == -ECONNRESET)
			break;
		mo_event_bus_give_way(channel);
		rc = mo_co_sleep(1);
		if (rc < 0)
			break;
	}
	mo_event_bus_go_on(channel);
	json_decref(body);
	return rc;
}

static void discard(const mo_gen_host *h, const mo_gen_conn *conns, int n)
{
	for (int i = 0; i < n; i++)
		if (conns[i].ready)
			h->discard(&conns[i]);
}

void mo_move_refuse(int channel, const mo_wire_msg *m)
{
	size_t n = json_array_size(json_object_get(m->body, "list"));
	json_t *refused = json_array();

	n = n < (size_t)m->nfds ? (size_t)m->nfds : n; /* no list, or descriptors were lost */
	for (size_t i = 0; i < n && i < MO_WIRE_FDS; i++)
		json_array_append_new(refused, json_integer((json_int_t)i));
	answer(channel, refused, m->cut);
}

long mo_move_take(const mo_gen_host *h, int channel, mo_wire_msg *m)
{
	uint64_t seen = (uint64_t)mo_json_count(m->body, "seen");
	json_t *refused = json_array();
	mo_gen_conn conns[MO_GEN_BATCH] = { 0 };
	bool keep[MO_WIRE_FDS], ours;
	mo_event **missed = NULL;
	size_t nmissed = 0;
	long n = 0;
	int rc;

	/* Nobody is taken whose events are no longer known; from here on they stay known. */
	ours = mo_event_bus_missed(channel, seen, &missed, &nmissed) == 0 &&
	       mo_event_bus_pin(channel);
	free_missed(missed, nmissed);
	ours = ours && read_list(h, m, conns, keep);
	for (int i = 0; i < m->nfds; i++)
		if (!ours || !keep[i])
			json_array_append_new(refused, json_integer(i));
	rc = answer(channel, refused, false);
	missed = NULL;
	nmissed = 0;
	/* While they were prepared, more may have been published.  All of it is there, for it
	 * is pinned; who misses nothing would be served all the same. */
	if (ours && rc != -ECANCELED) {
		bool deaf = mo_event_bus_missed(channel, seen, &missed, &nmissed) != 0;

		n = serve(h, m, conns, keep, missed, nmissed, deaf);
		free_missed(missed, nmissed);
	} else if (ours) {
		discard(h, conns, m->nfds);
	}
	mo_event_bus_unpin(channel);
	mo_event_bus_seen(channel, seen);
	return rc < 0 ? rc : n;
}
