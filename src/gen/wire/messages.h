/* The messages between the processes of one service: the list of all of them, and the way
 * from one that came to its handler.  messages.c has the list: the text of each type, its
 * members with their kind, the descriptors that come with it, and who sends it to whom.
 * doc/sequence.md tells when.
 *
 * A role (the successor before its commit, the supervisor, an older generation ...) has a
 * table of the messages that it hears and their handlers.  What comes is looked at in this
 * order:
 *
 *   the role does not hear it             ignored: a newer version may send it
 *   a member is missing or of a wrong     refused: as if it had not come, and a warning; a
 *   kind, descriptors are missing         role can do more (the offer fails, for one)
 *   else                                  its handler is called; members and descriptors
 *                                         that the list does not name are ignored
 *
 * So neighbouring versions can add messages, members and descriptors.  A member that was
 * added later is never one that must be there.  A new message is an enumerator here, an entry
 * of the list, a row in the table of each role that hears it, and one in doc/sequence.md. */
#ifndef MO_GEN_WIRE_MESSAGES_H
#define MO_GEN_WIRE_MESSAGES_H

#include "gen/wire/wire.h"

/* clang-format off */
enum mo_msg {
	/* the restart */
	MO_MSG_TAKEOVER, MO_MSG_REFUSED, MO_MSG_OFFER, MO_MSG_TICKETS, MO_MSG_ELDERS, MO_MSG_TOTALS,
	MO_MSG_STATE, MO_MSG_PREVIOUS, MO_MSG_LISTENERS, MO_MSG_OFFERED, MO_MSG_LOG, MO_MSG_FAILED,
	MO_MSG_READY, MO_MSG_PROBE, MO_MSG_COMMIT, MO_MSG_SERVING, MO_MSG_CANCEL, MO_MSG_MAIN,
	MO_MSG_BEGUN, MO_MSG_SHUTDOWN,
	/* while both live */
	MO_MSG_CONNS, MO_MSG_TOOK, MO_MSG_COUNTS, MO_MSG_HEALTH, MO_MSG_EVENT, MO_MSG_SEEN,
	MO_MSG_STOPPING, MO_MSG_REPLACED, MO_MSG_RECEIPT,
	/* the way back */
	MO_MSG_ROLLBACK, MO_MSG_WITHDRAW, MO_MSG_BUSY, MO_MSG_WITHDRAWING, MO_MSG_WITHDRAWN,
	MO_MSG_BACK,
	/* between the serving generation and an older one */
	MO_MSG_END, MO_MSG_REOPEN, MO_MSG_REOPENED,
	/* to the supervisor, and its upgrade */
	MO_MSG_STARTING, MO_MSG_OPENING, MO_MSG_TAKEN, MO_MSG_ENDED, MO_MSG_CLAIM, MO_MSG_GRANTED,
	MO_MSG_UPGRADE, MO_MSG_TRY, MO_MSG_GOOD, MO_MSG_BAD, MO_MSG_UPGRADED,
	MO_MSGS
};
/* clang-format on */

enum mo_kind { MO_TEXT = 1, MO_NUMBER, MO_BOOL, MO_LIST, MO_OBJECT, MO_ANY };

/* MO_ANY: the handler reads it, and does something also when it cannot. */
typedef struct mo_member {
	const char *name; /* NULL: no more of them */
	enum mo_kind kind;
	bool needed; /* else it may be absent, or JSON's null */
} mo_member;

enum mo_msg_fds {
	MO_FDS_FREE, /* none, or as many as the handler finds */
	MO_FDS_ONE,
	MO_FDS_EACH /* one for each entry of the message's first member */
};

#define MO_MSG_MEMBERS 12
typedef struct mo_message {
	const char *type; /* on the wire */
	int since;        /* the handover protocol's version that has it */
	enum mo_msg_fds fds;
	mo_member members[MO_MSG_MEMBERS];
} mo_message;

const mo_message *mo_message_of(enum mo_msg what);
/* A message with members as for json_pack(), or NULL; a new reference, or NULL when one of
 * them cannot be told. */
json_t *mo_message_new(enum mo_msg what, const char *members, ...);

/* ---- one that has come ---- */

/* Is it of that type, whatever is in it? */
bool mo_message_is(const mo_wire_msg *m, enum mo_msg what);
/* Why it cannot be a message of that type, as a sentence (malloc'd); NULL: it can. */
char *mo_message_refuse(const mo_wire_msg *m, enum mo_msg what);
/* Is it the one that is waited for, and whole?  One that is refused is no answer. */
bool mo_message_answers(const mo_wire_msg *m, enum mo_msg what);

/* ---- what a role hears ---- */

typedef struct mo_hears {
	enum mo_msg what;
	int (*handle)(void *arg, mo_wire_msg *m);
} mo_hears;

typedef struct mo_role {
	const mo_hears *hears;
	size_t n;
	/* A message that it hears is refused, for that reason; its result is that of
	 * mo_message_hand().  NULL: a warning. */
	int (*refused)(void *arg, mo_wire_msg *m, const char *why);
} mo_role;

/* clang-format off */
#define MO_ROLE(table, how) \
	{ .hears = (table), .n = sizeof(table) / sizeof(*(table)), .refused = (how) }
/* clang-format on */

/* To its handler: what that returns; 0: the role does not hear it, or it was refused. */
int mo_message_hand(const mo_role *r, void *arg, mo_wire_msg *m);
/* Warns of a message that is refused; a neighbour that sends nothing else fills no log. */
void mo_message_warn(const char *why);

#endif
