/* Which programs a restart that was asked over the network may start; see
 * exe_check.h.  Symbolic links are followed first, so what is judged is the file
 * that will run; and for a script its interpreter, too.  Nobody but root, this
 * process's user and the running program's owner may be able to put another program
 * there: neither by writing the file nor by replacing it or one of its directories,
 * up to the allowed one (of an interpreter: all). */
#include "web/admin/exe_check.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "gen/os/origin.h"
#include "gen/os/script.h"

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

/* ---- the allowed directory ----------------------------------------------------- */

/* dir when path is below it, else NULL; frees dir then. */
static char *keep_if_below(const char *path, char *dir)
{
	if (dir && is_below(path, dir))
		return dir;
	free(dir);
	return NULL;
}

/* Is it the running program: as the kernel knows it, or where its path as started
 * leads now (a release's link may have been switched)? */
static bool is_own(const char *path)
{
	char own[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", own, sizeof(own) - 1);
	const char *started = mo_origin_get()->exe;
	char *now = started ? realpath(started, NULL) : NULL;
	bool is = (now && !strcmp(now, path)) || (started && !strcmp(started, path));

	free(now);
	if (!is && n > 0) {
		own[n] = '\0';
		is = !strcmp(own, path);
	}
	return is;
}

/* The allowed directory that path is below; malloc'd, or NULL. */
static char *allowed_dir(const char *path, const char *dirs)
{
	molt_str rest = mo_str(dirs);
	char *found = NULL;

	if (!dirs)
		return is_own(path) ? real_parent(path) : NULL;
	while (!found && rest.ptr) {
		molt_str one = mo_str_split(&rest, ':');
		char *text, *full;

		if (!one.len)
			continue;
		text = mo_strndup(one.ptr, one.len);
		full = mo_origin_resolve(text);
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

/* Is its owner the only member? */
static bool group_of_one(const struct stat *st)
{
	size_t room = 16384;
	char *buf = mo_malloc(2 * room);
	struct group g, *group = NULL;
	struct passwd p, *owner = NULL;
	bool one = true;

	if (getgrgid_r(st->st_gid, &g, buf, room, &group) != 0)
		one = false;
	else if (group && group->gr_mem[0])
		one = !group->gr_mem[1] &&
		      getpwuid_r(st->st_uid, &p, buf + room, room, &owner) == 0 && owner &&
		      !strcmp(owner->pw_name, group->gr_mem[0]);
	free(buf);
	return one;
}

/* May others than the owner write, by the mode?  Many systems give each user a group
 * of the same number and leave files writable by it; that group is nobody else.  With
 * an access list the group's bits stand for everybody in it. */
static bool others_may_write(const char *path, const struct stat *st)
{
	if (st->st_mode & S_IWOTH)
		return true;
	if (!(st->st_mode & S_IWGRP))
		return false;
	return st->st_uid == 0 || (gid_t)st->st_uid != st->st_gid || !group_of_one(st) ||
	       getxattr(path, "system.posix_acl_access", NULL, 0) > 0;
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
	if (others_may_write(path, &st))
		return refuse(-EPERM, why, mo_fmt("%s may be written by others", path));
	if (!(st.st_mode & (S_IXUSR | S_IXGRP | S_IXOTH)) || eaccess(path, X_OK))
		return refuse(-EACCES, why, mo_fmt("%s is not executable", path));
	return 0;
}

/* In a sticky directory others may add files but not replace this one; its owner may. */
static bool others_may_replace(const char *dir, const struct stat *st)
{
	if (!ours(st->st_uid))
		return true;
	return !(st->st_mode & S_ISVTX) && others_may_write(dir, st);
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
		else if (others_may_replace(dir, &st))
			err = refuse(-EPERM, why,
				     mo_fmt("others may replace files in the directory %s", dir));
	} while (!err && strcmp(dir, top) != 0 && strcmp(dir, "/") != 0);
	free(dir);
	return err;
}

static int not_below(const char *path, const char *dirs, char **why)
{
	return refuse(-EPERM, why,
		      dirs ? mo_fmt("%s is not below an allowed directory (exeDirs)", path)
			   : mo_fmt("%s is not the running program's own path; list its directory "
				    "in exeDirs to allow it",
				    path));
}

/* A path that leads to no file: say so only below the allowed directories. */
static int not_there(const char *full, const char *dirs, int err, char **why)
{
	char *parent = real_parent(full);
	char *dir = parent && dirs ? allowed_dir(parent, dirs) : NULL;
	bool below = dir != NULL || (!dirs && is_own(full));

	free(parent);
	free(dir);
	if (!below)
		return not_below(full, dirs, why);
	return refuse(err == EACCES ? -EACCES : -ENOENT, why,
		      mo_fmt("%s: %s", full, strerror(err)));
}

/* Of a script, and of an interpreter that is a script itself. */
static int check_interpreters(const char *script, char **why)
{
	char *path = mo_strdup(script), *real = NULL;
	int err = 0;

	for (int level = 0; !err && path && level < MO_SCRIPT_LEVELS; level++) {
		int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
		char *next = fd < 0 ? NULL : mo_script_interpreter(fd);

		if (fd >= 0)
			close(fd);
		free(path);
		path = next;
		if (!path)
			break;
		real = realpath(path, NULL);
		err = real ? check_file(real, why)
			   : refuse(-ENOEXEC, why,
				    mo_fmt("%s: its interpreter %s: %s", script, path,
					   strerror(errno)));
		if (!err)
			err = check_dirs(real, "/", why);
		free(real);
	}
	free(path);
	return err;
}

static int check_resolved(const char *real, const char *given, const char *dirs, char **why)
{
	char *top = allowed_dir(real, dirs);
	int err;

	/* Where a link leads is nobody's business whose file may not be started. */
	if (!top)
		return not_below(given, dirs, why);
	err = check_file(real, why);
	if (!err)
		err = check_dirs(real, top, why);
	if (!err)
		err = check_interpreters(real, why);
	free(top);
	return err;
}

/* It comes in JSON and goes into receipts. */
static const char *bad_text(const char *path)
{
	size_t n = path ? strlen(path) : 0;

	for (size_t i = 0; i < n; i++)
		if ((unsigned char)path[i] < 0x20 || path[i] == 0x7f)
			return "that is no path of a program: it has control characters";
	if (n == 0 || n >= PATH_MAX)
		return "that is no path of a program";
	return mo_str_is_utf8(mo_strn(path, n)) ? NULL
						: "the path of a program must be UTF-8 text here; "
						  "rename it";
}

int mo_exe_allowed(const char *path, const char *dirs, char **resolved, char **why)
{
	const char *bad = bad_text(path);
	char *full, *real;
	int err;

	*resolved = NULL;
	if (bad)
		return refuse(-EINVAL, why, mo_strdup(bad));
	full = mo_origin_resolve(path);
	real = realpath(full, NULL);
	if (real)
		err = check_resolved(real, full, dirs, why);
	else
		err = not_there(full, dirs, errno, why);
	free(full);
	if (!err)
		*resolved = real;
	else
		free(real);
	return err;
}
