/* Chunked transfer coding (RFC 9112 section 7.1), decoded strictly.
 *
 *   state     input                       -> next
 *   SIZE      1 to 16 hex digits, ext, CRLF -> DATA, or TRAILER when 0
 *   DATA      that many bytes              -> DATA_END
 *   DATA_END  CRLF                         -> SIZE
 *   TRAILER   field line CRLF (dropped)    -> TRAILER
 *   TRAILER   CRLF                         -> DONE
 *   any       anything else                -> FAILED (400 and close)
 *
 * Bare LF, signs, 0x, spaces in front of the size or the CRLF are refused.  Extensions
 * must be what section 7.1.1 says, with its white space, and are skipped; trailers must
 * be field lines.  All of a body's
 * extension and trailer bytes count into one limit of 16 KiB. */
#ifndef MO_HTTP_H1_CHUNK_H
#define MO_HTTP_H1_CHUNK_H

#include <stddef.h>
#include <stdint.h>

typedef struct mo_chunked {
	uint8_t state, sub;
	uint32_t overhead; /* bytes of extensions and trailers so far */
	uint64_t left;     /* of the present chunk */
} mo_chunked;

void mo_chunked_init(mo_chunked *c);

/* Decodes from in[0..n) until more data has no room in out[0..cap), the input is
 * used up, or the body ends.  Framing needs no room: a body that just fills out
 * ends at once when its end is there.  *used: input consumed; *made: bytes
 * written.  in and out may be the same memory.  1: the body is complete (*used
 * ends behind it); 0: go on; -EBADMSG: refused; -E2BIG: a chunk size that
 * overflows or too much overhead.  A refused body stays refused. */
int mo_chunked_decode(mo_chunked *c, const char *in, size_t n, size_t *used, char *out, size_t cap,
		      size_t *made);

#endif
