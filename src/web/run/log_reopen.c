/* Log files opened anew in every generation; see log_reopen.h. */
#include "web/run/log_reopen.h"

#include <errno.h>
#include <semaphore.h>
#include <stdlib.h>

#include "base/mem.h"
#include "gen/control.h"
#include "gen/drain/older_generations.h"
#include "web/run/process.h"

struct asking {
	sem_t sent;
	long n;
};

static void send_on_control(void *arg)
{
	struct asking *a = arg;

	a->n = mo_older_reopen();
	sem_post(&a->sent);
}

static long ask_others(void)
{
	struct asking a = { .n = -EBUSY };

	sem_init(&a.sent, 0, 0);
	if (mo_control_post(send_on_control, &a))
		while (sem_wait(&a.sent) < 0)
			continue;
	sem_destroy(&a.sent);
	return a.n;
}

static char *join(char *first, char *second)
{
	char *both;

	if (!first || !second)
		return first ? first : second;
	both = mo_fmt("%s; %s", first, second);
	free(first);
	free(second);
	return both;
}

int mo_log_reopen_everywhere(int *others, char **why)
{
	char *own_why = NULL, *their_why = NULL;
	long n = ask_others();
	int err, rc;

	*why = NULL;
	if (n < 0) {
		*why = mo_strdup("another generation has the service now; ask again");
		return (int)n;
	}
	err = mo_process_host()->reopen();
	if (err)
		own_why = mo_strdup("a log file cannot be opened; the one before is kept");
	rc = mo_older_reopened(n, MO_REOPEN_TIME, &their_why);
	*others = rc;
	if (rc < 0)
		their_why = join(their_why, mo_strdup("this process has been replaced meanwhile; "
						      "ask again"));
	*why = join(own_why, their_why);
	return err ? err : rc < 0 ? rc : their_why ? -EIO : 0;
}
