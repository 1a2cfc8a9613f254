/* The molt command: reads the command line and calls the command; see cli.h. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "molt.h"
#include "supervisor/supervisor.h"

/* This program is never supervised by itself, also not as pid 1. */
const char mo_supervises_itself = 1;

int mo_cli_wrong(const char *text, const char *what)
{
	fprintf(stderr, "molt: %s", text);
	mo_print_text(stderr, what);
	fputs("; try molt --help\n", stderr);
	return MO_EXIT_USAGE;
}

int mo_cli_unknown(const char *command)
{
	const char *meant = mo_cli_nearest(command);

	if (!meant)
		return mo_cli_wrong("no such command: ", command);
	fputs("molt: no such command: ", stderr);
	mo_print_text(stderr, command);
	fprintf(stderr, "; did you mean %s?\n", meant);
	return MO_EXIT_USAGE;
}

/* What getopt_long() has just refused. */
static int wrong_option(const mo_cli_command *cmd, const char *text, const char *word)
{
	char letter[] = { '-', (char)optopt, 0 };

	fprintf(stderr, "molt: %s: %s", cmd->name, text);
	mo_print_text(stderr, strncmp(word, "--", 2) == 0 ? word : letter);
	fprintf(stderr, "; try molt %s --help\n", cmd->name);
	return MO_EXIT_USAGE;
}

/* One option behind the command's name.  0 or an exit code. */
static int take_option(const mo_cli_command *cmd, int o, char **argv, mo_cli *c)
{
	if (o == 's')
		c->socket = optarg;
	else if (o == 'j')
		c->json = true;
	else if (o == 'e')
		c->exe = optarg;
	else if (o == 'w')
		c->wait = true;
	else if (o == 'h')
		c->help = true;
	else
		return wrong_option(cmd,
				    o == ':' ? "a value is missing behind " : "no such option: ",
				    argv[optind - 1]);
	return 0;
}

static int check_socket(mo_cli *c)
{
	if (!c->socket)
		c->socket = secure_getenv("MOLT_CONTROL_SOCKET");
	if (!c->socket || !*c->socket)
		return mo_cli_wrong("give --socket PATH or set MOLT_CONTROL_SOCKET", "");
	return 0;
}

/* Reads the options behind the command's name.  0 or an exit code. */
static int read_options(const mo_cli_command *cmd, int argc, char **argv, mo_cli *c)
{
	struct option options[MO_CLI_MAX_OPTIONS];
	int o, rc = 0;

	c->rest = argv;
	c->argc = argc;
	if (cmd->flags & MO_CLI_READS_OPTIONS)
		return 0;
	mo_cli_long_options(cmd->options, options);
	/* '+': what follows the first argument belongs to the program; ':': the words for what
	 * is wrong are ours. */
	while (rc == 0 && (o = getopt_long(argc, argv, "+:h", options, NULL)) != -1)
		rc = take_option(cmd, o, argv, c);
	if (rc || c->help)
		return rc;
	c->rest = argv + optind;
	if (!(cmd->flags & MO_CLI_TAKES_REST) && c->rest[0])
		return mo_cli_wrong("too much: ", c->rest[0]);
	return cmd->flags & MO_CLI_NEEDS_SOCKET ? check_socket(c) : 0;
}

static bool is_one_of(const char *text, const char *longer, const char *shorter)
{
	return strcmp(text, longer) == 0 || strcmp(text, shorter) == 0;
}

int main(int argc, char **argv)
{
	const mo_cli_command *cmd;
	mo_cli c = { 0 };
	int rc;

	if (argc < 2 || is_one_of(argv[1], "--help", "-h")) {
		mo_cli_overview(argc < 2 ? stderr : stdout);
		return argc < 2 ? MO_EXIT_USAGE : MO_EXIT_DONE;
	}
	if (is_one_of(argv[1], "--version", "-V")) {
		printf("molt %s\n", molt_version());
		return MO_EXIT_DONE;
	}
	cmd = mo_cli_find(argv[1]);
	if (!cmd)
		return mo_cli_unknown(argv[1]);
	rc = read_options(cmd, argc - 1, argv + 1, &c);
	if (rc)
		return rc;
	return c.help ? mo_cli_usage(cmd->name) : cmd->run(&c);
}
