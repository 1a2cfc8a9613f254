/* Questions and their answers; see question.h. */
#include "gen/wire/question.h"

#include <errno.h>
#include <unistd.h>
#include <uv.h>

#include "base/clock.h"
#include "rt/park.h"

int mo_word_tell(int fd, enum mo_msg what, molt_time limit)
{
	molt_time deadline = mo_deadline(limit);
	int rc;

	for (;;) {
		rc = mo_wire_send(fd, mo_message_new(what, NULL), NULL, 0);
		if (rc == 0 || rc == -EPIPE || rc == -ECONNRESET)
			return 0;
		if (mo_left(deadline) == 0)
			return rc;
		if (mo_co_sleep(2) < 0)
			return -ECANCELED;
	}
}

static int await_answer(int fd, molt_time limit, mo_wire_msg *answer)
{
	molt_time deadline = mo_deadline(limit);
	int rc;

	while ((rc = mo_wire_recv(fd, answer)) == -EAGAIN) {
		if (mo_left(deadline) == 0)
			return -ETIMEDOUT;
		rc = mo_co_wait_fd(fd, UV_READABLE, mo_left(deadline));
		if (rc < 0 && rc != -ETIMEDOUT)
			return rc;
	}
	return rc == 1 ? 0 : rc == 0 ? -EPIPE : rc;
}

int mo_question_ask(int fd, enum mo_msg what, molt_time limit, mo_wire_msg *answer)
{
	int ours, theirs, rc = mo_wire_pair(&ours, &theirs);

	if (rc < 0)
		return rc;
	rc = mo_wire_send(fd, mo_message_new(what, NULL), &theirs, 1);
	close(theirs);
	if (rc == 0)
		rc = await_answer(ours, limit, answer);
	else if (rc == -EPIPE || rc == -ECONNRESET)
		rc = -ENOTCONN;
	close(ours);
	return rc;
}

int mo_question_answer(const mo_wire_msg *m, json_t *body)
{
	int rc = mo_wire_send(m->fds[0], body, NULL, 0);

	return rc == -ECONNRESET ? -EPIPE : rc;
}
