/* Bytes for another process, in memory that nobody changes any more; used by state.c
 * and upgrade_state.c. */
#ifndef MO_GEN_OS_MEMFD_H
#define MO_GEN_OS_MEMFD_H

#include <stdbool.h>

/* A new descriptor, close-on-exec, or -errno.  Nothing in it can be executed, where
 * the kernel knows such a thing: some are set to refuse any other (vm.memfd_noexec). */
int mo_memfd_new(const char *name);
/* From now on neither length nor bytes change.  0 or -errno. */
int mo_memfd_seal(int fd);
/* Is it such memory, and sealed so?  The kernel may have added seals of its own. */
bool mo_memfd_is_sealed(int fd);

#endif
