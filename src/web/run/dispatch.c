/* From a request to its handler: what the http layer calls (mo_web_app).
 *
 *   route()   on the loop: finds the route, or the library's own answer
 *   resume()  on the loop, instead: a step of a request that has waited
 *   handle()  in the coroutine: the group's middleware, then that handler
 *   done()    the access log
 *
 *   request                                   last in the chain     whose chain
 *   path with the method                      the route's handler   its group's
 *   path with other methods, OPTIONS          204 and Allow         that route's
 *   path with other methods                   405 and Allow         that route's
 *   GET, HEAD; only "/x" or "/x/" is bound    308 to the bound one  that route's
 *   no path                                   404                   by path
 *   OPTIONS *                                 204 and Allow of all  the root's
 *   a path that cannot be decoded             400                   the root's
 *   unknown method without a route, CONNECT   501                   by path
 *
 * So middleware sees every request below its prefix, and nobody learns behind it
 * what is bound.  Chains were made at start: a request costs no memory for its. */
#include "web/core/request.h"

#include <errno.h>

#include "base/mem.h"
#include "base/str.h"
#include "rt/co.h"
#include "rt/pool.h"
#include "web/live/event_stream.h"
#include "web/live/web_step.h"
#include "web/log/access_log.h"
#include "web/run/dispatch.h"

/* ---- the library's own answers ---- */

static void answer_not_found(molt_req *r)
{
	molt_res_error(r, 404, NULL);
}

static void answer_bad_path(molt_req *r)
{
	r->close = true;
	molt_res_error(r, 400, "the path has a bad escape or leads above the root");
}

static void answer_not_implemented(molt_req *r)
{
	if (mo_str_eq(r->method, MO_STR("CONNECT")))
		r->close = true;
	molt_res_error(r, 501, NULL);
}

static const char *allowed(molt_req *r)
{
	mo_web *w = mo_web_of(r);

	if (mo_str_eq(w->path, MO_STR("*")))
		return mo_router_methods(w->server->router, &r->arena);
	return mo_router_allow(w->server->router, &r->arena, mo_str(molt_req_host(r)), w->path);
}

static void answer_options(molt_req *r)
{
	molt_res_header(r, "Allow", allowed(r));
	molt_res_status(r, 204);
}

static void answer_wrong_method(molt_req *r)
{
	molt_res_error(r, 405, NULL);
	molt_res_header(r, "Allow", allowed(r));
}

/* The decoded path begins with one '/', so Location never leads elsewhere. */
static void answer_redirect(molt_req *r)
{
	mo_web *w = mo_web_of(r);
	molt_str path = w->path;
	bool longer = path.ptr[path.len - 1] != '/';
	mo_buf to = { 0 };

	if (!longer)
		path.len--;
	mo_url_encode(&to, path, true);
	if (longer)
		mo_buf_putc(&to, '/');
	if (r->query.len) {
		mo_buf_putc(&to, '?');
		mo_buf_str(&to, r->query);
	}
	molt_res_redirect(r, 308, mo_buf_cstr(&to));
	mo_buf_free(&to);
}

/* ---- finding the route ---- */

static bool is_get(molt_str method)
{
	return mo_str_eq(method, MO_STR("GET")) || mo_str_eq(method, MO_STR("HEAD"));
}

static molt_str host_for_routes(molt_req *r, const mo_router *router)
{
	return mo_router_has_hosts(router) ? mo_str(molt_req_host(r)) : (molt_str){ "", 0 };
}

/* Is the path bound with a '/' more or less at its end?  One with an encoded slash is
 * not sent back: who writes such things knows what they mean. */
static bool other_form_is_bound(mo_web *w, molt_str host)
{
	molt_req *r = w->req;
	molt_str path = w->path;

	if (!is_get(r->method) || path.len < 2 || memchr(path.ptr, MO_KEPT_SLASH, path.len))
		return false;
	if (path.ptr[path.len - 1] == '/')
		path.len--;
	else
		path = mo_str(mo_arena_fmt(&r->arena, "%s/", path.ptr));
	mo_router_match(w->server->router, r->method, host, path, &w->match);
	return w->match.route != NULL;
}

static bool is_implemented(const mo_web *w)
{
	molt_str method = w->req->method;

	return !mo_str_eq(method, MO_STR("CONNECT")) && mo_router_knows(w->server->router, method);
}

static void choose_own_answer(mo_web *w, molt_str host)
{
	bool options = mo_str_eq(w->req->method, MO_STR("OPTIONS"));
	bool near = w->match.wrong_method;

	if (near)
		w->group = ((const mo_route *)w->match.near)->group;
	if (!is_implemented(w)) {
		w->last = answer_not_implemented;
	} else if (near) {
		w->last = options ? answer_options : answer_wrong_method;
	} else if (options && mo_str_eq(w->path, MO_STR("*"))) {
		w->last = answer_options;
	} else if (other_form_is_bound(w, host)) {
		w->group = ((const mo_route *)w->match.route)->group;
		w->last = answer_redirect;
		return;
	} else {
		w->last = answer_not_found;
	}
	if (!near)
		w->group = mo_group_for_path(w->server, w->path, &w->match);
}

static void take_route(mo_web *w)
{
	molt_req *r = w->req;
	const mo_route *route = w->match.route;
	const molt_route_opts *o = &route->opts;

	w->route = route;
	w->group = route->group;
	w->last = route->handler;
	if (o->stack_size)
		r->stack_size = o->stack_size;
	if (o->max_body)
		r->body_max = o->max_body;
	else if (o->stream_body)
		r->body_max = SIZE_MAX;
	if (o->timeout > 0)
		r->write_deadline = r->started + o->timeout;
}

static mo_web *web_new(molt_req *r)
{
	mo_web *w = mo_arena_alloc(&r->arena, sizeof(*w));

	mo_zero(w, offsetof(mo_web, match));
	w->req = r;
	w->server = r->server->owner;
	w->match.nparams = 0;
	r->web = w;
	return w;
}

/* false: it cannot be decoded. */
static bool find_path(mo_web *w)
{
	molt_req *r = w->req;
	bool origin = r->raw_path.len && r->raw_path.ptr[0] == '/';

	w->path = r->raw_path;
	return !origin || mo_url_path_is_plain(r->raw_path) ||
	       mo_url_path(&r->arena, r->raw_path, &w->path) == 0;
}

static void app_route(molt_req *r)
{
	mo_web *w = web_new(r);
	molt_str host;

	r->stack_size = r->server->lim.stack_size;
	r->body_max = r->server->lim.max_body;
	if (!find_path(w)) {
		w->group = w->server->root;
		w->last = answer_bad_path;
		return;
	}
	host = host_for_routes(r, w->server->router);
	mo_router_match(w->server->router, r->method, host, w->path, &w->match);
	if (w->match.route)
		take_route(w);
	else
		choose_own_answer(w, host);
}

/* The group of its path, for error pages and the middleware of steps. */
static void app_resume(molt_req *r, void *waited)
{
	mo_web *w = web_new(r);

	r->stack_size = r->server->lim.stack_size;
	w->group = w->server->root;
	if (find_path(w)) {
		mo_router_match(w->server->router, r->method, host_for_routes(r, w->server->router),
				w->path, &w->match);
		w->group = w->match.route ? ((const mo_route *)w->match.route)->group
					  : mo_group_for_path(w->server, w->path, &w->match);
	}
	w->stage = MO_STAGE_STEP;
	mo_web_step_load(w, waited);
}

/* ---- running the chain ---- */

static void run_call(mo_web *w, mo_call call)
{
	void *outer = w->arg;

	w->arg = call.arg;
	call.fn(w->req);
	w->arg = outer;
}

/* Each middleware may run the rest once: when it comes back, nothing is left, so
 * a second call cannot step over a middleware that refused. */
void molt_next(molt_req *r)
{
	mo_web *w = mo_web_of(r);
	const mo_chain *chain = &w->group->chain[w->stage];
	unsigned at = w->at;

	if (at > chain->n)
		return;
	w->at = at + 1;
	if (at < chain->n)
		run_call(w, chain->calls[at]);
	else
		run_call(w, (mo_call){ w->last, w->route ? w->route->arg : NULL });
	w->at = chain->n + 1;
}

static void run_chain(void *arg)
{
	molt_next(arg);
}

/* On a pool thread the arena must not touch the loop's spare chunks. */
static void run_blocking(molt_req *r)
{
	mo_chunk_cache *cache = r->arena.cache;
	int err;

	r->arena.cache = NULL;
	err = mo_pool_run(run_chain, r);
	r->arena.cache = cache;
	if (err) {
		molt_res_error(r, 503, "too many wait for this");
		molt_res_header(r, "Retry-After", molt_fmt(r, "%d", mo_pool_retry_after()));
	}
}

/* ---- finishing the answer ---- */

static const mo_call *page_for(const molt_group *g, int status)
{
	for (; g; g = g->parent) {
		for (const mo_status_page *p = g->pages; p; p = p->next) {
			if (p->status == status)
				return &p->call;
		}
	}
	return NULL;
}

/* Lets page make the body; false when it made none, then all is as before. */
static bool run_page(molt_req *r, const mo_call *page)
{
	const char *type = mo_res_get(r, "Content-Type");
	mo_buf kept = r->out;

	r->out = (mo_buf){ 0 };
	molt_res_header(r, "Content-Type", NULL);
	run_call(mo_web_of(r), *page);
	if (r->out.len || r->head_sent) {
		r->res_length = r->head_sent ? r->res_length : -1;
		mo_buf_free(&kept);
		return true;
	}
	mo_buf_free(&r->out);
	r->out = kept;
	if (type && !mo_res_get(r, "Content-Type"))
		mo_res_set(r, "Content-Type", type);
	return false;
}

/* An error without a body, or with the library's, gets the group's page; else
 * the library's, unless the handler gave a type: then it wants no body. */
static void fill_error(molt_req *r)
{
	mo_web *w = mo_web_of(r);
	const mo_call *page;

	if (r->status < 400 || (!w->error_page && r->out.len))
		return;
	page = page_for(w->group, r->status);
	if (page && run_page(r, page))
		return;
	if (r->out.len == 0 && !mo_res_get(r, "Content-Type"))
		mo_error_page(r, NULL);
}

/* Writing has failed for a reason that the client may know; an answer that has begun is
 * cut. */
static void answer_instead(molt_req *r, int status, const char *why)
{
	if (!mo_exchange_begins_again(r))
		return;
	mo_web_of(r)->failed = 0;
	molt_res_error(r, status, why);
}

/* There was no room to gather it; others may have ended by then. */
static void answer_later(molt_req *r)
{
	answer_instead(r, 503, "too much is asked for at once");
	if (!r->head_sent)
		mo_res_set(r, "Retry-After", "1");
}

static void answer_failure(molt_req *r)
{
	switch (mo_web_of(r)->failed) {
	case -ETIMEDOUT:
		answer_instead(r, 503, "the handler took too long");
		break;
	case -EBADMSG:
		answer_instead(r, 400, "a parameter, field or cookie holds a NUL byte");
		break;
	case -ENOBUFS:
		answer_later(r);
		break;
	default: /* nobody would hear it */
		break;
	}
}

static void finish_answer(molt_req *r)
{
	mo_web *w = mo_web_of(r);

	if (w->sse)
		mo_web_sse_begin(r);
	if (r->finished)
		return;
	if (w->failed)
		answer_failure(r);
	if (r->head_sent || w->failed)
		return;
	fill_error(r);
	if (!r->head_sent)
		mo_res_default_type(r);
}

static void run_part(molt_req *r)
{
	const mo_web *w = mo_web_of(r);

	if (r->co)
		mo_co_set_name(r->co, w->match.pattern ? w->match.pattern : "no route");
	if (w->route && w->route->opts.blocking)
		run_blocking(r);
	else
		run_chain(r);
}

/* The steps of a request of HTTP/2, one after another.  false: it waits elsewhere. */
static bool run_steps(molt_req *r)
{
	mo_web_step *next = NULL;

	if (!r->ops->wait)
		return !mo_web_of(r)->step || r->finished || !mo_web_step_wait(r);
	while ((next = mo_web_step_wait_here(r)) != NULL) {
		app_resume(r, next);
		run_part(r);
	}
	return true;
}

static void app_handle(molt_req *r)
{
	run_part(r);
	if (run_steps(r))
		finish_answer(r);
}

const mo_http_app mo_web_app = {
	.route = app_route,
	.handle = app_handle,
	.done = mo_access_log_write,
	.refused = mo_access_log_refused,
	.resume = app_resume,
};
