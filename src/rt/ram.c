/* The memory that this process may use; see ram.h. */
#include "rt/ram.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "rt/cpu.h"
#include "rt/small_file.h"

/* "max" is no number, and no limit. */
static uint64_t limit_in(const char *dir, const char *file)
{
	uint64_t limit = UINT64_MAX;
	char text[64];

	if (mo_read_small_in(dir, file, text, sizeof(text))) {
		text[strcspn(text, "\n")] = '\0';
		if (!mo_str_u64(mo_str(text), UINT64_MAX, &limit))
			limit = UINT64_MAX;
	}
	return limit;
}

/* A container may see its group's path from outside, which is not there inside; the walk
 * up ends at the mount, which is. */
uint64_t mo_ram_limit_of_group(const char *mount, const char *group, const char *file)
{
	char *dir = mo_fmt("%s%s", mount, strstr(group, "/..") ? "" : group), *slash;
	uint64_t least = UINT64_MAX;

	do {
		uint64_t limit = limit_in(dir, file);

		least = limit < least ? limit : least;
		slash = strrchr(dir, '/');
		if (slash)
			*slash = '\0';
	} while (slash && (size_t)(slash - dir) >= strlen(mount));
	free(dir);
	return least;
}

static uint64_t of_groups(void)
{
	char text[8192], group[PATH_MAX];
	uint64_t v2 = UINT64_MAX, v1 = UINT64_MAX;

	if (mo_read_small("/proc/self/cgroup", text, sizeof(text)) <= 0)
		return UINT64_MAX;
	if (mo_cpu_group(text, NULL, group, sizeof(group)))
		v2 = mo_ram_limit_of_group("/sys/fs/cgroup", group, "memory.max");
	if (mo_cpu_group(text, "memory", group, sizeof(group)))
		v1 = mo_ram_limit_of_group("/sys/fs/cgroup/memory", group,
					   "memory.limit_in_bytes");
	return v1 < v2 ? v1 : v2;
}

uint64_t mo_ram_limit(void)
{
	uint64_t machine = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
	uint64_t groups = of_groups();

	return groups < machine ? groups : machine;
}
