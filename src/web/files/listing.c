/* Listing a directory; see listing.h.  Called by static.c.
 *
 * A name may hold any byte but '/' and NUL, so it is escaped for HTML where it is
 * shown and for URLs where it is linked; since ':' is escaped too, no name can
 * begin a scheme. */
#include "web/files/listing.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "http/syntax/range.h"
#include "http/syntax/url.h"
#include "web/files/beneath.h"
#include "web/out/html.h"

/* ---- reading ---- */

/* A link is what it leads to, when that lies below root. */
static int stat_link(const char *root, const char *path, const char *name, struct stat *st)
{
	char *whole = mo_fmt("%s/%s", path, name);
	int fd = mo_open_beneath(root, whole + strspn(whole, "/"), O_PATH), rc = fd;

	free(whole);
	if (fd >= 0) {
		rc = fstat(fd, st) < 0 ? -errno : 0;
		close(fd);
	}
	return rc;
}

static void add_entry(mo_entries *e, const char *name, const struct stat *st)
{
	if (e->count == e->cap) {
		e->cap = e->cap ? e->cap * 2 : 64;
		e->all = mo_realloc(e->all, e->cap * sizeof(*e->all));
	}
	e->all[e->count++] = (mo_entry){ .name = mo_strdup(name),
					 .size = (uint64_t)st->st_size,
					 .modified = st->st_mtim.tv_sec,
					 .is_dir = S_ISDIR(st->st_mode) };
}

static void read_entries(DIR *dir, const char *root, const char *path, mo_entries *out)
{
	const struct dirent *d;

	while ((d = readdir(dir)) != NULL) {
		struct stat st;

		if (d->d_name[0] == '.')
			continue;
		if (fstatat(dirfd(dir), d->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		if (S_ISLNK(st.st_mode) && stat_link(root, path, d->d_name, &st) < 0)
			continue;
		if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
			continue;
		if (out->count == MO_MAX_LISTED) {
			out->more = true;
			return;
		}
		add_entry(out, d->d_name, &st);
	}
}

static int compare_entries(const void *a, const void *b)
{
	const mo_entry *x = a, *y = b;

	if (x->is_dir != y->is_dir)
		return x->is_dir ? -1 : 1;
	return strcmp(x->name, y->name);
}

void mo_entries_sort(mo_entries *e)
{
	if (e->count)
		qsort(e->all, e->count, sizeof(*e->all), compare_entries);
}

int mo_entries_read(const char *root, const char *path, mo_entries *out)
{
	int fd = mo_open_beneath(root, path, O_RDONLY | O_DIRECTORY);
	DIR *dir;

	*out = (mo_entries){ 0 };
	if (fd < 0)
		return fd;
	dir = fdopendir(fd);
	if (!dir) {
		int rc = -errno;

		close(fd);
		return rc;
	}
	read_entries(dir, root, path, out);
	closedir(dir);
	mo_entries_sort(out);
	return 0;
}

void mo_entries_free(mo_entries *e)
{
	for (size_t i = 0; i < e->count; i++)
		free(e->all[i].name);
	free(e->all);
	*e = (mo_entries){ 0 };
}

/* ---- the page ---- */

static void put_row(mo_buf *out, const mo_entry *entry)
{
	const char *slash = entry->is_dir ? "/" : "";
	char date[30];

	mo_date_format(entry->modified, date);
	mo_buf_puts(out, "<tr><td><a href=\"");
	mo_url_encode(out, mo_str(entry->name), false);
	mo_buf_fmt(out, "%s\">", slash);
	mo_html_escape(out, entry->name);
	mo_buf_fmt(out, "%s</a></td><td>", slash);
	if (!entry->is_dir)
		mo_buf_fmt(out, "%" PRIu64, entry->size);
	mo_buf_fmt(out, "</td><td>%s</td></tr>\n", date);
}

void mo_entries_page(const mo_entries *e, const char *url, bool parent, mo_buf *out)
{
	mo_buf_puts(out, "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
			 "<title>");
	mo_html_escape(out, url);
	mo_buf_puts(out, "</title>\n<style>body{font-family:sans-serif;margin:2em}"
			 "td,th{padding:.1em 1.5em .1em 0;text-align:left}"
			 "td:nth-child(2){text-align:right}</style></head>\n<body><h1>");
	mo_html_escape(out, url);
	mo_buf_puts(out, "</h1>\n<table><tr><th>Name</th><th>Bytes</th><th>Changed</th></tr>\n");
	if (parent)
		mo_buf_puts(out, "<tr><td><a href=\"../\">../</a></td><td></td><td></td></tr>\n");
	for (size_t i = 0; i < e->count; i++)
		put_row(out, &e->all[i]);
	mo_buf_puts(out, "</table>\n");
	if (e->more)
		mo_buf_fmt(out, "<p>Only %u entries are shown.</p>\n", MO_MAX_LISTED);
	mo_buf_puts(out, "</body></html>\n");
}
