/* Poll handles that are used again; see watch.h.
 *
 * Always: a handle lies in kept[fd] when it is stopped, else its user has it; all of
 * them lie in blocks, which are freed when libuv has let go of the loop. */
#include "rt/watch.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/mem.h"
#include "rt/loop_internal.h"

#define BLOCK_HANDLES 16u

struct mo_watch_block {
	struct mo_watch_block *next;
	uv_poll_t handles[BLOCK_HANDLES];
};

static uv_poll_t *unused(mo_watches *all)
{
	if (!all->blocks || all->used == BLOCK_HANDLES) {
		struct mo_watch_block *b = mo_malloc(sizeof(*b));

		b->next = all->blocks;
		all->blocks = b;
		all->used = 0;
	}
	return &all->blocks->handles[all->used];
}

int mo_watch_get(mo_loop *l, int fd, uv_poll_t **out)
{
	mo_watches *all = &l->p->watches;
	uv_poll_t *w = fd < all->size ? all->kept[fd] : NULL;
	int rc;

	MO_CHECK(fd >= 0);
	if (w) {
		all->kept[fd] = NULL;
	} else {
		w = unused(all);
		rc = uv_poll_init(&l->uv, w, fd);
		if (rc < 0)
			return rc;
		all->used++;
	}
	all->out++;
	*out = w;
	return 0;
}

static void make_room(mo_watches *all, int fd)
{
	int size = all->size ? all->size : 64;

	while (size <= fd)
		size *= 2;
	all->kept = mo_realloc(all->kept, (size_t)size * sizeof(all->kept[0]));
	for (int i = all->size; i < size; i++)
		all->kept[i] = NULL;
	all->size = size;
}

void mo_watch_put(mo_loop *l, uv_poll_t *w)
{
	mo_watches *all = &l->p->watches;
	int fd = -1;

	MO_CHECK(uv_fileno((uv_handle_t *)w, &fd) == 0);
	if (uv_is_active((uv_handle_t *)w))
		uv_poll_stop(w);
	if (fd >= all->size)
		make_room(all, fd);
	MO_CHECK(!all->kept[fd] && all->out > 0);
	all->kept[fd] = w;
	all->out--;
}

void mo_watches_close(mo_loop *l)
{
	mo_watches *all = &l->p->watches;

	MO_CHECK(all->out == 0);
	for (int i = 0; i < all->size; i++)
		if (all->kept[i])
			uv_close((uv_handle_t *)all->kept[i], NULL);
}

void mo_watches_free(mo_loop *l)
{
	mo_watches *all = &l->p->watches;

	while (all->blocks) {
		struct mo_watch_block *next = all->blocks->next;

		free(all->blocks);
		all->blocks = next;
	}
	free(all->kept);
	*all = (mo_watches){ 0 };
}
