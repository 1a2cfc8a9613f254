/* The options of a command as a list, from which getopt_long(), the help and the
 * completions are fed; and the program that a command line names. */
#ifndef MO_COMMAND_OPTION_H
#define MO_COMMAND_OPTION_H

#include <stdbool.h>

/* A list of them ends with one without a name. */
typedef struct mo_cli_option {
	const char *name;
	const char *value; /* what it takes, as the help names that; NULL: nothing */
	const char *doc;   /* one line */
	int id;            /* for getopt_long() */
	bool file;         /* the value is the path of a file */
} mo_cli_option;

/* The options as getopt_long() wants them: out has MO_CLI_MAX_OPTIONS elements. */
enum { MO_CLI_MAX_OPTIONS = 24 };
struct option;
void mo_cli_long_options(const mo_cli_option *list, struct option *out);

/* The program as a shell would find it.  malloc'd, absolute; NULL: not there. */
char *mo_cli_find_program(const char *name);

#endif
