/* Connections of one loop: their list, what they wait for, their end.  See
 * conn_state.h for the states; accepting is in accept.c, what is spoken on them is
 * behind mo_protocol.
 *
 * Always: a connection in HANDSHAKE and LINGER is driven from here, in IDLE,
 * HEAD and RUNNING by its protocol. */
#include "http/conn/conn_protocol.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "rt/watch.h"

#define LINGER_REST (2 * MOLT_SECOND) /* without a byte from the client */
#define LINGER_RESTS 15u              /* 30 s, while it sends */
#define LINGER_BYTES (256u * 1024 * 1024)
#define LINGER_PIECE (16u * 1024)
#define LINGER_PIECES 64u                    /* in one turn */
#define FIRST_REQUEST_TIME (1 * MOLT_SECOND) /* in a drain */
#define SPARE_BUF_MAX (32u * 1024)
#define EAGER_MAX 8u    /* first reads in vain, until they are left */
#define UNTRIED_MAX 32u /* connections, until one is tried again */
#define SOON_MAX 16u    /* that many borrowed buffers of answers */
#define LONG_TURN 2     /* ms; the loop's clock counts whole ones */
#define HURRY_TIME 100

/* ---- per loop ---- */

static void on_turn(uv_idle_t *idle);
static void at_end(mo_turn_task *t);
static void free_buried(mo_conns *home);

mo_conns *mo_conns_of(mo_loop *l)
{
	MO_CHECK(l->slot[MO_SLOT_HTTP] != NULL);
	return l->slot[MO_SLOT_HTTP];
}

void mo_conns_init(mo_loop *l)
{
	mo_conns *home = mo_calloc(1, sizeof(*home));

	MO_CHECK(l->slot[MO_SLOT_HTTP] == NULL);
	MO_CHECK(l->index >= 0 && l->index < MO_LOOPS_MAX);
	home->loop = l;
	mo_list_init(&home->all);
	mo_list_init(&home->moving);
	mo_list_init(&home->ready);
	mo_list_init(&home->soon);
	mo_turn_task_init(&home->end, at_end);
	mo_list_init(&home->buried);
	mo_list_init(&home->acceptors);
	if (getrandom(&home->id_seed, sizeof(home->id_seed), GRND_NONBLOCK) < 0)
		home->id_seed = (uint64_t)mo_wall() ^ (uint64_t)(uintptr_t)home;
	MO_CHECK(uv_idle_init(&l->uv, &home->turn) == 0);
	home->turn.data = home;
	home->eager = EAGER_MAX;
	l->slot[MO_SLOT_HTTP] = home;
}

static void conns_closed(uv_handle_t *h)
{
	free(h->data);
}

void mo_conns_fini(mo_loop *l)
{
	mo_conns *home = mo_conns_of(l);

	MO_CHECK(mo_list_empty(&home->all) && mo_list_empty(&home->moving) &&
		 mo_list_empty(&home->acceptors));
	mo_list_remove(&home->end.node);
	free_buried(home);
	for (const mo_protocol *const *p = mo_protocols; *p; p++)
		if ((*p)->loop_ends)
			(*p)->loop_ends(home);
	while (home->nspare > 0)
		mo_buf_free(&home->spare[--home->nspare]);
	l->slot[MO_SLOT_HTTP] = NULL;
	uv_close((uv_handle_t *)&home->turn, conns_closed);
}

mo_buf mo_conns_buf_get(mo_conns *home)
{
	return home->nspare > 0 ? home->spare[--home->nspare] : (mo_buf){ 0 };
}

void mo_conns_buf_put(mo_conns *home, mo_buf *b)
{
	b->len = 0;
	if (b->data && b->cap <= SPARE_BUF_MAX && home->nspare < MO_SPARE_BUFS)
		home->spare[home->nspare++] = *b;
	else
		mo_buf_free(b);
	*b = (mo_buf){ 0 };
}

/* A counter from a random start, mixed so that neighbours look unlike. */
uint64_t mo_conns_next_id(mo_conns *home)
{
	uint64_t x = home->id_seed += 0x9e3779b97f4a7c15u;

	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
	return x ^ (x >> 31);
}

/* ---- waiting ---- */

static void on_poll(uv_poll_t *poll, int status, int events);

void mo_conn_watch(mo_conn *c, int events)
{
	if (events == c->watched)
		return;
	if (!c->poll)
		; /* attach() will look at it */
	else if (events)
		MO_CHECK(uv_poll_start(c->poll, events, on_poll) == 0);
	else
		uv_poll_stop(c->poll);
	c->watched = (uint8_t)events;
}

void mo_conn_next_turn(mo_conn *c)
{
	/* One that is MOVING gets its turn when it stays. */
	if (!mo_list_empty(&c->ready) || c->state == MO_CONN_MOVING)
		return;
	mo_list_append(&c->home->ready, &c->ready);
	uv_idle_start(&c->home->turn, on_turn);
}

/* A turn to each in the list.  Those that ask again meanwhile wait for the next. */
static void give_turns(mo_list *list)
{
	mo_list now = *list;

	if (mo_list_empty(list))
		return;
	now.next->prev = now.prev->next = &now;
	mo_list_init(list);
	while (!mo_list_empty(&now)) {
		mo_conn *c = MO_CONTAINER_OF(now.next, mo_conn, ready);

		mo_list_remove(&c->ready);
		if (c->state != MO_CONN_LINGER)
			c->proto->on_turn(c);
	}
}

static void on_turn(uv_idle_t *idle)
{
	mo_conns *home = idle->data;

	give_turns(&home->ready);
	if (mo_list_empty(&home->ready))
		uv_idle_stop(idle);
}

/* A turn that was long makes the next ones hurry: what is ready must not wait for
 * slow handlers of other connections. */
static void at_end(mo_turn_task *t)
{
	mo_conns *home = MO_CONTAINER_OF(t, mo_conns, end);
	molt_time now = mo_loop_now(home->loop);

	if (home->nsoon > 0 && now - home->soon_since >= LONG_TURN)
		home->at_once_until = now + HURRY_TIME;
	home->nsoon = 0;
	free_buried(home);
	give_turns(&home->soon);
}

bool mo_conn_turn_end(mo_conn *c)
{
	mo_conns *home = c->home;
	molt_time now = mo_loop_now(home->loop);

	if (home->nsoon >= SOON_MAX || now < home->at_once_until || !mo_list_empty(&c->ready))
		return false;
	if (home->nsoon++ == 0) {
		home->soon_since = now;
		mo_loop_end_turn_first(home->loop, &home->end);
	}
	mo_list_append(&home->soon, &c->ready);
	return true;
}

void mo_conn_deadline(mo_conn *c, molt_time ms)
{
	mo_timer_start(mo_conn_loop(c), &c->timer, ms);
}

static void rest_over(mo_conn *c)
{
	if (!c->sends || ++c->rests >= LINGER_RESTS) {
		mo_conn_close(c);
		return;
	}
	c->sends = false;
	mo_conn_deadline(c, LINGER_REST);
}

static void on_timer(mo_timer *t)
{
	mo_conn *c = MO_CONTAINER_OF(t, mo_conn, timer);

	if (c->state == MO_CONN_HANDSHAKE)
		mo_conn_close(c);
	else if (c->state == MO_CONN_LINGER)
		rest_over(c);
	else
		c->proto->on_timeout(c);
}

/* ---- the end ---- */

/* Its callers may still look at it. */
static void bury(mo_conn *c)
{
	mo_list_append(&c->home->buried, &c->ready);
	mo_loop_end_turn(mo_conn_loop(c), &c->home->end);
}

static void free_buried(mo_conns *home)
{
	while (!mo_list_empty(&home->buried)) {
		mo_conn *c = MO_CONTAINER_OF(home->buried.next, mo_conn, ready);

		mo_list_remove(&c->ready);
		c->magic = 0;
		free(c);
	}
}

static void forget_spare(mo_conns *home, const mo_conn *c)
{
	for (unsigned i = 0; i < home->nspares; i++)
		if (home->spares[i].conn == c)
			home->spares[i].conn = NULL;
}

void mo_conn_close(mo_conn *c)
{
	mo_conns *home = c->home;

	MO_MAGIC_OK(c, MO_CONN_MAGIC);
	mo_conn_set_state(c, MO_CONN_CLOSED);
	if (c->data)
		c->proto->closed(c);
	mo_list_remove(&c->node);
	mo_list_remove(&c->ready);
	if (home->nspares > 0)
		forget_spare(home, c);
	mo_timer_stop(home->loop, &c->timer);
	/* The order matters: the number of a closed descriptor is given out
	 * again at once, and must not be in the poll set any more. */
	if (c->poll)
		mo_watch_put(home->loop, c->poll);
	c->poll = NULL;
	if (!c->fresh)
		bury(c);
	c->stream->ops->close(c->stream);
	c->stream = NULL;
	atomic_fetch_sub_explicit(&c->server->connections, 1, memory_order_relaxed);
	mo_acceptors_room(home, c->server);
}

void mo_conn_reset(mo_conn *c)
{
	struct linger now = { .l_onoff = 1, .l_linger = 0 };

	/* On a unix socket this does nothing, and an end is all there is. */
	(void)setsockopt(c->stream->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	mo_conn_close(c);
}

/* Discards past TLS, whose records need not be understood any more.  TCP does not even
 * copy what is cut off.  A turn's worth, then the others have theirs. */
static void linger_ready(mo_conn *c)
{
	char trash[LINGER_PIECE];
	unsigned pieces = 0;
	ssize_t n;

	if (!c->finished) {
		int rc = c->stream->ops->finish(c->stream);

		if (rc == -EAGAIN && c->stream->want == UV_WRITABLE) {
			mo_conn_watch(c, UV_WRITABLE);
			return;
		}
		c->finished = true;
		mo_conn_watch(c, UV_READABLE);
	}
	do {
		n = recv(c->stream->fd, trash, sizeof(trash), MSG_DONTWAIT | MSG_TRUNC);
		if (n > 0) {
			c->discarded += (uint32_t)n;
			c->sends = true;
		}
	} while ((n > 0 && c->discarded <= LINGER_BYTES && ++pieces < LINGER_PIECES) ||
		 (n < 0 && errno == EINTR));
	if (n == 0 || c->discarded > LINGER_BYTES ||
	    (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK))
		mo_conn_close(c);
}

static bool has_unread(const mo_conn *c)
{
	char byte;

	return c->stream->ops->pending(c->stream) ||
	       recv(c->stream->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

static void close_idle(mo_conn *c)
{
	if (c->proto->goodbye)
		c->proto->goodbye(c);
	(void)c->stream->ops->finish(c->stream);
	mo_conn_close(c);
}

void mo_conn_end(mo_conn *c)
{
	if (has_unread(c))
		mo_conn_linger(c);
	else
		close_idle(c);
}

void mo_conn_linger(mo_conn *c)
{
	mo_conn_set_state(c, MO_CONN_LINGER);
	c->discarded = 0;
	c->rests = 0;
	c->finished = c->sends = false;
	mo_conn_deadline(c, LINGER_REST);
	mo_conn_watch(c, UV_READABLE);
	linger_ready(c);
}

/* ---- the beginning ---- */

void mo_conn_shed(mo_conn *c)
{
	mo_stream *before = c->stream;

	if (!c->sheds)
		return;
	c->stream = mo_stream_tls_shed(before);
	c->sheds = c->stream == before; /* it could not be done now */
}

static void serve(mo_conn *c, molt_time ms)
{
	mo_conn_set_state(c, MO_CONN_IDLE);
	mo_conn_deadline(c, ms);
	mo_conn_watch(c, UV_READABLE);
	c->proto->open(c);
}

/* One that has never sent anything may not stay as long as one that waits for its next
 * request. */
static molt_time first_time(const mo_http_limits *lim)
{
	if (lim->header_timeout < 0 ||
	    (lim->idle_timeout >= 0 && lim->idle_timeout < lim->header_timeout))
		return lim->idle_timeout;
	return lim->header_timeout;
}

static void serve_first(mo_conn *c)
{
	c->unheard = true;
	serve(c, first_time(&c->server->lim));
}

static void handshake_ready(mo_conn *c)
{
	int rc = c->stream->ops->handshake(c->stream);

	if (rc == 0) {
		c->sheds = c->server->lim.tls_shed;
		c->proto = c->transport = mo_transport_for(mo_stream_tls_protocol(c->stream));
		serve_first(c);
		/* The first request may have come with the last flight. */
		c->proto->on_ready(c, UV_READABLE);
	} else if (rc == -EAGAIN) {
		mo_conn_watch(c, c->stream->want);
	} else if (rc == -EPROTO && mo_stream_tls_got_http(c->stream)) {
		c->proto->not_tls(c);
		mo_conn_linger(c);
	} else if (rc == -EPROTO) {
		mo_conn_linger(c); /* for the alert */
	} else {
		mo_conn_close(c);
	}
}

static void on_events(mo_conn *c, int events)
{
	if (c->state == MO_CONN_HANDSHAKE)
		handshake_ready(c);
	else if (c->state == MO_CONN_LINGER)
		linger_ready(c);
	else
		c->proto->on_ready(c, events);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
	mo_conn *c = poll->data;
	mo_conns *home = c->home;

	MO_MAGIC_OK(c, MO_CONN_MAGIC);
	if (status < 0) { /* libuv has stopped the handle */
		uv_poll_stop(poll);
		c->watched = 0;
		events = -1;
	}
	mo_loop_arrival(home->loop);
	/* TLS may have been sent a record that holds nothing of a request. */
	home->announced = c->tls ? NULL : c;
	on_events(c, events);
	home->announced = NULL;
}

static void refuse_descriptor(mo_http_server *s, int err)
{
	mo_warn_some("cannot watch a new connection: %s", uv_strerror(err));
	atomic_fetch_sub_explicit(&s->connections, 1, memory_order_relaxed);
}

/* Makes the poll handle, and starts it for what was asked to be watched meanwhile. */
static int attach(mo_conn *c)
{
	int events = c->watched, rc = mo_watch_get(mo_conn_loop(c), c->stream->fd, &c->poll);

	if (rc < 0)
		return rc;
	c->poll->data = c;
	c->watched = 0;
	mo_conn_watch(c, events);
	return 0;
}

/* Not yet watched. */
static mo_conn *make(mo_conns *home, mo_stream *stream, const mo_addr *peer, mo_http_server *s)
{
	mo_conn *c = mo_calloc(1, offsetof(mo_conn, peer) + mo_addr_size(peer));

	c->magic = MO_CONN_MAGIC;
	c->home = home;
	c->server = s;
	c->count = &s->counts[home->loop->index];
	c->proto = c->transport = mo_protocols[0];
	c->stream = stream;
	c->tls = stream->ops != &mo_stream_plain_ops;
	mo_addr_copy(&c->peer, peer);
	mo_list_init(&c->ready);
	mo_list_append(&home->all, &c->node);
	mo_timer_init(&c->timer, on_timer);
	return c;
}

/* Its handshake begins. */
static void greet(mo_conn *c)
{
	mo_conn_set_state(c, MO_CONN_HANDSHAKE);
	mo_conn_deadline(c, c->server->lim.header_timeout);
	mo_conn_watch(c, UV_READABLE);
}

mo_conn *mo_conn_open(mo_conns *home, mo_stream *stream, const mo_addr *peer, mo_http_server *s)
{
	mo_conn *c = make(home, stream, peer, s);
	int rc;

	serve(c, s->lim.idle_timeout);
	rc = attach(c);
	if (rc == 0)
		return c;
	mo_warn_some("cannot watch a new connection: %s", uv_strerror(rc));
	mo_conn_close(c);
	return NULL;
}

bool mo_conn_serve(mo_loop *l, mo_http_server *s, mo_stream *stream, const mo_addr *peer,
		   bool says_tls)
{
	mo_conn *c;

	atomic_fetch_add_explicit(&s->connections, 1, memory_order_relaxed);
	c = mo_conn_open(mo_conns_of(l), stream, peer, s);
	if (c)
		c->tls = says_tls;
	return c != NULL;
}

void mo_conns_learn(mo_conns *home, bool found)
{
	if (found)
		home->eager = EAGER_MAX;
	else if (home->eager > 0)
		home->eager--;
}

static bool reads_at_once(mo_conns *home)
{
	if (home->eager == 0 && home->untried++ < UNTRIED_MAX)
		return false;
	home->untried = 0;
	return true;
}

bool mo_conn_accepted(mo_conns *home, int fd, const mo_addr *peer, mo_tls *tls, mo_http_server *s)
{
	mo_stream *stream = tls ? mo_stream_tls(fd, tls) : mo_stream_plain(fd);
	mo_conn *c;
	int rc;

	if (!stream) {
		refuse_descriptor(s, -ENOMEM);
		return false;
	}
	c = make(home, stream, peer, s);
	if (tls)
		greet(c);
	else
		serve_first(c);
	if (tls || reads_at_once(home)) {
		c->fresh = true;
		on_events(c, UV_READABLE);
		c->fresh = false;
	}
	if (c->state == MO_CONN_CLOSED) {
		c->magic = 0;
		free(c);
		return true;
	}
	rc = attach(c);
	if (rc == 0)
		return true;
	mo_warn_some("cannot watch a new connection: %s", uv_strerror(rc));
	if (c->state == MO_CONN_RUNNING)
		c->proto->cut(c); /* its handler's calls fail; it closes when that returns */
	else
		mo_conn_close(c);
	return true;
}

/* ---- all of them ---- */

mo_conn_counts mo_conns_count(mo_loop *l, const mo_http_server *s)
{
	mo_conn_counts n = { 0 };

	MO_LIST_EACH (node, &mo_conns_of(l)->all) {
		const mo_conn *c = MO_CONTAINER_OF(node, mo_conn, node);

		if (s && c->server != s)
			continue;
		n.handshake += c->state == MO_CONN_HANDSHAKE;
		n.idle += c->state == MO_CONN_IDLE;
		n.head += c->state == MO_CONN_HEAD;
		n.running += c->state == MO_CONN_RUNNING;
		n.linger += c->state == MO_CONN_LINGER;
	}
	return n;
}

/* A client that has been accepted may be about to send its first request: in a drain it
 * has a second for that, and not more than it had before. */
static bool wait_for_first(mo_conn *c)
{
	if (!c->unheard)
		return false;
	if (!c->waited_for && (!mo_timer_active(&c->timer) ||
			       c->timer.due - mo_loop_now(mo_conn_loop(c)) > FIRST_REQUEST_TIME))
		mo_conn_deadline(c, FIRST_REQUEST_TIME);
	c->waited_for = true;
	return true;
}

void mo_conns_close_idle(mo_loop *l, const mo_http_server *s)
{
	MO_LIST_EACH (node, &mo_conns_of(l)->all) {
		mo_conn *c = MO_CONTAINER_OF(node, mo_conn, node);

		if (c->state != MO_CONN_IDLE || (s && c->server != s))
			continue;
		if (!c->proto->ends_silently) {
			c->proto->retire(c); /* it has its own way to end */
			continue;
		}
		if (!has_unread(c) && !wait_for_first(c))
			close_idle(c);
	}
}

/* Since when it is idle, by its deadline.  Without one: 0, and the oldest is first. */
static molt_time idle_since(const mo_conn *c)
{
	const mo_http_limits *lim = &c->server->lim;

	if (!mo_timer_active(&c->timer))
		return 0;
	return c->timer.due - (c->unheard ? first_time(lim) : lim->idle_timeout);
}

/* Keeps them in order. */
static void add_spare(mo_conns *home, mo_conn *c)
{
	struct mo_conn_spare *s = home->spares, one = { c, idle_since(c) };
	unsigned at = home->nspares;

	if (at == MO_SPARE_CONNS && one.since >= s[at - 1].since)
		return;
	if (at < MO_SPARE_CONNS)
		home->nspares++;
	else
		at--;
	for (; at > 0 && s[at - 1].since > one.since; at--)
		s[at] = s[at - 1];
	s[at] = one;
}

static bool spareable(const mo_conn *c, const mo_http_server *s)
{
	return c->state == MO_CONN_IDLE && c->server == s &&
	       (c->proto->ends_silently || c->proto->goodbye);
}

/* The next of those found by the last look, as long as they have not been used. */
static bool close_spare(mo_conns *home, const mo_http_server *s)
{
	for (unsigned i = 0; i < home->nspares; i++) {
		mo_conn *c = home->spares[i].conn;

		if (!c || !spareable(c, s) || idle_since(c) != home->spares[i].since)
			continue;
		home->spares[i].conn = NULL;
		if (has_unread(c))
			continue;
		close_idle(c);
		return true;
	}
	home->nspares = 0;
	return false;
}

bool mo_conns_close_longest_idle(mo_conns *home, const mo_http_server *s)
{
	if (close_spare(home, s))
		return true;
	MO_LIST_EACH (node, &home->all) {
		mo_conn *c = MO_CONTAINER_OF(node, mo_conn, node);

		if (spareable(c, s))
			add_spare(home, c);
	}
	return close_spare(home, s);
}

/* A head that has begun is one, too. */
static unsigned requests_on(const mo_conn *c)
{
	if (c->state == MO_CONN_RUNNING && c->proto->requests)
		return c->proto->requests(c);
	return c->state == MO_CONN_RUNNING || c->state == MO_CONN_HEAD;
}

unsigned mo_conns_cut(mo_loop *l, const mo_http_server *s)
{
	unsigned n = 0;

	MO_LIST_EACH (node, &mo_conns_of(l)->all) {
		mo_conn *c = MO_CONTAINER_OF(node, mo_conn, node);

		if (s && c->server != s)
			continue;
		n += requests_on(c);
		if (c->state >= MO_CONN_IDLE && c->state <= MO_CONN_RUNNING)
			c->proto->cut(c);
		else
			mo_conn_close(c);
	}
	MO_LIST_EACH (node, &mo_conns_of(l)->moving) {
		mo_conn *c = MO_CONTAINER_OF(node, mo_conn, node);

		if (!s || c->server == s)
			c->cut_later = true;
	}
	return n;
}
