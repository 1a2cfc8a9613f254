/* molt_static(): the files below a directory at a prefix.
 *
 *   path leads to            answer
 *   a dot file (but not the
 *   site's /.well-known/),
 *   outside                  404
 *   a regular file           the file (file.c)
 *   a directory without '/'  301 to the same with '/'
 *   a directory              its first index file; else a listing, or 403
 *   anything else            404 (FIFOs, sockets, devices are never read)
 *
 * Files are opened and looked at on the loop (see file.c for why), and the watchdog is
 * told that the library does; a listing reads
 * a whole directory and is made on a pool thread. */
#include "web/files/static.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/sized.h"
#include "base/str.h"
#include "rt/loop.h"
#include "rt/pool.h"
#include "web/core/request.h"
#include "web/files/beneath.h"
#include "web/files/file.h"
#include "web/files/listing.h"
#include "web/files/shared_root.h"

#define DEFAULT_INDEX "index.html,index.htm"
#define MAX_INDEX 16

/* One call of molt_static(); in the arena of the groups, never changed. */
typedef struct static_root {
	const char *dir; /* absolute */
	const char *index[MAX_INDEX];
	unsigned nindex;
	bool list;
	molt_time max_age;
} static_root;

int mo_static_status(int err)
{
	switch (err) {
	case -EMFILE:
	case -ENFILE:
	case -ENOMEM:
	case -EAGAIN: /* a lease is held, or renames went on and on */
		return 503;
	case -EIO:
		return 500;
	default:
		return 404;
	}
}

void mo_static_location(mo_buf *out, molt_str path, molt_str query)
{
	while (path.len && path.ptr[0] == '/')
		path = mo_strn(path.ptr + 1, path.len - 1);
	while (path.len && path.ptr[path.len - 1] == '/')
		path.len--;
	mo_buf_putc(out, '/');
	mo_url_encode(out, path, true);
	if (path.len)
		mo_buf_putc(out, '/');
	if (query.len) {
		mo_buf_putc(out, '?');
		mo_buf_str(out, query);
	}
}

static void refuse(molt_req *r, const char *path, int err)
{
	mo_debug("static file %s: %s", path, molt_strerror(err));
	molt_res_error(r, mo_static_status(err), NULL);
}

/* Middleware may just have switched what is below the root, for this very request. */
static bool may_share(const molt_req *r)
{
	return mo_web_of(r)->group->chain[MO_STAGE_HANDLER].n == 0;
}

/* Opens path and tells what it is; -errno. */
static int open_file(molt_req *r, const static_root *root, const char *path, struct stat *st)
{
	int fd, err = 0;

	mo_loop_inside("opens a file");
	fd = may_share(r) ? mo_open_beneath_shared(root->dir, path, MO_FILE_FLAGS)
			  : mo_open_beneath(root->dir, path, MO_FILE_FLAGS);
	if (fd >= 0 && fstat(fd, st) < 0)
		err = -errno;
	mo_loop_inside(NULL);
	if (err == 0)
		return fd;
	close(fd);
	return err;
}

/* ---- directories ---- */

static void redirect_to_slash(molt_req *r, molt_str path)
{
	mo_buf b = { 0 };

	mo_static_location(&b, path, r->query);
	molt_res_redirect(r, 301, mo_buf_cstr(&b));
	mo_buf_free(&b);
}

/* Answers with the first index file of the directory path; false: it has none. */
static bool answer_index(molt_req *r, const static_root *root, const char *path)
{
	for (unsigned i = 0; i < root->nindex; i++) {
		char *name = molt_fmt(r, "%s%s", path, root->index[i]);
		struct stat st;
		int fd = open_file(r, root, name, &st);

		if (fd == -ENOENT)
			continue;
		if (fd < 0) {
			refuse(r, name, fd);
			return true;
		}
		if (S_ISREG(st.st_mode))
			mo_file_answer(r, fd, &st, name, root->max_age);
		close(fd);
		if (S_ISREG(st.st_mode))
			return true;
	}
	return false;
}

typedef struct listing {
	const char *root, *path, *url;
	mo_buf page;
	int rc;
} listing;

static void make_listing(void *arg)
{
	listing *l = arg;
	mo_entries e;

	l->rc = mo_entries_read(l->root, l->path, &e);
	if (l->rc == 0)
		mo_entries_page(&e, l->url, *l->path != '\0', &l->page);
	mo_entries_free(&e);
}

static void answer_listing(molt_req *r, const static_root *root, const char *path)
{
	listing l = { .root = root->dir, .path = path, .url = molt_req_path(r) };
	int rc = mo_pool_run(make_listing, &l);

	if (rc < 0 || l.rc < 0) {
		refuse(r, path, rc < 0 ? rc : l.rc);
	} else {
		molt_res_header(r, "Content-Type", "text/html; charset=utf-8");
		molt_res_write(r, l.page.data, l.page.len);
	}
	mo_buf_free(&l.page);
}

/* path: "" or ends with '/'. */
static void answer_directory(molt_req *r, const static_root *root, const char *path)
{
	if (answer_index(r, root, path))
		return;
	if (root->list)
		answer_listing(r, root, path);
	else
		molt_res_error(r, 403, NULL);
}

/* ---- the handler ---- */

/* Dot files; but not /.well-known/ of the whole site (RFC 8615 section 3), whose
 * dot says no more than that it is not the site's own name. */
static bool is_hidden(molt_str url, const char *path)
{
	const molt_str known = MO_STR(".well-known");
	size_t n = strlen(path);

	if (url.len == n + 1 && !strncmp(path, known.ptr, known.len) &&
	    (path[known.len] == '/' || path[known.len] == '\0'))
		path += known.len;
	return mo_path_has_dot(path);
}

static void serve(molt_req *r)
{
	const static_root *root = molt_req_arg(r);
	const char *path = molt_req_param(r, "path");
	molt_str url = mo_str(molt_req_path(r));
	struct stat st;
	int fd;

	/* No file has a slash in its name. */
	if (is_hidden(url, path) || mo_req_has_kept_slash(r)) {
		molt_res_error(r, 404, NULL);
		return;
	}
	fd = open_file(r, root, path, &st);
	if (fd < 0) {
		refuse(r, path, fd);
		return;
	}
	if (S_ISREG(st.st_mode))
		mo_file_answer(r, fd, &st, path, root->max_age);
	close(fd);
	if (S_ISDIR(st.st_mode)) {
		if (mo_str_has_suffix(url, MO_STR("/")))
			answer_directory(r, root, path);
		else
			redirect_to_slash(r, url);
	} else if (!S_ISREG(st.st_mode)) {
		molt_res_error(r, 404, NULL);
	}
}

/* ---- binding ---- */

/* dir as an absolute path; symbolic links in it are kept. */
static const char *absolute(mo_arena *a, const char *dir)
{
	char cwd[PATH_MAX];

	if (dir[0] == '/' || !getcwd(cwd, sizeof(cwd)))
		return mo_arena_strndup(a, dir, strlen(dir));
	return mo_arena_fmt(a, "%s/%s", cwd, dir);
}

static int read_index(mo_arena *a, const char *list, static_root *root)
{
	molt_str rest = mo_str(list);

	while (rest.ptr) {
		molt_str name = mo_str_trim(mo_str_split(&rest, ','));

		if (name.len == 0)
			continue;
		if (memchr(name.ptr, '/', name.len) || root->nindex == MAX_INDEX)
			return -EINVAL;
		root->index[root->nindex++] = mo_arena_strndup(a, name.ptr, name.len);
	}
	return 0;
}

static int check_directory(const char *dir)
{
	struct stat st;

	if (stat(dir, &st) < 0)
		return -errno;
	return S_ISDIR(st.st_mode) ? 0 : -ENOTDIR;
}

/* Checks the arguments, o into known; remembers the first that is wrong. */
static int check_arguments(molt_group *g, const char *prefix, const char *dir,
			   const molt_static_opts *o, molt_static_opts *known)
{
	molt_server *s;
	char *why = NULL;
	int rc;

	if (!g)
		return -EINVAL;
	MO_MAGIC_OK(g, MO_GROUP_MAGIC);
	s = g->server;
	if (!prefix || prefix[0] != '/')
		return mo_server_fail(s, -EINVAL,
				      "molt_static: prefix \"%s\" does not begin with '/'",
				      prefix ? prefix : "");
	if (!dir || !*dir)
		return mo_server_fail(s, -EINVAL, "molt_static: no directory for %s", prefix);
	rc = check_directory(dir);
	if (rc < 0)
		return mo_server_fail(s, rc, "molt_static: directory %s: %s", dir,
				      molt_strerror(rc));
	rc = MO_SIZED_IN(molt_static_opts, known, o, &why);
	if (rc < 0)
		return mo_server_fail_why(s, rc, why);
	if (known->max_age < 0)
		return mo_server_fail(s, -EINVAL, "molt_static: max_age of %s is negative", prefix);
	return 0;
}

int molt_static(molt_group *g, const char *prefix, const char *dir, const molt_static_opts *o)
{
	molt_static_opts known;
	int rc = check_arguments(g, prefix, dir, o, &known);
	static_root *root;
	char *pattern;
	size_t n;

	if (rc < 0)
		return rc;
	root = mo_arena_zalloc(mo_group_arena(g), sizeof(*root));
	root->dir = absolute(mo_group_arena(g), dir);
	root->list = known.list;
	root->max_age = known.max_age;
	if (read_index(mo_group_arena(g), known.index ? known.index : DEFAULT_INDEX, root) < 0)
		return mo_server_fail(g->server, -EINVAL,
				      "molt_static: index \"%s\" has a '/' or over %d names",
				      known.index, MAX_INDEX);
	n = strlen(prefix);
	while (n > 0 && prefix[n - 1] == '/')
		n--;
	pattern = mo_fmt("GET %.*s/{path...}", (int)n, prefix);
	rc = molt_bind(g, pattern, serve, root);
	free(pattern);
	return rc;
}
