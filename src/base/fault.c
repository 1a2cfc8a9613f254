/* Faults on purpose; see fault.h. */
#include "base/fault.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static char path[PATH_MAX];
static _Atomic(const char *) role = "predecessor";

__attribute__((constructor)) static void save_path(void)
{
	const char *text = secure_getenv("MOLT_FAULT");

	snprintf(path, sizeof(path), "%s", text ? text : "");
}

void mo_fault_role(const char *name)
{
	atomic_store(&role, name);
}

/* The fault that the file asks for at this point; false: none. */
static bool wanted(const char *at, const char *what, char *fault, size_t room)
{
	char text[200], point[200];
	int fd = path[0] ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	size_t len;

	if (fd >= 0)
		close(fd);
	if (n <= 0)
		return false;
	text[n] = '\0';
	snprintf(point, sizeof(point), "%s:%s.%s:", atomic_load(&role), at, what);
	len = strlen(point);
	if (strncmp(text, point, len) != 0)
		return false;
	snprintf(fault, room, "%s", text + len);
	return true;
}

/* Who renames the file does it. */
static bool mine(void)
{
	char fired[PATH_MAX + 8];

	snprintf(fired, sizeof(fired), "%s.fired", path);
	return rename(path, fired) == 0;
}

int mo_fault(const char *at, const char *what, int fd)
{
	int saved = errno, rc = 0;
	char fault[16];

	if (wanted(at, what, fault, sizeof(fault)) && mine()) {
		if (strcmp(fault, "kill") == 0)
			kill(getpid(), SIGKILL);
		else if (strcmp(fault, "stop") == 0)
			kill(getpid(), SIGSTOP);
		else if (strcmp(fault, "close") == 0)
			shutdown(fd, SHUT_RDWR);
		else if (strcmp(fault, "enomem") == 0)
			rc = -ENOMEM;
		else if (strcmp(fault, "emfile") == 0)
			rc = -EMFILE;
		else if (strcmp(fault, "short") == 0)
			rc = MO_FAULT_SHORT;
		else
			abort();
	}
	errno = saved;
	return rc;
}

/* A message begins with its type. */
int mo_fault_waiting(int fd)
{
	static const char begin[] = "{\"type\":\"";
	char text[sizeof(begin) + 32], *end;
	ssize_t n;

	if (!path[0])
		return 0;
	n = recv(fd, text, sizeof(text) - 1, MSG_PEEK | MSG_DONTWAIT);
	text[n > 0 ? n : 0] = '\0';
	if (strncmp(text, begin, sizeof(begin) - 1) != 0)
		return 0;
	end = strchr(text + sizeof(begin) - 1, '"');
	if (end)
		*end = '\0';
	return mo_fault("get", text + sizeof(begin) - 1, fd);
}
