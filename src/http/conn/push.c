/* Output without an exchange; see push.h.  Always: the buffer is borrowed only
 * while bytes are pending, so an idle client owns none. */
#include "http/conn/push.h"

#include <errno.h>

#include "http/conn/memory.h"

void mo_push_add(mo_push *p, mo_conns *home, const void *data, size_t n)
{
	size_t before;

	if (!p->buf.data && home)
		p->buf = mo_conns_buf_get(home);
	if (p->at > 0 && p->at >= p->buf.len / 2) {
		mo_buf_consume(&p->buf, p->at);
		p->at = 0;
	}
	before = p->buf.cap;
	mo_buf_add(&p->buf, data, n);
	mo_memory_count(before, p->buf.cap);
}

bool mo_push_too_much(const mo_push *p, size_t more, size_t limit)
{
	size_t pending = mo_push_pending(p);

	if (pending == 0)
		return false;
	if (pending + more > limit)
		return true;
	if (pending < MO_PUSH_MOVES || !mo_memory_over(more))
		return false;
	mo_memory_cut();
	return true;
}

bool mo_push_relieve(mo_push *p, mo_conn *c)
{
	if (p->buf.cap <= MO_MEMORY_FROM || !mo_memory_over(0))
		return true;
	if (c && c->state != MO_CONN_MOVING)
		(void)mo_push_flush(p, c);
	if (mo_push_pending(p) < MO_PUSH_MOVES)
		return true;
	mo_memory_cut();
	mo_push_free(p, c ? c->home : NULL); /* the next client's comes in this turn, too */
	return false;
}

void mo_push_free(mo_push *p, mo_conns *home)
{
	mo_memory_count(p->buf.cap, 0);
	if (home)
		mo_conns_buf_put(home, &p->buf);
	else
		mo_buf_free(&p->buf);
	p->at = 0;
}

int mo_push_flush(mo_push *p, mo_conn *c)
{
	while (mo_push_pending(p) > 0) {
		struct iovec v = { p->buf.data + p->at, mo_push_pending(p) };
		ssize_t n = c->stream->ops->writev(c->stream, &v, 1);

		if (n == -EAGAIN)
			return -EAGAIN;
		if (n <= 0)
			return -EPIPE;
		p->at += (size_t)n;
	}
	mo_push_free(p, c->home);
	return 0;
}
