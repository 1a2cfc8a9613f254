/* Promises of net/listener.h, on loopback and in a folder of its own. */
#include "unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <grp.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/stat.h>

#include "base/check.h"
#include "net/listener.h"

static char dir[] = "/tmp/molt-test-listener-XXXXXX";
static char path[64], address[80];

static mo_listener *bound(const char *text)
{
	mo_listener *l;
	char *why;

	if (mo_listener_bind(text, 0, &l, &why) < 0)
		fail_msg("%s", why);
	assert_null(why);
	return l;
}

/* Binding must fail with that code, and the sentence must hold that part. */
static void refused(const char *text, int code, const char *part)
{
	mo_listener *l;
	char *why;

	assert_int_equal(mo_listener_bind(text, 0, &l, &why), code);
	assert_null(l);
	assert_non_null(why);
	if (!strstr(why, part))
		fail_msg("\"%s\" lacks \"%s\"", why, part);
	free(why);
}

static int client_of(const mo_listener *l)
{
	mo_addr a = l->addr;
	int fd = socket(a.u.sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (a.any && a.u.sa.sa_family == AF_INET6)
		a.u.in6.sin6_addr = in6addr_loopback;
	assert_true(fd >= 0);
	if (connect(fd, &a.u.sa, a.len) < 0) {
		close(fd);
		return -errno;
	}
	return fd;
}

static int client_ipv4(int port)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
				  .sin_port = htons((uint16_t)port),
				  .sin_addr = { htonl(INADDR_LOOPBACK) } };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(connect(fd, (struct sockaddr *)&in, sizeof(in)), 0);
	return fd;
}

static void close_path_listener(mo_listener *l)
{
	mo_listener_remove_path(l);
	mo_listener_close(l);
}

static void port_zero_gives_a_real_port_and_keeps_the_text(void **state)
{
	mo_listener *l = bound("127.0.0.1:0");
	char want[MO_ADDR_TEXT];

	assert_true(mo_addr_port(&l->addr) > 0);
	snprintf(want, sizeof(want), "127.0.0.1:%d", mo_addr_port(&l->addr));
	assert_string_equal(l->bound, want);
	assert_string_equal(l->text, "127.0.0.1:0");
	assert_false(l->inherited);
	mo_listener_close(l);
	mo_listener_close(NULL);
}

static void one_any_socket_takes_ipv4_and_ipv6(void **state)
{
	mo_listener *l = bound(":0");
	char ip[INET6_ADDRSTRLEN];
	mo_addr peer;
	int a = client_ipv4(mo_addr_port(&l->addr)), fd;

	assert_int_equal(l->bound[0], ':');
	assert_true(l->addr.any);
	fd = mo_listener_accept(l, &peer);
	assert_true(fd >= 0);
	mo_addr_ip(&peer, ip);
	assert_string_equal(ip, "127.0.0.1");
	assert_true(mo_addr_is_loopback(&peer));
	close(fd);
	close(a);
	if (l->addr.u.sa.sa_family == AF_INET6) {
		a = client_of(l);
		fd = mo_listener_accept(l, &peer);
		if (a >= 0) { /* IPv6 may be switched off on lo */
			mo_addr_ip(&peer, ip);
			assert_string_equal(ip, "::1");
			close(fd);
			close(a);
		}
	}
	mo_listener_close(l);
}

static void accepted_sockets_are_ready_for_the_loop(void **state)
{
	mo_listener *l = bound("127.0.0.1:0");
	int c = client_of(l), fd = mo_listener_accept(l, NULL), on = 0;
	socklen_t len = sizeof(on);

	assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, &len), 0);
	assert_true(on);
	assert_true(fcntl(l->fd, F_GETFL) & O_NONBLOCK);
	assert_true(fcntl(l->fd, F_GETFD) & FD_CLOEXEC);
	close(fd);
	close(c);
	mo_listener_close(l);
}

static void accept_on_an_empty_queue_says_again(void **state)
{
	mo_listener *l = bound("127.0.0.1:0");

	assert_int_equal(mo_listener_accept(l, NULL), -EAGAIN);
	mo_listener_close(l);
}

static void a_connection_reset_in_the_queue_does_not_end_accepting(void **state)
{
	struct linger hard = { 1, 0 };
	mo_listener *l = bound("127.0.0.1:0");
	int c = client_of(l), fd, good;

	setsockopt(c, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
	close(c);
	good = client_of(l);
	fd = mo_listener_accept(l, NULL);
	assert_true(fd >= 0);
	close(fd);
	close(good);
	mo_listener_close(l);
}

static void out_of_descriptors_is_an_error_not_a_loop(void **state)
{
	mo_listener *l = bound("127.0.0.1:0");
	int c = client_of(l);
	struct rlimit was, tight;

	getrlimit(RLIMIT_NOFILE, &was);
	tight = was;
	tight.rlim_cur = 0;
	setrlimit(RLIMIT_NOFILE, &tight);
	assert_int_equal(mo_listener_accept(l, NULL), -EMFILE);
	setrlimit(RLIMIT_NOFILE, &was);
	close(c);
	mo_listener_close(l);
}

static void a_port_in_use_is_refused_with_advice(void **state)
{
	mo_listener *l = bound("127.0.0.1:0");

	refused(l->bound, -EADDRINUSE, "cannot listen on 127.0.0.1:");
	refused(l->bound, -EADDRINUSE, "address already in use; stop the program");
	mo_listener_close(l);
}

static void a_port_can_be_bound_again_at_once(void **state)
{
	mo_listener *l = bound("127.0.0.1:0");
	char text[MO_ADDR_TEXT];
	int c = client_of(l), fd = mo_listener_accept(l, NULL);

	strcpy(text, l->bound);
	mo_listener_close(l);
	close(fd); /* our side closes first: TIME_WAIT keeps the port */
	close(c);
	mo_listener_close(bound(text));
}

static void what_cannot_be_bound_is_explained(void **state)
{
	char text[200] = "unix:/";

	refused("nonsense", -EINVAL, "\"nonsense\"");
	refused(NULL, -EINVAL, "write \":80\"");
	refused("192.0.2.1:0", -EADDRNOTAVAIL, "this machine does not have that address");
	refused("unix:/nonexistent/dir/a.sock", -ENOENT, "make the directory first");
	memset(text + 6, 'p', 150);
	refused(text, -ENAMETOOLONG, "longer than");
}

/* Ends with 0 when an unprivileged user gets the whole sentence. */
static void bind_port_80_as_nobody(void)
{
	mo_listener *l;
	char *why = NULL;

	if (geteuid() == 0 && setresuid(65534, 65534, 65534) < 0)
		_exit(1);
	if (mo_listener_bind("127.0.0.1:80", 0, &l, &why) != -EACCES)
		_exit(2);
	_exit(strcmp(why, "cannot listen on 127.0.0.1:80: permission denied; ports below 1024 need "
			  "CAP_NET_BIND_SERVICE") != 0);
}

static void a_low_port_names_the_capability(void **state)
{
	FILE *f = fopen("/proc/sys/net/ipv4/ip_unprivileged_port_start", "r");
	int first = 1024, status;
	pid_t pid;

	if (f) {
		assert_int_equal(fscanf(f, "%d", &first), 1);
		fclose(f);
	}
	if (first <= 80)
		skip_because("port 80 needs no privilege here");
	pid = fork();
	if (pid == 0)
		bind_port_80_as_nobody();
	assert_int_equal(uninterrupted(waitpid(pid, &status, 0)), pid);
	assert_int_equal(status, 0);
}

static void a_unix_socket_serves_at_its_path(void **state)
{
	struct stat st;
	mo_listener *l = bound(address);
	mo_addr peer;
	char ip[INET6_ADDRSTRLEN];
	int c = client_of(l), fd = mo_listener_accept(l, &peer);

	assert_string_equal(l->bound, address);
	assert_true(c >= 0 && fd >= 0);
	assert_int_equal(peer.u.sa.sa_family, AF_UNIX);
	mo_addr_ip(&peer, ip);
	assert_string_equal(ip, "unix");
	close(c);
	close(fd);
	close_path_listener(l);
	assert_int_equal(lstat(path, &st), -1);
	assert_int_equal(rmdir(dir), 0); /* no temporary name is left */
	assert_int_equal(mkdir(dir, 0700), 0);
}

static mo_listener *bound_as(mode_t mode, const char *user, const char *group)
{
	mo_unix_access access;
	mo_listener *l;
	char *why;

	assert_int_equal(mo_unix_access_find((int)mode, user, group, &access, &why), 0);
	if (mo_listener_bind_as(address, 0, &access, &l, &why) < 0)
		fail_msg("%s", why);
	return l;
}

static mode_t mode_of_path(void)
{
	struct stat st;

	assert_int_equal(lstat(path, &st), 0);
	return st.st_mode & 07777;
}

static void the_mode_of_a_unix_socket_is_as_asked_whatever_the_umask(void **state)
{
	static const mode_t masks[] = { 0, 022, 077, 0777 };

	for (size_t i = 0; i < MO_COUNTOF(masks); i++) {
		mode_t was = umask(masks[i]);
		mo_listener *l = bound(address);

		assert_int_equal(mode_of_path(), 0666);
		close_path_listener(l);
		l = bound_as(0660, NULL, NULL);
		assert_int_equal(mode_of_path(), 0660);
		close_path_listener(l);
		assert_int_equal(umask(was), masks[i]); /* the process's is not touched */
	}
}

/* What /proc/net/unix, and so ss(8) and systemd-tmpfiles, know it by. */
static void a_unix_socket_bears_the_name_of_its_path(void **state)
{
	mo_listener *l = bound(address);
	struct sockaddr_un a = { 0 };
	socklen_t n = sizeof(a);

	assert_int_equal(getsockname(l->fd, (struct sockaddr *)&a, &n), 0);
	assert_string_equal(a.sun_path, path);
	close_path_listener(l);
}

static void mode_and_owners_of_a_unix_socket_are_as_asked(void **state)
{
	mo_unix_access access;
	mo_listener *l;
	struct stat st;
	char *why;

	if (geteuid() != 0)
		skip_because("not root: a file cannot be given to another group");
	assert_int_equal(mo_unix_access_find(0640, "65533", "65532", &access, &why), 0);
	assert_int_equal(mo_listener_bind_as(address, 0, &access, &l, &why), 0);
	assert_int_equal(lstat(path, &st), 0);
	assert_int_equal(st.st_uid, 65533);
	assert_int_equal(st.st_gid, 65532);
	assert_int_equal(st.st_mode & 07777, 0640);
	close_path_listener(l);
}

/* Ends with 0 when an unprivileged user gets the whole sentence, and no file is left. */
static void give_away_as_nobody(void)
{
	mo_unix_access access;
	mo_listener *l;
	struct stat st;
	char *why = NULL;

	if (setgroups(0, NULL) < 0 || setresgid(65534, 65534, 65534) < 0 ||
	    setresuid(65534, 65534, 65534) < 0)
		_exit(1);
	if (mo_unix_access_find(0660, NULL, "4711", &access, &why) < 0)
		_exit(2);
	if (mo_listener_bind_as(address, 0, &access, &l, &why) != -EPERM)
		_exit(3);
	if (!strstr(why, "cannot listen on unix:/") ||
	    !strstr(why, "its file cannot be given to group 4711 (unixGroup): Operation not "
			 "permitted; run as root, or as a user who is in that group"))
		_exit(4);
	_exit(lstat(path, &st) == 0 ? 5 : 0);
}

static void an_owner_that_cannot_be_given_is_explained(void **state)
{
	int status;
	pid_t pid;

	if (geteuid() != 0)
		skip_because("not root: another user cannot be tried");
	assert_int_equal(chmod(dir, 0777), 0);
	pid = fork();
	if (pid == 0)
		give_away_as_nobody();
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(chmod(dir, 0700), 0);
	assert_int_equal(status, 0);
}

static void a_user_or_group_that_is_not_there_is_named(void **state)
{
	mo_unix_access access;
	char *why = NULL;

	assert_int_equal(mo_unix_access_find(0660, "no-such-user", NULL, &access, &why), -EINVAL);
	assert_non_null(strstr(why, "unixUser: this system has no user \"no-such-user\""));
	free(why);
	assert_int_equal(mo_unix_access_find(0660, NULL, "no-such-group", &access, &why), -EINVAL);
	assert_non_null(strstr(why, "unixGroup: this system has no group \"no-such-group\""));
	free(why);
	assert_int_equal(mo_unix_access_find(0660, "root", "root", &access, &why), 0);
	assert_int_equal(access.uid, 0);
	assert_int_equal(access.gid, 0);
}

static void a_link_at_the_path_is_not_followed(void **state)
{
	mo_unix_access access = { .mode = 0666, .uid = (uid_t)-1, .gid = (gid_t)-1 };
	char victim[80], *why = NULL;
	struct stat st;
	int fd;

	snprintf(victim, sizeof(victim), "%s/victim", dir);
	fd = open(victim, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	close(fd);
	assert_int_equal(symlink(victim, path), 0);
	assert_int_equal(mo_unix_access_set(path, &access, &st, &why), -ENOTSOCK);
	assert_int_equal(stat(victim, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	unlink(path);
	unlink(victim);
}

static void a_socket_file_that_a_stranger_removed_is_known_to_be_lost(void **state)
{
	mo_listener *l = bound(address), *stranger;
	char *why;

	assert_false(mo_listener_is_lost(l));
	unlink(path);
	assert_true(mo_listener_is_lost(l));
	stranger = bound(address);
	assert_true(mo_listener_is_lost(l));
	assert_int_equal(chmod(path, 0600), 0);
	/* The stranger's file is left alone. */
	assert_int_equal(mo_listener_set_access(l, &(mo_unix_access){ 0666, 0, 0 }, &why), 0);
	assert_int_equal(mode_of_path(), 0600);
	close_path_listener(stranger);
	mo_listener_close(l);
}

/* Many servers start at once at the path of a dead one: one gets it, and keeps it. */
static void start_at_once(int go)
{
	mo_listener *l;
	char *why, byte;
	int rc;

	if (read(go, &byte, 1) != 0)
		_exit(3);
	rc = mo_listener_bind(address, 0, &l, &why);
	if (rc == -EADDRINUSE)
		_exit(1);
	if (rc < 0)
		_exit(2);
	poll(NULL, 0, -1);
	_exit(4);
}

static void of_servers_that_start_at_once_one_gets_the_path_of_a_dead_one(void **state)
{
	enum { SERVERS = 8, ROUNDS = 20 };

	for (int round = 0; round < ROUNDS; round++) {
		pid_t pids[SERVERS];
		int go[2], refused = 0, c;
		mo_listener *dead = bound(address);
		mo_addr at = dead->addr;

		mo_listener_close(dead);
		assert_int_equal(pipe2(go, O_CLOEXEC), 0);
		for (int i = 0; i < SERVERS; i++) {
			pids[i] = fork();
			if (pids[i] == 0) {
				close(go[1]);
				start_at_once(go[0]);
			}
		}
		close(go[0]);
		close(go[1]);
		while (refused < SERVERS - 1) {
			int status;

			assert_true(waitpid(-1, &status, 0) > 0);
			assert_int_equal(WEXITSTATUS(status), 1);
			refused++;
		}
		c = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		assert_int_equal(connect(c, &at.u.sa, at.len), 0);
		close(c);
		for (int i = 0; i < SERVERS; i++)
			kill(pids[i], SIGKILL);
		assert_true(waitpid(-1, NULL, 0) > 0);
	}
	unlink(path);
}

static void a_stale_unix_socket_is_replaced(void **state)
{
	mo_listener *l = bound(address), *second;
	int c;

	mo_listener_close(l); /* the path stays, nobody accepts */
	second = bound(address);
	c = client_of(second);
	assert_true(c >= 0);
	close(c);
	close_path_listener(second);
}

static void a_live_unix_socket_is_never_replaced(void **state)
{
	mo_listener *l = bound(address);
	int c;

	refused(address, -EADDRINUSE, "a running program accepts there");
	c = client_of(l);
	assert_true(c >= 0);
	close(c);
	close_path_listener(l);
}

static void a_file_that_is_no_socket_is_never_removed(void **state)
{
	int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	struct stat st;

	close(fd);
	refused(address, -EEXIST, "it is no socket");
	assert_int_equal(stat(path, &st), 0);
	assert_true(S_ISREG(st.st_mode));
	unlink(path);
	assert_int_equal(symlink("/etc/passwd", path), 0);
	refused(address, -EEXIST, "it is no socket");
	unlink(path);
}

static void a_path_that_another_took_over_is_left_alone(void **state)
{
	mo_listener *old = bound(address), *new;
	struct stat st;

	unlink(path);
	new = bound(address);
	mo_listener_remove_path(old);
	assert_int_equal(lstat(path, &st), 0);
	mo_listener_close(old);
	close_path_listener(new);
	assert_int_equal(lstat(path, &st), -1);
}

static void an_inherited_socket_is_adopted_with_its_address(void **state)
{
	mo_listener *l = bound("127.0.0.1:0"), *heir;
	int fd = dup(l->fd), c;

	fcntl(fd, F_SETFL, 0); /* a careless predecessor */
	assert_int_equal(mo_listener_adopt(fd, "127.0.0.1:0", &heir), 0);
	assert_true(heir->inherited);
	assert_string_equal(heir->bound, l->bound);
	assert_string_equal(heir->text, "127.0.0.1:0");
	assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	/* Closing one copy ends nothing. */
	mo_listener_close(l);
	c = client_of(heir);
	assert_true(c >= 0);
	close(c);
	mo_listener_close(heir);
}

static void an_inherited_unix_socket_keeps_its_path(void **state)
{
	mo_listener *l = bound(address), *heir;
	struct stat st;

	assert_int_equal(mo_listener_adopt(dup(l->fd), address, &heir), 0);
	assert_string_equal(heir->bound, address);
	mo_listener_close(l);
	assert_int_equal(lstat(path, &st), 0);
	close_path_listener(heir);
	assert_int_equal(lstat(path, &st), -1);
}

static void a_passed_socket_is_adopted_with_any_address_and_keeps_its_path(void **state)
{
	mo_listener *l = bound(address), *heir;
	int on = 0, fd = socket(AF_INET, SOCK_STREAM, 0);
	socklen_t len = sizeof(on);

	assert_int_equal(mo_listener_adopt(dup(l->fd), "systemd:web", &heir), 0);
	assert_int_equal(heir->addr.u.sa.sa_family, AF_UNIX);
	assert_true(mo_listener_matches(heir, "systemd:web"));
	assert_false(mo_listener_matches(heir, "systemd:other"));
	mo_listener_remove_path(heir);
	assert_int_equal(access(path, F_OK), 0);
	mo_listener_close(heir);
	mo_listener_remove_path(l);
	mo_listener_close(l);

	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(mo_listener_adopt(fd, "systemd:web", &heir), 0);
	assert_true(mo_addr_port(&heir->addr) > 0);
	assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, &len), 0);
	assert_true(on);
	mo_listener_close(heir);
	refused("systemd:web", -ENOENT, "did not pass it");
}

static void a_private_socket_is_for_its_owner_alone(void **state)
{
	char text[128], *why;
	struct stat st;
	mo_listener *l;

	snprintf(text, sizeof(text), "unix:%s/private/a.sock", dir);
	assert_int_equal(mo_listener_bind_private(text, &l, &why), 0);
	assert_int_equal(stat(text + 5, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	mo_listener_remove_path(l);
	mo_listener_close(l);
	*strrchr(text, '/') = '\0';
	assert_int_equal(stat(text + 5, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);

	assert_int_equal(chmod(text + 5, 0770), 0);
	strcat(text, "/a.sock");
	assert_int_equal(mo_listener_bind_private(text, &l, &why), -EPERM);
	assert_non_null(strstr(why, "nobody else may write"));
	free(why);
	assert_int_equal(mo_listener_bind_private("127.0.0.1:0", &l, &why), -EINVAL);
	free(why);
	*strrchr(text, '/') = '\0';
	assert_int_equal(rmdir(text + 5), 0);
}

static void what_is_no_listening_socket_is_not_adopted(void **state)
{
	mo_listener *l, *unix_l = bound(address);
	int file = open("/dev/null", O_RDONLY | O_CLOEXEC);
	int idle = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	assert_int_equal(mo_listener_adopt(-1, ":80", &l), -EBADF);
	assert_int_equal(mo_listener_adopt(file, ":80", &l), -ENOTSOCK);
	assert_int_equal(mo_listener_adopt(idle, ":80", &l), -EINVAL);
	assert_int_equal(mo_listener_adopt(udp, ":80", &l), -EINVAL);
	assert_int_equal(mo_listener_adopt(unix_l->fd, ":80", &l), -EINVAL);
	assert_int_equal(mo_listener_adopt(unix_l->fd, "nonsense", &l), -EINVAL);
	assert_null(l);
	/* A refused descriptor stays the caller's. */
	assert_int_equal(fcntl(file, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	close(file);
	close(idle);
	close(udp);
	close_path_listener(unix_l);
}

static void matching_compares_what_would_be_bound(void **state)
{
	mo_listener *l = bound("127.0.0.1:0"), *any = bound(":0"), *u = bound(address);
	char text[MO_ADDR_TEXT];

	assert_true(mo_listener_matches(l, l->bound));
	assert_true(mo_listener_matches(l, "127.0.0.1:0"));
	snprintf(text, sizeof(text), "localhost:%d", mo_addr_port(&l->addr));
	assert_true(mo_listener_matches(l, text));
	snprintf(text, sizeof(text), ":%d", mo_addr_port(&l->addr));
	assert_false(mo_listener_matches(l, text));
	assert_false(mo_listener_matches(l, ":0"));
	assert_true(mo_listener_matches(any, any->bound));
	assert_true(mo_listener_matches(any, any->bound + 1));
	snprintf(text, sizeof(text), "[::]:%d", mo_addr_port(&any->addr));
	assert_false(mo_listener_matches(any, text));
	assert_true(mo_listener_matches(u, address));
	assert_false(mo_listener_matches(u, "unix:/other"));
	assert_false(mo_listener_matches(l, "nonsense"));
	mo_listener_close(l);
	mo_listener_close(any);
	close_path_listener(u);
}

static void another_backlog_can_be_set_while_listening(void **state)
{
	mo_listener *l = bound("127.0.0.1:0");
	int c;

	assert_int_equal(mo_listener_set_backlog(l, 7), 0);
	assert_int_equal(mo_listener_set_backlog(l, 0), 0);
	c = client_of(l);
	assert_true(c >= 0);
	close(c);
	mo_listener_close(l);
}

static void failures_leak_no_descriptor(void **state)
{
	int before = dup(0);
	int after;

	close(before);
	for (int i = 0; i < 10; i++) {
		refused("192.0.2.1:0", -EADDRNOTAVAIL, "");
		refused("unix:/nonexistent/a", -ENOENT, "");
	}
	after = dup(0);
	close(after);
	assert_int_equal(before, after);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(port_zero_gives_a_real_port_and_keeps_the_text),
		cmocka_unit_test(one_any_socket_takes_ipv4_and_ipv6),
		cmocka_unit_test(accepted_sockets_are_ready_for_the_loop),
		cmocka_unit_test(accept_on_an_empty_queue_says_again),
		cmocka_unit_test(a_connection_reset_in_the_queue_does_not_end_accepting),
		cmocka_unit_test(out_of_descriptors_is_an_error_not_a_loop),
		cmocka_unit_test(a_port_in_use_is_refused_with_advice),
		cmocka_unit_test(a_port_can_be_bound_again_at_once),
		cmocka_unit_test(what_cannot_be_bound_is_explained),
		cmocka_unit_test(a_low_port_names_the_capability),
		cmocka_unit_test(a_unix_socket_serves_at_its_path),
		cmocka_unit_test(the_mode_of_a_unix_socket_is_as_asked_whatever_the_umask),
		cmocka_unit_test(a_unix_socket_bears_the_name_of_its_path),
		cmocka_unit_test(mode_and_owners_of_a_unix_socket_are_as_asked),
		cmocka_unit_test(an_owner_that_cannot_be_given_is_explained),
		cmocka_unit_test(a_user_or_group_that_is_not_there_is_named),
		cmocka_unit_test(a_link_at_the_path_is_not_followed),
		cmocka_unit_test(a_socket_file_that_a_stranger_removed_is_known_to_be_lost),
		cmocka_unit_test(of_servers_that_start_at_once_one_gets_the_path_of_a_dead_one),
		cmocka_unit_test(a_stale_unix_socket_is_replaced),
		cmocka_unit_test(a_live_unix_socket_is_never_replaced),
		cmocka_unit_test(a_file_that_is_no_socket_is_never_removed),
		cmocka_unit_test(a_path_that_another_took_over_is_left_alone),
		cmocka_unit_test(an_inherited_socket_is_adopted_with_its_address),
		cmocka_unit_test(an_inherited_unix_socket_keeps_its_path),
		cmocka_unit_test(a_passed_socket_is_adopted_with_any_address_and_keeps_its_path),
		cmocka_unit_test(a_private_socket_is_for_its_owner_alone),
		cmocka_unit_test(what_is_no_listening_socket_is_not_adopted),
		cmocka_unit_test(matching_compares_what_would_be_bound),
		cmocka_unit_test(another_backlog_can_be_set_while_listening),
		cmocka_unit_test(failures_leak_no_descriptor),
	};
	int failed;

	if (!mkdtemp(dir))
		return 1;
	snprintf(path, sizeof(path), "%s/a.sock", dir);
	snprintf(address, sizeof(address), "unix:%s", path);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	unlink(path);
	rmdir(dir);
	return failed;
}
