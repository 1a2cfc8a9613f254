/* SPDX-License-Identifier: MIT
 *
 * molt.h -- the whole public API of libmolt (prefix molt_).
 *
 * A C web framework whose process can replace itself without dropping a
 * request.  Include this header and link with -lmolt; nothing else is public.
 *
 * Conventions, true for every function unless its comment says otherwise:
 *   errors     int functions return 0, or a negative errno value (-EADDRINUSE).
 *              molt_strerror() turns one into text.  Set-up functions also
 *              remember their first failure on the server, and
 *              molt_server_start() refuses with it, so a short main() need not
 *              check each call.
 *   ownership  "borrowed" pointers returned by molt_req_*() belong to the
 *              request and die when the handler returns.  Strings passed in
 *              are copied.  Handles are opaque and freed by the library.
 *   strings    const char * is UTF-8 with a terminating NUL; molt_str carries
 *              a length, may hold NULs, and is also NUL-terminated at ptr[len].
 *   time       molt_time, in milliseconds; write 10 * MOLT_SECOND.
 *   sizes      size_t, in bytes.
 *   threads    set-up functions: before molt_server_start(), one thread.
 *              molt_req_*, molt_res_*: only inside the handler that was given
 *              the request.  Marked [any]: any thread, any time, also while
 *              molt_wait() returns and afterwards: then there is nobody to do
 *              it, and they do nothing or say so with an error.  A molt_server is
 *              gone when molt_wait() has returned: what takes one may not be
 *              called after MOLT_ON_EXIT.
 *   parking    functions marked [parks] suspend the calling handler, never the
 *              event loop; other requests keep running.
 *   structs    those that a program fills, or has filled, begin with their size: make
 *              them with the macro of their name, MOLT_ROUTE_OPTS(.blocking = true),
 *              or write .size = sizeof(...).  So they can grow: a program goes on to
 *              work with a newer library, whose new members have their defaults for it.
 *              A size that nobody has set is -EINVAL or -E2BIG; a member that is set and
 *              that an older library does not know is -E2BIG.  Results are filled up to
 *              the size.  The sentence is molt_server_error(), or logged.
 *   memory     out of memory ends the program with a message: sizes that come
 *              from the network are limited before anything is allocated.
 */
#ifndef MOLT_H
#define MOLT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define MOLT_PRINTF(f, a) __attribute__((format(printf, f, a)))
#define MOLT_API __attribute__((visibility("default")))
#else
#define MOLT_PRINTF(f, a)
#define MOLT_API
#endif

/* The version of this header; molt_version() tells the library's, which may be another:
 * doc/interface.md says which may meet.  To compare: "#if MOLT_VERSION_NUMBER >= 100". */
#define MOLT_VERSION_MAJOR 0
#define MOLT_VERSION_MINOR 1
#define MOLT_VERSION_PATCH 0
#define MOLT_VERSION_NUMBER \
	(MOLT_VERSION_MAJOR * 10000 + MOLT_VERSION_MINOR * 100 + MOLT_VERSION_PATCH)

typedef struct molt_server molt_server; /* a named set of listeners + routes   */
typedef struct molt_group molt_group;	/* a route prefix with shared middleware */
typedef struct molt_req molt_req;	/* one request and its response          */
typedef struct molt_ws molt_ws;		/* one WebSocket                         */

typedef int64_t molt_time;
enum { MOLT_MS = 1, MOLT_SECOND = 1000, MOLT_MINUTE = 60000 };
enum { MOLT_FOREVER = -1 };

/* For the macros below.  In C they may stand wherever a value may, and behind an '&'. */
#ifdef __cplusplus
#define MOLT_SIZED(type, ...) type { .size = sizeof(type), __VA_ARGS__ }
#else
#define MOLT_SIZED(type, ...) (type) { .size = sizeof(type), __VA_ARGS__ }
#endif

/* By value; it never changes, and has no size of its own. */
typedef struct molt_str {
	const char *ptr;
	size_t len;
} molt_str;

/* A handler runs as a coroutine: it may call any [parks] function, and it
 * always runs to its own return, even when the client has gone or a restart is
 * under way, so malloc/free pairs in it stay balanced. */
typedef void molt_handler(molt_req *r);

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

/* ---- the process: restart, shutdown, wait ---------------------------- */

/* Starts exe (NULL: the file this process was started from, as it is on disk
 * now) with the same arguments, environment and directory, gives it every
 * listener, waits until it serves, then drains this process.
 * Returns 0 once the new process serves; on any failure before that returns
 * <0, has changed nothing, and this process serves on.
 *   -ENOENT/-EACCES/-ENOEXEC  exe cannot be executed, or others could have put it there
 *   -EILSEQ     exe, or the path of this program, is no UTF-8
 *   -ENOMEM/-EMFILE/-ENFILE   no memory, no descriptors for a second process
 *   -ECHILD     it ended before it was ready (its status and last lines are logged)
 *   -ETIMEDOUT  not ready within ready_timeout; it was killed
 *   -EREMOTEIO  a probe was not answered as configured
 *   -EBUSY      a restart to another target is under way (the same target joins it),
 *               or this process is already being replaced or shut down
 *   -ENOTSUP    no server is graceful
 *   -EPROTO     it broke the protocol (not built with libmolt of this kind)
 * Same as SIGUSR1 or SIGUSR2.  [any] [parks] */
MOLT_API int molt_restart(const char *exe);

/* Goes back to the generation before this one: while that stands by after a
 * restart, it accepts again within milliseconds, and gets the connections back
 * the way they came; what runs here is finished.  In the old process, while it
 * drains, the same.  Returns 0 once the predecessor accepts again; on a failure
 * this process serves on.
 *   -ENOENT     there is nothing to go back to
 *   -EBUSY      a restart or a shutdown is under way
 *   -ETIMEDOUT  the predecessor did not answer within 5 s
 *   -ECHILD     the predecessor died before it served again
 *   -EADDRINUSE the predecessor serves again, but without a listener that it had closed
 *               for this process; it goes on trying to open that
 * [any] [parks] */
MOLT_API int molt_rollback(void);

/* The receipt of the last restart that this process took part in, as JSON: target, outcome, each
 * phase with its milliseconds, what was handed over, drained, lost, and the reason of a failure.
 * malloc'd, the caller frees it; NULL when there was none.  [any] */
MOLT_API char *molt_receipt(void);

/* Drains every server, then molt_wait() returns.  Same as SIGTERM.  A second
 * call, or a second signal, ends the drain at once.  [any] */
MOLT_API int molt_shutdown(void);

/* Blocks until the last server has drained; in a successor it also reports to the predecessor that
 * this program is ready.  0; <0 when the process could not become the serving one.  At once the
 * failure of molt_server_start(), when that failed for any server; main() is to return then.
 *
 * When it has returned, all servers and groups are freed and their handles dangle.  These
 * functions may be called then: those marked [any] that take no server, molt_server_get() (which
 * makes a new one), molt_config_str(), molt_config_int(), molt_state_take(). */
MOLT_API int molt_wait(void);

/* What this process is. */
typedef struct molt_process_info {
	size_t size;
	int pid, parent_generation_pid; /* 0: first generation                 */
	unsigned generation;		/* 1, 2, 3 ...                         */
	bool draining;
	size_t connections, requests; /* now open / in progress                */
} molt_process_info;
#define MOLT_PROCESS_INFO(...) MOLT_SIZED(molt_process_info, __VA_ARGS__)
/* out->size is set before: molt_process_info i = MOLT_PROCESS_INFO();  0, -EINVAL.  [any] */
MOLT_API int molt_process_get(molt_process_info *out);

enum molt_event {
	MOLT_ON_READY,	 /* this process serves now                              */
	MOLT_ON_RESTART, /* a successor serves; this process is about to drain   */
	MOLT_ON_DRAIN,	 /* draining begins, for a restart or a shutdown         */
	MOLT_ON_EXIT,	 /* the last request is done; molt_wait() is about to return */
	MOLT_ON_OFFER	 /* a successor was started and is about to get the state:
			    the last moment for molt_state_give()                */
};
/* Calls fn(arg) on the control thread when e happens; several may be added, at
 * most 32 in all (-ENOSPC), and none is taken away again: fn and arg must be there as
 * long as the process.  fn must not block and must not call molt_restart().  One that is
 * added while e happens may be called for that already.  [any] */
MOLT_API int molt_on(enum molt_event e, void (*fn)(void *arg), void *arg);

/* What linking does before main(): of the descriptors 0, 1 and 2 those that are closed become
 * /dev/null (a listener could get the number, and the log with it); MOLT_* variables of a restart
 * leave the environment, and so do NOTIFY_SOCKET, WATCHDOG_* and LISTEN_*, which the library
 * answers; SIGUSR1 and SIGUSR2 do not end the process any more; and pid 1, whose end is that of
 * its container, becomes the supervisor ("molt run"), with main() in a child of it.  The first
 * molt_server_start() takes SIGUSR1, SIGUSR2, SIGTERM, SIGINT, SIGQUIT and SIGHUP, unless they are
 * ignored, and gives SIGPIPE a handler that does nothing, unless the program has its own; what
 * exec() starts has SIGPIPE's default.  What a program wants to keep for itself it says once,
 * outside of functions: MOLT_AT_START(MOLT_KEEP_ENVIRONMENT | MOLT_KEEP_PID_1); */
enum {
	MOLT_KEEP_ENVIRONMENT = 1, /* the service manager's variables; no "systemd:" addresses */
	MOLT_KEEP_PID_1 = 2	   /* main() runs as pid 1; a restart ends the container       */
};
extern MOLT_API const unsigned molt_at_start; /* the program's; 0 when it has none */
#define MOLT_AT_START(flags) const unsigned molt_at_start = (flags)

/* ---- state for the next generation ----------------------------------- */
/* By name: bytes and a descriptor.
 *
 * A program gives what its successor should begin with, any time before a restart or
 * in MOLT_ON_OFFER, and takes it first of all in its own start-up.  What it means, and
 * in which version it is written, is the program's business: put a version into it,
 * and refuse one that is not understood.  There is none after a crash: every program
 * must be able to begin without it. */

/* Gives len bytes (copied) and, when fd is not -1, a descriptor (duplicated) to every
 * successor that is started from now on, in place of what was given under key.  A
 * restart that fails loses nothing.  key: 1 to 64 printable ASCII characters without
 * spaces.  -EINVAL; -EBADF; -ENOSPC: more than 128 keys, or 1024 with those of former
 * programs that nobody has taken; -EFBIG: more than 1 GiB in all; -ENOMEM, -EMFILE.  It copies
 * on the spot: many megabytes belong on a pool thread.  [any] */
MOLT_API int molt_state_give(const char *key, const void *buf, size_t len, int fd);
/* Takes back what was given.  -ENOENT.  [any] */
MOLT_API int molt_state_drop(const char *key);
/* Takes what the predecessor gave under key: *buf is malloc'd, the caller frees it, and has a
 * NUL behind its *len bytes; *fd is the caller's to close, -1 when there is none.  buf and len,
 * or fd, may be NULL: that part is thrown away.  -ENOENT: nothing came, or it has been taken.
 * What nobody takes goes on to the next generation.  Before molt_server_start() it waits for the
 * predecessor's offer, and belongs to the thread that sets up; after it [any]. */
MOLT_API int molt_state_take(const char *key, void **buf, size_t *len, int *fd);
/* Says that the state under key, taken or not, is not understood, and throws it
 * away: the program starts cold.  The refusal is logged, and recorded in the receipt when
 * it comes before molt_wait().  why: a sentence, of which at most 200 bytes are told.
 * -ENOENT: nothing came under that key.  [any] as molt_state_take(). */
MOLT_API int molt_state_refuse(const char *key, const char *why);

/* ---- routes ---------------------------------------------------------- */

/* Patterns: "/users/{id}" one segment; "/files/{path...}" the rest (may be
 * empty); "GET /x" or "GET,POST /x" limits methods; "api.example.com/x" limits
 * hosts.  GoFrame's forms are read too: "/users/:id", "/files/" + "*path",
 * "GET:/x".  A segment may mix: "/{name}.{ext}", "/admin-{page}"; the first
 * names take as much as they can.  {name} takes at least one byte;
 * "/files/{path...}" takes "/files" too.  A pattern without methods takes all but
 * TRACE; GET takes HEAD.  In a group, "" is the prefix itself.  The most specific
 * pattern wins whatever the order: a host before none, then segment by segment
 * literal before mixed before {name} before {name...}, then a method before none;
 * a pattern of another method never hides one that takes the request.  Two
 * patterns that match the same requests are -EEXIST; -EINVAL for one that cannot
 * be read, has over 16 names or 64 segments, or names CONNECT.
 *
 * Without a route: 404; 405 with Allow when the path is bound with other methods;
 * OPTIONS is answered with 204 and Allow; 501 for methods that no route knows, and
 * CONNECT.  Paths are compared exactly, but a GET or HEAD of "/x/" where only "/x"
 * is bound, or the reverse, is sent there with 308.  A path with a bad escape, or
 * one that leads above the root, is a 400. */
MOLT_API int molt_bind(molt_group *g, const char *pattern, molt_handler *h, void *arg);

typedef struct molt_route_opts {
	size_t size;
	bool blocking;	    /* run on a pool thread: plain blocking calls are fine */
	size_t stack_size;  /* 0: the server's; 16 KiB to 64 MiB                 */
	size_t max_body;    /* 0: the server's                                   */
	bool stream_body;   /* read with molt_req_read(); not held to the server's
			       max_body, only to this route's                    */
	molt_time timeout;  /* writes fail with -ETIMEDOUT after it, and the client gets
			       503, or a cut answer when it has begun; 0: none */
} molt_route_opts;
#define MOLT_ROUTE_OPTS(...) MOLT_SIZED(molt_route_opts, __VA_ARGS__)
MOLT_API int molt_bind_opts(molt_group *g, const char *pattern, molt_handler *h, void *arg,
			    const molt_route_opts *o);

MOLT_API molt_group *molt_routes(molt_server *s); /* the root group */
/* A group below parent; prefix begins with '/' and may hold {name}.  Returns NULL and remembers
 * the failure for a bad prefix; a NULL group makes later calls fail with -EINVAL. */
MOLT_API molt_group *molt_group_new(molt_group *parent, const char *prefix);
/* Runs middleware before every handler of g and of its subgroups, in call
 * order, whenever those were bound.  It also runs before the library's own
 * answers (404, 405, OPTIONS, the 308 of a trailing slash) below g's prefix, so
 * that nobody learns behind a login what is bound; the root's runs for every
 * request.  Of several groups with one prefix, the first made has the paths that
 * none of them bound.  arg: for molt_req_arg() in it, so one function may be used
 * for several groups. */
MOLT_API int molt_group_use(molt_group *g, molt_handler *middleware, void *arg);
/* The same around each later part of a request in steps (molt_continue()) below g's prefix. */
MOLT_API int molt_group_use_steps(molt_group *g, molt_handler *middleware, void *arg);
/* Runs h to make the body of answers with that status (400 to 599) that have no
 * body yet or were made by molt_res_error(), below g's prefix; the deepest group
 * that has one, and of one group the last given.  An error that nobody made a
 * body for gets a small page, in HTML when Accept prefers it, unless the handler
 * set a Content-Type. */
MOLT_API int molt_group_on_status(molt_group *g, int status, molt_handler *h, void *arg);
/* Inside middleware: runs the rest, then returns.  Only the first call of each
 * middleware does.  [parks] */
MOLT_API void molt_next(molt_req *r);

typedef struct molt_static_opts {
	size_t size;
	const char *index; /* comma list; NULL: "index.html,index.htm"           */
	bool list;	   /* directory listings; off: 403                       */
	molt_time max_age; /* Cache-Control; 0: no field                         */
} molt_static_opts;
#define MOLT_STATIC_OPTS(...) MOLT_SIZED(molt_static_opts, __VA_ARGS__)
/* Serves the files below dir at prefix: GET and HEAD, index files, one or more
 * byte ranges, ETag and Last-Modified with 304 and 412, content types, never
 * anything outside dir (a symbolic link that leads out is refused), no dot
 * files.  o may be NULL.  -ENOENT/-ENOTDIR when dir is not there. */
MOLT_API int molt_static(molt_group *g, const char *prefix, const char *dir,
			 const molt_static_opts *o);

/* ---- reading the request (all results borrowed) ---------------------- */

MOLT_API const char *molt_req_method(const molt_req *r); /* "GET"                 */
MOLT_API const char *molt_req_path(const molt_req *r);	 /* decoded once, no "//", "." or ".." */
MOLT_API const char *molt_req_target(const molt_req *r); /* as received           */
MOLT_API const char *molt_req_host(const molt_req *r);	 /* without port, lower case; "" when HTTP/1.0 sent none */
/* Parameters, fields of a form, header fields and cookies come as texts (a C string), or
 * with their length (..._str; ptr is NULL when there is none).  "?v=a%00b" holds a NUL,
 * which no text can: where such a value is asked for as a text, the result is NULL and
 * the answer is a 400, whatever the handler says (an answer that has begun is cut). */

/* Of the route, decoded once; NULL.  In {name} an encoded slash has become one ("a%2Fb" is
 * "a/b": no file name without a check); in {name...} and in molt_req_path() it is shown as
 * "%2F", and so is the text that was sent as "%252F": decode nothing again. */
MOLT_API const char *molt_req_param(const molt_req *r, const char *name);
MOLT_API molt_str molt_req_param_str(const molt_req *r, const char *name);
/* Of the query, decoded once, the first one of that name; NULL. */
MOLT_API const char *molt_req_query(const molt_req *r, const char *name);
MOLT_API molt_str molt_req_query_str(const molt_req *r, const char *name);
/* A field of an urlencoded or multipart form, the first one; reads the body
 * when needed; NULL when there is none or the body cannot be read.
 * A multipart form (RFC 7578) has at most 256 parts, else the answer is a 400.  Values and
 * files lie in the body: the form takes the body's memory, and for each part 512 bytes and
 * twice the length of its head (of at most 8 KiB), however often its parts are asked for.
 * Only who asks for molt_req_body() too has the body twice.  [parks] */
MOLT_API const char *molt_req_form(molt_req *r, const char *name);
MOLT_API molt_str molt_req_form_str(molt_req *r, const char *name);
typedef struct molt_file {
	size_t size;
	const char *name;     /* base name only; ""    */
	const char *type;     /* Content-Type or ""    */
	molt_str data;	      /* not copied; a NUL follows it */
} molt_file;
#define MOLT_FILE(...) MOLT_SIZED(molt_file, __VA_ARGS__)
/* A file of a multipart form, the first one; borrowed, for as long as r.  out->size is set
 * before: molt_file f = MOLT_FILE();  -ENOENT when there is none.  [parks] */
MOLT_API int molt_req_file(molt_req *r, const char *name, molt_file *out);
/* A field of the head, any case; fields that were sent several times come
 * joined with ", " (Cookie with "; ").  NULL.  RFC 9110 section 5.3. */
MOLT_API const char *molt_req_header(const molt_req *r, const char *name);
MOLT_API molt_str molt_req_header_str(const molt_req *r, const char *name);
/* A cookie of the request, as it was sent; NULL. */
MOLT_API const char *molt_req_cookie(const molt_req *r, const char *name);
MOLT_API molt_str molt_req_cookie_str(const molt_req *r, const char *name);

MOLT_API const char *molt_req_client_ip(const molt_req *r); /* of the socket; "unix" */
MOLT_API const char *molt_req_id(const molt_req *r);	    /* 16 hex digits      */
MOLT_API bool molt_req_is_tls(const molt_req *r);
/* What the TLS handshake of the request's connection told, also when that was in an
 * earlier generation. */
enum molt_tls_fact {
	MOLT_TLS_VERSION,     /* "TLSv1.3" */
	MOLT_TLS_SUITE,	      /* "TLS_AES_128_GCM_SHA256" */
	MOLT_TLS_SERVER_NAME, /* that the client asked for (RFC 6066 section 3) */
	MOLT_TLS_ALPN,	      /* "http/1.1", when the client asked for it (RFC 7301) */
	MOLT_TLS_SUBJECT,     /* of the client's certificate, RFC 4514: "CN=alice,O=a" */
	MOLT_TLS_VERIFIED,    /* "ok" when there is such a certificate */
	MOLT_TLS_SESSION,     /* id, hexadecimal */
};
typedef enum molt_tls_fact molt_tls_fact; /* the same, shorter */
/* "" when it told nothing of that kind; NULL: no TLS.  Borrowed, for as long as r. [any] */
MOLT_API const char *molt_req_tls(const molt_req *r, enum molt_tls_fact what);

MOLT_API bool molt_req_gone(const molt_req *r);	    /* the client has disconnected */
MOLT_API bool molt_req_draining(const molt_req *r); /* a restart or shutdown is waiting */
/* The arg that was given with what runs: handler, step, middleware or error page. */
MOLT_API void *molt_req_arg(const molt_req *r);
MOLT_API molt_server *molt_req_server(const molt_req *r);

/* The whole body, read now if it was not yet (what molt_req_read() left of it).
 * -E2BIG (413 is set as the status), -ETIMEDOUT (408), -EBADMSG (bad framing,
 * 400), -ECONNRESET, -ENOBUFS (503: memoryBudget is used up).  A failure stays.  [parks] */
MOLT_API int molt_req_body(molt_req *r, molt_str *out);
/* Up to n bytes of the body; 0 at the end; <0 as molt_req_body(), whose bytes it
 * gives when that was called before.  [parks] */
MOLT_API ssize_t molt_req_read(molt_req *r, void *buf, size_t n);

/* Values handed from middleware to handler; release(value), when not NULL, runs
 * with the request's end or when the key is set again. */
MOLT_API int molt_req_set(molt_req *r, const char *key, void *value, void (*release)(void *));
MOLT_API void *molt_req_get(const molt_req *r, const char *key);

/* ---- writing the response -------------------------------------------- */
/* Output is buffered and sent with Content-Length when the handler returns; after
 * molt_res_flush() it is chunked (RFC 9112 section 7.1).  When the client has gone, writes do
 * nothing and return -EPIPE; ignoring that is safe.  After the head was sent, functions that
 * would change it return -EALREADY.  A body without Content-Type is "text/plain; charset=utf-8". */

MOLT_API int molt_res_status(molt_req *r, int status); /* 200 to 599; default 200 */
MOLT_API int molt_res_get_status(const molt_req *r);
/* Sets a field, replacing one of that name; value NULL removes it.  -EINVAL for
 * a name that is no token or a value with CR, LF, NUL or other control bytes.
 * Content-Length, Transfer-Encoding, Connection and Date belong to the library: -EPERM. */
MOLT_API int molt_res_header(molt_req *r, const char *name, const char *value);
/* Adds another field of the same name (Link, Vary ...). */
MOLT_API int molt_res_header_add(molt_req *r, const char *name, const char *value);
/* Gathers body.  A failure stays: -EPIPE (the client has gone), -ETIMEDOUT (the route's
 * time is over), -EALREADY (the answer is complete), -ENOBUFS (memoryBudget is used up: the
 * client gets 503, or sees that the answer is cut).  So do the other functions that gather. */
MOLT_API int molt_res_write(molt_req *r, const void *buf, size_t n);
MOLT_API int molt_res_puts(molt_req *r, const char *line); /* adds '\n', as puts(3) */
MOLT_API int molt_res_printf(molt_req *r, const char *fmt, ...) MOLT_PRINTF(2, 3);
/* These three set status and type and append to the body. */
MOLT_API int molt_res_text(molt_req *r, int status, const char *text);
MOLT_API int molt_res_html(molt_req *r, int status, const char *html);
MOLT_API int molt_res_json(molt_req *r, int status, const char *json); /* already encoded */
/* Replaces the body by an error page with the status (400 to 599) and, when not
 * NULL, why. */
MOLT_API int molt_res_error(molt_req *r, int status, const char *why);
/* 300 to 399; without a body.  -EINVAL for a location that begins with two slashes or
 * backslashes, which would lead to another host: write the scheme; for one with control bytes,
 * tabs too, which browsers drop before they look; for an empty one.  Spaces around it are not
 * sent and change nothing.  The same holds for a Location that molt_res_header() is given. */
MOLT_API int molt_res_redirect(molt_req *r, int status, const char *location);
/* Answers with a file: type by its name, ranges, ETag, conditions.  The path is
 * the program's own choice and is not checked.  -ENOENT, -EACCES, -EISDIR leave
 * the response as it was.  [parks] */
MOLT_API int molt_res_file(molt_req *r, const char *path);
/* Says how long the body will be: it is sent with Content-Length also when it is
 * flushed in pieces.  A shorter one is cut, of a longer one the rest is not sent
 * (-EMSGSIZE).  -EALREADY after the head was sent. */
MOLT_API int molt_res_length(molt_req *r, size_t n);
/* Sends what is buffered now.  [parks] */
MOLT_API int molt_res_flush(molt_req *r);

typedef struct molt_cookie {
	size_t size;
	const char *name, *value, *path, *domain, *same_site; /* "Lax", "Strict", "None" */
	bool secure, http_only;
	molt_time max_age; /* 0: session; <0: delete it now */
} molt_cookie;
#define MOLT_COOKIE(...) MOLT_SIZED(molt_cookie, __VA_ARGS__)
/* RFC 6265 section 4.1.  -EINVAL for what browsers would drop or misread: bytes
 * that do not belong, over 4096 bytes, SameSite=None or __Secure- without secure,
 * __Host- without secure and path "/" or with a domain. */
MOLT_API int molt_res_cookie(molt_req *r, const molt_cookie *c);

/* Appends s to the output as a JSON string, quotes included; bytes that are no
 * UTF-8 become U+FFFD. */
MOLT_API int molt_res_json_str(molt_req *r, const char *s);

/* ---- events: topics and Server-Sent Events --------------------------- */

/* Sends one event to every subscriber of topic: an event stream gets event, id and data (UTF-8), a
 * WebSocket the data as one message (text when it is UTF-8), a request that waits
 * (molt_continue_on()) runs its step.  event and id may be NULL.  Returns at once; what one
 * process publishes keeps its order.
 *
 * While two generations live, an event reaches the subscribers of both, whichever of them
 * published it, and one that moves meanwhile gets it once.  -EINVAL: a topic of 0 or over 128
 * bytes, a line end in event or id; -EMSGSIZE: over 64 KiB in all.  [any] */
MOLT_API int molt_publish(const char *topic, const char *event, const char *id, const void *buf,
			  size_t n);

/* Server-Sent Events, movable form: subscribes the client and returns; call it for
 * up to 64 topics (-ENOSPC).  What the handler writes or sends besides goes first.
 * When it has returned, with status 200, the connection is an event stream that
 * needs no handler, and survives restarts: output that the client has not taken
 * moves along.  -EINVAL as molt_publish(), -EALREADY after the head was sent. */
MOLT_API int molt_sse_subscribe(molt_req *r, const char *topic);

/* Server-Sent Events, straight-line form: open once, then send; -EPIPE when the
 * client left.  While draining, molt_sse_send() tells the client behind the event
 * when to come again (retry:) and returns -ECANCELED: return then.  [parks] */
MOLT_API int molt_sse_open(molt_req *r);
MOLT_API int molt_sse_send(molt_req *r, const char *event, const char *id, const char *data);

/* ---- WebSocket ------------------------------------------------------- */
/* RFC 6455 over HTTP/1.1 and HTTPS, with permessage-deflate (RFC 7692) when the client offers
 * it.  The library answers pings, sends its own (ws_ping), checks masks, fragments, UTF-8 and
 * sizes, and closes with 1002, 1007, 1009 and, when memoryBudget is used up, 1013.  A bad
 * handshake is answered with 400 or 426, a page of another host with 403 (see ws_origins). */

enum molt_ws_type { MOLT_WS_TEXT = 1, MOLT_WS_BINARY = 2 };
typedef struct molt_ws_msg {
	size_t size;
	enum molt_ws_type type;
	molt_str data; /* borrowed: until the callback returns, or the next molt_ws_recv() */
} molt_ws_msg;
#define MOLT_WS_MSG(...) MOLT_SIZED(molt_ws_msg, __VA_ARGS__)

/* on_close() with it: the socket lives on in the next generation.  A code of on_close()
 * alone: molt_ws_code() is 0 as long as a socket is open. */
enum { MOLT_WS_MOVED = 0 };

/* Movable form: callbacks, each run in a coroutine, one at a time per socket.  on_open (NULL: all
 * are let in) runs before the handshake is answered; <0 refuses, with the status that it set or
 * 403.  What it sends follows the handshake.  on_close is called once for each socket that on_open
 * or restore accepted, with the close code: the client's, 1005 when it gave none, 1006 when the
 * connection broke, ours when we closed; MOLT_WS_MOVED.  It is the last; sending fails in it.
 *
 * At a restart the socket moves to the next generation between two messages: save() writes what
 * the program needs to go on (at most 32 KiB, malloc'd), restore() reads it there, before
 * anything else happens to the socket.  Topics move by themselves, and so does output that the
 * client has not taken.  No message is lost, doubled or reordered.  A socket without save or
 * restore, whose save() or restore() fails, or whose endpoint the next generation lacks (server
 * and pattern must be the same), is closed with 1012 instead. */
typedef struct molt_ws_endpoint {
	size_t size;
	int (*on_open)(molt_ws *w, molt_req *r);
	void (*on_message)(molt_ws *w, const molt_ws_msg *m);
	void (*on_close)(molt_ws *w, int code);
	int (*save)(molt_ws *w, void **buf, size_t *len);
	int (*restore)(molt_ws *w, const void *buf, size_t len);
	const char *subprotocol; /* named to clients that offer it; NULL: none */
} molt_ws_endpoint;
#define MOLT_WS_ENDPOINT(...) MOLT_SIZED(molt_ws_endpoint, __VA_ARGS__)
/* Binds an endpoint, like molt_bind() with GET; middleware runs for its handshake.
 * The pattern has no other method. */
MOLT_API int molt_ws_bind(molt_group *g, const char *pattern, const molt_ws_endpoint *e,
			  void *arg);

/* The functions of a socket work in its callbacks, or in the handler of the straight-line form;
 * to reach others, publish.  After on_close, or after the handler has returned, it is gone. */
MOLT_API void molt_ws_set(molt_ws *w, void *value); /* for the program; not moved */
MOLT_API void *molt_ws_get(const molt_ws *w);
MOLT_API void *molt_ws_arg(const molt_ws *w); /* given to molt_ws_bind(), or NULL */
/* Events of the topic are sent to the client as messages.  -EINVAL, -ENOSPC (64). */
MOLT_API int molt_ws_subscribe(molt_ws *w, const char *topic);
/* Queues a message; waits while more than 64 KiB are not taken by the client.
 * -EINVAL: a text that is no UTF-8; -EMSGSIZE: over ws_max_queue; -EPIPE: closed or
 * closing; -ETIMEDOUT: the client takes nothing (write_timeout).  [parks] */
MOLT_API int molt_ws_send(molt_ws *w, enum molt_ws_type t, const void *buf, size_t n);
/* Starts the closing handshake; code 1000 or 3000 to 4999 is the program's choice,
 * reason (NULL: none) at most 123 bytes.  -EINVAL, -EPIPE when it is closing. */
MOLT_API int molt_ws_close(molt_ws *w, int code, const char *reason);
/* The close code, the same as on_close() gets; 0: open, or (in on_close() alone) moved. */
MOLT_API int molt_ws_code(const molt_ws *w);

/* Straight-line form: completes the handshake in a handler; NULL when r opens no
 * WebSocket (the refusal is set as the answer).  The socket is closed with 1000 when
 * the handler returns, with 1012 by a restart.  subprotocol as above.  [parks] */
MOLT_API molt_ws *molt_ws_accept(molt_req *r, const char *subprotocol);
/* 1: a message; 0: closed, see molt_ws_code(); -ETIMEDOUT; -EPERM in the movable
 * form.  m->size is set before: molt_ws_msg m = MOLT_WS_MSG();  [parks] */
MOLT_API int molt_ws_recv(molt_ws *w, molt_ws_msg *m, molt_time timeout);

/* ---- requests that wait without a stack ------------------------------ */
/* A request in parts: a handler ends its run, not the request, and a named step goes
 * on with it.  What waits between two parts is pure data: a restart moves it with its
 * connection, so the first half of an answer may be of the old program and the second
 * of the new one.  doc/steps.md has the whole picture.
 *
 *   travels      the request with its body (read before it waits), parameters, id; the
 *                answer so far, sent or not; the step's name; state; topic and events
 *   ends         molt_alloc() memory, molt_defer() calls and molt_req_set() values: with
 *                each part
 *   again        middleware of molt_group_use_steps(); other: around the first part only
 *
 * While it waits it is a running request; a client that leaves ends it, and no step
 * runs.  It stays in its generation, and is finished there, when its connection does
 * not move (no_handover, no_tls_handover, some TLS 1.2 suites), it has more than 48 KiB
 * in all, or the next program has not bound the step.  What still waits when the
 * drain or shutdown ends gets 503, or a cut answer when it has begun. */

enum { MOLT_STATE_MAX = 32 * 1024 };

/* Binds a step, before the start.  name: 1 to 64 printable characters without spaces;
 * it is what finds the step in the next program.  arg: for molt_req_arg().  -EINVAL,
 * -EEXIST, -EBUSY once started. */
MOLT_API int molt_step_bind(molt_server *s, const char *name, molt_handler *h, void *arg);
/* The same with options: blocking and stack_size count, the others are the route's. */
MOLT_API int molt_step_bind_opts(molt_server *s, const char *name, molt_handler *h, void *arg,
				 const molt_route_opts *o);

/* When this part has returned, the step called name goes on with the request after delay ms (0:
 * at once, but in a run of its own), in whichever generation has it by then.  state (len bytes,
 * copied) is for molt_req_state() there.  Output is kept; what molt_res_flush() sent stays sent.
 * Of several calls the last counts.  A step may call it again, any number of times.  -ENOENT:
 * the server has no such step; -EMSGSIZE: over MOLT_STATE_MAX; -EINVAL: a negative delay;
 * -EBUSY: the body of a stream_body route is not read to its end, or the answer is an event
 * stream; <0 as molt_req_body(); -EPIPE, -ETIMEDOUT, -EALREADY as writes.  The request ends with
 * this part then.  [parks] */
MOLT_API int molt_continue(molt_req *r, const char *name, molt_time delay, const void *state,
			   size_t len);
/* The same, for long polling: the step also runs when an event of topic is published, in any
 * generation; timeout may be MOLT_FOREVER.  The request hears the topic from this call on, not
 * only when it waits, so "subscribe, then look whether there is something already" misses
 * nothing.  Each event runs the step once; those that come while it runs wait for its next
 * molt_continue_on() of the same topic.  None is lost or doubled by a restart.  A shutdown, or a
 * restart that cannot move it, ends the wait early as if the time were over; molt_req_draining()
 * tells.  -EINVAL: a topic as in molt_publish(); -ENOBUFS: events were lost, over ws_max_queue
 * waited; call again to go on without them. */
MOLT_API int molt_continue_on(molt_req *r, const char *name, const char *topic, molt_time timeout,
			      const void *state, size_t len);

/* Inside a step, borrowed: the state it was given ("" and 0 when none). */
MOLT_API const void *molt_req_state(const molt_req *r, size_t *len);
/* The library makes it, and later members come at its end: it needs no size. */
typedef struct molt_news {
	const char *topic, *event, *id; /* as published; "" */
	molt_str data;
} molt_news;
/* Inside a step, borrowed: the event that woke it; NULL: the time is over. */
MOLT_API const molt_news *molt_req_news(const molt_req *r);

/* ---- waiting and blocking inside a handler --------------------------- */

/* 0; -ECANCELED: cut short by the end of the drain.  Outside a handler it
 * blocks the calling thread.  [parks] */
MOLT_API int molt_sleep(molt_time t);
/* Waits until fd can be read (or written).  0, -ETIMEDOUT, -ECANCELED, -EBADF.
 * Only in a handler (-EPERM).  timeout: MOLT_FOREVER for none.  [parks] */
MOLT_API int molt_wait_fd(int fd, bool for_write, molt_time timeout);
/* Runs fn(arg) on a pool thread and returns when it has; for library calls that block the thread
 * (DNS, disk, SQL clients, sleep(3)).  Outside a handler it calls fn directly.  -EAGAIN when no
 * thread can be had, -EBUSY when blocking_queue calls of the same route wait already.  [parks] */
MOLT_API int molt_block(void (*fn)(void *arg), void *arg);

/* ---- memory that lives as long as the request ------------------------ */
MOLT_API void *molt_alloc(molt_req *r, size_t n); /* zeroed; aligned for any type */
MOLT_API char *molt_strdup(molt_req *r, const char *s);
MOLT_API char *molt_fmt(molt_req *r, const char *fmt, ...) MOLT_PRINTF(2, 3);
/* Runs fn(arg) when the request has ended; last in, first run.  fn must not park. */
MOLT_API void molt_defer(molt_req *r, void (*fn)(void *), void *arg);

/* ---- configuration --------------------------------------------------- */

/* Reads YAML; section "server" configures servers by name, "logger" the log;
 * doc/configuration.md has the keys.  Call it before molt_server_get() or right after: what the
 * program sets later wins over the file, the environment (MOLT_SERVER_<KEY>) wins over both.
 * Reports every unknown key and wrong type with file:line through the log and returns -EINVAL;
 * -ENOENT when there is no file.  Read again by each new generation. */
MOLT_API int molt_config_load(const char *path);
/* A value of the file by its path, "app.title".  Owned by the library. */
MOLT_API const char *molt_config_str(const char *dotted_key, const char *fallback);
MOLT_API int64_t molt_config_int(const char *dotted_key, int64_t fallback);

/* ---- logging --------------------------------------------------------- */

enum molt_level { MOLT_DEBUG, MOLT_INFO, MOLT_WARN, MOLT_ERROR };
/* Never waits for who reads the log, or for a disk: a line that finds 4 MiB waiting is
 * dropped and counted (doc/restart.md, "Logs and standard error"). */
MOLT_API void molt_log(enum molt_level l, const char *fmt, ...) MOLT_PRINTF(2, 3); /* [any] */
/* Lines below l are not written.  [any] */
MOLT_API void molt_log_set_level(enum molt_level l);
/* fn gets one finished line without '\n'; NULL: stdout.  Called with no lock
 * held by the library, from any thread, loops too: it must not wait.  [any] */
MOLT_API void molt_log_set_sink(void (*fn)(void *arg, enum molt_level l, const char *line),
				void *arg);

/* ---- errors and versions --------------------------------------------- */

MOLT_API const char *molt_strerror(int err); /* static text for a negative errno [any] */
MOLT_API const char *molt_version(void);     /* of the library: "0.1.0" [any] */

#ifdef __cplusplus
}
#endif
#endif
