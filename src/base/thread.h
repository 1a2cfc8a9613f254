/* Starts the library's threads: named, with every signal blocked that is not
 * the thread's own fault, so that signals reach the program's threads only. */
#ifndef MO_BASE_THREAD_H
#define MO_BASE_THREAD_H

#include <pthread.h>
#include <stddef.h>

/* stack: bytes, 0: the system's default.  name: cut to 15 bytes.  0 or -errno. */
int mo_thread_start(pthread_t *t, const char *name, size_t stack, void *(*fn)(void *), void *arg);

#endif
