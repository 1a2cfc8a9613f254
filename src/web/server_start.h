/* Starting a server: from its settings to accepting connections.  The other
 * half of server.c; see there for who owns what. */
#ifndef MO_WEB_SERVER_START_H
#define MO_WEB_SERVER_START_H

#include "web/server.h"

/* Closes listeners and forgets endpoints; loops must be gone or never saw them. */
void mo_start_close(molt_server *s);
/* On every loop; returns when done. */
void mo_start_accept(molt_server *s, bool on);
/* Frees the acceptors on their loops, then closes the listeners. */
void mo_start_close_listeners(molt_server *s, bool remove_paths);
/* The same for the one listener of that text. */
void mo_start_drop_listener(molt_server *s, const char *text);
/* Opens again what was dropped, where it was, and accepts there; how many are
 * missing then. */
size_t mo_start_undrop(molt_server *s);
/* Closes the listeners that this process has bound itself; removes their paths. */
void mo_start_close_own(molt_server *s);
/* "http server started listening on [:8199]", one line an address. */
void mo_start_log_listening(molt_server *s, const char *verb);
/* A server is in molt_server_start(): its acceptors are being made.  [any] */
bool mo_start_under_way(void);

#endif
