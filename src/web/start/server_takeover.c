/* Where a program that is started by others takes over from this one: the key
 * "takeover" and the call; the work is done by gen/join/takeover.h. */
#include "gen/join/takeover.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "web/core/server.h"
#include "web/start/server_start.h"

int molt_server_set_takeover(molt_server *s, const char *path)
{
	int err = mo_server_check_new(s);

	if (err)
		return err;
	free(s->set.takeover);
	s->set.takeover = path && *path ? mo_strdup(path) : NULL;
	return 0;
}

/* The offer has been read when the second server starts. */
int mo_server_takeover(molt_server *s)
{
	static bool asked; /* of the first server; servers start one after another */
	const char *path = s->set.takeover;
	bool late = asked && path && !mo_takeover_is(path);
	char *why = NULL;
	int rc = 0;

	asked = true;
	if (late)
		return mo_server_fail(s, -EINVAL,
				      "takeover must be set for the server that is started first");
	if (path)
		rc = mo_takeover_set(path, &why);
	if (rc < 0)
		mo_server_fail(s, rc, "%s", why);
	free(why);
	return rc;
}
