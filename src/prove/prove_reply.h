/* An HTTP/1 answer as a strict client reads it, in pieces as they come.
 *
 *   state    input                               -> next
 *   HEAD     the whole head, final               -> LENGTH, CHUNKED, TO_END or DONE
 *   HEAD     the whole head, 1xx but not 101     -> HEAD
 *   LENGTH   so many bytes                       -> DONE
 *   CHUNKED  the last chunk and the trailers     -> DONE
 *   TO_END   the end of the connection           -> DONE (the caller's to say)
 *   any      what is no HTTP                     -> refused */
#ifndef MO_PROVE_REPLY_H
#define MO_PROVE_REPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"
#include "http/h1/chunk.h"

enum mo_reply_state {
	MO_REPLY_HEAD,
	MO_REPLY_LENGTH,
	MO_REPLY_CHUNKED,
	MO_REPLY_TO_END,
	MO_REPLY_DONE
};

typedef struct mo_reply {
	enum mo_reply_state state;
	mo_buf head; /* as it came, with the empty line; owned */
	int status;
	bool closing; /* the server has announced that it closes */
	bool no_body; /* set by the caller: the answer to HEAD */
	uint64_t left;
	mo_chunked chunked;
} mo_reply;

/* Empties it for the next answer; the memory is kept. */
void mo_reply_reset(mo_reply *r);
void mo_reply_free(mo_reply *r);
/* Something of the answer has come. */
bool mo_reply_begun(const mo_reply *r);

/* Takes from in[0..n), which it may change; *used: how much; *body: the bytes of
 * the body among them, inside of in.  1: the answer is complete; 0: call again with the rest, or
 * with more; -EBADMSG: that is no HTTP answer. */
int mo_reply_feed(mo_reply *r, char *in, size_t n, size_t *used, molt_str *body);

/* The value of a field of the head, or {NULL, 0}. */
molt_str mo_reply_field(const mo_reply *r, const char *name);

#endif
