/* Inside of the load: its clients, and what prove_load.c, prove_client.c and
 * prove_ws.c share. */
#ifndef MO_PROVE_CLIENT_H
#define MO_PROVE_CLIENT_H

#include <pthread.h>
#include <stdatomic.h>
#include <uv.h>

#include "base/buf.h"
#include "prove/prove_conn.h"
#include "prove/prove_load.h"
#include "prove/prove_reply.h"

#define MO_LOAD_TIMEOUT (10 * 1000000ll) /* us, for one answer */
#define MO_LOAD_EXAMPLES 5

typedef struct mo_client {
	struct mo_load *load;
	const mo_crowd *crowd;
	mo_load_count *count; /* of the crowd */
	unsigned number;
	uint64_t seq; /* of the request */
	uv_timer_t timer;
	mo_pconn *conn;         /* NULL: none */
	bool busy;              /* a request is under way */
	bool paused;            /* half of it has been sent; the timer sends the rest */
	bool replied;           /* its answer is complete, some of the request was not sent yet */
	bool warm;              /* has had an outcome */
	int64_t started, pause; /* us; the pauses that are ours */
	mo_buf out;             /* the request */
	ssize_t broke;          /* the error of a write, or 0 */
	size_t sent, half;      /* half: where to pause, or 0 */
	mo_buf body;            /* what an echo must say */
	size_t echoed;
	mo_reply reply;
	struct mo_wsc *ws; /* of a WebSocket client */
} mo_client;

struct mo_load {
	uv_loop_t loop;
	uv_async_t wake;
	uv_timer_t watch; /* deadlines */
	uv_prepare_t turn;
	int64_t kill_seen; /* the kill_ended that turns are counted from */
	unsigned turns;    /* whole ones since then, with the present one */
	pthread_t thread;
	atomic_bool stop_asked, abandoned;
	bool stopping;
	mo_crowd *crowds;
	mo_load_count *counts;
	unsigned n_crowds, n_clients, n_warm;
	mo_client *clients;
	uint64_t random;
	char *input;                               /* what was read last */
	atomic_llong kill_began, kill_ended, back; /* us; 0: no */
	atomic_ullong ok, failed;
	atomic_uint warm;
	char *examples[MO_LOAD_EXAMPLES];
};

#define MO_LOAD_INPUT 65536u

int64_t mo_load_now(void);                           /* us */
unsigned mo_load_turns_since_kill(const mo_load *l); /* whole ones, with this one */
uint64_t mo_load_random(mo_load *l, uint64_t below); /* 0 to below-1 */

/* Opens the connection of the client when there is none; on_ready(client) comes
 * when it is ready or broke.  false: it failed, and that is dealt with. */
bool mo_client_connect(mo_client *c, void (*on_ready)(void *));
/* The outcomes of a request.  took: us, without the pauses that are ours. */
void mo_client_good(mo_client *c, int64_t took);
void mo_client_fail(mo_client *c, enum mo_fault f);
/* The server has ended a connection that waited for nothing. */
void mo_client_reopen(mo_client *c);
/* The kind of a connection that broke with this error. */
enum mo_fault mo_client_broke(const mo_client *c, ssize_t rc);
void mo_client_drop(mo_client *c, bool abort);
/* Calls fn after us. */
void mo_client_later(mo_client *c, int64_t us, uv_timer_cb fn);

/* First request; called by timers too. */
void mo_client_next(uv_timer_t *t);
void mo_wsc_next(uv_timer_t *t);
void mo_wsc_drop(mo_client *c); /* what lives as long as the connection */

#endif
