/* Events between generations; see event_bus.h. */
#include "gen/transfer/event_bus.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "gen/control.h"
#include "gen/self.h"
#include "gen/wire/messages.h"
#include "rt/park.h"

#define KEPT_MAX (8u * 1024 * 1024)
#define RETRY 16 /* ms until a full channel is tried again */

/* ---- events ---- */

static molt_str put(char **at, molt_str s)
{
	char *p = *at;

	if (s.len)
		memcpy(p, s.ptr, s.len);
	p[s.len] = '\0';
	*at = p + s.len + 1;
	return (molt_str){ p, s.len };
}

static bool is_lined(molt_str s)
{
	return s.len == 0 || (!memchr(s.ptr, '\n', s.len) && !memchr(s.ptr, '\r', s.len) &&
			      !memchr(s.ptr, '\0', s.len));
}

bool mo_event_is_lined(molt_str name, molt_str id)
{
	return is_lined(name) && is_lined(id);
}

mo_event *mo_event_new(molt_str topic, molt_str name, molt_str id, molt_str data)
{
	size_t n = topic.len + name.len + id.len + data.len;
	mo_event *e = mo_malloc(sizeof(*e) + n + 4);
	char *at = e->bytes;

	MO_CHECK(n <= MO_EVENT_MAX);
	atomic_init(&e->refs, 1);
	e->topic = put(&at, topic);
	e->name = put(&at, name);
	e->id = put(&at, id);
	e->data = put(&at, data);
	return e;
}

mo_event *mo_event_ref(mo_event *e)
{
	atomic_fetch_add_explicit(&e->refs, 1, memory_order_relaxed);
	return e;
}

void mo_event_unref(mo_event *e)
{
	if (atomic_fetch_sub_explicit(&e->refs, 1, memory_order_acq_rel) == 1)
		free(e);
}

static size_t size_of(const mo_event *e)
{
	return sizeof(*e) + e->topic.len + e->name.len + e->id.len + e->data.len;
}

/* ---- links ---- */

typedef struct item {
	mo_list node;
	mo_event *event;
} item;

typedef struct neighbour {
	struct neighbour *next; /* of those above */
	int fd;                 /* borrowed; -1: there is none */
	bool broken;            /* nothing goes there any more */
	bool pinned;            /* nothing that is kept or unsent is dropped */
	bool gives_way;         /* something else waits for room in the channel */
	mo_list unsent;
	mo_timer retry;
	/* of one above */
	mo_list kept;    /* sent, and not yet seen */
	uint64_t number; /* of the newest event that was queued */
	uint64_t first;  /* of the oldest that is kept or unsent */
	size_t kept_bytes;
} neighbour;

static struct {
	bool ready;
	neighbour *ups;
	neighbour down;
	bool held;
	size_t before; /* unsent ones from before the hold */
	uint64_t seen, told;
} r;

static void pump(neighbour *l);

static void on_retry(mo_timer *t)
{
	pump(MO_CONTAINER_OF(t, neighbour, retry));
}

static void neighbour_init(neighbour *l, int fd)
{
	*l = (neighbour){ .fd = fd, .first = 1 };
	mo_list_init(&l->unsent);
	mo_list_init(&l->kept);
	mo_timer_init(&l->retry, on_retry);
}

static void init(void)
{
	if (r.ready)
		return;
	r.ready = true;
	neighbour_init(&r.down, -1);
}

static neighbour *above(int fd)
{
	for (neighbour *l = r.ups; l; l = l->next)
		if (l->fd == fd)
			return l;
	return NULL;
}

static void drop_item(item *i)
{
	mo_list_remove(&i->node);
	mo_event_unref(i->event);
	free(i);
}

static item *first_of(mo_list *l)
{
	return mo_list_empty(l) ? NULL : MO_CONTAINER_OF(l->next, item, node);
}

static void drop_all(mo_list *l)
{
	item *i;

	while ((i = first_of(l)) != NULL)
		drop_item(i);
}

static void drop_oldest_kept(neighbour *l)
{
	item *i = first_of(&l->kept);

	l->kept_bytes -= size_of(i->event);
	drop_item(i);
	l->first++;
}

/* Nothing more goes there, and nobody can be taken from there without missing some.  One
 * that has ended misses nothing; else events are lost from here on. */
static void give_up(neighbour *l, int rc)
{
	if (rc != -EPIPE && rc != -ECONNRESET)
		mo_warn("events do not reach the %s generation any more: %s",
			l == &r.down ? "next" : "former", strerror(-rc));
	l->broken = true;
	if (!l->pinned)
		drop_all(&l->unsent);
}

static int send_event(int fd, const mo_event *e)
{
	molt_str pieces[] = { e->topic, e->name, e->id, e->data };

	return mo_wire_send_blob(fd,
				 mo_message_new(MO_MSG_EVENT, "{s:[I, I, I]}", "parts",
						(json_int_t)e->topic.len, (json_int_t)e->name.len,
						(json_int_t)e->id.len),
				 NULL, 0, pieces, MO_COUNTOF(pieces));
}

static mo_event *read_event(const mo_wire_msg *m)
{
	molt_str s = m->blob, part[3];
	json_int_t len[3];

	if (json_unpack(m->body, "{s:[I, I, I]}", "parts", &len[0], &len[1], &len[2]) < 0 ||
	    s.len > MO_EVENT_MAX)
		return NULL;
	for (int i = 0; i < 3; i++) {
		if (len[i] < 0 || (size_t)len[i] > s.len)
			return NULL;
		part[i] = (molt_str){ s.ptr, (size_t)len[i] };
		s = (molt_str){ s.ptr + len[i], s.len - (size_t)len[i] };
	}
	return mo_event_is_lined(part[1], part[2]) ? mo_event_new(part[0], part[1], part[2], s)
						   : NULL;
}

static void sent(neighbour *l, item *i)
{
	if (l != &r.down) {
		mo_list_remove(&i->node);
		mo_list_append(&l->kept, &i->node);
		return;
	}
	if (r.held)
		r.before--;
	drop_item(i);
}

/* Sends what may be sent now. */
static void pump(neighbour *l)
{
	item *i;

	mo_timer_stop(mo_control_loop(), &l->retry);
	while (l->fd >= 0 && !l->broken && !l->gives_way && (i = first_of(&l->unsent)) != NULL) {
		int rc;

		if (l == &r.down && r.held && r.before == 0)
			return;
		rc = send_event(l->fd, i->event);
		if (rc == -EAGAIN) {
			mo_timer_start(mo_control_loop(), &l->retry, RETRY);
			return;
		}
		if (rc < 0) {
			give_up(l, rc);
			return;
		}
		sent(l, i);
	}
}

static void limit(neighbour *l)
{
	while (!l->pinned && l->kept_bytes > KEPT_MAX && !mo_list_empty(&l->kept))
		drop_oldest_kept(l);
	if (!l->pinned && !l->broken && l->kept_bytes > KEPT_MAX)
		give_up(l, -ENOBUFS);
}

static void enqueue(neighbour *l, mo_event *e)
{
	item *i;

	if (l->fd < 0 || (l->broken && !l->pinned))
		return;
	i = mo_malloc(sizeof(*i));
	i->event = mo_event_ref(e);
	mo_list_init(&i->node);
	mo_list_append(&l->unsent, &i->node);
	if (l != &r.down) {
		l->number++;
		l->kept_bytes += size_of(e);
		limit(l);
	}
	pump(l);
}

/* To every neighbour but the one that it came from. */
static void pass_on(mo_event *e, const neighbour *from)
{
	for (neighbour *l = r.ups; l; l = l->next)
		if (l != from)
			enqueue(l, e);
	if (from != &r.down)
		enqueue(&r.down, e);
}

static void close_link(neighbour *l)
{
	mo_timer_stop(mo_control_loop(), &l->retry);
	drop_all(&l->unsent);
	drop_all(&l->kept);
	l->fd = -1;
}

/* ---- publishing ---- */

static void publish(void *arg)
{
	mo_event *e = arg;

	init();
	mo_self_host()->event(e);
	pass_on(e, NULL);
	mo_event_unref(e);
}

bool mo_event_bus_publish(mo_event *e)
{
	return mo_control_post(publish, e);
}

/* ---- down ---- */

void mo_event_bus_down_open(int fd)
{
	init();
	r.down.fd = fd;
	r.down.broken = false;
	r.seen = r.told = 0;
	r.held = false;
}

void mo_event_bus_down_close(void)
{
	init();
	close_link(&r.down);
	r.held = false;
}

static size_t count(const mo_list *l)
{
	size_t n = 0;

	for (const mo_list *at = l->next; at != l; at = at->next)
		n++;
	return n;
}

uint64_t mo_event_bus_hold(void)
{
	init();
	r.held = true;
	r.before = count(&r.down.unsent);
	return r.seen;
}

void mo_event_bus_settle(void)
{
	pump(&r.down);
	while (r.down.fd >= 0 && !r.down.broken && r.before > 0) {
		mo_co_sleep(1);
		pump(&r.down);
	}
}

void mo_event_bus_release(void)
{
	r.held = false;
	pump(&r.down);
}

void mo_event_bus_from_below(const mo_wire_msg *m)
{
	mo_event *e = read_event(m);

	init();
	r.seen++;
	if (!e)
		return;
	mo_self_host()->event(e);
	pass_on(e, &r.down);
	mo_event_unref(e);
}

void mo_event_bus_tell_seen(void)
{
	if (!r.ready || r.down.fd < 0 || r.down.broken || r.told == r.seen)
		return;
	if (mo_wire_send(r.down.fd,
			 mo_message_new(MO_MSG_SEEN, "{s:I}", "seen", (json_int_t)r.seen), NULL,
			 0) == 0)
		r.told = r.seen;
}

/* ---- up ---- */

void mo_event_bus_up_open(int fd)
{
	neighbour *l = mo_malloc(sizeof(*l));

	init();
	neighbour_init(l, fd);
	l->next = r.ups;
	r.ups = l;
}

static void forget(neighbour *l)
{
	neighbour **at = &r.ups;

	while (*at != l)
		at = &(*at)->next;
	*at = l->next;
	free(l);
}

void mo_event_bus_up_close(int fd)
{
	neighbour *l = above(fd);

	if (!l)
		return;
	close_link(l);
	forget(l);
}

void mo_event_bus_from_above(int fd, const mo_wire_msg *m)
{
	mo_event *e = read_event(m);

	init();
	if (!e)
		return;
	mo_self_host()->event(e);
	pass_on(e, above(fd));
	mo_event_unref(e);
}

void mo_event_bus_seen(int fd, uint64_t number)
{
	neighbour *l = above(fd);

	while (l && l->first <= number && !mo_list_empty(&l->kept))
		drop_oldest_kept(l);
}

bool mo_event_bus_pin(int fd)
{
	neighbour *l = above(fd);

	if (!l || l->broken)
		return false;
	l->pinned = true;
	return true;
}

void mo_event_bus_unpin(int fd)
{
	neighbour *l = above(fd);

	if (!l)
		return;
	l->pinned = false;
	limit(l);
	if (l->broken)
		drop_all(&l->unsent);
}

void mo_event_bus_give_way(int fd)
{
	neighbour *l = above(fd);

	if (l)
		l->gives_way = true;
}

void mo_event_bus_go_on(int fd)
{
	neighbour *l = above(fd);

	if (!l)
		return;
	l->gives_way = false;
	pump(l);
}

int mo_event_bus_missed(int fd, uint64_t number, mo_event ***out, size_t *n)
{
	neighbour *l = above(fd);
	mo_list *lists[2];
	uint64_t at;

	*out = NULL;
	*n = 0;
	if (!l || (l->broken && !l->pinned) || number + 1 < l->first || number > l->number)
		return -ENOENT;
	lists[0] = &l->kept;
	lists[1] = &l->unsent;
	*out = mo_calloc((size_t)(l->number - number) + 1, sizeof(**out));
	at = l->first;
	for (size_t k = 0; k < MO_COUNTOF(lists); k++)
		MO_LIST_EACH (node, lists[k])
			if (at++ > number)
				(*out)[(*n)++] =
					mo_event_ref(MO_CONTAINER_OF(node, item, node)->event);
	return 0;
}

/* ---- the sides change ---- */

static void take_unsent(mo_list *from, mo_list *to)
{
	item *i;

	while ((i = first_of(from)) != NULL) {
		mo_list_remove(&i->node);
		mo_list_append(to, &i->node);
	}
}

void mo_event_bus_turn_up(int fd)
{
	neighbour *l;
	bool broken = r.down.broken;

	mo_event_bus_up_open(fd);
	l = r.ups;
	l->broken = broken;
	take_unsent(&r.down.unsent, &l->unsent);
	MO_LIST_EACH (node, &l->unsent) {
		l->number++;
		l->kept_bytes += size_of(MO_CONTAINER_OF(node, item, node)->event);
	}
	mo_event_bus_down_close();
	pump(l);
}

void mo_event_bus_turn_down(int fd)
{
	neighbour *l = above(fd);
	bool broken = !l || l->broken;

	mo_event_bus_down_open(fd);
	r.down.broken = broken;
	if (l)
		take_unsent(&l->unsent, &r.down.unsent);
	mo_event_bus_up_close(fd);
	pump(&r.down);
}
