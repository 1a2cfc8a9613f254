/* What this generation can go back to; see previous.h. */
#include "gen/new/previous.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json.h"
#include "base/clock.h"
#include "base/mem.h"
#include "gen/os/origin.h"
#include "gen/self.h"
#include "gen/wire/messages.h"

static struct {
	pthread_mutex_t lock;
	json_t *about; /* NULL: there is none; else generation, pid, exe, build */
	int fd;        /* of its program; -1: by path */
	struct stat was;
	bool stands_by;
	molt_time until; /* of the wall clock; only while it stands by */
} prev = { .lock = PTHREAD_MUTEX_INITIALIZER, .fd = -1 };

/* ---- the predecessor ------------------------------------------------------------ */

static bool started_by_script(void)
{
	mo_program p;
	char *why = NULL;
	bool script = mo_program_open(mo_origin_get()->exe, &p, &why) == 0 && p.script;

	mo_program_close(&p);
	free(why);
	return script;
}

int mo_previous_offer(int (*send)(void *arg, json_t *body, const int *fds, int n), void *arg)
{
	const mo_origin *start = mo_origin_get();
	int fd = start->exe_fd, n = fd >= 0 && start->exe && !started_by_script() ? 1 : 0;

	return send(arg,
		    mo_message_new(MO_MSG_PREVIOUS, "{s:i, s:i, s:s?, s:s}", "generation",
				   (int)mo_self_generation(), "pid", (int)getpid(), "exe",
				   start->exe, "build", start->build),
		    &fd, n);
}

/* ---- the successor ---------------------------------------------------------------- */

void mo_previous_take(mo_wire_msg *m)
{
	pthread_mutex_lock(&prev.lock);
	json_decref(prev.about);
	prev.about = json_deep_copy(m->body);
	json_object_del(prev.about, "type");
	if (prev.fd >= 0) /* that of an earlier word */
		close(prev.fd);
	prev.fd = -1;
	if (m->nfds > 0 && fstat(m->fds[0], &prev.was) == 0) {
		prev.fd = m->fds[0];
		m->fds[0] = -1;
	}
	pthread_mutex_unlock(&prev.lock);
}

void mo_previous_stands_by(molt_time bake_ms)
{
	pthread_mutex_lock(&prev.lock);
	prev.stands_by = bake_ms >= 0;
	prev.until = mo_wall() + bake_ms;
	pthread_mutex_unlock(&prev.lock);
}

char *mo_previous_path(void)
{
	char *path;

	pthread_mutex_lock(&prev.lock);
	path = mo_strdup(json_string_value(json_object_get(prev.about, "exe")));
	pthread_mutex_unlock(&prev.lock);
	return path;
}

static bool same_file(const struct stat *a, const struct stat *b)
{
	return a->st_ino == b->st_ino && a->st_dev == b->st_dev && a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/* On the control thread, which alone changes it. */
int mo_previous_program(mo_program *out, char **why)
{
	const char *exe = mo_json_str(prev.about, "exe");
	struct stat now;

	*out = (mo_program){ .fd = -1 };
	if (prev.fd < 0)
		return mo_program_open(exe, out, why);
	if (fstat(prev.fd, &now) < 0 || !same_file(&now, &prev.was)) {
		*why = mo_fmt("%s has been written over in place since it ran", exe);
		return -ESTALE;
	}
	out->fd = fcntl(prev.fd, F_DUPFD_CLOEXEC, 3);
	out->path = mo_strdup(exe);
	return out->fd < 0 ? -errno : 0;
}

/* ---- status ------------------------------------------------------------------------- */

json_t *mo_previous_status(void)
{
	json_t *out = json_null();

	pthread_mutex_lock(&prev.lock);
	if (prev.about) {
		out = json_deep_copy(prev.about);
		json_object_set_new(out, "how",
				    json_string(prev.stands_by ? "predecessor" : "program"));
		if (prev.stands_by)
			json_object_set_new(out, "until", mo_json_moment(prev.until));
		else
			json_object_del(out, "pid");
	}
	pthread_mutex_unlock(&prev.lock);
	return out;
}
