/* Answering with a file; see file.h, and file_plan.h for the decisions.
 *
 * Called by static.c and, through molt_res_file(), by programs.  Opening, fstat()
 * and small reads are done directly on the loop: names and small files that are
 * served often lie in the kernel's caches, where this costs a microsecond, less
 * than the way to a pool thread and back.  Bytes of larger files go by sendfile().
 * Bytes that are in no cache are fetched by a pool thread first (rt/disk.h).
 *
 * Bytes go through the answer's stages (http/conn/out_chain.h): with none, large files
 * leave by sendfile(); with one that takes part, they are read.
 *
 * Always: the body has the length that fstat() gave, or the connection is cut;
 * the file is never mapped, so that a file which shrinks can raise no SIGBUS. */
#include "web/files/file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/str.h"
#include "http/conn/out_chain.h"
#include "rt/disk.h"
#include "rt/loop.h"
#include "rt/pool.h"
#include "web/core/header.h"
#include "web/core/request.h"
#include "web/files/file_plan.h"

/* Up to this size a body is read at once and sent together with the head. */
#define SMALL 8192u

typedef struct answer {
	molt_req *r;
	int fd;
	const char *type; /* of the file; outlives the answer */
	time_t now;
	molt_time max_age;
	mo_file_facts facts;
	mo_file_plan plan;
	char content_range[96]; /* of 206 with one range; "" */
	int rc;
} answer;

/* ---- the request's part ---- */

static molt_str header(const molt_req *r, const char *name)
{
	return mo_str(molt_req_header(r, name));
}

/* Are there any of the fields of read_conditions()?  Most requests have none. */
static bool has_conditions(const molt_req *r)
{
	for (size_t i = 0; i < r->nfields; i++) {
		switch (r->fields[i].id) {
		case MO_F_RANGE:
		case MO_F_IF_RANGE:
		case MO_F_IF_MATCH:
		case MO_F_IF_NONE_MATCH:
		case MO_F_IF_MODIFIED_SINCE:
		case MO_F_IF_UNMODIFIED_SINCE:
			return true;
		default:
			break;
		}
	}
	return false;
}

static void make_plan(answer *a)
{
	molt_req *r = a->r;
	bool head = mo_str_eq(r->method, MO_STR("HEAD"));
	bool reads = head || mo_str_eq(r->method, MO_STR("GET"));
	mo_file_conditions c;

	a->plan = (mo_file_plan){ .status = 200 };
	if (r->status != 200 || !reads || !has_conditions(r))
		return;
	c = (mo_file_conditions){ .match = header(r, "If-Match"),
				  .none_match = header(r, "If-None-Match"),
				  .modified_since = header(r, "If-Modified-Since"),
				  .unmodified_since = header(r, "If-Unmodified-Since"),
				  .if_range = header(r, "If-Range"),
				  .range = header(r, "Range"),
				  .head = head };
	mo_file_plan_make(&c, &a->facts, a->now, &a->plan);
}

/* ---- the head ---- */

/* A field whose name is for ever and whose value is not. */
static void set(molt_req *r, molt_str name, molt_str value)
{
	value.ptr = mo_arena_strndup(&r->arena, value.ptr, value.len);
	mo_res_set_kept(r, name, value);
}

static void set_validators(const answer *a)
{
	char date[30], cache[48];

	mo_date_format(a->facts.modified, date);
	set(a->r, MO_STR("ETag"), mo_str(a->facts.etag));
	set(a->r, MO_STR("Last-Modified"), mo_strn(date, sizeof(date) - 1));
	if (a->max_age > 0 && !mo_res_get(a->r, "Cache-Control")) {
		snprintf(cache, sizeof(cache), "max-age=%" PRId64, a->max_age / MOLT_SECOND);
		mo_res_set(a->r, "Cache-Control", cache);
	}
}

static void set_head(const answer *a, const char *type)
{
	set_validators(a);
	if (a->plan.status == 206)
		a->r->status = 206;
	if (type == a->type)
		mo_res_set_type(a->r, mo_str(type));
	else
		mo_res_set(a->r, "Content-Type", type);
	mo_res_set_kept(a->r, MO_STR("Accept-Ranges"), MO_STR("bytes"));
	if (a->content_range[0])
		mo_res_set(a->r, "Content-Range", a->content_range);
}

/* ---- the body ---- */

/* Appends n bytes of the file at off to out.  -EIO when they are not there. */
static int read_all(int fd, uint64_t off, uint64_t n, mo_buf *out)
{
	mo_buf_reserve(out, n);
	while (n > 0) {
		ssize_t got = mo_disk_read(fd, out->data + out->len, n, (off_t)off);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return -EIO;
		out->len += (size_t)got;
		off += (uint64_t)got;
		n -= (uint64_t)got;
	}
	return 0;
}

/* The file shrank, or the disk failed, before anything was sent. */
static void refuse_unreadable(const answer *a)
{
	a->r->out.len = 0;
	molt_res_error(a->r, 500, NULL);
}

/* One piece: the whole file or one range. */
static void answer_piece(answer *a, uint64_t first, uint64_t n)
{
	molt_req *r = a->r;

	if (n <= SMALL) {
		if (read_all(a->fd, first, n, &r->out) < 0)
			refuse_unreadable(a);
		else
			set_head(a, a->type);
		return;
	}
	set_head(a, a->type);
	r->res_length = (int64_t)n;
	a->rc = mo_out_file(r, a->fd, (off_t)first, (size_t)n, MO_FLOW_END);
}

static void answer_range(answer *a)
{
	const mo_range *range = &a->plan.ranges[0];

	snprintf(a->content_range, sizeof(a->content_range),
		 "bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64, range->first, range->last,
		 a->facts.size);
	answer_piece(a, range->first, range->last - range->first + 1);
}

/* 128 random bits: no file can hold them by intent. */
static void make_boundary(char out[33])
{
	uint64_t random[2] = { 0 };

	MO_CHECK(getentropy(random, sizeof(random)) == 0);
	snprintf(out, 33, "%016" PRIx64 "%016" PRIx64, random[0], random[1]);
}

/* Sends the parts; their number of bytes is the total that was announced. */
static int send_parts(answer *a, const mo_byteranges *b)
{
	molt_req *r = a->r;
	int n = a->plan.nranges, rc = 0;

	r->res_length = (int64_t)b->total;
	for (int i = 0; i < n && rc == 0; i++) {
		const mo_range *range = &a->plan.ranges[i];
		size_t length = (size_t)(range->last - range->first + 1);

		rc = mo_out_send(r, b->text.data + b->start[i], b->start[i + 1] - b->start[i],
				 MO_FLOW_MORE);
		if (rc == 0)
			rc = mo_out_file(r, a->fd, (off_t)range->first, length, MO_FLOW_MORE);
	}
	if (rc == 0)
		rc = mo_out_send(r, b->text.data + b->start[n], b->text.len - b->start[n],
				 MO_FLOW_END);
	return rc;
}

static int read_parts(answer *a, const mo_byteranges *b)
{
	mo_buf *out = &a->r->out;
	int n = a->plan.nranges, rc = 0;

	for (int i = 0; i < n && rc == 0; i++) {
		const mo_range *range = &a->plan.ranges[i];

		mo_buf_add(out, b->text.data + b->start[i], b->start[i + 1] - b->start[i]);
		rc = read_all(a->fd, range->first, range->last - range->first + 1, out);
	}
	mo_buf_add(out, b->text.data + b->start[n], b->text.len - b->start[n]);
	return rc;
}

static void answer_ranges(answer *a)
{
	char boundary[33], type[96];
	mo_byteranges b;

	make_boundary(boundary);
	snprintf(type, sizeof(type), "multipart/byteranges; boundary=%s", boundary);
	mo_byteranges_make(&a->plan, a->facts.size, a->type, boundary, &b);
	if (b.total > SMALL) {
		set_head(a, type);
		a->rc = send_parts(a, &b);
	} else if (read_parts(a, &b) < 0) {
		refuse_unreadable(a);
	} else {
		set_head(a, type);
	}
	mo_buf_free(&b.text);
}

static void answer_unsatisfiable(answer *a)
{
	char value[48];

	snprintf(value, sizeof(value), "bytes */%" PRIu64, a->facts.size);
	mo_res_set(a->r, "Content-Range", value);
	molt_res_error(a->r, 416, NULL);
}

/* On the loop: everything that touches the exchange. */
static void answer_now(void *arg)
{
	answer *a = arg;
	molt_req *r = a->r;

	r->out.len = 0;
	make_plan(a);
	switch (a->plan.status) {
	case 206:
		if (a->plan.nranges == 1)
			answer_range(a);
		else
			answer_ranges(a);
		break;
	case 304:
		set_validators(a);
		r->status = 304;
		break;
	case 412:
		molt_res_error(r, 412, NULL);
		break;
	case 416:
		answer_unsatisfiable(a);
		break;
	default: /* 200, or what the program has set */
		answer_piece(a, 0, a->facts.size);
		break;
	}
}

int mo_file_answer(molt_req *r, int fd, const struct stat *st, const char *name, molt_time max_age)
{
	answer a = { .r = r, .fd = fd, .max_age = max_age };
	mo_web *web = mo_web_of(r);

	if (web->failed)
		return web->failed;
	if (r->head_sent)
		return -EALREADY;
	web->error_page = false;
	a.type = mo_res_get(r, "Content-Type");
	if (!a.type)
		a.type = mo_mime_type(mo_str(name));
	a.now = (time_t)(mo_wall() / MOLT_SECOND);
	mo_file_facts_from(st, a.now, &a.facts);
	if (mo_on_pool_thread()) /* where it may wait, and the loop need not */
		mo_disk_fetch(fd, 0,
			      a.facts.size < MO_DISK_WINDOW ? (size_t)a.facts.size
							    : MO_DISK_WINDOW);
	mo_on_loop(answer_now, &a);
	if (a.rc < 0)
		web->failed = a.rc;
	return a.rc;
}

/* ---- the public function ---- */

static int check_kind(const struct stat *st)
{
	if (S_ISDIR(st->st_mode))
		return -EISDIR;
	return S_ISREG(st->st_mode) ? 0 : -EACCES;
}

/* A descriptor, or -errno. */
static int open_regular(const char *path, struct stat *st)
{
	int rc = stat(path, st) < 0 ? -errno : check_kind(st); /* opening may have effects */
	int fd;

	if (rc < 0)
		return rc;
	fd = open(path, MO_FILE_FLAGS | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return -errno;
	rc = fstat(fd, st) < 0 ? -errno : check_kind(st);
	if (rc < 0)
		close(fd);
	return rc < 0 ? rc : fd;
}

int molt_res_file(molt_req *r, const char *path)
{
	struct stat st;
	int fd, rc;

	MO_MAGIC_OK(r, MO_REQ_MAGIC);
	mo_loop_inside("opens a file");
	fd = open_regular(path, &st);
	mo_loop_inside(NULL);
	if (fd < 0)
		return fd;
	rc = mo_file_answer(r, fd, &st, path, 0);
	close(fd);
	return rc;
}
