/* The supervisor's state: shared by supervisor.c (life, signals, ends),
 * supervisor_programs.c (starting, what generations say), upgrade.c and
 * upgrade_state.c (going on in a new image); nobody else includes this. */
#ifndef MO_SUPERVISOR_INTERNAL_H
#define MO_SUPERVISOR_INTERNAL_H

#include <stdbool.h>

#include "gen/os/spawn.h"
#include "molt.h"
#include "supervisor/supervisor.h"

#define CANDIDATE_TIME (60 * MOLT_SECOND)

typedef struct mo_supervisor {
	const char *path, *control_socket;
	mo_program program; /* to be started: that which served last */
	char *exe;          /* its path */
	unsigned generation;

	int signals, link, link_theirs;
	int channel;             /* to the program that starts; or -1 */
	pid_t starting, serving; /* 0: none */

	bool served, stopping, killing;
	bool opened;        /* what starts has begun to open its listeners: clients may wait */
	bool committed;     /* ... and was told to serve */
	bool taken;         /* what served was taken over by others: its end is wanted */
	int restart;        /* SIGUSR1 or SIGUSR2 that waits for one that serves; or 0 */
	char *refused;      /* why the program that starts may not take over; or NULL */
	int result;         /* exit status when everybody has ended */
	bool unknown;       /* what served last was reaped by another process */
	molt_time asked;    /* when a stop was last asked for */
	molt_time retry_at; /* WAITING; 0: not */
	molt_time pause, since;
} mo_supervisor;

extern mo_supervisor mo_sup;

/* ---- supervisor_programs.c ---- */

int mo_sup_spawn(void);
void mo_sup_close_channel(void);
void mo_sup_start_now(void);
void mo_sup_start_later(void);
void mo_sup_read_link(void);
void mo_sup_read_channel(void);

#endif
