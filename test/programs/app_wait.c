/* Routes whose handlers wait, block, stream, or keep their loop busy: for ?ms=, or as long as
 * the test holds them (hold.c). */
#include "app.h"

#include <errno.h>
#include <pthread.h>
#include <time.h>
#include <unistd.h>

static void say_pid_pause_pid(molt_req *r)
{
	const char *hold = app_hold(r);
	int err;

	molt_res_printf(r, "%d\n", getpid());
	err = hold ? app_hold_sleep(hold) : molt_sleep(app_number(r, "ms", 1000));
	if (err)
		molt_log(MOLT_INFO, "sleep: %s", molt_strerror(err));
	molt_res_printf(r, "%d\n", getpid());
}

/* ?n= lines, ?ms= apart, each flushed; the pid in each.  One that is held waits behind the
 * first line. */
static void stream(molt_req *r)
{
	int n = app_number(r, "n", 5), ms = app_number(r, "ms", 100), err = 0;

	for (int i = 1; i <= n && !err; i++) {
		molt_res_printf(r, "%d %d\n", getpid(), i);
		err = molt_res_flush(r);
		if (!err && i == 1)
			err = app_hold_sleep(app_hold(r));
		if (!err && i < n)
			err = molt_sleep(ms);
	}
	if (err)
		molt_log(MOLT_INFO, "stream: %s", molt_strerror(err));
}

/* Sends ?n= bytes as fast as the client takes them. */
static void pour(molt_req *r)
{
	static const char piece[16384];
	int left = app_number(r, "n", 1000000), err = 0;

	while (left > 0 && !err) {
		size_t n = left < (int)sizeof(piece) ? (size_t)left : sizeof(piece);

		molt_res_write(r, piece, n);
		err = molt_res_flush(r);
		left -= (int)n;
	}
	molt_log(MOLT_INFO, "pour: %s", err ? molt_strerror(err) : "done");
}

static void really_sleep(int ms)
{
	struct timespec t = { ms / 1000, (long)(ms % 1000) * 1000000 };

	nanosleep(&t, NULL);
}

static void sleep_or_hold(void *request)
{
	molt_req *r = request;
	const char *hold = app_hold(r);

	if (hold)
		app_hold_thread(hold);
	else
		really_sleep(app_number(r, "ms", 500));
}

static void block(molt_req *r)
{
	int err = molt_block(sleep_or_hold, r);

	molt_res_printf(r, "%s\n", err ? molt_strerror(err) : "blocked");
}

/* Bound with .blocking: a thread of its own. */
static void blocking(molt_req *r)
{
	molt_str body;

	sleep_or_hold(r);
	if (molt_req_body(r, &body) == 0)
		molt_res_printf(r, "slept %d, body %zu\n", app_number(r, "ms", 500), body.len);
}

/* What a handler must not do: it holds its loop. */
static void hog(molt_req *r)
{
	sleep_or_hold(r);
	molt_res_puts(r, "hogged");
}

static void *write_later(void *arg)
{
	int fd = *(int *)arg;

	really_sleep(200);
	return write(fd, "x", 1) == 1 ? NULL : arg;
}

/* Waits for a pipe that a thread writes to after 200 ms; ?timeout= ms. */
static void wait_fd(molt_req *r)
{
	int p[2], err;
	pthread_t thread;

	if (pipe(p) != 0 || pthread_create(&thread, NULL, write_later, &p[1]) != 0) {
		molt_res_error(r, 500, NULL);
		return;
	}
	err = molt_wait_fd(p[0], false, app_number(r, "timeout", 5000));
	molt_res_puts(r, err == 0            ? "readable"
			 : err == -ETIMEDOUT ? "timeout"
					     : molt_strerror(err));
	pthread_join(thread, NULL);
	close(p[0]);
	close(p[1]);
}

/* Waits until the client has gone, and says so in the log. */
static void until_gone(molt_req *r)
{
	int tries = 0;

	while (!molt_req_gone(r) && tries++ < 200)
		molt_sleep(50);
	molt_log(MOLT_INFO, "until-gone: %s", molt_req_gone(r) ? "gone" : "still there");
	molt_res_puts(r, "over");
}

void app_wait_routes(molt_server *s)
{
	molt_group *g = molt_routes(s);

	molt_bind(g, "/sleep", say_pid_pause_pid, NULL);
	molt_bind(g, "/stream", stream, NULL);
	molt_bind(g, "/pour", pour, NULL);
	molt_bind(g, "/block", block, NULL);
	molt_bind_opts(g, "/blocking", blocking, NULL, &MOLT_ROUTE_OPTS(.blocking = true));
	molt_bind(g, "/hog", hog, NULL);
	molt_bind(g, "/wait-fd", wait_fd, NULL);
	molt_bind(g, "/until-gone", until_gone, NULL);
}
