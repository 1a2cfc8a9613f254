/* What a checker must be told.  A coroutine switch must be announced to
 * AddressSanitizer and ThreadSanitizer, a stack to valgrind; in an ordinary
 * build all of it is nothing.  Caches turn themselves off under
 * AddressSanitizer, so that late uses show. */
#ifndef MO_RT_SANITIZE_H
#define MO_RT_SANITIZE_H

#include "base/sanitizer.h"

/* Frames with red zones and shadow calls are several times larger, and the
 * checkers keep data of their own at the top of a thread's stack. */
#define MO_STACK_SCALE (MO_ASAN || MO_TSAN ? 4u : 1u)

#if MO_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#if MO_TSAN
#include <sanitizer/tsan_interface.h>
#endif

#if defined(__has_include)
#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#define MO_VALGRIND 1
#endif
#endif
#ifndef MO_VALGRIND
#define MO_VALGRIND 0
#endif

#endif
