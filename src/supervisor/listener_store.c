/* The supervisor's duplicates of the listeners; see listener_store.h. */
#include "supervisor/listener_store.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "gen/os/activate.h"

typedef struct set {
	mo_gen_listener *all; /* name and listener are owned */
	size_t n;
} set;

static set kept, coming;
static pid_t sender; /* of what is coming */

static void add(void *to, const char *server, mo_listener *l)
{
	set *s = to;

	s->all = mo_realloc(s->all, (s->n + 1) * sizeof(*s->all));
	s->all[s->n++] = (mo_gen_listener){ mo_strdup(server), l };
}

static void empty(set *s)
{
	for (size_t i = 0; i < s->n; i++) {
		free((char *)(uintptr_t)s->all[i].server);
		mo_listener_close(s->all[i].listener);
	}
	free(s->all);
	*s = (set){ 0 };
}

void mo_store_begin(void)
{
	mo_gen_listener *passed = mo_calloc(MO_OFFER_MAX, sizeof(*passed));
	size_t n = mo_activate_unused(passed, MO_OFFER_MAX);

	for (size_t i = 0; i < n; i++) {
		int fd = fcntl(passed[i].listener->fd, F_DUPFD_CLOEXEC, 3);
		mo_listener *l;

		if (fd >= 0 && mo_listener_adopt(fd, passed[i].listener->text, &l) == 0)
			add(&kept, "", l);
	}
	free(passed);
}

void mo_store_take_part(mo_wire_msg *m)
{
	char *why = NULL;

	if (m->pid != sender) {
		empty(&coming); /* its sender died in the middle */
		sender = m->pid;
	}
	if (coming.n + (size_t)m->nfds > MO_OFFER_MAX)
		why = mo_fmt("pid %d has more than %d listeners", (int)m->pid, MO_OFFER_MAX);
	else
		mo_offer_unpack(m, add, &coming, &why);
	if (why)
		mo_warn("supervisor: %s", why);
	free(why);
}

void mo_store_take_end(const mo_wire_msg *m)
{
	if ((size_t)mo_json_int(m->body, "listeners") == coming.n &&
	    (m->pid == sender || coming.n == 0)) {
		empty(&kept);
		kept = coming;
		coming = (set){ 0 };
	} else {
		mo_warn("supervisor: the listeners of pid %d came in part only", (int)m->pid);
		empty(&coming);
	}
}

void mo_store_sender_ended(pid_t pid)
{
	if (pid == sender)
		empty(&coming);
}

size_t mo_store_all(const mo_gen_listener **out)
{
	*out = kept.all;
	return kept.n;
}

bool mo_store_in_part(void)
{
	return coming.n > 0;
}

int mo_store_restore(const char *server, int fd, const char *text)
{
	mo_listener *l;
	int rc = mo_listener_adopt(fd, text, &l);

	if (rc == 0)
		add(&kept, server, l);
	return rc;
}

void mo_store_drop(void)
{
	empty(&kept);
	empty(&coming);
}
