/* Self-test requests to a successor; see probe.h. */
#include "gen/old/probe.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "gen/wire/messages.h"

#define ANSWER_MAX (64u * 1024) /* more than this is not read */
#define ANSWER_TOLD 400u        /* of a wrong one, in the receipt */

/* ---- one request ------------------------------------------------------------------ */

typedef struct asking {
	mo_child *child;
	int fd;
	molt_time deadline;
	const char *server;
	const char *what; /* "GET /health of server default" */
	mo_probe probe;
	mo_buf answer;
	int status; /* of the answer; 0: none yet */
} asking;

static int send_request(asking *a)
{
	char *text = mo_fmt("%.*s %.*s HTTP/1.1\r\nHost: localhost\r\nUser-Agent: molt-probe\r\n"
			    "Content-Length: 0\r\nConnection: close\r\n\r\n",
			    (int)a->probe.method.len, a->probe.method.ptr, (int)a->probe.path.len,
			    a->probe.path.ptr);
	ssize_t n = send(a->fd, text, strlen(text), MSG_NOSIGNAL);
	int rc = n == (ssize_t)strlen(text) ? 0 : n < 0 ? -errno : -EMSGSIZE;

	free(text);
	return rc;
}

static int hand_over(asking *a)
{
	int sv[2], rc;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, sv) < 0)
		return mo_child_fail(a->child, -errno,
				     mo_fmt("no socket for the probes: %s", strerror(errno)));
	a->fd = sv[0];
	rc = send_request(a);
	if (rc == 0)
		rc = mo_child_send(a->child,
				   mo_message_new(MO_MSG_PROBE, "{s:s}", "server", a->server),
				   &sv[1], 1);
	close(sv[1]);
	return rc;
}

/* "HTTP/1.1 200 OK" */
static int status_of(mo_buf *answer)
{
	const char *text = mo_buf_cstr(answer);

	if (strncmp(text, "HTTP/1.", 7) != 0 || answer->len < 13 || text[8] != ' ')
		return 0;
	return atoi(text + 9);
}

/* Reads until the other end closes.  1: it has, or has sent enough. */
static int read_some(asking *a)
{
	char room[4096];
	ssize_t n;

	for (;;) {
		n = recv(a->fd, room, sizeof(room), MSG_DONTWAIT);
		if (n <= 0)
			break;
		mo_buf_add(&a->answer, room, (size_t)n);
		if (a->answer.len > ANSWER_MAX)
			return 1;
	}
	return n == 0 || (errno != EAGAIN && errno != EINTR);
}

/* The connection has ended without an answer: because the process has? */
static int unanswered(asking *a)
{
	molt_time until = mo_deadline(MOLT_SECOND);

	while (a->child->pid && mo_left(until) > 0) {
		int rc = mo_child_moment(a->child, -1, until);

		if (rc < 0 && rc != -ETIMEDOUT)
			return rc;
	}
	return mo_child_fail(a->child, -EREMOTEIO,
			     mo_fmt("the probe %s was not answered", a->what));
}

static int judge(asking *a)
{
	a->status = status_of(&a->answer);
	if (a->status == a->probe.status)
		return 0;
	if (a->status == 0)
		return unanswered(a);
	return mo_child_fail(a->child, -EREMOTEIO,
			     mo_fmt("the probe %s was answered with %d instead of %d", a->what,
				    a->status, a->probe.status));
}

static int await_answer(asking *a, molt_time limit)
{
	while (!read_some(a)) {
		int rc = mo_child_moment(a->child, a->fd, a->deadline);

		if (rc == -ETIMEDOUT)
			return mo_child_fail(a->child, rc,
					     mo_fmt("the probe %s had no whole answer within "
						    "%lld ms (probeTimeout)",
						    a->what, (long long)limit));
		if (rc < 0)
			return rc;
	}
	return judge(a);
}

/* The beginning of an answer, as text that any log can take. */
static json_t *beginning(const mo_buf *answer)
{
	char text[ANSWER_TOLD];
	size_t n = answer->len < sizeof(text) ? answer->len : sizeof(text);

	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)answer->data[i];

		text[i] = (char)(c == '\n' || (c >= 0x20 && c < 0x7f) ? c : c == '\r' ? ' ' : '?');
	}
	return json_stringn(text, n);
}

static int ask(asking *a, molt_time limit, json_t *entry)
{
	char *when = mo_fmt("while it was asked for %s", a->what);
	molt_time begun = mo_now();
	int rc;

	a->child->when = when;
	rc = hand_over(a);
	if (rc == 0)
		rc = await_answer(a, limit);
	a->child->when = NULL;
	free(when);
	if (a->fd >= 0)
		close(a->fd);
	json_object_set_new(entry, "ms", json_integer(mo_now() - begun));
	json_object_set_new(entry, "status", a->status ? json_integer(a->status) : json_null());
	if (rc < 0)
		json_object_set_new(entry, "answer", beginning(&a->answer));
	mo_buf_free(&a->answer);
	return rc;
}

/* ---- all of them ------------------------------------------------------------------- */

/* A program without that server may be what is wanted: what it would answer there
 * cannot be asked. */
static bool has_server(const json_t *ready, const char *name)
{
	json_t *servers = json_object_get(ready, "servers"), *one;
	size_t i;

	json_array_foreach (servers, i, one)
		if (strcmp(json_string_value(one), name) == 0)
			return true;
	return !servers;
}

static int run_one(mo_child *c, const mo_gen_host *h, const mo_gen_probe *g, json_t *entry)
{
	asking a = { .child = c, .fd = -1, .server = g->server };
	molt_time limit = h->probe_timeout();
	char *what;
	int rc;

	if (!mo_probe_parse(g->text, &a.probe))
		return 0; /* settings.c has refused it before */
	what = mo_fmt("%.*s %.*s of server %s", (int)a.probe.method.len, a.probe.method.ptr,
		      (int)a.probe.path.len, a.probe.path.ptr, g->server);
	a.what = what;
	a.deadline = mo_deadline(limit);
	rc = ask(&a, limit, entry);
	free(what);
	return rc;
}

int mo_probes_run(mo_child *c, const mo_gen_host *h, const json_t *ready, json_t **told)
{
	mo_gen_probe all[MO_PROBES_MAX];
	size_t n = h->probes(all, MO_PROBES_MAX);
	int rc = 0;

	*told = n ? json_array() : NULL;
	for (size_t i = 0; i < n && rc == 0; i++) {
		json_t *entry = json_pack("{s:s, s:s%}", "server", all[i].server, "probe",
					  all[i].text.ptr, all[i].text.len);

		json_array_append_new(*told, entry);
		if (has_server(ready, all[i].server)) {
			rc = run_one(c, h, &all[i], entry);
		} else {
			mo_warn("the new program has no server %s: it is not probed",
				all[i].server);
			json_object_set_new(entry, "skipped", json_true());
		}
	}
	return rc;
}
