/* The control socket from the other end: one request, one answer. */
#ifndef MO_COMMAND_CLIENT_H
#define MO_COMMAND_CLIENT_H

#include <jansson.h>
#include <stdbool.h>

#include "molt.h"

typedef struct mo_answer {
	int status;   /* of HTTP */
	json_t *body; /* owned; NULL when it is no JSON */
	char *text;   /* the body as it came; owned */
} mo_answer;

/* Asks the admin API at the socket for action ("status", "restart" ...) and
 * waits for the answer, at most timeout ms.  body may be NULL and stays the caller's.
 * Returns 0 or a negative errno: of connect() when nobody listens, -ETIMEDOUT, -EPROTO (the
 * answer is not whole). */
int mo_client_ask(const char *socket_path, const char *method, const char *action,
		  const json_t *body, molt_time timeout, mo_answer *out);
void mo_answer_free(mo_answer *a);

#endif
