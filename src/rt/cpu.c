/* How many CPUs this process may use; see cpu.h.  Read once at start-up. */
#include "rt/cpu.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "rt/loop.h"
#include "rt/small_file.h"

#define PATH_ROOM 4096
#define CPUS_MOST (1 << 16)

int mo_cpu_of_quota(int64_t quota, int64_t period)
{
	int64_t whole;

	if (quota <= 0 || period <= 0)
		return 0;
	whole = quota / period + (quota % period != 0);
	return whole > CPUS_MOST ? CPUS_MOST : (int)whole;
}

static molt_str first_line(const char *text)
{
	molt_str rest = mo_str(text);

	return mo_str_trim(mo_str_split(&rest, '\n'));
}

int mo_cpu_of_max(const char *text)
{
	molt_str rest = first_line(text);
	molt_str quota = mo_str_split(&rest, ' ');
	uint64_t q, p = 100000;

	if (!mo_str_u64(quota, INT64_MAX, &q))
		return 0; /* "max" */
	if (rest.len && !mo_str_u64(mo_str_trim(rest), INT64_MAX, &p))
		return 0;
	return mo_cpu_of_quota((int64_t)q, (int64_t)p);
}

/* "cpu,cpuacct" has "cpu". */
static bool list_has(molt_str list, const char *name)
{
	while (list.len)
		if (mo_str_eq(mo_str_split(&list, ','), mo_str(name)))
			return true;
	return false;
}

/* A line is "5:cpu,cpuacct:/path"; of version 2 it is "0::/path". */
bool mo_cpu_group(const char *text, const char *controller, char *path, size_t size)
{
	molt_str rest = mo_str(text);

	while (rest.len) {
		molt_str line = mo_str_split(&rest, '\n');
		molt_str id = mo_str_split(&line, ':');
		molt_str list = mo_str_split(&line, ':');
		bool it = controller ? list_has(list, controller)
				     : mo_str_eq(id, MO_STR("0")) && list.len == 0;

		if (!it || line.len == 0 || line.ptr[0] != '/' || line.len >= size)
			continue;
		memcpy(path, line.ptr, line.len);
		path[line.len] = '\0';
		return true;
	}
	return false;
}

static int limit_in_v2(const char *dir)
{
	char text[64];

	return mo_read_small_in(dir, "cpu.max", text, sizeof(text)) ? mo_cpu_of_max(text) : 0;
}

static int limit_in_v1(const char *dir)
{
	char quota[64], period[64];
	uint64_t q, p;

	if (!mo_read_small_in(dir, "cpu.cfs_quota_us", quota, sizeof(quota)) ||
	    !mo_read_small_in(dir, "cpu.cfs_period_us", period, sizeof(period)))
		return 0;
	if (!mo_str_u64(first_line(quota), INT64_MAX, &q) || /* "-1" */
	    !mo_str_u64(first_line(period), INT64_MAX, &p))
		return 0;
	return mo_cpu_of_quota((int64_t)q, (int64_t)p);
}

static int least(int a, int b)
{
	return a == 0 ? b : b == 0 || a < b ? a : b;
}

/* A container may see the path of its group from outside, which is not there
 * inside; the walk up ends at the mount, which is. */
static int limit_up(const char *mount, const char *group, int (*limit_in)(const char *dir))
{
	char dir[PATH_ROOM];
	size_t top = strlen(mount);
	int n = snprintf(dir, sizeof(dir), "%s%s", mount, group), limit = 0;

	if (n < 0 || (size_t)n >= sizeof(dir) || strstr(group, "/.."))
		return limit_in(mount);
	for (;;) {
		char *slash;

		limit = least(limit, limit_in(dir));
		slash = strrchr(dir, '/');
		if (!slash || (size_t)(slash - dir) < top)
			return limit;
		*slash = '\0';
	}
}

int mo_cpu_limit_v2(const char *mount, const char *group)
{
	return limit_up(mount, group, limit_in_v2);
}

int mo_cpu_limit_v1(const char *mount, const char *group)
{
	return limit_up(mount, group, limit_in_v1);
}

static int group_limit(void)
{
	char text[8192], path[PATH_ROOM];
	int limit = 0;

	if (mo_read_small("/proc/self/cgroup", text, sizeof(text)) <= 0)
		return 0;
	if (mo_cpu_group(text, NULL, path, sizeof(path)))
		limit = mo_cpu_limit_v2("/sys/fs/cgroup", path);
	if (mo_cpu_group(text, "cpu", path, sizeof(path)))
		limit = least(limit, mo_cpu_limit_v1("/sys/fs/cgroup/cpu", path));
	return limit;
}

/* The kernel refuses a mask that is shorter than its own. */
static int affinity_count(void)
{
	for (size_t cpus = 1024; cpus <= CPUS_MOST; cpus *= 2) {
		cpu_set_t *set = CPU_ALLOC(cpus);
		size_t size = CPU_ALLOC_SIZE(cpus);
		int count = 0;

		if (set && sched_getaffinity(0, size, set) == 0)
			count = CPU_COUNT_S(size, set);
		CPU_FREE(set);
		if (count > 0)
			return count;
	}
	return 1;
}

int mo_cpu_count(void)
{
	return least(affinity_count(), group_limit());
}
