/* A strict load client for loads that test/lib/load.py is too slow for: the same
 * kinds of failure, the same report, no retry.
 *
 *   load PORT MODE CLIENTS [PAUSE_MS]
 *
 *   mode      a client
 *   reused    asks again on its connection as soon as it has its answer
 *   pausing   the same after 0 to PAUSE_MS
 *   new       opens a connection for each request; its end is a reset, so that
 *             no port stays in TIME_WAIT
 *   idle      asks once, and again when the run ends: nothing in between
 *
 *   state    event                             -> next
 *   ABSENT   due                               -> BUSY on a new connection
 *   BUSY     answered                          -> RESTING, or ABSENT (mode new, or
 *                                                 the server announced its close)
 *   BUSY     any failure: counted              -> ABSENT, due in 50 ms
 *   RESTING  due                               -> BUSY
 *   RESTING  closed by the server: counted     -> ABSENT
 *
 * When each has had an answer it prints the number of answers, and so ten times a
 * second.  It runs until standard input ends, lets the requests under way end, and
 * prints one JSON object.  Each answer must repeat the number of its request, so that
 * one which was mixed up is seen.  Always: a request's first byte was sent before
 * a close counts as its failure; a close between requests loses nothing. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define STALL_US 200000
#define TIMEOUT_US 10000000
#define AFTER_FAILURE_US 50000
#define NEVER INT64_MAX
#define ROOM 1024
#define MAX_PIDS 4096
#define EVENTS 512

enum mode { REUSED, PAUSING, NEW, IDLE };
enum state { ABSENT, BUSY, RESTING };
enum kind {
	CONNECT,
	FRESH_RESET,
	REUSED_RESET,
	EOF_BEFORE_ANSWER,
	PARTIAL,
	BAD_STATUS,
	MIXED_UP,
	BROKEN,
	TIMEOUT,
	KINDS
};

static const char *const mode_names[] = { "reused", "pausing", "new", "idle" };
static const char *const kind_names[KINDS] = { "connect",           "fresh_reset", "reused_reset",
					       "eof_before_answer", "partial",     "bad_status",
					       "mixed_up",          "broken",      "timeout" };

typedef struct client {
	enum state state;
	int fd, number;
	bool connected;
	unsigned served; /* answers on this connection */
	unsigned seq;
	int64_t started, due;
	size_t out_at, out_len, in_len;
	char out[128];
	char in[ROOM];
} client;

static struct {
	int port, clients, poll, busy;
	enum mode mode;
	int64_t pause_us, now;
	bool stopping;
	client *all;
	unsigned long requests, ok, reconnects, idle_closes, stalls, failed[KINDS];
	int64_t longest;
	struct {
		int pid;
		unsigned long n;
	} pids[MAX_PIDS];
	int npids;
	char examples[10][300];
	int nexamples;
} g;

static int64_t clock_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

/* ---- one connection ---------------------------------------------------------- */

static void watch(client *c, int op, uint32_t events)
{
	struct epoll_event e = { .events = events, .data.ptr = c };

	if (epoll_ctl(g.poll, op, c->fd, &e) < 0)
		abort();
}

static void shut(client *c, bool reset)
{
	struct linger now = { .l_onoff = 1 };

	if (c->fd < 0)
		return;
	if (reset)
		setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(c->fd);
	c->fd = -1;
}

static void set_state(client *c, enum state s)
{
	g.busy += (s == BUSY) - (c->state == BUSY);
	c->state = s;
}

static void fail(client *c, enum kind kind)
{
	g.failed[kind]++;
	if (g.nexamples < 10)
		snprintf(
			g.examples[g.nexamples++], sizeof(g.examples[0]),
			"%s: client %d request %u, number %u of its connection, after %lld ms, %zu "
			"bytes came",
			kind_names[kind], c->number, c->seq, c->served + 1,
			(long long)(g.now - c->started) / 1000, c->in_len);
	shut(c, true);
	set_state(c, ABSENT);
	c->due = g.now + AFTER_FAILURE_US;
}

static enum kind reset_kind(const client *c)
{
	return c->in_len ? PARTIAL : c->served ? REUSED_RESET : FRESH_RESET;
}

static int open_connection(client *c)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)g.port) };
	int on = 1;

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->fd < 0)
		return -1;
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	c->served = 0;
	c->connected = false;
	if (connect(c->fd, (struct sockaddr *)&to, sizeof(to)) < 0 && errno != EINPROGRESS)
		return -1;
	watch(c, EPOLL_CTL_ADD, EPOLLOUT);
	return 0;
}

/* ---- answers ------------------------------------------------------------------- */

static void count_pid(int pid)
{
	static int last;

	if (last < g.npids && g.pids[last].pid == pid) {
		g.pids[last].n++;
		return;
	}
	for (last = 0; last < g.npids; last++)
		if (g.pids[last].pid == pid)
			break;
	if (last == MAX_PIDS)
		abort();
	if (last == g.npids)
		g.pids[g.npids++].pid = pid;
	g.pids[last].n++;
}

static void rest(client *c)
{
	if (g.mode == PAUSING)
		c->due = g.now + random() % (g.pause_us + 1);
	else
		c->due = g.mode == IDLE && !g.stopping ? NEVER : g.now;
}

static void answered(client *c, bool closing)
{
	int64_t took = g.now - c->started;

	g.ok++;
	c->served++;
	g.stalls += took > STALL_US;
	if (took > g.longest)
		g.longest = took;
	g.reconnects += closing && g.mode != NEW;
	if (closing || g.mode == NEW)
		shut(c, !closing);
	set_state(c, c->fd < 0 ? ABSENT : RESTING);
	rest(c);
}

/* Deals with a complete answer; false: there is none yet. */
static bool parse(client *c)
{
	char *gap = memmem(c->in, c->in_len, "\r\n\r\n", 4), *field, *body, *end;
	unsigned number, seq;
	size_t length;
	int pid;

	if (!gap)
		return false;
	*gap = '\0';
	field = strcasestr(c->in, "\r\ncontent-length: ");
	if (strncmp(c->in, "HTTP/1.1 ", 9) != 0 || !field) {
		fail(c, BROKEN);
		return true;
	}
	length = strtoul(field + 18, NULL, 10);
	body = gap + 4;
	if (c->in_len - (size_t)(body - c->in) < length) {
		*gap = '\r';
		return false;
	}
	end = body + length;
	if (strncmp(c->in + 9, "200", 3) != 0)
		fail(c, BAD_STATUS);
	else if (end != c->in + c->in_len || length == 0 || end[-1] != '\n')
		fail(c, BROKEN);
	else if (end[-1] = '\0', sscanf(body, "%u.%u %d", &number, &seq, &pid) != 3 ||
					 (int)number != c->number || seq != c->seq)
		fail(c, MIXED_UP);
	else {
		count_pid(pid);
		answered(c, strcasestr(c->in, "\r\nconnection: close") != NULL);
	}
	return true;
}

static void ended(client *c, enum kind kind)
{
	if (c->state == BUSY) {
		fail(c, kind);
		return;
	}
	g.idle_closes++;
	shut(c, false);
	set_state(c, ABSENT);
}

static void pull(client *c)
{
	for (;;) {
		ssize_t n = recv(c->fd, c->in + c->in_len, ROOM - 1 - c->in_len, 0);

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n <= 0) {
			ended(c, n < 0 ? reset_kind(c) : c->in_len ? PARTIAL : EOF_BEFORE_ANSWER);
			return;
		}
		if (c->state != BUSY || c->out_at < c->out_len) {
			set_state(c, BUSY); /* an answer that nobody asked for */
			fail(c, BROKEN);
			return;
		}
		c->in_len += (size_t)n;
		c->in[c->in_len] = '\0';
		if (parse(c))
			return;
	}
}

/* ---- requests -------------------------------------------------------------------- */

static void push(client *c)
{
	while (c->out_at < c->out_len) {
		ssize_t n = send(c->fd, c->out + c->out_at, c->out_len - c->out_at, MSG_NOSIGNAL);

		if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
			watch(c, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
			return;
		}
		if (n < 0) {
			fail(c, reset_kind(c));
			return;
		}
		c->out_at += (size_t)n;
	}
}

static void begin(client *c)
{
	c->seq++;
	c->started = g.now;
	c->due = NEVER;
	c->out_at = c->in_len = 0;
	c->out_len = (size_t)snprintf(c->out, sizeof(c->out),
				      "GET /id?id=%d.%u HTTP/1.1\r\nHost: localhost\r\n\r\n",
				      c->number, c->seq);
	set_state(c, BUSY);
	g.requests++;
	if (c->fd >= 0)
		push(c);
	else if (open_connection(c) < 0)
		fail(c, CONNECT);
}

static void on_event(client *c, uint32_t events)
{
	int err = 0;
	socklen_t n = sizeof(err);

	if (!c->connected) {
		getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &err, &n);
		if (err) {
			fail(c, CONNECT);
			return;
		}
		c->connected = true;
		watch(c, EPOLL_CTL_MOD, EPOLLIN);
		push(c);
		return;
	}
	if (c->out_at < c->out_len && c->state == BUSY && events & EPOLLOUT) {
		push(c);
		if (c->fd >= 0 && c->out_at == c->out_len)
			watch(c, EPOLL_CTL_MOD, EPOLLIN);
	}
	if (c->fd >= 0 && events & ~(uint32_t)EPOLLOUT)
		pull(c);
}

/* ---- the run ------------------------------------------------------------------------ */

/* Begins what is due, ends what takes too long; when to look again. */
static int64_t look(void)
{
	int64_t next = g.now + 100000;

	for (int i = 0; i < g.clients; i++) {
		client *c = &g.all[i];

		if (c->state == BUSY && g.now - c->started > TIMEOUT_US)
			fail(c, TIMEOUT);
		if (c->state != BUSY && !g.stopping && c->due <= g.now)
			begin(c);
		if (c->state != BUSY && c->due < next)
			next = c->due;
	}
	return next;
}

static void take_events(int64_t until)
{
	struct epoll_event list[EVENTS];
	int64_t wait = (until - g.now + 999) / 1000;
	int n = epoll_wait(g.poll, list, EVENTS, wait > 0 ? (int)wait : 0);

	g.now = clock_us();
	for (int i = 0; i < n; i++) {
		client *c = list[i].data.ptr;

		if (!c) {
			g.stopping = true;
			epoll_ctl(g.poll, EPOLL_CTL_DEL, STDIN_FILENO, NULL);
		} else if (c->fd >= 0) {
			on_event(c, list[i].events);
			/* At once, not at the next look: the server shall be busy. */
			if (g.mode == REUSED && c->state == RESTING && !g.stopping)
				begin(c);
		}
	}
}

/* Idle connections show that they live. */
static void ask_idle_ones(void)
{
	for (int i = 0; i < g.clients; i++)
		if (g.all[i].state == RESTING)
			begin(&g.all[i]);
}

static void tell_progress(void)
{
	static int64_t told;

	if (g.ok < (unsigned long)g.clients || g.now - told < 100000)
		return;
	told = g.now;
	printf("%lu\n", g.ok);
	fflush(stdout);
}

static void run(void)
{
	int64_t next = 0, looked = 0;
	bool asked = g.mode != IDLE;

	while (!g.stopping || g.busy > 0) {
		g.now = clock_us();
		if (g.now >= next || g.now - looked > 100000 || g.mode == NEW) {
			next = look();
			looked = g.now;
		}
		take_events(next);
		if (g.mode == PAUSING)
			next = 0; /* there may be a nearer one */
		tell_progress();
		if (g.stopping && !asked) {
			asked = true;
			ask_idle_ones();
		}
	}
}

static void report(void)
{
	unsigned long failed = 0;
	const char *comma = "";

	for (int k = 0; k < KINDS; k++)
		failed += g.failed[k];
	printf("{\"mode\": \"%s\", \"requests\": %lu, \"ok\": %lu, \"failed\": %lu, \"by_kind\": {",
	       mode_names[g.mode], g.requests, g.ok, failed);
	for (int k = 0; k < KINDS; k++) {
		if (g.failed[k]) {
			printf("%s\"%s\": %lu", comma, kind_names[k], g.failed[k]);
			comma = ", ";
		}
	}
	printf("}, \"examples\": [");
	for (int i = 0; i < g.nexamples; i++)
		printf("%s\"%s\"", i ? ", " : "", g.examples[i]);
	printf("], \"pids\": {");
	for (int i = 0; i < g.npids; i++)
		printf("%s\"%d\": %lu", i ? ", " : "", g.pids[i].pid, g.pids[i].n);
	printf("}, \"reconnects\": %lu, \"idle_closes\": %lu, \"stalls\": %lu, \"longest_ms\": "
	       "%.1f}\n",
	       g.reconnects, g.idle_closes, g.stalls, (double)g.longest / 1000);
}

int main(int argc, char **argv)
{
	struct epoll_event stop = { .events = EPOLLIN };

	for (g.mode = REUSED; argc >= 4 && g.mode <= IDLE; g.mode++)
		if (strcmp(argv[2], mode_names[g.mode]) == 0)
			break;
	if (argc < 4 || g.mode > IDLE) {
		fprintf(stderr, "usage: load PORT reused|pausing|new|idle CLIENTS [PAUSE_MS]\n");
		return 2;
	}
	g.port = atoi(argv[1]);
	g.clients = atoi(argv[3]);
	g.pause_us = (argc > 4 ? atoi(argv[4]) : 20) * 1000;
	g.all = calloc((size_t)g.clients, sizeof(client));
	g.poll = epoll_create1(EPOLL_CLOEXEC);
	if (!g.all || g.poll < 0 || epoll_ctl(g.poll, EPOLL_CTL_ADD, STDIN_FILENO, &stop) < 0) {
		perror("load");
		return 1;
	}
	for (int i = 0; i < g.clients; i++)
		g.all[i] = (client){ .fd = -1, .number = i };
	run();
	report();
	return 0;
}
