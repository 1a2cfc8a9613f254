/* The successor as its predecessor sees it: a process, the channel to it, what it
 * says there and on its standard error.  Used by predecessor.c, standby.c and rollback.c,
 * on the control thread.
 *
 * Always: pid is 0 as soon as the process has ended; the process is polled, killed and
 * reaped by its descriptor (pidfd.h), never by a number that may be another one's.  The
 * first failure's sentence (why) counts, for later ones follow from it; what the
 * successor itself said is better than ours.
 *
 * Who speaks on the channel may be another process than the one that was started: a
 * wrapper runs the program without exec, or the program has gone into the background.
 * It is known by what the kernel says of its messages, and killed along with the other;
 * one that has not spoken yet finds "cancel" when it reads. */
#ifndef MO_GEN_OLD_CHILD_H
#define MO_GEN_OLD_CHILD_H

#include <jansson.h>
#include <stdbool.h>
#include <sys/types.h>

#include "gen/error_budget.h"
#include "gen/os/sigstop.h"
#include "gen/os/spawn.h"
#include "gen/os/stderr_tail.h"
#include "gen/wire/forms.h"
#include "gen/wire/messages.h"

typedef struct mo_child {
	const char *path; /* of its program, for sentences; the owner's */
	pid_t pid;        /* 0: not started, or reaped; foreign: or not visible */
	bool foreign;     /* no child of ours: it takes over (takeover.h) */
	bool gone;        /* foreign: it has ended */
	int pidfd;        /* -1: the kernel gives none */
	bool lost;        /* it had ended, and others had its status, before we looked */
	pid_t started;    /* what pid was, for sentences */
	struct {
		pid_t pid; /* 0: nobody else has spoken */
		int pidfd;
	} speaker;
	/* Its own successor, while that has not been told to serve: it would serve if this one
	 * died. */
	struct {
		pid_t pid;
		int pidfd; /* -1: there is none */
	} next;
	ino_t theirs; /* the socket at the other end of the channel */
	int status;   /* as waitpid gives it, when reaped */
	bool status_known;
	bool killed;      /* by us, for what why says */
	bool committed;   /* it was told to serve */
	const char *when; /* "while ...", for the sentence about its end; or NULL */
	int channel;      /* to it; -1 */
	int tail_fd;      /* reading end of its standard error, for the offer; -1 */
	mo_stderr_tail *tail;
	char *why;       /* the failure as a sentence */
	char *said;      /* the same by the successor itself, which knows better */
	bool broken;     /* ... and that was: it does not understand us */
	bool stops;      /* it is being shut down: its end is wanted */
	bool replaced;   /* it has a successor of its own: its end is wanted */
	char *asks_back; /* it asks us to serve again: who does; owned */
	/* What it reports about itself. */
	bool reports;
	mo_forms forms; /* what it reads */
	mo_rate answered;
	molt_time heard; /* when it last said anything */
	molt_time stuck; /* so long a loop of it had been blocked then */
	/* Its answers to "withdraw". */
	bool busy, withdrawing, withdrawn;
	mo_sigstop stopped;
	mo_wire_turn turn; /* of reading its channel */
} mo_child;

void mo_child_init(mo_child *c, const char *path);
void mo_child_fini(mo_child *c); /* of a process that is gone, or goes on alone */

/* Starts the program with a channel and a pipe for its standard error.  argv0:
 * NULL: ours. */
int mo_child_spawn(mo_child *c, const mo_program *program, const char *argv0);

/* The process that takes over; owns channel and pidfd. */
void mo_child_adopt(mo_child *c, int channel, pid_t pid, int pidfd);

/* true when it has ended; then it is reaped and c->status says how. */
bool mo_child_reap(mo_child *c);
void mo_child_kill(mo_child *c); /* and reaps it, and whoever else spoke for it */
/* Who is known by what was read after that. */
void mo_child_kill_speaker(mo_child *c);
/* The service is taken back from one that has died: nobody may serve in its place. */
void mo_child_kill_next(mo_child *c);
/* Kills one that is stopped too long; to be called while it is waited for. */
void mo_child_kill_stopped(mo_child *c);
/* The same for that reason (owned), which is better than how it ended. */
void mo_child_kill_for(mo_child *c, char *why);
/* A message of that process has come on the channel: is it another than was started? */
void mo_child_spoke(mo_child *c, pid_t pid);
/* "it exited with status 1 before it was ready"; malloc'd. */
char *mo_child_end(const mo_child *c, const char *when);
bool mo_child_ended_well(const mo_child *c); /* with status 0 */
void mo_child_record_end(const mo_child *c, json_t *receipt);

/* Keeps why, unless there is one; returns code. */
int mo_child_fail(mo_child *c, int code, char *why);
/* The sentence to be told, by whoever knows best; c's. */
const char *mo_child_why(mo_child *c, int code);

/* ---- child_channel.c ---- */

/* Sends, waiting for room; one that never reads runs into a deadline. */
int mo_child_send(mo_child *c, json_t *body, const int *fds, int n);
/* Waits for a message of that type.  0 and *m to be freed; -ETIMEDOUT (not yet a
 * failure); or a failure, such as -ECANCELED for a shutdown. */
int mo_child_await(mo_child *c, enum mo_msg what, molt_time deadline, mo_wire_msg *m);
/* Sends what must be answered before anything else may happen, and waits for the
 * answer: until it has come, or the process is gone.  One that is silent for longer
 * than silence is killed. */
int mo_child_ask(mo_child *c, json_t *body, const int *fds, int n, const molt_str *pieces,
		 size_t npieces, enum mo_msg what, molt_time silence, mo_wire_msg *m);
/* Waits until fd (-1: none; its channel's messages are another matter) is readable,
 * at most 50 ms and not beyond the deadline.  0, -ETIMEDOUT, or a failure: it has
 * ended, a shutdown was asked for. */
int mo_child_moment(mo_child *c, int fd, molt_time deadline);
/* The channel is closed: the program ended, or closed it and lives on. */
int mo_child_closed(mo_child *c);
/* Takes what it has said by now, up to a turn (wire.h); never waits.  false: the channel
 * is closed. */
bool mo_child_listen(mo_child *c);
/* All of it, of one that has ended. */
void mo_child_last_words(mo_child *c);

#endif
