/* The access log and the error log of each server: one line per request, and
 * per connection that was refused before there was one.  Owned by the server
 * (s->access_log); called by the http app's done() and refused() on any loop.
 *
 *   2018-05-18 11:02:04.812 11511: gen 1 200 "GET http a.org:80 / HTTP/1.1" 0.003,
 *     127.0.0.1, 7, "referer", "user agent", 00000000000000a1          (one line)
 *
 * The access log's lines are handed over together at the end of the loop's turn: a call
 * for each line would cost a quarter of a small request.  As long as each turn brings
 * more of them they wait for the next, at most 5 ms or 48 KiB.  Then they are the
 * outlet's, whose thread writes them (base/outlet.h): no loop waits for a reader or a
 * disk.
 *
 * Refused requests are told in the error log REFUSALS_MOST times a second, and then how
 * many more there were: whoever can send rubbish shall not fill the disk with it.
 *
 * Always: lines of threads and generations never mix.  A line that cannot be written is
 * lost and counted, nothing else.  A loop that sleeps has handed over all its lines. */
#include <stdatomic.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/outlet.h"
#include "base/str.h"
#include "web/core/server.h"
#include "web/log/access_line.h"
#include "web/log/access_log.h"
#include "web/log/log_file.h"

#define BATCH_MOST (64u * 1024) /* handed over within a turn */
#define HOLD_MOST (48u * 1024)  /* ... and at its end, however busy the loop is */
#define HOLD_TIME 5
#define REFUSALS_MOST 20

/* One of the two logs.  Never changes once open. */
struct target {
	bool on, to_stdout;
	mo_log_file *file;                   /* NULL: none */
	struct batch *batches[MO_LOOPS_MAX]; /* each touched by its own loop only */
	mo_log_limit refusals;
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

static void put(struct target *t, const mo_buf *lines, bool also_stdout)
{
	if (also_stdout && t->to_stdout)
		mo_outlet_add(mo_outlet_stdout(), lines->data, lines->len);
	if (t->file)
		mo_outlet_add(mo_log_file_outlet(t->file), lines->data, lines->len);
}

static bool both_on_stdout(const struct mo_access_log *l)
{
	return l->access.on && l->access.to_stdout;
}

static void tell_left_out(struct target *t, uint64_t n, bool also_stdout)
{
	mo_buf line = { 0 };

	if (n == 0)
		return;
	mo_access_line_left_out(&line, n);
	put(t, &line, also_stdout);
	mo_buf_free(&line);
}

/* ---- files -------------------------------------------------------------- */

static int target_open(struct target *t, bool on, const mo_settings *set, const char *pattern)
{
	t->refusals.most = REFUSALS_MOST;
	t->to_stdout = set->log_stdout;
	t->on = on && (t->to_stdout || set->log_path);
	return t->on && set->log_path ? mo_log_file_open(&t->file, set->log_path, pattern) : 0;
}

static void target_close(struct target *t)
{
	mo_log_file_close(t->file);
	for (size_t i = 0; i < MO_LOOPS_MAX; i++) {
		if (!t->batches[i])
			continue;
		mo_buf_free(&t->batches[i]->lines);
		free(t->batches[i]);
	}
}

int mo_access_log_open(molt_server *s, char **why)
{
	struct mo_access_log *l;
	const mo_settings *set = &s->set;
	const char *bad = set->access_log_file;
	int err;

	MO_CHECK(!s->access_log);
	if (!set->access_log && !set->error_log)
		return 0;
	l = s->access_log = mo_calloc(1, sizeof(*l));
	err = target_open(&l->access, set->access_log, set, set->access_log_file);
	if (!err) {
		bad = set->error_log_file;
		err = target_open(&l->error, set->error_log, set, set->error_log_file);
	}
	if (!err)
		return 0;
	*why = mo_fmt("the log file %s/%s cannot be opened: %s%s", set->log_path, bad,
		      molt_strerror(err), mo_log_open_advice(err));
	mo_access_log_close(s);
	return err;
}

void mo_access_log_close(molt_server *s)
{
	struct mo_access_log *l = s->access_log;

	if (!l)
		return;
	tell_left_out(&l->error, atomic_load(&l->error.refusals.left_out), !both_on_stdout(l));
	target_close(&l->access);
	target_close(&l->error);
	free(l);
	s->access_log = NULL;
}

struct files {
	mo_log_file **all;
	size_t n;
};

static void add_file(struct files *to, const struct target *t)
{
	if (!t->file)
		return;
	to->all = mo_realloc(to->all, (to->n + 1) * sizeof(mo_log_file *));
	to->all[to->n++] = mo_log_file_ref(t->file);
}

/* The process may end meanwhile, and does not wait for a disk then. */
int mo_access_log_reopen(void)
{
	struct files files = { 0 };
	int first = 0;

	mo_servers_lock();
	MO_EACH_SERVER (s) {
		if (!s->access_log)
			continue;
		add_file(&files, &s->access_log->access);
		add_file(&files, &s->access_log->error);
	}
	mo_servers_unlock();
	for (size_t i = 0; i < files.n; i++) {
		int rc = mo_log_file_reopen(files.all[i]);

		if (!first)
			first = rc;
		mo_log_file_close(files.all[i]);
	}
	free(files.all);
	return first;
}

/* ---- lines -------------------------------------------------------------- */

static void hand_over(struct batch *b)
{
	if (b->lines.len > 0)
		put(b->to, &b->lines, true);
	b->lines.len = b->seen = 0;
}

/* A busy loop has turns of a few lines each, and handing over costs as much as some. */
static void end_of_turn(mo_turn_task *task)
{
	struct batch *b = MO_CONTAINER_OF(task, struct batch, task);
	bool more = b->lines.len > b->seen && b->lines.len < HOLD_MOST &&
		    mo_loop_now(b->loop) - b->began < HOLD_TIME;

	b->seen = b->lines.len;
	if (more)
		mo_loop_end_turn(b->loop, task);
	else
		hand_over(b);
}

/* Where the present loop gathers lines; NULL: they are handed over one by one. */
static struct batch *batch_of(struct target *t)
{
	mo_loop *l = mo_loop_self();
	struct batch *b;

	if (!l || l->index < 0)
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
		hand_over(b);
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

static void log_refused(struct target *t, const mo_addr *peer, int status, molt_str text,
			bool error, bool also_stdout)
{
	mo_buf line = { 0 };

	mo_access_line_refused(&line, peer, status, text, error);
	put(t, &line, also_stdout);
	mo_buf_free(&line);
}

void mo_access_log_refused(mo_http_server *server, const mo_addr *peer, int status, molt_str text)
{
	const molt_server *s = server->owner;
	struct mo_access_log *l = s->access_log;
	uint64_t left_out;

	if (!l)
		return;
	if (l->access.on)
		log_refused(&l->access, peer, status, text, false, true);
	if (l->error.on && mo_log_limit_pass(&l->error.refusals, &left_out)) {
		tell_left_out(&l->error, left_out, !both_on_stdout(l));
		log_refused(&l->error, peer, status, text, true, !both_on_stdout(l));
	}
}
