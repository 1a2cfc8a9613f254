/* What wslay reads: the bytes that its owner has for it, and no more. */
#ifndef MO_HTTP_LIVE_WS_FEED_H
#define MO_HTTP_LIVE_WS_FEED_H

#include <string.h>
#include <wslay/wslay.h>

typedef struct mo_ws_feed {
	const char *ptr;
	size_t len;
} mo_ws_feed;

/* For a recv_callback. */
static inline ssize_t mo_ws_feed_read(mo_ws_feed *f, wslay_event_context_ptr ctx, uint8_t *buf,
				      size_t n)
{
	n = n < f->len ? n : f->len;
	if (n == 0) {
		wslay_event_set_error(ctx, WSLAY_ERR_WOULDBLOCK);
		return -1;
	}
	memcpy(buf, f->ptr, n);
	f->ptr += n;
	f->len -= n;
	return (ssize_t)n;
}

#endif
