/* Topics: who wants which events, by name.  Each loop has its own table, so that
 * an event is given out without a lock; publishing goes through the control
 * thread (gen/transfer/event_bus.h), which also reaches the neighbouring generations. */
#ifndef MO_WEB_LIVE_TOPIC_H
#define MO_WEB_LIVE_TOPIC_H

#include "base/buf.h"
#include "base/list.h"
#include "base/str.h"
#include "gen/transfer/event_bus.h"
#include "rt/loop.h"

#define MO_TOPIC_MAX 128u  /* bytes of a name */
#define MO_TOPICS_EACH 64u /* of one subscriber */

typedef struct mo_delivery {
	const mo_event *event;
	mo_buf sse; /* its text as an event stream has it; made when first asked for */
} mo_delivery;

typedef struct mo_subscriber {
	void (*event)(struct mo_subscriber *s, mo_delivery *d);
	mo_list topics; /* of its subscriptions */
	unsigned count;
} mo_subscriber;

void mo_subscriber_init(mo_subscriber *s, void (*event)(mo_subscriber *s, mo_delivery *d));

/* 1 to MO_TOPIC_MAX bytes, no NUL. */
static inline bool mo_topic_is_name(molt_str name)
{
	return name.len > 0 && name.len <= MO_TOPIC_MAX && !memchr(name.ptr, 0, name.len);
}

/* All on the loop's thread. */

/* 0, also when it has it already; -EINVAL: no good name; -ENOSPC: too many. */
int mo_subscribe(mo_loop *l, mo_subscriber *s, molt_str topic);
bool mo_subscribes(const mo_subscriber *s, molt_str topic);
void mo_unsubscribe_all(mo_subscriber *s);
/* Appends the names of its topics, each behind its length; see base/blob.h. */
void mo_subscriber_topics(const mo_subscriber *s, mo_buf *out);
/* What came from a former generation: subscribes to the topics, as above, frees these, and
 * gives it those of the n events that it missed and that are of its topics. */
void mo_subscriber_go_on(mo_loop *l, mo_subscriber *s, mo_buf *topics, mo_event *const *missed,
			 size_t n);
molt_str mo_delivery_sse(mo_delivery *d);
/* The event-stream text of one event; name and id may be empty. */
void mo_sse_format(mo_buf *out, molt_str name, molt_str id, molt_str data);

/* Gives an event to every subscriber of this process. [any] */
void mo_topics_deliver(mo_event *e);
void mo_topics_fini(mo_loop *l); /* the last subscriber is gone */

#endif
