#!/usr/bin/env bash
# Closing an io_uring interrupts a later wait of the same thread, though no signal came.
#
# The kernel takes the ring down a little later, and runs that work in the thread that
# closed the ring.  A thread that sleeps in a system call meanwhile is woken for the work as
# by a signal.  Calls that the kernel can begin again by itself go on (poll(), nanosleep(),
# sem_timedwait()); recv() with SO_RCVTIMEO and epoll_wait() end with EINTR, in a process
# without one signal handler.  So a program that handles no signals meets EINTR as soon as a
# library of its own closes a ring.
# Seen with liburing 2.3 of Debian 12 on Linux 6.18, 2026-11-29.
# Needs gcc, apt and a kernel that allows io_uring.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
apt-get download -q liburing-dev=2.3-3 liburing2=2.3-3 >/dev/null 2>&1
for package in ./*.deb; do
	dpkg-deb -x "$package" .
done

cat >expected <<'EOF'
recv, SO_RCVTIMEO: EINTR
epoll_wait: EINTR
poll: its time is over
nanosleep: its time is over
sem_timedwait: its time is over
EOF

cat >waits.c <<'EOF'
#define _GNU_SOURCE
#include <errno.h>
#include <liburing.h>
#include <poll.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum { MS = 200, TRIES = 10 };

static int silent[2];

static int receive(void)
{
	struct timeval limit = { 0, MS * 1000 };
	char byte;

	setsockopt(silent[0], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	return (int)recv(silent[0], &byte, 1, 0);
}

static int wait_for_events(void)
{
	struct epoll_event event;

	return epoll_wait(epoll_create1(EPOLL_CLOEXEC), &event, 1, MS);
}

static int look(void)
{
	struct pollfd p = { silent[0], POLLIN, 0 };

	return poll(&p, 1, MS);
}

static int sleep_a_while(void)
{
	return nanosleep(&(struct timespec){ 0, MS * 1000000L }, NULL);
}

static int take(void)
{
	struct timespec until;
	sem_t none;

	sem_init(&none, 0, 0);
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += 1;
	return sem_timedwait(&none, &until);
}

/* Has one of some waits, each behind a ring that was just closed, been interrupted? */
static int is_interrupted(int (*wait)(void))
{
	int interrupted = 0;

	for (int i = 0; i < TRIES; i++) {
		struct io_uring ring;
		int rc = io_uring_queue_init(8, &ring, 0);

		if (rc < 0) {
			fprintf(stderr, "io_uring: %s\n", strerror(-rc));
			exit(77);
		}
		io_uring_queue_exit(&ring);
		interrupted |= wait() < 0 && errno == EINTR;
	}
	return interrupted;
}

int main(void)
{
	static const struct {
		const char *name;
		int (*wait)(void);
	} waits[] = { { "recv, SO_RCVTIMEO", receive }, { "epoll_wait", wait_for_events },
		      { "poll", look }, { "nanosleep", sleep_a_while }, { "sem_timedwait", take } };

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, silent) < 0)
		return 1;
	for (unsigned i = 0; i < sizeof(waits) / sizeof(*waits); i++)
		printf("%s: %s\n", waits[i].name,
		       is_interrupted(waits[i].wait) ? "EINTR" : "its time is over");
	return 0;
}
EOF
libs=$(echo usr/lib/*/)
gcc -Iusr/include -o waits waits.c -L"$libs" -luring
status=0
LD_LIBRARY_PATH="$libs" timeout 60 ./waits >seen || status=$?
if [ "$status" = 77 ]; then
	echo "not looked at: this kernel allows no io_uring"
elif diff expected seen; then
	echo "as stated: a closed io_uring interrupts recv() with a limit and epoll_wait(), and no signal came"
else
	echo "closing an io_uring no longer does what this file states" >&2
	exit 1
fi
