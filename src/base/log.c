/* The process's own log; see log.h. */
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"

typedef void sink_fn(void *arg, enum molt_level l, const char *line);

/* The targets.  The read lock is held while a line is written, so that a file is
 * closed only when no line is under way; never while the program's sink runs. */
static struct {
	pthread_rwlock_t lock;
	sink_fn *sink;
	void *sink_arg;
	char *path; /* of file, for reopening */
	int file;   /* -1: none */
	bool no_stdout;
} target = { .lock = PTHREAD_RWLOCK_INITIALIZER, .file = -1 };

static _Atomic int least = MOLT_INFO;

typedef void observer_fn(const char *line);
static observer_fn *_Atomic observer;

static const char *const level_text[] = { "[DEBUG] ", "", "[WARN] ", "[ERROR] " };

/* The calendar is asked once a second and thread: lines come by the thousand. */
void mo_log_stamp(mo_buf *out)
{
	static _Thread_local time_t second = -1;
	static _Thread_local char text[32];
	molt_time now = mo_wall();
	time_t s = (time_t)(now / 1000);
	int ms = (int)(now % 1000);
	char part[4] = { '.', (char)('0' + ms / 100), (char)('0' + ms / 10 % 10),
			 (char)('0' + ms % 10) };

	if (s != second) {
		struct tm tm;

		localtime_r(&s, &tm);
		strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm);
		second = s;
	}
	mo_buf_puts(out, text);
	mo_buf_add(out, part, sizeof(part));
}

static bool is_harmless(unsigned char c)
{
	return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

void mo_log_escape(mo_buf *out, molt_str s)
{
	static const char hex[] = "0123456789abcdef";
	size_t from = 0;

	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.ptr[i];

		if (!is_harmless(c)) {
			char x[4] = { '\\', 'x', hex[c >> 4], hex[c & 15] };

			mo_buf_add(out, s.ptr + from, i - from);
			mo_buf_add(out, x, 4);
			from = i + 1;
		}
	}
	if (from < s.len)
		mo_buf_add(out, s.ptr + from, s.len - from);
}

/* The message of a log line may hold UTF-8 and quotes; only what could forge a
 * line or drive a terminal is escaped. */
static void escape_control(mo_buf *out, const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)p[i];

		if (c >= 0x20 && c != 0x7f)
			mo_buf_putc(out, (char)c);
		else
			mo_buf_fmt(out, "\\x%02x", c);
	}
}

/* A full disk or a closed pipe loses this line and nothing else. */
static void write_line(int fd, const char *p, size_t n)
{
	while (n) {
		ssize_t w = write(fd, p, n);

		if (w < 0 && errno == EINTR)
			continue;
		if (w <= 0)
			return;
		p += w;
		n -= (size_t)w;
	}
}

static void emit(enum molt_level l, mo_buf *line)
{
	sink_fn *sink;
	void *arg;
	int file;
	bool out;

	pthread_rwlock_rdlock(&target.lock);
	sink = target.sink;
	arg = target.sink_arg;
	file = target.file;
	out = !target.no_stdout;
	if (sink) {
		pthread_rwlock_unlock(&target.lock);
		sink(arg, l, mo_buf_cstr(line));
		return;
	}
	mo_buf_putc(line, '\n');
	if (out)
		write_line(STDOUT_FILENO, line->data, line->len);
	if (file >= 0)
		write_line(file, line->data, line->len);
	pthread_rwlock_unlock(&target.lock);
}

void molt_log(enum molt_level l, const char *fmt, ...)
{
	int saved = errno;
	mo_buf text = { 0 }, line = { 0 };
	observer_fn *watch = l >= MOLT_WARN ? atomic_load(&observer) : NULL;
	bool wanted = (int)l >= atomic_load_explicit(&least, memory_order_relaxed);
	va_list ap;

	if ((!wanted && !watch) || (int)l > MOLT_ERROR)
		return;
	va_start(ap, fmt);
	mo_buf_vfmt(&text, fmt, ap);
	va_end(ap);
	mo_log_stamp(&line);
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

static int open_log(const char *path)
{
	int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);

	return fd < 0 ? -errno : fd;
}

static void replace_file(int fd, char *path, bool no_stdout)
{
	int old;
	char *old_path;

	pthread_rwlock_wrlock(&target.lock);
	old = target.file;
	old_path = target.path;
	target.file = fd;
	target.path = path;
	target.no_stdout = no_stdout;
	pthread_rwlock_unlock(&target.lock);
	if (old >= 0)
		close(old);
	free(old_path);
}

int mo_log_to_file(const char *path, bool also_stdout)
{
	int fd;

	if (!path) {
		replace_file(-1, NULL, !also_stdout);
		return 0;
	}
	fd = open_log(path);
	if (fd < 0)
		return fd;
	replace_file(fd, mo_strdup(path), !also_stdout);
	return 0;
}

int mo_log_reopen(void)
{
	char *path;
	bool no_stdout;
	int fd;

	pthread_rwlock_rdlock(&target.lock);
	path = mo_strdup(target.path);
	no_stdout = target.no_stdout;
	pthread_rwlock_unlock(&target.lock);
	if (!path)
		return 0;
	fd = open_log(path);
	if (fd < 0) {
		free(path);
		return fd;
	}
	replace_file(fd, path, no_stdout);
	return 0;
}
