/* Our log files opened anew for the generation that serves; see reopen.h. */
#include "gen/transfer/reopen.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/thread.h"
#include "gen/control.h"
#include "gen/self.h"
#include "gen/wire/messages.h"

typedef struct job {
	long long by, n;
	int err;
	void (*say)(json_t *body);
} job;

/* One thread at a time: what is asked for meanwhile is done behind it, once. */
static struct {
	_Atomic bool running;

	/* Of the control thread. */
	bool again;
	job next;
} own;

static void begin(job what);

static void answer(const job *j)
{
	if (j->err)
		mo_error("a log file cannot be opened anew: %s; the one before is kept",
			 strerror(-j->err));
	else
		mo_info("log files reopened");
	j->say(mo_message_new(MO_MSG_REOPENED, "{s:I, s:I, s:i}", "by", (json_int_t)j->by, "n",
			      (json_int_t)j->n, "errno", -j->err));
}

static void done(void *arg)
{
	job *j = arg;

	atomic_store(&own.running, false);
	answer(j);
	free(j);
	if (own.again)
		begin(own.next);
}

static void *run(void *arg)
{
	job *j = arg;

	j->err = mo_self_host()->reopen();
	if (!mo_control_post(done, j)) { /* the process ends */
		free(j);
		atomic_store(&own.running, false);
	}
	return NULL;
}

static void begin(job what)
{
	job *j = mo_calloc(1, sizeof(*j));
	pthread_t thread;
	int rc;

	*j = what;
	own.again = false;
	atomic_store(&own.running, true);
	rc = mo_thread_start(&thread, "molt-reopen", 0, run, j);
	if (rc == 0) {
		pthread_detach(thread);
		return;
	}
	atomic_store(&own.running, false);
	j->err = rc;
	answer(j);
	free(j);
}

void mo_reopen_begin(long long by, long long n, void (*say)(json_t *body))
{
	job what = { .by = by, .n = n, .say = say };

	if (!atomic_load(&own.running)) {
		begin(what);
		return;
	}
	own.again = true;
	own.next = what;
}
