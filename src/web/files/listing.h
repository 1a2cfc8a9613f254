/* The page that lists a directory. */
#ifndef MO_WEB_FILES_LISTING_H
#define MO_WEB_FILES_LISTING_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "base/buf.h"

#define MO_MAX_LISTED 10000u /* entries of one page; the page says when there are more */

typedef struct mo_entry {
	char *name; /* owned */
	uint64_t size;
	time_t modified;
	bool is_dir;
} mo_entry;

typedef struct mo_entries {
	mo_entry *all;
	size_t count, cap;
	bool more; /* the limit was reached */
} mo_entries;

/* Reads the directory path below root: regular files and directories, no dot
 * files, links only when they stay below root.  Sorted: directories first, then
 * by the bytes of the names.  0 or -errno.  Blocks; uses the heap alone, so that
 * it may run on a pool thread. */
int mo_entries_read(const char *root, const char *path, mo_entries *out);
void mo_entries_sort(mo_entries *e);
void mo_entries_free(mo_entries *e);

/* Appends the page in HTML; everything is escaped.  url: decoded path of the
 * directory, with its last '/'; parent: a link to "../" is wanted. */
void mo_entries_page(const mo_entries *e, const char *url, bool parent, mo_buf *out);

#endif
