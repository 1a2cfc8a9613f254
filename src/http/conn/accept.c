/* Accepting: one listening socket as one loop sees it.
 *
 * The socket is shared with the other loops and with other processes, so nothing
 * here but accept() touches it; pausing is to stop watching it.
 *
 *   state    event                              -> next
 *   PAUSED   mo_acceptor_resume                 -> OPEN
 *   OPEN     max_connections reached, and this  -> HELD until there is room
 *            loop has no idle one to close
 *   OPEN     no descriptors, no memory          -> HELD for 100 ms
 *   HELD     a connection closed, or the timer  -> OPEN (or HELD again)
 *   any      mo_acceptor_pause                  -> PAUSED
 *
 * Room that another loop made is found by the timer; room of this loop at once.  At the
 * limit a new connection is worth more than the one that has been idle for the longest
 * time: else clients that do nothing keep everybody out. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/check.h"
#include "base/log.h"
#include "base/mem.h"
#include "http/conn/conn_protocol.h"

#define ACCEPTS_MAX 16u
#define PATIENCE 8u /* turns with one connection each, until two are looked for */
#define NO_ROOM_PAUSE 20
#define FAILED_PAUSE 100
#define LOG_PAUSE MOLT_SECOND
#define FULL_LOG_PAUSE MOLT_MINUTE
#define ACCEPTOR_MAGIC 0x61636321u

enum acceptor_state { PAUSED, OPEN, HELD };

struct mo_acceptor {
	uint32_t magic;
	enum acceptor_state state;
	bool full; /* HELD because of max_connections */
	mo_list node;
	mo_conns *home;
	mo_listener *listener;
	mo_tls *tls;
	mo_http_server *server;
	mo_timer timer;
	unsigned batch;  /* as many are looked for in a turn */
	unsigned filled; /* turns in a row that found as many */
	uv_poll_t poll;
};

static void on_connection(uv_poll_t *poll, int status, int events);

static void open_up(mo_acceptor *a)
{
	mo_timer_stop(a->home->loop, &a->timer);
	a->state = OPEN;
	MO_CHECK(uv_poll_start(&a->poll, UV_READABLE, on_connection) == 0);
}

static void hold(mo_acceptor *a, bool full, molt_time ms)
{
	a->state = HELD;
	a->full = full;
	uv_poll_stop(&a->poll);
	mo_timer_start(a->home->loop, &a->timer, ms);
}

static bool is_full(const mo_http_server *s)
{
	return atomic_load_explicit(&s->connections, memory_order_relaxed) >=
	       s->lim.max_connections;
}

static void on_hold_timer(mo_timer *t)
{
	mo_acceptor *a = MO_CONTAINER_OF(t, mo_acceptor, timer);

	open_up(a);
}

void mo_acceptors_room(mo_conns *home, const mo_http_server *s)
{
	MO_LIST_EACH (node, &home->acceptors) {
		mo_acceptor *a = MO_CONTAINER_OF(node, mo_acceptor, node);

		if (a->state == HELD && a->full && a->server == s && !is_full(s))
			open_up(a);
	}
}

static void log_failure(mo_acceptor *a, int err)
{
	molt_time now = mo_loop_now(a->home->loop);

	if (a->home->accept_logged && now - a->home->accept_logged < LOG_PAUSE)
		return;
	a->home->accept_logged = now;
	mo_error("cannot accept on [%s]: %s", a->listener->bound, uv_strerror(err));
}

/* One line a minute of all loops. */
static void log_full(mo_acceptor *a)
{
	mo_http_server *s = a->server;
	molt_time now = mo_loop_now(a->home->loop), last = atomic_load(&s->full_logged);

	if ((last && now - last < FULL_LOG_PAUSE) ||
	    !atomic_compare_exchange_strong(&s->full_logged, &last, now))
		return;
	mo_warn("maxConnections (%d) are open on [%s]: idle ones are closed for new ones, "
		"%llu so far; without any, new ones wait",
		s->lim.max_connections, a->listener->bound,
		(unsigned long long)atomic_load(&s->idle_closed));
}

static bool somebody_waits(const mo_acceptor *a)
{
	struct pollfd p = { .fd = a->listener->fd, .events = POLLIN };

	return poll(&p, 1, 0) > 0;
}

/* true: try again. */
static bool make_room(mo_acceptor *a)
{
	if (!somebody_waits(a))
		return false;
	log_full(a);
	if (mo_conns_close_longest_idle(a->home, a->server)) {
		atomic_fetch_add_explicit(&a->server->idle_closed, 1, memory_order_relaxed);
		return true;
	}
	hold(a, true, NO_ROOM_PAUSE);
	return false;
}

/* Before the accept, so that all loops together never exceed the limit. */
static bool take_place(mo_acceptor *a)
{
	mo_http_server *s = a->server;

	while (atomic_fetch_add_explicit(&s->connections, 1, memory_order_relaxed) >=
	       s->lim.max_connections) {
		atomic_fetch_sub_explicit(&s->connections, 1, memory_order_relaxed);
		if (!make_room(a))
			return false;
	}
	return true;
}

/* One connection.  false: no more for now. */
static bool accept_one(mo_acceptor *a)
{
	mo_http_server *s = a->server;
	mo_addr peer;
	int fd;

	if (!take_place(a))
		return false;
	fd = mo_listener_accept(a->listener, &peer);
	if (fd >= 0 && s->admits && !s->admits(fd)) {
		close(fd);
		fd = -ECONNABORTED;
	}
	if (fd >= 0) {
		/* Before its first request, which may be answered in there. */
		atomic_fetch_add_explicit(&s->total_connections, 1, memory_order_relaxed);
		if (!mo_conn_accepted(a->home, fd, &peer, a->tls, s))
			atomic_fetch_sub_explicit(&s->total_connections, 1, memory_order_relaxed);
		return true;
	}
	atomic_fetch_sub_explicit(&s->connections, 1, memory_order_relaxed);
	if (fd == -EAGAIN)
		return false;
	if (fd == -ECONNABORTED || fd == -EINTR || fd == -EPROTO)
		return true;
	log_failure(a, fd);
	hold(a, false, FAILED_PAUSE);
	return false;
}

/* An accept() that finds nothing costs as much as a read, so one is enough where
 * connections come one by one; where they queue it doubles from turn to turn. */
static void adapt(mo_acceptor *a, unsigned found)
{
	if (found < a->batch) {
		a->batch = found ? found : 1;
		a->filled = 0;
	} else if (a->batch > 1 || ++a->filled >= PATIENCE) {
		a->batch = a->batch < ACCEPTS_MAX ? a->batch * 2 : ACCEPTS_MAX;
		a->filled = 0;
	}
}

static void on_connection(uv_poll_t *poll, int status, int events)
{
	mo_acceptor *a = poll->data;
	unsigned found = 0;

	MO_MAGIC_OK(a, ACCEPTOR_MAGIC);
	if (status < 0) {
		log_failure(a, status);
		hold(a, false, FAILED_PAUSE);
		return;
	}
	while (found < a->batch && a->state == OPEN && accept_one(a))
		found++;
	adapt(a, found);
}

mo_acceptor *mo_acceptor_new(mo_loop *l, mo_listener *listener, mo_tls *tls, mo_http_server *s)
{
	mo_acceptor *a = mo_calloc(1, sizeof(*a));
	int rc = uv_poll_init(&l->uv, &a->poll, listener->fd);

	if (rc < 0) {
		mo_error("cannot watch [%s]: %s", listener->bound, uv_strerror(rc));
		free(a);
		return NULL;
	}
	a->magic = ACCEPTOR_MAGIC;
	a->batch = 1;
	a->poll.data = a;
	a->home = mo_conns_of(l);
	a->listener = listener;
	a->tls = tls ? mo_tls_copy(tls) : NULL;
	a->server = s;
	mo_timer_init(&a->timer, on_hold_timer);
	mo_list_append(&a->home->acceptors, &a->node);
	return a;
}

void mo_acceptor_resume(mo_acceptor *a)
{
	MO_MAGIC_OK(a, ACCEPTOR_MAGIC);
	if (a->state == PAUSED)
		open_up(a);
}

void mo_acceptor_pause(mo_acceptor *a)
{
	MO_MAGIC_OK(a, ACCEPTOR_MAGIC);
	a->state = PAUSED;
	uv_poll_stop(&a->poll);
	mo_timer_stop(a->home->loop, &a->timer);
}

static void acceptor_closed(uv_handle_t *h)
{
	free(h->data);
}

void mo_acceptor_free(mo_acceptor *a)
{
	if (!a)
		return;
	mo_acceptor_pause(a);
	mo_list_remove(&a->node);
	mo_tls_free(a->tls);
	a->magic = 0;
	uv_close((uv_handle_t *)&a->poll, acceptor_closed);
}
