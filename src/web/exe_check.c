/* Which programs a restart that was asked over the network may start; see
 * exe_check.h.  Symbolic links are followed first, so what is judged is the file
 * that will run.  Nobody but root, this process's user and the running program's owner may be able to put
 * another program there: neither by writing the file nor by replacing it or one
 * of its directories, up to the allowed one. */
#include "web/exe_check.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "gen/start.h"

static int refuse(int err, char **why, char *sentence)
{
	*why = sentence;
	return err;
}

/* The real path of the directory that holds path; malloc'd, NULL when none. */
static char *real_parent(const char *path)
{
	const char *slash = strrchr(path, '/');
	char *parent = slash ? mo_strndup(path, slash == path ? 1 : (size_t)(slash - path))
			     : mo_strdup(".");
	char *real = realpath(parent, NULL);

	free(parent);
	return real;
}

static bool is_below(const char *path, const char *dir)
{
	size_t n = strlen(dir);

	if (!strcmp(dir, "/"))
		return true;
	return !strncmp(path, dir, n) && (path[n] == '/' || path[n] == '\0');
}

/* dir when path is below it, else NULL; frees dir then. */
static char *keep_if_below(const char *path, char *dir)
{
	if (dir && is_below(path, dir))
		return dir;
	free(dir);
	return NULL;
}

/* Where the running program lies: as the kernel knows it, and where its path as
 * started leads now (a release's link may have been switched). */
static char *below_own_dir(const char *path)
{
	char own[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", own, sizeof(own) - 1);
	const char *started = mo_start_get()->exe;
	char *found = NULL;

	if (n > 0) {
		own[n] = '\0';
		found = keep_if_below(path, real_parent(own));
	}
	if (!found && started)
		found = keep_if_below(path, real_parent(started));
	return found;
}

/* The allowed directory that path is below; malloc'd, or NULL. */
static char *allowed_dir(const char *path, const char *dirs)
{
	molt_str rest = mo_str(dirs);
	char *found = NULL;

	if (!dirs)
		return below_own_dir(path);
	while (!found && rest.ptr) {
		molt_str one = mo_str_split(&rest, ':');
		char *text, *full;

		if (!one.len)
			continue;
		text = mo_strndup(one.ptr, one.len);
		full = mo_start_resolve(text);
		found = keep_if_below(path, realpath(full, NULL));
		free(full);
		free(text);
	}
	return found;
}

/* Root, this process's user, and the owner of the running program, who decides
 * what this process does anyway. */
static bool ours(uid_t uid)
{
	struct stat self;

	if (uid == 0 || uid == geteuid())
		return true;
	return !stat("/proc/self/exe", &self) && uid == self.st_uid;
}

/* Many systems give each user a group of the same number and leave files
 * writable by it; that group is nobody else. */
static bool private_group(const struct stat *st)
{
	return st->st_uid != 0 && (gid_t)st->st_uid == st->st_gid;
}

static int check_file(const char *path, char **why)
{
	struct stat st;

	if (stat(path, &st))
		return refuse(-ENOENT, why, mo_fmt("%s: %s", path, strerror(errno)));
	if (!S_ISREG(st.st_mode))
		return refuse(-EACCES, why, mo_fmt("%s is not a regular file", path));
	if (!ours(st.st_uid))
		return refuse(-EPERM, why, mo_fmt("%s belongs to another user", path));
	if (st.st_mode & S_IWOTH || (st.st_mode & S_IWGRP && !private_group(&st)))
		return refuse(-EPERM, why, mo_fmt("%s may be written by others", path));
	if (!(st.st_mode & (S_IXUSR | S_IXGRP | S_IXOTH)) || eaccess(path, X_OK))
		return refuse(-EACCES, why, mo_fmt("%s is not executable", path));
	return 0;
}

/* In a sticky directory others may add files but not replace this one. */
static bool others_may_replace(const struct stat *st)
{
	if (st->st_mode & S_ISVTX)
		return false;
	return !ours(st->st_uid) || st->st_mode & S_IWOTH;
}

/* Every directory from that of path up to top. */
static int check_dirs(const char *path, const char *top, char **why)
{
	char *dir = mo_strdup(path);
	int err = 0;

	do {
		char *slash = strrchr(dir, '/');
		struct stat st;

		slash[slash == dir] = '\0';
		if (stat(dir, &st))
			err = refuse(-ENOENT, why, mo_fmt("%s: %s", dir, strerror(errno)));
		else if (others_may_replace(&st))
			err = refuse(-EPERM, why,
				     mo_fmt("others may replace files in the directory %s", dir));
	} while (!err && strcmp(dir, top) != 0 && strcmp(dir, "/") != 0);
	free(dir);
	return err;
}

static int not_below(const char *path, const char *dirs, char **why)
{
	return refuse(
		-EPERM, why,
		mo_fmt("%s is not below %s", path,
		       dirs ? "an allowed directory" : "the directory of the running program"));
}

/* A path that leads to no file: say so only below the allowed directories. */
static int not_there(const char *full, const char *dirs, int err, char **why)
{
	char *parent = real_parent(full);
	char *dir = parent ? allowed_dir(parent, dirs) : NULL;
	bool below = dir != NULL;

	free(parent);
	free(dir);
	if (!below)
		return not_below(full, dirs, why);
	return refuse(err == EACCES ? -EACCES : -ENOENT, why,
		      mo_fmt("%s: %s", full, strerror(err)));
}

static int check_resolved(const char *real, const char *dirs, char **why)
{
	char *top = allowed_dir(real, dirs);
	int err;

	if (!top)
		return not_below(real, dirs, why);
	err = check_file(real, why);
	if (!err)
		err = check_dirs(real, top, why);
	free(top);
	return err;
}

static bool good_text(const char *path)
{
	size_t n = path ? strlen(path) : 0;

	for (size_t i = 0; i < n; i++)
		if ((unsigned char)path[i] < 0x20 || path[i] == 0x7f)
			return false;
	return n > 0 && n < PATH_MAX;
}

int mo_exe_allowed(const char *path, const char *dirs, char **resolved, char **why)
{
	char *full, *real;
	int err;

	*resolved = NULL;
	if (!good_text(path))
		return refuse(-EINVAL, why, mo_strdup("that is no path of a program"));
	full = mo_start_resolve(path);
	real = realpath(full, NULL);
	if (real)
		err = check_resolved(real, dirs, why);
	else
		err = not_there(full, dirs, errno, why);
	free(full);
	if (!err)
		*resolved = real;
	else
		free(real);
	return err;
}
