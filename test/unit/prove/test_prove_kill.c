/* What molt prove counts when it kills a process: what breaks there is no failure, however late
 * its own busy loop sees it (src/prove/prove_client.c). */
#include "unit.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "prove/prove_client.h"

#define LATE 2000000 /* us */

int64_t __real_mo_load_now(void);
int64_t __wrap_mo_load_now(void);

static _Atomic int64_t later; /* of the clients' clock */
static _Atomic bool hold;     /* the loop, at its next look at the clock */
static sem_t held, go;

int64_t __wrap_mo_load_now(void)
{
	bool wanted = true;

	if (atomic_compare_exchange_strong(&hold, &wanted, false)) {
		sem_post(&held);
		while (sem_wait(&go) < 0)
			continue;
	}
	return __real_mo_load_now() + atomic_load(&later);
}

static int listen_somewhere(mo_addr *addr)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(in);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char text[32];

	assert_int_equal(bind(fd, (struct sockaddr *)&in, n), 0);
	assert_int_equal(listen(fd, 16), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&in, &n), 0);
	snprintf(text, sizeof(text), "127.0.0.1:%d", ntohs(in.sin_port));
	assert_int_equal(mo_addr_parse(text, addr), 0);
	return fd;
}

/* With its request. */
static int next_client(int listener)
{
	int fd = accept(listener, NULL, NULL);
	char text[2048] = "";
	size_t n = 0;

	assert_true(fd >= 0);
	while (!strstr(text, "\r\n\r\n")) {
		ssize_t more = recv(fd, text + n, sizeof(text) - 1 - n, 0);

		assert_true(more > 0);
		n += (size_t)more;
		text[n] = '\0';
	}
	return fd;
}

static void
what_breaks_in_a_killed_process_is_none_of_its_failures_however_late_it_is_seen(void **state)
{
	static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
	mo_crowd crowd = { .name = "all",
			   .work = MO_WORK_GET,
			   .pace = MO_PACE_BUSY,
			   .clients = 2,
			   .host = "a",
			   .path = "/",
			   .headers = "",
			   .status = 200 };
	int listener = listen_somewhere(&crowd.addr), waiting, answered;
	uint64_t ok, failed;
	mo_load *l;

	sem_init(&held, 0, 0);
	sem_init(&go, 0, 0);
	l = mo_load_start(&crowd, 1);
	waiting = next_client(listener);
	answered = next_client(listener);
	atomic_store(&hold, true);
	assert_int_equal(send(answered, answer, sizeof(answer) - 1, 0), sizeof(answer) - 1);
	while (sem_wait(&held) < 0)
		continue;
	/* The loop sleeps while all this happens, and for long behind that. */
	mo_load_kill_begins(l);
	close(waiting);
	close(answered);
	mo_load_kill_ended(l);
	atomic_store(&later, LATE);
	sem_post(&go);
	waiting = next_client(listener);
	answered = next_client(listener);
	mo_load_glance(l, &ok, &failed);
	assert_int_equal(failed, 0);
	assert_int_equal(ok, 1);
	mo_load_abandon(l);
	close(waiting);
	close(answered);
	close(listener);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			what_breaks_in_a_killed_process_is_none_of_its_failures_however_late_it_is_seen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
