/* The molt command, inside.
 *
 *   exit code  means
 *   0          done, or already so
 *   1          refused or failed: what ran before runs on; the reason is on
 *              standard error
 *   2          the command line is wrong
 *   3          nobody answers at the control socket, or the answer broke off:
 *              whether the command was carried out is not known
 *   4          this user may not use the control socket
 *   5          restart --wait: the new program served, and was taken back */
#ifndef MO_CLI_CLI_H
#define MO_CLI_CLI_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

enum {
	MO_EXIT_DONE,
	MO_EXIT_FAILED,
	MO_EXIT_USAGE,
	MO_EXIT_UNREACHABLE,
	MO_EXIT_DENIED,
	MO_EXIT_TAKEN_BACK
};

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

/* An option of a command; a list of them ends with one without a name. */
typedef struct mo_cli_option {
	const char *name;
	const char *value; /* what it takes, as the help names that; NULL: nothing */
	const char *doc;   /* one line */
	int id;            /* for getopt_long() */
	bool file;         /* the value is the path of a file */
} mo_cli_option;

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
extern const mo_cli_option mo_cli_prove_options[];   /* prove.c */
const mo_cli_command *mo_cli_find(const char *name); /* or NULL */
/* The command that somebody may have meant who wrote name, or NULL. */
const char *mo_cli_nearest(const char *name);
/* The options as getopt_long() wants them: out has MO_CLI_MAX_OPTIONS elements. */
enum { MO_CLI_MAX_OPTIONS = 24 };
struct option;
void mo_cli_long_options(const mo_cli_option *list, struct option *out);

/* molt.c: say to standard error what is wrong with the command line; MO_EXIT_USAGE. */
int mo_cli_wrong(const char *text, const char *what);
int mo_cli_unknown(const char *command);

/* help.c: what there is, and what one command takes. */
void mo_cli_overview(FILE *f);
/* To standard output; MO_EXIT_DONE. */
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

/* The program as a shell would find it.  malloc'd, absolute; NULL: not there. */
char *mo_cli_find_program(const char *name);

/* Text of others, without control bytes. */
void mo_show_put(FILE *f, const char *s);
/* To standard output, with a line end: JSON in ASCII, with flags of jansson; and a text of
 * others, or another when that is none. */
void mo_show_json(const json_t *what, size_t flags);
void mo_show_line(const json_t *text, const char *other);
/* Prints for people, to standard output. */
void mo_show_status(const json_t *status);
void mo_show_receipts(const json_t *receipts);
/* The reason of a failure and the last lines of the program, to standard error. */
void mo_show_failure(const json_t *answer);

/* wait.c: waits until the restart of that receipt is over, and when the new generation
 * stays, until the process of the old one has ended.  0 and its last version (a
 * new reference); -ENOENT: it is not known any more; or what mo_client_ask() gave. */
int mo_wait_for_old(const mo_cli *c, const json_t *receipt, json_t **last);

/* progress.c */
bool mo_progress_is(const mo_cli *c);    /* is standard error a terminal? */
void mo_progress_begin(const mo_cli *c); /* from the program's status, until the end */
void mo_progress_end(void);
void mo_progress_line(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void mo_progress_clear(const mo_cli *c);

#endif
