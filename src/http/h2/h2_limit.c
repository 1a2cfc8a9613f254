/* Limits against abuse of HTTP/2.  A frame that makes the server work without asking for
 * anything, or asks and takes it back, is counted for each connection; whoever sends more
 * than its key allows gets GOAWAY with ENHANCE_YOUR_CALM.
 *
 *   what                                        key
 *   streams that end before their answer: by    http2MaxResets, a minute
 *   RST_STREAM of the client, or of ours for
 *   what the client did
 *   SETTINGS, PING, PRIORITY, WINDOW_UPDATE,    http2MaxControlFrames, a minute; requests
 *   unknown frames, empty DATA and              and data pay for some
 *   CONTINUATION
 *   CONTINUATION frames of one head             http2MaxContinuations
 *   bytes of one head                           http2MaxHeaderList, twice; decoded eight times
 *   answers to PING and SETTINGS that wait      http2MaxQueuedReplies (nghttp2 counts them)
 *
 * "A minute" is a bucket: as many may come at once, and as many again within a minute.
 * A reset after the answer was sent costs nothing and is not counted: some clients do so
 * behind each answer that has no length. */
#include "http/h2/h2_internal.h"

#define CREDIT_MAX 4096

static bool spend(mo_h2_bucket *b, molt_time now, uint32_t limit)
{
	molt_time back = (now - b->since) * (molt_time)limit / MOLT_MINUTE;

	if (back >= b->spent) {
		b->spent = 0;
		b->since = now;
	} else if (back > 0) {
		b->spent -= (uint32_t)back;
		b->since += back * MOLT_MINUTE / (molt_time)limit;
	}
	return ++b->spent <= limit;
}

bool mo_h2_limit_reset(mo_h2 *h)
{
	return spend(&h->resets, mo_loop_now(mo_conn_loop(h->c)), h->c->server->lim.h2_resets);
}

void mo_h2_limit_earn(mo_h2 *h, unsigned frames)
{
	h->credit += frames;
	if (h->credit > CREDIT_MAX)
		h->credit = CREDIT_MAX;
}

static bool control(mo_h2 *h)
{
	if (h->credit > 0) {
		h->credit--;
		return true;
	}
	return spend(&h->controls, mo_loop_now(mo_conn_loop(h->c)), h->c->server->lim.h2_controls);
}

static bool block(mo_h2 *h, const nghttp2_frame_hd *hd)
{
	const mo_http_limits *lim = &h->c->server->lim;

	h->block_bytes += hd->length;
	return h->block_bytes <= 2 * lim->h2_header_list + lim->h2_frame_size &&
	       h->continuations <= lim->h2_continuations;
}

bool mo_h2_limit_frame(mo_h2 *h, const nghttp2_frame_hd *hd)
{
	switch (hd->type) {
	case NGHTTP2_HEADERS:
		h->block_bytes = 0;
		h->continuations = 0;
		return block(h, hd);
	case NGHTTP2_CONTINUATION:
		h->continuations++;
		if (hd->length == 0 && !control(h))
			return false;
		return block(h, hd);
	case NGHTTP2_DATA:
		if (hd->length > 0 && !(hd->flags & NGHTTP2_FLAG_PADDED))
			return true;
		return hd->flags & NGHTTP2_FLAG_END_STREAM || control(h); /* padding may be all */
	case NGHTTP2_RST_STREAM:
	case NGHTTP2_GOAWAY:
		return true;
	default:
		return control(h);
	}
}
