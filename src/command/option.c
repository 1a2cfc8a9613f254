/* Options as getopt_long() wants them, and the program that is named; see option.h. */
#include "command/option.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/mem.h"
#include "base/str.h"
#include "gen/os/origin.h"

void mo_cli_long_options(const mo_cli_option *list, struct option *out)
{
	size_t n = 0;

	for (; list[n].name; n++) {
		MO_CHECK(n + 1 < MO_CLI_MAX_OPTIONS);
		out[n] = (struct option){ list[n].name,
					  list[n].value ? required_argument : no_argument, NULL,
					  list[n].id };
	}
	out[n] = (struct option){ 0 };
}

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
