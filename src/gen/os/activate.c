/* Sockets that the service manager passed; see activate.h. */
#include "gen/os/activate.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"

#define FIRST_FD 3
#define MAX_SOCKETS 1024

typedef struct passed {
	struct passed *next;
	char *text;            /* "systemd:NAME" */
	int fd;                /* until it is a listener; else -1 */
	mo_listener *listener; /* NULL until it is needed */
} passed;

static passed *all; /* in the order in which they came */

static void append(passed *p)
{
	passed **at = &all;

	while (*at)
		at = &(*at)->next;
	*at = p;
}

/* ---- the variables ------------------------------------------------------- */

static void pass(int fd, molt_str name)
{
	passed *p;

	if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
		return; /* it is not open */
	if (name.len == 0)
		name = MO_STR("unknown"); /* as systemd calls it */
	p = mo_calloc(1, sizeof(*p));
	p->fd = fd;
	p->text = mo_fmt("systemd:%.*s", (int)name.len, name.ptr);
	append(p);
}

void mo_activate_take(void)
{
	const char *pid = secure_getenv("LISTEN_PID"), *fds = secure_getenv("LISTEN_FDS");
	char *names = mo_strdup(secure_getenv("LISTEN_FDNAMES"));
	molt_str rest = mo_str(names);
	uint64_t wanted, count;

	if (pid && fds && mo_str_u64(mo_str(pid), INT32_MAX, &wanted) &&
	    (pid_t)wanted == getpid() && mo_str_u64(mo_str(fds), MAX_SOCKETS, &count))
		for (int i = 0; i < (int)count; i++)
			pass(FIRST_FD + i, mo_str_split(&rest, ':'));
	free(names);
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
}

/* ---- taking and keeping --------------------------------------------------- */

static int adopt(passed *p)
{
	int rc;

	if (p->listener)
		return 0;
	rc = mo_listener_adopt(p->fd, p->text, &p->listener);
	if (rc == 0)
		p->fd = -1;
	return rc;
}

static int fail(char **why, int code, const char *text)
{
	if (code == -ENOENT)
		*why = mo_fmt("no unused socket called %s was passed to this program; the .socket "
			      "unit needs FileDescriptorName=%s",
			      text + strlen("systemd:"), text + strlen("systemd:"));
	else
		*why = mo_fmt("the socket passed as %s cannot be used: it must be a stream socket "
			      "that listens (ListenStream=, Accept=no)",
			      text);
	return code;
}

int mo_activate_open(const char *text, mo_listener **out, char **why)
{
	for (passed **at = &all; *at; at = &(*at)->next) {
		passed *p = *at;
		int rc;

		if (strcmp(p->text, text) != 0)
			continue;
		rc = adopt(p);
		if (rc < 0)
			return fail(why, rc, text);
		*out = p->listener;
		*at = p->next;
		free(p->text);
		free(p);
		return 0;
	}
	return fail(why, -ENOENT, text);
}

void mo_activate_keep(mo_listener *l)
{
	passed *p = mo_calloc(1, sizeof(*p));

	*p = (passed){ .text = mo_strdup(l->text), .fd = -1, .listener = l };
	append(p);
}

size_t mo_activate_unused(mo_gen_listener *out, size_t max)
{
	size_t count = 0;

	for (passed *p = all; p && count < max; p = p->next)
		if (adopt(p) == 0)
			out[count++] = (mo_gen_listener){ "", p->listener };
	return count;
}
