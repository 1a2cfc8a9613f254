/* Which checker this is built for: gcc tells by a macro, clang by a feature. */
#ifndef MO_BASE_SANITIZER_H
#define MO_BASE_SANITIZER_H

#if defined(__SANITIZE_ADDRESS__)
#define MO_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define MO_ASAN 1
#endif
#endif
#ifndef MO_ASAN
#define MO_ASAN 0
#endif

#if defined(__SANITIZE_THREAD__)
#define MO_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define MO_TSAN 1
#endif
#endif
#ifndef MO_TSAN
#define MO_TSAN 0
#endif

#endif
