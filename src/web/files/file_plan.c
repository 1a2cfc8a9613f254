/* Decisions about a stored file; see file_plan.h.  Called by file.c. */
#include "web/files/file_plan.h"

#include <inttypes.h>

#include "base/digits.h"
#include "base/str.h"

/* The time of the last change, size and number: what a new version does not share. */
static void put_etag(char out[MO_ETAG_MAX], const struct stat *st)
{
	char *p = out;

	*p++ = '"';
	p = mo_put_hex(p, (uint64_t)st->st_mtim.tv_sec);
	*p++ = '.';
	p = mo_put_hex(p, (uint64_t)st->st_mtim.tv_nsec);
	*p++ = '-';
	p = mo_put_hex(p, (uint64_t)st->st_size);
	*p++ = '-';
	p = mo_put_hex(p, (uint64_t)st->st_ino);
	*p++ = '"';
	*p = '\0';
}

void mo_file_facts_from(const struct stat *st, time_t now, mo_file_facts *out)
{
	out->size = (uint64_t)st->st_size;
	out->modified = st->st_mtim.tv_sec < now ? st->st_mtim.tv_sec : now;
	put_etag(out->etag, st);
}

/* The date as it is sent: nothing before 1970 can be said. */
static time_t sent_date(const mo_file_facts *f)
{
	return f->modified < 0 ? 0 : f->modified;
}

/* 200 when the conditions hold, else 304 or 412. */
static int check_conditions(const mo_file_conditions *c, const mo_file_facts *f)
{
	molt_str etag = mo_str(f->etag);
	time_t date;

	if (c->match.ptr) {
		if (!mo_etag_listed(c->match, etag, false))
			return 412;
	} else if (c->unmodified_since.ptr) {
		date = mo_date_parse(c->unmodified_since);
		if (date != -1 && sent_date(f) > date)
			return 412;
	}
	if (c->none_match.ptr)
		return mo_etag_listed(c->none_match, etag, true) ? 304 : 200;
	if (c->modified_since.ptr) {
		date = mo_date_parse(c->modified_since);
		if (date != -1 && sent_date(f) <= date)
			return 304;
	}
	return 200;
}

/* A date names this very file only when it is the one that was sent, and when the
 * file cannot have changed again in the same second (section 8.8.2.2). */
static bool same_file(molt_str if_range, const mo_file_facts *f, time_t now)
{
	if (mo_str_has_prefix(if_range, MO_STR("\"")) || mo_str_has_prefix(if_range, MO_STR("W/")))
		return mo_etag_listed(if_range, mo_str(f->etag), false);
	return mo_date_parse(if_range) == sent_date(f) && f->modified < now;
}

void mo_file_plan_make(const mo_file_conditions *c, const mo_file_facts *f, time_t now,
		       mo_file_plan *out)
{
	int n = 0;

	out->nranges = 0;
	out->status = check_conditions(c, f);
	if (out->status != 200 || c->head || !c->range.ptr)
		return;
	if (c->if_range.ptr && !same_file(c->if_range, f, now))
		return;
	n = mo_range_parse(c->range, f->size, out->ranges);
	if (n < 0)
		out->status = 416;
	else if (n > 0)
		out->status = 206;
	out->nranges = n > 0 ? n : 0;
}

void mo_byteranges_make(const mo_file_plan *p, uint64_t size, const char *type,
			const char *boundary, mo_byteranges *out)
{
	*out = (mo_byteranges){ .total = 0 };
	for (int i = 0; i < p->nranges; i++) {
		const mo_range *range = &p->ranges[i];

		out->start[i] = out->text.len;
		mo_buf_fmt(&out->text,
			   "%s--%s\r\nContent-Type: %s\r\n"
			   "Content-Range: bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64 "\r\n\r\n",
			   i ? "\r\n" : "", boundary, type, range->first, range->last, size);
		out->total += range->last - range->first + 1;
	}
	out->start[p->nranges] = out->text.len;
	mo_buf_fmt(&out->text, "\r\n--%s--\r\n", boundary);
	out->total += out->text.len;
}
