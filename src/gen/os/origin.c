/* What the process was started with; see origin.h. */
#include "gen/os/origin.h"

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
#include "base/mem.h"
#include "base/str.h"
#include "net/peer.h"

static mo_origin start = { .cwd_fd = -1, .handover_fd = -1, .exe_fd = -1 };

extern char **environ;

mo_origin *mo_origin_get(void)
{
	return &start;
}

void mo_origin_set_exe(const char *path)
{
	mo_strset(&start.exe, path);
}

char *mo_origin_resolve(const char *path)
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

void mo_origin_set_argv(char *const *argv)
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
		start.exe = mo_origin_resolve(path);
		return;
	}
	n = readlink("/proc/self/exe", link, sizeof(link) - 1);
	if (n > 0)
		start.exe = mo_strndup(link, (size_t)n);
	else if (start.argv[0])
		start.exe = mo_origin_resolve(start.argv[0]);
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

void mo_origin_save_arguments(char **argv)
{
	start.argv = copy_vector(argv, NULL);
	take_handover();
}

void mo_origin_save_environment(void)
{
	start.envp = copy_vector(environ, MO_HANDOVER_ENV);
}

void mo_origin_save_place(void)
{
	start.supervised = secure_getenv(MO_SUPERVISED_ENV) != NULL;
	unsetenv(MO_SUPERVISED_ENV);
	save_cwd();
	save_exe();
	dl_iterate_phdr(read_build_id, NULL);
}

#ifndef __GLIBC__
#error "only glibc gives constructors the arguments of main()"
#endif
/* They are what a successor is started with. */
__attribute__((constructor)) static void save_start(int argc, char **argv, char **envp)
{
	(void)argc;
	(void)envp;
	mo_begin(argv);
}
