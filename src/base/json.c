/* JSON from outside; see json.h. */
#include "base/json.h"

#include <time.h>

#include "base/log.h"
#include "base/str.h"

bool mo_json_shallow(const char *text, size_t n, int depth)
{
	int now = 0;
	bool quoted = false;

	for (size_t i = 0; i < n; i++) {
		char c = text[i];

		if (quoted && c == '\\')
			i++;
		else if (c == '"')
			quoted = !quoted;
		else if (!quoted && (c == '[' || c == '{') && ++now > depth)
			return false;
		else if (!quoted && (c == ']' || c == '}'))
			now--;
	}
	return true;
}

json_t *mo_json_load(const char *text, size_t n, int depth, size_t flags)
{
	return mo_json_shallow(text, n, depth) ? json_loadb(text, n, flags, NULL) : NULL;
}

json_t *mo_json_text(const char *text)
{
	mo_buf b = { 0 };
	json_t *out;

	if (!text)
		return json_null();
	out = json_string(text);
	if (out)
		return out;
	mo_log_escape(&b, mo_str(text));
	out = json_stringn(b.data, b.len);
	mo_buf_free(&b);
	return out;
}

json_t *mo_json_moment(molt_time wall)
{
	time_t s = (time_t)(wall / 1000);
	struct tm tm;
	char text[32];

	gmtime_r(&s, &tm);
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
	return json_string(text);
}
