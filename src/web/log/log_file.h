/* A log file of each day, behind an outlet: opened, at midnight and after a rotation
 * opened anew, and written to on the outlet's thread, so a slow disk holds up nobody
 * else.  A day that cannot be opened leaves the former file. */
#ifndef MO_WEB_LOG_LOG_FILE_H
#define MO_WEB_LOG_LOG_FILE_H

#include "base/outlet.h"

typedef struct mo_log_file mo_log_file;

/* Opens the file of today, on the present thread.  0 or -errno of mo_log_open_file().
 * dir, pattern: copied; pattern is a good one (log_name.h). */
int mo_log_file_open(mo_log_file **out, const char *dir, const char *pattern);
mo_outlet *mo_log_file_outlet(mo_log_file *f);
/* One more owner, who calls mo_log_file_close(), too. [any] */
mo_log_file *mo_log_file_ref(mo_log_file *f);
/* After a rotation: lines of before go to the former file, unless the disk is slow
 * (mo_log_reopen()).  May wait for the disk. [any] */
int mo_log_file_reopen(mo_log_file *f);
/* At once; what was added is still written, behind the last owner. [any] */
void mo_log_file_close(mo_log_file *f);

#endif
