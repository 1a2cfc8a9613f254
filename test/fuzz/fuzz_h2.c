/* What an HTTP/2 client may send, against the whole connection: session, exchanges, bodies,
 * answers.  However the bytes are cut, the connection sends whole frames that nghttp2's
 * client side of the rules allows: never a frame over its size, never DATA behind the end of
 * a stream, nothing behind a GOAWAY with an error; and nothing is left when it has ended.
 * The first byte is the size of the pieces; the preface goes before the rest. */
#include "fuzz.h"

#include <semaphore.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/str.h"
#include "http/conn/conn_protocol.h"

#define PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
#define OUT_MAX (1u << 20)

/* ---- a stream of bytes in memory ---- */

typedef struct memory {
	mo_stream s;
	const uint8_t *in;
	size_t n, piece;
	mo_buf out;
} memory;

static ssize_t mem_read(mo_stream *s, void *buf, size_t n)
{
	memory *m = (memory *)s;

	s->want = UV_READABLE;
	if (m->n == 0)
		return -EAGAIN;
	n = n < m->piece ? n : m->piece;
	n = n < m->n ? n : m->n;
	memcpy(buf, m->in, n);
	m->in += n;
	m->n -= n;
	return (ssize_t)n;
}

static ssize_t mem_writev(mo_stream *s, const struct iovec *v, int count)
{
	memory *m = (memory *)s;

	if (m->out.len < OUT_MAX) /* enough to look at */
		mo_buf_add(&m->out, v->iov_base, v->iov_len);
	return (ssize_t)v->iov_len;
}

static int mem_finish(mo_stream *s)
{
	return 0;
}

static bool mem_pending(const mo_stream *s)
{
	return ((const memory *)(const void *)s)->n > 0;
}

static bool mem_movable(const mo_stream *s)
{
	return false;
}

static void mem_close(mo_stream *s)
{
	close(s->fd);
	s->fd = -1;
}

static const mo_stream_ops memory_ops = {
	.name = "memory",
	.read = mem_read,
	.writev = mem_writev,
	.finish = mem_finish,
	.pending = mem_pending,
	.movable = mem_movable,
	.close = mem_close,
};

/* ---- the application ---- */

static void route(molt_req *r)
{
	MO_CHECK(r->method.ptr && r->target.ptr && r->raw_path.ptr && r->query.ptr && r->host.ptr);
	MO_CHECK(r->method.ptr[r->method.len] == '\0' && r->host.ptr[r->host.len] == '\0');
	MO_CHECK(r->target.ptr[r->target.len] == '\0' && r->query.ptr[r->query.len] == '\0');
	for (size_t i = 0; i < r->nfields; i++)
		MO_CHECK(r->fields[i].value.ptr[r->fields[i].value.len] == '\0');
}

/* By the path's length: an echo, an answer in pieces, one that reads nothing. */
static void handle(molt_req *r)
{
	char piece[512];
	long n = 0;

	if (r->raw_path.len % 3 == 0) {
		while ((n = r->ops->read(r, piece, sizeof(piece))) > 0)
			mo_buf_add(&r->out, piece, (size_t)n);
	} else if (r->raw_path.len % 3 == 1) {
		memset(piece, 'x', sizeof(piece));
		for (int i = 0; i < 100 && r->ops->send(r, piece, sizeof(piece), false) == 0; i++)
			continue;
	} else {
		mo_buf_puts(&r->out, "hello\n");
	}
}

static void done(molt_req *r)
{
}

static void refused(mo_http_server *s, const mo_addr *peer, int status, molt_str line)
{
}

/* ---- one connection after another, on one loop ---- */

static mo_loop *loop;
static mo_http_server server;
static sem_t ready;

static void set_up(void)
{
	server.lim = (mo_http_limits){ .max_target = 4096,
				       .max_body = 100000,
				       .stack_size = 65536,
				       .max_fields = 50,
				       .max_connections = 10,
				       .header_timeout = 10000,
				       .body_timeout = 10000,
				       .read_timeout = 20000,
				       .write_timeout = 10000,
				       .idle_timeout = 10000,
				       .keep_alive = true,
				       .h2_streams = 10,
				       .h2_stream_window = 65536,
				       .h2_connection_window = 131072,
				       .h2_frame_size = 16384,
				       .h2_header_list = 8192,
				       .h2_resets = 20,
				       .h2_controls = 50,
				       .h2_continuations = 4,
				       .h2_replies = 30 };
	server.app = (mo_http_app){ route, handle, done, refused };
	sem_init(&ready, 0, 0);
	loop = mo_loop_new(0);
	MO_CHECK(loop != NULL);
	mo_conns_init(loop);
	MO_CHECK(mo_loop_start(loop, "loop") == 0);
}

static void on_loop(void (*fn)(void *), void *arg)
{
	MO_CHECK(mo_loop_post(loop, fn, arg));
	while (sem_wait(&ready) < 0)
		continue;
}

static void begin(void *arg)
{
	memory *m = arg;
	mo_addr peer = { .len = sizeof(sa_family_t) };
	int fds[2];
	mo_conn *c;

	peer.u.sa.sa_family = AF_UNIX;
	MO_CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
	close(fds[1]); /* readable for ever: the driver reads on until it has all */
	m->s.fd = fds[0];
	atomic_fetch_add(&server.connections, 1);
	c = mo_conn_open(mo_conns_of(loop), &m->s, &peer, &server);
	MO_CHECK(c != NULL);
	c->proto->closed(c);
	c->proto = c->transport = &mo_protocol_h2;
	c->proto->open(c);
	c->proto->restore(c, mo_strn(PREFACE, 24));
	sem_post(&ready);
}

/* Whatever still runs is cut, when all was read. */
static void end(void *arg)
{
	if (((memory *)arg)->n == 0)
		(void)mo_conns_cut(loop, &server);
	sem_post(&ready);
}

static void check_frames(const mo_buf *out)
{
	const uint8_t *p = (const uint8_t *)out->data;
	size_t left = out->len;
	bool failed = false;

	while (left >= 9) {
		size_t n = (size_t)p[0] << 16 | (size_t)p[1] << 8 | p[2];

		MO_CHECK(!failed && n <= 16384);
		if (left < 9 + n)
			break; /* cut there */
		failed = p[3] == 7 && (p[13] | p[14] | p[15] | p[16]) != 0;
		p += 9 + n;
		left -= 9 + n;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	memory m = { .s = { .ops = &memory_ops }, .piece = size ? data[0] + 1u : 1 };

	if (size == 0)
		return 0;
	if (!loop)
		set_up();
	m.in = data + 1;
	m.n = size - 1;
	on_loop(begin, &m);
	for (int i = 0; atomic_load(&server.connections) > 0; i++) {
		MO_CHECK(i < 100000);
		on_loop(end, &m);
	}
	on_loop(end, &m); /* the turn's end is over, too */
	MO_CHECK(mo_http_counted(&server).requests == 0);
	MO_CHECK(mo_http_counted(&server).h2_connections == 0);
	check_frames(&m.out);
	mo_buf_free(&m.out);
	return 0;
}
