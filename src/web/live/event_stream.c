/* Server-Sent Events in both forms; see molt.h.
 *
 * Straight-line: the handler sends each event and waits for the client.
 * Movable: the handler subscribes and returns; events gather in the stream's
 * output from the first molt_sse_subscribe() on, and go out behind the head.  Of
 * HTTP/2 the coroutine stays for that, and the stream does not move. */
#include "web/live/event_stream.h"

#include <errno.h>
#include <stdlib.h>

#include "base/blob.h"
#include "base/check.h"
#include "base/mem.h"
#include "base/str.h"
#include "http/conn/out_chain.h"
#include "http/conn/protocol.h"
#include "rt/pool.h"
#include "web/core/request.h"
#include "web/core/server.h"
#include "web/live/restorer.h"

struct mo_web_sse {
	mo_sse *stream;
	mo_loop *loop;
	mo_subscriber sub;
	mo_buf state;
	mo_buf topics; /* restored: to subscribe when it is taken */
};

/* ---- the stream ---- */

static void gone(void *arg)
{
	mo_web_sse_free(arg);
}

static molt_str state(void *arg)
{
	mo_web_sse *w = arg;
	char flags = mo_sse_chunked(w->stream) ? 'c' : '-';

	w->state.len = 0;
	mo_blob_put(&w->state, mo_strn(&flags, 1));
	mo_subscriber_topics(&w->sub, &w->state);
	mo_blob_put(&w->state, mo_sse_output(w->stream));
	return mo_strn(w->state.data, w->state.len);
}

static const mo_sse_user user = { .gone = gone, .state = state };

static void on_event(mo_subscriber *s, mo_delivery *d)
{
	mo_sse_write(MO_CONTAINER_OF(s, mo_web_sse, sub)->stream, mo_delivery_sse(d));
}

static mo_web_sse *sse_new(mo_loop *l, bool chunked, const mo_http_limits *lim)
{
	mo_web_sse *w = mo_calloc(1, sizeof(*w));

	w->loop = l;
	w->stream = mo_sse_new(&user, w, chunked, lim);
	mo_subscriber_init(&w->sub, on_event);
	return w;
}

void mo_web_sse_free(mo_web_sse *w)
{
	mo_unsubscribe_all(&w->sub);
	mo_sse_free(w->stream);
	mo_buf_free(&w->state);
	mo_buf_free(&w->topics);
	free(w);
}

/* ---- the taker ---- */

static void *restore(mo_loop *l, molt_server *s, molt_str from)
{
	molt_str flags, topics, output;
	mo_web_sse *w;

	if (!mo_blob_get(&from, &flags) || !mo_blob_get(&from, &topics) ||
	    !mo_blob_get(&from, &output))
		return NULL;
	w = sse_new(l, flags.len == 1 && flags.ptr[0] == 'c', &s->http.lim);
	if (output.len)
		mo_sse_put_output(w->stream, output);
	mo_buf_add(&w->topics, topics.ptr, topics.len);
	return w;
}

static void *stream_of(void *arg)
{
	return ((mo_web_sse *)arg)->stream;
}

static void taken(void *arg, mo_event *const *missed, size_t n)
{
	mo_web_sse *w = arg;

	mo_subscriber_go_on(w->loop, &w->sub, &w->topics, missed, n);
}

const mo_restorer mo_sse_restorer = { &mo_protocol_sse, restore, stream_of, taken, gone };

/* ---- the movable form ---- */

static void set_fields(molt_req *r)
{
	mo_res_set(r, "Content-Type", "text/event-stream");
	mo_res_set(r, "Cache-Control", "no-store");
}

struct call {
	molt_req *r;
	molt_str topic;
	int result;
};

static void subscribe_on_loop(void *arg)
{
	struct call *c = arg;
	molt_req *r = c->r;
	mo_web *web = mo_web_of(r);

	if (!web->sse) {
		web->sse = sse_new(r->loop, r->version == MO_HTTP_1_1, &r->server->lim);
		set_fields(r);
	}
	c->result = mo_subscribe(r->loop, &web->sse->sub, c->topic);
}

int molt_sse_subscribe(molt_req *r, const char *topic)
{
	struct call c = { .r = r, .topic = mo_str(topic ? topic : "") };

	(void)mo_web_of(r);
	if (r->head_sent)
		return -EALREADY;
	mo_on_loop(subscribe_on_loop, &c);
	return c.result;
}

static bool wanted(molt_req *r)
{
	if (r->status != 200 || r->finished || mo_web_of(r)->failed || mo_out_is_staged(r) ||
	    mo_str_eq(r->method, MO_STR("HEAD")))
		return false;
	return r->body_state == MO_BODY_NONE || mo_req_read_body(r) == 0;
}

void mo_web_sse_begin(molt_req *r)
{
	mo_web *web = mo_web_of(r);
	mo_web_sse *w = web->sse;

	web->sse = NULL;
	if (wanted(r) && r->ops->wait) {
		mo_sse_serve(w->stream, r);
		mo_web_sse_free(w);
		return;
	}
	if (!wanted(r) || r->ops->upgrade(r, &mo_protocol_sse, w->stream) != 0)
		mo_web_sse_free(w);
}

/* ---- the straight-line form ---- */

int molt_sse_open(molt_req *r)
{
	(void)mo_web_of(r);
	if (r->head_sent)
		return -EALREADY;
	set_fields(r);
	return molt_res_flush(r);
}

static bool one_line(const char *s)
{
	return !s || !strpbrk(s, "\r\n");
}

int molt_sse_send(molt_req *r, const char *event, const char *id, const char *data)
{
	mo_buf text = { 0 };
	bool last = molt_req_draining(r);
	molt_time spread = r->server->lim.ws_close_spread;
	int rc;

	if (!one_line(event) || !one_line(id))
		return -EINVAL;
	mo_sse_format(&text, mo_str(event ? event : ""), mo_str(id ? id : ""),
		      mo_str(data ? data : ""));
	if (last)
		mo_buf_fmt(&text, "retry: %llu\n\n",
			   1 + (unsigned long long)r->id %
					   (spread > 0 ? (unsigned long long)spread : 1));
	rc = molt_res_write(r, text.data, text.len);
	mo_buf_free(&text);
	if (rc == 0 && !mo_web_of(r)->sse)
		rc = molt_res_flush(r);
	return rc == 0 && last ? -ECANCELED : rc;
}
