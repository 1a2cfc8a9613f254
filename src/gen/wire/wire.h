/* Messages between two generations, over a SOCK_SEQPACKET pair: one packet is
 * one JSON object with a "type", and up to MO_WIRE_FDS descriptors.
 *
 * Bytes that are no text may follow the object, behind a NUL.
 *
 * Always: a packet is whole or refused (MSG_TRUNC is fatal, and one whose descriptors did
 * not all find room says so: cut); received descriptors are close-on-exec; who receives descriptors owns them;
 * who sends keeps its own.  Unknown members are ignored, so that versions can
 * add some; an unknown "type" is the caller's to ignore.  What the other side sent
 * before its end comes before the end, also when it left words of ours unread.
 *
 * What the messages are, and who hears them: messages.h. */
#ifndef MO_GEN_WIRE_WIRE_H
#define MO_GEN_WIRE_WIRE_H

#include <jansson.h>
#include <sys/types.h>

#include "base/versions.h"
#include "molt.h"

/* The versions of the handover protocol that this program speaks; see forms.h. */
#define MO_WIRE_PROTOCOL_LOWEST 1
#define MO_WIRE_PROTOCOL 1
#define MO_WIRE_VERSION_MAX 1000000 /* of anything that a neighbour names */
#define MO_WIRE_FDS 64
#define MO_WIRE_MAX (96u * 1024)

typedef struct mo_wire_msg {
	json_t *body;     /* owned */
	const char *type; /* in body; never NULL */
	char *packet;     /* owned; MO_WIRE_MAX bytes for secrets, size of them used */
	molt_str blob;    /* the bytes behind the object, in packet */
	size_t size;      /* of the packet */
	int fds[MO_WIRE_FDS];
	int nfds;
	bool cut;  /* descriptors were lost: none is here, and who waits needs an answer */
	pid_t pid; /* of the sender, as the kernel tells; 0: not known */
} mo_wire_msg;

/* How much one look at a channel takes, and what has come in all.  A neighbour that
 * sends without end gets its turn and holds up nobody: deadlines, signals and the other
 * neighbours have theirs in between. */
#define MO_WIRE_TURN 256u
#define MO_WIRE_TURN_BYTES (1u << 20)
/* More turns than the messages that can wait in a channel whose sender is dead. */
#define MO_WIRE_LAST_TURNS 16
typedef struct mo_wire_turn {
	unsigned messages; /* of this turn */
	size_t bytes;
	uint64_t all_messages, all_bytes;
} mo_wire_turn;

/* Room for large packets, and the sender's pid with each: for one that was made
 * elsewhere. */
void mo_wire_prepare(int fd);
/* The descriptor of the process at the other end (who made it, for a pair), which is
 * readable when it has ended; -1: the kernel gives none. */
int mo_wire_peer_pidfd(int fd);
/* Until something is there to be read on fd, or what it stands for has ended: 1; 0: limit
 * ms have passed.  An interrupted call is no end of the wait: signals come at any time, and
 * an io_uring of libuv's has the kernel interrupt calls without one. */
int mo_wire_await(int fd, molt_time limit);
/* A pair for a restart; ours is non-blocking and learns the sender's pid. */
int mo_wire_pair(int *ours, int *theirs);

/* Sends body (the reference is stolen) with n descriptors.  0, -EAGAIN,
 * -EPIPE, -EMSGSIZE, -EIO (it went in part) ...  Never blocks when the socket does not. */
int mo_wire_send(int fd, json_t *body, const int *fds, int n);
/* The same with bytes behind the object, in pieces. */
int mo_wire_send_blob(int fd, json_t *body, const int *fds, int n, const molt_str *pieces,
		      size_t npieces);
/* 1: a message in *out, to be freed with mo_wire_free(); 0: end of stream;
 * -EAGAIN; -EBADMSG (too long, no object, no type, nested too deeply); other -errno. */
int mo_wire_recv(int fd, mo_wire_msg *out);
/* The same for who reads one message after the other; -EBUSY: the turn is over, there
 * may be more. */
int mo_wire_next(int fd, mo_wire_turn *t, mo_wire_msg *out);
void mo_wire_turn_begin(mo_wire_turn *t);
void mo_wire_free(mo_wire_msg *m); /* closes descriptors still in m->fds */

const char *mo_json_str(const json_t *o, const char *key); /* "" when not there */
long long mo_json_int(const json_t *o, const char *key);   /* 0 when not there */
/* A time, a count, a length that a neighbour tells: what is negative is 0, and what no
 * neighbour means (over MO_WIRE_NUMBER) is that, so that sums cannot overflow. */
long long mo_json_count(const json_t *o, const char *key);
/* A version that a neighbour tells; what is none is 0. */
int mo_json_version(const json_t *v);
/* A range of versions: its highest is the lowest where only that is told. */
mo_versions mo_json_versions(const json_t *o, const char *lowest, const char *highest);
char *mo_versions_text(mo_versions v); /* "1", "1 to 3"; owned */
#define MO_WIRE_NUMBER (1LL << 50)

#endif
