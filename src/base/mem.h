/* Heap memory that never fails: out of memory ends the program with a message.
 * Sizes that come from the network are limited before they get here. */
#ifndef MO_BASE_MEM_H
#define MO_BASE_MEM_H

#include <stddef.h>

void *mo_malloc(size_t n);
void *mo_calloc(size_t count, size_t size); /* zeroed; overflow is checked */
void *mo_realloc(void *p, size_t n);
/* memset() to 0 as a call: for some hundred bytes that beats the string
 * instruction that compilers put in its place, which takes long to start. */
void mo_zero(void *p, size_t n);
char *mo_strdup(const char *s); /* NULL gives NULL */
char *mo_strndup(const char *s, size_t n);
char *mo_fmt(const char *fmt, ...) __attribute__((format(printf, 1, 2))); /* free() it */

#endif
