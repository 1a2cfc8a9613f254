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

enum { HAS_EXE = 1, HAS_WAIT = 2, TAKES_REST = 4, NEEDS_SOCKET = 8, OWN_OPTIONS = 16 };

static int help(const mo_cli *c);

static const struct command {
	const char *name;
	int (*run)(const mo_cli *c);
	unsigned flags;
	const char *args, *doc;
} commands[] = {
	{ "run", mo_cli_run, TAKES_REST, "[--] PROGRAM [ARG ...]",
	  "start a program and keep it running" },
	{ "status", mo_cli_status, NEEDS_SOCKET, "", "show what serves" },
	{ "restart", mo_cli_restart, NEEDS_SOCKET | HAS_EXE | HAS_WAIT, "[--exe PATH] [--wait]",
	  "replace the program while it serves" },
	{ "rollback", mo_cli_rollback, NEEDS_SOCKET, "", "go back to the generation before" },
	{ "shutdown", mo_cli_shutdown, NEEDS_SOCKET | HAS_WAIT, "[--wait]",
	  "finish running requests, then end" },
	{ "reopen", mo_cli_reopen, NEEDS_SOCKET, "", "open the log files anew" },
	{ "upgrade", mo_cli_upgrade, NEEDS_SOCKET, "", "renew the supervisor of molt run" },
	{ "history", mo_cli_history, NEEDS_SOCKET, "", "show the last restarts" },
	{ "prove", mo_cli_prove, OWN_OPTIONS, "PROGRAM [ARG ...]",
	  "restart, spoil and kill it under load" },
	{ "help", help, TAKES_REST, "[COMMAND]", "show this, or what a command takes" },
};

static const char more[] = "\nPATH is that of the program's control socket "
			   "(MOLT_CONTROL_SOCKET); see molt(1).\n";

static void usage(FILE *f)
{
	fputs("usage: molt COMMAND [--socket PATH] [--json] ...\n\n", f);
	for (size_t i = 0; i < MO_COUNTOF(commands); i++)
		fprintf(f, "  %-9s%-24s %s\n", commands[i].name, commands[i].args, commands[i].doc);
	fputs(more, f);
}

static int usage_of(const struct command *cmd)
{
	const char *options = cmd->flags & NEEDS_SOCKET	 ? "[--socket PATH] [--json] "
			      : cmd->flags & OWN_OPTIONS ? "[OPTION ...] "
			      : cmd->run == mo_cli_run	 ? "[--socket PATH] "
							 : "";

	printf("usage: molt %s %s%s\n\n%s\n", cmd->name, options, cmd->args, cmd->doc);
	if (cmd->flags & OWN_OPTIONS)
		mo_cli_prove_options(stdout);
	fputs(cmd->run == help ? "" : more, stdout);
	return MO_EXIT_DONE;
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

int mo_cli_usage(const char *command)
{
	return usage_of(find(command));
}

static int help(const mo_cli *c)
{
	const struct command *cmd = c->rest[0] ? find(c->rest[0]) : NULL;

	if (cmd)
		return usage_of(cmd);
	if (c->rest[0])
		return wrong("no such command: ", c->rest[0]);
	usage(stdout);
	return MO_EXIT_DONE;
}

/* One option behind the command's name.  0 or an exit code. */
static int take_option(const struct command *cmd, int o, mo_cli *c)
{
	if (o == 's')
		c->socket = optarg;
	else if (o == 'j')
		c->json = true;
	else if (o == 'e' && cmd->flags & HAS_EXE)
		c->exe = optarg;
	else if (o == 'w' && cmd->flags & HAS_WAIT)
		c->wait = true;
	else if (o == 'e' || o == 'w')
		return wrong(o == 'e' ? "--exe is for restart"
				      : "--wait is for restart and shutdown",
			     "");
	else if (o == 'h')
		c->help = true;
	else
		return MO_EXIT_USAGE;
	return 0;
}

static int check_socket(mo_cli *c)
{
	if (!c->socket)
		c->socket = secure_getenv("MOLT_CONTROL_SOCKET");
	if (!c->socket || !*c->socket)
		return wrong("give --socket PATH or set MOLT_CONTROL_SOCKET", "");
	return 0;
}

/* Reads the options behind the command's name.  0 or an exit code. */
static int read_options(const struct command *cmd, int argc, char **argv, mo_cli *c)
{
	static const struct option options[] = { { "socket", required_argument, NULL, 's' },
						 { "exe", required_argument, NULL, 'e' },
						 { "json", no_argument, NULL, 'j' },
						 { "wait", no_argument, NULL, 'w' },
						 { "help", no_argument, NULL, 'h' },
						 { 0 } };
	int o, rc = 0;

	c->rest = argv;
	c->argc = argc;
	if (cmd->flags & OWN_OPTIONS)
		return 0;
	/* '+': what follows the first argument belongs to the program. */
	while (rc == 0 && (o = getopt_long(argc, argv, "+h", options, NULL)) != -1)
		rc = take_option(cmd, o, c);
	if (rc || c->help)
		return rc;
	c->rest = argv + optind;
	if (!(cmd->flags & TAKES_REST) && c->rest[0])
		return wrong("too much: ", c->rest[0]);
	return cmd->flags & NEEDS_SOCKET ? check_socket(c) : 0;
}

static bool is_one_of(const char *text, const char *longer, const char *shorter)
{
	return strcmp(text, longer) == 0 || strcmp(text, shorter) == 0;
}

int main(int argc, char **argv)
{
	const struct command *cmd;
	mo_cli c = { 0 };
	int rc;

	if (argc < 2 || is_one_of(argv[1], "--help", "-h")) {
		usage(argc < 2 ? stderr : stdout);
		return argc < 2 ? MO_EXIT_USAGE : MO_EXIT_DONE;
	}
	if (is_one_of(argv[1], "--version", "-V")) {
		printf("molt %s\n", molt_version());
		return MO_EXIT_DONE;
	}
	cmd = find(argv[1]);
	if (!cmd)
		return wrong("no such command: ", argv[1]);
	rc = read_options(cmd, argc - 1, argv + 1, &c);
	if (rc)
		return rc;
	return c.help ? usage_of(cmd) : cmd->run(&c);
}
