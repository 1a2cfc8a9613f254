/* molt completion bash|zsh: the completion for a shell, from the table (table.c).  The files
 * in packaging/ are this command's output. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"

static const mo_cli_command *next_shown(const mo_cli_command *c)
{
	while (c->name && c->flags & MO_CLI_HIDDEN)
		c++;
	return c->name ? c : NULL;
}

#define EACH_SHOWN(c)                                                                              \
	for (const mo_cli_command *c = next_shown(mo_cli_commands); c; c = next_shown(c + 1))

/* ---- bash ------------------------------------------------------------------------ */

static const char bash_head[] =
	"# Completion of the molt command for bash, made by \"molt completion bash\".\n"
	"\n"
	"# The command of the words: options, those with a value, those with a file, \"program\".\n"
	"_molt_takes()\n"
	"{\n"
	"\toptions=\"\" values=\"\" files=\"\" program=\"\"\n"
	"\tcase $1 in\n";

/* Between these two: the names of all commands. */
static const char bash_middle[] =
	"\tesac\n"
	"}\n"
	"\n"
	"_molt()\n"
	"{\n"
	"\tlocal commands=\"";
static const char bash_tail[] =
	"\"\n"
	"\tlocal word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} i inside=\"\"\n"
	"\tlocal options values files program\n"
	"\n"
	"\tCOMPREPLY=()\n"
	"\tif ((COMP_CWORD == 1)); then\n"
	"\t\tmapfile -t COMPREPLY < <(compgen -W \"$commands --help --version\" -- \"$word\")\n"
	"\t\treturn\n"
	"\tfi\n"
	"\t_molt_takes \"${COMP_WORDS[1]}\"\n"
	"\tif [[ ${COMP_WORDS[1]} == help ]]; then\n"
	"\t\toptions=\"$options $commands\"\n"
	"\tfi\n"
	"\t# Behind the options the words are those of the program.\n"
	"\tfor ((i = 2; i < COMP_CWORD; i++)); do\n"
	"\t\tif [[ \" $values \" == *\" ${COMP_WORDS[i]} \"* ]]; then\n"
	"\t\t\t((i++))\n"
	"\t\telif [[ ${COMP_WORDS[i]} == -- || ${COMP_WORDS[i]} != -* ]]; then\n"
	"\t\t\tinside=yes\n"
	"\t\t\tbreak\n"
	"\t\tfi\n"
	"\tdone\n"
	"\tif [[ $inside ]]; then\n"
	"\t\t[[ $program ]] || return\n"
	"\t\t[[ $before != -- ]] || mapfile -t COMPREPLY < <(compgen -c -- \"$word\")\n"
	"\t\tmapfile -t -O ${#COMPREPLY[@]} COMPREPLY < <(compgen -f -- \"$word\")\n"
	"\telif [[ \" $files \" == *\" $before \"* ]]; then\n"
	"\t\tmapfile -t COMPREPLY < <(compgen -f -- \"$word\")\n"
	"\telif [[ \" $values \" == *\" $before \"* ]]; then\n"
	"\t\treturn\n"
	"\telif [[ $program && $word != -* ]]; then\n"
	"\t\tmapfile -t COMPREPLY < <(compgen -c -- \"$word\"; compgen -f -- \"$word\")\n"
	"\telse\n"
	"\t\tmapfile -t COMPREPLY < <(compgen -W \"$options\" -- \"$word\")\n"
	"\tfi\n"
	"}\n"
	"complete -o filenames -F _molt molt\n";

enum { ALL, WITH_VALUE, WITH_FILE };

static void bash_list(const char *name, const mo_cli_option *list, int which, const char *more)
{
	const char *space = "";

	printf("%s=\"", name);
	for (const mo_cli_option *o = list; o->name; o++) {
		if ((which == WITH_VALUE && !o->value) || (which == WITH_FILE && !o->file))
			continue;
		printf("%s--%s", space, o->name);
		space = " ";
	}
	printf("%s\" ", more);
}

static void bash(void)
{
	const char *space = "";

	fputs(bash_head, stdout);
	EACH_SHOWN(c)
	{
		bool program = c->flags & MO_CLI_RUNS_PROGRAM;

		printf("\t%s)\n\t\t", c->name);
		bash_list("options", c->options, ALL, program ? " --" : "");
		bash_list("values", c->options, WITH_VALUE, "");
		bash_list("files", c->options, WITH_FILE, "");
		printf("program=%s\n\t\t;;\n", program ? "yes" : "\"\"");
	}
	fputs(bash_middle, stdout);
	EACH_SHOWN(c)
	{
		printf("%s%s", space, c->name);
		space = " ";
	}
	fputs(bash_tail, stdout);
}

/* ---- zsh ------------------------------------------------------------------------- */

/* Inside of single quotes, where ':' and brackets part a description from the rest. */
static void zsh_text(const char *s)
{
	for (; *s; s++) {
		if (*s == '\'')
			fputs("'\\'", stdout);
		else if (strchr(":[]", *s))
			putchar('\\');
		putchar(*s);
	}
}

static void zsh_options(const mo_cli_command *c)
{
	for (const mo_cli_option *o = c->options; o->name; o++) {
		printf(" \\\n\t\t\t'%s--%s[", strcmp(o->name, "header") == 0 ? "*" : "", o->name);
		zsh_text(o->doc);
		putchar(']');
		if (o->value)
			printf(":%s:%s", o->value, o->file ? "_files" : " ");
		putchar('\'');
	}
}

static void zsh(void)
{
	fputs("#compdef molt\n# Completion of the molt command for zsh, made by \"molt completion "
	      "zsh\".\n\n_molt()\n{\n\tlocal -a commands=(\n",
	      stdout);
	EACH_SHOWN(c)
	{
		printf("\t\t'%s:", c->name);
		zsh_text(c->doc);
		fputs("'\n", stdout);
	}
	fputs("\t)\n\tif (( CURRENT == 2 )); then\n\t\t_describe command commands\n\t\treturn\n"
	      "\tfi\n\tshift words\n\t(( CURRENT-- ))\n\tcase $words[1] in\n",
	      stdout);
	EACH_SHOWN(c)
	{
		printf("\t%s)\n\t\t_arguments -A '-*'", c->name);
		zsh_options(c);
		if (c->flags & MO_CLI_RUNS_PROGRAM)
			fputs(" \\\n\t\t\t'(-)1:program:_command_names -e' '*::argument:_normal'",
			      stdout);
		else if (c->run == mo_cli_help)
			fputs(" \\\n\t\t\t'1: :_describe command commands'", stdout);
		fputs("\n\t\t;;\n", stdout);
	}
	fputs("\tesac\n}\n\n_molt \"$@\"\n", stdout);
}

int mo_cli_completion(const mo_cli *c)
{
	if (!c->rest[0] || c->rest[1])
		return mo_cli_wrong("completion of which shell? ", "bash or zsh");
	if (strcmp(c->rest[0], "bash") == 0)
		bash();
	else if (strcmp(c->rest[0], "zsh") == 0)
		zsh();
	else
		return mo_cli_wrong("no completion for this shell: ", c->rest[0]);
	return MO_EXIT_DONE;
}
