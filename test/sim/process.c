/* Simulated processes: images, their start, signals, ends; see sim.h.
 *
 * An image is a copy of image.so, loaded once and used again: before a process starts in
 * one, its variables are set to what they were after loading.
 *
 *   state    event                              next
 *   RUNS     exit(), SIGKILL                    DYING: its stacks are gone
 *   DYING    drawn, its descriptors one by one  DYING
 *   DYING    drawn, none is left                ZOMBIE; its parent may wait for it
 *   ZOMBIE   waited for, or its parent is gone  GONE
 *            and nobody reaps below */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/check.h"
#include "sim.h"

#define PARTS 4u
#define FIRST_PID 100

/* A piece of an image that its code writes to, and what was there after loading. */
typedef struct part {
	char *at, *pristine;
	size_t size;
} part;

typedef struct sim_image {
	const sim_entry *entry;
	part parts[PARTS];
	unsigned nparts;
	bool used;
} sim_image;

static sim_image images[SIM_IMAGES];
sim_process *sim_all[SIM_PROCESSES];
unsigned sim_count;

/* ---- images ----------------------------------------------------------------------- */

typedef struct search {
	uintptr_t inside;
	sim_image *image;
} search;

static bool covers(const struct dl_phdr_info *info, const ElfW(Phdr) * h, uintptr_t at)
{
	uintptr_t low = info->dlpi_addr + h->p_vaddr;

	return at >= low && at < low + h->p_memsz;
}

/* What is read-only after loading is left out. */
static void add_part(sim_image *i, const struct dl_phdr_info *info, const ElfW(Phdr) * h)
{
	uintptr_t low = info->dlpi_addr + h->p_vaddr, high = low + h->p_memsz;

	for (int k = 0; k < info->dlpi_phnum; k++) {
		const ElfW(Phdr) *r = &info->dlpi_phdr[k];
		uintptr_t end = info->dlpi_addr + r->p_vaddr + r->p_memsz;
		uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);

		if (r->p_type == PT_GNU_RELRO && covers(info, h, end - 1))
			low = (end + page - 1) / page * page;
	}
	if (low >= high)
		return;
	MO_CHECK(i->nparts < PARTS);
	i->parts[i->nparts] = (part){ (char *)low, sim_keep(high - low), high - low };
	memcpy(i->parts[i->nparts].pristine, (char *)low, high - low);
	i->nparts++;
}

static int on_object(struct dl_phdr_info *info, size_t size, void *arg)
{
	search *s = arg;
	bool it = false;

	(void)size;
	for (int k = 0; k < info->dlpi_phnum; k++)
		it = it || (info->dlpi_phdr[k].p_type == PT_LOAD &&
			    covers(info, &info->dlpi_phdr[k], s->inside));
	for (int k = 0; it && k < info->dlpi_phnum; k++)
		if (info->dlpi_phdr[k].p_type == PT_LOAD && info->dlpi_phdr[k].p_flags & PF_W)
			add_part(s->image, info, &info->dlpi_phdr[k]);
	return it;
}

/* The loader knows files by their path and number, so each image has a file of its own, which
 * stays open: the next one's path would be the same. */
static void load(sim_image *i, const char *bytes, size_t n)
{
	int fd = memfd_create("image", MFD_CLOEXEC);
	char path[40];
	void *object;
	search s;

	MO_CHECK(fd >= 0 && write(fd, bytes, n) == (ssize_t)n);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	object = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (!object)
		MO_DIE("%s", dlerror());
	i->entry = dlsym(object, "sim_image_entry");
	MO_CHECK(i->entry != NULL);
	s = (search){ (uintptr_t)i->entry, i };
	dl_iterate_phdr(on_object, &s);
}

void sim_images_begin(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	char *bytes;

	if (fd < 0 || fstat(fd, &st) < 0)
		MO_DIE("%s: %s", path, strerror(errno));
	bytes = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	MO_CHECK(bytes != MAP_FAILED);
	for (unsigned i = 0; i < SIM_IMAGES; i++)
		load(&images[i], bytes, (size_t)st.st_size);
	munmap(bytes, (size_t)st.st_size);
	close(fd);
}

static sim_image *image_take(void)
{
	for (unsigned i = 0; i < SIM_IMAGES; i++)
		if (!images[i].used) {
			for (unsigned k = 0; k < images[i].nparts; k++)
				memcpy(images[i].parts[k].at, images[i].parts[k].pristine,
				       images[i].parts[k].size);
			images[i].used = true;
			return &images[i];
		}
	return NULL;
}

/* ---- start ------------------------------------------------------------------------- */

void sim_processes_reset(void)
{
	sim_count = 0;
	for (unsigned i = 0; i < SIM_IMAGES; i++)
		images[i].used = false;
}

sim_process *sim_self(void)
{
	MO_CHECK(sim_current != NULL);
	return sim_current->process;
}

sim_process *sim_process_find(pid_t pid)
{
	unsigned i = (unsigned)(pid - FIRST_PID);

	return pid >= FIRST_PID && i < sim_count && sim_all[i]->state != SIM_GONE ? sim_all[i]
										  : NULL;
}

static void run_main(void *process)
{
	((sim_process *)process)->entry->main();
}

sim_process *sim_process_start(int program, sim_process *parent, sim_file *handover,
			       bool supervised)
{
	sim_image *i = sim_count < SIM_PROCESSES ? image_take() : NULL;
	sim_process *p;

	if (!i)
		return NULL;
	p = sim_alloc(sizeof(*p));
	*p = (sim_process){ .pid = FIRST_PID + (pid_t)sim_count,
			    .parent = parent ? parent->pid : 1,
			    .program = &sim_programs[program],
			    .program_number = program,
			    .image = i,
			    .entry = i->entry,
			    .lowest = 3,
			    .handover_fd = -1,
			    .supervised = supervised,
			    .managed = parent ? parent->managed : true,
			    .dies_at = SIM_POINTS_FAR,
			    .fails_at = SIM_POINTS_FAR };
	for (int fd = 0; fd < 3; fd++)
		p->fds[fd] = sim_file_new(SIM_OTHER);
	if (handover)
		p->handover_fd = sim_fd_new(p, sim_file_ref(handover));
	sim_all[sim_count++] = p;
	sim_tell("pid %d starts: %s", (int)p->pid, p->program->path);
	sim_thread_start(p, run_main, p);
	return p;
}

int sim_program_open(const char *path)
{
	sim_file *f;
	int number = -1, pid;

	if (sscanf(path, "/proc/%d/exe", &pid) == 1) {
		const sim_process *p = sim_process_find(pid);

		number = p && p->state == SIM_RUNS ? p->program_number : -1;
	}
	for (int i = 0; sim_programs[i].path; i++)
		if (strcmp(sim_programs[i].path, path) == 0)
			number = i;
	if (number < 0)
		return -ENOENT;
	f = sim_file_new(SIM_PROGRAM);
	f->program = number;
	f->number = (ino_t)(1000 + number);
	return sim_fd_new(sim_self(), f);
}

int sim_spawn(int fd, int handover_fd, bool supervised, pid_t *pid)
{
	const sim_file *f = sim_fd(fd);
	sim_process *p;

	sim_point();
	if (!f || f->kind != SIM_PROGRAM)
		return -EBADF;
	p = sim_process_start(f->program, sim_self(), sim_fd(handover_fd), supervised);
	if (!p)
		return -EAGAIN;
	*pid = p->pid;
	sim_check_spawned(sim_self(), p);
	return 0;
}

/* ---- ends -------------------------------------------------------------------------- */

static void die(sim_process *p, int status)
{
	if (p->state != SIM_RUNS)
		return;
	p->state = SIM_DYING;
	p->status = status;
	p->stopped = false;
	sim_trouble.deaths += status != 0 && (p->accepted || p->program->supervises);
	sim_trouble.supervisors += p->program->supervises;
	sim_tell("pid %d %s %d", (int)p->pid, WIFEXITED(status) ? "exits with" : "is killed by",
		 WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
}

void sim_process_exit(int status)
{
	die(sim_self(), status << 8);
	sim_give_up_processor();
}

void sim_process_kill(sim_process *p)
{
	die(p, SIGKILL);
}

/* Whoever reaps below p: the nearest that has asked for it. */
static sim_process *reaper_of(const sim_process *p)
{
	sim_process *at = sim_process_find(p->parent);

	while (at && !(at->subreaper && at->state == SIM_RUNS))
		at = sim_process_find(at->parent);
	return at;
}

static void be_reaped(sim_process *p)
{
	sim_process *parent = sim_process_find(p->parent);

	if (!parent || parent->state != SIM_RUNS)
		parent = reaper_of(p);
	if (!parent) {
		p->state = SIM_GONE;
		return;
	}
	p->parent = parent->pid;
	sim_process_signal(parent, SIGCHLD);
}

static void leave_children(sim_process *p)
{
	for (unsigned i = 0; i < sim_count; i++) {
		sim_process *c = sim_all[i], *next = reaper_of(p);

		if (c->parent != p->pid || c->state == SIM_GONE)
			continue;
		c->parent = next ? next->pid : 1;
		if (c->state == SIM_ZOMBIE)
			be_reaped(c);
	}
}

void sim_process_dying_step(sim_process *p)
{
	if (p->threads) {
		p->threads = NULL;
		p->control = NULL;
		p->accepts = false;
		p->serving = (sim_serving){ NULL, NULL, NULL };
		sim_tasks_drop(p);
		sim_story_ended_with(p);
	}
	for (int fd = 0; fd < SIM_FDS; fd++)
		if (p->fds[fd]) {
			sim_fd_close(p, fd);
			return;
		}
	p->state = SIM_ZOMBIE;
	p->image->used = false;
	sim_tell("pid %d has ended", (int)p->pid);
	leave_children(p);
	be_reaped(p);
}

int sim_process_reap(sim_process *p, int *status)
{
	if (!p || p->parent != sim_self()->pid || p->state == SIM_GONE)
		return -ECHILD;
	if (p->state != SIM_ZOMBIE)
		return 0;
	p->state = SIM_GONE;
	*status = p->status;
	return 1;
}

/* ---- signals ------------------------------------------------------------------------ */

void sim_process_signal(sim_process *p, int number)
{
	if (p->state != SIM_RUNS)
		return;
	switch (number) {
	case SIGKILL:
		sim_process_kill(p);
		break;
	case SIGSTOP:
		p->stopped = true;
		p->stopped_at = sim_clock;
		break;
	case SIGCONT:
		p->stopped = false;
		break;
	case SIGCHLD:
		if (p->program->supervises)
			p->pending |= UINT64_C(1) << number;
		break;
	default:
		p->pending |= UINT64_C(1) << number;
	}
}
