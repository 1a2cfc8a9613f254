/* SPDX-License-Identifier: MIT
 *
 * Writing the response.
 * Programs include molt.h, which includes this file. */
#ifndef MOLT_RESPONSE_H
#define MOLT_RESPONSE_H

#include "molt/types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- writing the response -------------------------------------------- */
/* Output is buffered and sent with Content-Length when the handler returns; after
 * molt_res_flush() it is chunked (RFC 9112 section 7.1).  When the client has gone, writes do
 * nothing and return -EPIPE; ignoring that is safe.  After the head was sent, functions that
 * would change it return -EALREADY.  A body without Content-Type is "text/plain; charset=utf-8". */

MOLT_API int molt_res_status(molt_req *r, int status); /* 200 to 599; default 200 */
MOLT_API int molt_res_get_status(const molt_req *r);
/* Sets a field, replacing one of that name; value NULL removes it.  -EINVAL for
 * a name that is no token or a value with CR, LF, NUL or other control bytes.
 * Content-Length, Transfer-Encoding, Connection and Date belong to the library: -EPERM. */
MOLT_API int molt_res_header(molt_req *r, const char *name, const char *value);
/* Adds another field of the same name (Link, Vary ...). */
MOLT_API int molt_res_header_add(molt_req *r, const char *name, const char *value);
/* Gathers body.  A failure stays: -EPIPE (the client has gone), -ETIMEDOUT (the route's
 * time is over), -EALREADY (the answer is complete), -ENOBUFS (memoryBudget is used up: the
 * client gets 503, or sees that the answer is cut).  So do the other functions that gather. */
MOLT_API int molt_res_write(molt_req *r, const void *buf, size_t n);
MOLT_API int molt_res_puts(molt_req *r, const char *line); /* adds '\n', as puts(3) */
MOLT_API int molt_res_printf(molt_req *r, const char *fmt, ...) MOLT_PRINTF(2, 3);
/* These three set status and type and append to the body. */
MOLT_API int molt_res_text(molt_req *r, int status, const char *text);
MOLT_API int molt_res_html(molt_req *r, int status, const char *html);
MOLT_API int molt_res_json(molt_req *r, int status, const char *json); /* already encoded */
/* Replaces the body by an error page with the status (400 to 599) and, when not
 * NULL, why. */
MOLT_API int molt_res_error(molt_req *r, int status, const char *why);
/* 300 to 399; without a body.  -EINVAL for a location that begins with two slashes or
 * backslashes, which would lead to another host: write the scheme; for one with control bytes,
 * tabs too, which browsers drop before they look; for an empty one.  Spaces around it are not
 * sent and change nothing.  The same holds for a Location that molt_res_header() is given. */
MOLT_API int molt_res_redirect(molt_req *r, int status, const char *location);
/* Answers with a file: type by its name, ranges, ETag, conditions.  The path is
 * the program's own choice and is not checked.  -ENOENT, -EACCES, -EISDIR leave
 * the response as it was.  [parks] */
MOLT_API int molt_res_file(molt_req *r, const char *path);
/* Says how long the body will be: it is sent with Content-Length also when it is
 * flushed in pieces.  A shorter one is cut, of a longer one the rest is not sent
 * (-EMSGSIZE).  -EALREADY after the head was sent. */
MOLT_API int molt_res_length(molt_req *r, size_t n);
/* Sends what is buffered now.  [parks] */
MOLT_API int molt_res_flush(molt_req *r);

typedef struct molt_cookie {
	size_t size;
	const char *name, *value, *path, *domain, *same_site; /* "Lax", "Strict", "None" */
	bool secure, http_only;
	molt_time max_age; /* 0: session; <0: delete it now */
} molt_cookie;
#define MOLT_COOKIE(...) MOLT_SIZED(molt_cookie, __VA_ARGS__)
/* RFC 6265 section 4.1.  -EINVAL for what browsers would drop or misread: bytes
 * that do not belong, over 4096 bytes, SameSite=None or __Secure- without secure,
 * __Host- without secure and path "/" or with a domain. */
MOLT_API int molt_res_cookie(molt_req *r, const molt_cookie *c);

/* Appends s to the output as a JSON string, quotes included; bytes that are no
 * UTF-8 become U+FFFD. */
MOLT_API int molt_res_json_str(molt_req *r, const char *s);

#ifdef __cplusplus
}
#endif
#endif
