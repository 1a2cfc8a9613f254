/* Pure parts of serving directories, for static.c and its tests. */
#ifndef MO_WEB_FILES_STATIC_H
#define MO_WEB_FILES_STATIC_H

#include "base/buf.h"

/* The status for a file that could not be opened.  What must not be served and
 * what is not there look the same. */
int mo_static_status(int err);

/* Location of a directory asked for without its last '/': path (decoded) with
 * it, and the query as received.  Begins with exactly one '/', so that it never
 * names another host. */
void mo_static_location(mo_buf *out, molt_str path, molt_str query);

#endif
