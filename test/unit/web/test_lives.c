/* start, shutdown, wait, and once more in the same process: each life is whole. */
#include "unit.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gen/gen.h"
#include "gen/self.h"
#include "molt.h"

static sem_t running;

static void slow(molt_req *r)
{
	sem_post(&running);
	molt_sleep(200);
	molt_res_text(r, 200, "whole");
}

static void *ask(void *port)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
				 .sin_port = htons((uint16_t)(intptr_t)port) };
	static const char request[] = "GET /slow HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
	static char answer[1024];
	size_t have = 0;
	ssize_t n;
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	answer[0] = '\0';
	if (connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0 &&
	    write(fd, request, sizeof(request) - 1) > 0)
		while ((n = read(fd, answer + have, sizeof(answer) - 1 - have)) > 0)
			answer[have += (size_t)n] = '\0';
	close(fd);
	return answer;
}

static molt_server *serve(int *port)
{
	molt_server *s = molt_server_get("lives");

	molt_server_set_port(s, 0);
	molt_bind(molt_routes(s), "/slow", slow, NULL);
	assert_int_equal(molt_server_start(s), 0);
	*port = molt_server_port(s, 0);
	return s;
}

static void live(void)
{
	pthread_t client;
	void *answer;
	int port;

	serve(&port);
	pthread_create(&client, NULL, ask, (void *)(intptr_t)port);
	while (sem_wait(&running) < 0)
		continue;
	assert_int_equal(molt_shutdown(), 0);
	assert_int_equal(molt_wait(), 0);
	pthread_join(client, &answer);
	assert_non_null(strstr(answer, "whole"));
}

static void a_shutdown_of_a_second_life_lets_requests_finish(void **state)
{
	for (int i = 0; i < 3; i++)
		live();
}

static molt_server *late;
static int late_result;

static void start_late(void *unused)
{
	late_result = molt_server_start(late);
}

static void no_server_starts_when_a_shutdown_has_begun(void **state)
{
	int port;

	late = molt_server_get("late");
	molt_server_set_port(late, 0);
	molt_bind(molt_routes(late), "/slow", slow, NULL);
	molt_on(MOLT_ON_DRAIN, start_late, NULL);
	serve(&port);
	assert_int_equal(molt_shutdown(), 0);
	assert_int_equal(molt_wait(), 0);
	assert_int_equal(late_result, -ECANCELED);
}

/* By their names. */
static int loop_threads(void)
{
	DIR *d = opendir("/proc/self/task");
	struct dirent *e;
	int n = 0;

	assert_non_null(d);
	while ((e = readdir(d))) {
		char path[300], name[32] = "";
		FILE *f;

		snprintf(path, sizeof(path), "/proc/self/task/%s/comm", e->d_name);
		f = fopen(path, "r");
		if (f && fgets(name, sizeof(name), f) && strncmp(name, "molt-loop-", 10) == 0)
			n++;
		if (f)
			fclose(f);
	}
	closedir(d);
	return n;
}

static molt_server *with_loops(const char *name, int n)
{
	molt_server *s = molt_server_get(name);

	molt_server_set_port(s, 0);
	assert_int_equal(molt_server_configure(s, &MOLT_SERVER_OPTS(.workers = n)), 0);
	return s;
}

static _Atomic int told_of_loops;

static void look_for_loops(void *unused, enum molt_level level, const char *line)
{
	if (level == MOLT_WARN &&
	    strstr(line, "it asks for 5 event loops, and the 3 of the process"))
		told_of_loops++;
}

static void the_loops_are_the_largest_number_that_a_server_asks_for(void **state)
{
	molt_server *one = with_loops("one", 1), *three = with_loops("three", 3);

	molt_log_set_sink(look_for_loops, NULL);
	assert_int_equal(molt_server_start(one), 0);
	assert_int_equal(loop_threads(), 3);
	assert_int_equal(molt_server_start(three), 0);
	assert_int_equal(told_of_loops, 0);
	/* Too late, and told so. */
	assert_int_equal(molt_server_start(with_loops("five", 5)), 0);
	assert_int_equal(loop_threads(), 3);
	assert_int_equal(told_of_loops, 1);
	molt_log_set_sink(NULL, NULL);
	assert_int_equal(molt_shutdown(), 0);
	assert_int_equal(molt_wait(), 0);
}

static _Atomic bool walks;

/* What the control thread does each second. */
static void *walk(void *unused)
{
	while (walks)
		(void)mo_self_host()->answered();
	return NULL;
}

/* Nothing of the new one may be seen before the whole of it. */
static void a_server_may_be_added_while_the_process_serves(void **state)
{
	pthread_t walker;
	int port;

	serve(&port);
	walks = true;
	assert_int_equal(pthread_create(&walker, NULL, walk, NULL), 0);
	for (int i = 0; i < 50; i++) {
		char name[16];

		snprintf(name, sizeof(name), "added-%d", i);
		assert_non_null(molt_server_get(name));
	}
	walks = false;
	pthread_join(walker, NULL);
	assert_int_equal(molt_shutdown(), 0);
	assert_int_equal(molt_wait(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_shutdown_of_a_second_life_lets_requests_finish),
		cmocka_unit_test(the_loops_are_the_largest_number_that_a_server_asks_for),
		cmocka_unit_test(a_server_may_be_added_while_the_process_serves),
		cmocka_unit_test(no_server_starts_when_a_shutdown_has_begun),
	};

	sem_init(&running, 0, 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
