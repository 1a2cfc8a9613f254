/* How many CPUs this process may use: the affinity mask, cut by the quota of
 * its control group or of any above it.  The parts are here for their tests. */
#ifndef MO_RT_CPU_H
#define MO_RT_CPU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Whole CPUs for quota per period, rounded up, at least 1; 0: no limit. */
int mo_cpu_of_quota(int64_t quota, int64_t period);

/* The text of cpu.max (version 2): "max 100000" or "150000 100000"; 0: no limit. */
int mo_cpu_of_max(const char *text);

/* The group's path out of the text of /proc/self/cgroup: of version 2 when
 * controller is NULL, else of the version 1 hierarchy that has the controller. */
bool mo_cpu_group(const char *text, const char *controller, char *path, size_t size);

/* The least limit of the group and of all above it below mount; 0: none. */
int mo_cpu_limit_v2(const char *mount, const char *group);
int mo_cpu_limit_v1(const char *mount, const char *group);

#endif
