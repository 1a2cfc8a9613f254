/* A request between two of its parts, in one generation or two; see web_step.h. */
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/blob.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "http/conn/out_chain.h"
#include "web/live/restorer.h"
#include "web/live/web_step.h"

/* ---- its events ---- */

static size_t size_of(const mo_event *e)
{
	return e->topic.len + e->name.len + e->id.len + e->data.len + 4 * sizeof(uint32_t);
}

static mo_event *event_at(const mo_web_step *s, size_t n)
{
	return *(mo_event **)mo_queue_at(&s->events, sizeof(mo_event *), n);
}

static void queue(mo_web_step *s, mo_event *e)
{
	*(mo_event **)mo_queue_add(&s->events, sizeof(e)) = e;
	s->event_bytes += size_of(e);
}

static void on_event(mo_subscriber *sub, mo_delivery *d)
{
	mo_web_step *s = MO_CONTAINER_OF(sub, mo_web_step, sub);

	if (s->events.count && s->event_bytes + size_of(d->event) > s->max_queue)
		s->overrun = true;
	if (!s->overrun)
		queue(s, mo_event_ref((mo_event *)(uintptr_t)d->event));
	mo_step_wake(s->wait);
}

mo_event *mo_web_step_next(mo_web_step *s)
{
	mo_event *e;

	if (s->events.count == 0)
		return NULL;
	e = event_at(s, 0);
	mo_queue_drop(&s->events);
	s->event_bytes -= size_of(e);
	return e;
}

void mo_web_step_deaf(mo_web_step *s)
{
	mo_event *e;

	mo_unsubscribe_all(&s->sub);
	while ((e = mo_web_step_next(s)) != NULL)
		mo_event_unref(e);
	s->overrun = false;
}

/* ---- life ---- */

static void gone(void *arg)
{
	mo_web_step_free(arg);
}

static void put_events(const mo_web_step *s, mo_buf *out)
{
	mo_buf all = { 0 };

	for (size_t i = 0; i < s->events.count; i++) {
		const mo_event *e = event_at(s, i);

		mo_blob_put(&all, e->topic);
		mo_blob_put(&all, e->name);
		mo_blob_put(&all, e->id);
		mo_blob_put(&all, e->data);
	}
	if (all.len)
		mo_blob_put(out, mo_strn(all.data, all.len));
	mo_buf_free(&all);
}

static void state(void *arg, mo_buf *out)
{
	mo_web_step *s = arg;

	mo_blob_put(out, mo_strn(s->parts.data, s->parts.len));
	mo_subscriber_topics(&s->sub, out);
	put_events(s, out);
}

/* That events were lost is told where they were. */
static size_t size(const void *arg)
{
	const mo_web_step *s = arg;

	return s->overrun ? MO_PACK_BYTES : s->parts.len + MO_TOPIC_MAX + s->event_bytes;
}

static const mo_step_user user = { .gone = gone, .state = state, .size = size };

static mo_web_step *step_new(mo_loop *l, const mo_http_limits *lim)
{
	mo_web_step *s = mo_calloc(1, sizeof(*s));

	s->loop = l;
	s->max_queue = lim->ws_max_queue;
	mo_subscriber_init(&s->sub, on_event);
	return s;
}

mo_web_step *mo_web_step_new(mo_loop *l, const mo_http_limits *lim)
{
	mo_web_step *s = step_new(l, lim);

	s->wait = mo_step_new(&user, s);
	return s;
}

void mo_web_step_free(mo_web_step *s)
{
	mo_web_step_deaf(s);
	if (s->event)
		mo_event_unref(s->event);
	if (s->wait)
		mo_step_free(s->wait);
	mo_queue_free(&s->events);
	mo_buf_free(&s->state);
	mo_buf_free(&s->next_state);
	mo_buf_free(&s->parts);
	mo_buf_free(&s->topics);
	free(s);
}

/* The request's end, if it did not hand it on. */
static void release(void *arg)
{
	mo_web *w = arg;

	if (w->step)
		mo_web_step_free(w->step);
	w->step = NULL;
}

void mo_web_step_own(mo_web *w, mo_web_step *s)
{
	w->step = s;
	mo_arena_defer(&w->req->arena, release, w);
}

/* ---- from part to part ---- */

static void put_params(mo_web *w, mo_buf *out)
{
	for (unsigned i = 0; i < w->match.nparams; i++) {
		molt_str name = w->match.params[i].name;
		const char *text = mo_arena_strndup(&w->req->arena, name.ptr, name.len);

		mo_blob_put(out, name);
		mo_blob_put(out, mo_str(molt_req_param(w->req, text)));
	}
}

static void write_parts(mo_web *w, mo_web_step *s)
{
	mo_buf params = { 0 };

	put_params(w, &params);
	s->parts.len = 0;
	mo_req_body_as_sent(w, true);
	mo_step_parts_write_fixed(
		&(mo_step_parts){ .name = mo_str(s->next->name),
				  .state = mo_strn(s->next_state.data, s->next_state.len),
				  .body = mo_strn(w->body.data, w->body.len),
				  .has_body = w->has_body,
				  .error_page = w->error_page,
				  .params = mo_strn(params.data, params.len) },
		&s->parts);
	mo_req_body_as_sent(w, false);
	mo_buf_free(&params);
}

bool mo_web_step_wait(molt_req *r)
{
	mo_web *w = mo_web_of(r);
	mo_web_step *s = w->step;
	int err;

	if (!s->next || w->sse || w->failed)
		return false;
	write_parts(w, s);
	mo_step_set(s->wait, s->delay, s->sub.count > 0);
	if (s->events.count || s->overrun)
		mo_step_wake(s->wait);
	w->step = NULL;
	err = mo_out_is_staged(r) ? -EBUSY : r->ops->suspend(r, s->wait);
	if (err == 0)
		return true;
	w->step = s;
	w->failed = err == -EPIPE || err == -ETIMEDOUT ? err : 0;
	if (!w->failed && molt_res_error(r, 500, "too much to keep for a step") < 0)
		r->cut = true;
	return false;
}

mo_web_step *mo_web_step_wait_here(molt_req *r)
{
	mo_web *w = mo_web_of(r);
	mo_web_step *s = w->step;

	if (!s || !s->next || w->sse || w->failed || r->finished)
		return NULL;
	write_parts(w, s);
	mo_req_drop_body(w);
	mo_step_set(s->wait, s->delay, s->sub.count > 0);
	if (s->events.count || s->overrun)
		mo_step_wake(s->wait);
	w->failed = mo_step_wait_here(s->wait, r);
	if (w->failed)
		return NULL;
	w->step = NULL;
	return s;
}

static void take_params(mo_web *w, molt_str list)
{
	mo_arena *a = &w->req->arena;
	molt_str name, value;

	w->match.nparams = 0;
	w->match.takes_rest = false;
	while (mo_blob_get(&list, &name) && mo_blob_get(&list, &value)) {
		mo_param *p = &w->match.params[w->match.nparams++];

		p->name = mo_strn(mo_arena_strndup(a, name.ptr, name.len), name.len);
		p->value = mo_strn(mo_arena_strndup(a, value.ptr, value.len), value.len);
	}
	w->decoded = UINT32_MAX;
}

static void take_event(mo_web_step *s)
{
	if (s->event)
		mo_event_unref(s->event);
	s->event = mo_web_step_next(s);
	if (s->event)
		s->news = (molt_news){ .topic = s->event->topic.ptr,
				       .event = s->event->name.ptr,
				       .id = s->event->id.ptr,
				       .data = s->event->data };
}

void mo_web_step_load(mo_web *w, mo_web_step *s)
{
	molt_req *r = w->req;
	const mo_bound_step *b = s->next;
	mo_step_parts p;

	MO_CHECK(mo_step_parts_read_fixed(mo_strn(s->parts.data, s->parts.len), &p));
	mo_web_step_own(w, s);
	w->route = &b->route;
	w->last = b->route.handler;
	w->match.pattern = b->label;
	if (b->route.opts.stack_size)
		r->stack_size = b->route.opts.stack_size;
	w->error_page = p.error_page;
	take_params(w, p.params);
	if (p.has_body)
		mo_req_put_body(r, p.body);
	take_event(s);
	s->state.len = 0;
	mo_buf_str(&s->state, p.state);
	mo_buf_putc(&s->state, '\0');
	s->state.len--;
	s->next = NULL;
	mo_buf_free(&s->parts);
}

/* ---- the taker ---- */

/* They come in their thousands: a line a second is enough. */
static void say_missing(const molt_server *server, molt_str name)
{
	static _Atomic molt_time said = INT64_MIN / 2;
	molt_time now = mo_now();

	if (now - atomic_load(&said) < MOLT_SECOND)
		return;
	atomic_store(&said, now);
	mo_warn("a request that waits for step %.*s is left to the former generation: server %s "
		"has no such step",
		(int)name.len, name.ptr, server->name);
}

static bool restore(mo_web_step *s, molt_server *server, molt_str part)
{
	mo_step_parts p;

	if (!mo_step_parts_read(part, &p))
		return false;
	s->next = mo_step_find(server, p.name);
	if (!s->next) {
		say_missing(server, p.name);
		return false;
	}
	mo_buf_str(&s->parts, p.fixed);
	mo_buf_str(&s->topics, p.topics);
	while (p.events.len)
		queue(s, mo_step_parts_event(&p.events));
	if (s->events.count)
		mo_step_wake(s->wait);
	return true;
}

static void *restored(mo_loop *l, molt_server *server, molt_str from)
{
	mo_web_step *s = step_new(l, &server->http.lim);
	molt_str part;

	s->wait = mo_step_restore(&user, s, from, &part);
	if (s->wait && restore(s, server, part))
		return s;
	mo_web_step_free(s);
	return NULL;
}

static void *wait_of(void *arg)
{
	return ((mo_web_step *)arg)->wait;
}

static void taken(void *arg, mo_event *const *missed, size_t n)
{
	mo_web_step *s = arg;

	mo_subscriber_go_on(s->loop, &s->sub, &s->topics, missed, n);
}

const mo_restorer mo_step_restorer = { &mo_protocol_step, restored, wait_of, taken, gone };
