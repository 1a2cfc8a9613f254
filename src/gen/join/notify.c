/* What the service manager is told; see notify.h. */
#include "gen/join/notify.h"

#include <errno.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"
#include "gen/control.h"
#include "gen/join/supervisor_client.h"
#include "rt/timer.h"

#define LONGEST_WATCHDOG_USEC ((uint64_t)86400 * 1000 * 1000)

/* A manager that does not read holds the control thread no longer than this. */
#define SEND_TIMEOUT_USEC 500000

static struct {
	struct sockaddr_un to;
	socklen_t to_len; /* 0: nobody wants to be told */
	molt_time ping;   /* between two pings, ms; 0: none */
	mo_timer timer;
} n;

/* ---- the variables -------------------------------------------------------- */

/* "/path", or "@name" in the abstract namespace; anything else is none of ours. */
static void take_socket(const char *text)
{
	size_t len = text ? strlen(text) : 0;

	if (len < 2 || len >= sizeof(n.to.sun_path) || (text[0] != '/' && text[0] != '@'))
		return;
	n.to.sun_family = AF_UNIX;
	memcpy(n.to.sun_path, text, len + 1);
	n.to_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
	if (text[0] == '@')
		n.to.sun_path[0] = '\0';
	else
		n.to_len++;
}

/* A watchdog that waits for another process (a wrapper) is not ours to feed.
 * Whoever is started by us inherits the duty, not the pid. */
static void take_watchdog(void)
{
	const char *usec = secure_getenv("WATCHDOG_USEC"), *pid = secure_getenv("WATCHDOG_PID");
	uint64_t wanted, period;

	if (pid && (!mo_str_u64(mo_str(pid), INT32_MAX, &wanted) || (pid_t)wanted != getpid()))
		unsetenv("WATCHDOG_USEC");
	else if (usec && mo_str_u64(mo_str(usec), LONGEST_WATCHDOG_USEC, &period) && period > 0)
		n.ping = period < 4000 ? 1 : (molt_time)(period / 2000);
	unsetenv("WATCHDOG_PID");
}

void mo_notify_take(void)
{
	take_socket(secure_getenv("NOTIFY_SOCKET"));
	take_watchdog();
}

void mo_notify_hide(void)
{
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
}

/* ---- sending ---------------------------------------------------------------- */

static void send_text(const char *text)
{
	struct timeval limit = { .tv_usec = SEND_TIMEOUT_USEC };
	molt_time deadline = mo_deadline(SEND_TIMEOUT_USEC / 1000 * MOLT_MS);
	ssize_t sent;
	int fd;

	if (n.to_len == 0)
		return;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	do
		sent = sendto(fd, text, strlen(text), MSG_NOSIGNAL, (const struct sockaddr *)&n.to,
			      n.to_len);
	while (sent < 0 && errno == EINTR && mo_left(deadline) > 0);
	if (sent < 0)
		mo_debug("the service manager could not be told %.20s", text);
	close(fd);
}

/* A line of the protocol ends at '\n', so a text can hold none.  The manager passes a text
 * over that is no UTF-8, and its command prints the rest on a terminal as it is. */
static void add_status(mo_buf *b, const char *text)
{
	molt_str rest = mo_str(text);

	mo_buf_puts(b, "STATUS=");
	while (rest.len) {
		size_t len = mo_str_visible(rest);

		if (len)
			mo_buf_add(b, rest.ptr, len);
		else
			mo_buf_putc(b, *rest.ptr == '\n' || *rest.ptr == '\t' ? ' ' : '?');
		len = len ? len : 1;
		rest = mo_strn(rest.ptr + len, rest.len - len);
	}
	mo_buf_putc(b, '\n');
}

static void send_status(const char *lines, const char *status)
{
	mo_buf b = { 0 };

	mo_buf_puts(&b, lines);
	add_status(&b, status);
	send_text(mo_buf_cstr(&b));
	mo_buf_free(&b);
}

/* ---- the watchdog ------------------------------------------------------------ */

static void ping(mo_timer *t)
{
	send_text("WATCHDOG=1\n");
	mo_timer_start(mo_control_loop(), t, n.ping);
}

static void start_pings(void)
{
	if (n.to_len == 0 || n.ping == 0)
		return;
	mo_timer_init(&n.timer, ping);
	ping(&n.timer);
}

void mo_notify_end(void)
{
	if (n.timer.fn)
		mo_timer_stop(mo_control_loop(), &n.timer);
}

/* ---- events ------------------------------------------------------------------ */

void mo_notify_ready(unsigned generation, bool claim_main)
{
	mo_buf b = { 0 }, status = { 0 };

	if (claim_main && !mo_supervisor_client_is())
		mo_buf_fmt(&b, "MAINPID=%d\n", (int)getpid());
	mo_buf_puts(&b, "READY=1\n");
	mo_buf_fmt(&status, "Generation %u serves", generation);
	send_status(mo_buf_cstr(&b), mo_buf_cstr(&status));
	mo_buf_free(&b);
	mo_buf_free(&status);
	start_pings();
}

void mo_notify_reloading(void)
{
	struct timespec ts;
	mo_buf b = { 0 };

	clock_gettime(CLOCK_MONOTONIC, &ts);
	mo_buf_fmt(&b, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64 "\n",
		   (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000);
	send_status(mo_buf_cstr(&b), "Restarting");
	mo_buf_free(&b);
}

void mo_notify_failed(unsigned generation, const char *reason)
{
	mo_buf status = { 0 };

	mo_buf_fmt(&status, "Generation %u serves on; the restart failed: %s", generation,
		   reason ? reason : "see the log");
	send_status("READY=1\n", mo_buf_cstr(&status));
	mo_buf_free(&status);
}

void mo_notify_main(pid_t successor)
{
	mo_buf b = { 0 };

	mo_notify_end();
	if (mo_supervisor_client_is())
		return;
	mo_buf_fmt(&b, "MAINPID=%d\n", (int)successor);
	send_status(mo_buf_cstr(&b), "Switched to a new generation");
	mo_buf_free(&b);
}

/* The pings go on: here the main process is still this one. */
void mo_notify_taken(const char *exe)
{
	mo_buf status = { 0 };

	mo_buf_fmt(&status, "Taken over by %s; running requests are finished", exe);
	send_status("READY=1\n", mo_buf_cstr(&status));
	mo_buf_free(&status);
}

void mo_notify_stopping(void)
{
	send_status("STOPPING=1\n", "Finishing running requests");
}

void mo_notify_status(const char *text)
{
	send_status("", text);
}
