/* The record of one restart; see receipt.h. */
#include "gen/receipt/receipt.h"

#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "gen/receipt/takeover_hold.h"
#include "gen/wire/wire.h"

static const char *const phase_names[] = { "REQUEST",  "PREFLIGHT", "SPAWN", "OFFER",
					   "INIT",     "READY",     "PROBE", "SWITCH",
					   "HANDOVER", "DRAIN",     "END" };

const char *mo_phase_name(enum mo_phase p)
{
	return phase_names[p];
}

double mo_fine_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e3 + (double)ts.tv_nsec / 1e6;
}

json_t *mo_receipt_ms(double ms)
{
	return json_real((double)(long long)(ms * 1000) / 1000);
}

/* Of the restart under way; -1: none.  Told to other threads. */
static _Atomic int running = -1;
static _Atomic molt_time running_since;

json_t *mo_receipt_running(void)
{
	int phase = atomic_load(&running);

	if (phase < 0)
		return json_null();
	return json_pack("{s:s, s:I}", "phase", phase_names[phase], "ms",
			 (json_int_t)(mo_now() - atomic_load(&running_since)));
}

mo_receipt *mo_receipt_new(unsigned generation, const char *target)
{
	static _Atomic unsigned serial;
	mo_receipt *r = mo_calloc(1, sizeof(*r));
	char *id = mo_fmt("%u.%d.%u", generation, (int)getpid(), atomic_fetch_add(&serial, 1) + 1);

	r->begun = mo_now();
	atomic_store(&running_since, r->begun);
	atomic_store(&running, MO_PHASE_REQUEST);
	r->phase_begun = mo_fine_now();
	r->body = json_pack("{s:s, s:i, s:s?, s:s, s:o, s:I, s:i, s:[]}", "id", id, "generation",
			    (int)generation, "target", target, "outcome", "running", "started",
			    mo_json_moment(mo_wall()), "begun", (json_int_t)r->begun, "pid",
			    (int)getpid(), "phases");
	free(id);
	return r;
}

void mo_receipt_free(mo_receipt *r)
{
	if (!r)
		return;
	json_decref(r->body);
	free(r);
}

void mo_receipt_phase(mo_receipt *r, enum mo_phase next)
{
	double now = mo_fine_now();

	json_array_append_new(json_object_get(r->body, "phases"),
			      json_pack("{s:s, s:o}", "phase", phase_names[r->phase], "ms",
					mo_receipt_ms(now - r->phase_begun)));
	r->phase = next;
	r->phase_begun = now;
	if (atomic_load(&running) >= 0)
		atomic_store(&running, next);
}

void mo_receipt_end(mo_receipt *r, const char *outcome, int code, const char *reason)
{
	enum mo_phase phase = r->phase;

	json_object_set_new(r->body, "phase", json_string(phase_names[phase]));
	json_object_set_new(r->body, "outcome", json_string(outcome));
	json_object_set_new(r->body, "errno", json_integer(code));
	json_object_set_new(r->body, "ms", json_integer(mo_now() - r->begun));
	if (reason)
		json_object_set_new(r->body, "reason", mo_json_text(reason));
	mo_receipt_phase(r, phase);
	atomic_store(&running, -1);
}

static struct {
	pthread_mutex_t lock;
	json_t *list; /* newest first */
	json_t *held; /* the same; what the list has no place for and holds a program */
	struct listener {
		void (*hear)(void *arg, const json_t *receipt);
		void *arg;
	} listeners[MO_RECEIPT_LISTENERS];
	size_t nlisteners;
} ring = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* ---- listeners --------------------------------------------------------------- */

/* With the lock held: where it stands, or the end. */
static size_t place_of(void (*hear)(void *arg, const json_t *receipt))
{
	size_t i = 0;

	while (i < ring.nlisteners && ring.listeners[i].hear != hear)
		i++;
	return i;
}

void mo_receipts_listen(void (*hear)(void *arg, const json_t *receipt), void *arg)
{
	size_t i;

	pthread_mutex_lock(&ring.lock);
	i = place_of(hear);
	MO_CHECK(i < MO_RECEIPT_LISTENERS);
	ring.listeners[i] = (struct listener){ hear, arg };
	if (i == ring.nlisteners)
		ring.nlisteners++;
	pthread_mutex_unlock(&ring.lock);
}

void mo_receipts_unlisten(void (*hear)(void *arg, const json_t *receipt))
{
	size_t i;

	pthread_mutex_lock(&ring.lock);
	i = place_of(hear);
	if (i < ring.nlisteners) {
		ring.nlisteners--;
		memmove(&ring.listeners[i], &ring.listeners[i + 1],
			(ring.nlisteners - i) * sizeof(ring.listeners[0]));
	}
	pthread_mutex_unlock(&ring.lock);
}

/* ---- the ring ------------------------------------------------------------------ */

/* By the clock that all processes of this machine share: an older generation that serves
 * again goes on after what the younger one has recorded.  Older versions tell no time. */
static bool is_older(const json_t *a, const json_t *b)
{
	long long x = mo_json_int(a, "begun"), y = mo_json_int(b, "begun");

	if (x && y)
		return x <= y;
	return mo_json_int(a, "generation") <= mo_json_int(b, "generation");
}

/* A receipt can come later than a younger one. */
static size_t place_in(const json_t *list, const json_t *body)
{
	size_t i;
	json_t *old;

	json_array_foreach (list, i, old)
		if (is_older(old, body))
			break;
	return i;
}

/* The place of the one with this id; the size of the list: there is none. */
static size_t find(const json_t *list, const char *id)
{
	const json_t *one;
	size_t i;

	json_array_foreach (list, i, one)
		if (strcmp(mo_json_str(one, "id"), id) == 0)
			break;
	return i;
}

/* Puts it in the place of the one with its id; false: there is none. */
static bool replace(json_t *list, const char *id, const json_t *body)
{
	size_t i = find(list, id);

	if (i == json_array_size(list))
		return false;
	json_array_set_new(list, i, json_deep_copy(body));
	return true;
}

static bool replace_held(const char *id, const json_t *body)
{
	json_t *hold = mo_takeover_hold_of(body);
	bool there = replace(ring.held, id, hold);

	json_decref(hold);
	return there;
}

/* What has become too old is dropped; what it holds stays for its time. */
static void make_room(void)
{
	molt_time now = mo_wall();

	while (json_array_size(ring.list) > MO_RECEIPTS) {
		const json_t *oldest = json_array_get(ring.list, MO_RECEIPTS);

		if (mo_takeover_left(oldest, now) > 0)
			json_array_insert_new(ring.held, place_in(ring.held, oldest),
					      mo_takeover_hold_of(oldest));
		json_array_remove(ring.list, MO_RECEIPTS);
	}
	for (size_t i = json_array_size(ring.held); i > 0; i--)
		if (i > MO_RECEIPTS_HELD ||
		    mo_takeover_left(json_array_get(ring.held, i - 1), now) == 0)
			json_array_remove(ring.held, i - 1);
}

/* But for what a program printed, which does not stay. */
static bool same(const json_t *a, const json_t *b)
{
	json_t *x = json_copy((json_t *)(uintptr_t)a), *y = json_copy((json_t *)(uintptr_t)b);
	bool equal;

	json_object_del(x, "last_lines");
	json_object_del(y, "last_lines");
	equal = json_equal(x, y);
	json_decref(x);
	json_decref(y);
	return equal;
}

/* With the lock held.  Who follows us may be followed by us: news go round once. */
static bool is_known(const char *id, const json_t *body)
{
	const json_t *old = json_array_get(ring.list, find(ring.list, id));

	return old && same(old, body);
}

void mo_receipts_put(const json_t *body)
{
	const char *id = mo_json_str(body, "id");
	json_t *old;
	size_t i;

	pthread_mutex_lock(&ring.lock);
	if (is_known(id, body)) {
		pthread_mutex_unlock(&ring.lock);
		return;
	}
	for (size_t k = 0; k < ring.nlisteners; k++)
		ring.listeners[k].hear(ring.listeners[k].arg, body);
	if (!ring.list) {
		ring.list = json_array();
		ring.held = json_array();
	}
	if (!replace(ring.list, id, body) && !replace_held(id, body))
		json_array_insert_new(ring.list, place_in(ring.list, body), json_deep_copy(body));
	make_room();
	/* What a program printed may be a secret: it stays until the next restart. */
	json_array_foreach (ring.list, i, old)
		if (i > 0)
			json_object_del(old, "last_lines");
	pthread_mutex_unlock(&ring.lock);
}

unsigned mo_receipts_newest(void)
{
	json_int_t newest = 0;
	json_t *one;
	size_t i;

	pthread_mutex_lock(&ring.lock);
	json_array_foreach (ring.list, i, one) {
		json_int_t n = mo_json_int(one, "successor_generation");

		newest = n > newest && n <= INT_MAX ? n : newest;
	}
	pthread_mutex_unlock(&ring.lock);
	return (unsigned)newest;
}

json_t *mo_receipts_all(void)
{
	json_t *copy;

	pthread_mutex_lock(&ring.lock);
	copy = ring.list ? json_deep_copy(ring.list) : json_array();
	pthread_mutex_unlock(&ring.lock);
	return copy;
}

json_t *mo_receipts_kept(void)
{
	json_t *copy = mo_receipts_all(), *held;

	pthread_mutex_lock(&ring.lock);
	held = ring.held ? json_deep_copy(ring.held) : json_array();
	pthread_mutex_unlock(&ring.lock);
	json_array_extend(copy, held);
	json_decref(held);
	return copy;
}

json_t *mo_receipts_last(void)
{
	json_t *all = mo_receipts_all(), *last = json_array_get(all, 0);

	json_incref(last);
	json_decref(all);
	return last;
}
