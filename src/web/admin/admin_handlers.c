/* The handlers of the admin.
 *
 *   GET  path            the page
 *   GET  path/status     the state as JSON; ?view=html: that part of the page
 *   POST path/restart    newExeFilePath in the query, a form or JSON; /reload is the same
 *   POST path/rollback   to the generation before this one
 *   POST path/shutdown
 *   POST path/reopen     the log files, after a rotation
 *   POST path/upgrade    the supervisor goes on in a new image; at the control socket
 *
 * The actions also work by GET when the guard says that the request is meant; a
 * browser's GET is answered with a page that asks first, and has a button.
 * An action answers after the fact, with what happened.  Nothing that a client
 * sends but method, path, version, Host, Origin, Sec-Fetch-*, Referer, Purpose,
 * Authorization, Accept, the presence of a proxy's field and the program's path has
 * any influence here. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/json.h"
#include "base/log.h"
#include "base/str.h"
#include "gen/engine/restart_request.h"
#include "gen/join/supervisor_client.h"
#include "gen/new/previous.h"
#include "gen/self.h"
#include "web/admin/admin.h"
#include "web/admin/exe_check.h"
#include "web/core/group.h"
#include "web/run/log_reopen.h"
#include "web/run/process.h"

/* ---- the guard ------------------------------------------------------------------ */

static enum mo_admin_kind kind_of(const molt_req *r, bool action)
{
	if (!action)
		return MO_ADMIN_READ;
	return strcmp(molt_req_method(r), "POST") ? MO_ADMIN_ACT_BY_GET : MO_ADMIN_ACT_BY_POST;
}

static enum mo_admin_peer peer_of(const molt_req *r)
{
	int ours;

	if (!r->peer || !mo_addr_is_loopback(r->peer))
		return MO_ADMIN_PEER_FAR;
	ours = r->ops->peer_is_ours(r);
	if (ours < 0)
		return MO_ADMIN_PEER_UNKNOWN;
	return ours ? MO_ADMIN_PEER_OURS : MO_ADMIN_PEER_OTHERS;
}

/* What proxies add to tell whom they ask for. */
static bool is_forwarded(const molt_req *r)
{
	static const molt_str names[] = {
		MO_STR("forwarded"),           MO_STR("via"),
		MO_STR("x-real-ip"),           MO_STR("x-client-ip"),
		MO_STR("x-cluster-client-ip"), MO_STR("x-original-forwarded-for"),
		MO_STR("true-client-ip"),      MO_STR("cf-connecting-ip"),
		MO_STR("fastly-client-ip"),    MO_STR("x-envoy-external-address"),
	};
	const molt_str family = MO_STR("x-forwarded-");

	for (size_t i = 0; i < r->nfields; i++) {
		molt_str name = r->fields[i].name;

		if (name.len > family.len && mo_str_eq_ci(mo_strn(name.ptr, family.len), family))
			return true;
		for (size_t k = 0; k < MO_COUNTOF(names); k++)
			if (mo_str_eq_ci(name, names[k]))
				return true;
	}
	return false;
}

/* A link, an address that was typed, an image, a script: not a script's own fetch()
 * on a page of this server, which could send a POST as well. */
static bool is_browser(const molt_req *r)
{
	const char *accept = molt_req_header(r, "Accept");
	const char *site = molt_req_header(r, "Sec-Fetch-Site");
	const char *dest = molt_req_header(r, "Sec-Fetch-Dest");

	if (mo_admin_wants_html(r) || (accept && strcasestr(accept, "image/")))
		return true;
	if (site && strcmp(site, "same-origin") != 0)
		return true;
	return dest ? strcmp(dest, "empty") != 0 : !site && molt_req_header(r, "Sec-Fetch-Mode");
}

/* Lets the request in, or answers it. */
static bool let_in(molt_req *r, bool action)
{
	const molt_server *s = molt_req_server(r);
	const char *purpose = molt_req_header(r, "Sec-Purpose");
	mo_admin_ask ask = {
		.kind = kind_of(r, action),
		.own_check = s->admin_group->middleware[MO_STAGE_HANDLER] != NULL,
		.token = s->set.admin_token,
		.peer = peer_of(r),
		.forwarded = is_forwarded(r),
		.http10 = r->version == MO_HTTP_1_0,
		.tls = r->tls,
		.host = r->host.ptr,
		.authorization = molt_req_header(r, "Authorization"),
		.origin = molt_req_header(r, "Origin"),
		.referer = molt_req_header(r, "Referer"),
		.fetch_site = molt_req_header(r, "Sec-Fetch-Site"),
		.purpose = purpose ? purpose : molt_req_header(r, "Purpose"),
		.cookie = molt_req_header(r, "Cookie") != NULL,
		.browser = is_browser(r),
	};
	mo_admin_result x = { .error = "EPERM" };

	x.status = mo_admin_guard(&ask, &x.text);
	if (!x.status)
		return true;
	if (x.status == 401)
		molt_res_header(r, "WWW-Authenticate", "Bearer realm=\"molt admin\"");
	mo_admin_refuse(r, &x);
	return false;
}

/* A link, a bookmark or a form of elsewhere may have led the browser here. */
static void ask_first(molt_req *r, const char *what)
{
	char nonce[MO_NONCE_TEXT];
	mo_buf out = { 0 };

	mo_admin_nonce(nonce);
	mo_admin_ask_page(&out, molt_req_server(r)->admin_path, nonce, what,
			  molt_req_query(r, "newExeFilePath"));
	mo_admin_send_page(r, 200, nonce, &out);
	mo_buf_free(&out);
}

/* The same for an action; HEAD must not do anything. */
static bool let_act(molt_req *r, const char *what)
{
	mo_admin_result x = { 405, "EPERM", "an action is a POST, or a GET that is meant", NULL };

	if (!strcmp(molt_req_method(r), "POST"))
		return let_in(r, true);
	if (!strcmp(molt_req_method(r), "GET") && mo_admin_wants_html(r)) {
		if (let_in(r, false))
			ask_first(r, what);
		return false;
	}
	if (!strcmp(molt_req_method(r), "GET"))
		return let_in(r, true);
	molt_res_header(r, "Allow", "GET, POST");
	mo_admin_refuse(r, &x);
	return false;
}

/* ---- page and state ------------------------------------------------------------ */

void mo_admin_on_page(molt_req *r)
{
	json_t *status;
	char nonce[MO_NONCE_TEXT];
	mo_buf out = { 0 };

	if (!let_in(r, false))
		return;
	status = mo_process_status();
	mo_admin_nonce(nonce);
	mo_admin_page(&out, molt_req_server(r)->admin_path, nonce, status);
	mo_admin_send_page(r, 200, nonce, &out);
	mo_buf_free(&out);
	json_decref(status);
}

static void status_html(molt_req *r, const json_t *status)
{
	mo_buf out = { 0 };

	mo_admin_view(&out, status);
	mo_admin_fields(r);
	molt_res_header(r, "Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'");
	molt_res_html(r, 200, mo_buf_cstr(&out));
	mo_buf_free(&out);
}

void mo_admin_on_status(molt_req *r)
{
	const char *view = molt_req_query(r, "view");
	json_t *now;

	if (!let_in(r, false))
		return;
	now = mo_process_status();
	if (view && !strcmp(view, "html"))
		status_html(r, now);
	else
		mo_admin_send_json(r, 200, now);
	json_decref(now);
}

/* ---- restart ---------------------------------------------------------------------- */

static bool has_type(const molt_req *r, const char *type)
{
	molt_str t = mo_str(molt_req_header(r, "Content-Type"));

	return mo_str_eq_ci(mo_str_trim(mo_str_split(&t, ';')), mo_str(type));
}

static int path_of_json(molt_req *r, molt_str body, const char **path)
{
	json_t *o = mo_json_load(body.ptr, body.len, MO_JSON_DEPTH, 0);
	json_t *v = json_object_get(o, "newExeFilePath");
	int err = json_is_object(o) && (!v || json_is_string(v)) ? 0 : -EINVAL;

	if (!err && v)
		*path = molt_strdup(r, json_string_value(v));
	json_decref(o);
	return err;
}

/* With a NUL in it nobody knows which program is meant. */
static int text_of(molt_str value, const char **path)
{
	*path = value.ptr;
	return value.len && memchr(value.ptr, '\0', value.len) ? -EINVAL : 0;
}

/* The path that the client wants, NULL for none.  A body that cannot be read is
 * an error: it may have named a program. */
static int wanted_path(molt_req *r, const char **path)
{
	molt_str body = { NULL, 0 };
	int err = 0;

	*path = NULL;
	if (!strcmp(molt_req_method(r), "POST"))
		err = molt_req_body(r, &body);
	if (!err)
		err = text_of(molt_req_query_str(r, "newExeFilePath"), path);
	if (err || !body.len)
		return err == -E2BIG ? err : err ? -EINVAL : 0;
	if (*path)
		return 0;
	if (has_type(r, "application/json"))
		return path_of_json(r, body, path);
	if (!has_type(r, "application/x-www-form-urlencoded") &&
	    !has_type(r, "multipart/form-data"))
		return -EMEDIUMTYPE;
	return text_of(molt_req_form_str(r, "newExeFilePath"), path);
}

struct exe_check {
	const char *path, *dirs;
	char *resolved, *why;
	int err;
};

static void check_exe(void *arg)
{
	struct exe_check *c = arg;

	c->err = mo_exe_allowed(c->path, c->dirs, &c->resolved, &c->why);
}

static json_t *last_receipt(void)
{
	char *text = molt_receipt();
	json_t *receipt = text ? mo_json_load(text, strlen(text), MO_JSON_DEPTH, 0) : NULL;

	free(text);
	return receipt;
}

static long number_in(const json_t *o, const char *key)
{
	return (long)json_integer_value(json_object_get(o, key));
}

static void tell_switched(molt_req *r)
{
	json_t *receipt = last_receipt();
	mo_admin_result x = { 200, NULL, "The new process serves.", receipt };

	if (number_in(receipt, "successor_pid"))
		x.text = molt_fmt(r,
				  "Generation %ld (pid %ld) serves, after %ld ms. Generation %ld "
				  "(pid %ld) finishes its requests and ends.",
				  number_in(receipt, "successor_generation"),
				  number_in(receipt, "successor_pid"), number_in(receipt, "ms"),
				  number_in(receipt, "generation"), number_in(receipt, "pid"));
	mo_admin_send(r, &x);
	json_decref(receipt);
}

/* These come before there is a receipt. */
static bool without_receipt(int err)
{
	return err == -EBUSY || err == -ENOTSUP || err == -EILSEQ;
}

static void tell_failed(molt_req *r, int err)
{
	json_t *receipt = without_receipt(err) ? NULL : last_receipt();
	const char *reason = json_string_value(json_object_get(receipt, "reason"));

	if (err == -EBUSY)
		reason = "this process is being restarted, replaced or shut down already";
	else if (err == -ENOTSUP)
		reason = "no server allows restarts (graceful)";
	else if (err == -EILSEQ)
		reason = "the path of a program must be UTF-8 text here; rename it";
	mo_admin_refuse_error(r, err, reason ? reason : molt_strerror(err), receipt);
	json_decref(receipt);
}

/* chosen: by a client who could not start it otherwise. */
static void restart_to(molt_req *r, const char *exe, bool chosen)
{
	int err;

	mo_info("admin: restart%s%s asked by %s", exe ? " to " : "", exe ? exe : "",
		molt_req_client_ip(r));
	err = chosen ? mo_restart_chosen(exe) : molt_restart(exe);
	if (err)
		tell_failed(r, err);
	else
		tell_switched(r);
}

void mo_admin_on_restart(molt_req *r)
{
	struct exe_check c = { .dirs = molt_req_server(r)->set.exe_dirs };
	int err;

	if (!let_act(r, "restart"))
		return;
	err = wanted_path(r, &c.path);
	if (err) {
		mo_admin_refuse_error(r, err, "the body cannot be read as a form or JSON", NULL);
		return;
	}
	if (!c.path || !*c.path) {
		restart_to(r, NULL, false);
		return;
	}
	/* Who can reach the control socket could start any program here anyway. */
	if (molt_req_server(r)->internal) {
		restart_to(r, c.path, false);
		return;
	}
	err = molt_block(check_exe, &c);
	if (err || c.err)
		mo_admin_refuse_error(r, err ? err : c.err, c.why ? c.why : molt_strerror(err),
				      NULL);
	else
		restart_to(r, c.resolved, true);
	free(c.resolved);
	free(c.why);
}

/* ---- rollback --------------------------------------------------------------------- */

static void tell_not_rolled_back(molt_req *r, int err)
{
	const char *why = molt_strerror(err);

	if (err == -ENOENT)
		why = "there is no generation to go back to";
	else if (err == -EBUSY)
		why = "this process is being restarted, replaced or shut down already";
	else if (err == -ETIMEDOUT)
		why = "the predecessor did not answer";
	else if (err == -ECHILD)
		why = "the predecessor died before it served again; this process serves on";
	else if (err == -EADDRINUSE)
		why = "the predecessor serves again, but a listener that it had closed cannot be "
		      "opened; it goes on trying";
	mo_admin_refuse_error(r, err, why, NULL);
}

/* With a successor it was a restart, of the previous program. */
static void tell_rolled_back(molt_req *r, long generation)
{
	mo_admin_result x = { 200, NULL, "The predecessor serves again.", NULL };
	mo_gen_info info;

	mo_self_info(&info);
	if (info.successor_pid) {
		tell_switched(r);
		return;
	}
	if (generation)
		x.text = molt_fmt(r, "Generation %ld serves again.", generation);
	mo_admin_send(r, &x);
}

void mo_admin_on_rollback(molt_req *r)
{
	json_t *to;
	long generation;
	bool by_restart;
	int err;

	if (!let_act(r, "rollback"))
		return;
	to = mo_previous_status();
	generation = number_in(to, "generation");
	by_restart = json_is_object(to) && !json_object_get(to, "until");
	json_decref(to);
	mo_info("admin: rollback asked by %s", molt_req_client_ip(r));
	err = mo_request_rollback(molt_req_server(r)->internal ? "the control socket"
							       : molt_fmt(r, "the admin API (%s)",
									  molt_req_client_ip(r)));
	if (!err)
		tell_rolled_back(r, generation);
	else if (by_restart)
		tell_failed(r, err);
	else
		tell_not_rolled_back(r, err);
}

/* ---- shutdown --------------------------------------------------------------------- */

/* Runs when the answer has been sent. */
static void shut_down(void *unused)
{
	molt_shutdown();
}

void mo_admin_on_shutdown(molt_req *r)
{
	mo_admin_result x = { 200, NULL, "Running requests are finished, then the program ends.",
			      NULL };
	json_t *now;
	const char *state;

	if (!let_act(r, "shutdown"))
		return;
	now = mo_process_status();
	state = json_string_value(json_object_get(now, "state"));
	r->close = true; /* the next request belongs to the successor, or to nobody */
	if (state && !strcmp(state, "draining")) {
		mo_admin_refuse_error(r, -EBUSY,
				      "this process has been replaced already; ask again", NULL);
	} else {
		/* A second molt_shutdown() would cut what the first lets finish. */
		if (!state || strcmp(state, "stopping") != 0)
			molt_defer(r, shut_down, NULL);
		mo_info("admin: shutdown asked by %s", molt_req_client_ip(r));
		mo_admin_send(r, &x);
	}
	json_decref(now);
}

/* ---- logs -------------------------------------------------------------------------- */

struct reopening {
	int others, err;
	char *why;
};

static void reopen_logs(void *arg)
{
	struct reopening *a = arg;

	a->err = mo_log_reopen_everywhere(&a->others, &a->why);
}

static const char *reopened_text(molt_req *r, int others)
{
	if (others == 0)
		return "The log files are open anew.";
	return molt_fmt(r, "The log files are open anew, also in %d older generation%s.", others,
			others == 1 ? "" : "s");
}

void mo_admin_on_reopen(molt_req *r)
{
	mo_admin_result x = { 200, NULL, NULL, NULL };
	struct reopening a = { 0 };
	int err;

	if (!let_in(r, true))
		return;
	err = molt_block(reopen_logs, &a);
	if (err || a.err) {
		/* The next request is for whoever serves. */
		r->close = r->close || a.err == -EBUSY;
		mo_admin_refuse_error(r, err ? err : a.err, err ? molt_strerror(err) : a.why, NULL);
		free(a.why);
		return;
	}
	mo_info("admin: log files reopened, asked by %s", molt_req_client_ip(r));
	x.text = reopened_text(r, a.others);
	mo_admin_send(r, &x);
}

/* ---- the supervisor ------------------------------------------------------------------ */

void mo_admin_on_upgrade(molt_req *r)
{
	mo_admin_result x = { 200, NULL, NULL, NULL };
	json_t *answer = NULL;
	char *why = NULL;
	int err;

	if (!let_in(r, true))
		return;
	if (!molt_req_server(r)->internal) {
		mo_admin_refuse_error(r, -EPERM, "only the control socket can do that", NULL);
		return;
	}
	mo_info("admin: upgrade of the supervisor asked by %s", molt_req_client_ip(r));
	err = mo_supervisor_client_upgrade(&answer, &why);
	if (err) {
		mo_admin_refuse_error(r, err, why ? why : molt_strerror(err), NULL);
	} else {
		x.text = molt_fmt(r, "The supervisor (pid %ld) goes on as a new program, build %s.",
				  number_in(answer, "pid"),
				  json_string_value(json_object_get(answer, "build")));
		mo_admin_send(r, &x);
	}
	json_decref(answer);
	free(why);
}
