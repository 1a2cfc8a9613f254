/* First in, first out: values of one size, side by side in one array that grows.  Each
 * costs the same, however many wait.  A zeroed mo_queue is empty.  The size of a value is
 * given with each call and always the same. */
#ifndef MO_BASE_QUEUE_H
#define MO_BASE_QUEUE_H

#include <stddef.h>

#include "base/check.h"

typedef struct mo_queue {
	char *values;
	size_t first; /* those before it have gone */
	size_t count; /* of those that wait, from the first on */
	size_t room;  /* of the array, in values */
} mo_queue;

/* Where the new last value is, for the caller to fill in.  The others may have moved. */
void *mo_queue_add(mo_queue *q, size_t size);
/* Only the memory: the values are the caller's. */
void mo_queue_free(mo_queue *q);

/* The nth from the oldest on (0). */
static inline void *mo_queue_at(const mo_queue *q, size_t size, size_t n)
{
	return q->values + (q->first + n) * size;
}

/* The oldest one goes. */
static inline void mo_queue_drop(mo_queue *q)
{
	MO_CHECK(q->count > 0);
	q->first++;
	if (--q->count == 0)
		q->first = 0;
}

#endif
