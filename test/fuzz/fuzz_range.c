/* Ranges, entity tags and dates.  An input is a size of eight bytes and a field.
 *   - ranges lie in the file, in no two of them is the same byte, and none
 *     touches another;
 *   - a date that is read is written and read as the same one;
 *   - a tag that is listed strongly is listed weakly. */
#include "base/str.h"
#include "fuzz.h"
#include "http/syntax/range.h"

static void check_ranges(molt_str field, uint64_t size)
{
	mo_range r[MO_MAX_RANGES];
	int n = mo_range_parse(field, size, r);

	MO_CHECK(n >= -1 && n <= MO_MAX_RANGES);
	for (int i = 0; i < n; i++) {
		MO_CHECK(r[i].first <= r[i].last && r[i].last < size);
		for (int k = 0; k < i; k++)
			MO_CHECK((r[k].first > r[i].last && r[k].first - r[i].last > 1) ||
				 (r[i].first > r[k].last && r[i].first - r[k].last > 1));
	}
}

static void check_date(molt_str field)
{
	time_t t = mo_date_parse(field);
	char text[30];

	if (t == -1)
		return;
	MO_CHECK(t >= 0);
	mo_date_format(t, text);
	MO_CHECK(mo_date_parse(mo_str(text)) == t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint64_t file_size = 0;
	size_t n = size < 8 ? size : 8;
	char *copy = exact_copy(data + n, size - n);
	molt_str field = mo_strn(copy, size - n);

	for (size_t i = 0; i < n; i++)
		file_size = file_size << 8 | data[i];
	check_ranges(field, file_size);
	check_date(field);
	if (mo_etag_listed(field, MO_STR("\"a\""), false))
		MO_CHECK(mo_etag_listed(field, MO_STR("\"a\""), true));
	(void)mo_mime_type(field);
	free(copy);
	return 0;
}
