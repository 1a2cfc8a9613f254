/* HTTP/1: the input buffer of a connection, and waiting for its descriptor; see
 * h1_internal.h.  Called by the driver (reading heads) and by the coroutine of the one
 * exchange (reading its body, sending).
 *
 * Always: the buffer is there only while bytes are unread or a read is under
 * way; one coroutine waits at most. */
#include "http/h1/h1_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"

#define BYTES_PER_TURN (1024u * 1024)

/* ---- input ---- */

void mo_h1_input_put(mo_h1 *h, mo_loop *l)
{
	mo_memory_count(h->in_cap, 0);
	if (h->in_cap == MO_LOOP_BUFFER)
		mo_loop_buffer_put(l, h->in);
	else
		free(h->in);
	h->in = NULL;
	h->in_at = h->in_end = h->in_cap = 0;
}

void mo_h1_consume(mo_conn *c, size_t n)
{
	mo_h1 *h = mo_h1_of(c);

	MO_CHECK(n <= mo_h1_unread(h));
	h->in_at += (uint32_t)n;
	if (h->in && h->in_at == h->in_end)
		mo_h1_input_put(h, mo_conn_loop(c));
}

static void grow_input(mo_conn *c, size_t limit)
{
	mo_h1 *h = mo_h1_of(c);
	size_t n = h->in_end, cap = h->in_cap * 2 < limit ? h->in_cap * 2 : limit;
	char *bigger;

	h->no_room = !mo_memory_may_grow(h->in_cap, cap);
	if (h->no_room)
		return;
	bigger = mo_malloc(cap);
	memcpy(bigger, h->in, n);
	mo_h1_input_put(h, mo_conn_loop(c));
	mo_memory_count(0, cap);
	h->in = bigger;
	h->in_end = (uint32_t)n;
	h->in_cap = (uint32_t)cap;
}

bool mo_h1_make_room(mo_conn *c, size_t limit)
{
	mo_h1 *h = mo_h1_of(c);

	if (!h->in) {
		h->in = mo_loop_buffer_get(mo_conn_loop(c));
		h->in_cap = MO_LOOP_BUFFER;
	}
	if (h->in_at > 0 && h->in_cap - h->in_end < h->in_cap / 2) {
		memmove(h->in, h->in + h->in_at, mo_h1_unread(h));
		h->in_end -= h->in_at;
		h->in_at = 0;
	}
	if (h->in_end == h->in_cap && h->in_at == 0 && h->in_cap < limit)
		grow_input(c, limit);
	return h->in_end < h->in_cap;
}

/* ---- waiting in the coroutine ---- */

void mo_h1_die(mo_conn *c)
{
	mo_h1 *h = mo_h1_of(c);

	h->dead = true;
	h->out_at = h->out_end;
	atomic_store_explicit(&h->peer, MO_H1_PEER_LOST, memory_order_relaxed);
	mo_conn_watch(c, 0);
}

int mo_h1_wait(mo_conn *c, int events, molt_time timeout)
{
	mo_h1 *h = mo_h1_of(c);
	int rc;

	if (h->dead)
		return -EPIPE;
	MO_CHECK(!h->waiting);
	h->waiting = true;
	h->spent = 0;
	mo_conn_watch(c, events);
	rc = mo_park_wait(&h->io, timeout);
	h->waiting = false;
	return h->dead ? -EPIPE : rc;
}

void mo_h1_wake(mo_h1 *h)
{
	if (!h->waiting)
		return;
	h->waiting = false;
	mo_park_wake(&h->io, 0);
}

void mo_h1_spend(mo_conn *c, size_t n)
{
	mo_h1 *h = mo_h1_of(c);

	h->spent += n;
	if (h->spent < BYTES_PER_TURN || h->dead)
		return;
	mo_conn_next_turn(c);
	(void)mo_h1_wait(c, c->watched, MOLT_FOREVER);
}
