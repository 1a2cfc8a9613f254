/* Opening files that can only lie below a given directory. */
#ifndef MO_WEB_FILES_BENEATH_H
#define MO_WEB_FILES_BENEATH_H

#include <stdbool.h>

/* Opens path, relative ("" is root itself), below the directory root with
 * open(2)'s flags; O_CLOEXEC and O_NOCTTY are added.  The descriptor, or -errno:
 * -EXDEV or -ELOOP when path leads out of root; -ENXIO for a FIFO, a device or a
 * socket, which is not opened.
 * Symbolic links are followed as long as they stay below root and are relative;
 * without openat2(2) none is followed behind root. */
int mo_open_beneath(const char *root, const char *path, int flags);

/* Its two halves: the root's descriptor, and opening below it. */
int mo_open_root(const char *root);
int mo_open_below(int root, const char *path, int flags);

/* The second half step by step without openat2(2); for systems
 * that lack it, and for tests. */
int mo_walk_beneath(int root, const char *path, int flags);

/* Does a segment of path begin with '.'? */
bool mo_path_has_dot(const char *path);

#endif
