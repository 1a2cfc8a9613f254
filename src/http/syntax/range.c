/* Byte ranges and entity tags; see range.h.
 *
 * Called by web/files/file.c with fields of the request.  Every number is held at
 * UINT64_MAX instead of overflowing, and every end is brought below the size, so
 * that no sum or difference made of a result can overflow. */
#include "http/syntax/range.h"

#include <string.h>

#include "base/str.h"

enum spec_kind { SPEC_BAD, SPEC_BEYOND, SPEC_WHOLE, SPEC_OK };

/* Digits only; too large a number becomes UINT64_MAX. */
static bool read_position(molt_str s, uint64_t *out)
{
	if (s.len == 0)
		return false;
	for (size_t i = 0; i < s.len; i++)
		if (!mo_is_digit(s.ptr[i]))
			return false;
	if (!mo_str_u64(s, UINT64_MAX, out))
		*out = UINT64_MAX;
	return true;
}

/* "-50": the last 50 bytes.  Of an empty representation that is all of it. */
static enum spec_kind read_suffix(molt_str digits, uint64_t size, mo_range *out)
{
	uint64_t n;

	if (!read_position(digits, &n))
		return SPEC_BAD;
	if (n == 0)
		return SPEC_BEYOND;
	if (size == 0)
		return SPEC_WHOLE;
	*out = (mo_range){ .first = n < size ? size - n : 0, .last = size - 1 };
	return SPEC_OK;
}

static enum spec_kind read_spec(molt_str spec, uint64_t size, mo_range *out)
{
	uint64_t first, last = UINT64_MAX;
	molt_str end = spec, start = mo_str_split(&end, '-');

	if (!end.ptr)
		return SPEC_BAD;
	if (start.len == 0)
		return read_suffix(end, size, out);
	if (!read_position(start, &first))
		return SPEC_BAD;
	if (end.len && (!read_position(end, &last) || last < first))
		return SPEC_BAD;
	if (first >= size)
		return SPEC_BEYOND;
	*out = (mo_range){ .first = first, .last = last < size ? last : size - 1 };
	return SPEC_OK;
}

/* Overlapping, or the one begins where the other ends. */
static bool touches(const mo_range *a, const mo_range *b)
{
	uint64_t gap = a->first > b->last   ? a->first - b->last
		       : b->first > a->last ? b->first - a->last
					    : 0;

	return gap <= 1;
}

/* Adds one range and unites it with those that it touches; the place of the
 * earliest of them is kept.  Returns the new count, at most n + 1. */
static int add_range(mo_range *set, int n, mo_range one)
{
	int kept = 0, place = -1;

	for (int i = 0; i < n; i++) {
		if (!touches(&set[i], &one)) {
			set[kept++] = set[i];
			continue;
		}
		if (set[i].first < one.first)
			one.first = set[i].first;
		if (set[i].last > one.last)
			one.last = set[i].last;
		if (place < 0)
			place = kept++;
	}
	if (place < 0)
		place = kept++;
	set[place] = one;
	return kept;
}

int mo_range_parse(molt_str field, uint64_t size, mo_range *out)
{
	int n = 0, specs = 0;
	molt_str unit = mo_str_split(&field, '=');

	if (!field.ptr || !mo_str_eq_ci(unit, MO_STR("bytes")))
		return 0;
	while (field.len) {
		molt_str spec = mo_str_trim(mo_str_split(&field, ','));
		mo_range one = { 0, 0 };

		if (spec.len == 0)
			continue;
		if (++specs > MO_MAX_RANGES)
			return 0;
		switch (read_spec(spec, size, &one)) {
		case SPEC_BAD:
		case SPEC_WHOLE:
			return 0;
		case SPEC_BEYOND:
			break;
		case SPEC_OK:
			n = add_range(out, n, one);
			break;
		}
	}
	return n > 0 ? n : specs > 0 ? -1 : 0;
}

/* ---- entity tags ---- */

typedef struct etag {
	bool weak;
	molt_str opaque; /* without quotes */
} etag;

/* Takes W/"..." or "..." from the front of *s. */
static bool take_etag(molt_str *s, etag *out)
{
	const char *close;

	out->weak = mo_str_has_prefix(*s, MO_STR("W/"));
	if (out->weak)
		*s = mo_strn(s->ptr + 2, s->len - 2);
	if (s->len < 2 || s->ptr[0] != '"')
		return false;
	close = memchr(s->ptr + 1, '"', s->len - 1);
	if (!close)
		return false;
	out->opaque = mo_strn(s->ptr + 1, (size_t)(close - s->ptr) - 1);
	*s = mo_strn(close + 1, s->len - out->opaque.len - 2);
	return true;
}

/* Skips white space and commas; false when nothing is left. */
static bool skip_to_member(molt_str *s)
{
	while (s->len && (*s->ptr == ',' || *s->ptr == ' ' || *s->ptr == '\t'))
		*s = mo_strn(s->ptr + 1, s->len - 1);
	return s->len > 0;
}

bool mo_etag_listed(molt_str field, molt_str wanted, bool weak)
{
	etag ours, theirs;

	field = mo_str_trim(field);
	if (mo_str_eq(field, MO_STR("*")))
		return true;
	if (!take_etag(&wanted, &ours) || (!weak && ours.weak))
		return false;
	while (skip_to_member(&field)) {
		if (!take_etag(&field, &theirs))
			return false;
		if ((weak || !theirs.weak) && mo_str_eq(ours.opaque, theirs.opaque))
			return true;
		field = mo_str_trim(field);
		if (field.len && *field.ptr != ',')
			return false;
	}
	return false;
}
