/* The processes that the supervisor watches: those that it started and those that
 * said they serve or start.  Of others it only knows, as their reaper, when they
 * are gone.  Pointers are good until the next mo_processes_watch() or mo_processes_ended(). */
#ifndef MO_PROCESS_TABLE_H
#define MO_PROCESS_TABLE_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "gen/os/sigstop.h"

typedef struct mo_process {
	pid_t pid;
	int pidfd; /* or -1: an old kernel */
	bool gone;
	bool candidate; /* a successor that has not served yet */
	bool doomed;    /* killed because it came too late */
	bool asked;     /* to end, by mo_processes_signal() */
	mo_sigstop stopped;
	int status; /* of waitpid(); -1: not known (yet), another process reaped it */
} mo_process;

mo_process *mo_processes_watch(pid_t pid); /* from now on, or since before */
mo_process *mo_processes_find(pid_t pid);  /* or NULL */
/* A successor that may still come to serve, or NULL. */
mo_process *mo_processes_candidate(void);
void mo_processes_doom_candidates(void);
size_t mo_processes_count(void);
const mo_process *mo_processes_at(size_t i); /* below the count */
void mo_processes_restore(mo_process p);     /* of another image of this process */
/* Fills room for mo_processes_count(); returns how many. */
nfds_t mo_processes_poll(struct pollfd *out);
bool mo_processes_blind(void); /* is there one whose end poll() does not tell? */

/* Reaps, and finds out who has ended. */
void mo_processes_look(void);
/* One of them, which is forgotten then; false: no more. */
bool mo_processes_ended(mo_process *out);
/* Another process has reaped it. */
void mo_processes_status(pid_t pid, int status);
/* Of the last one that mo_processes_ended() gave without a status: -1, until it is known. */
int mo_processes_late_status(void);

/* Kills those that a signal has stopped for too long: who waits for them waits for
 * nothing.  To be called at least every MO_SIGSTOP_LOOK_MAX. */
void mo_processes_kill_stopped(void);
void mo_processes_signal(int number);
/* One of them; false: nobody, for it is not watched or has ended. */
bool mo_processes_signal_one(pid_t pid, int number);
/* Every child, watched or not; those below follow when they have become ours. */
void mo_processes_kill_all(void);

/* How it ended: as a shell would exit, and as a sentence (malloc'd). */
int mo_process_exit_status(int status);
char *mo_process_end(const mo_process *p);

#endif
