/* What the web layer keeps of a request, r->web.
 *
 * Made by dispatch.c on the loop, before the handler's coroutine; read and
 * changed by req.c, body.c and res.c, by one thread at a time (the loop, or the
 * pool thread of a .blocking route).  It lies in the request's arena. */
#ifndef MO_WEB_CORE_REQUEST_H
#define MO_WEB_CORE_REQUEST_H

#include "base/check.h"
#include "http/syntax/url.h"
#include "web/core/group.h"
#include "web/core/header.h"

typedef struct mo_value {
	struct mo_value *next;
	const char *key;
	void *value;
	void (*release)(void *);
} mo_value;

/* Fields of one name, joined. */
typedef struct mo_joined {
	struct mo_joined *next;
	molt_str name;
	molt_str value;
} mo_joined;

typedef struct mo_web {
	molt_req *req;
	molt_server *server;
	/* The chain: group's middleware, then last.  at: who is next; beyond the
	 * end when molt_next() has nothing more to run. */
	const molt_group *group;
	molt_handler *last;
	void *arg;             /* of what runs: molt_req_arg() */
	const mo_route *route; /* NULL: the answer is the library's own */
	unsigned at;
	enum mo_stage stage;      /* whose chain it is */
	struct mo_web_sse *sse;   /* of molt_sse_subscribe(): the connection becomes a stream */
	struct mo_web_step *step; /* of molt_continue(), or the one that runs; owned */
	bool error_page;          /* the body was made by molt_res_error() */
	/* First failure of writing, -EPIPE or -ETIMEDOUT, -EBADMSG for a text with a NUL, or
	 * -ENOBUFS past the budget of memory; every later write gives it. */
	int failed;
	bool nul_refused; /* mo_req_text() has made it fail once */

	/* Readers' results, made when first asked for. */
	molt_str path;          /* decoded, with MO_KEPT_SLASH, or as received when it cannot be */
	const char *shown_path; /* the same for people and programs */
	const char *host, *client_ip, *id;
	mo_joined *joined;
	mo_pair *query, *cookies, *form;
	mo_part *parts;
	bool has_query, has_cookies, has_form;
	bool has_body; /* body and body_error are final */
	int body_error;
	mo_buf body;         /* freed with the arena */
	size_t body_at;      /* molt_req_read() goes on here */
	bool body_given;     /* by molt_req_body(): it stays as it came */
	bool parts_inside;   /* parts lie in body, and a NUL behind each */
	size_t form_counted; /* texts of the form, in the budget of memory */
	mo_buf twin;         /* the body once more, for who asks for it and for its parts */
	mo_value *values;
	uint32_t decoded; /* bit i: match.params[i] is decoded and NUL-terminated */

	mo_match match; /* last: not zeroed */
} mo_web;

static inline mo_web *mo_web_of(const molt_req *r)
{
	MO_MAGIC_OK(r, MO_REQ_MAGIC);
	return r->web;
}

/* error_page.c: replaces the body and its type by a small page about r->status,
 * in HTML when the client prefers that.  why may be NULL. */
void mo_error_page(molt_req *r, const char *why);

/* body.c: the body that a former part of the request has read. */
void mo_req_put_body(molt_req *r, molt_str body);
/* molt_req_body() without giving it: reads it where that was not done yet. */
int mo_req_read_body(molt_req *r);
/* Makes the kept body what the client sent, and then again what the form's texts need. */
void mo_req_body_as_sent(mo_web *w, bool as_sent);
/* Its bytes are kept elsewhere: frees them. */
void mo_req_drop_body(mo_web *w);

/* Does the path hold a slash that was sent as "%2F"? */
static inline bool mo_req_has_kept_slash(const molt_req *r)
{
	molt_str path = mo_web_of(r)->path;

	return path.len && memchr(path.ptr, MO_KEPT_SLASH, path.len);
}

/* req.c: value as a C string, NULL when there is none.  With a NUL in it there is none
 * either, and the answer becomes a 400, whatever the handler says. */
const char *mo_req_text(const molt_req *r, molt_str value);

/* res.c: after something was made in place at the end of r->out, whose capacity was before.
 * 0, or -ENOBUFS: that was too much for the budget of memory, and is gone. */
int mo_res_grown(molt_req *r, size_t before);
/* res.c: gives a body without Content-Type the usual one. */
void mo_res_default_type(molt_req *r);

#endif
