/* The nghttp2 session of a connection: options, callbacks, feeding it; see h2_internal.h for
 * what may be done in a callback.
 *
 * Always: user data of a stream is its exchange as long as the exchange has not ended. */
#include <stdlib.h>

#include "base/check.h"
#include "base/mem.h"
#include "base/str.h"
#include "http/h2/h2_internal.h"

#define TABLE_SIZE 4096u /* of HPACK, ours; what the client offers is taken up to as much */
#define PRIORITY_SIZE 5u
#define SETTINGS_MAX 32u /* entries of one SETTINGS frame */

/* ---- memory: as everywhere, there is some or the process ends ---- */

static void *mem_malloc(size_t n, void *user)
{
	return mo_malloc(n);
}

static void *mem_calloc(size_t count, size_t size, void *user)
{
	return mo_calloc(count, size);
}

static void *mem_realloc(void *p, size_t n, void *user)
{
	return mo_realloc(p, n);
}

static void mem_free(void *p, void *user)
{
	free(p);
}

/* ---- callbacks ---- */

static mo_h2_req *exchange_of(const mo_h2 *h, int32_t id)
{
	return nghttp2_session_get_stream_user_data(h->session, id);
}

static int broken(mo_h2 *h, uint32_t code)
{
	h->error = code;
	return NGHTTP2_ERR_CALLBACK_FAILURE;
}

static int calm(mo_h2 *h)
{
	return broken(h, NGHTTP2_ENHANCE_YOUR_CALM);
}

static int on_begin_frame(nghttp2_session *s, const nghttp2_frame_hd *hd, void *user)
{
	mo_h2 *h = user;

	/* Without the priorities of RFC 7540 nghttp2 does not look at it. */
	if (hd->type == NGHTTP2_PRIORITY && hd->stream_id == 0)
		return broken(h, NGHTTP2_PROTOCOL_ERROR);
	if (hd->type == NGHTTP2_PRIORITY && hd->length != PRIORITY_SIZE)
		return broken(h, NGHTTP2_FRAME_SIZE_ERROR);
	return mo_h2_limit_frame(h, hd) ? 0 : calm(h);
}

/* As many handlers as streams may be left running by streams that were reset. */
static bool takes_requests(const mo_h2 *h)
{
	return h->running < 2 * h->c->server->lim.h2_streams;
}

static int on_begin_headers(nghttp2_session *s, const nghttp2_frame *frame, void *user)
{
	mo_h2 *h = user;

	h->block_fields = 0;
	h->head_due = mo_loop_now(mo_conn_loop(h->c)) + h->c->server->lim.header_timeout;
	if (h->c->server->lim.header_timeout < 0)
		h->head_due = MO_H2_NEVER;
	if (frame->headers.cat != NGHTTP2_HCAT_REQUEST)
		return 0;
	if (!takes_requests(h)) {
		nghttp2_submit_rst_stream(s, NGHTTP2_FLAG_NONE, frame->hd.stream_id,
					  NGHTTP2_REFUSED_STREAM);
		return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
	}
	mo_h2_limit_earn(h, 4);
	nghttp2_session_set_stream_user_data(s, frame->hd.stream_id,
					     mo_h2_exchange_new(h, frame->hd.stream_id));
	return 0;
}

/* What a block may cost, whoever it belongs to: a reference of one byte can stand for 4 KiB. */
static bool block_grows(mo_h2 *h, size_t more)
{
	h->block_fields += more;
	return h->block_fields <= 8 * h->c->server->lim.h2_header_list;
}

static int on_header(nghttp2_session *s, const nghttp2_frame *frame, const uint8_t *name,
		     size_t nlen, const uint8_t *value, size_t vlen, uint8_t flags, void *user)
{
	mo_h2 *h = user;
	mo_h2_req *q = exchange_of(h, frame->hd.stream_id);

	if (!block_grows(h, nlen + vlen + 32))
		return calm(h);
	if (!q || frame->headers.cat != NGHTTP2_HCAT_REQUEST) /* trailers are not used */
		return 0;
	mo_h2_head_field(q, mo_strn((const char *)name, nlen), mo_strn((const char *)value, vlen));
	return 0;
}

static void ready(mo_h2 *h, mo_h2_req *q)
{
	q->begun = true;
	mo_list_remove(&q->node);
	mo_list_append(&h->starting, &q->node);
}

static void head_complete(mo_h2 *h, mo_h2_req *q)
{
	mo_h2_head_end(q);
	if (q->malformed)
		nghttp2_submit_rst_stream(h->session, NGHTTP2_FLAG_NONE, q->id,
					  NGHTTP2_PROTOCOL_ERROR);
	else
		ready(h, q);
}

static void stream_complete(mo_h2_req *q)
{
	q->complete = true;
	mo_h2_wake(q);
}

static bool ends_early(const mo_h2_req *q)
{
	return q && !q->ended;
}

static int on_frame(nghttp2_session *s, const nghttp2_frame *frame, void *user)
{
	mo_h2 *h = user;
	mo_h2_req *q = frame->hd.stream_id ? exchange_of(h, frame->hd.stream_id) : NULL;
	bool end = frame->hd.flags & NGHTTP2_FLAG_END_STREAM;

	switch (frame->hd.type) {
	case NGHTTP2_HEADERS:
		h->head_due = MO_H2_NEVER;
		if (q && end)
			stream_complete(q);
		if (q && frame->headers.cat == NGHTTP2_HCAT_REQUEST)
			head_complete(h, q);
		break;
	case NGHTTP2_DATA:
		if (q && end)
			stream_complete(q);
		break;
	case NGHTTP2_RST_STREAM:
		if (ends_early(q) && !mo_h2_limit_reset(h))
			return calm(h);
		break;
	case NGHTTP2_PING:
		if (frame->hd.flags & NGHTTP2_FLAG_ACK)
			mo_h2_drain_answered(h);
		break;
	case NGHTTP2_GOAWAY:
		h->peer_leaves = true;
		break;
	default:
		break;
	}
	return 0;
}

static int on_data(nghttp2_session *s, uint8_t flags, int32_t id, const uint8_t *data, size_t n,
		   void *user)
{
	mo_h2_req *q = exchange_of(user, id);

	mo_h2_limit_earn(user, 1);
	if (q)
		mo_h2_body_add(q, data, n);
	else
		nghttp2_session_consume(s, id, n);
	return 0;
}

static int on_stream_close(nghttp2_session *s, int32_t id, uint32_t code, void *user)
{
	mo_h2_req *q = exchange_of(user, id);

	((mo_h2 *)user)->head_due = MO_H2_NEVER;
	if (q)
		mo_h2_exchange_closed(q);
	return 0;
}

/* What the client did to be reset counts like a reset of its own. */
static bool by_client(uint32_t code)
{
	return code == NGHTTP2_PROTOCOL_ERROR || code == NGHTTP2_FLOW_CONTROL_ERROR ||
	       code == NGHTTP2_STREAM_CLOSED || code == NGHTTP2_REFUSED_STREAM ||
	       code == NGHTTP2_FRAME_SIZE_ERROR;
}

/* The answer is whole.  Nobody reads what the client still sends of its body. */
static void answered(mo_h2 *h, int32_t id)
{
	mo_h2_req *q = exchange_of(h, id);

	if (q) {
		q->ended = true;
		mo_h2_wake(q);
	} else if (nghttp2_session_get_stream_remote_close(h->session, id) == 0) {
		nghttp2_submit_rst_stream(h->session, NGHTTP2_FLAG_NONE, id, NGHTTP2_NO_ERROR);
	}
}

static int on_sent(nghttp2_session *s, const nghttp2_frame *frame, void *user)
{
	mo_h2 *h = user;

	switch (frame->hd.type) {
	case NGHTTP2_RST_STREAM:
		if (by_client(frame->rst_stream.error_code) && !mo_h2_limit_reset(h))
			h->error = NGHTTP2_ENHANCE_YOUR_CALM; /* the driver looks at it */
		break;
	case NGHTTP2_HEADERS:
	case NGHTTP2_DATA:
		if (frame->hd.flags & NGHTTP2_FLAG_END_STREAM)
			answered(h, frame->hd.stream_id);
		break;
	default:
		break;
	}
	return 0;
}

static ssize_t data_room(nghttp2_session *s, uint8_t type, int32_t id, int32_t session_window,
			 int32_t stream_window, uint32_t frame_size, void *user)
{
	return MO_H2_PIECE;
}

/* Frames that nobody knows are named to nghttp2, so that on_begin_frame() counts them. */
static int ignore_chunk(nghttp2_session *s, const nghttp2_frame_hd *hd, const uint8_t *data,
			size_t n, void *user)
{
	return 0;
}

static int ignore_extension(nghttp2_session *s, void **payload, const nghttp2_frame_hd *hd,
			    void *user)
{
	return NGHTTP2_ERR_CANCEL;
}

/* ---- making one ---- */

static nghttp2_session_callbacks *callbacks_new(void)
{
	nghttp2_session_callbacks *cb;

	MO_CHECK(nghttp2_session_callbacks_new(&cb) == 0);
	nghttp2_session_callbacks_set_on_begin_frame_callback(cb, on_begin_frame);
	nghttp2_session_callbacks_set_on_begin_headers_callback(cb, on_begin_headers);
	nghttp2_session_callbacks_set_on_header_callback(cb, on_header);
	nghttp2_session_callbacks_set_on_frame_recv_callback(cb, on_frame);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb, on_data);
	nghttp2_session_callbacks_set_on_stream_close_callback(cb, on_stream_close);
	nghttp2_session_callbacks_set_on_frame_send_callback(cb, on_sent);
	nghttp2_session_callbacks_set_send_data_callback(cb, mo_h2_data_put);
	nghttp2_session_callbacks_set_data_source_read_length_callback(cb, data_room);
	nghttp2_session_callbacks_set_on_extension_chunk_recv_callback(cb, ignore_chunk);
	nghttp2_session_callbacks_set_unpack_extension_callback(cb, ignore_extension);
	return cb;
}

static nghttp2_option *options_new(const mo_http_limits *lim)
{
	nghttp2_option *o;

	MO_CHECK(nghttp2_option_new(&o) == 0);
	nghttp2_option_set_no_auto_window_update(o, 1);
	nghttp2_option_set_no_closed_streams(o, 1);
	nghttp2_option_set_max_outbound_ack(o, lim->h2_replies);
	nghttp2_option_set_max_settings(o, SETTINGS_MAX);
	nghttp2_option_set_max_deflate_dynamic_table_size(o, TABLE_SIZE);
	nghttp2_option_set_builtin_recv_extension_type(o, NGHTTP2_PRIORITY_UPDATE);
	for (int type = NGHTTP2_CONTINUATION + 1; type <= UINT8_MAX; type++)
		if (type != NGHTTP2_PRIORITY_UPDATE)
			nghttp2_option_set_user_recv_extension_type(o, (uint8_t)type);
#ifdef MO_HAVE_NGHTTP2_RESET_RATE
	/* Ours counts, by h2_limit.c: it knows which resets cost something. */
	nghttp2_option_set_stream_reset_rate_limit(o, UINT32_MAX, UINT32_MAX);
#endif
#ifdef MO_HAVE_NGHTTP2_CONTINUATIONS
	/* Ours counts first; this is behind it. */
	nghttp2_option_set_max_continuations(o, lim->h2_continuations + 16);
#endif
	return o;
}

static void submit_settings(nghttp2_session *s, const mo_http_limits *lim)
{
	nghttp2_settings_entry e[] = {
		{ NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, lim->h2_streams },
		{ NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, lim->h2_stream_window },
		{ NGHTTP2_SETTINGS_MAX_FRAME_SIZE, lim->h2_frame_size },
		{ NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, (uint32_t)lim->h2_header_list },
		{ NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1 },
	};

	MO_CHECK(nghttp2_submit_settings(s, NGHTTP2_FLAG_NONE, e, MO_COUNTOF(e)) == 0);
	MO_CHECK(nghttp2_session_set_local_window_size(s, NGHTTP2_FLAG_NONE, 0,
						       (int32_t)lim->h2_connection_window) == 0);
}

nghttp2_session *mo_h2_session_new(mo_h2 *h)
{
	static nghttp2_mem mem = { NULL, mem_malloc, mem_free, mem_calloc, mem_realloc };
	const mo_http_limits *lim = &h->c->server->lim;
	nghttp2_session_callbacks *cb = callbacks_new();
	nghttp2_option *options = options_new(lim);
	nghttp2_session *s;

	MO_CHECK(nghttp2_session_server_new3(&s, cb, h, options, &mem) == 0);
	nghttp2_session_callbacks_del(cb);
	nghttp2_option_del(options);
	submit_settings(s, lim);
	return s;
}

/* ---- feeding ---- */

bool mo_h2_session_feed(mo_h2 *h, const char *data, size_t n)
{
	ssize_t used = nghttp2_session_mem_recv(h->session, (const uint8_t *)data, n);

	if (used == (ssize_t)n)
		return true;
	if (h->error)
		mo_h2_fail(h, h->error);
	else if (used == NGHTTP2_ERR_FLOODED)
		mo_h2_fail(h, NGHTTP2_ENHANCE_YOUR_CALM);
	else if (used == NGHTTP2_ERR_BAD_CLIENT_MAGIC)
		mo_h2_fail(h, NGHTTP2_PROTOCOL_ERROR);
	else
		mo_h2_fail(h, NGHTTP2_INTERNAL_ERROR);
	return false;
}
