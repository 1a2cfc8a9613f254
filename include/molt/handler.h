/* SPDX-License-Identifier: MIT
 *
 * What a handler does besides: it waits, blocks, and has memory.
 * Programs include molt.h, which includes this file. */
#ifndef MOLT_HANDLER_H
#define MOLT_HANDLER_H

#include "molt/types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- waiting and blocking inside a handler --------------------------- */

/* 0; -ECANCELED: cut short by the end of the drain.  Outside a handler it
 * blocks the calling thread.  [parks] */
MOLT_API int molt_sleep(molt_time t);
/* Waits until fd can be read (or written).  0, -ETIMEDOUT, -ECANCELED, -EBADF.
 * Only in a handler (-EPERM).  timeout: MOLT_FOREVER for none.  [parks] */
MOLT_API int molt_wait_fd(int fd, bool for_write, molt_time timeout);
/* Runs fn(arg) on a pool thread and returns when it has; for library calls that block the thread
 * (DNS, disk, SQL clients, sleep(3)).  Outside a handler it calls fn directly.  -EAGAIN when no
 * thread can be had, -EBUSY when blocking_queue calls of the same route wait already.  [parks] */
MOLT_API int molt_block(void (*fn)(void *arg), void *arg);

/* ---- memory that lives as long as the request ------------------------ */
MOLT_API void *molt_alloc(molt_req *r, size_t n); /* zeroed; aligned for any type */
MOLT_API char *molt_strdup(molt_req *r, const char *s);
MOLT_API char *molt_fmt(molt_req *r, const char *fmt, ...) MOLT_PRINTF(2, 3);
/* Runs fn(arg) when the request has ended; last in, first run.  fn must not park. */
MOLT_API void molt_defer(molt_req *r, void (*fn)(void *), void *arg);

#ifdef __cplusplus
}
#endif
#endif
