/* A queue in an array; see queue.h. */
#include "base/queue.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* Those that are moved to the front are fewer than have gone since the last time. */
static void make_room(mo_queue *q, size_t size)
{
	if (q->first + q->count < q->room)
		return;
	if (q->first > q->count) {
		memcpy(q->values, mo_queue_at(q, size, 0), q->count * size);
		q->first = 0;
		return;
	}
	q->room = q->room ? 2 * q->room : 4;
	q->values = mo_realloc(q->values, q->room * size);
}

void *mo_queue_add(mo_queue *q, size_t size)
{
	make_room(q, size);
	return mo_queue_at(q, size, q->count++);
}

void mo_queue_free(mo_queue *q)
{
	free(q->values);
	*q = (mo_queue){ 0 };
}
