/* Scripts and their interpreters; see script.h. */
#include "gen/os/script.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

#define LINE_MOST 255 /* so much of the line the kernel reads */

char *mo_script_interpreter(int fd)
{
	char line[LINE_MOST + 1], *at = line + 2;
	ssize_t n = pread(fd, line, LINE_MOST, 0);

	if (n < 2 || memcmp(line, "#!", 2) != 0)
		return NULL;
	line[n] = '\0';
	at += strspn(at, " \t");
	return mo_strndup(at, strcspn(at, " \t\n"));
}

/* Opens one; the next is looked for in it. */
static int check_one(const char *script, const char *path, int *fd, char **why)
{
	struct stat st;

	*fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	/* One that may only be executed is a program, no script. */
	if (faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) < 0 || stat(path, &st) < 0) {
		int err = errno;

		*why = mo_fmt("cannot start %s: its interpreter \"%s\": %s", script, path,
			      strerror(err));
		return err == EACCES ? -EACCES : -ENOEXEC;
	}
	if (!S_ISREG(st.st_mode) || st.st_mode & S_IWOTH) {
		*why = mo_fmt("cannot start %s: its interpreter %s %s", script, path,
			      S_ISREG(st.st_mode) ? "may be written by everybody; chmod o-w it"
						  : "is not a regular file");
		return -EACCES;
	}
	return 0;
}

int mo_script_check(const char *path, int fd, char **why)
{
	char *next = mo_script_interpreter(fd);
	int rc = 0, level = 0;

	while (rc == 0 && next) {
		int file = -1;

		if (++level > MO_SCRIPT_LEVELS) {
			*why = mo_fmt("cannot start %s: too many interpreters that are scripts",
				      path);
			rc = -ENOEXEC;
		} else {
			rc = check_one(path, next, &file, why);
		}
		free(next);
		next = rc == 0 && file >= 0 ? mo_script_interpreter(file) : NULL;
		if (file >= 0)
			close(file);
	}
	free(next);
	return rc;
}
