/* The framing of a multipart form that comes in pieces; see multipart.h.
 *
 * A delimiter line is CR LF "--" boundary, blanks and CR LF, or "--" in their place; the first
 * may begin the body without CR LF.  A boundary that anything else follows was part of a longer
 * word.  No byte of the line but the CRs can begin another one, and the last CR only when no
 * LF follows, which begins none: so when bytes turn out to be no delimiter, the search goes on
 * behind them, and each byte is looked at once.
 *
 * Always: what was pushed and is neither given to the user nor dropped is in held (as far as
 * it may be a delimiter) or in head. */
#include <errno.h>

#include "base/str.h"
#include "http/syntax/multipart_internal.h"

#define MAX_HEAD 8192u

/* The next byte is compared with that one of the delimiter. */
static void match_from(mo_multipart *m, size_t matched)
{
	m->matches = true;
	m->matched = matched;
	m->padding = 0;
	m->cr = m->dash = false;
}

int mo_multipart_init(mo_multipart *m, mo_arena *a, molt_str content_type,
		      const mo_multipart_user *user, void *arg)
{
	molt_str boundary;

	*m = (mo_multipart){ .user = user, .arg = arg, .arena = a };
	if (mo_multipart_boundary(a, content_type, &boundary) < 0)
		return -EINVAL;
	m->max_padding = MO_MULTIPART_PADDING;
	memcpy(m->delimiter, "\r\n--", 4);
	memcpy(m->delimiter + 4, boundary.ptr, boundary.len);
	m->ndelimiter = 4 + boundary.len;
	match_from(m, 2); /* the first needs no CR LF */
	return 0;
}

void mo_multipart_free(mo_multipart *m)
{
	mo_buf_free(&m->head);
}

/* ---- what lies between delimiters ---- */

static int begin_part(mo_multipart *m, molt_str head)
{
	mo_part *part = mo_arena_alloc(m->arena, sizeof(*part));

	if (mo_multipart_head(m->arena, head, part) < 0)
		return -EINVAL;
	m->state = MO_MULTIPART_DATA;
	return m->user->begin(m->arg, part);
}

/* The head in place, when all of it is there; else it is gathered.  *s: what is left. */
static int take_head(mo_multipart *m, molt_str *s)
{
	size_t before = m->head.len, room = MAX_HEAD - before;
	size_t n = s->len < room ? s->len : room, from = before < 3 ? 0 : before - 3;
	const char *start = s->ptr, *end;
	int rc;

	if (before > 0) {
		mo_buf_add(&m->head, s->ptr, n);
		start = m->head.data;
	}
	end = memmem(start + from, before + n - from, "\r\n\r\n", 4);
	if (!end) {
		if (before + n == MAX_HEAD)
			return -EINVAL;
		if (before == 0)
			mo_buf_add(&m->head, s->ptr, n);
		s->len = 0;
		return 0;
	}
	rc = begin_part(m, mo_strn(start, (size_t)(end - start)));
	n = (size_t)(end - start) + 4 - before;
	*s = mo_strn(s->ptr + n, s->len - n);
	m->head.len = 0;
	return rc;
}

/* Bytes that are in no delimiter. */
static int give(mo_multipart *m, molt_str s)
{
	int rc = 0;

	if (m->state == MO_MULTIPART_PREAMBLE && s.len)
		m->preamble = true;
	if (m->state == MO_MULTIPART_HEAD && s.len)
		rc = take_head(m, &s);
	if (rc == 0 && m->state == MO_MULTIPART_DATA && s.len)
		rc = m->user->data(m->arg, s);
	return rc;
}

/* ---- delimiters ---- */

enum match { MATCH_NO, MATCH_MORE, MATCH_PART, MATCH_CLOSE, MATCH_TOO_LONG };

/* The next byte of what may be a delimiter line.  NO: it is none, and c is not in it. */
static enum match match(mo_multipart *m, char c)
{
	if (m->matched < m->ndelimiter)
		return c == m->delimiter[m->matched++] ? MATCH_MORE : MATCH_NO;
	if (m->cr)
		return c == '\n' ? MATCH_PART : MATCH_NO;
	if (m->dash)
		return c == '-' ? MATCH_CLOSE : MATCH_NO;
	m->cr = c == '\r';
	m->dash = c == '-' && m->padding == 0;
	if (m->cr || m->dash)
		return MATCH_MORE;
	if (c != ' ' && c != '\t')
		return MATCH_NO;
	return ++m->padding > m->max_padding ? MATCH_TOO_LONG : MATCH_MORE;
}

/* last: the bytes before the line. */
static int end_part(mo_multipart *m, molt_str last, bool closes)
{
	int rc = give(m, last);

	if (rc == 0 && m->state == MO_MULTIPART_HEAD)
		rc = -EINVAL; /* it has no empty line */
	if (rc == 0 && m->state == MO_MULTIPART_PREAMBLE && closes && m->preamble)
		rc = -EINVAL; /* a preamble alone is no form */
	if (rc == 0 && m->state == MO_MULTIPART_DATA) {
		rc = m->user->data(m->arg, mo_strn(last.ptr + last.len, 0));
		if (rc == 0)
			rc = m->user->end(m->arg);
	}
	if (rc == 0 && !closes && ++m->parts > MO_MAX_PARTS)
		rc = -E2BIG;
	m->state = closes ? MO_MULTIPART_EPILOGUE : MO_MULTIPART_HEAD;
	return rc;
}

/* The line that may be a delimiter, from s on, waits for what follows it. */
static int hold(mo_multipart *m, molt_str s)
{
	if (s.len > sizeof(m->held) - m->nheld)
		return -EINVAL; /* without a limit of padding only */
	memcpy(m->held + m->nheld, s.ptr, s.len);
	m->nheld += s.len;
	return 0;
}

/* Looks for the end of a delimiter line in [*at, end); *line: where the last one began that
 * was not held before.  PART, CLOSE, TOO_LONG; MORE: there is none; NO: what is held is none. */
static enum match search(mo_multipart *m, const char **at, const char *end, const char **line)
{
	while (*at < end) {
		enum match found;

		if (!m->matches) {
			const char *cr = memchr(*at, '\r', (size_t)(end - *at));

			if (!cr)
				break;
			match_from(m, 1);
			*line = cr;
			*at = cr + 1;
			continue;
		}
		found = match(m, **at);
		if (found == MATCH_MORE) {
			(*at)++;
			continue;
		}
		m->matches = false;
		if (found != MATCH_NO || m->nheld)
			return found;
	}
	return MATCH_MORE;
}

/* All of [from, end) was looked at.  From line on it may be a delimiter. */
static int keep(mo_multipart *m, const char *from, const char *line, const char *end)
{
	int rc = 0;

	if (!m->matches)
		return give(m, mo_strn(from, (size_t)(end - from)));
	if (m->nheld > 0)
		line = from;
	else
		rc = give(m, mo_strn(from, (size_t)(line - from)));
	return rc ? rc : hold(m, mo_strn(line, (size_t)(end - line)));
}

static int give_held(mo_multipart *m)
{
	size_t n = m->nheld;

	m->nheld = 0;
	return give(m, mo_strn(m->held, n));
}

/* Takes bytes up to the end of a delimiter line, or all.  *s: what is left. */
static int advance(mo_multipart *m, molt_str *s)
{
	const char *from = s->ptr, *end = from + s->len, *at = from, *line = from;
	enum match found;
	int rc = 0;

	do {
		found = search(m, &at, end, &line);
		if (found == MATCH_NO)
			rc = give_held(m);
	} while (found == MATCH_NO && rc == 0);
	*s = mo_strn(end, 0);
	if (rc)
		return rc;
	if (found == MATCH_TOO_LONG)
		return -EINVAL;
	if (found == MATCH_MORE)
		return keep(m, from, line, end);
	*s = mo_strn(at + 1, (size_t)(end - at) - 1);
	if (m->nheld > 0)
		line = from;
	m->nheld = 0;
	return end_part(m, mo_strn(from, (size_t)(line - from)), found == MATCH_CLOSE);
}

int mo_multipart_push(mo_multipart *m, const char *bytes, size_t n)
{
	molt_str s = { bytes, n };

	while (m->error == 0 && s.len && m->state != MO_MULTIPART_EPILOGUE)
		m->error = advance(m, &s);
	if (m->error)
		return m->error;
	return m->state == MO_MULTIPART_EPILOGUE;
}

int mo_multipart_finish(mo_multipart *m)
{
	if (m->error == 0 && m->state != MO_MULTIPART_EPILOGUE)
		m->error = -EINVAL;
	return m->error;
}
