/* The self-test requests of a restart, the host's part: what is to be asked, by the
 * settings; and in the successor a connection that is asked.
 *
 * Always: a server that is asked does not accept yet, and what it answers is in the
 * access log, but not in its counters: nobody has asked for it. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/mem.h"
#include "base/str.h"
#include "http/conn/conn.h"
#include "web/core/loops.h"
#include "web/core/server.h"
#include "web/run/process.h"

size_t mo_process_probes(mo_gen_probe *out, size_t max)
{
	size_t n = 0;

	MO_EACH_SERVER (s) {
		molt_str rest;

		if (s->state != MO_SERVER_STARTED)
			continue;
		rest = mo_str(s->set.probe);
		while (rest.ptr && n < max) {
			molt_str one = mo_str_trim(mo_str_split(&rest, ','));

			if (one.len)
				out[n++] = (mo_gen_probe){ s->name, one };
		}
	}
	return n;
}

/* The server again, with counters of its own. */
static mo_http_server *shadow_of(molt_server *s)
{
	if (!s->probed) {
		s->probed = mo_calloc(1, sizeof(*s->probed));
		s->probed->lim = s->http.lim;
		s->probed->lim.handover = false;
		s->probed->app = s->http.app;
		s->probed->server_field = s->http.server_field;
		s->probed->owner = s;
	}
	return s->probed;
}

typedef struct visit {
	molt_server *server;
	mo_http_server *http;
	int fd;
} visit;

/* What serves HTTPS alone is asked in plain, but is told that it is secure: it may
 * send everybody else there. */
static bool is_https(const molt_server *s)
{
	for (size_t i = 0; i < s->nendpoints; i++)
		if (!s->endpoints[i].https)
			return false;
	return true;
}

static void open_on(void *arg)
{
	visit *v = arg;
	mo_addr peer = { .len = sizeof(sa_family_t) };

	peer.u.sa.sa_family = AF_UNIX;
	(void)mo_conn_serve(mo_loop_self(), v->http, mo_stream_plain(v->fd), &peer,
			    is_https(v->server));
	free(v);
}

void mo_process_serve_probe(const char *server, int fd)
{
	MO_EACH_SERVER (s) {
		visit *v;

		if (strcmp(s->name, server) != 0 || s->state != MO_SERVER_STARTED)
			continue;
		v = mo_malloc(sizeof(*v));
		*v = (visit){ s, shadow_of(s), fd };
		MO_CHECK(mo_loop_post(mo_loops_get(0), open_on, v));
		return;
	}
	close(fd);
}
