/* molt shutdown: asks the program to end, and waits until its processes have; see
 * cli.h for exit codes.
 *
 *   without --wait   the serving generation and its supervisor
 *   with --wait      every generation that is alive: those that drain or stand by,
 *                    one that is just being started or gives its connections back
 *
 * Processes are held by their descriptors from before the request on, so none of them
 * can be mistaken for another.  A successor that came to serve in that moment is asked
 * in its turn. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "cli/cli.h"
#include "cli/client.h"

#define MOST 64
#define LOOK_AGAIN (20 * 1000 * 1000) /* ns */

typedef struct process {
	int pid;
	int fd; /* -1: the kernel has none */
} process;

typedef struct processes {
	process all[MOST];
	size_t n;
} processes;

static bool knows(const processes *p, int pid)
{
	for (size_t i = 0; i < p->n; i++)
		if (p->all[i].pid == pid)
			return true;
	return false;
}

/* pid: a number of JSON, or something else. */
static void add(processes *p, const json_t *pid)
{
	process one = { .pid = (int)json_integer_value(pid), .fd = -1 };

	if (one.pid <= 0 || p->n == MOST || knows(p, one.pid))
		return;
#ifdef SYS_pidfd_open
	one.fd = (int)syscall(SYS_pidfd_open, one.pid, 0);
	if (one.fd < 0 && errno == ESRCH)
		return; /* it has ended */
#endif
	p->all[p->n++] = one;
}

static void gather(processes *p, const json_t *status, bool every)
{
	const json_t *old;
	size_t i;

	add(p, json_object_get(status, "pid"));
	add(p, json_object_get(status, "supervisor_pid"));
	if (!every)
		return;
	add(p, json_object_get(status, "successor_pid"));
	add(p, json_object_get(json_object_get(status, "draining_generation"), "pid"));
	json_array_foreach (json_object_get(status, "older_generations"), i, old)
		add(p, json_object_get(old, "pid"));
}

static void wait_for(const process *p)
{
	struct pollfd f = { .fd = p->fd, .events = POLLIN };

	if (p->fd >= 0) {
		while (poll(&f, 1, -1) < 0 && errno == EINTR)
			continue;
		return;
	}
	while (kill(p->pid, 0) == 0 || errno == EPERM)
		nanosleep(&(struct timespec){ 0, LOOK_AGAIN }, NULL);
}

static void wait_for_all(const processes *p)
{
	for (size_t i = 0; i < p->n; i++)
		wait_for(&p->all[i]);
}

static void forget(processes *p)
{
	for (size_t i = 0; i < p->n; i++)
		if (p->all[i].fd >= 0)
			close(p->all[i].fd);
	p->n = 0;
}

/* Does somebody serve there now whom one of those has started?  Then status is his. */
static bool is_followed(const mo_cli *c, const processes *p, mo_answer *status)
{
	mo_answer_free(status);
	if (mo_client_ask(c->socket, "GET", "status", NULL, MO_CLI_QUICK, status) < 0)
		return false;
	return knows(p, (int)json_integer_value(json_object_get(status->body, "predecessor_pid")));
}

static int ask_to_end(const mo_cli *c, mo_answer *answer)
{
	int rc;

	mo_answer_free(answer);
	rc = mo_cli_ask(c, "POST", "shutdown", NULL, MO_CLI_QUICK, answer);
	return rc == MO_EXIT_DONE && !mo_cli_went_well(answer) ? mo_cli_tell(c, answer) : rc;
}

int mo_cli_shutdown(const mo_cli *c)
{
	processes p = { .n = 0 };
	mo_answer status, answer = { 0 };
	bool more = true;
	int rc = mo_cli_ask(c, "GET", "status", NULL, MO_CLI_QUICK, &status);

	if (rc != MO_EXIT_DONE)
		return rc;
	while (more && rc == MO_EXIT_DONE) {
		gather(&p, status.body, c->wait);
		rc = ask_to_end(c, &answer);
		if (rc == MO_EXIT_DONE)
			wait_for_all(&p);
		more = rc == MO_EXIT_DONE && c->wait && is_followed(c, &p, &status);
		forget(&p);
	}
	if (rc == MO_EXIT_DONE && c->json)
		mo_show_json(answer.body, JSON_COMPACT);
	else if (rc == MO_EXIT_DONE)
		printf("The program has ended.\n");
	mo_answer_free(&status);
	mo_answer_free(&answer);
	return rc;
}
