/* Connections that go to a successor: taken out of service as pure data, freed
 * or served on when the successor has answered, and served as its own by a
 * successor.  See conn_state.h for the states; who sends them where is gen's business.
 *
 * Where bytes, ends and closes of HTTP/1 meet a move:
 *
 *   what there is when it is packed         what becomes of it
 *   nothing unread (IDLE)                   travels; its idle time goes on
 *   part of a head (HEAD)                   travels; its header time goes on
 *   whole requests between two turns        travel when they fit one buffer and no
 *   (RUNNING)                               answer is left to send; no time runs
 *   an exchange, a blocked answer, a close  stay
 *   that is due, an end that was read
 *   bytes, an end, a reset in the kernel    travel in the descriptor
 *
 *   what the taker's first turn may do      the connection is then
 *   no bytes, or part of a head             IDLE or HEAD, its time goes on
 *   answers some, more to do                RUNNING, the rest in the next turn
 *   answers the last, "close", end unread   LINGER
 *   the same, and the end or a reset is     CLOSED: nothing of it may be looked at
 *   there already
 *   the bytes are no request to this side   LINGER or CLOSED, like the two above
 *   hands it to another protocol            that protocol's, with times of its own
 *
 *   while it is MOVING here                 when the answer comes
 *   bytes, an end or a reset arrive         of whoever has it then
 *   its protocol asks for a turn            not taken: it gets one; taken: nothing
 *   cut                                     not taken: cut then; taken: nothing
 *   a WebSocket is closed by the program    not taken: the handshake begins then; taken:
 *                                           the socket is shut down, so that the taker and
 *                                           the client see the end of it
 *   an event is published                   not taken: it is sent then; taken: the taker
 *                                           replays it (gen/transfer/event_bus.h)
 *
 * Always: one that is MOVING is touched by nobody, so what it was when it was
 * packed is what the taker gets; its descriptor stays open here until the taker
 * has said that it owns it.  The keys of TLS are wiped then. */
#include <stdlib.h>

#include "base/check.h"
#include "base/mem.h"
#include "http/conn/conn_protocol.h"

bool mo_conn_may_move(const mo_conn *c)
{
	const mo_http_limits *lim = &c->server->lim;

	return !c->stays && lim->handover && (!c->tls || lim->tls_handover) &&
	       c->stream->ops->movable(c->stream);
}

bool mo_conn_leaves(const mo_conn *c)
{
	return atomic_load_explicit(&c->server->closing, memory_order_relaxed) ==
		       MO_CLOSING_UNMOVABLE &&
	       mo_conn_may_move(c);
}

void mo_conn_offer(mo_conn *c)
{
	mo_conn_watch(c, 0);
	if (c->server->app.movable)
		c->server->app.movable();
}

static bool movable(const mo_conn *c)
{
	return c->state >= MO_CONN_IDLE && c->state <= MO_CONN_RUNNING && mo_conn_may_move(c) &&
	       c->proto->movable(c) && c->stream->ops->settled(c->stream);
}

static molt_str state_of(mo_conn *c)
{
	return c->proto->state ? c->proto->state(c) : (molt_str){ "", 0 };
}

/* In RUNNING the timer is that of the state before, which says nothing any more. */
static molt_time time_left(mo_conn *c)
{
	molt_time left;

	if (c->state == MO_CONN_RUNNING || !mo_timer_active(&c->timer))
		return MOLT_FOREVER;
	left = c->timer.due - mo_loop_now(mo_conn_loop(c));
	return left > 0 ? left : 0;
}

static void pack_one(mo_pack *p, mo_conn *c)
{
	mo_packed *it = &p->items[p->n++];

	*it = (mo_packed){ .conn = c,
			   .server = c->server,
			   .moving = { .fd = c->stream->fd,
				       .left = time_left(c),
				       .bytes = c->proto->unread(c),
				       .protocol = c->proto->name,
				       .state = state_of(c),
				       .stream = c->stream->ops->pack(c->stream) } };
	mo_addr_copy(&it->moving.peer, &c->peer);
	c->before = c->state;
	mo_conn_set_state(c, MO_CONN_MOVING);
	mo_conn_watch(c, 0);
	mo_timer_stop(mo_conn_loop(c), &c->timer);
	mo_list_remove(&c->ready);
	mo_list_remove(&c->node);
	mo_list_append(&c->home->moving, &c->node);
}

mo_pack *mo_conns_pack(mo_loop *l)
{
	mo_pack *p = NULL;
	size_t bytes = 0;

	MO_LIST_EACH (node, &mo_conns_of(l)->all) {
		mo_conn *c = MO_CONTAINER_OF(node, mo_conn, node);

		if (!movable(c))
			continue;
		bytes += c->proto->unread(c).len + state_of(c).len;
		if (p && (p->n == MO_PACK_MAX || bytes > MO_PACK_BYTES))
			break;
		if (!p) {
			p = mo_calloc(1, sizeof(*p));
			p->loop = l;
		}
		pack_one(p, c);
		bytes += p->items[p->n - 1].moving.stream.len;
	}
	return p;
}

static void serve_on(mo_conn *c, molt_time left, bool again)
{
	mo_list_remove(&c->node);
	mo_list_append(&c->home->all, &c->node);
	c->stream->ops->unpacked(c->stream);
	mo_conn_set_state(c, c->before);
	c->stays = !again;
	if (c->cut_later) {
		c->proto->cut(c);
		return;
	}
	mo_conn_deadline(c, left);
	mo_conn_next_turn(c); /* what was asked for while it was MOVING */
	if (!again)
		c->proto->retire(c);
}

void mo_conns_gave(mo_pack *p)
{
	for (size_t i = 0; i < p->n; i++) {
		mo_packed *it = &p->items[i];

		MO_CHECK(it->conn->state == MO_CONN_MOVING);
		it->conn->moved = it->taken;
		if (it->taken)
			mo_conn_close(it->conn);
		else
			serve_on(it->conn, it->moving.left, it->again);
	}
	free(p);
}

/* A follower instead of the transport, before anything was read. */
static void change_protocol(mo_conn *c, const mo_protocol *proto, void *data, molt_str bytes)
{
	c->proto->closed(c);
	c->proto = proto;
	c->data = data;
	proto->begin(c, bytes);
}

bool mo_conn_adopt(mo_loop *l, mo_http_server *s, mo_stream *stream, const mo_addr *peer,
		   molt_time left, molt_str bytes, const mo_protocol *proto, void *data)
{
	mo_conn *c;

	atomic_fetch_add_explicit(&s->connections, 1, memory_order_relaxed);
	c = mo_conn_open(mo_conns_of(l), stream, peer, s);
	if (!c)
		return false;
	if (proto) {
		change_protocol(c, proto, data, bytes);
		return true;
	}
	if (bytes.len)
		c->proto->restore(c, bytes);
	/* That may have been its last request, or one for another protocol. */
	if (c->state == MO_CONN_CLOSED || c->state == MO_CONN_LINGER || c->proto != c->transport)
		return true;
	if (c->stream->ops->pending(c->stream))
		mo_conn_next_turn(c);
	/* What it waited for the predecessor counts: no restart gives a slow
	 * client more time. */
	if (left >= 0 && (c->state == MO_CONN_HEAD || c->state == MO_CONN_IDLE))
		mo_conn_deadline(c, left);
	return true;
}

void mo_conns_retire(mo_loop *l, const mo_http_server *s)
{
	MO_LIST_EACH (node, &mo_conns_of(l)->all) {
		mo_conn *c = MO_CONTAINER_OF(node, mo_conn, node);

		if ((!s || c->server == s) && c->data)
			c->proto->retire(c);
	}
}
