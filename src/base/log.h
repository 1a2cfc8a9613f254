/* The process's own log: finished lines to standard output, a file, or the
 * program's sink.  Nobody waits for a reader or a disk, and lines of several
 * threads and of two generations that share a descriptor never mix: see outlet.h.
 * Control bytes of the message are escaped (\xNN), so a client can never forge a
 * line.
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

/* Lines of one kind that somebody outside can cause: at most `most` a second, then
 * how many were left out, with the next that is written. */
typedef struct mo_log_limit {
	unsigned most;
	_Atomic unsigned n;
	_Atomic molt_time second;
	_Atomic uint64_t left_out;
} mo_log_limit;
/* May a line be written now?  *left_out: of these that were not, untold as yet. [any] */
bool mo_log_limit_pass(mo_log_limit *l, uint64_t *left_out);
void mo_log_limited(mo_log_limit *l, enum molt_level level, const char *fmt, ...) MOLT_PRINTF(3, 4);
#define mo_warn_some(...)                                                                          \
	do {                                                                                       \
		static mo_log_limit limit_ = { .most = 100 };                                      \
                                                                                                   \
		mo_log_limited(&limit_, MOLT_WARN, __VA_ARGS__);                                   \
	} while (0)

/* Where lines go besides the program's sink.  All [any] thread, but not one that may
 * not wait for a disk.  A path is opened for appending, mode 0640, directories are not
 * made.  0 or -errno; on failure the former target stays. */
int mo_log_to_file(const char *path, bool also_stdout); /* NULL: stdout alone */
/* After a rotation.  What was logged before goes to the former file, unless its disk
 * takes longer than MO_LOG_REOPEN_WAIT ms. */
int mo_log_reopen(void);
#define MO_LOG_REOPEN_WAIT 500

/* Opens a log's file: a descriptor, or -errno: -ELOOP: it is a symbolic link, -EINVAL:
 * no regular file.  And what to say behind molt_strerror() of that, or "". */
int mo_log_open_file(const char *path);
const char *mo_log_open_advice(int err);

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
