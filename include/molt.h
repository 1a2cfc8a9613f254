/* SPDX-License-Identifier: MIT
 *
 * molt.h -- the whole public API of libmolt (prefix molt_).
 *
 * A C web framework whose process can replace itself without dropping a
 * request.  Include this header and link with -lmolt; nothing else is public.
 * Its parts are in molt/: each declares what one part of a program deals with.
 *
 * Conventions, true for every function unless its comment says otherwise:
 *   errors     int functions return 0, or a negative errno value (-EADDRINUSE).
 *              molt_strerror() turns one into text.  Set-up functions also
 *              remember their first failure on the server, and
 *              molt_server_start() refuses with it, so a short main() need not
 *              check each call.
 *   ownership  "borrowed" pointers returned by molt_req_*() belong to the
 *              request and die when the handler returns.  Strings passed in
 *              are copied.  Handles are opaque and freed by the library.
 *   strings    const char * is UTF-8 with a terminating NUL; molt_str carries
 *              a length, may hold NULs, and is also NUL-terminated at ptr[len].
 *   time       molt_time, in milliseconds; write 10 * MOLT_SECOND.
 *   sizes      size_t, in bytes.
 *   threads    set-up functions: before molt_server_start(), one thread.
 *              molt_req_*, molt_res_*: only inside the handler that was given
 *              the request.  Marked [any]: any thread, any time, also while
 *              molt_wait() returns and afterwards: then there is nobody to do
 *              it, and they do nothing or say so with an error.  A molt_server is
 *              gone when molt_wait() has returned: what takes one may not be
 *              called after MOLT_ON_EXIT.
 *   parking    functions marked [parks] suspend the calling handler, never the
 *              event loop; other requests keep running.
 *   structs    those that a program fills, or has filled, begin with their size: make
 *              them with the macro of their name, MOLT_ROUTE_OPTS(.blocking = true),
 *              or write .size = sizeof(...).  So they can grow: a program goes on to
 *              work with a newer library, whose new members have their defaults for it.
 *              A size that nobody has set is -EINVAL or -E2BIG; a member that is set and
 *              that an older library does not know is -E2BIG.  Results are filled up to
 *              the size.  The sentence is molt_server_error(), or logged.
 *   memory     out of memory ends the program with a message: sizes that come
 *              from the network are limited before anything is allocated.
 */
#ifndef MOLT_H
#define MOLT_H

#include "molt/types.h"
#include "molt/server.h"
#include "molt/restart.h"
#include "molt/route.h"
#include "molt/request.h"
#include "molt/response.h"
#include "molt/live.h"
#include "molt/handler.h"
#include "molt/config.h"
#include "molt/log.h"

#endif
