/* May a successor be started on this machine now?  See preflight.h. */
#include "gen/os/preflight.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "gen/os/script.h"
#include "rt/cpu.h"
#include "rt/small_file.h"

#define MIB ((uint64_t)1024 * 1024)
#define NO_LIMIT UINT64_MAX
#define TEXT_ROOM 4096         /* on a coroutine's stack */
#define KIB_OF_THREAD 32       /* its stack in the kernel, and what describes it */
#define RESTART_ROOM (MIB / 2) /* what both sides need while one becomes two */

void mo_preflight_init(mo_preflight *c)
{
	struct stat st;

	*c = (mo_preflight){ .owner = true,
			     .memory = 100,
			     .descriptors = true,
			     .own = geteuid(),
			     .proc = "/proc",
			     .sys = "/sys" };
	c->program = stat("/proc/self/exe", &st) == 0 ? st.st_uid : c->own;
}

/* ---- owner and mode ---------------------------------------------------------- */

static int untrusted(char **why, const mo_program *p, char *what)
{
	*why = mo_fmt("cannot start %s: %s, or switch this check off (preflightOwner: false)",
		      p->path, what);
	free(what);
	return -EACCES;
}

/* Who may write to a directory puts another program at a name in it, unless the
 * sticky bit leaves each file to its owner. */
static int check_directories(const mo_program *p, char *path, char **why)
{
	char *slash;

	while ((slash = strrchr(path, '/')) != NULL) {
		const char *dir = slash == path ? "/" : path;
		struct stat st;

		*slash = '\0';
		if (stat(dir, &st) == 0 && (st.st_mode & S_IWOTH) && !(st.st_mode & S_ISVTX))
			return untrusted(why, p,
					 mo_fmt("everybody may write to the directory %s; "
						"chmod o-w it",
						dir));
	}
	return 0;
}

static int check_owner(const mo_preflight *c, const mo_program *p, char **why)
{
	char link[64], real[PATH_MAX];
	struct stat st;
	ssize_t n;
	char *given;
	int rc;

	if (fstat(p->fd, &st) < 0)
		return 0;
	if (st.st_uid != 0 && st.st_uid != c->own && st.st_uid != c->program)
		return untrusted(why, p,
				 mo_fmt("it belongs to user %u, but this process is of user %u; "
					"chown it to that user or root",
					(unsigned)st.st_uid, (unsigned)c->own));
	/* The name that was given leads by links to the file that was opened. */
	given = mo_strdup(p->path);
	rc = check_directories(p, given, why);
	free(given);
	snprintf(link, sizeof(link), "/proc/self/fd/%d", p->fd);
	n = readlink(link, real, sizeof(real) - 1);
	if (rc < 0 || n <= 0)
		return rc;
	real[n] = '\0';
	return check_directories(p, real, why);
}

/* The same of what will run a script. */
static int check_interpreters(const mo_preflight *c, const mo_program *p, char **why)
{
	char *path = mo_script_interpreter(p->fd);
	int rc = 0;

	for (int level = 0; rc == 0 && path && level < MO_SCRIPT_LEVELS; level++) {
		mo_program one = { .fd = open(path, O_PATH | O_CLOEXEC), .path = path };
		int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

		rc = one.fd < 0 ? 0 : check_owner(c, &one, why);
		free(path);
		path = fd < 0 ? NULL : mo_script_interpreter(fd);
		if (one.fd >= 0)
			close(one.fd);
		if (fd >= 0)
			close(fd);
	}
	free(path);
	return rc;
}

/* ---- what the kernel tells ----------------------------------------------------- */

/* The number at the beginning; false: "max", "-1" or none. */
static bool read_number(const char *text, uint64_t *out)
{
	char *end;

	while (*text == ' ' || *text == '\t' || *text == ':')
		text++;
	if (*text < '0' || *text > '9')
		return false;
	*out = strtoull(text, &end, 10);
	return true;
}

/* The number behind a word that begins a line; 0 when there is none. */
static uint64_t number_after(const char *text, const char *word)
{
	size_t n = strlen(word);
	uint64_t v;

	for (const char *at = text; at; at = strchr(at, '\n')) {
		if (*at == '\n')
			at++;
		if (strncmp(at, word, n) == 0 && read_number(at + n, &v))
			return v;
	}
	return 0;
}

/* ---- memory --------------------------------------------------------------------- */

/* Bytes that are ours alone: what comes from files is shared with a successor.  A
 * cgroup's limit also counts what the kernel keeps for us. */
static uint64_t own_size(const mo_preflight *c)
{
	char text[TEXT_ROOM];
	uint64_t kib;

	if (!mo_read_small_in(c->proc, "self/status", text, sizeof(text)))
		return 0;
	kib = number_after(text, "RssAnon:") + number_after(text, "RssShmem:");
	kib = kib ? kib : number_after(text, "VmRSS:");
	if (kib)
		kib += number_after(text, "VmPTE:") +
		       KIB_OF_THREAD * number_after(text, "Threads:");
	return 1024 * kib;
}

static uint64_t room_of_system(const mo_preflight *c)
{
	char text[TEXT_ROOM];
	uint64_t kib = 0;

	if (mo_read_small_in(c->proc, "meminfo", text, sizeof(text)))
		kib = number_after(text, "MemAvailable:");

	return kib ? 1024 * kib : NO_LIMIT;
}

/* What a group of either version of cgroups still gives.  Pages of files that
 * nobody has used for a while are given up first, so they count as free. */
static uint64_t room_of_group(const char *dir, const char *limit_file, const char *usage_file,
			      const char *cache_word)
{
	char text[TEXT_ROOM];
	uint64_t limit, used, cache = 0;

	if (!mo_read_small_in(dir, limit_file, text, sizeof(text)) || !read_number(text, &limit) ||
	    !mo_read_small_in(dir, usage_file, text, sizeof(text)) || !read_number(text, &used))
		return NO_LIMIT;
	if (mo_read_small_in(dir, "memory.stat", text, sizeof(text)))
		cache = number_after(text, cache_word);
	used -= cache < used ? cache : used;
	return limit > used ? limit - used : 0;
}

/* The least of a group and all above it.  A container may see its group's path from
 * outside, which is not there inside; the walk up ends at the mount, which is. */
static uint64_t room_up(const char *mount, const char *group, bool v2)
{
	char *dir = mo_fmt("%s%s", mount, strstr(group, "/..") ? "" : group);
	uint64_t least = NO_LIMIT;
	char *slash;

	do {
		uint64_t room =
			v2 ? room_of_group(dir, "memory.max", "memory.current", "inactive_file ")
			   : room_of_group(dir, "memory.limit_in_bytes", "memory.usage_in_bytes",
					   "total_inactive_file ");

		if (room < least)
			least = room;
		slash = strrchr(dir, '/');
		if (slash)
			*slash = '\0';
	} while (slash && (size_t)(slash - dir) >= strlen(mount));
	free(dir);
	return least;
}

static uint64_t room_of_groups(const mo_preflight *c)
{
	char text[TEXT_ROOM], group[PATH_MAX];
	char *v2 = mo_fmt("%s/fs/cgroup", c->sys), *v1 = mo_fmt("%s/fs/cgroup/memory", c->sys);
	uint64_t room = NO_LIMIT, other;

	if (mo_read_small_in(c->proc, "self/cgroup", text, sizeof(text))) {
		if (mo_cpu_group(text, NULL, group, sizeof(group)))
			room = room_up(v2, group, true);
		other = mo_cpu_group(text, "memory", group, sizeof(group))
				? room_up(v1, group, false)
				: NO_LIMIT;
		room = other < room ? other : room;
	}
	free(v1);
	free(v2);
	return room;
}

static int check_memory(const mo_preflight *c, json_t *found, char **why)
{
	uint64_t size = own_size(c), machine = room_of_system(c), group = room_of_groups(c);
	uint64_t room = machine < group ? machine : group, need;

	if (size == 0 || room == NO_LIMIT)
		return 0;
	need = size * (uint64_t)c->memory / 100 + RESTART_ROOM;
	json_object_set_new(found, "memory_needed", json_integer((json_int_t)need));
	json_object_set_new(found, "memory_free", json_integer((json_int_t)room));
	if (room >= need)
		return 0;
	*why = mo_fmt("a second process does not fit into memory: this one has %llu MiB, of which "
		      "%lld %% are wanted free, and half a MiB for the restart, and %s gives %llu "
		      "MiB more; make room, raise the limit, or lower preflightMemory (0: not "
		      "looked at)",
		      (unsigned long long)(size / MIB), (long long)c->memory,
		      group < machine ? "the limit of its cgroup" : "the machine",
		      (unsigned long long)(room / MIB));
	return -ENOMEM;
}

/* ---- descriptors ------------------------------------------------------------------ */

static uint64_t count_open(const mo_preflight *c)
{
	char *path = mo_fmt("%s/self/fd", c->proc);
	DIR *d = opendir(path);
	struct dirent *e;
	uint64_t n = 0;

	free(path);
	while (d && (e = readdir(d)) != NULL)
		n += e->d_name[0] != '.';
	if (d)
		closedir(d);
	return n;
}

/* A successor inherits the limit, and in the end holds what we hold now: what we
 * can open besides that, it can, too.  The files themselves are shared, so the
 * system need only have room for what the restart itself opens. */
static int check_process_limit(const mo_preflight *c, json_t *found, char **why)
{
	uint64_t used = count_open(c), soft = 0, hard = 0;
	char text[TEXT_ROOM];
	const char *line;

	if (!used || !mo_read_small_in(c->proc, "self/limits", text, sizeof(text)))
		return 0;
	line = strstr(text, "Max open files ");
	if (!line || sscanf(line, "Max open files %lu %lu", &soft, &hard) != 2)
		return 0;
	json_object_set_new(found, "descriptors", json_integer((json_int_t)used));
	json_object_set_new(found, "descriptors_limit", json_integer((json_int_t)soft));
	if (used + MO_PREFLIGHT_SPARE <= soft)
		return 0;
	*why = mo_fmt("%llu of %llu descriptors are open and a restart needs %d more; raise the "
		      "limit (prlimit --nofile, LimitNOFILE=; its hard part is %llu), lower "
		      "maxConnections, or switch this check off (preflightDescriptors: false)",
		      (unsigned long long)used, (unsigned long long)soft, MO_PREFLIGHT_SPARE,
		      (unsigned long long)hard);
	return -EMFILE;
}

static int check_system_limit(const mo_preflight *c, char **why)
{
	unsigned long used, unused, most;
	char text[TEXT_ROOM];

	if (!mo_read_small_in(c->proc, "sys/fs/file-nr", text, sizeof(text)) ||
	    sscanf(text, "%lu %lu %lu", &used, &unused, &most) != 3)
		return 0;
	used -= unused < used ? unused : used;
	if (used + MO_PREFLIGHT_SPARE <= most)
		return 0;
	*why = mo_fmt(
		"%lu of the system's %lu files are open and a restart needs %d more; raise "
		"fs.file-max (sysctl), or switch this check off (preflightDescriptors: false)",
		used, most, MO_PREFLIGHT_SPARE);
	return -ENFILE;
}

int mo_preflight_run(const mo_preflight *c, const mo_program *p, json_t *found, char **why)
{
	int rc = 0;

	if (c->owner)
		rc = check_owner(c, p, why);
	if (rc == 0 && c->owner && p->script)
		rc = check_interpreters(c, p, why);
	if (rc == 0 && c->memory > 0)
		rc = check_memory(c, found, why);
	if (rc == 0 && c->descriptors)
		rc = check_process_limit(c, found, why);
	if (rc == 0 && c->descriptors)
		rc = check_system_limit(c, why);
	return rc;
}
