/* A log file of each day; see log_file.h. */
#include "web/log/log_file.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "config/log_name.h"

#define RETRY_SWITCH ((molt_time)60 * MOLT_SECOND)

/* Belongs to the outlet, which ends it behind the last line. */
struct mo_log_file {
	_Atomic unsigned owners;
	mo_outlet *outlet;
	char *dir, *pattern;
	pthread_mutex_t lock;  /* over an open(), of: */
	molt_time from, until; /* the wall clock's span in which the open file is right */
};

/* Opens the file of that moment's day; a descriptor or -errno. */
static int open_day(mo_log_file *f, molt_time now)
{
	time_t at = (time_t)(now / 1000);
	struct tm day;
	char *path;
	int fd;

	localtime_r(&at, &day);
	path = mo_log_name_path(f->dir, f->pattern, &day);
	fd = mo_log_open_file(path);
	free(path);
	if (fd < 0)
		return fd;
	day.tm_hour = day.tm_min = day.tm_sec = 0;
	day.tm_isdst = -1;
	f->from = (molt_time)mktime(&day) * 1000;
	day.tm_mday++;
	day.tm_isdst = -1;
	f->until = (molt_time)mktime(&day) * 1000;
	return fd;
}

/* At midnight, or when the clock was set. */
static void switch_day(void *arg)
{
	mo_log_file *f = arg;
	molt_time now = mo_wall();
	int fd;

	pthread_mutex_lock(&f->lock);
	if (now < f->until && now >= f->from) {
		pthread_mutex_unlock(&f->lock);
		return;
	}
	fd = open_day(f, now);
	if (fd >= 0) {
		mo_outlet_set_fd(f->outlet, fd);
	} else {
		f->from = now;
		f->until = now + RETRY_SWITCH;
	}
	pthread_mutex_unlock(&f->lock);
	if (fd < 0)
		mo_error("the log of the new day cannot be opened in %s: %s%s", f->dir,
			 molt_strerror(fd), mo_log_open_advice(fd));
}

static void end(void *arg)
{
	mo_log_file *f = arg;

	pthread_mutex_destroy(&f->lock);
	free(f->dir);
	free(f->pattern);
	free(f);
}

static const mo_outlet_hooks hooks = { .before = switch_day, .end = end };

int mo_log_file_open(mo_log_file **out, const char *dir, const char *pattern)
{
	mo_log_file *f = mo_calloc(1, sizeof(*f));
	int fd;

	atomic_init(&f->owners, 1);
	f->dir = mo_strdup(dir);
	f->pattern = mo_strdup(pattern);
	pthread_mutex_init(&f->lock, NULL);
	fd = open_day(f, mo_wall());
	if (fd < 0) {
		end(f);
		return fd;
	}
	f->outlet = mo_outlet_new(fd, &hooks, f);
	*out = f;
	return 0;
}

mo_outlet *mo_log_file_outlet(mo_log_file *f)
{
	return f->outlet;
}

mo_log_file *mo_log_file_ref(mo_log_file *f)
{
	atomic_fetch_add(&f->owners, 1);
	return f;
}

int mo_log_file_reopen(mo_log_file *f)
{
	int fd;

	mo_outlet_flush(f->outlet, MO_LOG_REOPEN_WAIT, MO_LOG_REOPEN_WAIT);
	pthread_mutex_lock(&f->lock);
	fd = open_day(f, mo_wall());
	if (fd >= 0)
		mo_outlet_set_fd(f->outlet, fd);
	pthread_mutex_unlock(&f->lock);
	return fd < 0 ? fd : 0;
}

void mo_log_file_close(mo_log_file *f)
{
	if (f && atomic_fetch_sub(&f->owners, 1) == 1)
		mo_outlet_free(f->outlet);
}
