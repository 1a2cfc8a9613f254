/* Directories that requests of the same moment share; see shared_root.h.  Called by
 * static.c on any loop.
 *
 * A root is to be looked up by its path for each request, so that a release that is
 * switched is served from the next request on.  Requests that had begun to arrive
 * before a look-up may use its result all the same: each of them was sent before
 * whatever is switched afterwards, as far as anyone can tell.  That is what a moment
 * says, and it halves the calls that a small file costs.
 *
 * Always: a descriptor is held until the end of the loop's turn at most, so that a
 * loop that sleeps holds none. */
#include "web/files/shared_root.h"

#include <stdbool.h>
#include <unistd.h>

#include "base/check.h"
#include "base/list.h"
#include "rt/loop.h"
#include "web/files/beneath.h"

#define MOST 4u /* descriptors of a loop; more roots in one turn take them by turns */

struct root {
	const char *path; /* NULL: the place is free */
	int fd;
	unsigned moment; /* of the look-up */
};

/* Of the loop of this thread. */
struct roots {
	mo_turn_task task;
	bool made;
	unsigned next; /* the place to be used next */
	struct root at[MOST];
};

static _Thread_local struct roots roots;

static void forget(struct root *r)
{
	if (r->path)
		close(r->fd);
	r->path = NULL;
}

static void forget_all(mo_turn_task *t)
{
	struct roots *all = MO_CONTAINER_OF(t, struct roots, task);

	for (unsigned i = 0; i < MOST; i++)
		forget(&all->at[i]);
}

/* The place of the root, or one to use for it. */
static struct root *place_of(struct roots *all, const char *path)
{
	for (unsigned i = 0; i < MOST; i++)
		if (all->at[i].path == path)
			return &all->at[i];
	return &all->at[all->next++ % MOST];
}

static int look_up(mo_loop *l, struct roots *all, struct root *r, const char *path)
{
	int fd = mo_open_root(path);

	forget(r);
	if (fd < 0)
		return fd;
	*r = (struct root){ .path = path, .fd = fd, .moment = l->moment };
	if (!all->made)
		mo_turn_task_init(&all->task, forget_all);
	all->made = true;
	mo_loop_end_turn(l, &all->task);
	return fd;
}

int mo_open_beneath_shared(const char *root, const char *path, int flags)
{
	mo_loop *l = mo_loop_self();
	struct root *r;
	int fd;

	if (!l)
		return mo_open_beneath(root, path, flags);
	r = place_of(&roots, root);
	fd = r->path == root && r->moment == l->moment ? r->fd : look_up(l, &roots, r, root);
	return fd < 0 ? fd : mo_open_below(fd, path, flags);
}
