/* A server: listeners, routes, settings and limits under one name, and the
 * registry of all of them. */
#ifndef MO_WEB_SERVER_H
#define MO_WEB_SERVER_H

#include <jansson.h>

#include "config/settings.h"
#include "http/conn.h"
#include "web/router.h"

#define MO_SERVER_MAGIC 0x73727621u

/* One address of a server. */
typedef struct mo_endpoint {
	char *text;	  /* as configured */
	char *cert, *key; /* NULL: the server's, when it has one and https */
	bool https;
	int backlog;
	mo_listener *listener;	  /* after start; owned */
	char *dropped;		  /* where it listened; a successor did not want it */
	bool missed;		  /* it was told that this cannot be opened again */
	mo_tls *tls;		  /* after start; owned */
	mo_acceptor **acceptors; /* one per loop */
} mo_endpoint;

enum mo_server_state { MO_SERVER_NEW, MO_SERVER_STARTED, MO_SERVER_DRAINING, MO_SERVER_STOPPED };

struct molt_server {
	uint32_t magic;
	char *name;
	mo_settings set;
	mo_unix_access access; /* of unix: listeners; from set, at the start */
	_Atomic enum mo_server_state state;
	int failure;	   /* first set-up failure: negative errno */
	char *failure_why; /* its sentence */
	bool start_failed; /* by molt_server_start() */
	bool internal;	   /* of the library: not shown, not configured */
	mo_endpoint *endpoints;
	size_t nendpoints;
	molt_group *root;
	mo_router *router;
	mo_http_server http;
	mo_http_server *probed; /* of probe.c; or NULL */
	struct mo_access_log *access_log; /* of access_log.c; NULL: off */
	struct mo_ws_route *ws_routes;    /* of molt_ws_bind(); in the groups' arena */
	struct mo_bound_step *steps;      /* of molt_step_bind(); in the groups' arena */
	molt_group *admin_group;	  /* of admin.c; NULL: not mounted */
	char *admin_path;		  /* of admin.c: where; owned */
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
/* Held while listeners are closed or looked at from outside the control thread. */
void mo_servers_lock(void);
void mo_servers_unlock(void);
void mo_servers_free(void);    /* after the last loop has ended */
/* Adds an address without looking at the state; o may be NULL. */
int mo_server_add_endpoint(molt_server *s, const char *text, const molt_listen_opts *o);

/* group.c and dispatch.c: the root group, the http app's functions, freeing. */
molt_group *mo_group_root_new(molt_server *s); /* sets s->root, and s->router when NULL */
void mo_group_tree_free(molt_group *root);     /* with s->router; NULL is accepted */
/* Makes the chains of middleware; by molt_server_start(), before the first
 * request.  A failure is remembered. */
int mo_groups_compile(molt_server *s);
extern const mo_http_app mo_web_app;
/* Prints the table of routes to the log. */
void mo_routes_dump(molt_server *s);

/* access_log.c.  Open and close: while s is not serving.  The others [any].
 * *why: malloc'd sentence. */
int mo_access_log_open(molt_server *s, char **why);
void mo_access_log_close(molt_server *s); /* also when it is not open */
void mo_access_log_write(molt_req *r);
void mo_access_log_refused(mo_http_server *s, const mo_addr *peer, int status, molt_str line);
int mo_access_log_reopen(void); /* all servers, after a rotation; the first -errno */

/* control_server.c: opens the control socket that s or the supervisor wants,
 * unless there is one.  By molt_server_start(); a failure is remembered on s. */
int mo_control_server_start(molt_server *s);
/* takeover.c: by molt_server_start(), before the offer is read; a failure is
 * remembered on s. */
int mo_server_takeover(molt_server *s);
/* A server of the library, with the settings' defaults alone. */
molt_server *mo_server_new_internal(const char *name);

#define MO_ADMIN_PATH "/debug/admin" /* where the admin page is, when nobody says */

/* admin.c: mounts the page where the settings say, unless that was done.  By
 * molt_server_start(), when the settings are final. */
int mo_admin_mount(molt_server *s);

/* process.c: what the admin page shows.  A new reference. [any] */
json_t *mo_process_status(void);
/* molt_restart() to a program that a client of the network chose. */
int mo_restart_chosen(const char *exe);
unsigned mo_process_generation(void);

#endif
