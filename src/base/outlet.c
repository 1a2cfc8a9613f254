/* The way of log lines out of the process; see outlet.h.
 *
 * An outlet and its thread:
 *
 *   IDLE      the thread sleeps, or there is none yet   -> a line: WRITING
 *   WRITING   it has taken the queue and writes         -> more lines: WRITING, else IDLE
 *   freed     in either                                 -> WRITING to the last line, gone
 *
 * Always: the line that says how many are missing stands where they are missing: behind
 * the queue that was full, before what is written after a failed write. */
#include "base/outlet.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/thread.h"

#define STACK ((size_t)256 << 10)
#define KEEP ((size_t)128 << 10) /* of a queue's memory */
#define AT_EXIT 3000
#define AT_FORK 100

struct mo_outlet {
	mo_outlet *next; /* of all; under outlets.lock */
	const mo_outlet_hooks *hooks;
	void *arg;

	pthread_mutex_t lock; /* never held over a system call that may wait; of these: */
	pthread_cond_t more;
	mo_buf queue;
	uint64_t dropped;     /* lines, since the queue was taken */
	uint64_t added, done; /* bytes put into the queue, and written or lost of these */
	int fd, former;       /* former: closed when the present write is done; -1: none */
	bool running, writing, freed;

	/* The thread's own while it writes. */
	mo_buf hand;     /* what it has taken */
	bool torn;       /* the last write broke off within a line */
	uint64_t failed; /* lines that could not be written ... */
	int why;         /* ... for this -errno */

	_Atomic uint64_t moved; /* bytes written or lost */
};

static mo_outlet err_outlet = {
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.more = PTHREAD_COND_INITIALIZER,
	.fd = STDERR_FILENO,
	.former = -1,
};
static mo_outlet out_outlet = {
	.next = &err_outlet,
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.more = PTHREAD_COND_INITIALIZER,
	.fd = STDOUT_FILENO,
	.former = -1,
};

static struct {
	pthread_mutex_t lock; /* the list; taken before that of an outlet */
	mo_outlet *first;
	_Atomic uint64_t lost;
} outlets = { .lock = PTHREAD_MUTEX_INITIALIZER, .first = &out_outlet };

static size_t lines_in(const char *p, size_t n)
{
	size_t lines = 0;

	for (const char *end = p + n; (p = memchr(p, '\n', (size_t)(end - p))); p++)
		lines++;
	return lines;
}

/* ---- the thread -------------------------------------------------------------- */

/* How much goes out in one call. */
static size_t whole_lines(const char *p, size_t n, bool regular)
{
	const char *end;

	if (regular || n <= MO_OUTLET_WHOLE)
		return n;
	end = memrchr(p, '\n', MO_OUTLET_WHOLE);
	if (!end)
		end = memchr(p + MO_OUTLET_WHOLE, '\n', n - MO_OUTLET_WHOLE);
	return end ? (size_t)(end - p) + 1 : n;
}

/* Somebody else may have made the open file non-blocking. */
static ssize_t write_patiently(int fd, const char *p, size_t n)
{
	for (;;) {
		struct pollfd room = { .fd = fd, .events = POLLOUT };
		ssize_t w = write(fd, p, n);

		if (w >= 0)
			return w;
		if (errno == EAGAIN)
			poll(&room, 1, -1);
		else if (errno != EINTR)
			return -errno;
	}
}

/* Writes all, or up to an error, which it returns; *p and *n: what is left. */
static int write_lines(mo_outlet *o, int fd, const char **p, size_t *n)
{
	struct stat st;
	bool regular = fstat(fd, &st) == 0 && S_ISREG(st.st_mode);

	while (*n) {
		size_t most = whole_lines(*p, *n, regular);
		ssize_t w = o->torn ? write_patiently(fd, "\n", 1) : 1;

		if (w == 1) {
			o->torn = false;
			w = write_patiently(fd, *p, most);
		}
		if (w <= 0)
			return w < 0 ? (int)w : -EIO;
		atomic_fetch_add(&o->moved, (uint64_t)w);
		*p += w;
		*n -= (size_t)w;
		o->torn = (size_t)w < most && (*p)[-1] != '\n';
	}
	return 0;
}

/* The sentence about lines that are missing. */
static int tell(mo_outlet *o, int fd, uint64_t lost, int err)
{
	char text[MO_LOG_STAMP_MAX + 200];
	const char *at = text,
		   *why = err ? strerror(-err) : "they came faster than they could be written";
	char *p = mo_log_put_stamp(text, mo_wall());
	size_t n;

	n = (size_t)(p - text);
	n += (size_t)snprintf(p, sizeof(text) - n, " %d: [WARN] lines missing here: %llu; %.100s\n",
			      (int)getpid(), (unsigned long long)lost, why);
	return write_lines(o, fd, &at, &n);
}

/* Writes what the thread has in hand, and before and behind that how much is missing. */
static void write_hand(mo_outlet *o, int fd, uint64_t dropped)
{
	const char *p = o->hand.data;
	size_t n = o->hand.len;
	int err = fd < 0 ? -EBADF : 0;

	if (!err && o->failed)
		err = tell(o, fd, o->failed, o->why);
	if (!err) {
		o->failed = 0;
		err = write_lines(o, fd, &p, &n);
	}
	if (!err && dropped)
		err = tell(o, fd, dropped, 0);
	if (!err)
		return;
	o->why = err;
	o->failed += lines_in(p, n) + dropped;
	atomic_fetch_add(&outlets.lost, lines_in(p, n));
	atomic_fetch_add(&o->moved, n);
}

/* With the lock held. */
static void write_queue(mo_outlet *o)
{
	mo_buf swap = o->hand;
	uint64_t dropped = o->dropped;
	int fd, former;

	o->hand = o->queue;
	o->queue = swap;
	o->dropped = 0;
	o->writing = true;
	pthread_mutex_unlock(&o->lock);
	if (o->hooks && o->hooks->before)
		o->hooks->before(o->arg);
	pthread_mutex_lock(&o->lock);
	fd = o->fd;
	pthread_mutex_unlock(&o->lock);
	write_hand(o, fd, dropped);
	pthread_mutex_lock(&o->lock);
	o->done += o->hand.len;
	o->hand.len = 0;
	if (o->hand.cap > KEEP)
		mo_buf_free(&o->hand);
	o->writing = false;
	former = o->former;
	o->former = -1;
	if (former < 0)
		return;
	pthread_mutex_unlock(&o->lock);
	close(former);
	pthread_mutex_lock(&o->lock);
}

/* Nobody else knows of it any more. */
static void destroy(mo_outlet *o)
{
	mo_outlet **at = &outlets.first;

	pthread_mutex_lock(&outlets.lock);
	while (*at != o)
		at = &(*at)->next;
	*at = o->next;
	pthread_mutex_unlock(&outlets.lock);
	if (o->hooks && o->hooks->end)
		o->hooks->end(o->arg);
	if (o->fd >= 0)
		close(o->fd);
	mo_buf_free(&o->queue);
	mo_buf_free(&o->hand);
	pthread_mutex_destroy(&o->lock);
	pthread_cond_destroy(&o->more);
	free(o);
}

static void *run(void *arg)
{
	mo_outlet *o = arg;
	sigset_t closed_pipe;

	sigemptyset(&closed_pipe);
	sigaddset(&closed_pipe, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &closed_pipe, NULL);
	pthread_mutex_lock(&o->lock);
	for (;;) {
		while (o->queue.len == 0 && !o->dropped && !o->freed)
			pthread_cond_wait(&o->more, &o->lock);
		if (o->queue.len == 0 && !o->dropped)
			break;
		write_queue(o);
	}
	pthread_mutex_unlock(&o->lock);
	destroy(o);
	return NULL;
}

/* ---- over a fork ------------------------------------------------------------- */

#define EACH_OUTLET(o) for (mo_outlet *o = outlets.first; o; o = o->next)

/* What is queued is the parent's, whose thread goes on.  The child has no thread. */
static void before_fork(void)
{
	mo_outlets_flush(AT_FORK, MO_LAST_LINES_STILL / 4);
	pthread_mutex_lock(&outlets.lock);
	EACH_OUTLET(o)
	pthread_mutex_lock(&o->lock);
}

static void in_parent(void)
{
	EACH_OUTLET(o)
	pthread_mutex_unlock(&o->lock);
	pthread_mutex_unlock(&outlets.lock);
}

static void in_child(void)
{
	EACH_OUTLET(o)
	{
		o->running = o->writing = false;
		o->queue.len = o->hand.len = 0;
		o->dropped = o->failed = 0;
		o->done = o->added;
		o->more = (pthread_cond_t)PTHREAD_COND_INITIALIZER;
	}
	in_parent();
}

static void watch_forks(void)
{
	pthread_atfork(before_fork, in_parent, in_child);
}

/* ---- adding ------------------------------------------------------------------ */

static bool start(mo_outlet *o)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	pthread_t t;

	pthread_once(&once, watch_forks);
	if (mo_thread_start(&t, "molt-log", STACK, run, o) < 0)
		return false;
	pthread_detach(t);
	o->running = true;
	return true;
}

/* No thread is to be had: as much as there is room for.  With the lock held. */
static void write_here(mo_outlet *o)
{
	struct pollfd room = { .fd = o->fd, .events = POLLOUT };
	size_t n;

	while (o->fd >= 0 && o->queue.len && poll(&room, 1, 0) == 1 && (room.revents & POLLOUT)) {
		n = whole_lines(o->queue.data, o->queue.len, false);
		if (write(o->fd, o->queue.data, n) != (ssize_t)n)
			return;
		o->done += n;
		mo_buf_consume(&o->queue, n);
	}
}

void mo_outlet_add(mo_outlet *o, const char *p, size_t n)
{
	pthread_mutex_lock(&o->lock);
	if (o->dropped || o->hand.len + o->queue.len + n > MO_OUTLET_MOST) {
		size_t lines = lines_in(p, n);

		o->dropped += lines;
		atomic_fetch_add(&outlets.lost, lines);
	} else {
		mo_buf_add(&o->queue, p, n);
		o->added += n;
	}
	if (o->running || start(o))
		pthread_cond_signal(&o->more);
	else
		write_here(o);
	pthread_mutex_unlock(&o->lock);
}

/* ---- outlets ----------------------------------------------------------------- */

mo_outlet *mo_outlet_stdout(void)
{
	return &out_outlet;
}

mo_outlet *mo_outlet_stderr(void)
{
	return &err_outlet;
}

mo_outlet *mo_outlet_new(int fd, const mo_outlet_hooks *hooks, void *arg)
{
	mo_outlet *o = mo_calloc(1, sizeof(*o));

	o->hooks = hooks;
	o->arg = arg;
	o->fd = fd;
	o->former = -1;
	pthread_mutex_init(&o->lock, NULL);
	pthread_cond_init(&o->more, NULL);
	pthread_mutex_lock(&outlets.lock);
	o->next = outlets.first;
	outlets.first = o;
	pthread_mutex_unlock(&outlets.lock);
	return o;
}

/* The first former one may be written to just now, later ones have not been yet. */
void mo_outlet_set_fd(mo_outlet *o, int fd)
{
	int old;

	pthread_mutex_lock(&o->lock);
	old = o->fd;
	o->fd = fd;
	if (o->writing && o->former < 0) {
		o->former = old;
		old = -1;
	}
	pthread_mutex_unlock(&o->lock);
	if (old >= 0)
		close(old);
}

void mo_outlet_free(mo_outlet *o)
{
	bool running;

	if (!o)
		return;
	pthread_mutex_lock(&o->lock);
	o->freed = true;
	running = o->running;
	pthread_cond_signal(&o->more);
	pthread_mutex_unlock(&o->lock);
	if (!running)
		destroy(o);
}

/* ---- flushing ---------------------------------------------------------------- */

static const struct timespec moment = { .tv_nsec = 200000 };

/* An outlet as far as lines had been added to it. */
typedef struct mark {
	const mo_outlet *outlet;
	uint64_t added;
} mark;

/* Only a list's member is touched: an outlet may have ended meanwhile. */
static mo_outlet *find(const mo_outlet *wanted)
{
	EACH_OUTLET(o)
	if (o == wanted)
		return o;
	return NULL;
}

/* Whoever writes there waits for a processor, if for anything. */
static bool has_room(const mo_outlet *o)
{
	struct pollfd p = { .fd = o->fd, .events = POLLOUT };

	return o->fd >= 0 && poll(&p, 1, 0) == 1 && (p.revents & POLLOUT);
}

/* true: written.  *moved: something else with each progress.  *room: there can be some, as
 * soon as the outlet's thread runs. */
static bool reached(const mark *m, uint64_t *moved, bool *room)
{
	mo_outlet *o;
	bool done = false;

	if (pthread_mutex_trylock(&outlets.lock) != 0)
		return false;
	o = find(m->outlet);
	if (o && pthread_mutex_trylock(&o->lock) == 0) {
		done = o->done >= m->added;
		*room = !done && has_room(o);
		pthread_mutex_unlock(&o->lock);
	}
	*moved = o ? atomic_load(&o->moved) : 0;
	pthread_mutex_unlock(&outlets.lock);
	return done || !o;
}

static bool wait_for(const mark *m, molt_time until, molt_time still)
{
	uint64_t moved = 0, last = 0;
	molt_time now = mo_now(), changed = now;
	bool room = false;

	while (!reached(m, &moved, &room)) {
		if (moved != last || room)
			changed = now;
		last = moved;
		if (now >= until || now - changed >= still)
			return false;
		nanosleep(&moment, NULL);
		now = mo_now();
	}
	return true;
}

/* A lock that others have for moments only; but that of a thread that met a fault inside
 * may be this thread's own. */
static bool lock_by(pthread_mutex_t *lock, molt_time until)
{
	while (pthread_mutex_trylock(lock) != 0) {
		if (mo_now() >= until)
			return false;
		nanosleep(&moment, NULL);
	}
	return true;
}

bool mo_outlet_flush(mo_outlet *o, molt_time most, molt_time still)
{
	mark m = { .outlet = o };

	pthread_mutex_lock(&o->lock);
	m.added = o->added;
	pthread_mutex_unlock(&o->lock);
	return wait_for(&m, mo_now() + most, still);
}

void mo_outlets_flush(molt_time most, molt_time still)
{
	molt_time begun = mo_now(), until = begun + most;
	molt_time locked = begun + (still < most ? still : most);
	mark marks[64];
	size_t n = 0;

	if (!lock_by(&outlets.lock, locked))
		return;
	EACH_OUTLET(o)
	{
		if (n == 64 || !lock_by(&o->lock, locked))
			continue;
		if (o->done < o->added)
			marks[n++] = (mark){ o, o->added };
		pthread_mutex_unlock(&o->lock);
	}
	pthread_mutex_unlock(&outlets.lock);
	for (size_t i = 0; i < n; i++)
		wait_for(&marks[i], until, still);
}

uint64_t mo_outlets_lost(void)
{
	return atomic_load(&outlets.lost);
}

__attribute__((destructor)) static void at_exit(void)
{
	mo_outlets_flush(AT_EXIT, MO_LAST_LINES_STILL);
}

_Noreturn void mo_exit_now(int status)
{
	at_exit();
	_exit(status);
}

void mo_outlet_last_words(int fd, const char *p, size_t n)
{
	struct pollfd room = { .fd = fd, .events = POLLOUT };

	if (poll(&room, 1, MO_LAST_LINES_STILL) != 1 || write(fd, p, n) < 0)
		return;
}
