/* A connected byte stream, plain or TLS, over a non-blocking descriptor that
 * stays ours to watch and to give away.  No buffering here beyond what TLS
 * needs.  All calls on the owner loop's thread; none blocks or parks.
 *
 * Results: > 0 bytes; 0 end of stream (read only: FIN, or close_notify);
 * -EAGAIN: wait for stream->want, then call again with the same data;
 * -ECONNRESET, -EPIPE, -EPROTO (TLS broke the rules) ...: it is over. */
#ifndef MO_NET_STREAM_H
#define MO_NET_STREAM_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <uv.h>

#include "molt.h"
#include "net/syscall.h"

typedef struct mo_stream mo_stream;

typedef struct mo_stream_ops {
	const char *name; /* "plain", "tls", "record" */
	ssize_t (*read)(mo_stream *s, void *buf, size_t n);
	ssize_t (*writev)(mo_stream *s, const struct iovec *iov, int count);
	/* Sends up to n bytes of file at *off and moves *off.  -EIO: the file ends
	 * before that (it was truncated). */
	ssize_t (*sendfile)(mo_stream *s, int file, off_t *off, size_t n);
	/* TLS: drives the handshake: 0 done, -EAGAIN, <0.  Plain: 0. */
	int (*handshake)(mo_stream *s);
	/* Says that no more will be sent: close_notify and SHUT_WR.  0, -EAGAIN, <0.  After
	 * -EPROTO the alert has said it: SHUT_WR only, 0. */
	int (*finish)(mo_stream *s);
	/* Bytes that a read would give without the descriptor becoming readable. */
	bool (*pending)(const mo_stream *s);
	/* Could it go on in another process, at some moment? */
	bool (*movable)(const mo_stream *s);
	/* When movable: is this such a moment?  Nothing is half done that pack() could
	 * not tell. */
	bool (*settled)(mo_stream *s);
	/* When settled: what there is of it besides the descriptor, for
	 * mo_stream_unpack(); empty: nothing (plain).  It may hold keys.  Until
	 * unpacked() or close() nothing else may be called, and the bytes stay. */
	molt_str (*pack)(mo_stream *s);
	/* It was not given away after all: wipes what pack() made. */
	void (*unpacked)(mo_stream *s);
	/* Of TLS: what its handshake told (enum mo_tls_fact), "" when there is none.
	 * Plain: NULL. */
	const char *(*fact)(mo_stream *s, int fact);
	/* Closes the descriptor, frees s.  Without finish() before it the client
	 * sees the answer cut (TLS sends no close_notify). */
	void (*close)(mo_stream *s);
} mo_stream_ops;

struct mo_stream {
	const mo_stream_ops *ops;
	int fd;
	int want; /* UV_READABLE or UV_WRITABLE after -EAGAIN */
	/* Set by the caller around a write: more follows at once, so that the kernel
	 * may wait with a segment that is not full. */
	bool more;
	/* Set by the caller around a write: nothing follows but the end, which then leaves
	 * with these bytes: that of TLS in one write with them, that of TCP in their segment. */
	bool last;
	bool parted; /* that end has left: finish() has only the socket's to tell */
};

mo_stream *mo_stream_plain(int fd); /* owns fd */
/* What pack() gave in another process goes on here; key_limit as in tls.h.  Owns fd
 * when it succeeds; NULL: it is not understood. [any] */
mo_stream *mo_stream_unpack(int fd, molt_str packed, uint64_t key_limit);
/* Would it be understood? [any] */
bool mo_stream_can_unpack(molt_str packed);
extern const mo_stream_ops mo_stream_plain_ops;

/* finish() of a broken stream: behind an alert of ours the socket's end.  Without an alert there
 * is nothing to be polite about: -ECONNRESET. */
static inline int mo_stream_end_alerted(mo_stream *s, bool alerted)
{
	if (!alerted)
		return -ECONNRESET;
	s->parted = true;
	(void)shutdown(s->fd, SHUT_WR);
	return 0;
}

/* What a system call on a plain stream gave, as above; n: its result, with errno. */
ssize_t mo_stream_plain_result(mo_stream *s, ssize_t n, int direction);

/* ops->read, and ops->writev of one piece.  The plain stream's are here because each
 * request needs both, and the fewer returns behind a system call the better (syscall.h). */
static inline ssize_t mo_stream_read(mo_stream *s, void *buf, size_t n)
{
	ssize_t r;

	if (s->ops != &mo_stream_plain_ops || n == 0)
		return s->ops->read(s, buf, n);
	do
		r = mo_recv(s->fd, buf, n);
	while (r < 0 && errno == EINTR);
	return r >= 0 ? r : mo_stream_plain_result(s, r, UV_READABLE);
}

static inline ssize_t mo_stream_send(mo_stream *s, const struct iovec *piece)
{
	ssize_t r;

	if (s->ops != &mo_stream_plain_ops)
		return s->ops->writev(s, piece, 1);
	do
		r = mo_send(s->fd, piece->iov_base, piece->iov_len,
			    MSG_NOSIGNAL | (s->more || s->last ? MSG_MORE : 0));
	while (r < 0 && errno == EINTR);
	return r >= 0 ? r : mo_stream_plain_result(s, r, UV_WRITABLE);
}

#endif
