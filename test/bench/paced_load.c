/* Requests at a fixed rate on kept connections, to see what restarts do to clients.
 *
 * Each connection has a request due every 1/RATE s; the time of an answer counts from
 * when it was due, so that a stall is felt by all that should have come meanwhile.  A
 * connection that the server has closed is opened again; a request whose connection
 * broke counts as broken, is sent again, and its time goes on.
 *
 * Usage: paced_load PORT SECONDS CONNECTIONS RATE PATH
 * prints: ANSWERS BROKEN REOPENED P50_MS P999_MS LONGEST_MS */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define IN_MAX 4096

struct client {
	int fd; /* -1: none */
	bool waiting;
	double due; /* of the present request, or of the next */
	size_t n;
	char in[IN_MAX + 1];
};

static struct {
	int port, ep, count;
	double interval;
	char request[256];
	struct client *clients;
	double *times;
	size_t answers, room, broken, reopened;
} all;

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void shut(struct client *c)
{
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
	c->n = 0;
}

static bool dial(struct client *c)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons((uint16_t)all.port),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct epoll_event e = { .events = EPOLLIN, .data.ptr = c };
	int one = 1;

	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&to, sizeof(to)) < 0) {
		shut(c);
		return false;
	}
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	epoll_ctl(all.ep, EPOLL_CTL_ADD, c->fd, &e);
	return true;
}

/* A refused connection is tried again in the next turn of the loop. */
static void ask(struct client *c)
{
	size_t n = strlen(all.request);

	c->waiting = true;
	if (c->fd < 0 && !dial(c)) {
		all.broken++;
		usleep(1000);
		return;
	}
	if (send(c->fd, all.request, n, MSG_NOSIGNAL) != (ssize_t)n) {
		all.broken++;
		shut(c);
	}
}

static void answered(struct client *c, double at, bool closes)
{
	if (all.answers == all.room) {
		all.room = all.room ? all.room * 2 : 65536;
		all.times = realloc(all.times, all.room * sizeof(*all.times));
	}
	all.times[all.answers++] = at - c->due;
	c->waiting = false;
	c->n = 0;
	do
		c->due += all.interval;
	while (c->due < at - 60); /* a client that was stopped does not catch up for minutes */
	if (closes) {
		shut(c);
		all.reopened++;
	}
}

static void parse(struct client *c, double at)
{
	const char *end, *length;

	c->in[c->n] = '\0';
	end = strstr(c->in, "\r\n\r\n");
	length = strcasestr(c->in, "\r\ncontent-length:");
	if (!end)
		return;
	if (strncmp(c->in, "HTTP/1.1 200", 12) != 0 || !length || length > end) {
		fprintf(stderr, "paced_load: not an answer 200 with a length: %.200s\n", c->in);
		exit(1);
	}
	if (c->n >= (size_t)(end + 4 - c->in) + strtoul(length + 17, NULL, 10))
		answered(c, at, strcasestr(c->in, "\r\nconnection: close") != NULL);
}

static void on_ready(struct client *c)
{
	ssize_t n = recv(c->fd, c->in + c->n, IN_MAX - c->n, MSG_DONTWAIT);

	if (n > 0) {
		c->n += (size_t)n;
		parse(c, now());
		return;
	}
	if (n < 0 && errno == EAGAIN)
		return;
	shut(c);
	if (c->waiting) {
		all.broken++;
		ask(c);
	} else {
		all.reopened++;
	}
}

static void run(double end)
{
	struct epoll_event events[256];

	while (now() < end) {
		double t = now(), next = t + 0.1;
		int n;

		for (int i = 0; i < all.count; i++) {
			struct client *c = &all.clients[i];

			if (!c->waiting && c->due <= t)
				ask(c);
			else if (c->waiting && c->fd < 0)
				ask(c);
			if (!c->waiting && c->due < next)
				next = c->due;
		}
		n = epoll_wait(all.ep, events, 256, next > t ? (int)((next - t) * 1000) : 0);
		for (int i = 0; i < n; i++)
			on_ready(events[i].data.ptr);
	}
}

static int compare(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

int main(int argc, char **argv)
{
	double start = now();

	if (argc < 6) {
		fprintf(stderr, "usage: paced_load PORT SECONDS CONNECTIONS RATE PATH\n");
		return 2;
	}
	all.port = atoi(argv[1]);
	all.count = atoi(argv[3]);
	all.interval = 1 / atof(argv[4]);
	all.ep = epoll_create1(EPOLL_CLOEXEC);
	snprintf(all.request, sizeof(all.request), "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
		 argv[5]);
	all.clients = calloc((size_t)all.count, sizeof(*all.clients));
	for (int i = 0; i < all.count; i++)
		all.clients[i] = (struct client){
			.fd = -1,
			.due = start + all.interval * i / all.count,
		};
	run(start + atof(argv[2]));
	if (all.answers == 0) {
		fprintf(stderr, "paced_load: no answer\n");
		return 1;
	}
	qsort(all.times, all.answers, sizeof(*all.times), compare);
	printf("%zu %zu %zu %.3f %.3f %.3f\n", all.answers, all.broken, all.reopened,
	       all.times[all.answers / 2] * 1e3, all.times[all.answers * 999 / 1000] * 1e3,
	       all.times[all.answers - 1] * 1e3);
	return 0;
}
