/* An intrusive doubly linked ring.  A node that is in no list points to itself
 * (after mo_list_init) so that removing it twice does nothing. */
#ifndef MO_BASE_LIST_H
#define MO_BASE_LIST_H

#include <stdbool.h>

typedef struct mo_list {
	struct mo_list *next, *prev;
} mo_list;

static inline void mo_list_init(mo_list *l)
{
	l->next = l->prev = l;
}

static inline bool mo_list_empty(const mo_list *l)
{
	return l->next == l;
}

static inline void mo_list_remove(mo_list *n)
{
	n->prev->next = n->next;
	n->next->prev = n->prev;
	mo_list_init(n);
}

static inline void mo_list_append(mo_list *head, mo_list *n)
{
	n->prev = head->prev;
	n->next = head;
	head->prev->next = n;
	head->prev = n;
}

static inline void mo_list_prepend(mo_list *head, mo_list *n)
{
	mo_list_append(head->next, n);
}

/* n may be removed inside the loop. */
#define MO_LIST_EACH(n, head)                                                                      \
	for (mo_list *n = (head)->next, *n##_next = n->next; n != (head);                          \
	     n = n##_next, n##_next = n->next)

#endif
