/* The molt command, inside; how it ends is in command/exit.h. */
#ifndef MO_CLI_CLI_H
#define MO_CLI_CLI_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include "command/client.h"
#include "command/exit.h"
#include "command/option.h"
#include "command/print.h"

/* What the options say. */
typedef struct mo_cli {
	const char *socket; /* path; NULL: none */
	const char *exe;    /* of restart; NULL: the same file */
	bool json;
	bool wait;   /* for the end of old generations, too */
	bool help;   /* only the command's usage is asked for */
	char **rest; /* NULL-terminated: what follows the options */
	int argc;    /* of rest; prove reads its options itself: rest[0] is its name */
} mo_cli;

enum {
	MO_CLI_NEEDS_SOCKET = 1,
	MO_CLI_TAKES_REST = 2,    /* what follows the options is the command's */
	MO_CLI_READS_OPTIONS = 4, /* by itself: rest[0] is its name */
	MO_CLI_RUNS_PROGRAM = 8,  /* what follows the options is a program with its arguments */
	MO_CLI_HIDDEN = 16        /* from help and completion */
};

/* A command: the help, the completions and the reading of options come from this row. */
typedef struct mo_cli_command {
	const char *name;
	int (*run)(const mo_cli *c);
	unsigned flags;
	unsigned exits;   /* which exit codes it has: 1 << MO_EXIT_FAILED ... */
	const char *args; /* behind the options, as the help shows them; "" */
	const char *doc;  /* one line */
	const mo_cli_option *options;
} mo_cli_command;

/* table.c: the commands, until one without a name. */
extern const mo_cli_command mo_cli_commands[];
const mo_cli_command *mo_cli_find(const char *name); /* or NULL */
/* The command whose name is most like this wrong one; NULL: no name is like it. */
const char *mo_cli_nearest(const char *name);
/* molt.c: say to standard error what is wrong with the command line; MO_EXIT_USAGE. */
int mo_cli_wrong(const char *text, const char *what);
int mo_cli_unknown(const char *command);

/* help.c: what there is, and what one command takes. */
void mo_cli_overview(FILE *f);
/* Prints to standard output and returns MO_EXIT_DONE. */
int mo_cli_usage(const char *command);

/* Commands: each returns an exit code. */
int mo_cli_help(const mo_cli *c);
int mo_cli_completion(const mo_cli *c);
int mo_cli_status(const mo_cli *c);
int mo_cli_history(const mo_cli *c);
int mo_cli_restart(const mo_cli *c);
int mo_cli_rollback(const mo_cli *c);
int mo_cli_shutdown(const mo_cli *c);
int mo_cli_reopen(const mo_cli *c);
int mo_cli_upgrade(const mo_cli *c);
int mo_cli_run(const mo_cli *c);
int mo_cli_prove(const mo_cli *c);

/* These print to standard output, for people. */
void mo_show_status(const json_t *status);
void mo_show_receipts(const json_t *receipts);
/* The reason of a failure and the last lines of the program, to standard error. */
void mo_show_failure(const json_t *answer);

/* commands.c */

#define MO_CLI_QUICK (30 * MOLT_SECOND) /* for actions that wait for nothing */
/* Asks the program, and says on standard error when nobody answers.  Returns an exit code. */
int mo_cli_ask(const mo_cli *c, const char *method, const char *action, const json_t *body,
	       molt_time timeout, mo_answer *a);
bool mo_cli_went_well(const mo_answer *a);
/* The end of a command that acts: prints the outcome and frees the answer.  Returns the exit
 * code. */
int mo_cli_tell(const mo_cli *c, mo_answer *a);

/* wait.c: waits until the restart of that receipt is over and, if the new generation stays,
 * until the old process has ended.  0 and the last version of the receipt (a new reference);
 * -ENOENT: the program no longer knows the receipt; or an error of mo_client_ask(). */
int mo_wait_for_old(const mo_cli *c, const json_t *receipt, json_t **last);

/* progress.c */
bool mo_progress_is(const mo_cli *c);    /* is standard error a terminal? */
void mo_progress_begin(const mo_cli *c); /* from the program's status, until the end */
void mo_progress_end(void);
void mo_progress_line(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void mo_progress_clear(const mo_cli *c);

#endif
