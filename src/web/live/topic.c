/* Subscriptions of each loop, and publishing; see topic.h. */
#include "web/live/topic.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/blob.h"
#include "base/check.h"
#include "base/mem.h"
#include "base/str.h"
#include "web/core/loops.h"

#define BUCKETS 256u

typedef struct subject {
	mo_list node; /* in its bucket */
	mo_list subscriptions;
	molt_str name;
	char text[];
} subject;

typedef struct subscription {
	mo_list in_topic, in_subscriber;
	subject *subject;
	mo_subscriber *subscriber;
} subscription;

/* Of one loop: its slot MO_SLOT_WEB. */
typedef struct table {
	mo_list buckets[BUCKETS];
} table;

static table *table_of(mo_loop *l)
{
	table *t = l->slot[MO_SLOT_WEB];

	if (t)
		return t;
	t = l->slot[MO_SLOT_WEB] = mo_malloc(sizeof(*t));
	for (unsigned i = 0; i < BUCKETS; i++)
		mo_list_init(&t->buckets[i]);
	return t;
}

void mo_topics_fini(mo_loop *l)
{
	table *t = l->slot[MO_SLOT_WEB];

	for (unsigned i = 0; t && i < BUCKETS; i++)
		MO_CHECK(mo_list_empty(&t->buckets[i]));
	l->slot[MO_SLOT_WEB] = NULL;
	free(t);
}

static mo_list *bucket_of(table *t, molt_str name)
{
	uint32_t h = 2166136261u;

	for (size_t i = 0; i < name.len; i++)
		h = (h ^ (uint8_t)name.ptr[i]) * 16777619u;
	return &t->buckets[h % BUCKETS];
}

static subject *find(mo_list *bucket, molt_str name)
{
	MO_LIST_EACH (node, bucket) {
		subject *t = MO_CONTAINER_OF(node, subject, node);

		if (mo_str_eq(t->name, name))
			return t;
	}
	return NULL;
}

static subject *topic_new(mo_list *bucket, molt_str name)
{
	subject *t = mo_malloc(sizeof(*t) + name.len);

	memcpy(t->text, name.ptr, name.len);
	t->name = mo_strn(t->text, name.len);
	mo_list_init(&t->subscriptions);
	mo_list_append(bucket, &t->node);
	return t;
}

/* ---- subscribers ---- */

void mo_subscriber_init(mo_subscriber *s, void (*event)(mo_subscriber *s, mo_delivery *d))
{
	s->event = event;
	s->count = 0;
	mo_list_init(&s->topics);
}

bool mo_subscribes(const mo_subscriber *s, molt_str name)
{
	for (const mo_list *at = s->topics.next; at != &s->topics; at = at->next)
		if (mo_str_eq(((const subscription *)(const void *)((const char *)at -
								    offsetof(subscription,
									     in_subscriber)))
				      ->subject->name,
			      name))
			return true;
	return false;
}

int mo_subscribe(mo_loop *l, mo_subscriber *s, molt_str name)
{
	mo_list *bucket = bucket_of(table_of(l), name);
	subscription *sub;
	subject *t;

	if (!mo_topic_is_name(name))
		return -EINVAL;
	if (mo_subscribes(s, name))
		return 0;
	if (s->count == MO_TOPICS_EACH)
		return -ENOSPC;
	t = find(bucket, name);
	if (!t)
		t = topic_new(bucket, name);
	sub = mo_malloc(sizeof(*sub));
	sub->subject = t;
	sub->subscriber = s;
	mo_list_append(&t->subscriptions, &sub->in_topic);
	mo_list_append(&s->topics, &sub->in_subscriber);
	s->count++;
	return 0;
}

void mo_unsubscribe_all(mo_subscriber *s)
{
	MO_LIST_EACH (node, &s->topics) {
		subscription *sub = MO_CONTAINER_OF(node, subscription, in_subscriber);
		subject *t = sub->subject;

		mo_list_remove(&sub->in_topic);
		mo_list_remove(&sub->in_subscriber);
		free(sub);
		if (mo_list_empty(&t->subscriptions)) {
			mo_list_remove(&t->node);
			free(t);
		}
	}
	s->count = 0;
}

void mo_subscriber_topics(const mo_subscriber *s, mo_buf *out)
{
	mo_buf names = { 0 };

	MO_LIST_EACH (node, (mo_list *)(uintptr_t)&s->topics)
		mo_blob_put(&names,
			    MO_CONTAINER_OF(node, subscription, in_subscriber)->subject->name);
	mo_blob_put(out, mo_strn(names.data, names.len));
	mo_buf_free(&names);
}

static void replay(mo_subscriber *s, mo_event *const *events, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		mo_delivery d = { .event = events[i] };

		if (mo_subscribes(s, events[i]->topic))
			s->event(s, &d);
		mo_buf_free(&d.sse);
	}
}

void mo_subscriber_go_on(mo_loop *l, mo_subscriber *s, mo_buf *topics, mo_event *const *missed,
			 size_t n)
{
	molt_str rest = mo_strn(topics->data, topics->len), name;

	while (mo_blob_get(&rest, &name))
		(void)mo_subscribe(l, s, name);
	mo_buf_free(topics);
	replay(s, missed, n);
}

/* ---- the text of event streams ---- */

/* One "data:" line for each line. */
void mo_sse_format(mo_buf *out, molt_str name, molt_str id, molt_str data)
{
	molt_str rest = data;

	if (id.len)
		mo_buf_fmt(out, "id: %s\n", id.ptr);
	if (name.len)
		mo_buf_fmt(out, "event: %s\n", name.ptr);
	do {
		size_t n = 0;

		while (n < rest.len && rest.ptr[n] != '\n' && rest.ptr[n] != '\r')
			n++;
		mo_buf_puts(out, "data: ");
		mo_buf_add(out, rest.ptr, n);
		mo_buf_putc(out, '\n');
		if (n < rest.len) /* CR LF is one end */
			n += n + 1 < rest.len && rest.ptr[n] == '\r' && rest.ptr[n + 1] == '\n' ? 2
												: 1;
		else
			break;
		rest = mo_strn(rest.ptr + n, rest.len - n);
	} while (true);
	mo_buf_putc(out, '\n');
}

molt_str mo_delivery_sse(mo_delivery *d)
{
	if (d->sse.len == 0)
		mo_sse_format(&d->sse, d->event->name, d->event->id, d->event->data);
	return mo_strn(d->sse.data, d->sse.len);
}

/* ---- publishing ---- */

static void give_out(void *arg)
{
	mo_event *e = arg;
	mo_loop *l = mo_loop_self();
	mo_delivery d = { .event = e };
	subject *t = l->slot[MO_SLOT_WEB] ? find(bucket_of(table_of(l), e->topic), e->topic) : NULL;

	if (t) {
		MO_LIST_EACH (node, &t->subscriptions) {
			mo_subscriber *s =
				MO_CONTAINER_OF(node, subscription, in_topic)->subscriber;

			s->event(s, &d);
		}
	}
	mo_buf_free(&d.sse);
	mo_event_unref(e);
}

void mo_topics_deliver(mo_event *e)
{
	for (int i = 0; i < mo_loops_count(); i++)
		if (!mo_loop_post(mo_loops_get(i), give_out, mo_event_ref(e)))
			mo_event_unref(e);
}

int molt_publish(const char *topic, const char *event, const char *id, const void *buf, size_t n)
{
	molt_str t = mo_str(topic ? topic : ""), name = mo_str(event ? event : ""),
		 number = mo_str(id ? id : ""), data = { n ? buf : "", n };
	mo_event *e;

	if (!mo_topic_is_name(t) || !mo_event_is_lined(name, number))
		return -EINVAL;
	if (n > MO_EVENT_MAX || t.len + name.len + number.len + n > MO_EVENT_MAX)
		return -EMSGSIZE;
	e = mo_event_new(t, name, number, data);
	if (!mo_event_bus_publish(e))
		mo_event_unref(e);
	return 0;
}
