/* Opening below a root; see beneath.h.
 *
 * Called by static.c and listing.c with paths that clients choose.  The kernel
 * checks every step of the resolution (openat2, RESOLVE_BENEATH), so there is no
 * time between a check and its use.
 *
 * The root is opened by its path each time, or once for requests that came together
 * (shared_root.c): a release that is switched by replacing a symbolic link
 * ("current") is served from the next request on, and no request can see half of
 * each, since it resolves below one descriptor. */
#include "web/files/beneath.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#ifdef __linux__
#include <sys/stat.h>
#include <sys/syscall.h>
#endif
#ifdef SYS_openat2
#include <linux/openat2.h>
#endif

#ifdef O_PATH
#define DIRECTORY_FLAGS (O_PATH | O_DIRECTORY | O_CLOEXEC)
#else
#define DIRECTORY_FLAGS (O_RDONLY | O_DIRECTORY | O_CLOEXEC)
#endif

#define EXTRA_FLAGS (O_CLOEXEC | O_NOCTTY)
#define MAX_TRIES 16 /* a rename that races with the resolution of ".." */

bool mo_path_has_dot(const char *path)
{
	return path[0] == '.' || strstr(path, "/.") != NULL;
}

static int open_at(int dir, const char *name, int flags)
{
	int fd;

	do
		fd = openat(dir, name, flags);
	while (fd < 0 && errno == EINTR);
	return fd < 0 ? -errno : fd;
}

/* Takes the next segment of *path to name; false when none is left. */
static bool next_segment(const char **path, char name[NAME_MAX + 1], int *err)
{
	const char *start = *path + strspn(*path, "/");
	size_t n = strcspn(start, "/");

	*err = 0;
	*path = start + n;
	if (n == 0)
		return false;
	if (n > NAME_MAX)
		*err = -ENAMETOOLONG;
	else if (n <= 2 && memcmp(start, "..", n) == 0)
		*err = -EXDEV; /* "." and ".." */
	if (*err)
		return false;
	memcpy(name, start, n);
	name[n] = '\0';
	return true;
}

int mo_walk_beneath(int root, const char *path, int flags)
{
	size_t len = strlen(path);
	char name[NAME_MAX + 1];
	int dir = root, err;

	flags |= EXTRA_FLAGS | O_NOFOLLOW;
	if (len > 0 && path[len - 1] == '/')
		flags |= O_DIRECTORY;
	if (len == 0)
		return open_at(root, ".", flags);
	while (next_segment(&path, name, &err)) {
		bool last = path[strspn(path, "/")] == '\0';
		int fd = open_at(dir, name, last ? flags : DIRECTORY_FLAGS | O_NOFOLLOW);

		if (dir != root)
			close(dir);
		if (fd < 0 || last)
			return fd;
		dir = fd;
	}
	if (dir != root)
		close(dir);
	return err ? err : -ENOENT;
}

/* The open() alone of a FIFO, a device or a socket would tell somebody, wind a tape back
 * or drive a terminal.  What is swapped behind this look is met with O_NONBLOCK. */
static bool is_special(int root, const char *path, int flags)
{
	struct stat st;

	return !(flags & (O_PATH | O_DIRECTORY)) && fstatat(root, path, &st, 0) == 0 &&
	       !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode);
}

#ifdef SYS_openat2
int mo_open_below(int root, const char *path, int flags)
{
	static _Atomic bool missing;
	struct open_how how = { .flags = (unsigned)(flags | EXTRA_FLAGS),
				.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS };
	long fd = -1;

	if (is_special(root, path, flags))
		return -ENXIO;
	if (!missing) {
		for (int i = 0; i < MAX_TRIES; i++) {
			fd = syscall(SYS_openat2, root, *path ? path : ".", &how, sizeof(how));
			if (fd >= 0 || (errno != EINTR && errno != EAGAIN))
				break;
		}
		if (fd >= 0)
			return (int)fd;
		if (errno == ENOSYS)
			missing = true;
		else if (errno != EPERM) /* which some sandboxes say instead */
			return -errno;
	}
	return mo_walk_beneath(root, path, flags);
}
#else
int mo_open_below(int root, const char *path, int flags)
{
	if (is_special(root, path, flags))
		return -ENXIO;
	return mo_walk_beneath(root, path, flags);
}
#endif

int mo_open_root(const char *root)
{
	return open_at(AT_FDCWD, root, DIRECTORY_FLAGS);
}

int mo_open_beneath(const char *root, const char *path, int flags)
{
	int dir = mo_open_root(root), fd;

	if (dir < 0)
		return dir;
	fd = mo_open_below(dir, path, flags);
	close(dir);
	return fd;
}
