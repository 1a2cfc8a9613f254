/* The handle of a WebSocket, and the movable form's endpoints and callbacks; see
 * ws_handle.h. */
#include "web/live/ws_handle.h"

#include <errno.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/sized.h"
#include "base/str.h"
#include "gen/control.h"
#include "http/conn/protocol.h"
#include "rt/pool.h"
#include "web/core/request.h"

#define SEND_HIGH (64u * 1024) /* molt_ws_send() waits when more is queued */

static molt_ws *check(const molt_ws *w)
{
	MO_MAGIC_OK(w, MO_WEB_WS_MAGIC);
	return (molt_ws *)(uintptr_t)w;
}

/* ---- its coroutine ---- */

int mo_web_ws_wait(molt_ws *w, molt_time timeout)
{
	int rc;

	w->waiting = true;
	rc = mo_park_wait(&w->io, timeout);
	w->waiting = false;
	return rc;
}

static void end(molt_ws *w)
{
	if (w->owes_close && w->route->calls.on_close)
		w->route->calls.on_close(w, mo_ws_code(w->s));
	mo_web_ws_free(w);
}

static void give_message(molt_ws *w, int type, molt_str data)
{
	molt_ws_msg m = MOLT_WS_MSG(.type = (enum molt_ws_type)type, .data = data);

	if (w->route->calls.on_message)
		w->route->calls.on_message(w, &m);
}

static void work(void *arg)
{
	molt_ws *w = arg;
	molt_str data;
	int type;

	for (;;) {
		if (mo_ws_next(w->s, &type, &data) > 0)
			give_message(w, type, data);
		else if (!w->gone && w->save_wanted && !w->saved && mo_ws_at_boundary(w->s))
			mo_web_ws_run_save(w);
		else
			break;
	}
	w->co = NULL;
	if (w->gone)
		end(w);
	else if (w->saved)
		mo_control_poke(); /* it can move */
}

static void start(molt_ws *w)
{
	w->co = mo_co_new(w->loop, w->server->http.lim.stack_size, work, w);
	if (!w->co) {
		mo_warn_some("no stack for a WebSocket of %s", w->route->key);
		if (w->gone)
			mo_web_ws_free(w);
		else
			mo_ws_close(w->s, 1013, (molt_str){ "", 0 });
		return;
	}
	mo_co_set_name(w->co, w->route->key);
	if (w->cut)
		mo_co_cancel(w->co, -ECANCELED);
	mo_co_resume(w->co);
}

void mo_web_ws_ready(molt_ws *w)
{
	if (w->waiting)
		mo_park_wake(&w->io, 0);
	else if (w->route && !w->co)
		start(w);
}

static void ready(void *arg)
{
	mo_web_ws_ready(arg);
}

static void gone(void *arg)
{
	molt_ws *w = arg;

	w->gone = true;
	mo_unsubscribe_all(&w->sub);
	if (!w->route)
		mo_web_ws_free(w);
	else if (w->waiting)
		mo_park_wake(&w->io, 0);
	else if (!w->co)
		start(w);
}

static void cut(void *arg)
{
	molt_ws *w = arg;

	w->cut = true;
	if (w->co)
		mo_co_cancel(w->co, -ECANCELED);
}

static const mo_ws_user user = {
	.ready = ready,
	.gone = gone,
	.save = mo_web_ws_save,
	.saved = mo_web_ws_saved,
	.state = mo_web_ws_state,
	.cut = cut,
};

/* ---- the struct ---- */

static void on_event(mo_subscriber *s, mo_delivery *d)
{
	molt_ws *w = MO_CONTAINER_OF(s, molt_ws, sub);
	molt_str data = d->event->data;

	(void)mo_ws_send(w->s, mo_str_is_utf8(data) ? MO_WS_TEXT : MO_WS_BINARY, data);
}

molt_ws *mo_web_ws_new(mo_loop *l, molt_server *s, const mo_ws_route *route, bool deflate)
{
	molt_ws *w = mo_calloc(1, sizeof(*w));

	w->magic = MO_WEB_WS_MAGIC;
	w->loop = l;
	w->server = s;
	w->route = route;
	mo_subscriber_init(&w->sub, on_event);
	w->s = mo_ws_new(&user, w, route == NULL, deflate, &s->http.lim);
	return w;
}

void mo_web_ws_free(molt_ws *w)
{
	mo_unsubscribe_all(&w->sub);
	mo_ws_free(w->s);
	mo_buf_free(&w->kept);
	mo_buf_free(&w->state);
	mo_buf_free(&w->topics);
	w->magic = 0;
	free(w);
}

void mo_web_ws_abandon(molt_ws *w)
{
	w->gone = true;
	mo_ws_drop(w->s);
	start(w);
}

/* ---- the handshake ---- */

bool mo_web_ws_hello(molt_req *r, mo_ws_hello *out)
{
	int status = mo_ws_handshake(r, r->server->lim.ws_origins, out);

	if (mo_web_of(r)->failed)
		return false;
	if (status == 0 && !r->head_sent)
		return true;
	if (r->head_sent)
		return false;
	molt_res_error(r, status, out->why);
	if (status == 426) {
		mo_res_set(r, "Sec-WebSocket-Version", "13");
		mo_res_set(r, "Upgrade", "websocket");
		mo_res_set(r, "Connection", "upgrade");
	}
	return false;
}

struct upgrade {
	molt_req *r;
	molt_ws *w;
	int result;
};

static void upgrade_on_loop(void *arg)
{
	struct upgrade *u = arg;

	u->result = u->r->ops->upgrade(u->r, &mo_protocol_ws, u->w->s);
	u->w->begun = u->result == 0;
}

int mo_web_ws_upgrade(molt_req *r, molt_ws *w, const mo_ws_hello *hello, const char *subprotocol)
{
	struct upgrade u = { .r = r, .w = w };

	if (mo_web_of(r)->failed) /* on_open() has asked for a text that holds a NUL */
		return mo_web_of(r)->failed;
	r->out.len = 0;
	r->status = 101;
	mo_res_set(r, "Content-Type", NULL);
	mo_res_set(r, "Upgrade", "websocket");
	mo_res_set(r, "Connection", "Upgrade");
	mo_res_set(r, "Sec-WebSocket-Accept", hello->accept);
	if (hello->deflate)
		mo_res_set(r, "Sec-WebSocket-Extensions",
			   "permessage-deflate; server_no_context_takeover; "
			   "client_no_context_takeover");
	if (subprotocol && mo_ws_offers(r, subprotocol))
		mo_res_set(r, "Sec-WebSocket-Protocol", subprotocol);
	mo_on_loop(upgrade_on_loop, &u);
	return u.result;
}

/* ---- endpoints ---- */

static void refused(molt_req *r, molt_ws *w)
{
	mo_web_ws_free(w);
	if (r->status < 400)
		molt_res_error(r, 403, NULL);
}

/* The handler of an endpoint's route. */
static void open_endpoint(molt_req *r)
{
	const mo_ws_route *route = mo_web_of(r)->route->ws;
	mo_ws_hello hello;
	molt_ws *w;

	if (!mo_web_ws_hello(r, &hello))
		return;
	w = mo_web_ws_new(r->loop, r->server->owner, route, hello.deflate);
	w->co = r->co;
	if (route->calls.on_open && route->calls.on_open(w, r) < 0) {
		refused(r, w);
		return;
	}
	w->co = NULL;
	w->owes_close = true;
	if (mo_web_ws_upgrade(r, w, &hello, route->calls.subprotocol) == 0)
		return;
	if (route->calls.on_close)
		route->calls.on_close(w, 1006);
	mo_web_ws_free(w);
}

/* GET is the only method that opens a WebSocket. */
static char *with_method(molt_group *g, const char *pattern)
{
	if (strncmp(pattern, "GET ", 4) == 0)
		return mo_arena_strndup(mo_group_arena(g), pattern, strlen(pattern));
	return mo_arena_fmt(mo_group_arena(g), "GET %s", pattern);
}

int molt_ws_bind(molt_group *g, const char *pattern, const molt_ws_endpoint *e, void *arg)
{
	molt_ws_endpoint known;
	mo_ws_route *route;
	char *why = NULL;
	int err;

	if (!g || !pattern || !e)
		return -EINVAL;
	err = mo_server_check_new(g->server);
	if (err < 0)
		return err;
	err = MO_SIZED_IN(molt_ws_endpoint, &known, e, &why);
	if (err < 0)
		return mo_server_fail_why(g->server, err, why);
	route = mo_arena_zalloc(mo_group_arena(g), sizeof(*route));
	route->calls = known;
	route->arg = arg;
	if (known.subprotocol)
		route->calls.subprotocol = mo_arena_strndup(mo_group_arena(g), known.subprotocol,
							    strlen(known.subprotocol));
	pattern = with_method(g, pattern);
	route->key = mo_arena_fmt(mo_group_arena(g), "%s %s", g->prefix, pattern);
	err = mo_group_bind_ws(g, pattern, open_endpoint, arg, route);
	if (err < 0)
		return err;
	route->next = g->server->ws_routes;
	g->server->ws_routes = route;
	return 0;
}

/* ---- the public functions ---- */

void molt_ws_set(molt_ws *w, void *value)
{
	check(w)->value = value;
}

void *molt_ws_get(const molt_ws *w)
{
	return check(w)->value;
}

void *molt_ws_arg(const molt_ws *w)
{
	return check(w)->route ? w->route->arg : NULL;
}

int molt_ws_code(const molt_ws *w)
{
	return mo_ws_code(check(w)->s);
}

struct call {
	molt_ws *w;
	molt_str data;
	int type, result;
};

static void send_on_loop(void *arg)
{
	struct call *c = arg;
	molt_ws *w = c->w;
	molt_time limit = w->server->http.lim.write_timeout;

	c->result = mo_ws_send(w->s, c->type, c->data);
	while (c->result == 0 && w->begun && w->co && w->co == mo_co_self() && mo_ws_open(w->s) &&
	       mo_ws_queued(w->s) > SEND_HIGH) {
		mo_ws_want_room(w->s);
		c->result = mo_web_ws_wait(w, limit);
	}
}

int molt_ws_send(molt_ws *w, enum molt_ws_type t, const void *buf, size_t n)
{
	struct call c = { .w = check(w), .type = (int)t, .data = { n ? buf : "", n } };

	mo_on_loop(send_on_loop, &c);
	return c.result;
}

static void close_on_loop(void *arg)
{
	struct call *c = arg;

	c->result = mo_ws_close(c->w->s, c->type, c->data);
}

int molt_ws_close(molt_ws *w, int code, const char *reason)
{
	struct call c = { .w = check(w), .type = code, .data = mo_str(reason ? reason : "") };

	mo_on_loop(close_on_loop, &c);
	return c.result;
}

static void subscribe_on_loop(void *arg)
{
	struct call *c = arg;

	c->result = mo_subscribe(c->w->loop, &c->w->sub, c->data);
}

int molt_ws_subscribe(molt_ws *w, const char *topic)
{
	struct call c = { .w = check(w), .data = mo_str(topic ? topic : "") };

	if (w->gone)
		return -EPIPE;
	mo_on_loop(subscribe_on_loop, &c);
	return c.result;
}
