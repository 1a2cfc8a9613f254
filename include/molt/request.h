/* SPDX-License-Identifier: MIT
 *
 * Reading the request.
 * Programs include molt.h, which includes this file. */
#ifndef MOLT_REQUEST_H
#define MOLT_REQUEST_H

#include "molt/types.h"

#ifdef __cplusplus
extern "C" {
#endif

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

#ifdef __cplusplus
}
#endif
#endif
