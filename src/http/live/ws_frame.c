/* Messages in and out of frames.  wslay understands the frames; here they are
 * handed to it one at a time, so that between two of them nothing is left inside
 * it: a frame that has not come whole stays bytes, which can move.  Frames that
 * are larger than a buffer are given to it as they come.
 *
 * Called by ws.c in turns of the connection, and by the upper layer's coroutines;
 * never closes the connection itself. */
#include <errno.h>
#include <string.h>

#include "base/check.h"
#include "base/str.h"
#include "http/conn/memory.h"
#include "http/live/ws_deflate.h"
#include "http/live/ws_internal.h"

#define WHOLE MO_LOOP_BUFFER /* frames up to this are given to wslay whole */
#define DEFLATE_LEAST 64u    /* shorter messages do not become smaller */
#define CLOSE_REASON 123u
#define CONTROL_MOST 4096u
#define CODE_TRY_AGAIN 1013
#define FRAME_COST 64u /* what wslay needs for each frame of a message besides its bytes */

/* ---- what wslay calls ---- */

static ssize_t on_recv(wslay_event_context_ptr ctx, uint8_t *buf, size_t n, int flags, void *arg)
{
	return mo_ws_feed_read(&((mo_ws *)arg)->feed, ctx, buf, n);
}

static ssize_t on_send(wslay_event_context_ptr ctx, const uint8_t *data, size_t n, int flags,
		       void *arg)
{
	mo_ws *w = arg;

	mo_push_add(&w->out, w->home, data, n);
	return (ssize_t)n;
}

/* ---- the budget of memory ---- */

static void count(mo_ws *w)
{
	mo_memory_track(&w->counted, w->part + w->msg.cap);
}

/* The process has no room for what this client sends. */
static void give_way(mo_ws *w)
{
	mo_memory_closed();
	mo_ws_fail(w, CODE_TRY_AGAIN);
}

/* May the message that is coming become so large? */
static bool has_room(const mo_ws *w, size_t part)
{
	return mo_memory_may_grow(w->counted, part + w->msg.cap);
}

static void release_message(mo_ws *w)
{
	if (w->home)
		mo_conns_buf_put(w->home, &w->msg);
	else
		mo_buf_free(&w->msg);
}

/* ---- messages ---- */

/* A large one gets no more room than it needs. */
static int copy_message(mo_ws *w, molt_str data, bool deflated)
{
	int rc = 0;

	w->msg.len = 0;
	if (deflated)
		rc = mo_ws_inflate(&w->home->zlib, data, w->max_message, &w->msg);
	else if (data.len >= MO_MEMORY_FROM && w->msg.cap <= data.len)
		mo_buf_fit(&w->msg, data.len + 1);
	if (!deflated)
		mo_buf_add(&w->msg, data.ptr, data.len);
	mo_buf_cstr(&w->msg);
	if (rc == 0 && deflated && w->msg.len >= MO_MEMORY_FROM)
		mo_buf_fit(&w->msg, w->msg.len + 1);
	return rc;
}

static void take_message(mo_ws *w, const struct wslay_event_on_msg_recv_arg *m)
{
	int rc = copy_message(w, (molt_str){ (const char *)m->msg, m->msg_length },
			      wslay_get_rsv1(m->rsv));

	if (rc < 0) {
		mo_ws_fail(w, rc == -EMSGSIZE ? WSLAY_CODE_MESSAGE_TOO_BIG
					      : WSLAY_CODE_INVALID_FRAME_PAYLOAD_DATA);
		return;
	}
	if (!has_room(w, 0)) {
		give_way(w);
		return;
	}
	if (wslay_get_rsv1(m->rsv) && m->opcode == WSLAY_TEXT_FRAME &&
	    !mo_str_is_utf8(mo_strn(w->msg.data, w->msg.len))) {
		mo_ws_fail(w, WSLAY_CODE_INVALID_FRAME_PAYLOAD_DATA);
		return;
	}
	w->msg_type = m->opcode;
	w->has_msg = true;
}

/* After our close frame only the client's is of interest. */
static void on_message(wslay_event_context_ptr ctx, const struct wslay_event_on_msg_recv_arg *m,
		       void *arg)
{
	mo_ws *w = arg;

	if (wslay_is_ctrl_frame(m->opcode) || w->closing)
		return;
	take_message(w, m);
	if (!w->has_msg)
		release_message(w);
}

void mo_ws_frames_init(mo_ws *w)
{
	static const struct wslay_event_callbacks calls = {
		.recv_callback = on_recv,
		.send_callback = on_send,
		.on_msg_recv_callback = on_message,
	};

	MO_CHECK(wslay_event_context_server_init(&w->frames, &calls, w) == 0);
	wslay_event_config_set_max_recv_msg_length(w->frames, w->max_message);
	if (w->deflate)
		wslay_event_config_set_allowed_rsv_bits(w->frames, WSLAY_RSV1_BIT);
}

/* What wslay has queued becomes bytes; nothing waits inside it. */
static void drain_queue(mo_ws *w)
{
	MO_CHECK(wslay_event_send(w->frames) == 0);
	MO_CHECK(!wslay_event_want_write(w->frames));
	/* One message may pass the limit; answers to pings must not. */
	if (mo_push_pending(&w->out) > 2 * w->max_queue + CONTROL_MOST)
		w->full = true;
}

void mo_ws_fail(mo_ws *w, int code)
{
	wslay_event_queue_close(w->frames, (uint16_t)code, NULL, 0);
	wslay_event_shutdown_read(w->frames);
}

/* ---- input ---- */

static size_t unread(const mo_ws *w)
{
	return w->in.len - w->in_at;
}

bool mo_ws_at_boundary(const mo_ws *w)
{
	return w->frame_left == 0 && !w->fragmented;
}

bool mo_ws_hungry(const mo_ws *w)
{
	return !w->ending && !w->over && !w->has_msg && !w->taken && unread(w) < WHOLE &&
	       !(w->hold && mo_ws_at_boundary(w));
}

/* Is that the beginning of no frame that a client may send (RFC 6455 section 5.2)?  n: the
 * seven bits of its length. */
static bool is_bad_head(const mo_ws *w, const uint8_t *p, unsigned n)
{
	if (!(p[1] & 0x80))
		return true; /* not masked */
	if (!w->frame_data && (n > 125 || !w->frame_last))
		return true;
	return (p[0] & 0x0f) == WSLAY_CONNECTION_CLOSE && n == 1;
}

/* The length in the bytes behind the first two; UINT64_MAX: it could be said in fewer, or is
 * out of range. */
static uint64_t extended_length(const uint8_t *p, size_t bytes)
{
	uint64_t n = 0;

	for (size_t i = 0; i < bytes; i++)
		n = n << 8 | p[i];
	return n < (bytes == 2 ? 126 : 65536) || n > INT64_MAX ? UINT64_MAX : n;
}

/* The size of the frame at the head of the input, header included; 0: not yet
 * known, or its header breaks a rule or the limit: *code, and it is not worth
 * waiting for.  Fills in what follows from the header. */
static uint64_t frame_size(mo_ws *w, int *code)
{
	size_t have = unread(w), more;
	const uint8_t *p;
	uint64_t n;

	*code = 0;
	if (have < 2)
		return 0;
	p = (const uint8_t *)w->in.data + w->in_at;
	n = p[1] & 0x7f;
	w->frame_last = p[0] & 0x80;
	w->frame_data = !(p[0] & 0x08);
	more = n == 126 ? 2 : n == 127 ? 8 : 0;
	if (is_bad_head(w, p, (unsigned)n)) {
		*code = WSLAY_CODE_PROTOCOL_ERROR;
		return 0;
	}
	if (have < 2 + 4 + more)
		return 0;
	if (more)
		n = extended_length(p + 2, more);
	if (n == UINT64_MAX)
		*code = WSLAY_CODE_PROTOCOL_ERROR;
	else if (n > w->max_message && w->frame_data)
		*code = WSLAY_CODE_MESSAGE_TOO_BIG;
	return *code ? 0 : 2 + 4 + more + n;
}

/* How many bytes wslay may have now; 0: wait for more. */
static size_t portion(mo_ws *w)
{
	size_t have = unread(w);

	if (w->frame_left == 0) {
		int code = 0;
		uint64_t n = frame_size(w, &code);

		if (code)
			mo_ws_fail(w, code);
		if (n == 0 || (n <= WHOLE && n > have))
			return 0;
		w->part += w->frame_data ? FRAME_COST : 0;
		w->frame_left = n;
	}
	have = have < w->frame_left ? have : (size_t)w->frame_left;
	if (w->frame_data && !has_room(w, w->part + have)) {
		give_way(w);
		return 0;
	}
	return have;
}

static void after_portion(mo_ws *w, size_t n)
{
	w->in_at += n;
	w->frame_left -= n;
	if (w->frame_data)
		w->part += n;
	if (w->frame_left == 0 && w->frame_data) {
		w->fragmented = !w->frame_last;
		w->part = w->fragmented ? w->part : 0;
	}
	count(w);
	if (w->in_at == w->in.len) {
		w->in.len = w->in_at = 0;
		mo_conns_buf_put(w->home, &w->in);
	}
}

/* The peer has closed, or something was wrong: wslay reads no more. */
static void note_end(mo_ws *w)
{
	if (wslay_event_get_read_enabled(w->frames))
		return;
	w->ending = true;
	if (w->code == 0)
		w->code = wslay_event_get_close_received(w->frames)
				  ? wslay_event_get_status_code_received(w->frames)
				  : wslay_event_get_status_code_sent(w->frames);
}

void mo_ws_decode(mo_ws *w)
{
	while (!w->has_msg && !w->ending && !w->over && !(w->hold && mo_ws_at_boundary(w))) {
		size_t n = portion(w);

		if (n > 0) {
			w->feed = (mo_ws_feed){ w->in.data + w->in_at, n };
			if (wslay_event_recv(w->frames) != 0)
				mo_ws_fail(w, WSLAY_CODE_PROTOCOL_ERROR);
			after_portion(w, n);
		}
		drain_queue(w);
		note_end(w);
		if (n == 0)
			return;
	}
}

int mo_ws_next(mo_ws *w, int *type, molt_str *data)
{
	w->taken = false;
	if (w->c && !w->has_msg) {
		if (w->turn_count >= MO_WS_PER_TURN) {
			mo_conn_next_turn(w->c);
			return 0;
		}
		mo_ws_decode(w);
		mo_conn_next_turn(w->c);
	}
	if (w->has_msg) {
		w->has_msg = false;
		w->taken = true;
		w->turn_count++;
		*type = w->msg_type;
		*data = mo_strn(w->msg.data, w->msg.len);
		return 1;
	}
	if (w->home && w->msg.data)
		release_message(w);
	count(w);
	return w->over || w->ending || !w->c ? -EPIPE : 0;
}

/* ---- output ---- */

bool mo_ws_open(const mo_ws *w)
{
	return !w->closing && !w->ending && !w->over && (w->c || w->code == 0);
}

static int queue(mo_ws *w, int type, molt_str data)
{
	struct wslay_event_msg m = { (uint8_t)type, (const uint8_t *)data.ptr, data.len };
	mo_buf small = { 0 };
	int rc;

	if (w->deflate && w->home && data.len >= DEFLATE_LEAST &&
	    mo_ws_deflate(&w->home->zlib, data, &small)) {
		m.msg = (const uint8_t *)small.data;
		m.msg_length = small.len;
		rc = wslay_event_queue_msg_ex(w->frames, &m, WSLAY_RSV1_BIT);
	} else {
		rc = wslay_event_queue_msg(w->frames, &m);
	}
	mo_buf_free(&small);
	return rc == 0 ? 0 : -EPIPE;
}

int mo_ws_send(mo_ws *w, int type, molt_str data)
{
	int rc;

	MO_MAGIC_OK(w, MO_WS_MAGIC);
	if (type != MO_WS_TEXT && type != MO_WS_BINARY)
		return -EINVAL;
	if (!mo_ws_open(w) || w->full)
		return -EPIPE;
	if (data.len > w->max_queue)
		return -EMSGSIZE;
	if (type == MO_WS_TEXT && !mo_str_is_utf8(data))
		return -EINVAL;
	if (mo_push_too_much(&w->out, data.len, w->max_queue)) {
		w->full = true; /* it takes nothing: the connection is given up */
		rc = -EPIPE;
	} else {
		rc = queue(w, type, data);
	}
	if (rc == 0)
		drain_queue(w);
	if (rc == 0 && !mo_push_relieve(&w->out, w->c)) {
		w->full = true;
		rc = -EPIPE;
	}
	if (w->c)
		mo_conn_next_turn(w->c);
	return rc;
}

void mo_ws_ping(mo_ws *w)
{
	struct wslay_event_msg m = { .opcode = WSLAY_PING };

	if (wslay_event_queue_msg(w->frames, &m) == 0)
		drain_queue(w);
}

/* RFC 6455 section 7.4; 1012 to 1014 are of the registry. */
static bool may_send_code(int code)
{
	return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
	       (code >= 3000 && code <= 4999);
}

int mo_ws_close(mo_ws *w, int code, molt_str reason)
{
	MO_MAGIC_OK(w, MO_WS_MAGIC);
	if (!may_send_code(code) || reason.len > CLOSE_REASON || !mo_str_is_utf8(reason))
		return -EINVAL;
	if (!mo_ws_open(w))
		return -EPIPE;
	if (wslay_event_queue_close(w->frames, (uint16_t)code, (const uint8_t *)reason.ptr,
				    reason.len) != 0)
		return -EPIPE;
	w->closing = true;
	w->hold = false;
	w->code = code;
	w->has_msg = false;
	drain_queue(w);
	if (w->c)
		mo_conn_next_turn(w->c);
	return 0;
}
