/* How much memory this process may use. */
#ifndef MO_RT_RAM_H
#define MO_RT_RAM_H

#include <stdint.h>

/* Bytes: the machine's, or less by the limit of a control group (version 2, or 1) of the
 * process or of one above it. */
uint64_t mo_ram_limit(void);
/* The part below mount, for its test: UINT64_MAX: no limit. */
uint64_t mo_ram_limit_of_group(const char *mount, const char *group, const char *file);

#endif
