/* How the admin answers: a page or JSON, after what the client accepts, never
 * kept by any cache.  An answer to an action is a mo_admin_result; refusals go
 * to the log too, with the client's address. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/json.h"
#include "base/log.h"
#include "base/str.h"
#include "web/admin/admin.h"
#include "web/core/server.h"

/* How an error of an action is told. */
static const struct {
	int err;
	int status;
	const char *name;
} errors[] = {
	{ -EINVAL, 400, "EINVAL" },         { -EILSEQ, 400, "EILSEQ" },
	{ -EPERM, 403, "EPERM" },           { -ENOENT, 404, "ENOENT" },
	{ -ENOTDIR, 404, "ENOTDIR" },       { -EBUSY, 409, "EBUSY" },
	{ -E2BIG, 413, "E2BIG" },           { -EMEDIUMTYPE, 415, "EMEDIUMTYPE" },
	{ -EACCES, 422, "EACCES" },         { -ENOEXEC, 422, "ENOEXEC" },
	{ -ENOMEM, 503, "ENOMEM" },         { -EMFILE, 503, "EMFILE" },
	{ -ENFILE, 503, "ENFILE" },         { -ESTALE, 422, "ESTALE" },
	{ -ENOTSUP, 501, "ENOTSUP" },       { -ECHILD, 502, "ECHILD" },
	{ -EPROTO, 502, "EPROTO" },         { -EREMOTEIO, 502, "EREMOTEIO" },
	{ -EADDRINUSE, 503, "EADDRINUSE" }, { -ETIMEDOUT, 504, "ETIMEDOUT" },
};

void mo_admin_fields(molt_req *r)
{
	molt_res_header(r, "Cache-Control", "no-store");
	molt_res_header(r, "X-Content-Type-Options", "nosniff");
	molt_res_header(r, "X-Frame-Options", "DENY");
	molt_res_header(r, "Referrer-Policy", "same-origin");
	molt_res_header(r, "Vary", "Accept");
}

bool mo_admin_wants_html(const molt_req *r)
{
	const char *accept = molt_req_header(r, "Accept");

	return accept && strcasestr(accept, "text/html") && !strcasestr(accept, "application/json");
}

void mo_admin_send_json(molt_req *r, int status, const json_t *body)
{
	/* In ASCII: curl prints it on a terminal. */
	char *text = json_dumps(body, JSON_COMPACT | JSON_ENSURE_ASCII | JSON_REAL_PRECISION(6));

	mo_admin_fields(r);
	molt_res_json(r, status, text ? text : "null");
	molt_res_write(r, "\n", 1); /* for terminals */
	free(text);
}

void mo_admin_send_page(molt_req *r, int status, const char *nonce, mo_buf *page)
{
	mo_buf policy = { 0 };

	mo_admin_policy(&policy, nonce);
	mo_admin_fields(r);
	molt_res_header(r, "Content-Security-Policy", mo_buf_cstr(&policy));
	molt_res_html(r, status, mo_buf_cstr(page));
	mo_buf_free(&policy);
}

static void send_result_page(molt_req *r, const mo_admin_result *x)
{
	char nonce[MO_NONCE_TEXT];
	mo_buf page = { 0 };

	mo_admin_nonce(nonce);
	mo_admin_result_page(&page, molt_req_server(r)->admin_path, nonce, !x->error, x->text,
			     x->receipt);
	mo_admin_send_page(r, x->status, nonce, &page);
	mo_buf_free(&page);
}

static void send_result_json(molt_req *r, const mo_admin_result *x)
{
	json_t *body = json_pack("{s:b}", "ok", !x->error);
	json_t *outcome = json_object_get(x->receipt, "outcome");

	if (x->error)
		json_object_set_new(body, "error", json_string(x->error));
	if (outcome)
		json_object_set(body, "outcome", outcome);
	json_object_set_new(body, x->error ? "reason" : "message", mo_json_text(x->text));
	if (x->receipt)
		json_object_set(body, "receipt", x->receipt);
	mo_admin_send_json(r, x->status, body);
	json_decref(body);
}

void mo_admin_send(molt_req *r, const mo_admin_result *x)
{
	if (mo_admin_wants_html(r))
		send_result_page(r, x);
	else
		send_result_json(r, x);
}

void mo_admin_refuse(molt_req *r, const mo_admin_result *x)
{
	const char *outcome = json_string_value(json_object_get(x->receipt, "outcome"));
	bool tried = outcome && strcmp(outcome, "refused") != 0;

	mo_warn_some("admin: %s %s %.200s from %s: %s", tried ? "failed:" : "refused",
		     molt_req_method(r), molt_req_path(r), molt_req_client_ip(r), x->text);
	mo_admin_send(r, x);
}

void mo_admin_refuse_error(molt_req *r, int err, const char *why, json_t *receipt)
{
	mo_admin_result x = { 500, "EIO", why, receipt };

	for (size_t i = 0; i < MO_COUNTOF(errors); i++)
		if (errors[i].err == err) {
			x.status = errors[i].status;
			x.error = errors[i].name;
		}
	mo_admin_refuse(r, &x);
}
