/* A request that waits for its next step, as bytes: written by the generation
 * that it began in, read by the one that goes on with it.
 *
 * Reading never trusts them: numbers are in their range and fit each other, the
 * head is one that the parser accepts, no field of the answer can split it. */
#ifndef MO_HTTP_H1_STEP_STATE_H
#define MO_HTTP_H1_STEP_STATE_H

#include "base/buf.h"
#include "base/str.h"

#define MO_STEP_STATE_VERSION 1              /* of the form; see base/versions.h */
#define MO_STEP_LONGEST ((molt_time)1 << 50) /* of any time in it */

typedef struct mo_step_state {
	uint64_t id, bytes_sent;
	uint64_t left;      /* of Content-Length, when the head was sent */
	int64_t res_length; /* -1: not said */
	molt_time age;      /* since the request began */
	molt_time wait;     /* until the step runs; MOLT_FOREVER */
	molt_time write;    /* until its route's timeout, which may be over; MOLT_FOREVER */
	int status;
	int framing; /* enum mo_h1_framing; 0 when the head was not sent */
	bool head_sent, close;
	bool listens;    /* for events */
	molt_str head;   /* of the request, as a client would send it */
	molt_str fields; /* of the answer: names and values in turn, each a blob; when
			    the head was not sent */
	molt_str out;    /* body that was not yet given to be sent */
	molt_str user;   /* of the upper layer */
} mo_step_state;

void mo_step_state_write(const mo_step_state *s, mo_buf *out);
/* The strings point into from.  false: not understood. */
bool mo_step_state_read(molt_str from, mo_step_state *out);

#endif
