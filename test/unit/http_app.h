/* A small HTTP/1 server on one real loop and a loopback socket, and a client,
 * for the tests of the connection.  The application answers by path:
 *
 *   /hello   a fixed body              /echo    the request's body
 *   /sleep   the same, N ms later      /ignore  never reads the body
 *   /stream  three flushed lines       /big     N bytes
 *   /file    a file of N bytes         /short   says 10 bytes, sends 5
 *   /status  an empty answer with N    /long    says 5 bytes, sends 10
 *   /gone    waits until the client is gone
 *   /break   flushes a line, then breaks off
 *   /late    answers after its deadline
 *   /flood   flushes pieces until that fails
 *   /parts   the parts of the head     /defer   has a deferred call that sleeps
 *   /nostack asks for more stack than there is
 *   /hold    keeps the loop until release_loop(), as no handler should
 *   /moment  the number of the loop's moment */
#ifndef HTTP_APP_H
#define HTTP_APP_H

#include "unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "http/conn/conn.h"
#include "rt/co.h"
#include "rt/park.h"

#define WAIT_MS 5000

typedef struct server {
	mo_loop *loop;
	mo_listener *listener;
	mo_acceptor *acceptor;
	mo_http_server http;
	_Atomic int done, refused, last_refused, running, gone, broken, parked, failed_sends;
	_Atomic long read_result;
} server;

static server srv;

/* ---- a loop that stands still ---- */

static struct {
	mo_timer timer;
	sem_t entered, go;
	bool polled; /* the loop has asked the kernel since hold_start() */
	bool held;   /* the client's side: go has not been posted yet */
} holder;

static inline void hold_wait(sem_t *s)
{
	while (sem_wait(s) < 0)
		continue;
}

static inline void hold_here(void)
{
	sem_post(&holder.entered);
	hold_wait(&holder.go);
}

/* Waits until the loop stands still in hold_here(). */
static inline void expect_held(void)
{
	hold_wait(&holder.entered);
	holder.held = true;
}

static inline void release_loop(void)
{
	holder.held = false;
	sem_post(&holder.go);
}

/* ---- the application ---- */

static long number_of(const molt_req *r)
{
	return r->query.len ? strtol(r->query.ptr, NULL, 10) : 0;
}

static void out_puts(molt_req *r, const char *s)
{
	mo_buf_puts(&r->out, s);
}

static void add_field(molt_req *r, const char *name, const char *value)
{
	mo_out_field *f = mo_arena_zalloc(&r->arena, sizeof(*f));

	f->name = mo_str(name);
	f->value = mo_str(value);
	*r->out_tail = f;
	r->out_tail = &f->next;
}

static void serve_echo(molt_req *r)
{
	char piece[8192];
	size_t size = number_of(r) ? (size_t)number_of(r) : 1024;
	long n;

	while ((n = r->ops->read(r, piece, size)) > 0)
		mo_buf_add(&r->out, piece, (size_t)n);
	atomic_store(&srv.read_result, n);
	if (n == -E2BIG)
		r->status = 413;
	else if (n < 0)
		r->status = 400;
}

static void serve_stream(molt_req *r)
{
	r->ops->send(r, "one\n", 4, false);
	mo_co_sleep(2);
	r->ops->send(r, "two\n", 4, false);
	out_puts(r, "three\n");
}

static void serve_file(molt_req *r)
{
	FILE *f = tmpfile();
	long n = number_of(r);

	for (long i = 0; i < n; i++)
		fputc('a' + (int)(i % 26), f);
	fflush(f);
	r->res_length = n;
	/* "/file?N&short": the file has lost its last byte meanwhile. */
	if (memchr(r->query.ptr, '&', r->query.len))
		assert_int_equal(ftruncate(fileno(f), n - 1), 0);
	r->ops->send_file(r, fileno(f), 0, (size_t)n, true);
	fclose(f);
}

static void serve_big(molt_req *r)
{
	long n = number_of(r);

	mo_buf_reserve(&r->out, (size_t)n);
	for (long i = 0; i < n; i++)
		r->out.data[i] = (char)('a' + i % 26);
	r->out.len = (size_t)n;
}

static void serve_gone(molt_req *r)
{
	atomic_fetch_add(&srv.parked, 1);
	for (int i = 0; i < 500 && !r->ops->gone(r); i++)
		if (mo_co_sleep(10) < 0)
			break;
	atomic_store(&srv.gone, r->ops->gone(r));
	atomic_store(&srv.broken, r->ops->broken(r));
	out_puts(r, "gone?\n");
}

static void serve_flood(molt_req *r)
{
	char piece[4096];

	memset(piece, 'x', sizeof(piece));
	atomic_fetch_add(&srv.parked, 1);
	for (int i = 0; i < 100000; i++)
		if (r->ops->send(r, piece, sizeof(piece), false) < 0)
			break;
	atomic_fetch_add(&srv.failed_sends, 1);
}

static void serve_sleep(molt_req *r)
{
	atomic_fetch_add(&srv.parked, 1);
	mo_co_sleep(number_of(r));
	out_puts(r, "slept\n");
}

/* By their NULs, not by their lengths. */
static void serve_parts(molt_req *r)
{
	mo_buf_fmt(&r->out, "%s|%s|%s|%s|%s", r->method.ptr, r->target.ptr, r->raw_path.ptr,
		   r->query.ptr, r->host.ptr);
	for (size_t i = 0; i < r->nfields; i++)
		mo_buf_fmt(&r->out, "|%s=%s", r->fields[i].name.ptr, r->fields[i].value.ptr);
}

static void deferred_sleep(void *arg)
{
	molt_req *r = arg;

	assert_true(r->magic == MO_REQ_MAGIC);
	mo_co_sleep(20);
	out_puts(r, "nobody reads this");
	atomic_fetch_add(&srv.parked, 1);
}

static void app_handle(molt_req *r)
{
	const char *path = r->raw_path.ptr;

	if (strcmp(path, "/hello") == 0) {
		add_field(r, "Content-Type", "text/plain");
		out_puts(r, "Hello, World!\n");
	} else if (strcmp(path, "/echo") == 0) {
		serve_echo(r);
	} else if (strcmp(path, "/sleep") == 0) {
		serve_sleep(r);
	} else if (strcmp(path, "/hold") == 0) {
		hold_here();
		out_puts(r, "held\n");
	} else if (strcmp(path, "/stream") == 0) {
		serve_stream(r);
	} else if (strcmp(path, "/file") == 0) {
		serve_file(r);
	} else if (strcmp(path, "/ignore") == 0) {
		out_puts(r, "ignored\n");
	} else if (strcmp(path, "/big") == 0) {
		serve_big(r);
	} else if (strcmp(path, "/short") == 0) {
		r->res_length = 10;
		r->ops->send(r, "12345", 5, true);
	} else if (strcmp(path, "/long") == 0) {
		r->res_length = 5;
		assert_int_equal(r->ops->send(r, "1234567890", 10, true), -EMSGSIZE);
	} else if (strcmp(path, "/status") == 0) {
		r->status = (int)number_of(r);
	} else if (strcmp(path, "/gone") == 0) {
		serve_gone(r);
	} else if (strcmp(path, "/break") == 0) {
		r->ops->send(r, "line\n", 5, false);
		r->cut = true;
	} else if (strcmp(path, "/late") == 0) {
		r->write_deadline = mo_deadline(5);
		mo_co_sleep(30);
		assert_int_equal(r->ops->send(r, "x", 1, false), -ETIMEDOUT);
		out_puts(r, "late\n");
	} else if (strcmp(path, "/parts") == 0) {
		serve_parts(r);
	} else if (strcmp(path, "/defer") == 0) {
		mo_arena_defer(&r->arena, deferred_sleep, r);
		out_puts(r, "deferred\n");
	} else if (strcmp(path, "/moment") == 0) {
		mo_buf_fmt(&r->out, "%u\n", r->loop->moment);
	} else if (strcmp(path, "/flood") == 0) {
		serve_flood(r);
	} else {
		r->status = 404;
		out_puts(r, "no\n");
	}
}

static void app_route(molt_req *r)
{
	atomic_fetch_add(&srv.running, 1);
	if (strcmp(r->raw_path.ptr, "/nostack") == 0)
		r->stack_size = SIZE_MAX / 4;
}

static void app_done(molt_req *r)
{
	assert_true(r->magic == MO_REQ_MAGIC);
	atomic_fetch_sub(&srv.running, 1);
	atomic_fetch_add(&srv.done, 1);
}

static void app_refused(mo_http_server *s, const mo_addr *peer, int status, molt_str line)
{
	atomic_store(&srv.last_refused, status);
	atomic_fetch_add(&srv.refused, 1);
}

/* ---- the server ---- */

struct call {
	void (*fn)(void *);
	void *arg;
	sem_t done;
};

static void run_call(void *arg)
{
	struct call *c = arg;

	c->fn(c->arg);
	sem_post(&c->done);
}

/* Runs fn(arg) on the loop and waits for it. */
static void on_loop(void (*fn)(void *), void *arg)
{
	struct call c = { fn, arg, { { 0 } } };

	sem_init(&c.done, 0, 0);
	assert_true(mo_loop_post(srv.loop, run_call, &c));
	while (sem_wait(&c.done) < 0)
		continue;
	sem_destroy(&c.done);
}

/* The kernel keeps what it has reported, here the wake-up that brought hold_start(), at the
 * head of its list until it is asked again: a later wake-up would overtake the sockets.  A
 * timer of a millisecond never runs in the phase in which it was started. */
static inline void hold_on_timer(mo_timer *t)
{
	if (holder.polled)
		hold_here();
	else
		mo_timer_start(srv.loop, t, 1);
	holder.polled = !holder.polled;
}

static inline void hold_start(void *arg)
{
	holder.polled = false;
	mo_timer_init(&holder.timer, hold_on_timer);
	mo_timer_start(srv.loop, &holder.timer, 0);
}

/* The loop does nothing from here to release_loop(): what has arrived or was posted
 * meanwhile is announced to it together, in the order of coming. */
static inline void hold_loop(void)
{
	on_loop(hold_start, NULL);
	expect_held();
}

static inline void set_limits(void *arg)
{
	srv.http.lim = *(mo_http_limits *)arg;
}

/* Changes one limit of the running server. */
#define LIMIT(name, value)                                                                         \
	do {                                                                                       \
		mo_http_limits lim_ = srv.http.lim;                                                \
		lim_.name = (value);                                                               \
		on_loop(set_limits, &lim_);                                                        \
	} while (0)

static void count_conns(void *arg)
{
	*(mo_conn_counts *)arg = mo_conns_count(srv.loop, &srv.http);
}

static mo_conn_counts counts(void)
{
	mo_conn_counts n;

	on_loop(count_conns, &n);
	return n;
}

static unsigned open_conns(void)
{
	mo_conn_counts n = counts();

	return n.handshake + n.idle + n.head + n.running + n.linger;
}

#define EVENTUALLY(cond)                                                                           \
	do {                                                                                       \
		for (int left_ = WAIT_MS / 2; !(cond) && left_ > 0; left_--)                       \
			usleep(2000);                                                              \
		assert_true(cond);                                                                 \
	} while (0)

static void acceptor_start(void *tls)
{
	srv.acceptor = mo_acceptor_new(srv.loop, srv.listener, tls, &srv.http);
	mo_acceptor_resume(srv.acceptor);
}

static void server_start(mo_tls *tls)
{
	char *why = NULL;

	memset(&srv, 0, sizeof(srv));
	sem_init(&holder.entered, 0, 0);
	sem_init(&holder.go, 0, 0);
	holder.held = false;
	srv.http.lim = (mo_http_limits){
		.max_header = 16384,
		.max_target = 8192,
		.max_body = 100000,
		.stack_size = 65536,
		.max_fields = 100,
		.max_connections = 1000,
		.header_timeout = 10000,
		.body_timeout = 10000,
		.read_timeout = 20000,
		.write_timeout = 10000,
		.idle_timeout = 10000,
		.keep_alive = true,
	};
	srv.http.app = (mo_http_app){ app_route, app_handle, app_done, app_refused };
	srv.loop = mo_loop_new(0);
	assert_non_null(srv.loop);
	mo_conns_init(srv.loop);
	assert_int_equal(mo_listener_bind("127.0.0.1:0", 0, &srv.listener, &why), 0);
	assert_int_equal(mo_loop_start(srv.loop, "loop"), 0);
	on_loop(acceptor_start, tls);
}

static inline void cut_all(void *n)
{
	*(unsigned *)n = mo_conns_cut(srv.loop, NULL);
}

static void stop_accepting(void *arg)
{
	mo_acceptor_free(srv.acceptor);
	srv.acceptor = NULL;
}

static void fini_conns(void *arg)
{
	mo_conns_fini(srv.loop);
}

/* Whatever a test did, nothing may be left over. */
static void server_stop(void)
{
	unsigned n;

	if (holder.held) /* by a test that failed meanwhile */
		release_loop();
	if (srv.acceptor)
		on_loop(stop_accepting, NULL);
	on_loop(cut_all, &n);
	EVENTUALLY(open_conns() == 0);
	assert_int_equal(atomic_load(&srv.http.connections), 0);
	assert_int_equal(mo_http_counted(&srv.http).requests, 0);
	assert_int_equal(atomic_load(&srv.running), 0);
	on_loop(fini_conns, NULL);
	mo_loop_stop(srv.loop);
	mo_loop_free(srv.loop);
	mo_listener_close(srv.listener);
}

static int plain_setup(void **state)
{
	signal(SIGPIPE, SIG_IGN);
	server_start(NULL);
	return 0;
}

static int plain_teardown(void **state)
{
	server_stop();
	return 0;
}

#define SERVED(test) cmocka_unit_test_setup_teardown(test, plain_setup, plain_teardown)

/* ---- the client ---- */

static inline int dial_with(int rcvbuf)
{
	struct timeval limit = { .tv_sec = WAIT_MS / 1000 };
	struct sockaddr_in to = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (rcvbuf)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &rcvbuf, sizeof(rcvbuf));
	to.sin_port = htons((uint16_t)mo_addr_port(&srv.listener->addr));
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	return fd;
}

static inline int dial(void)
{
	return dial_with(0);
}

/* false: the server has ended the connection. */
static inline bool say_n(int fd, const char *p, size_t n)
{
	while (n > 0) {
		ssize_t k = uninterrupted(send(fd, p, n, MSG_NOSIGNAL));

		if (k <= 0)
			return false;
		p += k;
		n -= (size_t)k;
	}
	return true;
}

static inline void say(int fd, const char *s)
{
	assert_true(say_n(fd, s, strlen(s)));
}

/* What came until the end; *error: errno of the end, 0 for a proper one. */
/* All that was said is in the server's queue, and announced if it was watched. */
static inline void has_arrived(int fd)
{
	int left;

	do {
		assert_int_equal(ioctl(fd, SIOCOUTQ, &left), 0);
		if (left > 0)
			usleep(1000);
	} while (left > 0);
}

static inline char *hear_all(int fd, int *error)
{
	mo_buf b = { 0 };
	ssize_t n;

	do {
		mo_buf_reserve(&b, 4096);
		n = uninterrupted(recv(fd, b.data + b.len, 4095, 0));
		if (n > 0)
			b.len += (size_t)n;
	} while (n > 0);
	if (error)
		*error = n < 0 ? errno : 0;
	else
		assert_int_equal(n, 0);
	mo_buf_cstr(&b);
	return b.data;
}

static inline void hear_n(int fd, char *p, size_t n)
{
	while (n > 0) {
		ssize_t k = uninterrupted(recv(fd, p, n, 0));

		assert_true(k > 0);
		p += k;
		n -= (size_t)k;
	}
}

/* One head, up to its empty line; malloc'd. */
static inline char *hear_head(int fd)
{
	mo_buf b = { 0 };

	while (b.len < 4 || memcmp(b.data + b.len - 4, "\r\n\r\n", 4) != 0) {
		char c;

		hear_n(fd, &c, 1);
		mo_buf_putc(&b, c);
	}
	mo_buf_cstr(&b);
	return b.data;
}

static inline const char *field_of(const char *head, const char *name)
{
	static char value[256];
	char key[64];
	const char *p;

	snprintf(key, sizeof(key), "\r\n%s: ", name);
	p = strstr(head, key);
	if (!p)
		return NULL;
	snprintf(value, sizeof(value), "%.*s", (int)strcspn(p + strlen(key), "\r"),
		 p + strlen(key));
	return value;
}

/* One whole answer with Content-Length; the status; body is malloc'd. */
static inline int hear_answer(int fd, char **body, bool *closes)
{
	char *head = hear_head(fd), *b;
	const char *v = field_of(head, "Content-Length");
	size_t n = v ? strtoul(v, NULL, 10) : 0;
	int status = atoi(head + 9);

	assert_memory_equal(head, "HTTP/1.1 ", 9);
	v = field_of(head, "Connection");
	if (closes)
		*closes = v && strcmp(v, "close") == 0;
	b = mo_calloc(1, n + 1);
	hear_n(fd, b, n);
	if (body)
		*body = b;
	else
		free(b);
	free(head);
	return status;
}

static inline void expect_answer(int fd, int status, const char *body)
{
	char *got;

	assert_int_equal(hear_answer(fd, &got, NULL), status);
	if (body)
		assert_string_equal(got, body);
	free(got);
}

/* The server has closed, and sent nothing more. */
static inline void expect_end(int fd)
{
	char c;

	assert_int_equal(uninterrupted(recv(fd, &c, 1, 0)), 0);
	close(fd);
}

#define HELLO "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n"
#define HELLO_BODY "Hello, World!\n"

#endif
