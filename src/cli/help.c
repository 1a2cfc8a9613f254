/* molt help: lists the commands, or the options of one command, from the table (table.c). */
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "cli/cli.h"

static const char *const exits[] = {
	[MO_EXIT_DONE] = "it is done",
	[MO_EXIT_FAILED] = "it was refused or failed; standard error has the reason",
	[MO_EXIT_USAGE] = "the command line is wrong",
	[MO_EXIT_UNREACHABLE] = "nobody answers at the control socket, or the answer broke off",
	[MO_EXIT_DENIED] = "this user may not use the control socket",
	[MO_EXIT_TAKEN_BACK] = "with --wait: the new program served, and was taken back",
};

void mo_cli_overview(FILE *f)
{
	fputs("usage: molt COMMAND [OPTION ...]\n\n", f);
	for (const mo_cli_command *c = mo_cli_commands; c->name; c++)
		if (!(c->flags & MO_CLI_HIDDEN))
			fprintf(f, "  %-10s %s\n", c->name, c->doc);
	fputs("\nmolt COMMAND --help shows what a command takes, molt --version the version; see "
	      "molt(1).\n",
	      f);
}

static void put_synopsis(const mo_cli_command *c)
{
	printf("usage: molt %s", c->name);
	if (c->flags & MO_CLI_READS_OPTIONS)
		fputs(" [OPTION ...]", stdout);
	else
		for (const mo_cli_option *o = c->options; o->name; o++)
			if (o->id != 'h')
				printf(o->value ? " [--%s %s]" : " [--%s]", o->name, o->value);
	printf("%s%s\n\n%s\n", *c->args ? " " : "", c->args, c->doc);
}

int mo_cli_usage(const char *command)
{
	const mo_cli_command *c = mo_cli_find(command);

	put_synopsis(c);
	printf("\nOptions%s:\n", c->flags & MO_CLI_RUNS_PROGRAM ? ", before PROGRAM" : "");
	for (const mo_cli_option *o = c->options; o->name; o++)
		printf("  --%-12s%-9s %s\n", o->name, o->value ? o->value : "", o->doc);
	printf("\nExit codes:\n");
	if (!c->exits)
		printf("  that of the program; 128 and the number of the signal that ended it\n"
		       "  2  the command line is wrong\n"
		       "  126, 127  it could not be started, or found\n");
	for (size_t i = 0; i < MO_COUNTOF(exits); i++)
		if (c->exits & 1u << i)
			printf("  %zu  %s\n", i, exits[i]);
	return MO_EXIT_DONE;
}

int mo_cli_help(const mo_cli *c)
{
	if (!c->rest[0]) {
		mo_cli_overview(stdout);
		return MO_EXIT_DONE;
	}
	if (c->rest[1])
		return mo_cli_wrong("too much: ", c->rest[1]);
	return mo_cli_find(c->rest[0]) ? mo_cli_usage(c->rest[0]) : mo_cli_unknown(c->rest[0]);
}
