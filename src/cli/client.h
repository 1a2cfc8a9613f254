/* The control socket from the other end: one request, one answer. */
#ifndef MO_CLI_CLIENT_H
#define MO_CLI_CLIENT_H

#include <jansson.h>
#include <stdbool.h>

#include "molt.h"

typedef struct mo_answer {
	int status;   /* of HTTP */
	json_t *body; /* owned; NULL when it is no JSON */
	char *text;   /* the body as it came; owned */
} mo_answer;

/* Asks the admin API at the socket for action ("status", "restart" ...) and
 * waits for the answer, at most timeout ms.  body may be NULL; it is not freed.
 * 0, or a negative errno: nobody there, -ETIMEDOUT, -EPROTO (no whole answer). */
int mo_client_ask(const char *socket_path, const char *method, const char *action,
		  const json_t *body, molt_time timeout, mo_answer *out);
void mo_answer_free(mo_answer *a);

/* ---- commands.c ---- */
#define MO_CLI_QUICK (30 * MOLT_SECOND) /* for actions that wait for nothing */
struct mo_cli;
/* Asks, and tells when nobody answers.  An exit code. */
int mo_cli_ask(const struct mo_cli *c, const char *method, const char *action, const json_t *body,
	       molt_time timeout, mo_answer *a);
bool mo_cli_went_well(const mo_answer *a);
/* The end of a command that acts: prints what came of it, and frees the answer.  The
 * exit code. */
int mo_cli_tell(const struct mo_cli *c, mo_answer *a);

#endif
