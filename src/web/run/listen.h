/* The listening sockets of a server, on the loops: opened, watched, closed.  Who decides
 * when is process.c's (for gen) and server_start.c's business. */
#ifndef MO_WEB_RUN_LISTEN_H
#define MO_WEB_RUN_LISTEN_H

#include "web/core/server.h"

/* Binds an address as s wants it; *why: malloc'd sentence. */
int mo_listen_bind(const molt_server *s, const char *text, int backlog, mo_listener **out,
		   char **why);
/* Makes an acceptor for each endpoint on each loop, paused. */
void mo_listen_attach(molt_server *s);
/* On every loop; returns when done. */
void mo_listen_accept(molt_server *s, bool on);
/* Frees the acceptors on their loops, then closes the listeners. */
void mo_listen_close(molt_server *s, bool remove_paths);
/* The same for the one listener of that text. */
void mo_listen_drop(molt_server *s, const char *text);
/* Opens again what was dropped, where it was, and accepts there; how many are
 * missing then. */
size_t mo_listen_undrop(molt_server *s);
/* Closes the listeners that this process has bound itself; removes their paths. */
void mo_listen_close_own(molt_server *s);
/* "http server started listening on [:8199]", one line an address. */
void mo_listen_log(molt_server *s, const char *verb);

#endif
