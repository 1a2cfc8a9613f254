/* Older generations that still live; see older_generations.h. */
#include "gen/drain/older_generations.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "gen/control.h"
#include "gen/drain/claim.h"
#include "gen/os/pidfd.h"
#include "gen/receipt/receipt_wire.h"
#include "gen/self.h"
#include "gen/transfer/counter_ledger.h"
#include "gen/transfer/reopen.h"
#include "gen/wire/messages.h"
#include "rt/park.h"

#define LOOK_AGAIN (50 * MOLT_MS)
#define LEAVING (100 * MOLT_MS)
#define MOST_ERRNO 4095
/* After its grace an older generation closes idle connections and cuts (drain.h). */
#define PATIENCE (MO_OLDER_GRACE + 3 * MOLT_SECOND)

typedef struct older {
	unsigned generation;
	char name[32]; /* in the totals */
	pid_t pid;
	int line;
	long asked, reopened; /* numbers of "reopen": the last sent, the last answered ... */
	int failed;           /* ... with this -errno */
} older;

static struct {
	pthread_mutex_t lock;    /* of the fields up to the blank line */
	pthread_cond_t changed;  /* one has answered or ended */
	older all[MO_OLDER_MAX]; /* oldest first */
	size_t n;
	long reopens;  /* how often all shall have reopened */
	bool resigned; /* another one serves, or is about to */

	bool watching; /* the watch coroutine should run */
	bool running;  /* the coroutine of run_watch() is there */
	mo_co *co;     /* it, once it runs */
	int own;       /* our end of the line to who follows us; -1 */
	molt_time end_by;
} e = { .lock = PTHREAD_MUTEX_INITIALIZER,
	.changed = PTHREAD_COND_INITIALIZER,
	.own = -1,
	.end_by = INT64_MAX };

/* ---- the list -------------------------------------------------------------------- */

/* The kernel's word for who made the line, in our view of pids. */
static pid_t maker_of(int line)
{
	struct ucred cred;
	socklen_t n = sizeof(cred);

	return getsockopt(line, SOL_SOCKET, SO_PEERCRED, &cred, &n) == 0 ? cred.pid : 0;
}

/* One that does not read is not waited for: the message is lost then, and no answer
 * comes. */
static void ask_to_reopen(older *x)
{
	x->asked = e.reopens;
	mo_wire_send(x->line,
		     mo_message_new(MO_MSG_REOPEN, "{s:I, s:I}", "by",
				    (json_int_t)mo_self_generation(), "n", (json_int_t)x->asked),
		     NULL, 0);
}

static void add(unsigned generation, const char *name, int line)
{
	older x = { .generation = generation, .pid = maker_of(line), .line = line };

	memcpy(x.name, name, strnlen(name, sizeof(x.name) - 1));
	pthread_mutex_lock(&e.lock);
	e.all[e.n++] = x;
	if (e.reopens > 0) /* its number was asked for when it was none of them yet */
		ask_to_reopen(&e.all[e.n - 1]);
	pthread_mutex_unlock(&e.lock);
}

static void remove_at(size_t i)
{
	mo_ledger_end(e.all[i].name);
	close(e.all[i].line);
	pthread_mutex_lock(&e.lock);
	memmove(&e.all[i], &e.all[i + 1], (e.n - i - 1) * sizeof(e.all[0]));
	e.n--;
	pthread_cond_broadcast(&e.changed);
	pthread_mutex_unlock(&e.lock);
}

int mo_older_arrive(mo_wire_msg *m)
{
	json_t *list = json_object_get(m->body, "generations");
	json_t *names = json_object_get(m->body, "names");

	if (e.n + (size_t)m->nfds > MO_OLDER_MAX)
		return -EPROTO;
	for (int i = 0; i < m->nfds; i++) {
		const char *name = json_string_value(json_array_get(names, (size_t)i));

		add((unsigned)json_integer_value(json_array_get(list, (size_t)i)), name ? name : "",
		    m->fds[i]);
		m->fds[i] = -1;
	}
	return 0;
}

json_t *mo_older_list(void)
{
	json_t *list = json_array();

	pthread_mutex_lock(&e.lock);
	for (size_t i = 0; i < e.n; i++)
		json_array_append_new(list, json_pack("{s:i, s:i}", "generation",
						      (int)e.all[i].generation, "pid",
						      (int)e.all[i].pid));
	pthread_mutex_unlock(&e.lock);
	return list;
}

/* ---- reading the lines -------------------------------------------------------------- */

static int on_reopened(void *arg, mo_wire_msg *m)
{
	older *x = arg;
	const json_t *said = m->body;
	long long failed = mo_json_count(said, "errno");

	if (mo_json_int(said, "by") != (long long)mo_self_generation())
		return 0; /* our predecessor asked for it */
	pthread_mutex_lock(&e.lock);
	x->reopened = (long)mo_json_count(said, "n");
	x->failed = failed > MOST_ERRNO ? -EIO : -(int)failed;
	pthread_cond_broadcast(&e.changed);
	pthread_mutex_unlock(&e.lock);
	return 0;
}

static const mo_hears of_an_elder[] = {
	{ MO_MSG_RECEIPT, mo_receipts_hear },
	{ MO_MSG_COUNTS, mo_ledger_hear_counts },
	{ MO_MSG_REOPENED, on_reopened },
};
static const mo_role serving = MO_ROLE(of_an_elder, NULL);

/* All that has come there; false: the other side has ended. */
static bool hear_all(int fd, const mo_role *role, void *arg)
{
	mo_wire_turn turn = { 0 };
	mo_wire_msg m;
	int rc;

	while ((rc = mo_wire_next(fd, &turn, &m)) == 1) {
		mo_message_hand(role, arg, &m);
		mo_wire_free(&m);
	}
	return rc == -EAGAIN || rc == -EBUSY;
}

static void read_all(void)
{
	for (size_t i = e.n; i > 0; i--)
		if (!hear_all(e.all[i - 1].line, &serving, &e.all[i - 1]))
			remove_at(i - 1);
}

static void run_watch(void *unused)
{
	(void)unused;
	e.co = mo_co_self();
	while (e.watching && e.n > 0) {
		read_all();
		if (mo_co_sleep(LOOK_AGAIN) < 0)
			break;
	}
	e.running = false;
	e.co = NULL;
}

static void resign(bool yes)
{
	pthread_mutex_lock(&e.lock);
	e.resigned = yes;
	pthread_cond_broadcast(&e.changed);
	pthread_mutex_unlock(&e.lock);
}

void mo_older_watch(bool on)
{
	e.watching = on;
	resign(!on);
	if (on && !e.running && e.n > 0)
		e.running = mo_loop_spawn(mo_control_loop(), run_watch, NULL);
}

void mo_older_close(void)
{
	e.watching = false;
	resign(false); /* whatever this process has been, if it starts once more */
	if (e.co)
		mo_co_cancel(e.co, -ECANCELED);
}

/* ---- the cap ---------------------------------------------------------------------------- */

static bool gone(unsigned generation)
{
	read_all();
	return e.n == 0 || e.all[0].generation != generation;
}

/* Waits until the oldest has ended. */
static bool wait_gone(unsigned generation, molt_time limit)
{
	molt_time deadline = mo_deadline(limit);

	while (!gone(generation)) {
		if (mo_left(deadline) == 0 || mo_self_shutdown_asked())
			return false;
		mo_control_nap(5);
	}
	return true;
}

/* It is named by its line; while that is open, the number is its own, so the line is
 * looked at again when the descriptor has been opened by it. */
static bool kill_oldest(void)
{
	older x = e.all[0];
	int fd = mo_wire_peer_pidfd(x.line), rc;

	if (gone(x.generation)) {
		if (fd >= 0)
			close(fd);
		return true;
	}
	mo_warn("generation %u (pid %d) does not end; it is killed", x.generation, (int)x.pid);
	rc = mo_pidfd_signal(fd, x.pid, SIGKILL);
	if (fd >= 0)
		close(fd);
	return rc == 0 && wait_gone(x.generation, MOLT_SECOND);
}

static int end_oldest(json_t *told, char **why)
{
	older x = e.all[0];
	bool ended, killed = false;

	mo_warn("generation %u (pid %d) is ended: too many generations would be alive "
		"(maxGenerations)",
		x.generation, (int)x.pid);
	mo_wire_send(x.line, mo_message_new(MO_MSG_END, NULL), NULL, 0);
	ended = wait_gone(x.generation, PATIENCE);
	if (!ended && !mo_self_shutdown_asked())
		ended = killed = kill_oldest();
	json_array_append_new(told, json_pack("{s:i, s:i, s:b}", "generation", (int)x.generation,
					      "pid", (int)x.pid, "killed", (int)killed));
	if (ended)
		return 0;
	if (mo_self_shutdown_asked()) {
		*why = mo_strdup("a shutdown was asked for meanwhile");
		return -ECANCELED;
	}
	*why = mo_fmt("generation %u (pid %d) does not end, and with one more process there would "
		      "be too many (maxGenerations)",
		      x.generation, (int)x.pid);
	return -EBUSY;
}

/* With us and one more. */
static bool too_many(int64_t most)
{
	return (int64_t)e.n + 2 > most;
}

/* One that has nothing left to do is about to end by itself. */
static void wait_for_leavers(int64_t most)
{
	molt_time deadline = mo_deadline(LEAVING);

	read_all();
	while (too_many(most) && mo_left(deadline) > 0) {
		mo_control_nap(5);
		read_all();
	}
}

int mo_older_make_room(int64_t most, json_t *receipt, char **why)
{
	json_t *told;
	int rc = 0;

	wait_for_leavers(most);
	if (!too_many(most))
		return 0;
	told = json_array();
	while (rc == 0 && too_many(most) && e.n > 0)
		rc = end_oldest(told, why);
	json_object_set_new(receipt, "ended", told);
	return rc;
}

/* ---- the service ----------------------------------------------------------------------- */

bool mo_older_claim(void)
{
	for (size_t i = e.n; i > 0; i--)
		if (!mo_claim_ask(e.all[i - 1].line, e.all[i - 1].generation, e.all[i - 1].pid)) {
			mo_warn("generation %u (pid %d) serves again", e.all[i - 1].generation,
				(int)e.all[i - 1].pid);
			return false;
		}
	return true;
}

/* ---- log files ------------------------------------------------------------------------------ */

long mo_older_reopen(void)
{
	long n = -EBUSY;

	pthread_mutex_lock(&e.lock);
	if (!e.resigned) {
		n = ++e.reopens;
		for (size_t i = 0; i < e.n; i++)
			ask_to_reopen(&e.all[i]);
	}
	pthread_mutex_unlock(&e.lock);
	return n;
}

long mo_older_reopens(void)
{
	long n;

	pthread_mutex_lock(&e.lock);
	n = e.reopens;
	pthread_mutex_unlock(&e.lock);
	return n;
}

/* With the lock held.  One that was asked again meanwhile answers both at once. */
static bool owes_answer(const older *x, long n)
{
	return x->asked >= n && x->reopened < n;
}

static bool all_answered(long n)
{
	for (size_t i = 0; i < e.n; i++)
		if (owes_answer(&e.all[i], n))
			return false;
	return true;
}

static void tell_failure(mo_buf *out, const older *x, long n, molt_time limit)
{
	if (!owes_answer(x, n) && !x->failed)
		return;
	if (out->len > 0)
		mo_buf_fmt(out, "; ");
	mo_buf_fmt(out, "generation %u (pid %d) ", x->generation, (int)x->pid);
	if (owes_answer(x, n))
		mo_buf_fmt(out,
			   "has not answered within %lld ms and may still write to the former "
			   "files (an older Molt cannot do otherwise until it ends)",
			   (long long)limit);
	else
		mo_buf_fmt(out, "cannot open a log file: %s; it keeps the one before",
			   strerror(-x->failed));
}

/* The condition's clock is the wall's, which may be set. */
static void wait_a_moment(void)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_nsec += LOOK_AGAIN * 1000000;
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	pthread_cond_timedwait(&e.changed, &e.lock, &until);
}

int mo_older_reopened(long n, molt_time limit, char **why)
{
	mo_buf text = { 0 };
	molt_time deadline = mo_deadline(limit);
	int rc = 0;

	pthread_mutex_lock(&e.lock);
	while (!e.resigned && !all_answered(n) && mo_left(deadline) > 0)
		wait_a_moment();
	for (size_t i = 0; i < e.n; i++) {
		if (e.all[i].asked < n)
			continue;
		rc++;
		tell_failure(&text, &e.all[i], n, limit);
	}
	if (e.resigned)
		rc = -EBUSY;
	pthread_mutex_unlock(&e.lock);
	*why = text.len > 0 ? mo_strdup(mo_buf_cstr(&text)) : NULL;
	mo_buf_free(&text);
	return rc;
}

/* ---- the older generation's side --------------------------------------------------------------------- */

void mo_older_withdraw(void)
{
	mo_older_listen(); /* we may serve on, with the files of before otherwise */
	if (e.own >= 0)
		close(e.own);
	e.own = -1;
	e.end_by = INT64_MAX;
}

int mo_older_offer(int (*send)(void *arg, json_t *body, const int *fds, int n), void *arg)
{
	json_t *list = json_array(), *names = json_array();
	int fds[MO_OLDER_MAX + 1], n = 0, theirs, rc;
	char own[32];

	mo_older_withdraw();
	rc = mo_wire_pair(&e.own, &theirs);
	if (rc < 0) {
		json_decref(list);
		json_decref(names);
		return rc;
	}
	for (size_t i = e.n >= MO_OLDER_MAX ? 1 : 0; i < e.n; i++) {
		fds[n++] = e.all[i].line;
		json_array_append_new(list, json_integer(e.all[i].generation));
		json_array_append_new(names, json_string(e.all[i].name));
	}
	fds[n++] = theirs;
	json_array_append_new(list, json_integer(mo_self_generation()));
	mo_ledger_name(own, mo_self_generation(), (int)getpid());
	json_array_append_new(names, json_string(own));
	rc = send(arg,
		  mo_message_new(MO_MSG_ELDERS, "{s:o, s:o}", "generations", list, "names", names),
		  fds, n);
	close(theirs);
	return rc;
}

int mo_older_offer_back(int (*send)(void *arg, json_t *body, const int *fds, int n), void *arg)
{
	int theirs, rc;
	char own[32];

	mo_older_withdraw();
	rc = mo_wire_pair(&e.own, &theirs);
	if (rc < 0)
		return rc;
	mo_ledger_name(own, mo_self_generation(), (int)getpid());
	rc = send(arg,
		  mo_message_new(MO_MSG_ELDERS, "{s:[i], s:[s]}", "generations",
				 (int)mo_self_generation(), "names", own),
		  &theirs, 1);
	close(theirs);
	return rc;
}

static int on_end(void *unused, mo_wire_msg *m)
{
	(void)unused;
	(void)m;
	if (e.end_by != INT64_MAX)
		return 0;
	mo_info("this generation is to end: too many are alive (maxGenerations)");
	e.end_by = mo_deadline(MO_OLDER_GRACE);
	return 0;
}

static int on_reopen(void *unused, mo_wire_msg *m)
{
	(void)unused;
	mo_reopen_begin(mo_json_count(m->body, "by"), mo_json_count(m->body, "n"), mo_older_say);
	return 0;
}

static const mo_hears of_who_serves[] = {
	{ MO_MSG_END, on_end },
	{ MO_MSG_REOPEN, on_reopen },
	{ MO_MSG_CLAIM, mo_claim_hear },
};
static const mo_role as_elder = MO_ROLE(of_who_serves, NULL);

void mo_older_listen(void)
{
	if (e.own >= 0)
		(void)hear_all(e.own, &as_elder, NULL);
}

molt_time mo_older_end_by(void)
{
	return e.end_by;
}

void mo_older_say(json_t *body)
{
	if (e.own >= 0)
		mo_wire_send(e.own, body, NULL, 0);
	else
		json_decref(body);
}
