/* What a program gives to its successor by name: bytes and descriptors.
 *
 * given   by this program; offered to each successor that is started, so that a
 *         restart that fails loses nothing
 * came    from the predecessor; until the program takes one it is kept, and goes on
 *         to the next successor unless the program has given that key itself
 *
 * The public functions molt_state_give(), _take() and _refuse() are here, too.
 *
 * Always: the bytes are in a sealed memory file, so nobody can change them while
 * two processes hold it, and sending them costs a descriptor, whatever their size. */
#ifndef MO_GEN_TRANSFER_STATE_H
#define MO_GEN_TRANSFER_STATE_H

#include "gen/wire/wire.h"

#define MO_STATE_KEYS 128 /* that one program gives */
#define MO_STATE_ALL 1024 /* with those of others that it passes on */
#define MO_STATE_KEY_MAX 64
#define MO_STATE_BYTES ((size_t)1 << 30)

/* Sends everything by send(arg, body, fds, n), until it fails.  *told: an object
 * for the receipt, {offered, bytes}; NULL when there is nothing. */
int mo_state_offer(int (*send)(void *arg, json_t *body, const int *fds, int n), void *arg,
		   json_t **told);
/* Takes the descriptors of a "state" message.  -EPROTO: they do not fit. */
int mo_state_arrive(mo_wire_msg *m);
/* What became of it by now: {taken, kept, refused}; a new reference. */
json_t *mo_state_report(void);

/* For tests: forgets everything. */
void mo_state_reset(void);

/* How the offer is read, if it has not been: 0, or -errno and a sentence.  Before main(). */
void mo_state_comes_by(int (*read_offer)(char **why));

#endif
