/* SPDX-License-Identifier: MIT
 *
 * Servers: options, listeners, admin page, start.
 * Programs include molt.h, which includes this file. */
#ifndef MOLT_SERVER_H
#define MOLT_SERVER_H

#include "molt/types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- servers --------------------------------------------------------- */

/* The server called name, created on first use; NULL means "default".  Names
 * are 1 to 63 letters, digits, '-' or '_'; another name is remembered as that
 * server's set-up failure.  A misspelt name makes another server: keep the handle.
 * Never fails (aborts when out of memory).  [any] */
MOLT_API molt_server *molt_server_get(const char *name);

/* Zero means the default written here; MOLT_FOREVER means no limit of time. */
typedef struct molt_server_opts {
	size_t size;
	int workers;	   /* event loops of the process (the largest that any server
			      asks for that is set up before the first one starts); 0,
			      when none asks: as many as the CPUs that the process may
			      use (affinity, cgroup quota); at most 256            */
	int blocking_threads; /* for .blocking routes and molt_block(), of the process
			      (the largest that any server asks for); 0: 64; one route
			      has three quarters of them at most                  */
	int blocking_queue; /* calls of one route that may wait for one of them; more are
			      answered with 503 and Retry-After; 0: 1024          */
	size_t stack_size; /* per handler; 0: 64 KiB; rounded up to pages; at least 16 KiB */
	size_t max_header; /* request line and fields; 0: 16 KiB; 1 KiB to 1 MiB  */
	size_t max_body;   /* request body; 0: 8 MiB                              */
	int max_connections;	 /* open at once on this server; 0: 10000; more wait in
				    the kernel's queue                             */
	molt_time header_timeout; /* first byte to end of head; 0: 10 s           */
	molt_time body_timeout;	 /* between two pieces of a body; 0: 30 s         */
	molt_time read_timeout;	 /* whole request, head and body; 0: 60 s         */
	molt_time write_timeout; /* between two pieces of an answer taken by the client; 0: 30 s */
	molt_time idle_timeout;	 /* keep-alive; 0: 75 s                           */
	molt_time bake_time;	 /* after a restart the old process stands by so long, to
				    serve again when the new one is no good; 0: 10 s */
	molt_time drain_timeout; /* old process, after a restart; 0: 60 s         */
	molt_time shutdown_timeout; /* running requests at shutdown; 0: 60 s      */
	molt_time ready_timeout; /* new process, until it is ready; 0: 60 s       */
	int max_generations;	 /* processes alive at once, the starting one included; a
				    restart ends the oldest first; 0: 3; 2 to 16   */
	const char *probe;	 /* comma list of requests that a new process must answer
				    before it takes over: "GET /health 200"; NULL: none */
	molt_time probe_timeout; /* each of them; 0: 5 s                           */
	size_t ws_max_message;	 /* of a WebSocket, decompressed; 0: 1 MiB        */
	size_t ws_max_queue;	 /* output that a WebSocket or event-stream client has
				    not taken; with more it is cut; 0: 1 MiB       */
	molt_time ws_ping;	 /* silence until a ping, and until its answer; 0: 30 s */
	molt_time ws_close_spread; /* over which a restart closes those that cannot move; 0: 1 s */
	const char *ws_origins;	 /* comma list of origins that may open WebSockets besides
				    the same host's pages; "*": all; NULL: none    */
	const char *server_name; /* Server: field; NULL: none                     */
	bool no_keep_alive;	 /* close after each answer (in the file: keepAlive: false) */
	bool no_handover;	 /* a restart ends kept-alive connections with their
				    next answer instead of giving them to the new process */
	bool no_tls_handover;	 /* the same for HTTPS connections only           */
	bool no_tls_shed;	 /* HTTPS connections keep OpenSSL's state until they
				    move; else those that stay open after their first
				    answer go on without it: small and cheap      */
	int tls_key_limit;	 /* records of TLS 1.3 that are sent with one key, 16 to
				    16777216; 0: 8388608 (RFC 8446 section 5.5)   */
	size_t memory_budget;	 /* bytes of the whole process for what clients make it
				    keep (the least that any server asks for); 0: half of
				    what the process may use; doc/http.md            */
	int unix_mode;		 /* of the files of "unix:" addresses, whatever the umask:
				    0200 to 0777; 0: 0666; who may write to one may connect */
	const char *unix_user, *unix_group; /* owners of these files, names or numbers;
				    NULL: the process's.  Copied.  Looked up by
				    molt_server_start(): -EINVAL for an unknown one, -EPERM
				    where this process may not give a file to them */
} molt_server_opts;
#define MOLT_SERVER_OPTS(...) MOLT_SIZED(molt_server_opts, __VA_ARGS__)

/* Replaces every option; zero members mean their defaults, o NULL all of them.  -EINVAL
 * for a value out of range, -EBUSY once started. */
MOLT_API int molt_server_configure(molt_server *s, const molt_server_opts *o);

typedef struct molt_listen_opts {
	size_t size;
	int backlog;		/* 0: net.core.somaxconn                        */
	const char *cert, *key; /* PEM paths; both or neither; both: HTTPS      */
} molt_listen_opts;
#define MOLT_LISTEN_OPTS(...) MOLT_SIZED(molt_listen_opts, __VA_ARGS__)

/* Adds a listener: ":8080", "127.0.0.1:80", "[::1]:80", ":0" (any free port),
 * "unix:/run/a.sock", "systemd:NAME" (a socket that the service manager passes,
 * by its FileDescriptorName; several of one name are taken in turn, when the
 * address is given as often).  Call once per address.  o may be NULL.  -EINVAL for an
 * address that cannot be read, -EEXIST for one already added. */
MOLT_API int molt_server_listen(molt_server *s, const char *addr, const molt_listen_opts *o);

/* The same as molt_server_listen(s, ":port", NULL).  port: 0 to 65535. */
MOLT_API int molt_server_set_port(molt_server *s, int port);

/* Serves every address of s that has no certificate of its own over TLS.  The
 * files are read by molt_server_start(), so each new generation reads them
 * again. */
MOLT_API int molt_server_enable_https(molt_server *s, const char *cert, const char *key);

/* Allows the process to be restarted; off by default. */
MOLT_API int molt_server_set_graceful(molt_server *s, bool on);

/* Mounts the admin page and its API at pattern (NULL: "/debug/admin"):
 *   GET pattern            the page
 *   GET pattern/status     the state as JSON
 *   POST or GET pattern/restart[?newExeFilePath=PATH], pattern/reload,
 *   pattern/shutdown       the actions
 *   POST pattern/reopen    opens the log files anew in every generation, after a rotation
 * Unless the group has middleware of its own or a token is set, only clients on this
 * machine of the same user or of root are let in, that ask for a loopback host by
 * HTTP/1.1 and without a proxy's field; cross-site requests never are.  Behind a proxy
 * set a token or middleware.  A browser's GET of an action shows a page with a button.
 * The returned group takes middleware: molt_group_use(g, require_login, NULL).  Returns NULL
 * and remembers the failure for a pattern that cannot be read. */
MOLT_API molt_group *molt_server_enable_admin(molt_server *s, const char *pattern);

/* Where a program that is started by others (a new container, another unit, by hand)
 * finds this one and takes over from it: an absolute path of at most 95 bytes, the
 * same in both programs, in a directory where only this user and root may write (made
 * with mode 0700 when it is not there).  When nobody serves at the path, the program
 * starts as the first generation; when somebody does and refuses (a restart is under
 * way, it is of another user), molt_server_start() fails with -EBUSY, -EPERM ... Needs
 * molt_server_set_graceful() in the running program.  For the server that is started
 * first (else -EINVAL at its start); NULL: no takeover.  path is copied.  -EBUSY once
 * started. */
MOLT_API int molt_server_set_takeover(molt_server *s, const char *path);

/* Directories that a restart by the admin API may take a program from, ':' between
 * them; NULL: only the running program's own path. */
MOLT_API int molt_server_set_exe_dirs(molt_server *s, const char *dirs);

/* A secret that lets a client use the admin API from anywhere with the field
 * "Authorization: Bearer TOKEN", and without which nobody is let in any more; NULL:
 * none.  At least 16 characters. */
MOLT_API int molt_server_set_admin_token(molt_server *s, const char *token);

/* Opens the listeners and serves; returns at once.  In a successor the
 * listeners are adopted, and serving starts at the switch, which molt_wait()
 * asks for.  Fails with the first set-up failure, or with what binding or
 * reading a certificate gave; molt_server_error() has the sentence.  -ECANCELED: a
 * shutdown has begun, or a successor serves.  When molt_wait() has returned, servers may
 * be made and started once more, as those of a first generation. */
MOLT_API int molt_server_start(molt_server *s);

/* molt_server_start() and molt_wait(); logs a failure.  Returns 0 or 1, for
 * main() to return. */
MOLT_API int molt_server_run(molt_server *s);

/* Drains and closes s alone; returns when that is under way.  [any] */
MOLT_API int molt_server_stop(molt_server *s);

/* The first set-up failure as a sentence, or NULL.  Owned by the server. */
MOLT_API const char *molt_server_error(molt_server *s);

/* The port of the nth listener (0 first), once started; -ENOENT past the last,
 * -ENOTSUP for a unix socket.  [any] */
MOLT_API int molt_server_port(molt_server *s, int nth);

#ifdef __cplusplus
}
#endif
#endif
