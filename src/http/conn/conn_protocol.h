/* One connection, as the protocols of this folder see it; nobody else includes
 * this (tools/check-layers.sh).  conn.c owns the struct and everything in it but data; a protocol
 * (mo_protocol) moves the state between IDLE, HEAD and RUNNING by the table in
 * conn_state.h and ends with mo_conn_linger() or mo_conn_close().
 *
 * Always: the connection is in its loop's list until CLOSED; the descriptor is
 * closed only after its poll handle was stopped; the memory goes at the turn's end,
 * when no caller looks at it any more.  A protocol never closes a connection while an exchange runs on it. */
#ifndef MO_HTTP_CONN_CONN_PROTOCOL_H
#define MO_HTTP_CONN_CONN_PROTOCOL_H

#include <stdatomic.h>

#include "base/buf.h"
#include "http/conn/conn.h"
#include "http/conn/conn_state.h"
#include "http/conn/protocol.h"
#include "rt/loop.h"
#include "rt/timer.h"

#define MO_CONN_MAGIC 0x636f6e21u

#define MO_SPARE_BUFS 32
#define MO_SPARE_CONNS 8

/* The connections of one loop: its slot MO_SLOT_HTTP. */
struct mo_conns {
	mo_loop *loop;
	/* The plain connection whose event is handled, as long as none of its requests
	 * has begun: what is read is what the system had announced. */
	const mo_conn *announced;
	mo_list all;    /* mo_conn.node */
	mo_list moving; /* mo_conn.node of those that are MOVING */
	mo_list ready;  /* mo_conn.ready: those that asked for a turn */
	mo_list soon;   /* mo_conn.ready: those that have something to do at this turn's end */
	unsigned nsoon;
	mo_turn_task end;                    /* looks at soon */
	molt_time soon_since, at_once_until; /* see mo_conn_turn_end() */
	mo_list buried;    /* mo_conn.ready of closed ones, to be freed at the turn's end */
	mo_list acceptors; /* mo_acceptor.node */
	/* Has the request mostly come when a connection is accepted?  See reads_at_once(). */
	unsigned eager, untried;
	/* Of those that are IDLE, some that have been so for the longest time; made and used
	 * by mo_conns_close_longest_idle(). */
	struct mo_conn_spare {
		struct mo_conn *conn;
		molt_time since;
	} spares[MO_SPARE_CONNS];
	unsigned nspares;
	uv_idle_t turn; /* runs while ready is not empty */
	mo_buf spare[MO_SPARE_BUFS];
	unsigned nspare;
	uint64_t id_seed;
	struct mo_ws_zlib *zlib; /* of ws_deflate.c; NULL until needed */
	molt_time accept_logged; /* when a failing accept was last logged */
};

struct mo_conn {
	uint32_t magic;
	uint8_t state;   /* enum mo_conn_state; set by mo_conn_set_state() only */
	uint8_t watched; /* the events that the poll handle waits for */
	bool tls;
	bool sheds;          /* it still has OpenSSL's state, to be freed */
	bool fresh;          /* mo_conn_accepted() looks at it, and frees it when it is closed */
	bool unheard : 1;    /* IDLE: nothing has come from it yet */
	bool waited_for : 1; /* ... and the drain has set its deadline */
	bool finished : 1;   /* LINGER: our end has been closed */
	bool sends : 1;      /* LINGER: something came since its timer was started */
	bool stays : 1;      /* the successor did not take it: its next answer closes */
	bool cut_later : 1;  /* MOVING: cut meanwhile */
	bool moved : 1;      /* the successor has it */
	_Atomic bool lost;   /* upgraded: the client is gone; for any thread */
	uint8_t before;      /* MOVING: its state before */
	uint8_t rests;       /* LINGER: how often its timer was started */
	uint32_t discarded;  /* LINGER: bytes */
	mo_conns *home;
	mo_http_server *server;
	mo_http_count *count;         /* of the server on this loop */
	const mo_protocol *proto;     /* who speaks on it */
	const mo_protocol *transport; /* who spoke first, and does again when a step goes on */
	void *data;                   /* of the protocol */
	mo_stream *stream;
	/* Each request needs what stands above, and of what follows the timer and the
	 * poll handle: the fewer cache lines the better. */
	mo_timer timer;
	uv_poll_t *poll; /* NULL: not yet watched, or no longer */
	mo_list node, ready;
	mo_addr peer; /* last: no more of it than mo_addr_size() is there */
};

static inline mo_loop *mo_conn_loop(const mo_conn *c)
{
	return c->home->loop;
}

static inline void mo_conn_set_state(mo_conn *c, enum mo_conn_state state)
{
	if (__builtin_expect(!mo_conn_may_become(c->state, state), 0))
		mo_conn_state_broken(c->state, state);
	c->state = (uint8_t)state;
}

/* A request begins.  One that the system did not announce may have been sent just
 * now, and one behind another is to find what that has done. */
static inline void mo_conn_request_begins(const mo_conn *c)
{
	mo_conns *home = c->home;

	if (home->announced != c)
		mo_loop_new_moment(home->loop);
	home->announced = NULL;
}

mo_conns *mo_conns_of(mo_loop *l);

/* Serves a stream past its handshake (owned), counted in s->connections already;
 * closes it and takes it off that count when it cannot be watched (NULL). */
mo_conn *mo_conn_open(mo_conns *home, mo_stream *stream, const mo_addr *peer, mo_http_server *s);
/* The same for a descriptor that was just accepted: reads at once what it may have
 * sent already.  If the request is there, a connection for one request is never watched
 * at all; where requests come later, that is no longer tried.  It may be closed on
 * return. */
bool mo_conn_accepted(mo_conns *home, int fd, const mo_addr *peer, mo_tls *tls, mo_http_server *s);
/* Could it move to the successor, as far as its server and its stream go? */
bool mo_conn_may_move(const mo_conn *c);
/* The same, and it has a successor to move to. */
bool mo_conn_leaves(const mo_conn *c);
/* One that leaves is movable now: it reads nothing more, waits to be packed, and
 * goes on when its protocol's retire() says that it does not leave after all. */
void mo_conn_offer(mo_conn *c);
/* A first read of a fresh connection found something, or nothing. */
void mo_conns_learn(mo_conns *home, bool found);
/* UV_READABLE and so on; 0 for none.  Costs system calls only when it changes. */
void mo_conn_watch(mo_conn *c, int events);
/* Calls proto->on_turn() in the next turn of the loop, once; when it is MOVING, as
 * soon as it stays after all. */
void mo_conn_next_turn(mo_conn *c);
/* Calls proto->on_turn() when the turn's other work is done.  false: do it now; the
 * loop is not quick enough for that, or enough connections wait already. */
bool mo_conn_turn_end(mo_conn *c);
/* Frees OpenSSL's state if the server sheds it (tlsShed) and nothing is under way.  When
 * no exchange runs: other threads may ask one for what its handshake told. */
void mo_conn_shed(mo_conn *c);
/* (Re)starts the connection's deadline. */
void mo_conn_deadline(mo_conn *c, molt_time ms);
/* Says that no more will come, discards what the client still sends (RFC 9112
 * section 9.6), then closes.  See conn_state.h for how long. */
void mo_conn_linger(mo_conn *c);
/* Ends it now. */
void mo_conn_close(mo_conn *c);
/* Ends it in good order when the client has nothing under way, else lingers. */
void mo_conn_end(mo_conn *c);
/* Closes one of s that has been idle for the longest time on this loop.  false: there
 * is none whose next request is not on its way. */
bool mo_conns_close_longest_idle(mo_conns *home, const mo_http_server *s);
/* Ends it so that the client sees a reset, not an end. */
void mo_conn_reset(mo_conn *c);

/* accept.c: a connection of s has closed; acceptors that waited may go on. */
void mo_acceptors_room(mo_conns *home, const mo_http_server *s);

/* Heap buffers for answers, kept with their memory from request to request. */
mo_buf mo_conns_buf_get(mo_conns *home);
void mo_conns_buf_put(mo_conns *home, mo_buf *b);
uint64_t mo_conns_next_id(mo_conns *home);

#endif
