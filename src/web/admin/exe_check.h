/* Which programs a restart that was asked over the network may start. */
#ifndef MO_WEB_ADMIN_EXE_CHECK_H
#define MO_WEB_ADMIN_EXE_CHECK_H

/* path: absolute or relative to the directory of the start.  dirs: ':' between
 * them; NULL: only the running program's own path.  Reads files, asks for groups:
 * on a thread that may wait.  0 with *resolved, the real path (malloc'd); else *why
 * is a malloc'd sentence:
 *   -EINVAL  no path at all: empty, too long, control characters, no UTF-8
 *   -EPERM   not below an allowed directory, or others may write it
 *   -ENOENT  not there
 *   -ENOEXEC its interpreter is not there
 *   -EACCES  not a regular file, or not executable */
int mo_exe_allowed(const char *path, const char *dirs, char **resolved, char **why);

#endif
