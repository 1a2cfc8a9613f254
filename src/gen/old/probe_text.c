/* A self-test request as the configuration writes it; see probe.h. */
#include <string.h>

#include "base/str.h"
#include "gen/old/probe.h"

static bool is_word(molt_str s, const char *also)
{
	for (size_t i = 0; i < s.len; i++)
		if ((s.ptr[i] < 'A' || s.ptr[i] > 'Z') && !strchr(also, s.ptr[i]))
			return false;
	return s.len > 0;
}

/* What could break the request line is no path. */
static bool is_path(molt_str s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.ptr[i] <= 0x20 || s.ptr[i] >= 0x7f || s.ptr[i] == '#')
			return false;
	return s.len > 0 && s.ptr[0] == '/';
}

bool mo_probe_parse(molt_str text, mo_probe *out)
{
	molt_str rest = mo_str_trim(text);
	uint64_t status;

	out->method = mo_str_split(&rest, ' ');
	rest = mo_str_trim(rest);
	out->path = mo_str_split(&rest, ' ');
	if (!mo_str_u64(mo_str_trim(rest), 599, &status) || status < 200)
		return false;
	out->status = (int)status;
	return is_word(out->method, "-") && out->method.len <= 16 && is_path(out->path);
}
