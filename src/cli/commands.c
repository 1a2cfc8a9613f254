/* The commands that talk to a running program, and molt prove. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "cli/cli.h"
#include "prove/prove.h"

static int tell_no_answer(const mo_cli *c, int rc)
{
	const char *text = molt_strerror(rc);

	if (rc == -EPROTO)
		text = "the answer broke off: the program ended meanwhile, or this user is not let "
		       "in; what came of it is not known";
	else if (rc == -ENOENT)
		text = "there is no such socket; does the program run, and has it a controlSocket?";
	else if (rc == -ECONNREFUSED)
		text = "nobody listens there; the program has ended";
	else if (rc == -EACCES || rc == -EPERM)
		text = "permission denied; it is for the user of the program and for root";
	else if (rc == -EINVAL || rc == -ENAMETOOLONG)
		text = "this must be an absolute path of at most 95 bytes";
	else if (rc == -ETIMEDOUT)
		text = "no answer in time; the program hangs";
	fprintf(stderr, "molt: %s: %s\n", c->socket, text);
	if (rc == -EINVAL || rc == -ENAMETOOLONG)
		return MO_EXIT_USAGE;
	return rc == -EACCES || rc == -EPERM ? MO_EXIT_DENIED : MO_EXIT_UNREACHABLE;
}

int mo_cli_ask(const mo_cli *c, const char *method, const char *action, const json_t *body,
	       molt_time timeout, mo_answer *a)
{
	int rc = mo_client_ask(c->socket, method, action, body, timeout, a);

	return rc == 0 ? MO_EXIT_DONE : tell_no_answer(c, rc);
}

bool mo_cli_went_well(const mo_answer *a)
{
	return a->status >= 200 && a->status < 300 && a->body;
}

int mo_cli_tell(const mo_cli *c, mo_answer *a)
{
	bool good = mo_cli_went_well(a);

	if (c->json && a->body)
		mo_print_json(a->body, JSON_COMPACT);
	else if (good)
		mo_print_line(json_object_get(a->body, "message"), "Done.");
	else if (a->body)
		mo_show_failure(a->body);
	else
		fprintf(stderr, "molt: the program answered with status %d\n", a->status);
	mo_answer_free(a);
	return good ? MO_EXIT_DONE : MO_EXIT_FAILED;
}

/* ---- looking -------------------------------------------------------------- */

static int look(const mo_cli *c, const char *member, void (*show)(const json_t *))
{
	mo_answer a;
	json_t *what;
	int rc = mo_cli_ask(c, "GET", "status", NULL, MO_CLI_QUICK, &a);

	if (rc != MO_EXIT_DONE)
		return rc;
	if (!mo_cli_went_well(&a))
		return mo_cli_tell(c, &a);
	what = member ? json_object_get(a.body, member) : a.body;
	if (c->json) {
		mo_print_json(what, JSON_INDENT(2));
	} else {
		show(what);
	}
	mo_answer_free(&a);
	return MO_EXIT_DONE;
}

int mo_cli_status(const mo_cli *c)
{
	return look(c, NULL, mo_show_status);
}

int mo_cli_history(const mo_cli *c)
{
	return look(c, "receipts", mo_show_receipts);
}

/* ---- acting --------------------------------------------------------------- */

/* The program would look for a relative path in its own directory; the user means the
 * directory of this command. */
static json_t *restart_body(const char *exe)
{
	char *here = exe[0] == '/' ? NULL : getcwd(NULL, 0);
	char *path = here ? mo_fmt("%s/%s", here, exe) : mo_strdup(exe);
	json_t *body = json_pack("{s:s}", "newExeFilePath", path);

	free(here);
	free(path);
	return body;
}

/* The new generation serves; until the old one has ended, the service may be taken back. */
static int wait_for_end_of_old(const mo_cli *c, mo_answer *a)
{
	json_t *last;
	int rc = mo_wait_for_old(c, json_object_get(a->body, "receipt"), &last);
	const char *outcome = json_string_value(json_object_get(last, "outcome"));
	bool stays = rc == 0 && outcome && strcmp(outcome, "switched") == 0;

	if (rc < 0 && rc != -ENOENT)
		return tell_no_answer(c, rc);
	json_object_set_new(a->body, "ok", json_boolean(stays));
	json_object_set(a->body, "receipt", last);
	if (c->json) {
		mo_print_json(a->body, JSON_INDENT(2));
	} else if (stays) {
		printf("The generation before has ended.\n");
	} else {
		json_object_set(a->body, "reason", json_object_get(last, "reason"));
		mo_show_failure(a->body);
	}
	json_decref(last);
	return stays ? MO_EXIT_DONE : MO_EXIT_TAKEN_BACK;
}

int mo_cli_restart(const mo_cli *c)
{
	json_t *body = c->exe ? restart_body(c->exe) : NULL;
	mo_answer a;
	int rc;

	if (c->exe && !body) {
		fprintf(stderr, "molt: the path is no UTF-8\n");
		return MO_EXIT_USAGE;
	}
	/* The program has deadlines of its own, readyTimeout above all. */
	mo_progress_begin(c);
	rc = mo_client_ask(c->socket, "POST", "restart", body, MOLT_FOREVER, &a);
	mo_progress_end();
	json_decref(body);
	if (rc < 0)
		return tell_no_answer(c, rc);
	if (!c->wait || !mo_cli_went_well(&a))
		return mo_cli_tell(c, &a);
	if (!c->json)
		mo_print_line(json_object_get(a.body, "message"), "Done.");
	rc = wait_for_end_of_old(c, &a);
	mo_answer_free(&a);
	return rc;
}

/* The program answers when the other generation serves, or says why it does not serve. */
int mo_cli_rollback(const mo_cli *c)
{
	mo_answer a;
	int rc = mo_cli_ask(c, "POST", "rollback", NULL, MOLT_FOREVER, &a);

	return rc == MO_EXIT_DONE ? mo_cli_tell(c, &a) : rc;
}

int mo_cli_reopen(const mo_cli *c)
{
	mo_answer a;
	int rc = mo_cli_ask(c, "POST", "reopen", NULL, MO_CLI_QUICK, &a);

	return rc == MO_EXIT_DONE ? mo_cli_tell(c, &a) : rc;
}

int mo_cli_upgrade(const mo_cli *c)
{
	mo_answer a;
	int rc = mo_cli_ask(c, "POST", "upgrade", NULL, MO_CLI_QUICK, &a);

	return rc == MO_EXIT_DONE ? mo_cli_tell(c, &a) : rc;
}

int mo_cli_prove(const mo_cli *c)
{
	bool help;
	int rc = mo_prove_run(c->argc, c->rest, &help);

	return help ? mo_cli_usage("prove") : rc;
}
