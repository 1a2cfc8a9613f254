/* What the process was started with; see start.h. */
#include "gen/start.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "base/fault.h"
#include "base/mem.h"
#include "base/outlet.h"
#include "base/str.h"
#include "gen/activate.h"
#include "gen/notify.h"
#include "gen/parent.h"
#include "gen/signals.h"
#include "gen/successor.h"
#include "gen/supervisor.h"
#include "gen/upgrade.h"
#include "molt.h"
#include "net/peer.h"

static mo_start start = { .cwd_fd = -1, .handover_fd = -1, .exe_fd = -1 };

extern char **environ;

mo_start *mo_start_get(void)
{
	return &start;
}

void mo_start_set_exe(const char *path)
{
	free(start.exe);
	start.exe = mo_strdup(path);
}

char *mo_start_resolve(const char *path)
{
	if (path[0] == '/' || !start.cwd)
		return mo_strdup(path);
	while (path[0] == '.' && path[1] == '/') {
		path += 2;
		while (path[0] == '/')
			path++;
	}
	return mo_fmt("%s/%s", strcmp(start.cwd, "/") ? start.cwd : "", path);
}

static char **copy_vector(char *const *v, const char *without)
{
	size_t n = 0, m = 0, skip = without ? strlen(without) : 0;
	char **copy;

	while (v && v[n])
		n++;
	copy = mo_calloc(n + 1, sizeof(*copy));
	for (size_t i = 0; i < n; i++) {
		if (skip && strncmp(v[i], without, skip) == 0 && v[i][skip] == '=')
			continue;
		copy[m++] = mo_strdup(v[i]);
	}
	return copy;
}

void mo_start_set_argv(char *const *argv)
{
	MO_CHECK(!start.own_argv);
	start.own_argv = start.argv;
	start.argv = copy_vector(argv, NULL);
}

/* $PWD when it names the directory we are in, else the physical path. */
static void save_cwd(void)
{
	const char *pwd = secure_getenv("PWD");
	struct stat a, b;
	char path[PATH_MAX];

	start.cwd_fd = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (pwd && pwd[0] == '/' && stat(pwd, &a) == 0 && stat(".", &b) == 0 &&
	    a.st_dev == b.st_dev && a.st_ino == b.st_ino)
		start.cwd = mo_strdup(pwd);
	else if (getcwd(path, sizeof(path)))
		start.cwd = mo_strdup(path);
}

static void save_exe(void)
{
	const char *path = (const char *)getauxval(AT_EXECFN);
	char link[PATH_MAX];
	ssize_t n;

	start.exe_fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	if (path && strncmp(path, "/dev/fd/", 8) != 0 && access(path, F_OK) == 0) {
		start.exe = mo_start_resolve(path);
		return;
	}
	n = readlink("/proc/self/exe", link, sizeof(link) - 1);
	if (n > 0)
		start.exe = mo_strndup(link, (size_t)n);
	else if (start.argv[0])
		start.exe = mo_start_resolve(start.argv[0]);
}

/* The build id is in a note of the main program, the first object listed. */
static int read_build_id(struct dl_phdr_info *info, size_t size, void *arg)
{
	(void)size;
	(void)arg;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *ph = &info->dlpi_phdr[i];
		const char *p = (const char *)(info->dlpi_addr + ph->p_vaddr);
		const char *end = p + ph->p_memsz;

		if (ph->p_type != PT_NOTE)
			continue;
		while (end - p >= (ptrdiff_t)sizeof(ElfW(Nhdr))) {
			const ElfW(Nhdr) *nh = (const void *)p;
			const unsigned char *desc;

			p += sizeof(*nh) + ((nh->n_namesz + 3u) & ~3u);
			desc = (const unsigned char *)p;
			p += (nh->n_descsz + 3u) & ~3u;
			if (nh->n_type != NT_GNU_BUILD_ID || nh->n_descsz > 20 || p > end)
				continue;
			for (unsigned k = 0; k < nh->n_descsz; k++)
				snprintf(start.build + 2 * k, 3, "%02x", desc[k]);
			return 1;
		}
	}
	return 1; /* only the main program */
}

/* A descriptor number of our own making: anything else is ignored, so that a
 * stray variable can neither close nor hijack a descriptor of the program.  A program
 * with more rights than who started it (set-uid) listens to a process of its own rights
 * alone: to its predecessor. */
static void take_handover(void)
{
	const char *text = getenv(MO_HANDOVER_ENV);
	uint64_t fd;
	int type = 0, domain = 0;
	socklen_t n = sizeof(int);
	const char *base;

	if (!text)
		return;
	if (mo_str_u64(mo_str(text), INT_MAX, &fd) && fd > 2 &&
	    getsockopt((int)fd, SOL_SOCKET, SO_TYPE, &type, &n) == 0 && type == SOCK_SEQPACKET &&
	    getsockopt((int)fd, SOL_SOCKET, SO_DOMAIN, &domain, &n) == 0 && domain == AF_UNIX &&
	    (!getauxval(AT_SECURE) || mo_peer_is_ours((int)fd) > 0) &&
	    fcntl((int)fd, F_SETFD, FD_CLOEXEC) == 0)
		start.handover_fd = (int)fd;
	unsetenv(MO_HANDOVER_ENV);
	/* A program started by descriptor is named after the descriptor. */
	if (start.handover_fd >= 0 && start.argv[0]) {
		base = strrchr(start.argv[0], '/');
		prctl(PR_SET_NAME, base ? base + 1 : start.argv[0], 0, 0, 0);
	}
}

/* A program started with closed standard streams would get its listeners there,
 * and write its log to them. */
static void open_standard_streams(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
}

/* Of the program, by MOLT_AT_START(). */
extern const unsigned molt_at_start __attribute__((weak));

static bool keeps(unsigned what)
{
	return &molt_at_start && molt_at_start & what;
}

/* A program that answers the service manager itself keeps its variables. */
static void take_service_manager(void)
{
	if (keeps(MOLT_KEEP_ENVIRONMENT))
		return;
	mo_activate_take();
	mo_notify_take();
}

static void hide_service_manager(void)
{
	if (!keeps(MOLT_KEEP_ENVIRONMENT))
		mo_notify_hide();
}

/* The first process of a container cannot be replaced: the system would end
 * with it.  The program runs below it. */
static bool is_to_supervise(void)
{
	return getpid() == 1 && start.exe && start.handover_fd < 0 && !&mo_supervises_itself &&
	       !keeps(MOLT_KEEP_PID_1);
}

#ifndef __GLIBC__
#error "only glibc gives constructors the arguments of main()"
#endif
/* They are what a successor is started with. */
__attribute__((constructor)) static void save_start(int argc, char **argv, char **envp)
{
	char *upgrade;

	(void)argc;
	(void)envp;
	open_standard_streams();
	mo_signals_keep_restarts();
	start.argv = copy_vector(argv, NULL);
	take_handover();
	if (start.handover_fd >= 0) {
		MO_FAULT_ROLE("successor");
		mo_parent_set(getppid());
		mo_successor_report_log();
	}
	take_service_manager();
	upgrade = mo_strdup(secure_getenv(MO_UPGRADE_ENV));
	unsetenv(MO_UPGRADE_ENV);
	start.envp = copy_vector(environ, MO_HANDOVER_ENV);
	hide_service_manager();
	start.supervised = secure_getenv(MO_SUPERVISED_ENV) != NULL;
	unsetenv(MO_SUPERVISED_ENV);
	save_cwd();
	save_exe();
	dl_iterate_phdr(read_build_id, NULL);
	if (upgrade)
		mo_exit_now(mo_upgrade_begin(upgrade, start.handover_fd));
	if (is_to_supervise())
		mo_exit_now(mo_supervise(start.exe, NULL));
}
