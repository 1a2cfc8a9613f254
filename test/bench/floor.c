/* The floor of the bench: the least that an answer can cost on this machine.
 *
 * One thread, bare epoll, one recv() and one send() a turn, a fixed answer; of the
 * requests only their ends are looked for, so that pipelined ones are counted.
 * No parser, no limits, no time-outs, no log: this is no server, but whatever a
 * server costs more than this is its own work.
 *
 * Usage: floor PORT [BODY_BYTES [close]]      close: one answer a connection */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define EVENTS 1024
#define PIPELINED_MAX 64
#define READ_MAX 16384
#define ANSWER_MAX 1200

/* As many answers behind each other as are sent at once. */
static char answers[PIPELINED_MAX * ANSWER_MAX];
static size_t answer_size;

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void make_answers(size_t body, bool closes)
{
	char one[ANSWER_MAX + 1], text[ANSWER_MAX];
	int n;

	memset(text, 'x', body);
	n = snprintf(one, sizeof(one),
		     "HTTP/1.1 200 OK\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\n"
		     "Content-Type: text/plain; charset=utf-8\r\nContent-Length: %zu\r\n%s\r\n%.*s",
		     body, closes ? "Connection: close\r\n" : "", (int)body, text);
	if (n < 0 || (size_t)n > ANSWER_MAX) {
		fprintf(stderr, "floor: the body is too long\n");
		exit(1);
	}
	answer_size = (size_t)n;
	for (size_t i = 0; i < PIPELINED_MAX; i++)
		memcpy(answers + i * answer_size, one, answer_size);
}

static int listen_on(int port)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_port = htons((uint16_t)port),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		die("socket");
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 || listen(fd, 4096) < 0)
		die("bind");
	return fd;
}

static void watch(int ep, int fd)
{
	struct epoll_event e = { .events = EPOLLIN, .data.fd = fd };

	if (epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e) < 0)
		die("epoll_ctl");
}

static void accept_all(int ep, int listener)
{
	int fd, one = 1;

	while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		watch(ep, fd);
	}
}

static size_t ends_in(const char *p, size_t n)
{
	const char *end = p + n;
	size_t count = 0;

	while ((p = memmem(p, (size_t)(end - p), "\r\n\r\n", 4)) != NULL) {
		p += 4;
		count++;
	}
	return count;
}

static void serve(int fd, bool closes)
{
	static char in[READ_MAX];
	ssize_t n = recv(fd, in, sizeof(in), 0);
	size_t count = n > 0 ? ends_in(in, (size_t)n) : 0;

	if (n < 0 && errno == EAGAIN)
		return;
	if (count > PIPELINED_MAX) {
		fprintf(stderr, "floor: more requests at once than expected\n");
		exit(1);
	}
	/* The end of the connection leaves in the answer's segment. */
	if (n > 0 && count > 0)
		n = send(fd, answers, count * answer_size,
			 MSG_NOSIGNAL | (closes ? MSG_MORE : 0));
	if (n <= 0 || (closes && count > 0))
		close(fd);
}

int main(int argc, char **argv)
{
	struct epoll_event events[EVENTS];
	bool closes = argc > 3;
	int listener, ep = epoll_create1(EPOLL_CLOEXEC);

	if (argc < 2 || ep < 0) {
		fprintf(stderr, "usage: floor PORT [BODY_BYTES [close]]\n");
		return 2;
	}
	make_answers(argc > 2 ? strtoul(argv[2], NULL, 10) : 13, closes);
	listener = listen_on(atoi(argv[1]));
	watch(ep, listener);
	for (;;) {
		int n = epoll_wait(ep, events, EVENTS, -1);

		for (int i = 0; i < n; i++) {
			if (events[i].data.fd == listener)
				accept_all(ep, listener);
			else
				serve(events[i].data.fd, closes);
		}
	}
}
