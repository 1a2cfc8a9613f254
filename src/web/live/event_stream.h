/* Event streams: what web keeps of one that outlives its handler. */
#ifndef MO_WEB_LIVE_EVENT_STREAM_H
#define MO_WEB_LIVE_EVENT_STREAM_H

#include "http/live/sse.h"
#include "web/live/topic.h"

typedef struct mo_web_sse mo_web_sse;

/* The handler has returned: the connection becomes a stream, unless the answer
 * became another. */
void mo_web_sse_begin(molt_req *r);

void mo_web_sse_free(mo_web_sse *w); /* not begun, or gone */

#endif
