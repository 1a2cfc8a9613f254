/* The budget of memory of the process for what its clients make it keep: request bodies
 * that handlers ask for as a whole, and output that slow clients of WebSockets and event
 * streams have not taken.  Each has a limit of its own; this is the one over all of them,
 * over all connections and servers.
 *
 *   over the budget      what happens
 *   a body grows         it is not read for a while; then 503 with Retry-After
 *   output is added for  the client is cut, as past its own limit
 *   one that is behind
 *
 * Counted are capacities past MO_MEMORY_FROM: what is smaller is bounded by
 * maxConnections well enough, and most requests never come here.  [any] */
#ifndef MO_HTTP_MEMORY_H
#define MO_HTTP_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MO_MEMORY_FROM (32u * 1024)

/* bytes; 0: half of what the process may use.  Of several calls the least counts. */
void mo_memory_budget(uint64_t bytes);
/* A buffer's capacity has changed; 0: it is not there. */
void mo_memory_count(size_t before, size_t after);
/* Would more bytes be too many? */
bool mo_memory_over(size_t more);

/* What the budget was the reason for, counted; a warning, one each minute. */
void mo_memory_refused(void); /* a body, with 503 */
void mo_memory_cut(void);     /* a client that was behind */

typedef struct mo_memory_sum {
	uint64_t budget, used, refused, cut;
} mo_memory_sum;
mo_memory_sum mo_memory_now(void);

#endif
