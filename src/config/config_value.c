/* Values of the configuration as text: bool, number, size, duration, level.
 * Nothing here knows keys; every function reads the whole text or refuses it. */
#include <inttypes.h>

#include "base/check.h"
#include "base/mem.h"
#include "base/str.h"
#include "config/config_keys.h"

struct unit {
	const char *name;
	int64_t factor;
};

static const struct unit size_units[] = {
	{ "b", 1 },
	{ "k", 1024 },
	{ "kb", 1024 },
	{ "kib", 1024 },
	{ "m", 1024 * 1024 },
	{ "mb", 1024 * 1024 },
	{ "mib", 1024 * 1024 },
	{ "g", 1024 * 1024 * 1024 },
	{ "gb", 1024 * 1024 * 1024 },
	{ "gib", 1024 * 1024 * 1024 },
};

static const struct unit time_units[] = {
	{ "ms", 1 },
	{ "s", 1000 },
	{ "m", 60 * 1000 },
	{ "h", 3600 * 1000 },
	{ "d", 24 * 3600 * 1000 },
};

bool mo_value_bool(molt_str s, bool *out)
{
	static const char *const yes[] = { "true", "yes", "on", "1" };
	static const char *const no[] = { "false", "no", "off", "0" };

	for (size_t i = 0; i < MO_COUNTOF(yes); i++) {
		*out = mo_str_eq_ci(s, mo_str(yes[i]));
		if (*out || mo_str_eq_ci(s, mo_str(no[i])))
			return true;
	}
	return false;
}

bool mo_value_int(molt_str s, int64_t *out)
{
	bool minus = s.len && s.ptr[0] == '-';
	uint64_t v;

	if (minus)
		s = mo_strn(s.ptr + 1, s.len - 1);
	if (!mo_str_u64(s, INT64_MAX, &v))
		return false;
	*out = minus ? -(int64_t)v : (int64_t)v;
	return true;
}

/* Takes the leading digits off s. */
static bool take_number(molt_str *s, int64_t *out)
{
	size_t n = 0;
	bool ok;

	while (n < s->len && mo_is_digit(s->ptr[n]))
		n++;
	ok = mo_value_int(mo_strn(s->ptr, n), out);
	*s = mo_strn(s->ptr + n, s->len - n);
	return ok;
}

/* Takes the leading letters off s and finds the unit that they name. */
static bool take_unit(molt_str *s, const struct unit *units, size_t count, int64_t *factor)
{
	size_t n = 0;
	molt_str name;

	while (n < s->len && mo_lower(s->ptr[n]) >= 'a' && mo_lower(s->ptr[n]) <= 'z')
		n++;
	name = mo_strn(s->ptr, n);
	*s = mo_strn(s->ptr + n, s->len - n);
	for (size_t i = 0; i < count; i++)
		if (mo_str_eq_ci(name, mo_str(units[i].name))) {
			*factor = units[i].factor;
			return true;
		}
	return false;
}

bool mo_value_size(molt_str s, int64_t *out)
{
	int64_t factor = 1;

	if (!take_number(&s, out))
		return false;
	if (s.len && (!take_unit(&s, size_units, MO_COUNTOF(size_units), &factor) || s.len))
		return false;
	return !__builtin_mul_overflow(*out, factor, out);
}

bool mo_value_duration(molt_str s, molt_time *out, bool *bare)
{
	molt_time sum = 0;
	bool first = true;

	*bare = false;
	if (mo_str_eq_ci(s, MO_STR("none"))) {
		*out = MOLT_FOREVER;
		return true;
	}
	do {
		int64_t n, factor;

		if (!take_number(&s, &n))
			return false;
		if (!s.len && first) {
			*bare = n != 0;
			*out = n;
			return true;
		}
		if (!take_unit(&s, time_units, MO_COUNTOF(time_units), &factor))
			return false;
		if (__builtin_mul_overflow(n, factor, &n) || __builtin_add_overflow(sum, n, &sum))
			return false;
		first = false;
	} while (s.len);
	*out = sum;
	return true;
}

bool mo_value_level(molt_str s, int64_t *out)
{
	/* GoFrame's words and their four letter forms come down to four levels. */
	static const struct {
		const char *name;
		enum molt_level level;
	} levels[] = {
		{ "debug", MOLT_DEBUG }, { "debu", MOLT_DEBUG },     { "all", MOLT_DEBUG },
		{ "dev", MOLT_DEBUG },   { "info", MOLT_INFO },      { "notice", MOLT_INFO },
		{ "noti", MOLT_INFO },   { "warning", MOLT_WARN },   { "warn", MOLT_WARN },
		{ "prod", MOLT_WARN },   { "error", MOLT_ERROR },    { "erro", MOLT_ERROR },
		{ "crit", MOLT_ERROR },  { "critical", MOLT_ERROR },
	};

	for (size_t i = 0; i < MO_COUNTOF(levels); i++)
		if (mo_str_eq_ci(s, mo_str(levels[i].name))) {
			*out = levels[i].level;
			return true;
		}
	return false;
}

bool mo_value_mode(molt_str s, int64_t *out)
{
	if (s.len == 4 && s.ptr[0] == '0')
		s = mo_strn(s.ptr + 1, 3);
	if (s.len != 3)
		return false;
	*out = 0;
	for (size_t i = 0; i < s.len; i++) {
		if (s.ptr[i] < '0' || s.ptr[i] > '7')
			return false;
		*out = *out * 8 + (s.ptr[i] - '0');
	}
	return true;
}

/* The largest unit that divides v; units are sorted by size. */
static char *with_unit(int64_t v, const struct unit *const *units, size_t count)
{
	for (size_t i = count; i-- > 0;)
		if (v && v % units[i]->factor == 0)
			return mo_fmt("%" PRId64 "%s", v / units[i]->factor, units[i]->name);
	return mo_fmt("%" PRId64, v);
}

char *mo_value_text(enum mo_key_type type, int64_t v)
{
	static const struct unit *const sizes[] = { &size_units[1], &size_units[4],
						    &size_units[7] };
	static const struct unit *const times[] = { &time_units[0], &time_units[1], &time_units[2],
						    &time_units[3], &time_units[4] };

	if (type == MO_KEY_DURATION && v == MOLT_FOREVER)
		return mo_strdup("none");
	if (type == MO_KEY_DURATION)
		return with_unit(v, times, MO_COUNTOF(times));
	if (type == MO_KEY_SIZE)
		return with_unit(v, sizes, MO_COUNTOF(sizes));
	if (type == MO_KEY_MODE)
		return mo_fmt("%04" PRIo64, v);
	return mo_fmt("%" PRId64, v);
}
