/* The plain stream: the descriptor and nothing else; see stream.h.  One is made
 * for each accepted connection that speaks no TLS, by its loop. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include "base/mem.h"
#include "net/stream.h"

ssize_t mo_stream_plain_result(mo_stream *s, ssize_t n, int direction)
{
	if (n >= 0)
		return n;
	if (errno != EAGAIN && errno != EWOULDBLOCK)
		return -errno;
	s->want = direction;
	return -EAGAIN;
}

static ssize_t plain_read(mo_stream *s, void *buf, size_t n)
{
	if (n == 0)
		return -EINVAL; /* 0 would read as the end of the stream */
	return mo_stream_read(s, buf, n);
}

static ssize_t plain_writev(mo_stream *s, const struct iovec *iov, int count)
{
	struct msghdr msg = { .msg_iov = (struct iovec *)iov,
			      .msg_iovlen = (size_t)(count < IOV_MAX ? count : IOV_MAX) };
	ssize_t r;

	/* For one piece the kernel need not fetch a header and a list of pieces. */
	if (count == 1)
		return mo_stream_send(s, iov);
	do {
		r = sendmsg(s->fd, &msg, MSG_NOSIGNAL | (s->more || s->last ? MSG_MORE : 0));
	} while (r < 0 && errno == EINTR);
	return mo_stream_plain_result(s, r, UV_WRITABLE);
}

static ssize_t plain_sendfile(mo_stream *s, int file, off_t *off, size_t n)
{
	ssize_t r;

	do {
		r = sendfile(s->fd, file, off, n);
	} while (r < 0 && errno == EINTR);
	if (r == 0 && n > 0)
		return -EIO;
	return mo_stream_plain_result(s, r, UV_WRITABLE);
}

static int plain_handshake(mo_stream *s)
{
	return 0;
}

static int plain_finish(mo_stream *s)
{
	return shutdown(s->fd, SHUT_WR) < 0 ? -errno : 0;
}

static bool plain_pending(const mo_stream *s)
{
	return false;
}

static bool plain_movable(const mo_stream *s)
{
	return true;
}

static bool plain_settled(mo_stream *s)
{
	return true;
}

static molt_str plain_pack(mo_stream *s)
{
	return (molt_str){ "", 0 };
}

static void plain_unpacked(mo_stream *s)
{
}

static const char *plain_fact(mo_stream *s, int fact)
{
	return NULL;
}

static void plain_close(mo_stream *s)
{
	close(s->fd);
	free(s);
}

const mo_stream_ops mo_stream_plain_ops = {
	.name = "plain",
	.read = plain_read,
	.writev = plain_writev,
	.sendfile = plain_sendfile,
	.handshake = plain_handshake,
	.finish = plain_finish,
	.pending = plain_pending,
	.movable = plain_movable,
	.settled = plain_settled,
	.pack = plain_pack,
	.unpacked = plain_unpacked,
	.fact = plain_fact,
	.close = plain_close,
};

mo_stream *mo_stream_plain(int fd)
{
	mo_stream *s = mo_calloc(1, sizeof(*s));

	s->ops = &mo_stream_plain_ops;
	s->fd = fd;
	s->want = UV_READABLE;
	return s;
}
