/* The control socket: a unix socket with the admin API on it, for the user whose
 * program this is and for root, and so for the molt command.
 *
 * It is a server like the others, with one listener that moves at restarts, but
 * it belongs to the library: its name is one that no program can give, and
 * neither file nor environment configures it.
 *
 * Always: a client is let in by what the kernel says about it (SO_PEERCRED), and
 * the file is out of reach for all others before that. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "gen/os/origin.h"
#include "net/peer.h"
#include "web/admin/admin.h"
#include "web/admin/control_server.h"
#include "web/core/server.h"

#define NAME "molt:control"
#define MAX_CLIENTS 64

static bool admits(int fd)
{
	return mo_peer_is_ours(fd) > 0;
}

static molt_server *find(void)
{
	MO_EACH_SERVER (s)
		if (s->internal)
			return s;
	return NULL;
}

/* Limits of the process follow the server that asked, so that it changes none. */
static molt_server *make(const molt_server *asker, const char *text)
{
	molt_server *s = mo_server_new_internal(NAME);

	s->set.loops = asker->set.loops;
	s->set.bake_time = asker->set.bake_time;
	s->set.bake_silence = asker->set.bake_silence;
	s->set.drain_timeout = asker->set.drain_timeout;
	s->set.shutdown_timeout = asker->set.shutdown_timeout;
	s->set.ready_timeout = asker->set.ready_timeout;
	s->set.max_connections = MAX_CLIENTS;
	s->set.dump_router_map = s->set.access_log = s->set.error_log = false;
	s->set.admin_pattern = mo_strdup(MO_ADMIN_PATH);
	s->http.admits = admits;
	mo_server_add_endpoint(s, text, NULL);
	return s;
}

static int start(molt_server *asker, const char *path)
{
	char *text = mo_fmt("unix:%s", path);
	molt_server *s = make(asker, text);
	int rc = molt_server_start(s);

	if (rc < 0)
		mo_server_fail(asker, rc, "controlSocket: %s", s->failure_why);
	free(text);
	return rc;
}

static void tell_ignored(const molt_server *asker, const char *given)
{
	const char *own = asker->set.control_socket;

	if (given && own && strcmp(given, own) != 0)
		mo_info("control socket: %s, as molt run was told; controlSocket: %s is not used",
			given, own);
}

int mo_control_server_start(molt_server *asker)
{
	/* What molt run was told on its command line wins. */
	const char *given = mo_origin_get()->control_socket;
	const char *own = given ? NULL : asker->set.control_socket;
	const char *path = given ? given : own;
	molt_server *s = asker->internal || !path ? NULL : find();

	if (asker->internal || !path)
		return 0;
	if (!s) {
		tell_ignored(asker, given);
		return start(asker, path);
	}
	if (own && s->nendpoints && strcmp(s->endpoints[0].text + strlen("unix:"), own) != 0)
		return mo_server_fail(asker, -EEXIST, "controlSocket is %s already, not %s too",
				      s->endpoints[0].text, own);
	return 0;
}
