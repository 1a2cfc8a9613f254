/* molt_continue() and its sisters; see molt.h and web_step.h. */
#include "web/live/web_step.h"

#include <errno.h>

#include "base/str.h"
#include "http/conn/out_chain.h"
#include "rt/pool.h"

struct call {
	molt_req *r;
	const mo_bound_step *step;
	molt_str topic; /* ptr NULL: none */
	molt_time delay;
	molt_str state;
	int result;
};

static int listen_to(mo_web_step *s, molt_str topic)
{
	if (s->overrun) {
		mo_web_step_deaf(s);
		return -ENOBUFS;
	}
	if (mo_subscribes(&s->sub, topic))
		return 0;
	mo_web_step_deaf(s);
	return mo_subscribe(s->loop, &s->sub, topic);
}

static void continue_on_loop(void *arg)
{
	struct call *c = arg;
	mo_web *w = mo_web_of(c->r);
	mo_buf state = { 0 };
	mo_web_step *s;

	if (!w->step)
		mo_web_step_own(w, mo_web_step_new(c->r->loop, &c->r->server->lim));
	s = w->step;
	if (c->topic.ptr)
		c->result = listen_to(s, c->topic);
	else
		mo_web_step_deaf(s);
	if (c->result < 0)
		return;
	mo_buf_str(&state, c->state); /* which may lie in what it replaces */
	mo_buf_free(&s->next_state);
	s->next_state = state;
	s->next = c->step;
	s->delay = c->delay;
}

/* The body is part of what waits, so it is read first. */
static int have_body(molt_req *r)
{
	mo_web *w = mo_web_of(r);

	if (w->body_error)
		return w->body_error;
	if (r->body_state == MO_BODY_NONE)
		return 0;
	if (w->route && w->route->opts.stream_body)
		return -EBUSY;
	return mo_req_read_body(r);
}

static int go_on(struct call *c, const char *step)
{
	molt_req *r = c->r;
	mo_web *w = mo_web_of(r);
	int err = w->failed;

	if (!err && r->finished)
		err = -EALREADY;
	if (!err && r->ops->broken(r))
		err = -EPIPE;
	if (!err && (w->sse || mo_out_is_staged(r)))
		err = -EBUSY;
	if (err)
		return err;
	c->step = mo_step_find(w->server, mo_str(step ? step : ""));
	if (!c->step)
		return -ENOENT;
	if (c->state.len > MOLT_STATE_MAX)
		return -EMSGSIZE;
	err = have_body(r);
	if (err)
		return err;
	mo_on_loop(continue_on_loop, c);
	return c->result;
}

int molt_continue(molt_req *r, const char *step, molt_time delay, const void *state, size_t len)
{
	struct call c = { .r = r, .delay = delay, .state = { len ? state : "", len } };

	return delay < 0 ? -EINVAL : go_on(&c, step);
}

int molt_continue_on(molt_req *r, const char *step, const char *topic, molt_time timeout,
		     const void *state, size_t len)
{
	struct call c = { .r = r,
			  .topic = mo_str(topic ? topic : ""),
			  .delay = timeout,
			  .state = { len ? state : "", len } };

	if (!mo_topic_is_name(c.topic) || timeout < MOLT_FOREVER)
		return -EINVAL;
	return go_on(&c, step);
}

const void *molt_req_state(const molt_req *r, size_t *len)
{
	mo_web_step *s = mo_web_of(r)->step;
	size_t n = s ? s->state.len : 0;

	if (len)
		*len = n;
	return n ? s->state.data : "";
}

const molt_news *molt_req_news(const molt_req *r)
{
	const mo_web_step *s = mo_web_of(r)->step;

	return s && s->event ? &s->news : NULL;
}
