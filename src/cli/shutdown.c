/* molt shutdown: asks the program to end, and waits until its processes have; see
 * cli.h for exit codes.
 *
 *   without --wait   the serving generation and its supervisor
 *   with --wait      every generation that is alive: those that drain or stand by,
 *                    one that is just being started or gives its connections back
 *
 * The command holds the processes from before the request on (processes.h).  When a successor
 * begins to serve in that moment, the command asks the successor too. */
#include <stdio.h>

#include "cli/cli.h"
#include "cli/processes.h"

static void gather(mo_processes *p, const json_t *status, bool every)
{
	const json_t *old;
	size_t i;

	if (mo_processes_elsewhere(status))
		return;
	mo_processes_add(p, json_object_get(status, "pid"));
	mo_processes_add(p, json_object_get(status, "supervisor_pid"));
	if (!every)
		return;
	mo_processes_add(p, json_object_get(status, "successor_pid"));
	mo_processes_add(p, json_object_get(json_object_get(status, "draining_generation"), "pid"));
	json_array_foreach (json_object_get(status, "older_generations"), i, old)
		mo_processes_add(p, json_object_get(old, "pid"));
}

/* Has one of those processes started a generation that serves now?  Then status is that
 * generation's status. */
static bool is_followed(const mo_cli *c, const mo_processes *p, mo_answer *status)
{
	mo_answer_free(status);
	if (mo_client_ask(c->socket, "GET", "status", NULL, MO_CLI_QUICK, status) < 0)
		return false;
	return mo_processes_know(
		p, (int)json_integer_value(json_object_get(status->body, "predecessor_pid")));
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
	mo_processes p = { .n = 0 };
	mo_answer status, answer = { 0 };
	bool more = true, elsewhere = false;
	int rc = mo_cli_ask(c, "GET", "status", NULL, MO_CLI_QUICK, &status);

	if (rc != MO_EXIT_DONE)
		return rc;
	while (more && rc == MO_EXIT_DONE) {
		elsewhere = mo_processes_elsewhere(status.body);
		gather(&p, status.body, c->wait);
		rc = ask_to_end(c, &answer);
		if (rc == MO_EXIT_DONE)
			mo_processes_wait(&p);
		more = rc == MO_EXIT_DONE && c->wait && is_followed(c, &p, &status);
		mo_processes_forget(&p);
	}
	if (rc == MO_EXIT_DONE && c->json)
		mo_print_json(answer.body, JSON_COMPACT);
	else if (rc == MO_EXIT_DONE)
		printf("%s\n", elsewhere ? "The program ends; from this pid namespace its end "
					   "cannot be awaited."
					 : "The program has ended.");
	mo_answer_free(&status);
	mo_answer_free(&answer);
	return rc;
}
