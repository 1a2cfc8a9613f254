/* The load of molt prove: strict clients that never repeat a request, on a
 * thread and an event loop of their own.
 *
 * What counts.  A failure is a request whose first byte may have been sent and
 * that was not answered completely and well.  A connection that the server ends
 * between two requests loses nothing: it is counted as reopened.  What breaks
 * because its process was killed on purpose is counted apart, as inside.
 *
 * Life: mo_load_start() -> mo_load_mark ... -> mo_load_stop() -> read the
 * counts -> mo_load_free(). */
#ifndef MO_PROVE_LOAD_H
#define MO_PROVE_LOAD_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>

#include "net/addr.h"

enum mo_fault {
	MO_FAULT_CONNECT,           /* no connection could be made */
	MO_FAULT_HANDSHAKE,         /* of TLS, or of a WebSocket */
	MO_FAULT_FRESH_RESET,       /* reset before the first answer of a connection */
	MO_FAULT_REUSED_RESET,      /* the same on one that was used before */
	MO_FAULT_EOF_BEFORE_ANSWER, /* closed while a request waited for its answer */
	MO_FAULT_PARTIAL,           /* an answer began and broke off */
	MO_FAULT_BAD_STATUS,
	MO_FAULT_MIXED_UP, /* an echo of something else */
	MO_FAULT_BROKEN,   /* no HTTP, or an answer that nobody asked for */
	MO_FAULT_TIMEOUT,
	MO_FAULTS
};

const char *mo_fault_name(enum mo_fault f); /* "connect" ... */

enum mo_work { MO_WORK_GET, MO_WORK_UPLOAD, MO_WORK_WS };
enum mo_pace {
	MO_PACE_BUSY,    /* the next request follows at once, on the same connection */
	MO_PACE_PAUSING, /* after 0 to 20 ms */
	MO_PACE_NEW      /* each request on a connection of its own */
};

/* Clients of one kind; a row of the table.  Strings are the caller's. */
typedef struct mo_crowd {
	const char *name;
	enum mo_work work;
	enum mo_pace pace;
	unsigned clients;
	mo_addr addr;
	SSL_CTX *tls;            /* NULL: plain */
	const char *host;        /* for Host: */
	const char *name_of_tls; /* for SNI, when it is no address, and the certificate */
	const char *path;
	const char *headers; /* more lines for the head; "": none */
	bool verify; /* the name in the certificate too */
	bool echo;   /* the server sends back what it gets: compared */
	int status;  /* the good one */
} mo_crowd;

typedef struct mo_load_count {
	uint64_t requests, ok, failed[MO_FAULTS];
	uint64_t inside;   /* requests lost in a killed process */
	uint64_t cut;      /* connections without a request lost in one */
	uint64_t reopened; /* connections that the server ended otherwise */
	uint64_t stalls;   /* answers that took more than 200 ms */
	int64_t longest;   /* us; of a request that was answered */
} mo_load_count;

typedef struct mo_load mo_load;

/* crowds are copied.  Dies when the system gives no loop or thread. */
mo_load *mo_load_start(const mo_crowd *crowds, unsigned n);
/* A process is about to be killed, now; and it is gone, now. [any] */
void mo_load_kill_begins(mo_load *l);
void mo_load_kill_ended(mo_load *l);
/* From the kill to the first answer on a connection that was made after it, in
 * us; -1: none yet. [any] */
int64_t mo_load_back_after(mo_load *l);
/* Every client has got an answer, or has failed. [any] */
bool mo_load_warm(mo_load *l);
/* So many requests have been answered, and have failed, inside not counted. [any] */
void mo_load_glance(mo_load *l, uint64_t *ok, uint64_t *failed);
/* Lets what is under way end, at most 10 s, and joins the thread. */
void mo_load_stop(mo_load *l);
/* Ends it at once, whatever is under way, and frees it. */
void mo_load_abandon(mo_load *l);
/* Of a stopped load. */
const mo_load_count *mo_load_counted(const mo_load *l, unsigned crowd);
/* A sentence about one of the first failures, or NULL. */
const char *mo_load_example(const mo_load *l, unsigned i);
void mo_load_free(mo_load *l);

uint64_t mo_load_failed(const mo_load_count *c); /* all kinds */
void mo_load_add(mo_load_count *sum, const mo_load_count *c);

#endif
