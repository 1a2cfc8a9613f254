/* What the restart code asks of the program around it.  gen knows nothing of
 * servers, protocols or requests: the web layer gives it these functions.
 * All are called in coroutines of the control loop and may park. */
#ifndef MO_GEN_GEN_H
#define MO_GEN_GEN_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/versions.h"
#include "molt.h"
#include "net/listener.h"
#include "net/moving.h"

/* A listener as it is offered to a successor. Borrowed from the host. */
typedef struct mo_gen_listener {
	const char *server; /* name */
	mo_listener *listener;
} mo_gen_listener;

typedef struct mo_gen_load {
	size_t connections; /* open */
	size_t requests;    /* in progress */
} mo_gen_load;

enum mo_gen_closing { MO_GEN_CLOSE_NONE, MO_GEN_CLOSE_UNMOVABLE, MO_GEN_CLOSE_ALL };

#define MO_GEN_BATCH 64

/* A self-test request for a successor: "GET /health 200".  Borrowed. */
typedef struct mo_gen_probe {
	const char *server; /* name */
	molt_str text;
} mo_gen_probe;

/* How a connection's state is written, and in which versions: name is the protocol's. */
#define MO_GEN_FORMS 16
typedef struct mo_gen_form {
	const char *name; /* a literal */
	mo_versions versions;
} mo_gen_form;

struct mo_event;
struct mo_preflight;

/* A connection that can move: pure data. */
typedef struct mo_gen_conn {
	const char *server; /* name; borrowed */
	mo_moving moving;   /* the descriptor: of the giver borrowed, of the taker owned */
	bool taken;         /* by the successor */
	bool again;         /* not taken, for want of descriptors there: may be given again */
	/* Of the taker. */
	void *ready;              /* what prepare() made of state; owned by the host */
	struct mo_event **missed; /* to be given to it; borrowed, see event_bus.h */
	size_t nmissed;
	bool deaf; /* some of what it missed is no longer known */
} mo_gen_conn;

/* Connections of one loop that are out of service until gave() is called. */
typedef struct mo_gen_batch {
	struct mo_gen_batch *next;
	void *owner; /* of the host */
	size_t n;
	mo_gen_conn conns[MO_GEN_BATCH];
} mo_gen_batch;

typedef struct mo_rate {
	uint64_t answers, errors;
} mo_rate;

/* How many errors of a successor are too many; see error_budget.h. */
typedef struct mo_error_budget {
	int64_t share; /* per cent points; 0: there is no budget */
	int64_t min;   /* answers */
} mo_error_budget;

typedef struct mo_gen_host {
	/* NULL when a restart is allowed, else why not. */
	const char *(*restartable)(void);
	/* Takes back what the configuration does not want to be looked at. */
	void (*preflight)(struct mo_preflight *checks);
	/* Fills out[0..max); returns how many there are. */
	size_t (*listeners)(mo_gen_listener *out, size_t max);
	/* What a successor is to be asked; fills out[0..max), returns how many. */
	size_t (*probes)(mo_gen_probe *out, size_t max);
	molt_time (*probe_timeout)(void);
	/* In the successor, before it accepts: serves fd (owned) as a connection of
	 * that server. */
	void (*serve_probe)(const char *server, int fd);
	/* Starts or stops accepting on every loop; returns when every loop has. */
	void (*accept)(bool on);
	/* Whose answers say "Connection: close" from now on. */
	void (*announce_close)(enum mo_gen_closing which);
	/* A successor serves: the listeners stay open, as a way back. */
	void (*leave)(void);
	/* This generation serves again: accept(true) may follow, and then
	 * announce_close(MO_GEN_CLOSE_NONE).  Never waits. */
	void (*come_back)(void);
	/* Opens again what drop() closed, where that is possible; how many listeners
	 * are missing then. */
	size_t (*undrop)(void);
	/* Closes the listeners that this process has bound itself, which no other
	 * generation has. */
	void (*close_own)(void);
	/* The successor does not want this listener: nobody will accept from it. */
	void (*drop)(const char *server, const char *text);
	/* Takes movable connections out of service: a list of batches, NULL: none
	 * at this moment.  Parks until every loop has been asked, but not long for one
	 * that is blocked (it is asked again next time), nor when go_on(arg) says that
	 * nobody waits for them any more.  go_on: may be NULL. */
	mo_gen_batch *(*give)(bool (*go_on)(void *arg), void *arg);
	/* The answer for one batch: taken ones are freed, the rest is served on. */
	void (*gave)(mo_gen_batch *b);
	/* The forms of state that this program writes and reads; how many, <= room. */
	size_t (*forms)(mo_gen_form *out, size_t room);
	/* In the successor: would take() serve a connection of that server?  tls: it
	 * speaks TLS. */
	bool (*takes)(const char *server, bool tls);
	/* Makes c->ready of each state; false in keep[] refuses one.  Touches no
	 * descriptor: the giver may still serve it. */
	void (*prepare)(mo_gen_conn *c, size_t n, bool *keep);
	/* Owns c->fd and c->ready.  After the answer: it may only be served or ended. */
	void (*take)(const mo_gen_conn *c);
	void (*discard)(const mo_gen_conn *c); /* instead; owns c->ready */
	/* Gives an event to the subscribers of this process. */
	void (*event)(struct mo_event *e);
	void (*close_listeners)(bool remove_paths);
	mo_gen_load (*load)(void);
	void (*close_idle)(void);
	/* Ends what still runs: calls of handlers fail, connections are cut.
	 * Returns how many requests. */
	unsigned (*cut)(void);
	/* Ends the loops; false when a handler does not return within the grace. */
	bool (*stop)(molt_time grace);
	/* What this process has counted: {server: series} (series.h); a new reference. */
	json_t *(*counted)(void);
	int64_t (*max_generations)(void); /* alive at once */
	mo_rate (*answered)(void);        /* by this process, in its life */
	mo_error_budget (*budget)(void);  /* of a successor, in the bake */
	molt_time (*bake_time)(void);
	molt_time (*bake_silence)(void); /* MOLT_FOREVER: none is too long */
	molt_time (*drain_timeout)(void);
	molt_time (*shutdown_timeout)(void);
	molt_time (*ready_timeout)(void);
	/* Opens the log files anew: 0 or -errno.  Not in a coroutine but on a thread that may
	 * wait for a disk; the process may end meanwhile. */
	int (*reopen)(void);
	/* One log line per listener: "http server started listening on [:80]". */
	void (*log_listening)(const char *verb);
} mo_gen_host;

#endif
