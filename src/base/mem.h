/* Heap memory that never fails: out of memory ends the program with a message.
 * Sizes that come from the network are limited before they get here. */
#ifndef MO_BASE_MEM_H
#define MO_BASE_MEM_H

#include <stddef.h>

void *mo_malloc(size_t n);
void *mo_calloc(size_t count, size_t size); /* zeroed; overflow is checked */
void *mo_realloc(void *p, size_t n);
/* memset() to 0 and memcpy() as calls: from some dozen bytes on that beats the string
 * instructions that compilers put in their place, which take long to start. */
void mo_zero(void *p, size_t n);
void *mo_copy(void *to, const void *from, size_t n); /* to */
char *mo_strdup(const char *s);                      /* NULL gives NULL */
char *mo_strndup(const char *s, size_t n);
void mo_strset(char **at, const char *s); /* mo_strdup(s), which may be of *at, in its place */
char *mo_fmt(const char *fmt, ...) __attribute__((format(printf, 1, 2))); /* free() it */

#endif
