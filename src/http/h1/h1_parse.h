/* The HTTP/1 request head, parsed strictly and without state (RFC 9112, RFC
 * 9110).  The parser looks at bytes and never keeps any: an unfinished head is
 * just bytes, so it can be parsed again when more came, by any generation.
 *
 * Refused: folding, bare CR or LF, NUL and other control bytes, space before
 * the colon, an empty or non-token name, both Content-Length and
 * Transfer-Encoding, repeated, listed, signed or empty Content-Length, any
 * Transfer-Encoding but a single "chunked" (501 for other codings before a
 * final chunked; 400 when malformed, repeated, not final or with HTTP/1.0), a
 * missing (1.1) or doubled or bad Host, a bad target (fragment, control bytes,
 * bytes over 0x7e, space, a form that the method does not have), a method over
 * 32 bytes (501), a bad version (505 for HTTP/2.0 and so on, 400 for no HTTP
 * version at all), an Expect that is not a single 100-continue (417), a CONNECT
 * with a body.
 *
 * A refusal of some bytes is the refusal of all that begin with them, with the
 * same status. */
#ifndef MO_HTTP_H1_H1_PARSE_H
#define MO_HTTP_H1_H1_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "http/syntax/field.h"

typedef struct mo_head {
	molt_str method;
	molt_str target;      /* as received */
	molt_str path, query; /* raw parts of the target; query without '?';
				   "*" for OPTIONS *, authority for CONNECT */
	bool has_query;
	molt_str host;   /* value of Host, or of an absolute target or CONNECT's
				   (which win, RFC 9112 sections 3.2.2 and 3.3), with
				   port, as received; empty when there is none */
	int minor;       /* HTTP/1.minor: 0 or 1 */
	bool keep_alive; /* by version and Connection */
	bool chunked;
	bool has_length; /* Content-Length present */
	uint64_t length;
	bool expect_continue; /* and there is a body to wait for */
	bool upgrade;         /* Connection: upgrade and Upgrade present, HTTP/1.1, no
				   body: with one the upgrade is ignored, so that the
				   body is read as such */
	size_t nfields;
	size_t size; /* bytes of the head, final CRLF CRLF included */
} mo_head;

typedef struct mo_head_limits {
	size_t max_head;   /* 431 when the head is longer, also when unfinished */
	size_t max_target; /* 414 */
	size_t max_fields; /* 431; <= MO_MAX_FIELDS */
} mo_head_limits;

/* Parses data[0..n).  One leading CRLF is skipped (RFC 9112 section 2.2).
 *   > 0   complete, out->size: out and fields[0..out->nfields) point into data
 *         (what is empty, and the "/" of an empty path, into constants)
 *     0   unfinished and nothing wrong so far: call again with more
 *   < 0   -status: refuse with 400, 414, 417, 431, 501 or 505 and close
 * A wrong byte is refused as soon as its line is complete, at the latest.
 * Linear in n, and never looks beyond max_head bytes. */
int mo_h1_parse(const char *data, size_t n, const mo_head_limits *lim, mo_head *out,
		mo_field *fields);

#endif
