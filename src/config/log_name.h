/* Names of log files with the day in them: "access-{Ymd}.log".  Between braces
 * 'Y', 'm' and 'd' are the year, month and day in digits, '-', '_' and '.' stand
 * for themselves; "{Y}-{m}-{d}" and GoFrame's "{Y-m-d}" are the same. */
#ifndef MO_CONFIG_LOG_NAME_H
#define MO_CONFIG_LOG_NAME_H

#include <stdbool.h>
#include <time.h>

#include "base/buf.h"

/* NULL when pattern is a good file name, else why not (static). */
const char *mo_log_name_wrong(const char *pattern);
/* Appends the name of that local day.  The pattern must be a good one. */
void mo_log_name(mo_buf *out, const char *pattern, const struct tm *day);
/* "dir/name" of now; malloc'd. */
char *mo_log_name_path(const char *dir, const char *pattern, const struct tm *day);

#endif
