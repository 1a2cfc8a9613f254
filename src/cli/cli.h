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

enum { MO_EXIT_DONE, MO_EXIT_FAILED, MO_EXIT_USAGE, MO_EXIT_UNREACHABLE };

/* What the options say. */
typedef struct mo_cli {
	const char *socket; /* path; NULL: none */
	const char *exe;    /* of restart; NULL: the same file */
	bool json;
	char **rest; /* NULL-terminated: what follows the options */
} mo_cli;

/* Commands: each returns an exit code. */
int mo_cli_status(const mo_cli *c);
int mo_cli_history(const mo_cli *c);
int mo_cli_restart(const mo_cli *c);
int mo_cli_shutdown(const mo_cli *c);
int mo_cli_reopen(const mo_cli *c);
int mo_cli_run(const mo_cli *c);

/* Prints for people, to standard output. */
void mo_show_status(const json_t *status);
void mo_show_receipts(const json_t *receipts);
/* The reason of a failure and the last lines of the program, to standard error. */
void mo_show_failure(const json_t *answer);

#endif
