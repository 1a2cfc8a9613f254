/* The way of log lines out of the process: standard output, standard error, a file.
 *
 * Nobody who logs ever waits for a reader or a disk.  Lines are put into a queue in
 * memory, and a thread of the outlet writes them: at once, in their order, whole lines
 * together.  When the queue is full (MO_OUTLET_MOST bytes), or a write fails, lines are
 * lost and counted, and in their place one line says how many.
 *
 * The thread may wait in write(2) for ever.  The descriptor is never made
 * non-blocking: the open file behind it may be somebody else's terminal or pipe too.
 *
 * A write(2) to what is no regular file has at most MO_OUTLET_WHOLE bytes when its
 * lines allow that, so lines of processes that share a pipe never mix.
 *
 * A process that is killed loses what its queues hold.  A fraction of a millisecond after the
 * last line they are empty, unless the reader or the disk is slow.  exit(), an invariant that
 * breaks and a fault give the queues a moment: mo_outlets_flush(). */
#ifndef MO_BASE_OUTLET_H
#define MO_BASE_OUTLET_H

#include <stddef.h>
#include <stdint.h>

#include "molt.h"

#define MO_OUTLET_MOST ((size_t)4 << 20)
#define MO_OUTLET_WHOLE ((size_t)4096) /* PIPE_BUF */

typedef struct mo_outlet mo_outlet;

/* What an owner of a file does on the outlet's thread, where it may wait for a disk. */
typedef struct mo_outlet_hooks {
	void (*before)(void *arg); /* before lines are written; may mo_outlet_set_fd() */
	void (*end)(void *arg);    /* behind the last line of an outlet that was freed */
} mo_outlet_hooks;

/* Of a file; fd is owned, -1: none, lines are lost until there is one.  hooks: NULL
 * or static.  All [any] thread. */
mo_outlet *mo_outlet_new(int fd, const mo_outlet_hooks *hooks, void *arg);
mo_outlet *mo_outlet_stdout(void);
mo_outlet *mo_outlet_stderr(void);
/* Bytes that end with a line's end, or a part of a stream of bytes. */
void mo_outlet_add(mo_outlet *o, const char *p, size_t n);
/* From the next write on; the former one is closed when nothing writes there. */
void mo_outlet_set_fd(mo_outlet *o, int fd);
/* Waits until what has been added so far is written, for at most so many ms, and only
 * `still` when nothing moves and the descriptor has no room: on a busy machine the outlet's
 * thread may wait for a processor for longer than a reader should hold up an end.  false:
 * it has not been. */
bool mo_outlet_flush(mo_outlet *o, molt_time most, molt_time still);
/* At once; what is queued is still written, then the descriptor is closed. */
void mo_outlet_free(mo_outlet *o);

/* mo_outlet_flush() of all.  Waits for a lock, too, no longer than `still`: also for a
 * process that ends with a fault, which may have met it with the lock held. */
void mo_outlets_flush(molt_time most, molt_time still);
/* What a fault or an exec() allows, ms. */
#define MO_LAST_LINES 1000
#define MO_LAST_LINES_STILL 100
/* _exit() behind the last lines, as exit() has it by itself. */
_Noreturn void mo_exit_now(int status);
/* How many lines this process has lost. */
uint64_t mo_outlets_lost(void);

/* The last words of a process, from any place: past the queues, once poll() says that
 * there is room, within 100 ms, or not at all. */
void mo_outlet_last_words(int fd, const char *p, size_t n);

#endif
