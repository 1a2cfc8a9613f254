/* A multipart form that comes in pieces: bytes in, events out.
 *
 *   state     event                                   -> next      calls
 *   PREAMBLE  delimiter line                          -> HEAD
 *   PREAMBLE  closing line, nothing before it         -> EPILOGUE
 *   HEAD      its empty line                          -> DATA      begin
 *   DATA      bytes that are in no delimiter          -> DATA      data
 *   DATA      delimiter line                          -> HEAD      data, end
 *   DATA      closing line                            -> EPILOGUE  data, end
 *   EPILOGUE  anything                                -> EPILOGUE
 *   any       a broken rule, a limit, a call's result -> the error, for ever
 *
 * Each limit counts as the bytes come, wherever they are cut: MO_MAX_PARTS parts, 8 KiB of a
 * head, 16 parameters of a field, 70 bytes of boundary, MO_MULTIPART_PADDING blanks behind it.
 * Of the body nothing is kept but the head of a part that is not complete, and bytes that may
 * begin a delimiter.  Linear in what is pushed, whatever it is. */
#ifndef MO_HTTP_SYNTAX_MULTIPART_H
#define MO_HTTP_SYNTAX_MULTIPART_H

#include "http/syntax/url.h"

#define MO_MULTIPART_BOUNDARY 70u
#define MO_MULTIPART_PADDING 256u

/* A result other than 0 ends it, and is what mo_multipart_push() gives from then on. */
typedef struct mo_multipart_user {
	/* A part with its head; data is not set.  It lies in the arena. */
	int (*begin)(void *arg, mo_part *part);
	/* Some of its data, borrowed; in pieces of any size, and of none at its end. */
	int (*data)(void *arg, molt_str bytes);
	int (*end)(void *arg);
} mo_multipart_user;

enum mo_multipart_state {
	MO_MULTIPART_PREAMBLE,
	MO_MULTIPART_HEAD,
	MO_MULTIPART_DATA,
	MO_MULTIPART_EPILOGUE
};

typedef struct mo_multipart {
	const mo_multipart_user *user;
	void *arg;
	mo_arena *arena;
	int error;
	enum mo_multipart_state state;
	bool preamble; /* there are bytes before the first delimiter */
	unsigned parts;
	size_t max_padding;
	/* The delimiter, and how much of one the last bytes are: see match(). */
	char delimiter[4 + MO_MULTIPART_BOUNDARY]; /* CR LF "--" boundary */
	size_t ndelimiter, matched, padding;
	bool matches, dash, cr;
	/* What may be a delimiter of bytes that are gone. */
	char held[4 + MO_MULTIPART_BOUNDARY + MO_MULTIPART_PADDING + 2];
	size_t nheld;
	mo_buf head; /* that of the part, not complete */
} mo_multipart;

/* What is made lies in a: MO_PART_MEMORY bytes for each part at most, and twice the length of
 * its head.  -EINVAL: content_type is not that of a form, or has no good boundary; nothing is
 * to be freed then. */
int mo_multipart_init(mo_multipart *m, mo_arena *a, molt_str content_type,
		      const mo_multipart_user *user, void *arg);
/* 0; 1: the form has ended, and what comes is ignored; -EINVAL: broken; -E2BIG: a part more
 * than MO_MAX_PARTS begins. */
int mo_multipart_push(mo_multipart *m, const char *bytes, size_t n);
/* Nothing more comes.  0; -EINVAL: the form has not ended, or as mo_multipart_push(). */
int mo_multipart_finish(mo_multipart *m);
void mo_multipart_free(mo_multipart *m);

#endif
