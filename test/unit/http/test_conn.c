/* Promises of http/conn/conn.c and accept.c: accepting, limits, lingering, draining,
 * cutting; over plain sockets and TLS. */
#include "base/check.h"
#include "certs.h"
#include "http/h1/h1_internal.h"
#include "http/live/sse.h"
#include "http_app.h"
#include "net/tls.h"

static void an_idle_connection_is_small(void **state)
{
	assert_true(sizeof(mo_conn) < 300);
}

struct owned {
	unsigned conns, buffers, stacks;
};

static void count_owned(void *arg)
{
	struct owned *n = arg;

	MO_LIST_EACH (node, &mo_conns_of(srv.loop)->all) {
		const mo_h1 *h = mo_h1_of(MO_CONTAINER_OF(node, mo_conn, node));

		n->conns++;
		n->buffers += h->in || h->out;
		n->stacks += h->req != NULL; /* its exchange is a coroutine */
	}
}

static struct owned owned(void)
{
	struct owned n = { 0 };

	on_loop(count_owned, &n);
	return n;
}

static void an_idle_connection_owns_no_stack_and_no_buffer(void **state)
{
	int fd = dial();

	say(fd, "GET /sleep?1 HTTP/1.1\r\nHost: a\r\n\r\nGET / H");
	EVENTUALLY(counts().head == 1);
	assert_int_equal(owned().buffers, 1);
	say(fd, "TTP/1.1\r\nHost: a\r\n\r\n");
	EVENTUALLY(counts().idle == 1);
	assert_int_equal(owned().conns, 1);
	assert_int_equal(owned().buffers, 0);
	assert_int_equal(owned().stacks, 0);
	close(fd);
}

static void states_are_counted(void **state)
{
	mo_conn_counts n;
	int idle = dial(), head = dial(), running = dial();

	say(head, "GET / HT");
	say(running, "GET /sleep?200 HTTP/1.1\r\nHost: a\r\n\r\n");
	EVENTUALLY(counts().head == 1 && counts().running == 1 && counts().idle == 1);
	n = counts();
	assert_int_equal(n.handshake + n.linger, 0);
	assert_int_equal(atomic_load(&srv.http.connections), 3);
	assert_int_equal(mo_http_counted(&srv.http).requests, 1);
	close(idle);
	close(head);
	close(running);
}

static void linger_ends_after_two_seconds_at_the_latest(void **state)
{
	int fd = dial();

	say(fd, "BAD\r\n\r\n");
	assert_int_equal(hear_answer(fd, NULL, NULL), 400);
	EVENTUALLY(counts().linger == 1);
	EVENTUALLY(open_conns() == 0);
	close(fd);
}

/* More than what the sockets hold on the way, and more than is sent before the answer. */
static void the_answer_to_an_upload_that_is_not_read_reaches_its_client(void **state)
{
	static char piece[64 * 1024];
	bool closes;
	int fd = dial_with(4096);

	say(fd, "POST /ignore HTTP/1.1\r\nHost: a\r\nContent-Length: 16777216\r\n\r\n");
	for (int i = 0; i < 256; i++)
		assert_true(say_n(fd, piece, sizeof(piece)));
	assert_int_equal(hear_answer(fd, NULL, &closes), 413);
	assert_true(closes);
	expect_end(fd);
}

/* Two seconds without a byte are the end, however long it was heard before. */
static void one_that_stops_sending_is_not_waited_for_any_longer(void **state)
{
	char byte;
	int fd = dial();

	say(fd, "POST /ignore HTTP/1.1\r\nHost: a\r\nContent-Length: 16777216\r\n\r\n0123456789");
	assert_int_equal(hear_answer(fd, NULL, NULL), 413);
	EVENTUALLY(counts().linger == 1);
	for (int i = 0; i < 3; i++)
		say(fd, "0123456789");
	assert_int_equal(uninterrupted(recv(fd, &byte, 1, 0)), 0);
	EVENTUALLY(open_conns() == 0);
	close(fd);
}

static void connections_beyond_the_limit_wait_while_all_have_work(void **state)
{
	int a, b, c;

	LIMIT(max_connections, 2);
	a = dial();
	b = dial();
	say(a, "GET /gone HTTP/1.1\r\nHost: a\r\n\r\n");
	say(b, "GET /gone HTTP/1.1\r\nHost: a\r\n\r\n");
	EVENTUALLY(atomic_load(&srv.parked) == 2);
	c = dial();
	say(c, HELLO);
	usleep(60000);
	assert_int_equal(recv(c, (char[1]){ 0 }, 1, MSG_DONTWAIT), -1);
	assert_int_equal(atomic_load(&srv.http.connections), 2);
	close(a);
	expect_answer(c, 200, HELLO_BODY);
	close(b);
	close(c);
}

/* n connections that have been answered and are idle, the first for the longest time. */
static void idle_clients(int *fds, int n)
{
	for (int i = 0; i < n; i++) {
		fds[i] = dial();
		say(fds[i], HELLO);
		expect_answer(fds[i], 200, HELLO_BODY);
		usleep(3000);
	}
}

static void at_the_limit_the_longest_idle_connection_makes_room(void **state)
{
	int fds[20], more[12];

	LIMIT(max_connections, 20);
	idle_clients(fds, 20);
	/* The first is used again, and is the last then. */
	say(fds[0], HELLO);
	expect_answer(fds[0], 200, HELLO_BODY);
	idle_clients(more, 12);
	for (int i = 1; i <= 12; i++)
		expect_end(fds[i]);
	for (int i = 13; i < 20; i++) {
		say(fds[i], HELLO);
		expect_answer(fds[i], 200, HELLO_BODY);
		close(fds[i]);
	}
	say(fds[0], HELLO);
	expect_answer(fds[0], 200, HELLO_BODY);
	close(fds[0]);
	for (int i = 0; i < 12; i++)
		close(more[i]);
	assert_int_equal(atomic_load(&srv.http.idle_closed), 12);
}

static void one_whose_next_request_has_arrived_does_not_make_room(void **state)
{
	int fds[2], late;

	LIMIT(max_connections, 2);
	idle_clients(fds, 2);
	hold_loop();
	late = dial(); /* is announced first */
	say(fds[0], HELLO);
	has_arrived(fds[0]);
	release_loop();
	expect_answer(fds[0], 200, HELLO_BODY);
	expect_end(fds[1]);
	say(late, HELLO);
	expect_answer(late, 200, HELLO_BODY);
	close(late);
	close(fds[0]);
}

static void clients_that_never_spoke_make_room_too(void **state)
{
	int silent[2], fd;

	LIMIT(max_connections, 2);
	silent[0] = dial();
	EVENTUALLY(counts().idle == 1);
	silent[1] = dial();
	EVENTUALLY(counts().idle == 2);
	fd = dial();
	say(fd, HELLO);
	expect_answer(fd, 200, HELLO_BODY);
	expect_end(silent[0]);
	close(silent[1]);
	close(fd);
}

static void one_that_never_spoke_has_the_header_timeout_from_its_accept(void **state)
{
	int silent, idle;

	LIMIT(header_timeout, 50);
	idle = dial();
	say(idle, HELLO);
	expect_answer(idle, 200, HELLO_BODY);
	silent = dial();
	expect_end(silent);
	say(idle, HELLO); /* one between two requests has the idle timeout */
	expect_answer(idle, 200, HELLO_BODY);
	close(idle);
}

static void make_room_elsewhere(void *arg)
{
	atomic_fetch_sub(&srv.http.connections, 1);
}

static void take_room_elsewhere(void *arg)
{
	atomic_fetch_add(&srv.http.connections, 1);
}

static void room_that_another_loop_made_is_found(void **state)
{
	int fd;

	LIMIT(max_connections, 1);
	on_loop(take_room_elsewhere, NULL);
	fd = dial();
	say(fd, HELLO);
	usleep(50000);
	assert_int_equal(open_conns(), 0);
	on_loop(make_room_elsewhere, NULL);
	expect_answer(fd, 200, HELLO_BODY);
	close(fd);
}

static void pause_accepting(void *arg)
{
	mo_acceptor_pause(srv.acceptor);
}

static void resume_accepting(void *arg)
{
	mo_acceptor_resume(srv.acceptor);
	mo_acceptor_resume(srv.acceptor);
}

static void a_paused_acceptor_leaves_the_queue_alone(void **state)
{
	int before = dial(), fd;

	EVENTUALLY(open_conns() == 1);
	on_loop(pause_accepting, NULL);
	fd = dial();
	say(fd, HELLO);
	say(before, HELLO);
	expect_answer(before, 200, HELLO_BODY);
	usleep(30000);
	assert_int_equal(open_conns(), 1);
	on_loop(resume_accepting, NULL);
	expect_answer(fd, 200, HELLO_BODY);
	close(before);
	close(fd);
}

static void freeing_an_acceptor_keeps_the_listener_and_the_connections(void **state)
{
	int kept = dial(), queued, fd;

	EVENTUALLY(open_conns() == 1);
	on_loop(stop_accepting, NULL);
	queued = dial();
	say(kept, HELLO);
	expect_answer(kept, 200, HELLO_BODY);
	fd = mo_listener_accept(srv.listener, NULL);
	assert_true(fd >= 0);
	close(fd);
	close(queued);
	close(kept);
}

static void without_descriptors_the_clients_wait(void **state)
{
	struct rlimit old, few;
	int fds[3], spare;

	getrlimit(RLIMIT_NOFILE, &old);
	for (int i = 0; i < 3; i++)
		fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	spare = dup(0);
	few = old;
	few.rlim_cur = (rlim_t)spare;
	close(spare);
	setrlimit(RLIMIT_NOFILE, &few);
	for (int i = 0; i < 3; i++) {
		struct sockaddr_in to = { .sin_family = AF_INET };
		struct timeval limit = { .tv_sec = 5 };

		to.sin_port = htons((uint16_t)mo_addr_port(&srv.listener->addr));
		to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		assert_int_equal(connect(fds[i], (struct sockaddr *)&to, sizeof(to)), 0);
		setsockopt(fds[i], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
		say(fds[i], HELLO);
	}
	usleep(150000);
	assert_int_equal(atomic_load(&srv.http.connections), 0);
	setrlimit(RLIMIT_NOFILE, &old);
	for (int i = 0; i < 3; i++) {
		expect_answer(fds[i], 200, HELLO_BODY);
		close(fds[i]);
	}
}

static void close_idle(void *arg)
{
	mo_conns_close_idle(srv.loop, arg);
}

static void drain(void *unused)
{
	atomic_store(&srv.http.closing, MO_CLOSING_ALL);
	mo_conns_close_idle(srv.loop, &srv.http);
}

/* Its first request may be on its way. */
static void a_drain_waits_for_the_first_request_of_a_fresh_connection(void **state)
{
	int fresh = dial(), silent = dial(), idle = dial();
	bool closes;

	say(idle, HELLO);
	expect_answer(idle, 200, HELLO_BODY);
	EVENTUALLY(counts().idle == 3);
	on_loop(drain, NULL);
	expect_end(idle);
	usleep(20000);
	on_loop(drain, NULL);
	say(fresh, HELLO);
	assert_int_equal(hear_answer(fresh, NULL, &closes), 200);
	assert_true(closes);
	close(fresh);
	on_loop(drain, NULL);
	expect_end(silent); /* a second later, where it had ten */
	EVENTUALLY(open_conns() == 0);
}

static mo_sse *stream;

static void stream_gone(void *unused)
{
	mo_sse_free(stream);
	stream = NULL;
}

static void serve_stream_events(molt_req *r)
{
	static const mo_sse_user user = { .gone = stream_gone };

	if (strcmp(r->raw_path.ptr, "/events") != 0) {
		app_handle(r);
		return;
	}
	stream = mo_sse_new(&user, NULL, true, &srv.http.lim);
	assert_int_equal(r->ops->upgrade(r, &mo_protocol_sse, stream), 0);
}

static void retire(void *unused)
{
	atomic_store(&srv.http.closing, MO_CLOSING_ALL);
	mo_conns_retire(srv.loop, &srv.http);
}

/* The client keeps its own end open, and there is nothing to wait for. */
static void an_event_stream_ends_at_once_in_a_drain(void **state)
{
	char text[64] = "";
	int fd = dial();
	size_t n = 0;
	ssize_t k;

	LIMIT(ws_ping, 60000);
	LIMIT(ws_max_queue, 4096);
	srv.http.app.handle = serve_stream_events;
	say(fd, "GET /events HTTP/1.1\r\nHost: a\r\n\r\n");
	free(hear_head(fd));
	EVENTUALLY(counts().idle == 1);
	on_loop(retire, NULL);
	while ((k = uninterrupted(recv(fd, text + n, sizeof(text) - 1 - n, 0))) > 0)
		n += (size_t)k;
	assert_int_equal(k, 0);
	assert_string_equal(text, "a\r\nretry: 1\n\n\r\n0\r\n\r\n");
	assert_int_equal(open_conns(), 0);
	close(fd);
}

static void close_idle_keeps_those_that_have_work(void **state)
{
	int idle = dial(), head = dial(), running = dial();
	static mo_http_server other;

	say(head, "GET /hello HT");
	say(running, "GET /sleep?50 HTTP/1.1\r\nHost: a\r\n\r\n");
	say(idle, HELLO);
	expect_answer(idle, 200, HELLO_BODY);
	EVENTUALLY(counts().head == 1 && counts().running == 1 && counts().idle == 1);
	on_loop(close_idle, &other);
	assert_int_equal(open_conns(), 3);
	on_loop(close_idle, NULL);
	expect_end(idle);
	assert_int_equal(open_conns(), 2);
	say(head, "TP/1.1\r\nHost: a\r\n\r\n");
	expect_answer(head, 200, HELLO_BODY);
	expect_answer(running, 200, "slept\n");
	close(head);
	close(running);
}

static void close_idle_with_unread(void *fd)
{
	say(*(int *)fd, HELLO); /* it is in the socket, and the loop has not seen it */
	mo_conns_close_idle(srv.loop, &srv.http);
}

static void close_idle_serves_what_has_arrived(void **state)
{
	int fd = dial();

	EVENTUALLY(counts().idle == 1);
	on_loop(close_idle_with_unread, &fd);
	expect_answer(fd, 200, HELLO_BODY);
	on_loop(close_idle, NULL);
	expect_end(fd);
}

static void cut_ends_waiting_handlers_and_every_connection(void **state)
{
	int idle = dial(), head = dial(), sleeping = dial(), reading = dial();
	int sending = dial_with(4096);
	unsigned n = 0;

	say(head, "GET / HT");
	say(sleeping, "GET /sleep?60000 HTTP/1.1\r\nHost: a\r\n\r\n");
	say(reading, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc");
	say(sending, "GET /flood HTTP/1.1\r\nHost: a\r\n\r\n");
	EVENTUALLY(counts().running == 3 && counts().head == 1 && counts().idle == 1);
	usleep(20000);
	on_loop(cut_all, &n);
	assert_int_equal(n, 4);
	EVENTUALLY(open_conns() == 0);
	assert_int_equal(atomic_load(&srv.done), 3);
	assert_true(atomic_load(&srv.read_result) < 0);
	expect_end(idle);
	expect_end(head);
	expect_end(sleeping);
	expect_end(reading);
	close(sending);
}

static void cut_shows_that_the_answer_broke_off(void **state)
{
	char *all;
	unsigned n = 0;
	int fd = dial(), error;

	say(fd, HELLO "GET /flood HTTP/1.0\r\n\r\n");
	EVENTUALLY(atomic_load(&srv.parked) == 1);
	usleep(20000);
	on_loop(cut_all, &n);
	all = hear_all(fd, &error);
	assert_int_equal(error, ECONNRESET);
	free(all);
	close(fd);
}

/* ---- TLS ---- */

static mo_tls *tls;
static SSL_CTX *client_ctx;
static char dir[] = "/tmp/molt-test-conn-XXXXXX";
static char cert[64], key[64];

static int tls_setup(void **state)
{
	signal(SIGPIPE, SIG_IGN);
	server_start(tls);
	return 0;
}

/* As uninterrupted(): OpenSSL gives what interrupted it back to the caller. */
#define uninterrupted_tls(call)                                                                    \
	({                                                                                         \
		int result_;                                                                       \
		do                                                                                 \
			errno = 0;                                                                 \
		while ((result_ = (call)) < 0 && errno == EINTR);                                  \
		result_;                                                                           \
	})

static SSL *dial_tls(void)
{
	SSL *ssl = SSL_new(client_ctx);

	SSL_set_fd(ssl, dial());
	assert_int_equal(uninterrupted_tls(SSL_connect(ssl)), 1);
	return ssl;
}

static void end_tls(SSL *ssl)
{
	close(SSL_get_fd(ssl));
	SSL_free(ssl);
}

static char *hear_tls(SSL *ssl, size_t n)
{
	char *p = mo_calloc(1, n + 1);
	size_t have = 0;

	while (have < n) {
		int k = uninterrupted_tls(SSL_read(ssl, p + have, (int)(n - have)));

		if (k <= 0)
			break;
		have += (size_t)k;
	}
	return p;
}

static void tls_say(SSL *ssl, const char *s)
{
	assert_int_equal(uninterrupted_tls(SSL_write(ssl, s, (int)strlen(s))), strlen(s));
}

static void requests_are_answered_over_tls(void **state)
{
	SSL *ssl = dial_tls();

	for (int i = 0; i < 3; i++) {
		mo_buf got = { 0 };

		tls_say(ssl, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n#####");
		while (got.len < 5 || memcmp(got.data + got.len - 5, "#####", 5) != 0) {
			char *c = hear_tls(ssl, 1);

			assert_true(*c != '\0');
			mo_buf_putc(&got, *c);
			free(c);
		}
		assert_memory_equal(got.data, "HTTP/1.1 200 OK\r\n", 17);
		mo_buf_free(&got);
	}
	end_tls(ssl);
	EVENTUALLY(open_conns() == 0);
}

static void pipelines_and_large_bodies_work_over_tls(void **state)
{
	mo_buf text = { 0 };
	SSL *ssl = dial_tls();
	char *all, *body;
	int found = 0;

	for (int i = 0; i < 400; i++)
		mo_buf_puts(&text, HELLO);
	mo_buf_puts(&text, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 90000\r\n"
			   "Connection: close\r\n\r\n");
	for (int i = 0; i < 90000; i++)
		mo_buf_putc(&text, 'z');
	assert_int_equal(uninterrupted_tls(SSL_write(ssl, text.data, (int)text.len)), text.len);
	all = hear_tls(ssl, 1000000);
	assert_int_equal(SSL_get_error(ssl, 0), SSL_ERROR_ZERO_RETURN);
	for (body = all; (body = strstr(body, HELLO_BODY)) != NULL; body++)
		found++;
	assert_int_equal(found, 400);
	body = strstr(all, "zzzzz");
	assert_non_null(body);
	assert_int_equal(strlen(body), 90000);
	free(all);
	mo_buf_free(&text);
	end_tls(ssl);
}

static void wait_for(void *arg)
{
	while (sem_wait(arg) < 0)
		continue;
}

static unsigned long hear_tls_moment(SSL *ssl)
{
	char text[1024], *body = NULL;
	int n = 0;

	while (!body || !strchr(body, '\n')) {
		int k = uninterrupted_tls(SSL_read(ssl, text + n, (int)sizeof(text) - 1 - n));

		assert_true(k > 0);
		n += k;
		text[n] = '\0';
		body = strstr(text, "\r\n\r\n");
		body = body ? body + 4 : NULL;
	}
	return strtoul(body, NULL, 10);
}

/* What was announced may have been a record that holds nothing of a request. */
static void a_request_over_tls_has_a_moment_of_its_own(void **state)
{
	static const char ask[] = "GET /moment HTTP/1.1\r\nHost: a\r\n\r\n";
	SSL *a = dial_tls(), *b = dial_tls();
	unsigned long first;
	sem_t s;

	for (int i = 0; i < 2; i++) {
		sem_init(&s, 0, 0);
		assert_true(mo_loop_post(srv.loop, wait_for, &s));
		tls_say(a, ask);
		tls_say(b, ask);
		usleep(20000);
		sem_post(&s);
		first = hear_tls_moment(a);
		assert_true(hear_tls_moment(b) != first);
	}
	end_tls(a);
	end_tls(b);
}

static void files_and_slow_readers_work_over_tls(void **state)
{
	SSL *ssl = dial_tls();
	char *all;

	tls_say(ssl, "GET /file?1000000 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
	usleep(50000);
	all = hear_tls(ssl, 2000000);
	assert_int_equal(strlen(strstr(all, "\r\n\r\n") + 4), 1000000);
	free(all);
	end_tls(ssl);
}

static void a_silent_handshake_ends_with_the_header_timeout(void **state)
{
	int fd;

	LIMIT(header_timeout, 60);
	fd = dial();
	EVENTUALLY(counts().handshake == 1);
	say(fd, "\x16\x03");
	expect_end(fd);
}

static void plain_http_on_a_tls_port_is_told_so(void **state)
{
	char *all;
	int fd = dial();

	say(fd, HELLO);
	all = hear_all(fd, NULL);
	assert_memory_equal(all, "HTTP/1.1 400 ", 13);
	assert_non_null(strstr(all, "HTTPS"));
	assert_int_equal(atomic_load(&srv.refused), 1);
	free(all);
	close(fd);
}

static void an_idle_tls_connection_ends_with_close_notify(void **state)
{
	SSL *ssl;
	char c;

	LIMIT(idle_timeout, 60);
	ssl = dial_tls();
	assert_int_equal(uninterrupted_tls(SSL_read(ssl, &c, 1)), 0);
	assert_int_equal(SSL_get_error(ssl, 0), SSL_ERROR_ZERO_RETURN);
	end_tls(ssl);
}

/* ---- the test's own client ---- */

static volatile sig_atomic_t alarms;

static void count_alarm(int number)
{
	alarms = alarms + 1;
}

/* Without SA_RESTART.  The kernel gives a signal to the first thread, the client's. */
static void alarm_each(suseconds_t usec)
{
	struct itimerval often = { { 0, usec }, { 0, usec } };
	struct sigaction sa = { .sa_handler = count_alarm };

	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &often, NULL);
}

static void the_client_waits_through_signals(void **state)
{
	int fd;

	LIMIT(idle_timeout, 60);
	fd = dial();
	alarm_each(2000);
	say(fd, HELLO);
	expect_answer(fd, 200, HELLO_BODY);
	expect_end(fd);
	alarm_each(0);
	assert_true(alarms > 0);
}

static void the_client_waits_through_signals_over_tls(void **state)
{
	SSL *ssl;
	char c;

	LIMIT(idle_timeout, 60);
	ssl = dial_tls();
	alarm_each(2000);
	assert_int_equal(uninterrupted_tls(SSL_read(ssl, &c, 1)), 0);
	alarm_each(0);
	assert_true(alarms > 0);
	assert_int_equal(SSL_get_error(ssl, 0), SSL_ERROR_ZERO_RETURN);
	end_tls(ssl);
}

static int all_setup(void **state)
{
	EVP_PKEY *k = EVP_EC_gen("P-256");
	char *why = NULL;

	assert_non_null(mkdtemp(dir));
	snprintf(cert, sizeof(cert), "%s/cert.pem", dir);
	snprintf(key, sizeof(key), "%s/key.pem", dir);
	write_key(key, k, NULL, 0600);
	write_cert(cert, k, -60, 3600);
	EVP_PKEY_free(k);
	assert_int_equal(mo_tls_new(cert, key, &tls, &why), 0);
	client_ctx = SSL_CTX_new(TLS_client_method());
	return 0;
}

static int all_teardown(void **state)
{
	SSL_CTX_free(client_ctx);
	mo_tls_free(tls);
	unlink(cert);
	unlink(key);
	rmdir(dir);
	return 0;
}

#define SERVED_TLS(test) cmocka_unit_test_setup_teardown(test, tls_setup, plain_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_idle_connection_is_small),
		SERVED(an_idle_connection_owns_no_stack_and_no_buffer),
		SERVED(states_are_counted),
		SERVED(linger_ends_after_two_seconds_at_the_latest),
		SERVED(the_answer_to_an_upload_that_is_not_read_reaches_its_client),
		SERVED(one_that_stops_sending_is_not_waited_for_any_longer),
		SERVED(connections_beyond_the_limit_wait_while_all_have_work),
		SERVED(at_the_limit_the_longest_idle_connection_makes_room),
		SERVED(one_whose_next_request_has_arrived_does_not_make_room),
		SERVED(clients_that_never_spoke_make_room_too),
		SERVED(one_that_never_spoke_has_the_header_timeout_from_its_accept),
		SERVED(an_event_stream_ends_at_once_in_a_drain),
		SERVED(a_drain_waits_for_the_first_request_of_a_fresh_connection),
		SERVED(room_that_another_loop_made_is_found),
		SERVED(a_paused_acceptor_leaves_the_queue_alone),
		SERVED(freeing_an_acceptor_keeps_the_listener_and_the_connections),
		SERVED(without_descriptors_the_clients_wait),
		SERVED(close_idle_keeps_those_that_have_work),
		SERVED(close_idle_serves_what_has_arrived),
		SERVED(cut_ends_waiting_handlers_and_every_connection),
		SERVED(cut_shows_that_the_answer_broke_off),
		SERVED_TLS(requests_are_answered_over_tls),
		SERVED_TLS(pipelines_and_large_bodies_work_over_tls),
		SERVED_TLS(a_request_over_tls_has_a_moment_of_its_own),
		SERVED_TLS(files_and_slow_readers_work_over_tls),
		SERVED_TLS(a_silent_handshake_ends_with_the_header_timeout),
		SERVED_TLS(plain_http_on_a_tls_port_is_told_so),
		SERVED_TLS(an_idle_tls_connection_ends_with_close_notify),
		SERVED(the_client_waits_through_signals),
		SERVED_TLS(the_client_waits_through_signals_over_tls),
	};

	return cmocka_run_group_tests(tests, all_setup, all_teardown);
}
