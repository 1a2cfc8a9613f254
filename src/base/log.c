/* The process's own log; see log.h. */
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/digits.h"
#include "base/mem.h"
#include "base/outlet.h"
#include "base/str.h"
#include "base/word.h"

typedef void sink_fn(void *arg, enum molt_level l, const char *line);

/* The targets.  The read lock is held while a line is added, so that an outlet is freed
 * only when no line is on the way there; never while the program's sink runs. */
static struct {
	pthread_rwlock_t lock;
	sink_fn *sink;
	void *sink_arg;
	char *path; /* of file, for reopening */
	mo_outlet *file;
	bool no_stdout;
} target = { .lock = PTHREAD_RWLOCK_INITIALIZER };

/* Of whoever changes path and file: held while a disk is waited for. */
static pthread_mutex_t changing = PTHREAD_MUTEX_INITIALIZER;

static _Atomic int least = MOLT_INFO;

typedef void observer_fn(const char *line);
static observer_fn *_Atomic observer;

static const char *const level_text[] = { "[DEBUG] ", "", "[WARN] ", "[ERROR] " };

/* The calendar is asked once a second and thread: lines come by the thousand. */
char *mo_log_put_stamp(char *p, molt_time wall)
{
	static _Thread_local time_t second = -1;
	static _Thread_local char text[32];
	static _Thread_local size_t len;
	time_t s = (time_t)(wall / 1000);

	if (s != second) {
		struct tm tm;

		localtime_r(&s, &tm);
		len = strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm);
		second = s;
	}
	memcpy(p, text, sizeof(text));
	p[len] = '.';
	return mo_put_3digits(p + len + 1, (unsigned)(wall % 1000));
}

static bool is_harmless(unsigned char c)
{
	return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

static bool all_harmless(uint64_t w)
{
	return ((w & MO_EACH_BYTE(0x80)) | mo_bytes_control(w) | mo_bytes_are(w, '"') |
		mo_bytes_are(w, '\\')) == 0;
}

/* Copies n bytes, at least 4, in pieces that may overlap; false: some need an escape. */
static bool copy_harmless(char *p, const char *s, size_t n)
{
	uint64_t w;

	if (n < 8) {
		uint32_t first, last;

		memcpy(&first, s, 4);
		memcpy(&last, s + n - 4, 4);
		memcpy(p, &first, 4);
		memcpy(p + n - 4, &last, 4);
		return all_harmless((uint64_t)first << 32 | last);
	}
	for (size_t i = 0; i + 8 < n; i += 8) {
		memcpy(&w, s + i, 8);
		if (!all_harmless(w))
			return false;
		memcpy(p + i, &w, 8);
	}
	memcpy(&w, s + n - 8, 8);
	memcpy(p + n - 8, &w, 8);
	return all_harmless(w);
}

char *mo_log_put_escaped(char *p, molt_str s)
{
	if (s.len >= 4 && copy_harmless(p, s.ptr, s.len))
		return p + s.len;
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.ptr[i];

		if (is_harmless(c)) {
			*p++ = (char)c;
		} else {
			*p++ = '\\';
			*p++ = 'x';
			p = mo_put_hex_digits(p, c, 2);
		}
	}
	return p;
}

void mo_log_escape(mo_buf *out, molt_str s)
{
	mo_buf_reserve(out, 4 * s.len);
	out->len = (size_t)(mo_log_put_escaped(out->data + out->len, s) - out->data);
}

/* The message of a log line may hold UTF-8 and quotes; only what could forge a
 * line or drive a terminal is escaped. */
static void escape_control(mo_buf *out, const char *p, size_t n)
{
	while (n > 0) {
		size_t m = mo_str_visible(mo_strn(p, n));

		if (m > 0)
			mo_buf_add(out, p, m);
		else
			mo_buf_fmt(out, "\\x%02x", (unsigned char)*p);
		m += m == 0;
		p += m;
		n -= m;
	}
}

static void emit(enum molt_level l, mo_buf *line)
{
	sink_fn *sink;
	void *arg;

	pthread_rwlock_rdlock(&target.lock);
	sink = target.sink;
	arg = target.sink_arg;
	if (sink) {
		pthread_rwlock_unlock(&target.lock);
		sink(arg, l, mo_buf_cstr(line));
		return;
	}
	mo_buf_putc(line, '\n');
	if (!target.no_stdout)
		mo_outlet_add(mo_outlet_stdout(), line->data, line->len);
	if (target.file)
		mo_outlet_add(target.file, line->data, line->len);
	pthread_rwlock_unlock(&target.lock);
}

static void write_line(enum molt_level l, const char *fmt, va_list ap)
{
	int saved = errno;
	mo_buf text = { 0 }, line = { 0 };
	observer_fn *watch = l >= MOLT_WARN ? atomic_load(&observer) : NULL;
	bool wanted = (int)l >= atomic_load_explicit(&least, memory_order_relaxed);

	if ((!wanted && !watch) || (int)l > MOLT_ERROR)
		return;
	mo_buf_vfmt(&text, fmt, ap);
	mo_buf_reserve(&line, MO_LOG_STAMP_MAX);
	line.len = (size_t)(mo_log_put_stamp(line.data, mo_wall()) - line.data);
	mo_buf_fmt(&line, " %d: %s", (int)getpid(), level_text[l]);
	escape_control(&line, text.data, text.len);
	if (watch)
		watch(mo_buf_cstr(&line));
	if (wanted)
		emit(l, &line);
	mo_buf_free(&text);
	mo_buf_free(&line);
	errno = saved;
}

void molt_log(enum molt_level l, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	write_line(l, fmt, ap);
	va_end(ap);
}

bool mo_log_limit_pass(mo_log_limit *l, uint64_t *left_out)
{
	molt_time second = mo_now() / 1000, old = atomic_load(&l->second);

	*left_out = 0;
	if (old != second && atomic_compare_exchange_strong(&l->second, &old, second))
		atomic_store(&l->n, 0);
	if (atomic_fetch_add(&l->n, 1) >= l->most) {
		atomic_fetch_add(&l->left_out, 1);
		return false;
	}
	*left_out = atomic_exchange(&l->left_out, 0);
	return true;
}

void mo_log_limited(mo_log_limit *l, enum molt_level level, const char *fmt, ...)
{
	uint64_t left_out;
	va_list ap;

	if (!mo_log_limit_pass(l, &left_out))
		return;
	if (left_out)
		molt_log(level, "%llu lines like the next were left out",
			 (unsigned long long)left_out);
	va_start(ap, fmt);
	write_line(level, fmt, ap);
	va_end(ap);
}

void mo_log_set_observer(void (*fn)(const char *line))
{
	atomic_store(&observer, fn);
}

void molt_log_set_level(enum molt_level l)
{
	atomic_store(&least, (int)l);
}

void molt_log_set_sink(void (*fn)(void *, enum molt_level, const char *), void *arg)
{
	pthread_rwlock_wrlock(&target.lock);
	target.sink = fn;
	target.sink_arg = arg;
	pthread_rwlock_unlock(&target.lock);
}

/* What is no regular file, or hides behind a symbolic link, is somebody's trap or
 * mistake; a FIFO would hold the program at its start. */
int mo_log_open_file(const char *path)
{
	int fd =
		open(path,
		     O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NOFOLLOW | O_NONBLOCK,
		     0640);
	struct stat st;
	int err;

	if (fd < 0) /* ENXIO: a FIFO that nobody reads, or a socket */
		return errno == ENXIO ? -EINVAL : -errno;
	err = fstat(fd, &st) < 0 ? -errno : S_ISREG(st.st_mode) ? 0 : -EINVAL;
	if (err == 0)
		return fd;
	close(fd);
	return err;
}

const char *mo_log_open_advice(int err)
{
	switch (-err) {
	case ENOENT:
		return "; make the directory first";
	case ELOOP:
		return "; a log is not written through a symbolic link";
	case EINVAL:
		return "; a log must be a regular file";
	default:
		return "";
	}
}

int mo_log_to_file(const char *path, bool also_stdout)
{
	mo_outlet *old;
	char *old_path;
	int fd;

	pthread_mutex_lock(&changing);
	fd = path ? mo_log_open_file(path) : 0;
	if (fd < 0) {
		pthread_mutex_unlock(&changing);
		return fd;
	}
	pthread_rwlock_wrlock(&target.lock);
	old = target.file;
	old_path = target.path;
	target.file = path ? mo_outlet_new(fd, NULL, NULL) : NULL;
	target.path = mo_strdup(path);
	target.no_stdout = !also_stdout;
	pthread_rwlock_unlock(&target.lock);
	pthread_mutex_unlock(&changing);
	mo_outlet_free(old);
	free(old_path);
	return 0;
}

int mo_log_reopen(void)
{
	int fd = 0;

	pthread_mutex_lock(&changing);
	if (target.file) {
		mo_outlet_flush(target.file, MO_LOG_REOPEN_WAIT, MO_LOG_REOPEN_WAIT);
		fd = mo_log_open_file(target.path);
		if (fd >= 0)
			mo_outlet_set_fd(target.file, fd);
	}
	pthread_mutex_unlock(&changing);
	return fd < 0 ? fd : 0;
}
