/* The process's own log: finished lines to standard output, a file, or the
 * program's sink.  One write(2) per line, so lines of several threads and of
 * two generations that share a descriptor never mix.  Control bytes of the
 * message are escaped (\xNN), so a client can never forge a line.
 *
 * A line: "2018-05-18 11:02:04.812 11511: text", and with a level other than
 * INFO "11511: [WARN] text". */
#ifndef MO_BASE_LOG_H
#define MO_BASE_LOG_H

#include <stdarg.h>
#include <stddef.h>

#include "base/buf.h"
#include "molt.h"

#define mo_debug(...) molt_log(MOLT_DEBUG, __VA_ARGS__)
#define mo_info(...) molt_log(MOLT_INFO, __VA_ARGS__)
#define mo_warn(...) molt_log(MOLT_WARN, __VA_ARGS__)
#define mo_error(...) molt_log(MOLT_ERROR, __VA_ARGS__)

/* Where lines go besides the program's sink.  All [any] thread.  A path is
 * opened for appending, mode 0640, directories are not made.  0 or -errno; on
 * failure the former target stays. */
int mo_log_to_file(const char *path, bool also_stdout); /* NULL: stdout alone */
int mo_log_reopen(void);				/* after a rotation */

/* Appends s with control bytes, '"', '\\' and bytes over 0x7e escaped as \xNN. */
void mo_log_escape(mo_buf *out, molt_str s);
/* The same at p, which has room for four times as many bytes; returns the end. */
char *mo_log_put_escaped(char *p, molt_str s);
/* Puts "2018-05-18 11:02:04.812" of that wall clock, local time; returns the end. */
#define MO_LOG_STAMP_MAX 40u
char *mo_log_put_stamp(char *p, molt_time wall);

/* fn also gets every finished line of a warning or an error, whatever the level
 * and the targets; NULL: none.  Called from any thread, before the line is
 * written. [any] */
void mo_log_set_observer(void (*fn)(const char *line));

#endif
