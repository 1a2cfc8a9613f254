/* One WebSocket client of the load.  Every second one says something and waits to
 * hear it again, then pauses 0 to 20 ms; the others only listen, and answer pings.
 * At an endpoint that does not echo, pings take the place of messages: every
 * server must answer them with the same bytes (RFC 6455 section 5.5.3).
 *
 *   state     event                        -> next
 *   IDLE      the time has come            -> OPENING, or TALKING
 *   OPENING   101 and the right key        -> TALKING, or listening (IDLE, ws->open)
 *   TALKING   the same bytes come back     -> IDLE, counted as ok
 *   TALKING   other bytes come             -> failed, mixed up
 *   any       closed, by frame or without  -> reopened; a message under way has failed */
#include <errno.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>
#include <wslay/wslay.h>

#include "base/check.h"
#include "base/mem.h"
#include "prove/prove_client.h"
#include "http/live/ws_feed.h"

#define KEY "bW9sdCBwcm92ZXMgaXQhIQ=="
#define GUID "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
#define AGAIN_AFTER 20000 /* us until a closed one is opened again */

struct mo_wsc {
	wslay_event_context_ptr frames;
	mo_ws_feed feed; /* read, not yet given to wslay */
	bool open;       /* the handshake is done */
	bool closed;     /* a close frame has come */
	bool heard;      /* what was waited for has come */
	bool wrong;      /* something else has */
};

static bool talks(const mo_client *c)
{
	return c->number % 2 == 0 || c->crowd->clients == 1;
}

/* ---- what wslay calls ------------------------------------------------------------- */

static ssize_t on_recv(wslay_event_context_ptr ctx, uint8_t *buf, size_t n, int flags, void *arg)
{
	return mo_ws_feed_read(&((mo_client *)arg)->ws->feed, ctx, buf, n);
}

static ssize_t on_send(wslay_event_context_ptr ctx, const uint8_t *data, size_t n, int flags,
		       void *arg)
{
	mo_client *c = arg;
	ssize_t put = mo_pconn_write(c->conn, data, n);

	if (put >= 0)
		return put;
	if (put != -EAGAIN)
		c->broke = put;
	wslay_event_set_error(ctx,
			      put == -EAGAIN ? WSLAY_ERR_WOULDBLOCK : WSLAY_ERR_CALLBACK_FAILURE);
	return -1;
}

static int on_mask(wslay_event_context_ptr ctx, uint8_t *buf, size_t n, void *arg)
{
	for (size_t i = 0; i < n; i++)
		buf[i] = (uint8_t)mo_load_random(((mo_client *)arg)->load, 256);
	return 0;
}

/* wslay before 1.1.2 knows no close code above 1011 and takes 1012 for an error; so
 * the frame itself tells that it is a close. */
static void on_frame(wslay_event_context_ptr ctx,
		     const struct wslay_event_on_frame_recv_start_arg *f, void *arg)
{
	if (f->opcode == WSLAY_CONNECTION_CLOSE)
		((mo_client *)arg)->ws->closed = true;
}

static void on_message(wslay_event_context_ptr ctx, const struct wslay_event_on_msg_recv_arg *m,
		       void *arg)
{
	mo_client *c = arg;
	bool mine = m->opcode == (c->crowd->echo ? WSLAY_TEXT_FRAME : WSLAY_PONG);

	if (mine && talks(c) && c->busy && !c->ws->heard && m->msg_length == c->body.len &&
	    memcmp(m->msg, c->body.data, c->body.len) == 0) {
		c->ws->heard = true;
	} else if (mine) {
		c->ws->wrong = true; /* doubled, reordered, somebody else's */
	}
}

/* ---- the handshake ---------------------------------------------------------------- */

static void make_handshake(mo_client *c)
{
	c->out.len = c->sent = 0;
	mo_buf_fmt(&c->out,
		   "GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
		   "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " KEY "\r\n%s\r\n",
		   c->crowd->path, c->crowd->host, c->crowd->headers);
	mo_reply_reset(&c->reply);
}

static bool right_key(const mo_reply *r)
{
	unsigned char sum[SHA_DIGEST_LENGTH], text[40];

	SHA1((const unsigned char *)KEY GUID, strlen(KEY GUID), sum);
	EVP_EncodeBlock(text, sum, sizeof(sum));
	return mo_str_eq(mo_reply_field(r, "Sec-WebSocket-Accept"), mo_str((char *)text));
}

static void begin_frames(mo_client *c)
{
	static const struct wslay_event_callbacks calls = {
		.recv_callback = on_recv,
		.send_callback = on_send,
		.genmask_callback = on_mask,
		.on_frame_recv_start_callback = on_frame,
		.on_msg_recv_callback = on_message,
	};

	MO_CHECK(wslay_event_context_client_init(&c->ws->frames, &calls, c) == 0);
	c->ws->open = true;
}

/* ---- messages ----------------------------------------------------------------------- */

static void gone(mo_client *c, ssize_t rc)
{
	if (c->busy) {
		mo_client_fail(c, mo_client_broke(c, rc ? rc : c->broke));
		return;
	}
	mo_client_reopen(c);
	mo_client_later(c, AGAIN_AFTER, mo_wsc_next);
}

static void flush(mo_client *c)
{
	if (wslay_event_send(c->ws->frames) != 0 && c->broke)
		gone(c, c->broke);
	else
		mo_pconn_watch(c->conn, wslay_event_want_write(c->ws->frames));
}

static void say(mo_client *c)
{
	struct wslay_event_msg m = { .opcode = c->crowd->echo ? WSLAY_TEXT_FRAME : WSLAY_PING };

	c->busy = true;
	c->ws->heard = false;
	c->started = mo_load_now();
	c->seq++;
	c->count->requests++;
	c->body.len = 0;
	mo_buf_fmt(&c->body, "%u.%llu", c->number, (unsigned long long)c->seq);
	m.msg = (const uint8_t *)c->body.data;
	m.msg_length = c->body.len;
	if (wslay_event_queue_msg(c->ws->frames, &m) != 0)
		mo_client_fail(c, MO_FAULT_BROKEN);
	else
		flush(c);
}

/* The handshake's answer has come whole. */
static bool opened(mo_client *c)
{
	if (c->reply.status != 101) {
		mo_client_fail(c, MO_FAULT_BAD_STATUS);
		return false;
	}
	if (!right_key(&c->reply)) {
		mo_client_fail(c, MO_FAULT_HANDSHAKE);
		return false;
	}
	begin_frames(c);
	mo_client_good(c, mo_load_now() - c->started);
	mo_reply_reset(&c->reply);
	if (talks(c))
		mo_client_later(c, (int64_t)mo_load_random(c->load, 20000), mo_wsc_next);
	return true;
}

/* Gives input to whom it belongs.  false: the connection is gone. */
static bool take(mo_client *c, char *in, size_t n)
{
	struct mo_wsc *w = c->ws;
	size_t used = 0;
	molt_str body;

	if (!w->open) {
		int rc = mo_reply_feed(&c->reply, in, n, &used, &body);

		if (rc < 0)
			mo_client_fail(c, MO_FAULT_BROKEN);
		if (rc < 0 || (rc == 1 && !opened(c)))
			return false;
		if (rc == 0)
			return true;
	}
	w->feed = (mo_ws_feed){ in + used, n - used };
	if (wslay_event_recv(w->frames) != 0 || w->wrong ||
	    (!w->closed && !wslay_event_get_read_enabled(w->frames))) {
		mo_client_fail(c, w->wrong ? MO_FAULT_MIXED_UP : MO_FAULT_BROKEN);
		return false;
	}
	if (w->heard && c->busy) {
		mo_client_good(c, mo_load_now() - c->started);
		mo_client_later(c, (int64_t)mo_load_random(c->load, 20000), mo_wsc_next);
	}
	if (w->closed)
		gone(c, 0);
	else
		flush(c);
	return c->conn != NULL;
}

static void on_ready(void *arg)
{
	mo_client *c = arg;
	ssize_t n;

	if (!c->conn->ready) {
		int rc = mo_pconn_advance(c->conn);

		if (rc < 0)
			mo_client_fail(c, rc == -EPROTO ? MO_FAULT_HANDSHAKE : MO_FAULT_CONNECT);
		if (rc <= 0)
			return;
	}
	/* A fresh connection takes a few hundred bytes at once. */
	if (!c->ws->open && c->sent < c->out.len) {
		n = mo_pconn_write(c->conn, c->out.data + c->sent, c->out.len - c->sent);
		c->sent += n > 0 ? (size_t)n : 0;
		mo_pconn_watch(c->conn, c->sent < c->out.len);
	} else if (c->ws->open && wslay_event_want_write(c->ws->frames)) {
		flush(c);
	}
	while (c->conn) {
		n = mo_pconn_read(c->conn, c->load->input, MO_LOAD_INPUT);
		if (n == -EAGAIN && !c->conn->watching)
			mo_pconn_watch(c->conn, false);
		if (n == -EAGAIN)
			return;
		if (n <= 0)
			gone(c, n);
		else if (!take(c, c->load->input, (size_t)n))
			return;
		if (n <= 0)
			return;
	}
}

void mo_wsc_next(uv_timer_t *t)
{
	mo_client *c = t->data;

	if (c->load->stopping)
		return;
	if (c->ws) {
		say(c);
		return;
	}
	c->ws = mo_calloc(1, sizeof(*c->ws));
	c->busy = true;
	c->broke = 0;
	c->started = mo_load_now();
	c->count->requests++;
	make_handshake(c);
	mo_client_connect(c, on_ready);
}

void mo_wsc_drop(mo_client *c)
{
	if (c->ws && c->ws->frames)
		wslay_event_context_free(c->ws->frames);
	free(c->ws);
	c->ws = NULL;
}
