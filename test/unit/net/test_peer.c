/* The user on the other side of a connection: whose socket counts, and when none
 * does. */
#include "unit.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/check.h"
#include "net/listener.h"
#include "net/peer.h"

#define NOBODY 65534
#define WAIT_MS 20000

static mo_listener *listener;
static int client, conn;

static void listen_on(const char *text)
{
	char *why = NULL;

	if (mo_listener_bind(text, 0, &listener, &why) < 0)
		fail_msg("%s", why);
}

/* The kernel's answer to connect() may be ahead of the listener's queue. */
static int take_next(void)
{
	struct pollfd p = { .fd = listener->fd, .events = POLLIN };
	int fd;

	do {
		assert_true(uninterrupted(poll(&p, 1, WAIT_MS)) > 0);
		fd = mo_listener_accept(listener, NULL);
	} while (fd == -EAGAIN);
	return fd;
}

static int connect_client(void)
{
	int fd = socket(listener->addr.u.sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0), err;

	if (fd >= 0 && connect(fd, &listener->addr.u.sa, listener->addr.len) < 0) {
		err = -errno;
		close(fd);
		return err;
	}
	return fd;
}

static void connected(const char *text)
{
	listen_on(text);
	client = connect_client();
	assert_true(client >= 0);
	conn = take_next();
	assert_true(conn >= 0);
}

static int tear_down(void **state)
{
	if (client >= 0)
		close(client);
	if (conn >= 0)
		close(conn);
	if (listener)
		mo_listener_remove_path(listener);
	mo_listener_close(listener);
	return 0;
}

static int set_up(void **state)
{
	client = conn = -1;
	listener = NULL;
	return 0;
}

static void own_connections_are_ours(void **state)
{
	static const char *const texts[] = { "127.0.0.1:0", "[::1]:0", "127.8.8.8:0" };
	uid_t uid;

	for (size_t i = 0; i < MO_COUNTOF(texts); i++) {
		connected(texts[i]);
		uid = 1;
		assert_int_equal(mo_peer_uid(conn, &uid), 0);
		assert_int_equal(uid, geteuid());
		assert_int_equal(mo_peer_is_ours(conn), 1);
		tear_down(NULL);
		set_up(NULL);
	}
}

/* ":80" accepts IPv4 as ::ffff:127.0.0.1. */
static void ipv4_on_a_socket_of_both_is_found(void **state)
{
	struct sockaddr_in to = { .sin_family = AF_INET };

	listen_on(":0");
	to.sin_port = htons((uint16_t)mo_addr_port(&listener->addr));
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(client, (struct sockaddr *)&to, sizeof(to)), 0);
	conn = take_next();
	assert_int_equal(mo_peer_is_ours(conn), 1);
}

static void a_unix_sockets_client_is_found(void **state)
{
	char text[64];

	snprintf(text, sizeof(text), "unix:/tmp/molt-test-peer-%d", (int)getpid());
	connected(text);
	assert_int_equal(mo_peer_is_ours(conn), 1);
}

static void a_client_that_sends_no_more_is_still_found(void **state)
{
	connected("127.0.0.1:0");
	assert_int_equal(shutdown(client, SHUT_WR), 0);
	assert_int_equal(mo_peer_is_ours(conn), 1);
}

/* The kernel gives sockets without a file to root. */
static void a_client_that_has_gone_is_nobody(void **state)
{
	uid_t uid;

	connected("127.0.0.1:0");
	assert_int_equal(send(client, "x", 1, 0), 1);
	close(client);
	client = -1;
	assert_int_equal(mo_peer_uid(conn, &uid), -ESRCH);
	assert_true(mo_peer_is_ours(conn) < 0);
}

static void a_client_that_was_reset_is_nobody(void **state)
{
	struct linger now = { .l_onoff = 1 };

	connected("127.0.0.1:0");
	assert_int_equal(setsockopt(client, SOL_SOCKET, SO_LINGER, &now, sizeof(now)), 0);
	close(client);
	client = -1;
	assert_true(mo_peer_is_ours(conn) < 0);
}

/* A socket on a port of an address of this test alone: elsewhere the port may be in
 * use, and a bind of it refused, for connections of anybody's, also long gone. */
static int on_own_port(struct sockaddr_in *name)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), yes = 1;
	socklen_t n = sizeof(*name);

	assert_true(fd >= 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)), 0);
	assert_int_equal(bind(fd, (struct sockaddr *)name, n), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)name, &n), 0);
	return fd;
}

/* The port of a client that has gone may be another's by now; its connection is
 * not ours to ask about. */
static void another_connection_of_the_same_port_does_not_count(void **state)
{
	uint32_t own = 0x7f400000u | ((uint32_t)getpid() & 0x3fffffu); /* 127.64.0.0/10 */
	struct sockaddr_in name = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(own | 1) };
	struct linger now = { .l_onoff = 1 };
	int other, holder = on_own_port(&name); /* keeps the port between the two */

	listen_on("127.0.0.1:0");
	client = on_own_port(&name);
	assert_int_equal(connect(client, &listener->addr.u.sa, listener->addr.len), 0);
	conn = take_next();
	assert_int_equal(mo_peer_is_ours(conn), 1);
	setsockopt(client, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(client);
	client = on_own_port(&name);
	assert_int_equal(connect(client, &listener->addr.u.sa, listener->addr.len), 0);
	other = take_next();
	assert_true(other >= 0);
	assert_int_equal(mo_peer_is_ours(other), 1);
	assert_true(mo_peer_is_ours(conn) < 0);
	close(other);
	close(holder);
}

static void connect_as(uid_t uid)
{
	int fd;
	char c;

	if (setresuid(uid, uid, uid) < 0)
		_exit(2);
	fd = connect_client();
	/* Until the other side has looked. */
	_exit(fd < 0 || read(fd, &c, 1) < 0 ? 3 : 0);
}

static void another_users_are_not_ours(void **state)
{
	static const char *const texts[] = { "127.0.0.1:0", "[::1]:0" };
	uid_t uid = 0;

	if (geteuid() != 0) {
		print_message("not root: no process of another user can be made here\n");
		skip();
	}
	for (size_t i = 0; i < MO_COUNTOF(texts); i++) {
		pid_t pid;
		int status;

		listen_on(texts[i]);
		pid = fork();
		if (pid == 0)
			connect_as(NOBODY - 1);
		assert_true(pid > 0);
		conn = take_next();
		assert_int_equal(mo_peer_uid(conn, &uid), 0);
		assert_int_equal(uid, NOBODY - 1);
		assert_int_equal(mo_peer_is_ours(conn), 0);
		close(conn);
		conn = -1;
		assert_int_equal(uninterrupted(waitpid(pid, &status, 0)), pid);
		assert_int_equal(status, 0);
		tear_down(NULL);
		set_up(NULL);
	}
}

static void what_is_no_connection_has_no_peer(void **state)
{
	uid_t uid;

	listen_on("127.0.0.1:0");
	assert_true(mo_peer_uid(listener->fd, &uid) < 0);
	assert_int_equal(mo_peer_uid(-1, &uid), -EBADF);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(own_connections_are_ours),
		T(ipv4_on_a_socket_of_both_is_found),
		T(a_unix_sockets_client_is_found),
		T(a_client_that_sends_no_more_is_still_found),
		T(a_client_that_has_gone_is_nobody),
		T(a_client_that_was_reset_is_nobody),
		T(another_connection_of_the_same_port_does_not_count),
		T(another_users_are_not_ours),
		T(what_is_no_connection_has_no_peer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
