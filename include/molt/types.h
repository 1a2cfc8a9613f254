/* SPDX-License-Identifier: MIT
 *
 * What every part uses: versions, kinds of values, handlers.
 * Programs include molt.h, which includes this file. */
#ifndef MOLT_TYPES_H
#define MOLT_TYPES_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define MOLT_PRINTF(f, a) __attribute__((format(printf, f, a)))
#define MOLT_API __attribute__((visibility("default")))
#else
#define MOLT_PRINTF(f, a)
#define MOLT_API
#endif

/* The version of this header; molt_version() tells the library's, which may be another:
 * doc/interface.md says which may meet.  To compare: "#if MOLT_VERSION_NUMBER >= 100". */
#define MOLT_VERSION_MAJOR 0
#define MOLT_VERSION_MINOR 1
#define MOLT_VERSION_PATCH 0
#define MOLT_VERSION_NUMBER \
	(MOLT_VERSION_MAJOR * 10000 + MOLT_VERSION_MINOR * 100 + MOLT_VERSION_PATCH)

typedef struct molt_server molt_server; /* a named set of listeners + routes   */
typedef struct molt_group molt_group;	/* a route prefix with shared middleware */
typedef struct molt_req molt_req;	/* one request and its response          */
typedef struct molt_ws molt_ws;		/* one WebSocket                         */

typedef int64_t molt_time;
enum { MOLT_MS = 1, MOLT_SECOND = 1000, MOLT_MINUTE = 60000 };
enum { MOLT_FOREVER = -1 };

/* For the macros below.  In C they may stand wherever a value may, and behind an '&'. */
#ifdef __cplusplus
#define MOLT_SIZED(type, ...) type { .size = sizeof(type), __VA_ARGS__ }
#else
#define MOLT_SIZED(type, ...) (type) { .size = sizeof(type), __VA_ARGS__ }
#endif

/* By value; it never changes, and has no size of its own. */
typedef struct molt_str {
	const char *ptr;
	size_t len;
} molt_str;

/* A handler runs as a coroutine: it may call any [parks] function, and it
 * always runs to its own return, even when the client has gone or a restart is
 * under way, so malloc/free pairs in it stay balanced. */
typedef void molt_handler(molt_req *r);

#ifdef __cplusplus
}
#endif
#endif
