/* Names of log files with the day in them; see log_name.h. */
#include "config/log_name.h"

#include <string.h>

const char *mo_log_name_wrong(const char *pattern)
{
	bool inside = false;

	if (!*pattern || !strcmp(pattern, ".") || !strcmp(pattern, ".."))
		return "is no file name";
	if (strlen(pattern) > 200)
		return "is too long";
	for (const char *p = pattern; *p; p++) {
		if (*p == '/' || (unsigned char)*p < 0x20 || *p == 0x7f)
			return "must be a file name without '/' (logPath has the directory)";
		if (*p == '{' || *p == '}') {
			if (inside == (*p == '{'))
				return "has braces that do not match";
			inside = *p == '{';
		} else if (inside && !strchr("Ymd-_.", *p)) {
			return "may hold Y, m, d, '-', '_' and '.' between braces";
		}
	}
	return inside ? "has braces that do not match" : NULL;
}

void mo_log_name(mo_buf *out, const char *pattern, const struct tm *day)
{
	bool inside = false;

	for (const char *p = pattern; *p; p++) {
		if (*p == '{' || *p == '}')
			inside = *p == '{';
		else if (inside && *p == 'Y')
			mo_buf_fmt(out, "%04d", day->tm_year + 1900);
		else if (inside && *p == 'm')
			mo_buf_fmt(out, "%02d", day->tm_mon + 1);
		else if (inside && *p == 'd')
			mo_buf_fmt(out, "%02d", day->tm_mday);
		else
			mo_buf_putc(out, *p);
	}
}

char *mo_log_name_path(const char *dir, const char *pattern, const struct tm *day)
{
	mo_buf path = { 0 };

	mo_buf_fmt(&path, "%s/", dir);
	mo_log_name(&path, pattern, day);
	mo_buf_cstr(&path);
	return path.data;
}
