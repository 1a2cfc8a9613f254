/* A generation's end of the supervisor's socket; see supervisor_client.h. */
#include "gen/join/supervisor_client.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "gen/control.h"
#include "gen/os/origin.h"
#include "gen/receipt/receipt.h"
#include "gen/self.h"
#include "gen/wire/messages.h"
#include "gen/wire/offer.h"
#include "gen/wire/question.h"
#include "rt/timer.h"

#define UPGRADE_TIME (20 * MOLT_SECOND)
#define CLAIM_TIME MOLT_SECOND
#define RETRY (50 * MOLT_MS)

static struct {
	int fd; /* open as long as the process lives */
	int supervisor;
	_Atomic bool broken; /* the last message was not taken */
	mo_timer retry;
} up = { .fd = -1 };

bool mo_supervisor_client_is(void)
{
	return up.fd >= 0;
}

int mo_supervisor_client_fd(void)
{
	return up.fd;
}

int mo_supervisor_client_supervisor(void)
{
	return up.supervisor;
}

static int tell(void *unused, json_t *body, const int *fds, int n)
{
	int rc = mo_wire_send(up.fd, body, fds, n);

	(void)unused;
	if (rc == 0)
		atomic_store(&up.broken, false);
	else if (!atomic_exchange(&up.broken, true))
		mo_warn("the supervisor (pid %d) does not hear us: %s; it cannot start this "
			"program again as it is now",
			up.supervisor, strerror(-rc));
	return rc;
}

static void tell_receipt(void *unused, const json_t *receipt)
{
	tell(unused, mo_message_new(MO_MSG_RECEIPT, "{s:O}", "receipt", receipt), NULL, 0);
}

void mo_supervisor_client_take(int fd, int supervisor_pid)
{
	MO_CHECK(up.fd < 0);
	up.supervisor = supervisor_pid;
	up.fd = fd;
	mo_receipts_listen(tell_receipt, NULL);
}

static mo_gen_listener all[MO_OFFER_MAX]; /* of the control thread */

void mo_supervisor_client_listeners(const mo_gen_host *h)
{
	if (mo_supervisor_client_is())
		mo_offer_send(all, mo_offer_collect(h, all, MO_OFFER_MAX), tell, NULL);
}

static int tell_serving(const mo_gen_host *h)
{
	mo_gen_info info;
	int rc = mo_offer_send(all, mo_offer_collect(h, all, MO_OFFER_MAX), tell, NULL);

	mo_self_info(&info);
	return rc < 0 ? rc
		      : tell(NULL,
			     mo_message_new(MO_MSG_SERVING, "{s:i, s:s?}", "generation",
					    (int)info.generation, "exe", mo_origin_get()->exe),
			     NULL, 0);
}

/* A supervisor that has not heard of us would take the end of our predecessor for
 * the end of the program. */
static void tell_again(mo_timer *t)
{
	mo_gen_info info;

	mo_self_info(&info);
	if (info.state > MO_GEN_RESTARTING)
		return;
	if (tell_serving(mo_self_host()) < 0)
		mo_timer_start(mo_control_loop(), t, RETRY);
}

void mo_supervisor_client_serving(const mo_gen_host *h)
{
	int rc;

	if (!mo_supervisor_client_is())
		return;
	rc = tell_serving(h);
	if (!up.retry.fn)
		mo_timer_init(&up.retry, tell_again);
	if (rc < 0 && rc != -EPIPE && rc != -ECONNRESET)
		mo_timer_start(mo_control_loop(), &up.retry, RETRY);
}

void mo_supervisor_client_close(void)
{
	if (up.retry.fn)
		mo_timer_stop(mo_control_loop(), &up.retry);
}

void mo_supervisor_client_starting(int predecessor_pid)
{
	if (mo_supervisor_client_is())
		tell(NULL, mo_message_new(MO_MSG_STARTING, "{s:i}", "predecessor", predecessor_pid),
		     NULL, 0);
}

void mo_supervisor_client_taken(void)
{
	if (mo_supervisor_client_is())
		tell(NULL, mo_message_new(MO_MSG_TAKEN, NULL), NULL, 0);
}

void mo_supervisor_client_opening(void)
{
	if (mo_supervisor_client_is())
		tell(NULL, mo_message_new(MO_MSG_OPENING, NULL), NULL, 0);
}

void mo_supervisor_client_refused(const char *why)
{
	if (mo_supervisor_client_is())
		tell(NULL, mo_message_new(MO_MSG_REFUSED, "{s:o}", "why", mo_json_text(why)), NULL,
		     0);
}

void mo_supervisor_client_stopping(void)
{
	if (mo_supervisor_client_is())
		tell(NULL, mo_message_new(MO_MSG_STOPPING, NULL), NULL, 0);
}

void mo_supervisor_client_ended(int pid, int status)
{
	if (mo_supervisor_client_is())
		tell(NULL, mo_message_new(MO_MSG_ENDED, "{s:i, s:i}", "pid", pid, "status", status),
		     NULL, 0);
}

/* ---- questions ------------------------------------------------------------------ */

typedef struct heard {
	json_t *told;
	char *why;
} heard;

static int on_told(void *arg, mo_wire_msg *m)
{
	((heard *)arg)->told = json_incref(m->body);
	return 0;
}

static int on_refused(void *arg, mo_wire_msg *m)
{
	int rc = (int)mo_json_int(m->body, "errno");

	((heard *)arg)->why = mo_strdup(mo_json_str(m->body, "why"));
	return rc < 0 ? rc : -EPROTO;
}

static const mo_hears of_the_supervisor[] = {
	{ MO_MSG_UPGRADED, on_told },
	{ MO_MSG_GRANTED, on_told },
	{ MO_MSG_REFUSED, on_refused },
};
static const mo_role asker = MO_ROLE(of_the_supervisor, NULL);

static int take_answer(mo_wire_msg *m, json_t **told, char **why)
{
	heard a = { 0 };
	int rc = mo_message_hand(&asker, &a, m);

	mo_wire_free(m);
	*told = a.told;
	*why = a.why;
	if (rc == 0 && !a.told) {
		*why = mo_strdup("what the supervisor answered is not understood");
		rc = -EPROTO;
	}
	return rc;
}

int mo_supervisor_client_upgrade(json_t **answer, char **why)
{
	mo_wire_msg m;
	int rc;

	if (!mo_supervisor_client_is()) {
		*why = mo_strdup("there is no supervisor; start the program with molt run");
		return -ENOTSUP;
	}
	rc = mo_question_ask(up.fd, MO_MSG_UPGRADE, UPGRADE_TIME, &m);
	if (rc == 0)
		return take_answer(&m, answer, why);
	*why = mo_fmt("the supervisor (pid %d) gave no answer: %s", up.supervisor, strerror(-rc));
	return rc;
}

/* One that says nothing is an older release, which does not know the question, or stopped:
 * then the generation that lives is better than nobody. */
bool mo_supervisor_client_claim(void)
{
	json_t *told = NULL;
	char *why = NULL;
	mo_wire_msg m;
	int rc;

	if (!mo_supervisor_client_is() || mo_question_ask(up.fd, MO_MSG_CLAIM, CLAIM_TIME, &m) < 0)
		return true;
	rc = take_answer(&m, &told, &why);
	if (rc < 0)
		mo_warn("the service is not taken back: %s", why);
	json_decref(told);
	free(why);
	return rc == 0;
}
