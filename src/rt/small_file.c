/* Small files as a whole; see small_file.h. */
#include "rt/small_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/mem.h"

/* A file of the kernel's may come in pieces. */
static ssize_t read_all(int fd, char *text, size_t room)
{
	size_t len = 0;

	while (len < room) {
		ssize_t n = read(fd, text + len, room - len);

		if (n == 0)
			break;
		if (n < 0 && errno != EINTR)
			return -errno;
		len += n > 0 ? (size_t)n : 0;
	}
	return (ssize_t)len;
}

ssize_t mo_read_small(const char *path, char *text, size_t size)
{
	ssize_t n;
	int fd;

	MO_CHECK(size > 0);
	text[0] = '\0';
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = read_all(fd, text, size - 1);
	close(fd);
	text[n > 0 ? n : 0] = '\0';
	return n;
}

bool mo_read_small_in(const char *dir, const char *name, char *text, size_t size)
{
	char *path = mo_fmt("%s/%s", dir, name);
	ssize_t n = mo_read_small(path, text, size);

	free(path);
	return n > 0;
}

bool mo_process_state(pid_t pid, char *state, pid_t *pgrp)
{
	char path[32], text[512];
	const char *end;
	int of;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	(void)mo_read_small(path, text, sizeof(text));
	end = strrchr(text, ')'); /* of its name, which may hold anything */
	if (!end || sscanf(end + 1, " %c %*d %d", state, &of) != 2)
		return false;
	if (pgrp)
		*pgrp = of;
	return true;
}
