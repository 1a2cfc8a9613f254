/* Promises of net/stream.h for the plain stream, over a socket pair. */
#include "unit.h"

#include <errno.h>
#include <sys/socket.h>
#include <uv.h>

#include "net/stream.h"

static mo_stream *s;
static int peer;

static int make_pair(void **state)
{
	int fd[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fd) < 0)
		return -1;
	s = mo_stream_plain(fd[0]);
	peer = fd[1];
	return 0;
}

static int end_pair(void **state)
{
	s->ops->close(s);
	if (peer >= 0)
		close(peer);
	return 0;
}

static void close_peer(void)
{
	close(peer);
	peer = -1;
}

static ssize_t put(const void *p, size_t n)
{
	struct iovec v = { (void *)p, n };

	return s->ops->writev(s, &v, 1);
}

static int temp_file(const char *text)
{
	char name[] = "/tmp/molt-test-stream-XXXXXX";
	int fd = mkostemp(name, O_CLOEXEC);

	assert_true(fd >= 0);
	unlink(name);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	return fd;
}

static void reading_gives_bytes_then_again_then_the_end(void **state)
{
	char buf[10];

	s->want = 0;
	assert_int_equal(s->ops->read(s, buf, sizeof(buf)), -EAGAIN);
	assert_int_equal(s->want, UV_READABLE);
	assert_int_equal(write(peer, "hello", 5), 5);
	assert_int_equal(s->ops->read(s, buf, 3), 3);
	assert_int_equal(s->ops->read(s, buf + 3, 7), 2);
	assert_memory_equal(buf, "hello", 5);
	shutdown(peer, SHUT_WR);
	assert_int_equal(s->ops->read(s, buf, sizeof(buf)), 0);
}

static void reading_into_no_room_is_not_the_end(void **state)
{
	char c;

	assert_int_equal(s->ops->read(s, &c, 0), -EINVAL);
}

static void pieces_are_written_in_order(void **state)
{
	struct iovec v[3] = { { (char *)"ab", 2 }, { NULL, 0 }, { (char *)"cde", 3 } };
	char buf[10];

	assert_int_equal(s->ops->writev(s, v, 3), 5);
	assert_int_equal(read(peer, buf, sizeof(buf)), 5);
	assert_memory_equal(buf, "abcde", 5);
}

static void more_pieces_than_the_system_takes_are_written_in_part(void **state)
{
	static struct iovec v[3000];
	ssize_t n;

	for (size_t i = 0; i < 3000; i++)
		v[i] = (struct iovec){ (char *)"x", 1 };
	n = s->ops->writev(s, v, 3000);
	assert_int_in_range(n, 1, 3000);
}

static void a_full_socket_says_what_to_wait_for(void **state)
{
	static char block[65536];
	ssize_t n;

	s->want = 0;
	do {
		n = put(block, sizeof(block));
	} while (n > 0);
	assert_int_equal(n, -EAGAIN);
	assert_int_equal(s->want, UV_WRITABLE);
}

static void writing_to_a_gone_client_fails_without_a_signal(void **state)
{
	signal(SIGPIPE, SIG_DFL);
	close_peer();
	assert_int_equal(put("x", 1), -EPIPE);
	signal(SIGPIPE, SIG_IGN);
}

static void a_reset_is_told(void **state)
{
	char c;

	assert_int_equal(put("x", 1), 1);
	close_peer(); /* with an unread byte: a reset on a unix socket */
	assert_int_equal(s->ops->read(s, &c, 1), -ECONNRESET);
}

static void a_file_is_sent_from_its_offset(void **state)
{
	int file = temp_file("0123456789");
	off_t off = 3;
	char buf[20];

	assert_int_equal(s->ops->sendfile(s, file, &off, 5), 5);
	assert_int_equal(off, 8);
	assert_int_equal(read(peer, buf, sizeof(buf)), 5);
	assert_memory_equal(buf, "34567", 5);
	close(file);
}

static void a_file_cut_short_is_an_error_not_a_loop(void **state)
{
	int file = temp_file("0123456789");
	off_t off = 0;

	assert_int_equal(s->ops->sendfile(s, file, &off, 20), 10);
	assert_int_equal(s->ops->sendfile(s, file, &off, 10), -EIO);
	assert_int_equal(off, 10);
	assert_int_equal(s->ops->sendfile(s, file, &off, 0), 0);
	close(file);
}

static void sending_a_file_to_a_slow_client_says_again(void **state)
{
	int file = temp_file("");
	off_t off = 0;
	ssize_t n;

	assert_int_equal(ftruncate(file, 64 << 20), 0);
	do {
		n = s->ops->sendfile(s, file, &off, (size_t)((64 << 20) - off));
	} while (n > 0);
	assert_int_equal(n, -EAGAIN);
	assert_int_equal(s->want, UV_WRITABLE);
	close(file);
}

static void finish_ends_our_side_only(void **state)
{
	char c;

	assert_int_equal(s->ops->finish(s), 0);
	assert_int_equal(read(peer, &c, 1), 0);
	assert_int_equal(write(peer, "x", 1), 1);
	assert_int_equal(s->ops->read(s, &c, 1), 1);
	assert_int_equal(put("x", 1), -EPIPE);
}

static void a_plain_stream_holds_no_state_but_the_descriptor(void **state)
{
	assert_string_equal(s->ops->name, "plain");
	assert_int_equal(s->ops->handshake(s), 0);
	assert_int_equal(write(peer, "x", 1), 1);
	assert_false(s->ops->pending(s));
	assert_true(s->ops->movable(s));
}

#define on_pair(f) cmocka_unit_test_setup_teardown(f, make_pair, end_pair)

int main(void)
{
	const struct CMUnitTest tests[] = {
		on_pair(reading_gives_bytes_then_again_then_the_end),
		on_pair(reading_into_no_room_is_not_the_end),
		on_pair(pieces_are_written_in_order),
		on_pair(more_pieces_than_the_system_takes_are_written_in_part),
		on_pair(a_full_socket_says_what_to_wait_for),
		on_pair(writing_to_a_gone_client_fails_without_a_signal),
		on_pair(a_reset_is_told),
		on_pair(a_file_is_sent_from_its_offset),
		on_pair(a_file_cut_short_is_an_error_not_a_loop),
		on_pair(sending_a_file_to_a_slow_client_says_again),
		on_pair(finish_ends_our_side_only),
		on_pair(a_plain_stream_holds_no_state_but_the_descriptor),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
