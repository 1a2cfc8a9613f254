/* Who serves when the one in the middle has died; see claim.h. */
#include "gen/drain/claim.h"

#include <errno.h>
#include <signal.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "gen/os/pidfd.h"
#include "gen/os/sigstop.h"
#include "gen/wire/question.h"
#include "rt/park.h"

#define ANSWER_TIME MOLT_SECOND
#define UNKNOWN 3
#define END_TIME MOLT_SECOND /* between the end of the line and that of its owner */

/* ---- the older one ---------------------------------------------------------------- */

static bool stands_by, given_away; /* of the control thread */

void mo_claim_stand_by(bool on)
{
	stands_by = on;
}

void mo_claim_forget(void)
{
	stands_by = given_away = false;
}

bool mo_claim_given_away(void)
{
	return given_away;
}

int mo_claim_hear(void *unused, mo_wire_msg *m)
{
	bool refused = stands_by && !given_away;
	int rc = mo_question_answer(m, refused ? mo_message_new(MO_MSG_REFUSED, "{s:s}", "why",
								"it serves again itself")
					       : mo_message_new(MO_MSG_GRANTED, NULL));

	(void)unused;
	if (!refused || rc == -EPIPE)
		given_away = true;
	return 0;
}

/* ---- the younger one --------------------------------------------------------------- */

static bool ends(int pidfd, pid_t pid)
{
	molt_time deadline = mo_deadline(END_TIME);

	while (!mo_pidfd_ended(pidfd, pid))
		if (mo_left(deadline) == 0 || mo_co_sleep(5) < 0)
			return false;
	return true;
}

/* Descriptors or memory can be short for a moment.  A question that is thrown away unread is
 * asked again: whoever has closed the line meanwhile serves, an older release does so each
 * time. */
static int ask(int line, mo_wire_msg *answer)
{
	molt_time deadline = mo_deadline(ANSWER_TIME);
	int rc, unknown = 0;

	for (;;) {
		rc = mo_question_ask(line, MO_MSG_CLAIM, ANSWER_TIME, answer);
		unknown += rc == -EPIPE;
		if (rc == 0 || rc == -ENOTCONN || rc == -ETIMEDOUT || rc == -ECANCELED ||
		    unknown == UNKNOWN || mo_left(deadline) == 0 || mo_co_sleep(10) < 0)
			return rc;
	}
}

static bool without_answer(int rc, int pidfd, unsigned generation, pid_t pid)
{
	if (rc == -ENOTCONN)
		return ends(pidfd, pid);
	if (!mo_sigstop_now(pid))
		return true;
	mo_error("generation %u (pid %d) is stopped, and nobody serves: it is killed", generation,
		 (int)pid);
	mo_pidfd_signal(pidfd, pid, SIGKILL);
	return ends(pidfd, pid);
}

bool mo_claim_ask(int line, unsigned generation, pid_t pid)
{
	int pidfd = mo_pidfd_open(pid), rc;
	mo_wire_msg answer;
	bool ours;

	rc = ask(line, &answer);
	if (rc == 0) {
		ours = mo_message_is(&answer, MO_MSG_GRANTED);
		mo_wire_free(&answer);
	} else {
		ours = without_answer(rc, pidfd, generation, pid);
	}
	if (pidfd >= 0)
		close(pidfd);
	return ours;
}
