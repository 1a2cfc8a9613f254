/* A whole body of multipart/form-data; see url.h.  What a form is, is in multipart_push.c,
 * which this is built upon.
 *
 * Always: the body is pushed in one piece, so the data of a part comes in pieces that lie in
 * the body one behind another, and a head is read where it lies: a form takes little more than
 * its body. */
#include <errno.h>

#include "http/syntax/multipart.h"

typedef struct whole {
	mo_part *list, **tail, *last;
} whole;

static int on_begin(void *arg, mo_part *part)
{
	whole *w = arg;

	part->data = (molt_str){ NULL, 0 };
	part->next = NULL;
	w->last = *w->tail = part;
	w->tail = &part->next;
	return 0;
}

static int on_data(void *arg, molt_str bytes)
{
	molt_str *data = &((whole *)arg)->last->data;

	if (!data->ptr)
		data->ptr = bytes.ptr;
	data->len += bytes.len;
	return 0;
}

static int on_end(void *arg)
{
	return 0;
}

static const mo_multipart_user user = { on_begin, on_data, on_end };

void mo_multipart_end(const mo_part *list, const char *parsed, char *to, char end)
{
	for (const mo_part *p = list; p; p = p->next)
		to[(size_t)(p->data.ptr - parsed) + p->data.len] = end;
}

int mo_multipart_parse(mo_arena *a, molt_str content_type, char *body, size_t len, mo_part **out)
{
	whole w = { .tail = &w.list };
	mo_multipart m;
	int rc = mo_multipart_init(&m, a, content_type, &user, &w);

	if (rc < 0)
		return rc;
	m.max_padding = SIZE_MAX; /* nothing has to be held back */
	(void)mo_multipart_push(&m, body, len);
	rc = mo_multipart_finish(&m);
	mo_multipart_free(&m);
	if (rc < 0)
		return rc;
	mo_multipart_end(w.list, body, body, '\0');
	*out = w.list;
	return 0;
}
