/* A server: listeners, routes, settings and limits under one name, and the
 * registry of all of them. */
#ifndef MO_WEB_SERVER_H
#define MO_WEB_SERVER_H

#include <jansson.h>

#include "http/conn.h"
#include "web/router.h"
#include "web/settings.h"

#define MO_SERVER_MAGIC 0x73727621u

/* One address of a server. */
typedef struct mo_endpoint {
	char *text;	  /* as configured */
	char *cert, *key; /* NULL: the server's, when it has one and https */
	bool https;
	int backlog;
	mo_listener *listener;	  /* after start; owned */
	mo_tls *tls;		  /* after start; owned */
	mo_acceptor **acceptors; /* one per loop */
} mo_endpoint;

enum mo_server_state { MO_SERVER_NEW, MO_SERVER_STARTED, MO_SERVER_DRAINING, MO_SERVER_STOPPED };

struct molt_server {
	uint32_t magic;
	char *name;
	mo_settings set;
	enum mo_server_state state;
	int failure;	   /* first set-up failure: negative errno */
	char *failure_why; /* its sentence */
	mo_endpoint *endpoints;
	size_t nendpoints;
	molt_group *root;
	mo_router *router;
	mo_http_server http;
	struct molt_server *next; /* of the registry, by name of creation */
};

/* Remembers the first failure; returns code.  The sentence is formatted. */
int mo_server_fail(molt_server *s, int code, const char *fmt, ...) MOLT_PRINTF(3, 4);
/* -EBUSY (and remembered) when s has been started. */
int mo_server_check_new(molt_server *s);

molt_server *mo_servers(void); /* the first of the registry */

/* group.c: the root group, the http app's functions, freeing. */
molt_group *mo_group_root_new(molt_server *s);
void mo_group_tree_free(molt_group *root);
extern const mo_http_app mo_web_app;
/* Prints the table of routes to the log. */
void mo_routes_dump(molt_server *s);

/* access_log.c */
int mo_access_log_open(molt_server *s, char **why);
void mo_access_log_write(molt_req *r);
void mo_access_log_refused(mo_http_server *s, const mo_addr *peer, int status, molt_str line);
int mo_access_log_reopen(void);

/* process.c: what the admin page shows.  A new reference. [any] */
json_t *mo_process_status(void);
unsigned mo_process_generation(void);

#endif
