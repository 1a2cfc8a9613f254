/* molt prove, inside: what the command line says, what is found, what was seen.
 *
 *   prove.c          the command line, the order of the phases, the verdict
 *   prove_find.c     the target: address, paths, uploads, WebSockets
 *   prove_probe.c    one request to it
 *   prove_phase.c    load with restarts, crashes and kills under it
 *   prove_bad.c      programs that must never serve
 *   prove_program.c  the program under proof and its processes
 *   prove_report.c   the table
 *   prove_load.c ... the clients
 *
 * What was seen is one JSON object from the beginning: --json prints it, the
 * table is made from it, so the two cannot differ. */
#ifndef MO_PROVE_PROVE_H
#define MO_PROVE_PROVE_H

#include <jansson.h>
#include <signal.h>
#include <stdbool.h>

#include "command/client.h"
#include "command/option.h"
#include "prove/prove_load.h"

#define MO_PROVE_CROWDS 8

typedef struct mo_prove_options {
	const char *url[2], *reload_cmd; /* another server; NULL: a program of ours */
	const char *control;             /* of a running program */
	const char *path, *upload, *ws;  /* NULL: found by asking */
	unsigned restarts, seconds, connections, settle; /* settle: ms */
	bool insecure, remote, strict, own_address, json;
	bool help;
	char *headers; /* lines for every request; "": none; owned */
	char **argv;   /* the program and its arguments */
} mo_prove_options;

/* The program under proof.  All its processes are in one process group. */
typedef struct mo_program {
	pid_t first; /* 0: none, or not started here */
	char *control;
	char *log;
	int status; /* of the first process, when ended */
	bool ended;
} mo_program;

typedef struct mo_prove {
	mo_prove_options o;
	char *dir; /* temporary; removed at the end */
	char *exe; /* of the program, absolute */
	mo_program program;
	mo_addr plain, tls; /* where it listens */
	bool has_plain, has_tls;
	char *host, *tls_field; /* for Host: */
	char *tls_host;         /* for SNI and the certificate */
	SSL_CTX *ctx;
	mo_crowd crowds[MO_PROVE_CROWDS];
	unsigned n_crowds;
	unsigned bake; /* s, given to the next program; 0: its own setting */
	json_t *seen;
} mo_prove;

/* Set by a signal: everything ends soon, nothing is started any more. */
extern volatile sig_atomic_t mo_prove_interrupted;

/* ---- prove.c ---- */
extern const mo_cli_option mo_prove_option_list[]; /* what it takes before the program */
/* The whole of it: argv[0] is the command's name.  An exit code; *help: nothing was done, for
 * the usage alone is wanted. */
int mo_prove_run(int argc, char **argv, bool *help);
/* A reason for the verdict "fail". */
void mo_prove_blame(mo_prove *p, const char *fmt, ...) MOLT_PRINTF(2, 3);
void mo_prove_skip(mo_prove *p, const char *what, const char *why);
/* On a terminal, in place. */
void mo_prove_progress(const char *fmt, ...) MOLT_PRINTF(1, 2);
void mo_prove_sleep(long ms); /* ends early when interrupted */

/* ---- prove_program.c ---- */
/* 0 when it serves; else why. */
int mo_program_start(mo_prove *p, bool supervised, char **why);
void mo_program_stop(mo_prove *p);
/* The state; NULL: nobody answers. The caller's. */
json_t *mo_program_status(mo_prove *p);
pid_t mo_program_serving(mo_prove *p); /* 0: unknown */
/* Waits until it serves with no other pid than this; 0: any. */
bool mo_program_wait_serving(mo_prove *p, pid_t pid, molt_time limit);
/* exe may be NULL.  < 0: nobody answers. */
int mo_program_restart(mo_prove *p, const char *exe, mo_answer *a);
/* Sends sig and waits until the process is gone. */
bool mo_program_kill(pid_t pid, int sig);
void mo_program_reap(mo_program *g);
/* Runs it with sh, at most 60 s.  Its exit status; -1: ended otherwise. */
int mo_prove_command(const char *command);

/* ---- prove_find.c ---- */
/* Fills in addresses and crowds.  0 or why. */
int mo_prove_find(mo_prove *p, char **why);
/* Asks the running program again, which may have another port now. */
int mo_prove_find_addresses(mo_prove *p, char **why);

/* ---- prove_probe.c ---- */
/* One request.  The status of the answer, or -errno.  headers: lines for an upgrade, or
 * NULL; body may be NULL; echoed (may be NULL): the answer is the body again. */
int mo_prove_ask(const mo_prove *p, bool tls, const char *method, const char *path,
		 const char *headers, const char *body, bool *echoed);

/* ---- prove_phase.c, prove_bad.c ---- */
void mo_prove_steady(mo_prove *p);
void mo_prove_restarts(mo_prove *p);
void mo_prove_bad_versions(mo_prove *p);
void mo_prove_rollback(mo_prove *p);
void mo_prove_kills(mo_prove *p);
/* Load of all crowds; NULL: not every client got an answer in time, and the verdict says
 * so. */
mo_load *mo_prove_load_begin(mo_prove *p);
void mo_prove_load_end(mo_prove *p, mo_load *l, const char *phase);

/* ---- prove_report.c ---- */
void mo_prove_print(const json_t *seen);

#endif
