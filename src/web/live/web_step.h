/* Requests that wait without a stack, as the web layer keeps them.
 *
 *   step_bind.c   named steps
 *   web_step.c        molt_continue() and what a step asks for
 *   step_move.c   between two parts, and between two generations
 *   step_parts.c  the bytes
 *
 * One mo_web_step goes with a request from its first molt_continue() on:
 *
 *   owner                      until
 *   the request (mo_web.step)  the handler has returned after molt_continue()
 *   mo_step, while it waits    resume(): the next part's mo_web; or gone()
 *
 * What a part was given lives until the next one begins; events that come while
 * a part runs wait in the queue for the next molt_continue_on().  One that has an
 * event to give does not move, it runs: the queue never travels. */
#ifndef MO_WEB_LIVE_WEB_STEP_H
#define MO_WEB_LIVE_WEB_STEP_H

#include "base/queue.h"
#include "http/h1/step.h"
#include "web/core/group.h"
#include "web/core/request.h"
#include "web/live/topic.h"

#define MO_STEP_NAME 64u

/* What molt_step_bind() bound; in the server's list, in the groups' arena. */
typedef struct mo_bound_step {
	struct mo_bound_step *next;
	const char *name, *label; /* label: for the watchdog */
	mo_route route;           /* without a group: handler, arg, options */
} mo_bound_step;

typedef struct mo_web_step {
	mo_step *wait; /* owned */
	mo_loop *loop;
	size_t max_queue;
	mo_subscriber sub;
	mo_queue events; /* of mo_event *: that came and were not yet given */
	size_t event_bytes;
	bool overrun; /* more came than max_queue */
	/* Of the part that runs. */
	mo_event *event; /* that woke it; NULL */
	molt_news news;  /* ... as the program sees it */
	mo_buf state;
	/* Of the one that is to come. */
	const mo_bound_step *next; /* NULL: the request ends */
	mo_buf next_state;
	molt_time delay;
	mo_buf parts;  /* while it waits */
	mo_buf topics; /* restored: to subscribe when it is taken */
} mo_web_step;

/* ---- step_bind.c ---- */

const mo_bound_step *mo_step_find(const molt_server *s, molt_str name);

/* ---- step_move.c ---- */

mo_web_step *mo_web_step_new(mo_loop *l, const mo_http_limits *lim);
void mo_web_step_free(mo_web_step *s); /* not waiting */
/* The part of r has returned: true when the request waits now. */
bool mo_web_step_wait(molt_req *r);
/* The same where the exchange has ops->wait, in its coroutine: the step, when the request is
 * to go on with it; NULL: it does not wait, or its client has gone.  [parks] */
mo_web_step *mo_web_step_wait_here(molt_req *r);
/* w's request owns s from here on. */
void mo_web_step_own(mo_web *w, mo_web_step *s);
/* w becomes the next part of what has waited. */
void mo_web_step_load(mo_web *w, mo_web_step *s);
/* Takes the oldest event that came and was not yet given; NULL: none. */
mo_event *mo_web_step_next(mo_web_step *s);
/* Forgets the topic and its events. */
void mo_web_step_deaf(mo_web_step *s);

/* ---- step_parts.c ---- */

/* The web layer's bytes.  Lists: blobs behind one another. */
typedef struct mo_step_parts {
	molt_str fixed;                     /* these five */
	molt_str name, state, body, params; /* params: names and values in turn */
	bool has_body, error_page;
	molt_str topics;
	molt_str events; /* topic, name, id and data in turn; none: not there */
} mo_step_parts;

void mo_step_parts_write_fixed(const mo_step_parts *p, mo_buf *out);
/* The strings point into from.  false: not understood. */
bool mo_step_parts_read(molt_str from, mo_step_parts *out);
/* The first of such a list, which is the rest then; NULL: it is none. */
mo_event *mo_step_parts_event(molt_str *events);
bool mo_step_parts_read_fixed(molt_str from, mo_step_parts *out);

#endif
