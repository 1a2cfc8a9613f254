/* The end of an HTTP/2 connection in good order (RFC 9113 section 6.8), and by an error.
 *
 *   drain     event                                      -> next
 *   SERVES    the server drains                          -> NOTICED: GOAWAY(2^31-1), PING
 *   SERVES    idle_timeout; keepAlive is off             -> ENDS: GOAWAY(last)
 *   NOTICED   the PING's answer, or a second has passed  -> ENDS: GOAWAY(last)
 *   ENDS      the last stream has ended                  -> over, the connection closes
 *
 * Between the two GOAWAY frames the client learns that it must not begin more, and what it
 * had sent before that is still answered.  What comes after the second one has a higher
 * number than the frame says, and is not looked at: the client knows that it may send it
 * again elsewhere. */
#include "base/check.h"
#include "http/h2/h2_internal.h"

#define NOTICE_TIME (1 * MOLT_SECOND)

static const uint8_t question[8] = { 'm', 'o', 'l', 't', 'g', 'o', 'n', 'e' };

void mo_h2_drain(mo_h2 *h)
{
	if (h->drain != MO_H2_SERVES || h->over || h->dead)
		return;
	h->drain = MO_H2_NOTICED;
	h->drain_due = mo_loop_now(mo_conn_loop(h->c)) + NOTICE_TIME;
	nghttp2_submit_shutdown_notice(h->session);
	nghttp2_submit_ping(h->session, NGHTTP2_FLAG_NONE, question);
}

/* The only PING of ours. */
void mo_h2_drain_answered(mo_h2 *h)
{
	if (h->drain == MO_H2_NOTICED)
		mo_h2_drain_end(h);
}

void mo_h2_drain_end(mo_h2 *h)
{
	if (h->drain == MO_H2_ENDS || h->over || h->dead)
		return;
	h->drain = MO_H2_ENDS;
	h->drain_due = MO_H2_NEVER;
	nghttp2_submit_goaway(h->session, NGHTTP2_FLAG_NONE,
			      nghttp2_session_get_last_proc_stream_id(h->session), NGHTTP2_NO_ERROR,
			      NULL, 0);
}

void mo_h2_fail(mo_h2 *h, uint32_t code)
{
	h->failed = true;
	h->drain = MO_H2_ENDS;
	h->drain_due = MO_H2_NEVER;
	if (code == NGHTTP2_ENHANCE_YOUR_CALM)
		mo_http_count_one(&h->c->count->h2_calmed);
	nghttp2_session_terminate_session(h->session, code);
}
