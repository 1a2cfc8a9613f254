/* molt run: finds the program as a shell would and supervises it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "gen/os/origin.h"
#include "supervisor/supervisor.h"

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
