/* Descriptors of the simulated processes; see sim.h. */
#include <errno.h>
#include <stddef.h>

#include "base/check.h"
#include "sim.h"

sim_file *sim_file_new(enum sim_kind kind)
{
	static ino_t number;
	sim_file *f = sim_alloc(sizeof(*f));

	f->kind = kind;
	f->refs = 1;
	f->number = ++number;
	return f;
}

sim_file *sim_file_ref(sim_file *f)
{
	f->refs++;
	return f;
}

void sim_file_unref(sim_file *f)
{
	MO_CHECK(f->refs > 0);
	if (--f->refs > 0)
		return;
	switch (f->kind) {
	case SIM_CHANNEL:
		sim_channel_close(f);
		break;
	case SIM_PATH:
		sim_path_close(f);
		break;
	case SIM_LISTENER:
		sim_listener_ended(f);
		break;
	case SIM_CONN:
		sim_conn_ended(f->conn);
		break;
	case SIM_PIDFD:
	case SIM_PROGRAM:
	case SIM_SIGNALS:
	case SIM_OTHER:
		break;
	}
}

bool sim_file_readable(sim_file *f)
{
	switch (f->kind) {
	case SIM_CHANNEL:
		return sim_channel_readable(f);
	case SIM_PATH:
		return f->nwaiting > 0;
	case SIM_LISTENER:
		return sim_listener_waits(f);
	case SIM_CONN:
		return f->conn->unread > 0;
	case SIM_PIDFD:
		return f->process->state >= SIM_ZOMBIE;
	case SIM_SIGNALS:
		return f->process->pending != 0;
	case SIM_PROGRAM:
	case SIM_OTHER:
		break;
	}
	return false;
}

int sim_fd_new(sim_process *p, sim_file *f)
{
	int fd = p->lowest;

	while (fd < SIM_FDS && p->fds[fd])
		fd++;
	if (fd == SIM_FDS) {
		sim_file_unref(f);
		return -EMFILE;
	}
	p->fds[fd] = f;
	p->lowest = fd + 1;
	return fd;
}

sim_file *sim_fd_of(sim_process *p, int fd)
{
	return fd >= 0 && fd < SIM_FDS ? p->fds[fd] : NULL;
}

sim_file *sim_fd(int fd)
{
	return sim_fd_of(sim_self(), fd);
}

int sim_fd_close(sim_process *p, int fd)
{
	sim_file *f = sim_fd_of(p, fd);

	if (!f)
		return -EBADF;
	p->fds[fd] = NULL;
	if (fd < p->lowest)
		p->lowest = fd;
	sim_file_unref(f);
	return 0;
}
