/* SPDX-License-Identifier: MIT
 *
 * The log; errors as text; the version of the library.
 * Programs include molt.h, which includes this file. */
#ifndef MOLT_LOG_H
#define MOLT_LOG_H

#include "molt/types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- logging --------------------------------------------------------- */

enum molt_level { MOLT_DEBUG, MOLT_INFO, MOLT_WARN, MOLT_ERROR };
/* Never waits for who reads the log, or for a disk: a line that finds 4 MiB waiting is
 * dropped and counted (doc/restart.md, "Logs and standard error"). */
MOLT_API void molt_log(enum molt_level l, const char *fmt, ...) MOLT_PRINTF(2, 3); /* [any] */
/* Lines below l are not written.  [any] */
MOLT_API void molt_log_set_level(enum molt_level l);
/* fn gets one finished line without '\n'; NULL: stdout.  Called with no lock
 * held by the library, from any thread, loops too: it must not wait.  [any] */
MOLT_API void molt_log_set_sink(void (*fn)(void *arg, enum molt_level l, const char *line),
				void *arg);

/* ---- errors and versions --------------------------------------------- */

MOLT_API const char *molt_strerror(int err); /* static text for a negative errno [any] */
MOLT_API const char *molt_version(void);     /* of the library: "0.1.0" [any] */

#ifdef __cplusplus
}
#endif
#endif
