/* The molt command: reads the command line and calls the command; see cli.h. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "cli/cli.h"
#include "gen/supervisor.h"
#include "molt.h"

/* This program is never supervised by itself, also not as pid 1. */
const char mo_supervises_itself = 1;

enum { IS_RESTART = 1, TAKES_REST = 2, NEEDS_SOCKET = 4, OWN_OPTIONS = 8 };

static const struct command {
	const char *name;
	int (*run)(const mo_cli *c);
	unsigned flags;
	const char *args, *doc;
} commands[] = {
	{ "run", mo_cli_run, TAKES_REST, "[--] PROGRAM [ARG ...]",
	  "start a program and keep it running" },
	{ "status", mo_cli_status, NEEDS_SOCKET, "", "show what serves" },
	{ "restart", mo_cli_restart, NEEDS_SOCKET | IS_RESTART, "[--exe PATH] [--wait]",
	  "replace the program while it serves" },
	{ "rollback", mo_cli_rollback, NEEDS_SOCKET, "", "go back to the generation before" },
	{ "shutdown", mo_cli_shutdown, NEEDS_SOCKET, "", "finish running requests, then end" },
	{ "reopen", mo_cli_reopen, NEEDS_SOCKET, "", "open the log files anew" },
	{ "upgrade", mo_cli_upgrade, NEEDS_SOCKET, "", "renew the supervisor of molt run" },
	{ "history", mo_cli_history, NEEDS_SOCKET, "", "show the last restarts" },
	{ "prove", mo_cli_prove, OWN_OPTIONS, "PROGRAM [ARG ...]",
	  "restart, spoil and kill it under load" },
};

static void usage(FILE *f)
{
	fputs("usage: molt COMMAND [--socket PATH] [--json] ...\n\n", f);
	for (size_t i = 0; i < MO_COUNTOF(commands); i++)
		fprintf(f, "  %-9s%-24s %s\n", commands[i].name, commands[i].args, commands[i].doc);
	fputs("\nPATH is that of the program's control socket (MOLT_CONTROL_SOCKET); see "
	      "molt(1).\n",
	      f);
}

static const struct command *find(const char *name)
{
	for (size_t i = 0; i < MO_COUNTOF(commands); i++)
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	return NULL;
}

static int wrong(const char *text, const char *what)
{
	fprintf(stderr, "molt: %s%s; try molt --help\n", text, what);
	return MO_EXIT_USAGE;
}

/* Reads the options behind the command's name.  0 or an exit code. */
static int read_options(const struct command *cmd, int argc, char **argv, mo_cli *c)
{
	static const struct option options[] = { { "socket", required_argument, NULL, 's' },
						 { "exe", required_argument, NULL, 'e' },
						 { "json", no_argument, NULL, 'j' },
						 { "wait", no_argument, NULL, 'w' },
						 { 0 } };
	int o;

	c->rest = argv;
	c->argc = argc;
	if (cmd->flags & OWN_OPTIONS)
		return 0;
	/* '+': what follows the first argument belongs to the program. */
	while ((o = getopt_long(argc, argv, "+", options, NULL)) != -1) {
		if (o == 's')
			c->socket = optarg;
		else if (o == 'j')
			c->json = true;
		else if (o == 'e' && cmd->flags & IS_RESTART)
			c->exe = optarg;
		else if (o == 'w' && cmd->flags & IS_RESTART)
			c->wait = true;
		else
			return o == '?' ? MO_EXIT_USAGE
					: wrong("--exe and --wait are for restart", "");
	}
	c->rest = argv + optind;
	if (!(cmd->flags & TAKES_REST) && c->rest[0])
		return wrong("too much: ", c->rest[0]);
	if (!c->socket)
		c->socket = getenv("MOLT_CONTROL_SOCKET");
	if (cmd->flags & NEEDS_SOCKET && (!c->socket || !*c->socket))
		return wrong("give --socket PATH or set MOLT_CONTROL_SOCKET", "");
	return 0;
}

int main(int argc, char **argv)
{
	const struct command *cmd;
	mo_cli c = { 0 };
	int rc;

	if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
		usage(argc < 2 ? stderr : stdout);
		return argc < 2 ? MO_EXIT_USAGE : MO_EXIT_DONE;
	}
	if (strcmp(argv[1], "--version") == 0) {
		printf("molt %s\n", molt_version());
		return MO_EXIT_DONE;
	}
	cmd = find(argv[1]);
	if (!cmd)
		return wrong("no such command: ", argv[1]);
	rc = read_options(cmd, argc - 1, argv + 1, &c);
	return rc ? rc : cmd->run(&c);
}
