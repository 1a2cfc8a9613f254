/* The running generation's side of a takeover by path; see takeover.h. */
#include "gen/join/takeover.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "gen/control.h"
#include "gen/join/takeover_internal.h"
#include "gen/receipt/receipt.h"
#include "gen/wire/forms.h"
#include "gen/wire/messages.h"
#include "rt/park.h"

#define HELLO_TIME (2 * MOLT_SECOND)
/* A listening socket and who accepts there. */
typedef struct listening {
	int fd;
	dev_t dev; /* of its file */
	ino_t ino;
	mo_co *co;
	bool stopped;
} listening;

static listening *now; /* NULL: none */
static void (*on_taker)(mo_taker *t);

void mo_takeover_on_taker(void (*fn)(mo_taker *t))
{
	on_taker = fn;
}

void mo_taker_free(mo_taker *k)
{
	if (!k)
		return;
	free(k->exe);
	free(k->build);
	free(k);
}

void mo_taker_refuse(mo_taker *k, int code, const char *why)
{
	mo_warn("takeover by %s (pid %d) refused: %s", k->exe, k->pid, why);
	mo_wire_send(k->channel,
		     mo_message_new(MO_MSG_REFUSED, "{s:i, s:o, s:i}", "errno", code, "why",
				    mo_json_text(why), "pid", (int)getpid()),
		     NULL, 0);
	close(k->channel);
	if (k->pidfd >= 0)
		close(k->pidfd);
	mo_taker_free(k);
}

/* ---- who was taken back -------------------------------------------------------- */

/* Refuses it when it has just been taken back. */
static bool is_held(mo_taker *k)
{
	json_t *all = mo_receipts_kept();
	const json_t *why;
	molt_time left = mo_takeover_held(all, k->exe, k->build, mo_wall(), &why);
	char *text;

	if (left > 0) {
		text = mo_fmt("this program was %s %lld s ago (%s); it may take over again in "
			      "%lld s, another build of it at once",
			      mo_json_str(why, "outcome"),
			      (long long)((MO_TAKEOVER_HOLD - left) / MOLT_SECOND),
			      mo_json_str(why, "reason"),
			      (long long)((left + MOLT_SECOND - 1) / MOLT_SECOND));
		mo_taker_refuse(k, -EBUSY, text);
		free(text);
	}
	json_decref(all);
	return left > 0;
}

/* ---- who comes ----------------------------------------------------------------- */

/* Waits for the first message: 1, or anything else when there is none. */
static int await_hello(int fd, mo_wire_msg *m)
{
	molt_time deadline = mo_deadline(HELLO_TIME);
	int rc;

	while ((rc = mo_wire_recv(fd, m)) == -EAGAIN && mo_left(deadline) > 0)
		if (mo_co_wait_fd(fd, UV_READABLE, mo_left(deadline)) == -ECANCELED)
			return -ECANCELED;
	return rc;
}

/* Of another protocol, anything may be in it. */
static char *refuse_hello(const mo_wire_msg *m)
{
	char *why;

	if (!mo_message_is(m, MO_MSG_TAKEOVER))
		return mo_strdup("it does not ask for a takeover");
	why = mo_forms_refuse(m->body, "it");
	return why ? why : mo_message_refuse(m, MO_MSG_TAKEOVER);
}

static void meet(int fd)
{
	mo_taker *k;
	mo_wire_msg m;
	char *why;
	pid_t pid;

	if (!mo_takeover_admits(fd, &pid)) {
		mo_warn("takeover refused: pid %d is of another user", (int)pid);
		close(fd);
		return;
	}
	mo_wire_prepare(fd);
	if (await_hello(fd, &m) != 1) {
		close(fd);
		return;
	}
	k = mo_calloc(1, sizeof(*k));
	*k = (mo_taker){ .channel = fd,
			 .pid = (int)pid,
			 .pidfd = mo_wire_peer_pidfd(fd),
			 .exe = mo_strdup(mo_json_str(m.body, "exe")),
			 .build = mo_strdup(mo_json_str(m.body, "build")) };
	why = refuse_hello(&m);
	if (why)
		mo_taker_refuse(k, -EPROTO, why);
	else if (!is_held(k))
		on_taker(k);
	free(why);
	mo_wire_free(&m);
}

static void accept_takers(void *arg)
{
	listening *l = arg;

	l->co = mo_co_self();
	while (!l->stopped && mo_co_wait_fd(l->fd, UV_READABLE, MOLT_FOREVER) > 0) {
		int fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd >= 0)
			meet(fd);
		else if (errno != EAGAIN && errno != EINTR && mo_co_sleep(100) < 0)
			break;
	}
	if (now == l)
		now = NULL;
	close(l->fd);
	free(l);
}

/* ---- the path --------------------------------------------------------------------- */

/* Its coroutine closes and frees it. */
static void stop_listening(void)
{
	if (!now)
		return;
	now->stopped = true;
	if (now->co)
		mo_co_cancel(now->co, -ECANCELED);
	now = NULL;
}

void mo_takeover_open(void)
{
	const char *path = mo_takeover_path();
	struct stat st = { 0 };
	char *why = NULL;
	int fd;

	if (!path)
		return;
	stop_listening();
	fd = mo_takeover_bind(path, &why);
	if (fd < 0) {
		mo_error("%s; no program can take over from this one", why);
		free(why);
		return;
	}
	now = mo_calloc(1, sizeof(*now));
	now->fd = fd;
	if (lstat(path, &st) == 0) {
		now->dev = st.st_dev;
		now->ino = st.st_ino;
	}
	mo_loop_spawn(mo_control_loop(), accept_takers, now);
}

void mo_takeover_close(void)
{
	const char *path = mo_takeover_path();
	struct stat st;

	if (!now)
		return;
	if (lstat(path, &st) == 0 && st.st_dev == now->dev && st.st_ino == now->ino)
		unlink(path);
	stop_listening();
}
