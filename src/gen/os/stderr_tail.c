/* The standard error of a successor; see stderr_tail.h. */
#include "gen/os/stderr_tail.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"

struct mo_stderr_tail {
	uv_poll_t poll;
	int from;
	mo_outlet *to;
	char *lines[MO_TAIL_LINES]; /* a ring; owned */
	unsigned next;
	mo_buf partial; /* an unfinished line */
};

void mo_stderr_tail_add(mo_stderr_tail *t, const char *line, size_t n)
{
	if (n == 0)
		return;
	if (n > MO_TAIL_LINE)
		n = MO_TAIL_LINE;
	free(t->lines[t->next]);
	t->lines[t->next] = mo_strndup(line, n);
	t->next = (t->next + 1) % MO_TAIL_LINES;
}

static void take(mo_stderr_tail *t, const char *p, size_t n)
{
	while (n) {
		const char *nl = memchr(p, '\n', n);
		size_t part = nl ? (size_t)(nl - p) : n;

		if (t->partial.len < MO_TAIL_LINE)
			mo_buf_add(&t->partial, p, part);
		if (!nl)
			return;
		mo_stderr_tail_add(t, t->partial.data, t->partial.len);
		t->partial.len = 0;
		p += part + 1;
		n -= part + 1;
	}
}

/* true: there may be more. */
static bool read_once(mo_stderr_tail *t)
{
	char room[4096];
	ssize_t n = read(t->from, room, sizeof(room));

	if (n < 0)
		return errno == EINTR;
	if (n == 0) { /* every writer is gone */
		uv_poll_stop(&t->poll);
		return false;
	}
	mo_outlet_add(t->to, room, (size_t)n);
	take(t, room, (size_t)n);
	return true;
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
	mo_stderr_tail *t = poll->data;

	if (status < 0)
		uv_poll_stop(poll);
	else
		read_once(t);
}

mo_stderr_tail *mo_stderr_tail_new(mo_loop *l, int from_fd, mo_outlet *to)
{
	mo_stderr_tail *t = mo_calloc(1, sizeof(*t));

	fcntl(from_fd, F_SETFL, fcntl(from_fd, F_GETFL) | O_NONBLOCK);
	t->from = from_fd;
	t->to = to;
	t->poll.data = t;
	uv_poll_init(&l->uv, &t->poll, from_fd);
	uv_poll_start(&t->poll, UV_READABLE, on_readable);
	return t;
}

void mo_stderr_tail_read_now(mo_stderr_tail *t)
{
	for (int i = 0; i < 64 && read_once(t); i++)
		continue;
}

json_t *mo_stderr_tail_lines(const mo_stderr_tail *t)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < MO_TAIL_LINES; i++) {
		const char *s = t->lines[(t->next + i) % MO_TAIL_LINES];

		if (s)
			json_array_append_new(list, mo_json_text(s));
	}
	if (t->partial.len) {
		char *s = mo_strndup(t->partial.data, t->partial.len);

		json_array_append_new(list, mo_json_text(s));
		free(s);
	}
	return list;
}

static void on_closed(uv_handle_t *h)
{
	mo_stderr_tail *t = h->data;

	close(t->from);
	for (unsigned i = 0; i < MO_TAIL_LINES; i++)
		free(t->lines[i]);
	mo_buf_free(&t->partial);
	free(t);
}

void mo_stderr_tail_free(mo_stderr_tail *t)
{
	if (t)
		uv_close((uv_handle_t *)&t->poll, on_closed);
}
