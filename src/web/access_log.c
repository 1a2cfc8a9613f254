/* The access log and the error log of each server: one line per request, and
 * per connection that was refused before there was one.  Owned by the server
 * (s->access_log); called by the http app's done() and refused() on any loop.
 *
 *   2018-05-18 11:02:04.812 11511: gen 1 200 "GET http a.org:80 / HTTP/1.1" 0.003,
 *     127.0.0.1, 7, "referer", "user agent", 00000000000000a1          (one line)
 *
 * The access log's lines that go to a file only are written together at the end of
 * the loop's turn: a call for each line would cost a quarter of a small request.  As
 * long as each turn brings more of them they wait for the next, at most 5 ms or 48 KiB.
 * To standard output, which may be a pipe, each goes alone.
 *
 * Always: a write(2) takes whole lines, to a descriptor in append mode, so lines of
 * threads and generations never mix.  A line that cannot be written is lost, nothing
 * else.  A loop that sleeps has written all its lines. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "web/access_line.h"
#include "web/log_name.h"
#include "web/server.h"

#define BATCH_MOST (64u * 1024) /* written within a turn */
#define HOLD_MOST (48u * 1024)  /* ... and at its end, however busy the loop is */
#define HOLD_TIME 5
#define RETRY_SWITCH ((molt_time)60 * MOLT_SECOND)

/* One of the two logs.  Never touched once open, but for what lock covers. */
struct target {
	bool on, to_stdout;
	const char *dir, *pattern; /* of the settings; dir NULL: no file */
	pthread_rwlock_t lock;     /* read: writing a line; write: changing these: */
	int fd;
	char *path;
	/* The wall clock's span in which path is right. */
	_Atomic molt_time from, until;
	_Atomic bool torn;                   /* a line broke off without its end */
	struct batch *batches[MO_LOOPS_MAX]; /* each touched by its own loop only */
};

/* Lines of one loop. */
struct batch {
	mo_turn_task task;
	struct target *to;
	mo_loop *loop;
	molt_time began;     /* its time at the first line */
	size_t seen;         /* bytes at the end of the last turn */
	mo_line_frame frame; /* of the present turn */
	mo_buf lines;
};

struct mo_access_log {
	struct target access, error;
};

/* ---- files -------------------------------------------------------------- */

static int open_path(const char *path)
{
	int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0640);

	return fd < 0 ? -errno : fd;
}

/* Opens the file of that moment's day in place of the present one, which stays
 * when that fails.  With the lock held for writing, or before anyone else. */
static int open_day(struct target *t, molt_time now)
{
	time_t at = (time_t)(now / 1000);
	struct tm day;
	char *path;
	int fd;

	localtime_r(&at, &day);
	path = mo_log_name_path(t->dir, t->pattern, &day);
	fd = open_path(path);
	if (fd < 0) {
		free(path);
		return fd;
	}
	if (t->fd >= 0)
		close(t->fd);
	free(t->path);
	t->fd = fd;
	t->path = path;
	day.tm_hour = day.tm_min = day.tm_sec = 0;
	day.tm_isdst = -1;
	t->from = (molt_time)mktime(&day) * 1000;
	day.tm_mday++;
	day.tm_isdst = -1;
	t->until = (molt_time)mktime(&day) * 1000;
	return 0;
}

static bool out_of_day(struct target *t, molt_time now)
{
	return now >= t->until || now < t->from;
}

/* At midnight, or when the clock was set. */
static void switch_day(struct target *t, molt_time now)
{
	int err = 0;

	pthread_rwlock_wrlock(&t->lock);
	if (out_of_day(t, now)) {
		err = open_day(t, now);
		if (err) {
			t->from = now;
			t->until = now + RETRY_SWITCH;
		}
	}
	pthread_rwlock_unlock(&t->lock);
	if (err)
		mo_error("the log of the new day cannot be opened in %s: %s", t->dir,
			 molt_strerror(err));
}

static int target_open(struct target *t, bool on, const mo_settings *set, const char *pattern)
{
	t->fd = -1;
	pthread_rwlock_init(&t->lock, NULL);
	t->to_stdout = set->log_stdout;
	t->dir = set->log_path;
	t->pattern = pattern;
	t->on = on && (t->to_stdout || t->dir);
	return t->on && t->dir ? open_day(t, mo_wall()) : 0;
}

static void target_close(struct target *t)
{
	if (t->fd >= 0)
		close(t->fd);
	free(t->path);
	pthread_rwlock_destroy(&t->lock);
	for (size_t i = 0; i < MO_LOOPS_MAX; i++) {
		if (!t->batches[i])
			continue;
		mo_buf_free(&t->batches[i]->lines);
		free(t->batches[i]);
	}
}

static int target_reopen(struct target *t)
{
	int err;

	if (!t->on || !t->dir)
		return 0;
	pthread_rwlock_wrlock(&t->lock);
	err = open_day(t, mo_wall());
	pthread_rwlock_unlock(&t->lock);
	return err;
}

int mo_access_log_open(molt_server *s, char **why)
{
	struct mo_access_log *l;
	const mo_settings *set = &s->set;
	struct target *bad;
	int err;

	MO_CHECK(!s->access_log);
	if (!set->access_log && !set->error_log)
		return 0;
	l = s->access_log = mo_calloc(1, sizeof(*l));
	bad = &l->access;
	err = target_open(&l->access, set->access_log, set, set->access_log_file);
	if (!err)
		bad = &l->error;
	else
		target_open(&l->error, false, set, NULL);
	if (!err)
		err = target_open(&l->error, set->error_log, set, set->error_log_file);
	if (!err)
		return 0;
	*why = mo_fmt("the log file %s/%s cannot be opened: %s%s", set->log_path, bad->pattern,
		      molt_strerror(err), err == -ENOENT ? "; make the directory first" : "");
	mo_access_log_close(s);
	return err;
}

void mo_access_log_close(molt_server *s)
{
	struct mo_access_log *l = s->access_log;

	if (!l)
		return;
	target_close(&l->access);
	target_close(&l->error);
	free(l);
	s->access_log = NULL;
}

int mo_access_log_reopen(void)
{
	int first = 0;

	for (molt_server *s = mo_servers(); s; s = s->next) {
		int a = s->access_log ? target_reopen(&s->access_log->access) : 0;
		int b = s->access_log ? target_reopen(&s->access_log->error) : 0;

		if (!first)
			first = a ? a : b;
	}
	return first;
}

/* ---- lines -------------------------------------------------------------- */

/* Writes a whole line, or loses it.  After one that broke off in the middle
 * (a disk that just became full) the next begins on a line of its own. */
static void write_line(int fd, const mo_buf *line, _Atomic bool *torn)
{
	ssize_t n;

	if (atomic_exchange(torn, false) && write(fd, "\n", 1) != 1)
		atomic_store(torn, true);
	do
		n = write(fd, line->data, line->len);
	while (n < 0 && errno == EINTR);
	if (n > 0 && (size_t)n < line->len)
		atomic_store(torn, true);
}

static void put(struct target *t, const mo_buf *line, bool also_stdout)
{
	_Atomic bool stdout_torn = false;

	if (also_stdout && t->to_stdout)
		write_line(STDOUT_FILENO, line, &stdout_torn);
	if (!t->dir)
		return;
	if (out_of_day(t, mo_wall()))
		switch_day(t, mo_wall());
	pthread_rwlock_rdlock(&t->lock);
	if (t->fd >= 0)
		write_line(t->fd, line, &t->torn);
	pthread_rwlock_unlock(&t->lock);
}

static void write_batch(struct batch *b)
{
	if (b->lines.len > 0)
		put(b->to, &b->lines, false);
	b->lines.len = b->seen = 0;
}

/* A busy loop has turns of a few lines each, and a write costs as much as ten lines. */
static void end_of_turn(mo_turn_task *task)
{
	struct batch *b = MO_CONTAINER_OF(task, struct batch, task);
	bool more = b->lines.len > b->seen && b->lines.len < HOLD_MOST &&
		    mo_loop_now(b->loop) - b->began < HOLD_TIME;

	b->seen = b->lines.len;
	if (more)
		mo_loop_end_turn(b->loop, task);
	else
		write_batch(b);
}

/* Where the present loop gathers lines; NULL: they are written one by one. */
static struct batch *batch_of(struct target *t)
{
	mo_loop *l = mo_loop_self();
	struct batch *b;

	if (t->to_stdout || !l || l->index < 0)
		return NULL;
	b = t->batches[l->index];
	if (!b) {
		b = t->batches[l->index] = mo_calloc(1, sizeof(*b));
		b->to = t;
		mo_turn_task_init(&b->task, end_of_turn);
	}
	if (b->lines.len == 0) {
		b->loop = l;
		b->began = mo_loop_now(l);
	}
	if (b->lines.len == b->seen)
		mo_line_frame_make(&b->frame);
	mo_loop_end_turn(l, &b->task);
	return b;
}

static void log_alone(struct target *t, const molt_req *r, bool error, bool also_stdout)
{
	mo_line_frame frame;
	mo_buf line = { 0 };

	mo_line_frame_make(&frame);
	mo_access_line(&line, &frame, r, error);
	put(t, &line, also_stdout);
	mo_buf_free(&line);
}

static void log_request(struct target *t, const molt_req *r)
{
	struct batch *b = batch_of(t);

	if (!b) {
		log_alone(t, r, false, true);
		return;
	}
	mo_access_line(&b->lines, &b->frame, r, false);
	if (b->lines.len > BATCH_MOST)
		write_batch(b);
}

static bool both_on_stdout(const struct mo_access_log *l)
{
	return l->access.on && l->access.to_stdout;
}

void mo_access_log_write(molt_req *r)
{
	const molt_server *s = r->server->owner;
	struct mo_access_log *l = s->access_log;

	if (!l)
		return;
	if (l->access.on)
		log_request(&l->access, r);
	if (l->error.on && r->status >= 500)
		log_alone(&l->error, r, true, !both_on_stdout(l));
}

void mo_access_log_refused(mo_http_server *server, const mo_addr *peer, int status, molt_str text)
{
	const molt_server *s = server->owner;
	struct mo_access_log *l = s->access_log;
	mo_buf line = { 0 };

	if (!l)
		return;
	if (l->access.on) {
		mo_access_line_refused(&line, peer, status, text, false);
		put(&l->access, &line, true);
	}
	if (l->error.on) {
		line.len = 0;
		mo_access_line_refused(&line, peer, status, text, true);
		put(&l->error, &line, !both_on_stdout(l));
	}
	mo_buf_free(&line);
}
