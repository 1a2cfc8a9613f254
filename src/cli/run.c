/* molt run: finds the program as a shell would and supervises it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "cli/cli.h"
#include "gen/os/origin.h"
#include "supervisor/supervisor.h"

/* By PATH when there is no slash in it. */
char *mo_cli_find_program(const char *name)
{
	molt_str rest = mo_str(getenv("PATH"));

	if (strchr(name, '/'))
		return mo_origin_resolve(name);
	while (rest.ptr) {
		molt_str dir = mo_str_split(&rest, ':');
		char *part =
			dir.len ? mo_fmt("%.*s/%s", (int)dir.len, dir.ptr, name) : mo_strdup(name);
		char *path = mo_origin_resolve(part);

		free(part);
		if (access(path, X_OK) == 0)
			return path;
		free(path);
	}
	return NULL;
}

int mo_cli_run(const mo_cli *c)
{
	char *path, *socket = NULL;
	int status;

	if (!c->rest[0]) {
		fprintf(stderr, "molt: run what? molt run -- PROGRAM [ARG ...]\n");
		return MO_EXIT_USAGE;
	}
	path = mo_cli_find_program(c->rest[0]);
	if (!path) {
		fprintf(stderr, "molt: %s: %s\n", c->rest[0], strerror(ENOENT));
		return 127;
	}
	if (c->socket && *c->socket)
		socket = mo_origin_resolve(c->socket);
	mo_origin_set_argv(c->rest);
	status = mo_supervise(path, socket);
	free(socket);
	free(path);
	return status;
}
