/* Frames of HTTP/2 on their way to the socket.  Called by the driver, and mo_h2_pull() by
 * coroutines that give an answer.
 *
 * Always: the buffer is borrowed while bytes are in it; frames leave in the order in which
 * nghttp2 made them; nothing is taken from nghttp2 that has no room, so answers wait there
 * and not here, where nghttp2 can still put what is urgent in front of what is not. */
#include <string.h>

#include "http/h2/h2_internal.h"

#define BYTES_PER_TURN (1024u * 1024)

void mo_h2_output_free(mo_h2 *h)
{
	mo_memory_count(h->out.cap, 0);
	mo_conns_buf_put(h->c->home, &h->out);
	h->out_at = 0;
}

char *mo_h2_out_room(mo_h2 *h, size_t n)
{
	size_t before = h->out.cap;

	if (!h->out.data) {
		h->out = mo_conns_buf_get(h->c->home);
		before = 0;
	}
	if (h->out.cap - h->out.len < n)
		mo_buf_fit(&h->out, h->out.len + n > MO_H2_OUT ? h->out.len + n : MO_H2_OUT);
	mo_memory_count(before, h->out.cap);
	return h->out.data + h->out.len;
}

static void add(mo_h2 *h, const uint8_t *p, size_t n)
{
	memcpy(mo_h2_out_room(h, n), p, n);
	h->out.len += n;
}

static void make_room(mo_h2 *h)
{
	if (h->out_at == 0)
		return;
	mo_buf_consume(&h->out, h->out_at);
	h->out_at = 0;
}

void mo_h2_pull(mo_h2 *h)
{
	const uint8_t *p;
	ssize_t n = 1;

	make_room(h);
	while (n > 0 && !h->dead && !mo_h2_out_full(h)) {
		n = nghttp2_session_mem_send(h->session, &p);
		if (n > 0)
			add(h, p, (size_t)n);
	}
	if (n < 0 && nghttp2_is_fatal((int)n))
		mo_h2_die(h);
	if (h->out.data && h->out.len == 0)
		mo_h2_output_free(h);
}

static void all_sent(mo_h2 *h)
{
	h->blocked = false;
	h->write_due = MO_H2_NEVER;
	if (h->unsent == 0)
		return;
	mo_http_count_requests(h->c->count, -h->unsent);
	h->unsent = 0;
}

/* A client that takes nothing for write_timeout is cut; each piece begins that anew. */
static void blocked(mo_h2 *h, bool moved)
{
	molt_time limit = h->c->server->lim.write_timeout;

	if (limit >= 0 && (moved || !h->blocked))
		h->write_due = mo_loop_now(mo_conn_loop(h->c)) + limit;
	h->blocked = true;
}

bool mo_h2_flush(mo_h2 *h)
{
	mo_stream *s = h->c->stream;
	size_t sent = 0;

	for (;;) {
		struct iovec v;
		ssize_t n;

		mo_h2_pull(h);
		if (h->dead)
			return false;
		if (h->out.len == h->out_at) {
			all_sent(h);
			return true;
		}
		v = (struct iovec){ h->out.data + h->out_at, h->out.len - h->out_at };
		n = mo_stream_send(s, &v);
		if (n == -EAGAIN) {
			blocked(h, sent > 0);
			return false;
		}
		if (n <= 0) {
			mo_h2_die(h);
			return false;
		}
		h->out_at += (size_t)n;
		sent += (size_t)n;
		if (h->out_at == h->out.len)
			mo_h2_output_free(h);
		if (sent > BYTES_PER_TURN) {
			h->write_due = MO_H2_NEVER;
			h->blocked = false;
			mo_conn_next_turn(h->c);
			return false;
		}
	}
}
