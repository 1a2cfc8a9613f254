/* WebSocket input:
 *   - however the bytes are cut, the same messages come and the same end;
 *   - no message is longer than the limit, text is UTF-8;
 *   - between frames nothing is left inside wslay (what is not whole stays bytes).
 * The first byte chooses deflate. */
#include "base/buf.h"
#include "base/mem.h"
#include "base/str.h"
#include "fuzz.h"
#include "http/live/ws_deflate.h"
#include "http/live/ws_internal.h"

#define LIMIT 40000u

/* The loop's part is not needed here. */
mo_buf mo_conns_buf_get(mo_conns *home)
{
	return (mo_buf){ 0 };
}

void mo_conns_buf_put(mo_conns *home, mo_buf *b)
{
	mo_buf_free(b);
}

void mo_conn_next_turn(mo_conn *c)
{
}

static void take(mo_ws *w, mo_buf *all)
{
	for (;;) {
		mo_ws_decode(w);
		if (!w->has_msg)
			return;
		MO_CHECK(w->msg.len <= LIMIT);
		MO_CHECK(w->msg_type != MO_WS_TEXT ||
			 mo_str_is_utf8(mo_strn(w->msg.data, w->msg.len)));
		mo_buf_fmt(all, "%d %zu ", w->msg_type, w->msg.len);
		mo_buf_add(all, w->msg.data, w->msg.len);
		w->has_msg = false;
	}
}

/* The messages, then how it ended and what was answered. */
static mo_buf run(const uint8_t *data, size_t size, bool deflate, unsigned seed, bool pieces)
{
	mo_conns home = { 0 };
	mo_ws w = { .magic = MO_WS_MAGIC,
		    .home = &home,
		    .deflate = deflate,
		    .max_message = LIMIT,
		    .max_queue = 1 << 30 };
	mo_buf all = { 0 };
	molt_str out;

	mo_ws_frames_init(&w);
	for (size_t at = 0; at < size && !w.ending;) {
		size_t n = pieces ? next_number(&seed, 50) + 1 : size;

		n = n < size - at ? n : size - at;
		mo_buf_add(&w.in, data + at, n);
		at += n;
		take(&w, &all);
		MO_CHECK(w.ending || w.frame_left > 0 || w.in.len - w.in_at < MO_LOOP_BUFFER);
	}
	out = mo_push_bytes(&w.out);
	mo_buf_fmt(&all, "%d %d ", w.ending, w.code);
	mo_buf_add(&all, out.ptr, out.len);
	wslay_event_context_free(w.frames);
	mo_push_free(&w.out, NULL);
	mo_buf_free(&w.in);
	mo_buf_free(&w.msg);
	mo_ws_zlib_free(home.zlib);
	return all;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	bool deflate = size > 0 && data[0] & 1;
	mo_buf whole, other;

	if (size == 0)
		return 0;
	whole = run(data + 1, size - 1, deflate, 0, false);
	for (unsigned i = 0; i < 2; i++) {
		other = run(data + 1, size - 1, deflate, (unsigned)size + i, true);
		MO_CHECK(whole.len == other.len && memcmp(whole.data, other.data, whole.len) == 0);
		mo_buf_free(&other);
	}
	mo_buf_free(&whole);
	return 0;
}
