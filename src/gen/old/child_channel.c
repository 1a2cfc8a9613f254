/* What the successor and its predecessor say to each other, the predecessor's side; see
 * child.h. */
#include <errno.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"
#include "gen/control.h"
#include "gen/new/withdraw.h"
#include "gen/old/child.h"
#include "gen/receipt/receipt_wire.h"
#include "gen/self.h"
#include "gen/transfer/counter_ledger.h"
#include "gen/transfer/event_bus.h"
#include "gen/wire/messages.h"
#include "rt/park.h"

#define SEND_TIMEOUT (10 * MOLT_SECOND)
/* What it may say before it serves: far more than a program that starts has to tell. */
#define MOST_MESSAGES 100000u
#define MOST_BYTES ((uint64_t)64 << 20)
#define MOMENT (50 * MOLT_MS)
#define PAUSE (1 * MOLT_MS) /* after a turn that it has used up */

static char *end_before_service(const mo_child *c)
{
	const char *when = c->when ? c->when : "before it was ready";

	return mo_child_end(c, c->committed ? "before it served" : when);
}

static int on_health(void *arg, mo_wire_msg *m)
{
	mo_child *c = arg;

	c->answered = (mo_rate){ (uint64_t)mo_json_count(m->body, "answers"),
				 (uint64_t)mo_json_count(m->body, "errors") };
	c->stuck = mo_json_count(m->body, "stuck");
	return 0;
}

static int on_log(void *arg, mo_wire_msg *m)
{
	mo_child *c = arg;
	const char *line = mo_json_str(m->body, "line");

	if (c->tail)
		mo_stderr_tail_add(c->tail, line, strlen(line));
	return 0;
}

static int on_failed(void *arg, mo_wire_msg *m)
{
	mo_child *c = arg;

	if (c->said)
		return 0;
	c->said = mo_strdup(mo_json_str(m->body, "why"));
	c->broken = json_is_true(json_object_get(m->body, "protocol"));
	return 0;
}

/* Messages that say one thing, which is kept. */
#define KEEPS(handler, member)                                                                     \
	static int handler(void *arg, mo_wire_msg *m)                                              \
	{                                                                                          \
		(void)m;                                                                           \
		((mo_child *)arg)->member = true;                                                  \
		return 0;                                                                          \
	}
KEEPS(on_stopping, stops)
KEEPS(on_replaced, replaced)
KEEPS(on_busy, busy)
KEEPS(on_withdrawing, withdrawing)
KEEPS(on_withdrawn, withdrawn)

static int on_event(void *arg, mo_wire_msg *m)
{
	(void)arg;
	mo_event_bus_from_below(m);
	return 0;
}

/* Who asked has been told that it failed when this was read late: we were stopped. */
static int on_rollback(void *arg, mo_wire_msg *m)
{
	mo_child *c = arg;

	if (!c->asks_back && mo_now() - mo_json_count(m->body, "at") <= MO_BACK_TIMEOUT)
		c->asks_back = mo_strdup(mo_json_str(m->body, "by"));
	return 0;
}

/* Named by the descriptor alone: the number is for the log. */
static int on_begun(void *arg, mo_wire_msg *m)
{
	mo_child *c = arg;

	if (c->next.pidfd >= 0)
		close(c->next.pidfd);
	c->next.pid = (pid_t)mo_json_int(m->body, "pid");
	c->next.pidfd = m->fds[0];
	m->fds[0] = -1;
	return 0;
}

/* What may come besides the message that is waited for. */
static const mo_hears hears[] = {
	{ MO_MSG_HEALTH, on_health },
	{ MO_MSG_LOG, on_log },
	{ MO_MSG_FAILED, on_failed },
	{ MO_MSG_STOPPING, on_stopping },
	{ MO_MSG_BEGUN, on_begun },
	{ MO_MSG_REPLACED, on_replaced },
	{ MO_MSG_EVENT, on_event },
	{ MO_MSG_COUNTS, mo_ledger_hear_counts },
	{ MO_MSG_RECEIPT, mo_receipts_hear },
	{ MO_MSG_ROLLBACK, on_rollback },
	{ MO_MSG_BUSY, on_busy },
	{ MO_MSG_WITHDRAWING, on_withdrawing },
	{ MO_MSG_WITHDRAWN, on_withdrawn },
};
static const mo_role role = MO_ROLE(hears, NULL);

static void on_message(mo_child *c, mo_wire_msg *m)
{
	c->heard = mo_now();
	mo_child_spoke(c, m->pid);
	mo_message_hand(&role, c, m);
}

bool mo_child_listen(mo_child *c)
{
	mo_wire_msg m;
	int rc = 0;

	mo_wire_turn_begin(&c->turn);
	while (c->channel >= 0 && (rc = mo_wire_next(c->channel, &c->turn, &m)) == 1) {
		on_message(c, &m);
		mo_wire_free(&m);
	}
	return rc == -EAGAIN || rc == -EBUSY;
}

void mo_child_last_words(mo_child *c)
{
	for (int i = 0; i < MO_WIRE_LAST_TURNS && mo_child_listen(c); i++)
		if (c->turn.messages == 0)
			return;
}

static int ended_before_service(mo_child *c)
{
	return mo_child_fail(c, c->broken ? -EPROTO : -ECHILD, end_before_service(c));
}

int mo_child_closed(mo_child *c)
{
	molt_time deadline = mo_deadline(MOLT_SECOND);

	while (!mo_child_reap(c) && mo_left(deadline) > 0)
		mo_control_nap(2);
	if (!mo_child_reap(c))
		return mo_child_fail(
			c, -EPROTO,
			mo_fmt("it closed the handover socket without being ready; is %s a "
			       "program built with libmolt that calls molt_wait()?",
			       c->path));
	return ended_before_service(c);
}

/* A moment (at most 50 ms) in which something may come; a grandchild may hold the socket
 * open, so the end of the process is looked for by hand, too: 1. */
static int wait_a_moment(mo_child *c, int fd, molt_time most, molt_time deadline, bool stubborn)
{
	molt_time left = mo_left(deadline);
	int rc;

	if (mo_self_shutdown_asked() && !stubborn)
		return mo_child_fail(c, -ECANCELED,
				     mo_strdup("a shutdown was asked for meanwhile"));
	if (left == 0)
		return -ETIMEDOUT;
	mo_child_kill_stopped(c);
	if (mo_child_reap(c))
		return 1;
	left = left > most || left < 0 ? most : left;
	rc = fd < 0 ? mo_co_sleep(left) : mo_co_wait_fd(fd, UV_READABLE, left);
	MO_CHECK(rc >= 0 || rc == -ETIMEDOUT);
	return 0;
}

int mo_child_moment(mo_child *c, int fd, molt_time deadline)
{
	int rc;

	mo_child_listen(c);
	rc = wait_a_moment(c, fd, MOMENT, deadline, false);
	return rc > 0 ? ended_before_service(c) : rc;
}

static bool says_too_much(const mo_child *c)
{
	return !c->committed &&
	       (c->turn.all_messages > MOST_MESSAGES || c->turn.all_bytes > MOST_BYTES);
}

/* stubborn: also through a shutdown.  What it said before its end is looked for once
 * more after the end: a connection that it has taken must not be served here.  However
 * much it says, after each turn the deadline and the shutdown are looked at. */
static int await(mo_child *c, enum mo_msg what, molt_time deadline, bool stubborn, mo_wire_msg *m)
{
	int ended = 0; /* turns since then */

	mo_wire_turn_begin(&c->turn);
	for (;;) {
		int rc = mo_wire_next(c->channel, &c->turn, m);

		if (rc == 1 && mo_message_answers(m, what)) {
			mo_child_spoke(c, m->pid);
			return 0;
		}
		if (rc == 1) {
			on_message(c, m);
			mo_wire_free(m);
			continue;
		}
		if (rc == 0)
			return mo_child_closed(c);
		if (rc != -EAGAIN && rc != -EBUSY)
			return mo_child_fail(c, -EPROTO,
					     mo_strdup("it sent what is no message of Molt"));
		if (says_too_much(c))
			return mo_child_fail(
				c, -EPROTO,
				mo_fmt("it sent more than %u messages or %u MiB before "
				       "it served",
				       MOST_MESSAGES, (unsigned)(MOST_BYTES >> 20)));
		if (ended && (rc == -EAGAIN || ++ended > MO_WIRE_LAST_TURNS))
			return ended_before_service(c);
		/* One that was killed for its silence: all that it has said counts. */
		if (!ended && rc == -EBUSY && mo_left(deadline) == 0)
			ended = mo_child_reap(c);
		if (!ended) {
			rc = wait_a_moment(c, rc == -EBUSY ? -1 : c->channel,
					   rc == -EBUSY ? PAUSE : MOMENT, deadline, stubborn);
			if (rc < 0)
				return rc;
			ended = rc;
		}
		mo_wire_turn_begin(&c->turn);
	}
}

int mo_child_await(mo_child *c, enum mo_msg what, molt_time deadline, mo_wire_msg *m)
{
	return await(c, what, deadline, false, m);
}

int mo_child_send(mo_child *c, json_t *body, const int *fds, int n)
{
	molt_time deadline = mo_deadline(SEND_TIMEOUT);
	int rc;

	for (;;) {
		rc = mo_wire_send(c->channel, json_incref(body), fds, n);
		/* ETOOMANYREFS: so many descriptors are under way that it must read some. */
		if ((rc != -EAGAIN && rc != -ETOOMANYREFS) || mo_left(deadline) == 0)
			break;
		mo_control_nap(2);
	}
	json_decref(body);
	if (rc == 0)
		return 0;
	if (rc == -EPIPE || rc == -ECONNRESET)
		return mo_child_closed(c);
	return mo_child_fail(c, rc, mo_fmt("the handover to it failed: %s", strerror(-rc)));
}

int mo_child_ask(mo_child *c, json_t *body, const int *fds, int n, const molt_str *pieces,
		 size_t npieces, enum mo_msg what, molt_time silence, mo_wire_msg *m)
{
	molt_time deadline = mo_deadline(silence);
	int rc;

	for (;;) {
		rc = mo_wire_send_blob(c->channel, json_incref(body), fds, n, pieces, npieces);
		if (rc != -EAGAIN || mo_left(deadline) == 0)
			break;
		mo_control_nap(1);
	}
	json_decref(body);
	if (rc == 0)
		rc = await(c, what, deadline, true, m);
	if (rc != -ETIMEDOUT && rc != -EAGAIN)
		return rc;
	/* Whether it has taken what was sent can only be known when it is gone: it may
	 * have answered in the last moment. */
	mo_child_kill_for(
		c, mo_fmt("it was killed, for it did not answer for %lld ms", (long long)silence));
	rc = -ECHILD;
	if (await(c, what, mo_deadline(0), true, m) == 0)
		return 0;
	/* One that took over by path and cannot be reached may still wake up. */
	return mo_child_reap(c) ? rc : -ECANCELED;
}
