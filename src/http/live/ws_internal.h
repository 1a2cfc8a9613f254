/* A WebSocket from inside: ws.c (the connection) and ws_frame.c (messages and
 * frames).  Nobody else includes this. */
#ifndef MO_HTTP_LIVE_WS_INTERNAL_H
#define MO_HTTP_LIVE_WS_INTERNAL_H

#include <wslay/wslay.h>

#include "http/conn/push.h"
#include "http/live/ws.h"
#include "http/live/ws_feed.h"

#define MO_WS_MAGIC 0x77736b21u
#define MO_WS_PER_TURN 32 /* messages before others have their turn */

struct mo_ws {
	uint32_t magic;
	const mo_ws_user *user;
	void *arg;
	mo_conn *c;     /* NULL: not begun, or gone */
	mo_conns *home; /* of c; NULL with it */
	wslay_event_context_ptr frames;
	mo_push out;
	mo_buf in; /* read and not yet given to wslay, from in_at on */
	size_t in_at;
	mo_ws_feed feed; /* what wslay may take now */
	uint64_t frame_left; /* of the frame that wslay is in the middle of */
	bool frame_last;     /* ... it ends its message */
	bool frame_data;     /* ... it is no control frame */
	bool fragmented;     /* wslay holds the beginning of a message */
	size_t part;         /* what wslay holds of a message that is not yet whole */
	mo_buf msg;
	size_t counted; /* of part and msg, in the budget (memory.h) */
	int msg_type;   /* 0: none */
	bool has_msg;   /* made and not yet taken by the upper layer */
	bool taken;     /* the upper layer works on it */
	unsigned turn_count;
	size_t max_message, max_queue;
	molt_time ping, close_spread;
	int code;
	bool line, deflate;
	bool fresh;       /* begun, and has not looked whether the server drains */
	bool room_wanted; /* the upper layer waits until the output is empty */
	bool held;        /* an exchange runs on the connection */
	bool hold;        /* no further message: it is to move */
	bool closing;     /* our close frame is in the output */
	bool close_timed; /* ... and the client's part has its time */
	bool ending;      /* no more input will be looked at */
	bool over;
	bool pinged;  /* and not heard of since */
	bool leaving; /* the timer says when the drain closes it */
	bool full;    /* the output has passed its limit */
};

/* ---- ws_frame.c ---- */

void mo_ws_frames_init(mo_ws *w);
/* Looks at the input until there is a message, or nothing more can be done. */
void mo_ws_decode(mo_ws *w);
void mo_ws_fail(mo_ws *w, int code); /* closes with our code, looks at no more input */
void mo_ws_ping(mo_ws *w);
/* Is more input wanted? */
bool mo_ws_hungry(const mo_ws *w);

#endif
