/* A WebSocket on its way to the next generation.
 *
 *   giver: save wanted, at a message boundary  save() in its coroutine -> saved
 *   giver: saved                               offered; no callback runs
 *   taker: the endpoint of that name           restore() -> the same socket there
 *   giver: not taken                           goes on, and is closed with 1012
 *
 * The state: the endpoint's key, flags, topics, the bytes of save(), output that
 * the client has not taken yet. */
#include <errno.h>
#include <stdlib.h>

#include "base/blob.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "web/live/restorer.h"
#include "web/live/ws_handle.h"

static void forget(molt_ws *w)
{
	w->saved = false;
	mo_buf_free(&w->kept);
	mo_buf_free(&w->state);
}

void mo_web_ws_save(void *arg, bool save)
{
	molt_ws *w = arg;
	const molt_ws_endpoint *e = w->route ? &w->route->calls : NULL;

	if (!save || !e || !e->save || !e->restore) {
		w->save_wanted = false;
		forget(w);
		if (save)
			mo_ws_stay(w->s);
		return;
	}
	w->save_wanted = true;
	mo_web_ws_ready(w);
}

void mo_web_ws_run_save(molt_ws *w)
{
	size_t n = 0;
	void *buf = NULL;
	int rc = w->route->calls.save(w, &buf, &n);

	if (rc == 0 && n > MO_WS_SAVE_MAX) {
		mo_warn("save() of WebSocket %s gave %zu bytes; %u are the limit", w->route->key, n,
			MO_WS_SAVE_MAX);
		rc = -EMSGSIZE;
	}
	forget(w);
	if (w->save_wanted && !w->gone) {
		if (rc == 0)
			mo_buf_add(&w->kept, n ? buf : "", n);
		else
			mo_ws_stay(w->s);
		w->saved = rc == 0;
		w->save_wanted = rc == 0;
	}
	free(buf);
}

bool mo_web_ws_saved(const void *arg)
{
	const molt_ws *w = arg;

	return w->saved && !w->co;
}

molt_str mo_web_ws_state(void *arg)
{
	molt_ws *w = arg;
	char flags = mo_ws_deflates(w->s) ? 'd' : '-';

	w->state.len = 0;
	mo_blob_put(&w->state, mo_str(w->route->key));
	mo_blob_put(&w->state, mo_strn(&flags, 1));
	mo_subscriber_topics(&w->sub, &w->state);
	mo_blob_put(&w->state, mo_strn(w->kept.data, w->kept.len));
	mo_blob_put(&w->state, mo_ws_output(w->s));
	return mo_strn(w->state.data, w->state.len);
}

/* ---- the taker ---- */

static const mo_ws_route *find(const molt_server *s, molt_str key)
{
	for (const mo_ws_route *r = s->ws_routes; r; r = r->next)
		if (mo_str_eq(mo_str(r->key), key))
			return r;
	return NULL;
}

/* NULL also when the restore() of the program failed. */
static void *restore(mo_loop *l, molt_server *s, molt_str state)
{
	molt_str key, flags, topics, kept, output;
	const mo_ws_route *route;
	molt_ws *w;

	if (!mo_blob_get(&state, &key) || !mo_blob_get(&state, &flags) ||
	    !mo_blob_get(&state, &topics) || !mo_blob_get(&state, &kept) ||
	    !mo_blob_get(&state, &output))
		return NULL;
	route = find(s, key);
	if (!route || !route->calls.restore)
		return NULL;
	w = mo_web_ws_new(l, s, route, flags.len == 1 && flags.ptr[0] == 'd');
	if (output.len)
		mo_ws_put_output(w->s, output);
	mo_buf_add(&w->topics, topics.ptr, topics.len);
	if (route->calls.restore(w, kept.ptr, kept.len) < 0) {
		mo_web_ws_free(w);
		return NULL;
	}
	w->owes_close = true;
	return w;
}

static void *socket_of(void *arg)
{
	return ((molt_ws *)arg)->s;
}

static void taken(void *arg, mo_event *const *missed, size_t n)
{
	molt_ws *w = arg;

	w->begun = true;
	mo_subscriber_go_on(w->loop, &w->sub, &w->topics, missed, n);
}

static void discard(void *arg)
{
	mo_web_ws_abandon(arg);
}

const mo_restorer mo_ws_restorer = { &mo_protocol_ws, restore, socket_of, taken, discard };
