/* Directories that requests of the same moment share. */
#ifndef MO_WEB_FILES_SHARED_ROOT_H
#define MO_WEB_FILES_SHARED_ROOT_H

/* As mo_open_beneath(), with root looked up once for all requests of a moment (see
 * rt/loop.h).  root: its address is its name, it outlives the turn. */
int mo_open_beneath_shared(const char *root, const char *path, int flags);

#endif
