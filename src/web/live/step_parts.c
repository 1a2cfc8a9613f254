/* What the web layer adds to a request that waits, as bytes; see web_step.h.  They
 * may come from another process, so reading trusts no length, number or name. */
#include "base/blob.h"
#include "base/str.h"
#include "web/live/web_step.h"

enum { HAS_BODY = 1, ERROR_PAGE = 2 };

void mo_step_parts_write_fixed(const mo_step_parts *p, mo_buf *out)
{
	char flags = (char)((p->has_body ? HAS_BODY : 0) | (p->error_page ? ERROR_PAGE : 0));

	mo_blob_put(out, mo_strn(&flags, 1));
	mo_blob_put(out, p->name);
	mo_blob_put(out, p->state);
	mo_blob_put(out, p->body);
	mo_blob_put(out, p->params);
}

/* How many blobs the list has; -1: it is none. */
static int count(molt_str list)
{
	molt_str one;
	int n = 0;

	while (list.len) {
		if (!mo_blob_get(&list, &one))
			return -1;
		n++;
	}
	return n;
}

static bool good_topics(molt_str list)
{
	int n = count(list);
	molt_str name;

	if (n < 0 || n > (int)MO_TOPICS_EACH)
		return false;
	while (mo_blob_get(&list, &name))
		if (!mo_topic_is_name(name))
			return false;
	return true;
}

bool mo_step_parts_read_fixed(molt_str from, mo_step_parts *out)
{
	molt_str flags;
	int n;

	*out = (mo_step_parts){ .fixed = from };
	if (!mo_blob_get(&from, &flags) || flags.len != 1 ||
	    flags.ptr[0] & ~(HAS_BODY | ERROR_PAGE))
		return false;
	out->has_body = flags.ptr[0] & HAS_BODY;
	out->error_page = flags.ptr[0] & ERROR_PAGE;
	if (!mo_blob_get(&from, &out->name) || !mo_blob_get(&from, &out->state) ||
	    !mo_blob_get(&from, &out->body) || !mo_blob_get(&from, &out->params) || from.len)
		return false;
	n = count(out->params);
	return out->name.len > 0 && out->name.len <= MO_STEP_NAME &&
	       out->state.len <= MOLT_STATE_MAX && (out->has_body || !out->body.len) && n >= 0 &&
	       n % 2 == 0 && n / 2 <= MO_MAX_PARAMS;
}

mo_event *mo_step_parts_event(molt_str *events)
{
	molt_str topic, name, id, data;

	if (!mo_blob_get(events, &topic) || !mo_blob_get(events, &name) ||
	    !mo_blob_get(events, &id) || !mo_blob_get(events, &data) || !mo_topic_is_name(topic) ||
	    !mo_event_is_lined(name, id) || topic.len + name.len + id.len + data.len > MO_EVENT_MAX)
		return NULL;
	return mo_event_new(topic, name, id, data);
}

static bool good_events(molt_str list)
{
	while (list.len) {
		mo_event *e = mo_step_parts_event(&list);

		if (!e)
			return false;
		mo_event_unref(e);
	}
	return true;
}

/* A side that knows of no events sends none, and leaves a request with some where it is. */
bool mo_step_parts_read(molt_str from, mo_step_parts *out)
{
	molt_str fixed, topics, events = { "", 0 };

	if (!mo_blob_get(&from, &fixed) || !mo_blob_get(&from, &topics) ||
	    (from.len && !mo_blob_get(&from, &events)) || from.len ||
	    !mo_step_parts_read_fixed(fixed, out) || !good_topics(topics) || !good_events(events))
		return false;
	out->topics = topics;
	out->events = events;
	return true;
}
