/* The addresses of a server; see server.h. */
#include <errno.h>
#include <stdlib.h>

#include "base/mem.h"
#include "net/addr.h"
#include "web/core/server.h"

/* ":0" means another port each time and may stand several times. */
static bool same_endpoint(const mo_endpoint *e, const mo_addr *addr)
{
	mo_addr other;

	return mo_addr_parse(e->text, &other) == 0 && mo_addr_equal(&other, addr) &&
	       (addr->u.sa.sa_family == AF_UNIX || mo_addr_port(addr) != 0);
}

int mo_server_add_endpoint(molt_server *s, const char *text, const molt_listen_opts *o)
{
	mo_endpoint *e;
	mo_addr addr;
	int rc = mo_addr_parse(text, &addr);

	if (rc == -ENAMETOOLONG)
		return mo_server_fail(s, rc,
				      "address %s: its path is longer than %d bytes; choose a "
				      "shorter one",
				      text, MO_ADDR_PATH_MAX);
	if (rc < 0)
		return mo_server_fail(s, rc,
				      "\"%s\" is no address; write \":80\", \"127.0.0.1:80\", "
				      "\"[::1]:80\", \"unix:/path\" or \"systemd:NAME\"",
				      text);
	for (size_t i = 0; i < s->nendpoints; i++)
		if (same_endpoint(&s->endpoints[i], &addr))
			return mo_server_fail(s, -EEXIST, "address %s was added twice", text);
	if (o && !o->cert != !o->key)
		return mo_server_fail(s, -EINVAL, "address %s: a certificate needs its key", text);
	s->endpoints = mo_realloc(s->endpoints, (s->nendpoints + 1) * sizeof(*e));
	e = &s->endpoints[s->nendpoints++];
	*e = (mo_endpoint){ .text = mo_strdup(text) };
	if (o) {
		e->cert = mo_strdup(o->cert);
		e->key = mo_strdup(o->key);
		e->https = o->cert != NULL;
		e->backlog = o->backlog;
	}
	return 0;
}

void mo_endpoint_free(mo_endpoint *e)
{
	mo_listener_close(e->listener);
	mo_tls_free(e->tls);
	free(e->text);
	free(e->dropped);
	free(e->cert);
	free(e->key);
	free(e->acceptors);
}

void mo_endpoints_free(molt_server *s)
{
	for (size_t i = 0; i < s->nendpoints; i++)
		mo_endpoint_free(&s->endpoints[i]);
	free(s->endpoints);
	s->endpoints = NULL;
	s->nendpoints = 0;
}
