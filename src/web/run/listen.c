/* The listening sockets of a server on the loops; see listen.h. */
#include "web/run/listen.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/addr.h"
#include "web/core/loops.h"

int mo_listen_bind(const molt_server *s, const char *text, int backlog, mo_listener **out,
		   char **why)
{
	return s->internal ? mo_listener_bind_private(text, out, why)
			   : mo_listener_bind_as(text, backlog, &s->access, out, why);
}

/* ---- attach and accept ---- */

static void attach_on(mo_loop *l, void *arg)
{
	molt_server *s = arg;

	for (size_t i = 0; i < s->nendpoints; i++) {
		mo_endpoint *e = &s->endpoints[i];

		e->acceptors[l->index] = mo_acceptor_new(l, e->listener, e->tls, &s->http);
	}
}

void mo_listen_attach(molt_server *s)
{
	for (size_t i = 0; i < s->nendpoints; i++)
		s->endpoints[i].acceptors =
			mo_calloc((size_t)mo_loops_count(), sizeof(mo_acceptor *));
	MO_CHECK(mo_loops_run(attach_on, s, 10 * MOLT_SECOND));
}

static void resume_on(mo_loop *l, void *arg)
{
	molt_server *s = arg;

	for (size_t i = 0; i < s->nendpoints; i++)
		if (s->endpoints[i].acceptors[l->index])
			mo_acceptor_resume(s->endpoints[i].acceptors[l->index]);
}

static void pause_on(mo_loop *l, void *arg)
{
	molt_server *s = arg;

	for (size_t i = 0; i < s->nendpoints; i++)
		if (s->endpoints[i].acceptors[l->index])
			mo_acceptor_pause(s->endpoints[i].acceptors[l->index]);
}

/* A loop that a handler blocks for longer than this accepts nothing meanwhile,
 * and both generations may accept at once: the switch need not wait for it. */
#define ACCEPT_TIMEOUT MOLT_SECOND
/* To accept again is urgent, for the other servers, too: nothing depends on that loop. */
#define RESUME_TIMEOUT (50 * MOLT_MS)

/* Another generation may have set the file's mode and owners as its configuration says. */
static void set_access(molt_server *s)
{
	for (size_t i = 0; i < s->nendpoints && !s->internal; i++) {
		mo_endpoint *e = &s->endpoints[i];
		char *why = NULL;

		if (e->listener && mo_listener_set_access(e->listener, &s->access, &why) < 0)
			mo_error("server %s, %s: %s", s->name, e->text, why);
		free(why);
	}
}

void mo_listen_accept(molt_server *s, bool on)
{
	if (s->state != MO_SERVER_STARTED || s->nendpoints == 0)
		return;
	if (on)
		set_access(s);
	if (!mo_loops_run(on ? resume_on : pause_on, s, on ? RESUME_TIMEOUT : ACCEPT_TIMEOUT))
		mo_warn("a loop is blocked by a handler; server %s goes on without it", s->name);
}

/* Which listeners to close: all, the one of a text, or those bound here. */
typedef struct closing {
	molt_server *server;
	char *text; /* owned */
	bool own;
} closing;

static bool concerns(const closing *c, const mo_endpoint *e)
{
	if (c->own && (!e->listener || e->listener->inherited))
		return false;
	return !c->text || strcmp(c->text, e->text) == 0;
}

static void detach_on(mo_loop *l, void *arg)
{
	const closing *c = arg;

	for (size_t i = 0; i < c->server->nendpoints; i++) {
		mo_endpoint *e = &c->server->endpoints[i];
		mo_acceptor *a = concerns(c, e) ? e->acceptors[l->index] : NULL;

		if (!a)
			continue;
		e->acceptors[l->index] = NULL;
		mo_acceptor_free(a);
	}
}

/* A loop that a handler blocks comes to it later, so the order lives on. */
static void close_some(molt_server *s, const char *text, bool own, bool remove_paths)
{
	closing *c = mo_malloc(sizeof(*c));
	bool all;

	*c = (closing){ s, mo_strdup(text), own };
	all = s->state == MO_SERVER_NEW || mo_loops_run(detach_on, c, ACCEPT_TIMEOUT);
	mo_servers_lock();
	for (size_t i = 0; i < s->nendpoints; i++) {
		mo_listener *l = concerns(c, &s->endpoints[i]) ? s->endpoints[i].listener : NULL;

		if (l && remove_paths)
			mo_listener_remove_path(l);
		/* A blocked loop still watches it: it is closed with the process. */
		if (l && all) {
			s->endpoints[i].listener = NULL;
			mo_listener_close(l);
		}
	}
	mo_servers_unlock();
	if (all) {
		free(c->text);
		free(c);
	}
}

void mo_listen_close(molt_server *s, bool remove_paths)
{
	close_some(s, NULL, false, remove_paths);
}

void mo_listen_close_own(molt_server *s)
{
	close_some(s, NULL, true, true);
}

/* One that the service manager holds open for everybody need not be closed. */
void mo_listen_drop(molt_server *s, const char *text)
{
	if (mo_addr_is_passed(text))
		return;
	mo_servers_lock();
	for (size_t i = 0; i < s->nendpoints; i++) {
		mo_endpoint *e = &s->endpoints[i];
		bool tcp = e->listener && e->listener->addr.u.sa.sa_family != AF_UNIX;

		if (!e->listener || e->dropped || strcmp(e->text, text) != 0)
			continue;
		/* The port that it got, where it had asked for any. */
		e->dropped = mo_strdup(tcp ? e->listener->bound : e->text);
	}
	mo_servers_unlock();
	close_some(s, text, false, false);
}

/* ---- open again what was dropped ---- */

typedef struct attaching {
	molt_server *server;
	mo_endpoint *endpoint;
} attaching;

static void attach_one_on(mo_loop *l, void *arg)
{
	const attaching *a = arg;
	mo_endpoint *e = a->endpoint;

	if (!e->acceptors[l->index])
		e->acceptors[l->index] = mo_acceptor_new(l, e->listener, e->tls, &a->server->http);
}

static bool bind_again(const molt_server *s, mo_endpoint *e, mo_listener **out)
{
	char *why = NULL;
	int rc = mo_listen_bind(s, e->dropped, e->backlog, out, &why);

	if (rc == 0)
		snprintf((*out)->text, sizeof((*out)->text), "%s", e->text);
	else if (!e->missed)
		mo_error("server %s does not listen on %s any more: %s; this is tried again",
			 s->name, e->dropped, why);
	e->missed = rc < 0;
	free(why);
	return rc == 0;
}

size_t mo_listen_undrop(molt_server *s)
{
	size_t missing = 0;

	for (size_t i = 0; i < s->nendpoints; i++) {
		mo_endpoint *e = &s->endpoints[i];
		attaching *a;
		mo_listener *l;

		if (!e->dropped || e->listener)
			continue;
		if (!bind_again(s, e, &l)) {
			missing++;
			continue;
		}
		mo_servers_lock();
		e->listener = l;
		mo_servers_unlock();
		free(e->dropped);
		e->dropped = NULL;
		a = mo_malloc(sizeof(*a));
		*a = (attaching){ s, e };
		/* A loop that is blocked comes to it later, so the order lives on. */
		if (mo_loops_run(attach_one_on, a, ACCEPT_TIMEOUT))
			free(a);
		mo_listen_accept(s, true);
	}
	return missing;
}

void mo_listen_log(molt_server *s, const char *verb)
{
	if (s->internal) {
		mo_info("control socket %s at %s", verb, s->endpoints[0].text + strlen("unix:"));
		return;
	}
	for (size_t i = 0; i < s->nendpoints; i++)
		if (s->endpoints[i].listener)
			mo_info("%s server %s listening on [%s]",
				s->endpoints[i].https ? "https" : "http", verb,
				s->endpoints[i].listener->bound);
}
