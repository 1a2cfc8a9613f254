/* What a loop keeps for the files of this layer: loop.c (life), mailbox.c,
 * turn.c (each turn: ready queue, heartbeat), co.c, watchdog.c. */
#ifndef MO_RT_LOOP_INTERNAL_H
#define MO_RT_LOOP_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/queue.h"
#include "rt/co_internal.h"
#include "rt/loop.h"

#define MO_LOOP_MAGIC 0x706f6f6cu
#define MO_LOOP_SPARE_BUFFERS 64u /* 1 MiB */

typedef struct mo_mail {
	void (*fn)(void *arg);
	void *arg;
	bool spawn; /* run it in a coroutine */
} mo_mail;

typedef struct mo_mailbox {
	pthread_mutex_t lock; /* for the next three */
	mo_queue in; /* these three: of mo_mail */
	bool stop_asked; /* only answers are taken from now on */
	bool closed;     /* nothing is taken */
	/* The loop's thread only: */
	mo_queue spare;   /* the array that was emptied last */
	mo_queue starved; /* spawns that found no stack; tried when a coroutine ends */
	uv_async_t wake;
} mo_mailbox;

/* watch.c */
typedef struct mo_watches {
	uv_poll_t **kept; /* by descriptor; NULL: none, or in use */
	int size;
	struct mo_watch_block *blocks;
	unsigned used; /* handles of the first block */
	unsigned out;  /* in use */
} mo_watches;

struct mo_loop_private {
	mo_mailbox mail;
	pthread_t thread;
	bool started;  /* the thread is to be joined */
	bool finished; /* all own handles are closed */
	bool stopping; /* the loop has seen stop_asked */

	/* co.c */
	mo_co *running;
	mo_ctx back;   /* of the loop, while a coroutine runs */
	unsigned live; /* coroutines that have not ended: they hold the loop */
	mo_stacks stacks;
	mo_timer trim;
#if MO_ASAN
	void *fake_stack;
	const void *thread_low;
	size_t thread_size;
#endif
#if MO_TSAN
	void *fiber;
#endif

	/* turn.c */
	mo_list ready; /* coroutines to resume; the idle handle is active when any */
	mo_list tasks; /* mo_turn_task.node, for the end of this turn */
	mo_list tasks_again; /* ... of the next, while this one's are done */
	mo_turn_task *task;  /* that is being done */
	uv_idle_t idle;
	uv_prepare_t prepare;
	uv_check_t check;
	/* For the watchdog; written by the loop's thread only. */
	_Atomic unsigned long turn;  /* odd: in the poll phase */
	_Atomic(const char *) doing; /* name of the running coroutine, or NULL */
	_Atomic(const char *) inside; /* mo_loop_inside() */
	_Atomic int tid;             /* 0: not running */

	mo_watches watches;

	/* loop.c */
	char *spare[MO_LOOP_SPARE_BUFFERS];
	unsigned spare_count;
	molt_time date_looked; /* loop time of the last look at the clock */
	molt_time date_second;
	char date[32];
};

/* loop.c: holds the loop (uv_run goes on) unless it may end. */
void mo_loop_hold_update(mo_loop *l);

/* mailbox.c */
int mo_mailbox_init(mo_loop *l);
void mo_mailbox_close(mo_loop *l); /* takes nothing more; closes its handle */
void mo_mailbox_fini(mo_loop *l);
void mo_mailbox_stop(mo_loop *l); /* [any] */
/* As mo_loop_post(), and also taken after mo_loop_stop(): for the answer that a
 * coroutine of l waits for. [any] */
void mo_loop_answer(mo_loop *l, void (*fn)(void *arg), void *arg);
void mo_mailbox_retry(mo_loop *l); /* a stack is free: for the first that starves */

/* watch.c */
void mo_watches_close(mo_loop *l); /* none is in use */
void mo_watches_free(mo_loop *l);  /* after libuv's loop was closed */

/* turn.c */
void mo_turn_init(mo_loop *l);
void mo_turn_close(mo_loop *l);
void mo_ready_push(mo_co *co); /* resumes it from the loop, this turn or the next */

#endif
