/* The molt command, inside.
 *
 *   exit code  means
 *   0          it is done, or so it is
 *   1          refused or failed; the reason is on standard error
 *   2          the command line is wrong
 *   3          nobody answers at the control socket */
#ifndef MO_CLI_CLI_H
#define MO_CLI_CLI_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

enum { MO_EXIT_DONE, MO_EXIT_FAILED, MO_EXIT_USAGE, MO_EXIT_UNREACHABLE };

/* What the options say. */
typedef struct mo_cli {
	const char *socket; /* path; NULL: none */
	const char *exe;    /* of restart; NULL: the same file */
	bool json;
	char **rest; /* NULL-terminated: what follows the options */
	int argc;    /* of rest; prove reads its options itself: rest[0] is its name */
} mo_cli;

/* Commands: each returns an exit code. */
int mo_cli_status(const mo_cli *c);
int mo_cli_history(const mo_cli *c);
int mo_cli_restart(const mo_cli *c);
int mo_cli_shutdown(const mo_cli *c);
int mo_cli_reopen(const mo_cli *c);
int mo_cli_upgrade(const mo_cli *c);
int mo_cli_run(const mo_cli *c);
int mo_cli_prove(const mo_cli *c);

/* The program as a shell would find it.  malloc'd, absolute; NULL: not there. */
char *mo_cli_find_program(const char *name);

/* Text of others, without control bytes. */
void mo_show_put(FILE *f, const char *s);
/* Prints for people, to standard output. */
void mo_show_status(const json_t *status);
void mo_show_receipts(const json_t *receipts);
/* The reason of a failure and the last lines of the program, to standard error. */
void mo_show_failure(const json_t *answer);

#endif
