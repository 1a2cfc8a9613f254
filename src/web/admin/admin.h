/* The admin page and its API, inside web.
 *
 *   admin_guard.c  who may: a pure function of what the request says
 *   admin_view.c   the state as HTML
 *   admin_page.c   whole pages: layout, style and script from admin_page.html/.js
 *   admin_answer.c  how it answers
 *   admin_handlers.c  what it does
 *   admin.c        mounting it */
#ifndef MO_WEB_ADMIN_ADMIN_H
#define MO_WEB_ADMIN_ADMIN_H

#include <jansson.h>
#include <stdbool.h>

#include "base/buf.h"
#include "molt.h"

#define MO_ADMIN_PATH "/debug/admin" /* where the admin page is, when nobody says */

/* Mounts the page where the settings say, unless that was done.  By molt_server_start(),
 * when the settings are final. */
int mo_admin_mount(molt_server *s);

/* ---- guard --------------------------------------------------------------- */

enum mo_admin_kind { MO_ADMIN_READ, MO_ADMIN_ACT_BY_GET, MO_ADMIN_ACT_BY_POST };

/* Whose connection it is, by the kernel's word. */
enum mo_admin_peer {
	MO_ADMIN_PEER_FAR,     /* no loopback address, no unix socket */
	MO_ADMIN_PEER_OURS,    /* of this process's user, or of root */
	MO_ADMIN_PEER_OTHERS,  /* of another user on this machine */
	MO_ADMIN_PEER_UNKNOWN, /* on this machine, but the kernel does not tell whose */
};

/* All that a decision depends on; fields that are not there are NULL.  Of
 * X-Forwarded-For and the like only the presence counts: what they say is
 * anybody's to send. */
typedef struct mo_admin_ask {
	enum mo_admin_kind kind;
	bool own_check;    /* the group has middleware, which let the request pass */
	const char *token; /* configured; NULL: none */
	enum mo_admin_peer peer;
	bool forwarded; /* a proxy's field is there */
	bool http10;    /* as many proxies speak, and hardly anybody else */
	bool tls;
	const char *host; /* as received, with port */
	const char *authorization, *origin, *referer, *fetch_site, *purpose;
	bool cookie;  /* the client sent cookies */
	bool browser; /* a link, an image ...: no script has made this request */
} mo_admin_ask;

/* 0, or the status of the refusal (401, 403) with a static sentence. */
int mo_admin_guard(const mo_admin_ask *a, const char **why);

/* ---- handlers and answers ------------------------------------------------- */

molt_handler mo_admin_on_page, mo_admin_on_status, mo_admin_on_restart, mo_admin_on_rollback,
	mo_admin_on_shutdown, mo_admin_on_reopen, mo_admin_on_upgrade;

/* What came of an action. */
typedef struct mo_admin_result {
	int status;        /* of the answer */
	const char *error; /* "ENOENT" ...; NULL: done */
	const char *text;  /* the message or the reason */
	json_t *receipt;   /* borrowed; or NULL */
} mo_admin_result;

void mo_admin_send(molt_req *r, const mo_admin_result *x);
/* The same for a refusal: with one line in the log that names the client. */
void mo_admin_refuse(molt_req *r, const mo_admin_result *x);
/* Status and name follow from err (<0). */
void mo_admin_refuse_error(molt_req *r, int err, const char *why, json_t *receipt);
/* Does the client accept HTML, and not JSON? */
bool mo_admin_wants_html(const molt_req *r);
void mo_admin_send_json(molt_req *r, int status, const json_t *body);
void mo_admin_send_page(molt_req *r, int status, const char *nonce, mo_buf *page);
void mo_admin_fields(molt_req *r); /* the fields that every answer has */

/* ---- pages ---------------------------------------------------------------- */

#define MO_NONCE_TEXT 33 /* 32 hex digits and NUL */

void mo_admin_nonce(char out[MO_NONCE_TEXT]);
/* The value of Content-Security-Policy for a page with that nonce. */
void mo_admin_policy(mo_buf *out, const char *nonce);
/* base: the path where the admin page is mounted. */
void mo_admin_page(mo_buf *out, const char *base, const char *nonce, const json_t *status);
/* The page that a browser's GET of an action shows: what, in one word ("restart"),
 * with a button that does it by POST.  exe: the program that was asked for; or NULL. */
void mo_admin_ask_page(mo_buf *out, const char *base, const char *nonce, const char *what,
		       const char *exe);
/* The page after an action without JavaScript. */
void mo_admin_result_page(mo_buf *out, const char *base, const char *nonce, bool ok,
			  const char *text, const json_t *receipt);

/* The part of the page that is renewed, from mo_process_status(). */
void mo_admin_view(mo_buf *out, const json_t *status);
void mo_admin_view_receipt(mo_buf *out, const json_t *receipt, bool open);

#endif
