/* Promises of rt/watch.h: poll handles that are used again. */
#include "rt_unit.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "rt/watch.h"

static mo_loop *loop;

/* One end of a connection; the other is peer. */
static int end_of_pair(int *peer)
{
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds),
			 0);
	*peer = fds[1];
	return fds[0];
}

static void end_loop(void)
{
	mo_loop_stop(loop);
	mo_loop_run(loop);
	mo_loop_free(loop);
}

static void count_event(uv_poll_t *w, int status, int events)
{
	(*(int *)w->data)++;
	assert_int_equal(status, 0);
	uv_poll_stop(w);
}

static void the_next_descriptor_of_a_number_gets_its_handle(void **state)
{
	uv_poll_t *first, *again;
	int seen = 0, peer, fd = end_of_pair(&peer), number = fd;

	loop = mo_loop_new(0);
	assert_int_equal(mo_watch_get(loop, fd, &first), 0);
	mo_watch_put(loop, first);
	close(fd);
	close(peer);
	for (int i = 1; i <= 3; i++) {
		fd = end_of_pair(&peer);
		assert_int_equal(fd, number);
		assert_int_equal(mo_watch_get(loop, fd, &again), 0);
		assert_ptr_equal(again, first);
		again->data = &seen;
		assert_int_equal(write(peer, "x", 1), 1);
		assert_int_equal(uv_poll_start(again, UV_READABLE, count_event), 0);
		uv_run(&loop->uv, UV_RUN_ONCE);
		assert_int_equal(seen, i);
		mo_watch_put(loop, again);
		close(fd);
		close(peer);
	}
	end_loop();
}

struct two {
	uv_poll_t *w[2];
	int fd[2], peer[2], seen;
};

/* Whichever of two comes first puts the other back, whose event is there already. */
static void put_other(uv_poll_t *w, int status, int events)
{
	struct two *t = w->data;
	int other = w == t->w[0];

	t->seen++;
	uv_poll_stop(w);
	mo_watch_put(loop, t->w[other]);
	close(t->fd[other]);
	t->w[other] = NULL;
}

static void no_event_comes_behind_a_put(void **state)
{
	struct two t = { 0 };

	loop = mo_loop_new(0);
	for (int i = 0; i < 2; i++) {
		t.fd[i] = end_of_pair(&t.peer[i]);
		assert_int_equal(mo_watch_get(loop, t.fd[i], &t.w[i]), 0);
		t.w[i]->data = &t;
		assert_int_equal(write(t.peer[i], "x", 1), 1);
		assert_int_equal(uv_poll_start(t.w[i], UV_READABLE, put_other), 0);
	}
	for (int i = 0; i < 3; i++)
		uv_run(&loop->uv, UV_RUN_NOWAIT);
	assert_int_equal(t.seen, 1);
	for (int i = 0; i < 2; i++) {
		if (t.w[i]) {
			mo_watch_put(loop, t.w[i]);
			close(t.fd[i]);
		}
		close(t.peer[i]);
	}
	end_loop();
}

static void what_cannot_be_watched_is_refused(void **state)
{
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC), peer, other;
	uv_poll_t *w;

	loop = mo_loop_new(0);
	assert_int_equal(mo_watch_get(loop, fd, &w), -EPERM);
	close(fd);
	other = end_of_pair(&peer);
	assert_int_equal(mo_watch_get(loop, other, &w), 0);
	mo_watch_put(loop, w);
	close(other);
	close(peer);
	end_loop();
}

static void many_are_kept_and_go_with_the_loop(void **state)
{
	uv_poll_t *w[100];
	int fds[100], peers[100];

	loop = mo_loop_new(0);
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 100; i++) {
			fds[i] = end_of_pair(&peers[i]);
			assert_int_equal(mo_watch_get(loop, fds[i], &w[i]), 0);
		}
		for (int i = 0; i < 100; i++) {
			mo_watch_put(loop, w[i]);
			close(fds[i]);
			close(peers[i]);
		}
	}
	end_loop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_next_descriptor_of_a_number_gets_its_handle),
		cmocka_unit_test(no_event_comes_behind_a_put),
		cmocka_unit_test(what_cannot_be_watched_is_refused),
		cmocka_unit_test(many_are_kept_and_go_with_the_loop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
