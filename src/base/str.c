/* Slices of text; see str.h. */
#include "base/str.h"

#include "base/check.h"

bool mo_str_eq_ci(molt_str a, molt_str b)
{
	if (a.len != b.len)
		return false;
	/* Mostly they are the same in every letter, or the very same text. */
	if (a.ptr == b.ptr || mo_str_eq(a, b))
		return true;
	for (size_t i = 0; i < a.len; i++)
		if (mo_lower(a.ptr[i]) != mo_lower(b.ptr[i]))
			return false;
	return true;
}

bool mo_str_has_prefix(molt_str s, molt_str prefix)
{
	return s.len >= prefix.len && mo_str_eq(mo_strn(s.ptr, prefix.len), prefix);
}

bool mo_str_has_suffix(molt_str s, molt_str suffix)
{
	if (suffix.len == 0)
		return true;
	return s.len >= suffix.len &&
	       mo_str_eq(mo_strn(s.ptr + (s.len - suffix.len), suffix.len), suffix);
}

molt_str mo_str_trim(molt_str s)
{
	while (s.len && (s.ptr[0] == ' ' || s.ptr[0] == '\t')) {
		s.ptr++;
		s.len--;
	}
	while (s.len && (s.ptr[s.len - 1] == ' ' || s.ptr[s.len - 1] == '\t'))
		s.len--;
	return s;
}

molt_str mo_str_split(molt_str *rest, char sep)
{
	molt_str all = *rest;
	const char *at = all.len ? memchr(all.ptr, sep, all.len) : NULL;
	molt_str head = all;

	if (!at) {
		*rest = (molt_str){ NULL, 0 };
		return all;
	}
	head.len = (size_t)(at - all.ptr);
	*rest = (molt_str){ at + 1, all.len - head.len - 1 };
	return head;
}

bool mo_str_u64(molt_str s, uint64_t max, uint64_t *out)
{
	uint64_t v = 0;

	if (s.len == 0)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		uint64_t d;

		if (!mo_is_digit(s.ptr[i]))
			return false;
		d = (uint64_t)(s.ptr[i] - '0');
		if (d > max || v > (max - d) / 10)
			return false;
		v = v * 10 + d;
	}
	*out = v;
	return true;
}

int mo_hex_digit(char c)
{
	if (mo_is_digit(c))
		return c - '0';
	c = mo_lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* How many bytes follow the first one, and what the second one may be; -1: no
 * sequence begins so. */
static int utf8_follow(uint8_t first, uint8_t *least, uint8_t *most)
{
	*least = 0x80;
	*most = 0xbf;
	if (first < 0x80)
		return 0;
	if (first >= 0xc2 && first <= 0xdf)
		return 1;
	if (first >= 0xe0 && first <= 0xef) {
		if (first == 0xe0)
			*least = 0xa0;
		if (first == 0xed)
			*most = 0x9f;
		return 2;
	}
	if (first < 0xf0 || first > 0xf4)
		return -1;
	if (first == 0xf0)
		*least = 0x90;
	if (first == 0xf4)
		*most = 0x8f;
	return 3;
}

bool mo_str_is_utf8(molt_str s)
{
	const uint8_t *p = (const uint8_t *)(s.len ? s.ptr : ""), *end = p + s.len;

	while (p < end) {
		uint8_t least, most;
		int n = utf8_follow(*p++, &least, &most);

		if (n < 0 || n > end - p)
			return false;
		for (; n > 0; n--, p++) {
			if (*p < least || *p > most)
				return false;
			least = 0x80;
			most = 0xbf;
		}
	}
	return true;
}

static bool drives_terminals(const uint8_t *p, size_t n)
{
	if (n == 1)
		return p[0] < 0x20 || p[0] == 0x7f;
	if (n == 2)
		return p[0] == 0xc2 && p[1] < 0xa0;
	if (n != 3 || p[0] != 0xe2)
		return false;
	return p[1] == 0x80 ? (p[2] >= 0xa8 && p[2] <= 0xae) || p[2] == 0x8e || p[2] == 0x8f
			    : p[1] == 0x81 && p[2] >= 0xa6 && p[2] <= 0xa9;
}

size_t mo_str_visible(molt_str s)
{
	const uint8_t *p = (const uint8_t *)s.ptr;
	uint8_t least, most;
	int n = s.len ? utf8_follow(*p, &least, &most) : -1;

	if (n < 0 || (size_t)n >= s.len || !mo_str_is_utf8(mo_strn(s.ptr, (size_t)n + 1)))
		return 0;
	return drives_terminals(p, (size_t)n + 1) ? 0 : (size_t)n + 1;
}

static bool is_same(char a, char b, bool any_case)
{
	return any_case ? mo_lower(a) == mo_lower(b) : a == b;
}

/* A row of the usual table at a time: of a's first i bytes, and of each beginning of b. */
unsigned mo_str_distance(molt_str a, molt_str b, bool any_case)
{
	unsigned row[MO_STR_NEAR_MAX + 1];

	MO_CHECK(b.len <= MO_STR_NEAR_MAX);
	for (unsigned j = 0; j <= b.len; j++)
		row[j] = j;
	for (size_t i = 0; i < a.len; i++) {
		unsigned corner = row[0]++;

		for (size_t j = 0; j < b.len; j++) {
			unsigned best = corner + !is_same(a.ptr[i], b.ptr[j], any_case);

			corner = row[j + 1];
			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (corner + 1 < best)
				best = corner + 1;
			row[j + 1] = best;
		}
	}
	return row[b.len];
}

const char *molt_strerror(int err)
{
	return strerror(err < 0 ? -err : err);
}
