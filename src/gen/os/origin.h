/* What the process was started with, saved before main() runs: arguments,
 * environment, directory, program; and the handover socket when a predecessor
 * started it.  A restart starts the successor with exactly these.
 *
 * Always: the handover variable and, unless the program keeps them (MOLT_AT_START()),
 * those of the service manager leave the environment, and their descriptors become
 * close-on-exec, before main(), so that nothing the program starts can inherit or mistake
 * them. */
#ifndef MO_GEN_OS_ORIGIN_H
#define MO_GEN_OS_ORIGIN_H

#include <stdbool.h>
#include <stddef.h>

#define MO_HANDOVER_ENV "MOLT_HANDOVER"
#define MO_SUPERVISED_ENV "MOLT_SUPERVISED"

typedef struct mo_origin {
	char **argv;          /* as started; NULL-terminated; owned */
	char **own_argv;      /* the whole, when mo_origin_set_argv() took a part; NULL */
	char **envp;          /* the same, without the variables of this process alone */
	int cwd_fd;           /* of the directory at start, or -1 */
	char *cwd;            /* its path; by $PWD when that names it, so that a symbolic
			    link of a release can be switched; may be NULL */
	char *exe;            /* path of the program as it was started, absolute */
	int exe_fd;           /* of the running program, whatever is at exe now; -1 */
	char build[41];       /* GNU build id in hex, or "" */
	int handover_fd;      /* or -1; who takes it sets -1 */
	bool supervised;      /* some generation before was started by a supervisor */
	char *control_socket; /* a path that the supervisor wants one at; NULL */
} mo_origin;

mo_origin *mo_origin_get(void);
/* exe after the offer told the true path (a program started by descriptor does
 * not know it). */
void mo_origin_set_exe(const char *path);
/* Other arguments for what is started from here, the last ones of ours; copied. */
void mo_origin_set_argv(char *const *argv);
/* path itself when absolute, else joined to cwd.  malloc'd. */
char *mo_origin_resolve(const char *path);

/* Before main(); supervisor/begin.c has it.  It calls these, each once and in this order: what they
 * save is complete when the variables of this process alone are gone. */
void mo_begin(char **argv);
void mo_origin_save_arguments(char **argv);
void mo_origin_save_environment(void);
void mo_origin_save_place(void);

#endif
