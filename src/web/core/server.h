/* A server: listeners, routes, settings and limits under one name, and the
 * registry of all of them. */
#ifndef MO_WEB_CORE_SERVER_H
#define MO_WEB_CORE_SERVER_H

#include <jansson.h>

#include "config/settings.h"
#include "http/conn/conn.h"
#include "web/route/router.h"

#define MO_SERVER_MAGIC 0x73727621u

/* One address of a server. */
typedef struct mo_endpoint {
	char *text;       /* as configured */
	char *cert, *key; /* NULL: the server's, when it has one and https */
	bool https;
	int backlog;
	mo_listener *listener;   /* after start; owned */
	char *dropped;           /* where it listened; a successor did not want it */
	bool missed;             /* it was told that this cannot be opened again */
	mo_tls *tls;             /* after start; owned */
	mo_acceptor **acceptors; /* one per loop */
} mo_endpoint;

enum mo_server_state { MO_SERVER_NEW, MO_SERVER_STARTED, MO_SERVER_DRAINING, MO_SERVER_STOPPED };

struct molt_server {
	uint32_t magic;
	char *name;
	mo_settings set;
	mo_unix_access access; /* of unix: listeners; from set, at the start */
	_Atomic enum mo_server_state state;
	int failure;       /* first set-up failure: negative errno */
	char *failure_why; /* its sentence */
	bool start_failed; /* by molt_server_start() */
	bool internal;     /* of the library: not shown, not configured */
	mo_endpoint *endpoints;
	size_t nendpoints;
	molt_group *root;
	mo_router *router;
	mo_http_server http;
	mo_http_server *probed;           /* of probe.c; or NULL */
	struct mo_access_log *access_log; /* of access_log.c; NULL: off */
	struct mo_ws_route *ws_routes;    /* of molt_ws_bind(); in the groups' arena */
	struct mo_bound_step *steps;      /* of molt_step_bind(); in the groups' arena */
	molt_group *admin_group;          /* of admin.c; NULL: not mounted */
	char *admin_path;                 /* of admin.c: where; owned */
	/* Of the registry, in the order of creation.  main() may add one while other threads
	 * walk: who sees a server sees what it was made of. */
	struct molt_server *_Atomic next;
};

/* Remembers the first failure; returns code.  The sentence is formatted. */
int mo_server_fail(molt_server *s, int code, const char *fmt, ...) MOLT_PRINTF(3, 4);
/* The same with a sentence that somebody else has made; why is freed. */
int mo_server_fail_why(molt_server *s, int code, char *why);
/* -EBUSY (and remembered) when s has been started. */
int mo_server_check_new(molt_server *s);

molt_server *mo_servers(void); /* the first of the registry */
#define MO_EACH_SERVER(s) for (molt_server *s = mo_servers(); s; s = s->next)
/* Held while listeners are closed or looked at from outside the control thread. */
void mo_servers_lock(void);
void mo_servers_unlock(void);
void mo_servers_free(void); /* after the last loop has ended */
/* A server is in molt_server_start(): its acceptors are being made.  [any] */
void mo_servers_starts(bool begins);
bool mo_servers_starting(void);

/* Adds an address without looking at the state; o may be NULL. */
int mo_server_add_endpoint(molt_server *s, const char *text, const molt_listen_opts *o);
void mo_endpoint_free(mo_endpoint *e); /* what it owns */
/* Closes listeners and forgets endpoints; loops must be gone or never saw them. */
void mo_endpoints_free(molt_server *s);

/* A server of the library, with the settings' defaults alone. */
molt_server *mo_server_new_internal(const char *name);

#endif
