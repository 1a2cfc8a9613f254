/* molt restart --wait: the new generation serves; the command waits until the old one has
 * ended.  From then on the service cannot be taken back. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/json.h"
#include "cli/cli.h"
#include "cli/processes.h"

#define EACH_LOOK (100 * 1000 * 1000) /* ns */
#define PATIENCE (30 * MOLT_SECOND)
#define LATE (5 * MOLT_SECOND) /* a receipt follows to the new generation after the switch */

/* A new reference, or NULL. */
static json_t *find_receipt(const json_t *status, const char *id)
{
	json_t *one;
	size_t i;

	json_array_foreach (json_object_get(status, "receipts"), i, one)
		if (strcmp(mo_json_text_of(one, "id"), id) == 0)
			return json_incref(one);
	return NULL;
}

/* The restart is over when its receipt says so, or when no generation drains any more.  An old
 * generation that serves again is about to write this into the receipt. */
static bool is_over(const json_t *status, const json_t *receipt)
{
	bool again = json_equal(json_object_get(status, "generation"),
				json_object_get(receipt, "generation"));

	return strcmp(mo_json_text_of(receipt, "outcome"), "switched") != 0 ||
	       json_object_get(receipt, "drained") ||
	       (!again && json_is_null(json_object_get(status, "draining_generation")));
}

/* A generation that ends may leave an accepted request unanswered.  Another generation serves
 * then or will serve soon.  The request changes nothing, so the command sends it again for a
 * while. */
static bool is_cut(int rc)
{
	return rc == -EPIPE || rc == -ECONNRESET || rc == -EPROTO;
}

/* Waits until the program says that the restart is over.  A process whose number is of another
 * namespace is forgotten. */
static int wait_for_word(const mo_cli *c, const json_t *receipt, mo_processes *old, json_t **last)
{
	const char *id = mo_json_text_of(receipt, "id");
	molt_time begun = mo_now(), answered = begun;
	bool over = false;

	while (!over) {
		mo_answer a;
		int rc = mo_client_ask(c->socket, "GET", "status", NULL, PATIENCE, &a);

		if (is_cut(rc) && mo_now() - answered < LATE) {
			nanosleep(&(struct timespec){ 0, EACH_LOOK }, NULL);
			continue;
		}
		if (rc < 0)
			return rc;
		if (mo_processes_elsewhere(a.body))
			mo_processes_forget(old);
		answered = mo_now();
		json_decref(*last);
		*last = find_receipt(a.body, id);
		over = *last ? is_over(a.body, *last) : mo_now() - begun > LATE;
		if (!over && mo_progress_is(c))
			mo_progress_line(
				"generation %" PRId64 " finishes its requests, %" PRId64 " s",
				(int64_t)json_integer_value(json_object_get(receipt, "generation")),
				(int64_t)(mo_now() - begun) / 1000);
		mo_answer_free(&a);
		if (!over)
			nanosleep(&(struct timespec){ 0, EACH_LOOK }, NULL);
	}
	return *last ? 0 : -ENOENT;
}

/* The command holds the old process from the first moment on.  After the drain the old process
 * still runs the program's own clean-up; the command waits for the end of that too. */
int mo_wait_for_old(const mo_cli *c, const json_t *receipt, json_t **last)
{
	mo_processes old = { .n = 0 };
	int rc;

	mo_processes_add(&old, json_object_get(receipt, "pid"));
	*last = NULL;
	rc = wait_for_word(c, receipt, &old, last);
	if (rc == 0 && strcmp(mo_json_text_of(*last, "outcome"), "switched") == 0)
		mo_processes_wait(&old);
	mo_processes_forget(&old);
	mo_progress_clear(c);
	return rc;
}
