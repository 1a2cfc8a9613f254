/* The commands of molt and their options.  The help, the completions and the reading of the
 * command line come from these rows; test_command compares man/molt.1 with the rows. */
#include <string.h>

#include "base/check.h"
#include "base/str.h"
#include "cli/cli.h"
#include "prove/prove.h"

#define SOCKET                                                                                     \
	{                                                                                          \
		"socket", "PATH", "the program's control socket; else MOLT_CONTROL_SOCKET", 's',   \
			true                                                                       \
	}
#define JSON                                                                                       \
	{                                                                                          \
		"json", NULL, "print what the program answered", 'j'                               \
	}
#define HELP                                                                                       \
	{                                                                                          \
		"help", NULL, "show this", 'h'                                                     \
	}

static const mo_cli_option plain[] = { SOCKET, JSON, HELP, { 0 } };
static const mo_cli_option of_run[] = {
	{ "socket", "PATH", "where the program opens its control socket", 's', true }, HELP, { 0 }
};
static const mo_cli_option of_restart[] = {
	SOCKET,
	{ "exe", "FILE", "the program to restart to; else that at the same path", 'e', true },
	{ "wait", NULL, "wait until the old generation has ended, too", 'w' },
	JSON,
	HELP,
	{ 0 }
};
static const mo_cli_option of_shutdown[] = {
	SOCKET, { "wait", NULL, "wait for every generation", 'w' }, JSON, HELP, { 0 }
};
static const mo_cli_option only_help[] = { HELP, { 0 } };

enum {
	USAGE = 1 << MO_EXIT_DONE | 1 << MO_EXIT_USAGE,
	ASKS = USAGE | 1 << MO_EXIT_FAILED | 1 << MO_EXIT_UNREACHABLE | 1 << MO_EXIT_DENIED
};

const mo_cli_command mo_cli_commands[] = {
	{ "run", mo_cli_run, MO_CLI_TAKES_REST | MO_CLI_RUNS_PROGRAM, 0, "[--] PROGRAM [ARG ...]",
	  "start a program and keep it running", of_run },
	{ "status", mo_cli_status, MO_CLI_NEEDS_SOCKET, ASKS, "", "show what serves", plain },
	{ "restart", mo_cli_restart, MO_CLI_NEEDS_SOCKET, ASKS | 1 << MO_EXIT_TAKEN_BACK, "",
	  "replace the program while it serves", of_restart },
	{ "rollback", mo_cli_rollback, MO_CLI_NEEDS_SOCKET, ASKS, "",
	  "go back to the generation before", plain },
	{ "shutdown", mo_cli_shutdown, MO_CLI_NEEDS_SOCKET, ASKS, "",
	  "finish running requests, then end", of_shutdown },
	{ "reopen", mo_cli_reopen, MO_CLI_NEEDS_SOCKET, ASKS, "", "open the log files anew",
	  plain },
	{ "upgrade", mo_cli_upgrade, MO_CLI_NEEDS_SOCKET, ASKS, "",
	  "renew the supervisor of molt run", plain },
	{ "history", mo_cli_history, MO_CLI_NEEDS_SOCKET, ASKS, "", "show the last restarts",
	  plain },
	{ "prove", mo_cli_prove, MO_CLI_READS_OPTIONS | MO_CLI_RUNS_PROGRAM,
	  USAGE | 1 << MO_EXIT_FAILED, "PROGRAM [ARG ...]", "restart, spoil and kill it under load",
	  mo_prove_option_list },
	{ "help", mo_cli_help, MO_CLI_TAKES_REST, USAGE, "[COMMAND]",
	  "show this, or what a command takes", only_help },
	{ "completion", mo_cli_completion, MO_CLI_TAKES_REST | MO_CLI_HIDDEN, USAGE, "bash|zsh",
	  "print the completion for a shell", only_help },
	{ 0 }
};

const mo_cli_command *mo_cli_find(const char *name)
{
	for (const mo_cli_command *c = mo_cli_commands; c->name; c++)
		if (strcmp(c->name, name) == 0)
			return c;
	return NULL;
}

/* ---- what was meant ----------------------------------------------------------- */

enum { LONGEST = 16, FAR = 3 };

const char *mo_cli_nearest(const char *name)
{
	const char *nearest = NULL;
	unsigned least = FAR;

	if (strlen(name) > LONGEST)
		return NULL;
	for (const mo_cli_command *c = mo_cli_commands; c->name; c++) {
		unsigned far = FAR;

		if (!(c->flags & MO_CLI_HIDDEN))
			far = mo_str_distance(mo_str(name), mo_str(c->name), false);
		if (far < least && far < strlen(c->name) / 2 + 1) {
			least = far;
			nearest = c->name;
		}
	}
	return nearest;
}
