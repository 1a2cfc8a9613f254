/* The budget of memory of the process for what its clients make it keep.  Each kind has a
 * limit of its own; this is the one over all of them, over all connections and servers.
 *
 *   what is kept                          over the budget, when it would grow
 *   a body that is read as a whole,       it is not read for a while; then 503 with
 *   its copies and texts of forms         Retry-After
 *   what a request is that waits in a     nothing: it was let in before
 *   step
 *   an answer that a handler gathers      503 with Retry-After; cut when its head has left
 *   a head past 32 KiB                    503 with Retry-After
 *   a WebSocket message, until it is      the WebSocket is closed with 1013
 *   whole and while it is worked on
 *   output of WebSockets and event        it is sent at once; a client that does not take
 *   streams                               it is cut, as past its own limit
 *
 * So whoever wants more gives way, and who holds what it has keeps it.
 *
 * Counted are capacities past MO_MEMORY_FROM: what is smaller is bounded by
 * maxConnections well enough, and most requests never come here.  [any] */
#ifndef MO_HTTP_CONN_MEMORY_H
#define MO_HTTP_CONN_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MO_MEMORY_FROM (32u * 1024)

/* bytes; 0: half of what the process may use.  Of several calls the least counts. */
void mo_memory_budget(uint64_t bytes);
/* A buffer's capacity has changed; 0: it is not there. */
void mo_memory_count(size_t before, size_t after);
/* The same for an owner that keeps what it has counted; 0 at first and at its end. */
void mo_memory_track(size_t *counted, size_t now);
/* Would more bytes be too many? */
bool mo_memory_over(size_t more);
/* The same for a buffer that grows from one capacity to another. */
bool mo_memory_may_grow(size_t from, size_t to);

/* What the budget was the reason for, counted; a warning, one each minute. */
void mo_memory_refused(void); /* a request, with 503 */
void mo_memory_cut(void);     /* a client that was behind */
void mo_memory_closed(void);  /* a WebSocket, with 1013 */

typedef struct mo_memory_sum {
	uint64_t budget, used, refused, cut, closed;
} mo_memory_sum;
mo_memory_sum mo_memory_now(void);

#endif
