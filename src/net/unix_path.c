/* The path of a listening unix socket; see unix_path.h.  Called by the listeners and
 * by the takeover's path, at set-up and at a switch. */
#include "net/unix_path.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <poll.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"

#define LOCK_TRIES 400
#define LOCK_PAUSE 5 /* ms */

/* ---- who may connect ---------------------------------------------------------- */

/* Where the C library keeps the texts of an entry; they are not looked at. */
#define ENTRY_MAX 65536

static int find_user(const char *name, uid_t *uid)
{
	char *texts = mo_malloc(ENTRY_MAX);
	struct passwd entry, *found = NULL;

	(void)getpwnam_r(name, &entry, texts, ENTRY_MAX, &found);
	if (found)
		*uid = entry.pw_uid;
	free(texts);
	return found ? 0 : -EINVAL;
}

static int find_group(const char *name, gid_t *gid)
{
	char *texts = mo_malloc(ENTRY_MAX);
	struct group entry, *found = NULL;

	(void)getgrnam_r(name, &entry, texts, ENTRY_MAX, &found);
	if (found)
		*gid = entry.gr_gid;
	free(texts);
	return found ? 0 : -EINVAL;
}

int mo_unix_access_find(int mode, const char *user, const char *group, mo_unix_access *out,
			char **why)
{
	uint64_t n;

	*out = (mo_unix_access){ .mode = (mode_t)mode, .uid = (uid_t)-1, .gid = (gid_t)-1 };
	if (user && mo_str_u64(mo_str(user), UINT32_MAX - 1, &n)) {
		out->uid = (uid_t)n;
	} else if (user && find_user(user, &out->uid) < 0) {
		*why = mo_fmt("unixUser: this system has no user \"%s\"; make it or give a number",
			      user);
		return -EINVAL;
	}
	if (group && mo_str_u64(mo_str(group), UINT32_MAX - 1, &n)) {
		out->gid = (gid_t)n;
	} else if (group && find_group(group, &out->gid) < 0) {
		*why = mo_fmt(
			"unixGroup: this system has no group \"%s\"; make it or give a number",
			group);
		return -EINVAL;
	}
	return 0;
}

static bool other_uid(const mo_unix_access *a, const struct stat *st)
{
	return a->uid != (uid_t)-1 && a->uid != st->st_uid;
}

static bool other_gid(const mo_unix_access *a, const struct stat *st)
{
	return a->gid != (gid_t)-1 && a->gid != st->st_gid;
}

/* What a failed chown says. */
static int not_given(const mo_unix_access *a, const struct stat *st, int code, char **why)
{
	if (other_uid(a, st))
		*why = mo_fmt("its file cannot be given to user %u (unixUser): %s; run as root or "
			      "leave unixUser away",
			      (unsigned)a->uid, strerror(-code));
	else
		*why = mo_fmt("its file cannot be given to group %u (unixGroup): %s; run as root, "
			      "or as a user who is in that group",
			      (unsigned)a->gid, strerror(-code));
	return code;
}

static bool may_give_away(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = { 0 };

	return syscall(SYS_capget, &head, data) == 0 && data[0].effective & (1u << CAP_CHOWN);
}

int mo_unix_access_check(const char *path, const mo_unix_access *a, char **why)
{
	struct stat st;

	if (lstat(path, &st) < 0 || (!other_uid(a, &st) && !other_gid(a, &st)) || may_give_away())
		return 0;
	if (!other_uid(a, &st) && st.st_uid == geteuid() && group_member(a->gid))
		return 0;
	return not_given(a, &st, -EPERM, why);
}

/* By the descriptor's path: fchmod() refuses a descriptor of O_PATH. */
static int set_mode(int fd, mode_t mode, char **why)
{
	char path[32];
	int code;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (chmod(path, mode) == 0)
		return 0;
	code = -errno;
	*why = mo_fmt("its file cannot get the mode %04o (unixMode): %s; %s", (unsigned)mode,
		      strerror(-code),
		      code == -ENOENT ? "mount /proc" : "only its owner and root may set a mode");
	return code;
}

/* The mode first: who has given the file away may not set the mode any more. */
static int set_all(int fd, const mo_unix_access *a, struct stat *now, char **why)
{
	int rc = 0;

	if (!S_ISSOCK(now->st_mode))
		return -ENOTSOCK;
	if ((now->st_mode & 07777) != a->mode)
		rc = set_mode(fd, a->mode, why);
	if (rc < 0 || (!other_uid(a, now) && !other_gid(a, now)))
		return rc;
	if (fchownat(fd, "", a->uid, a->gid, AT_EMPTY_PATH) < 0)
		return not_given(a, now, -errno, why);
	return 0;
}

int mo_unix_access_set(const char *path, const mo_unix_access *a, struct stat *now, char **why)
{
	int fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC), rc;

	*why = NULL;
	if (fd < 0)
		return -errno;
	rc = fstat(fd, now) < 0 ? -errno : set_all(fd, a, now, why);
	close(fd);
	return rc;
}

/* ---- who may have the path ------------------------------------------------------ */

int mo_unix_lock(const char *path)
{
	const char *slash = strrchr(path, '/');
	char *dir = mo_strndup(path, slash == path ? 1 : (size_t)(slash - path));
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	free(dir);
	for (int i = 0; fd >= 0 && i < LOCK_TRIES; i++) {
		if (flock(fd, LOCK_EX | LOCK_NB) == 0)
			return fd;
		if (errno != EWOULDBLOCK && errno != EINTR)
			break;
		poll(NULL, 0, LOCK_PAUSE);
	}
	if (fd >= 0)
		close(fd);
	return -1;
}

/* Unlocks by name: a child that is being started may still hold a duplicate. */
void mo_unix_unlock(int lock)
{
	if (lock < 0)
		return;
	flock(lock, LOCK_UN);
	close(lock);
}

int mo_unix_listen(int fd, const struct sockaddr_un *a, socklen_t len, int backlog,
		   const mo_unix_access *access, struct stat *now, char **why)
{
	int rc;

	*why = NULL;
	/* The file gets the mode of the descriptor less the umask: never more than that. */
	if (fchmod(fd, access->mode) < 0 || bind(fd, (const struct sockaddr *)a, len) < 0)
		return -errno;
	rc = mo_unix_access_set(a->sun_path, access, now, why);
	if (rc == 0 && listen(fd, backlog) < 0)
		rc = -errno;
	if (rc < 0)
		unlink(a->sun_path);
	return rc;
}
