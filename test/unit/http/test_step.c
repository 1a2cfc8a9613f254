/* Promises of http/h1/step.c on a real connection: a request waits as bytes, goes on
 * here or as the connection of another generation, and ends in each way once.
 * The successor is the same loop, as in test_move.c. */
#include "http_app.h"

#include "base/check.h"
#include "http/conn/conn_protocol.h"
#include "http/h1/step.h"

/* What the upper layer keeps of one waiting request: nothing but its step. */
typedef struct waiter {
	mo_step *step;
	char more[16]; /* its part of the bytes */
} waiter;

static _Atomic int gones, resumes, last_status;
static _Atomic(mo_step *) newest;
static mo_pack *pack;
static void (*before_wait)(molt_req *r);

static void waiter_free(waiter *w)
{
	mo_step_free(w->step);
	free(w);
}

static void gone(void *arg)
{
	atomic_fetch_add(&gones, 1);
	waiter_free(arg);
}

static void state(void *arg, mo_buf *out)
{
	mo_buf_puts(out, ((waiter *)arg)->more);
}

static size_t size(const void *arg)
{
	return strlen(((const waiter *)arg)->more);
}

static const mo_step_user user = { .gone = gone, .state = state, .size = size };

static void waits(molt_req *r, molt_time ms, bool listens)
{
	waiter *w = mo_calloc(1, sizeof(*w));

	strcpy(w->more, "more");
	w->step = mo_step_new(&user, w);
	newest = w->step;
	mo_step_set(w->step, ms, listens);
	if (r->ops->suspend(r, w->step) < 0)
		waiter_free(w);
}

/* "/wait?MS", "/listen?MS", "/flushed?MS", "/large?MS": the second part writes "two". */
static void handle(molt_req *r)
{
	bool flushed = strcmp(r->raw_path.ptr, "/flushed") == 0;

	if (r->web) { /* the second part */
		out_puts(r, "two\n");
		return;
	}
	if (!strstr("/wait /listen /flushed /large", r->raw_path.ptr)) {
		app_handle(r);
		return;
	}
	out_puts(r, "one\n");
	for (unsigned i = 0; strcmp(r->raw_path.ptr, "/large") == 0 && i < MO_PACK_BYTES; i++)
		mo_buf_putc(&r->out, 'x');
	if (flushed) {
		assert_int_equal(r->ops->send(r, r->out.data, r->out.len, false), 0);
		r->out.len = 0;
	}
	if (before_wait)
		before_wait(r);
	waits(r, number_of(r), strcmp(r->raw_path.ptr, "/listen") == 0);
}

static void resume(molt_req *r, void *arg)
{
	static int any;

	atomic_fetch_add(&resumes, 1);
	waiter_free(arg);
	r->web = &any;
}

static void done(molt_req *r)
{
	atomic_store(&last_status, r->status);
	app_done(r);
}

static int step_setup(void **unused)
{
	plain_setup(unused);
	srv.http.app.handle = handle;
	srv.http.app.resume = resume;
	srv.http.app.done = done;
	atomic_store(&gones, 0);
	atomic_store(&resumes, 0);
	before_wait = NULL;
	newest = NULL;
	pack = NULL;
	srv.http.app.movable = NULL;
	LIMIT(handover, true);
	LIMIT(ws_close_spread, 10);
	return 0;
}

/* ---- moving ---- */

static void pack_now(void *unused)
{
	pack = mo_conns_pack(srv.loop);
}

static void pack_some(size_t n)
{
	on_loop(pack_now, NULL);
	assert_int_equal(pack ? pack->n : 0, n);
}

static void gave_now(void *unused)
{
	mo_conns_gave(pack);
	pack = NULL;
}

typedef struct copy {
	int fd;
	mo_addr peer;
	mo_buf state, bytes;
	long requests; /* when it has been taken; a short wait may be over soon */
} copy;

static void adopt_now(void *arg)
{
	copy *c = arg;
	waiter *w = mo_calloc(1, sizeof(*w));
	molt_str part;

	w->step = mo_step_restore(&user, w, mo_strn(c->state.data, c->state.len), &part);
	assert_non_null(w->step);
	newest = w->step;
	assert_int_equal(part.len, 4);
	memcpy(w->more, part.ptr, part.len);
	assert_true(mo_conn_adopt(srv.loop, &srv.http, mo_stream_plain(c->fd), &c->peer,
				  MOLT_FOREVER, mo_strn(c->bytes.data, c->bytes.len),
				  &mo_protocol_step, w->step));
	/* The counters of the test's app belong to one generation. */
	atomic_fetch_add(&srv.running, 1);
	c->requests = (long)mo_http_counted(&srv.http).requests;
}

static void move_it(void)
{
	mo_packed *it = &pack->items[0];
	copy c = { .fd = fcntl(it->moving.fd, F_DUPFD_CLOEXEC, 3), .peer = it->moving.peer };

	assert_string_equal(it->moving.protocol, "http/1.1+step");
	mo_buf_str(&c.state, it->moving.state);
	mo_buf_str(&c.bytes, it->moving.bytes);
	it->taken = true;
	on_loop(gave_now, NULL);
	assert_int_equal(atomic_load(&gones), 1);
	assert_int_equal(mo_http_counted(&srv.http).requests, 0);
	atomic_fetch_sub(&srv.running, 1);
	on_loop(adopt_now, &c);
	assert_int_equal(c.requests, 1);
	mo_buf_free(&c.state);
	mo_buf_free(&c.bytes);
}

/* Sends a request and waits until it waits. */
static int begin(const char *request)
{
	int fd = dial();

	newest = NULL;
	say(fd, request);
	EVENTUALLY(mo_http_counted(&srv.http).requests == 1 && newest);
	(void)counts(); /* the turn in which it began is over */
	return fd;
}

#define REQUEST(target) "GET " target " HTTP/1.1\r\nHost: a\r\n\r\n"

static void it_goes_on_after_its_time_with_the_same_request(void **unused)
{
	int fd = begin(REQUEST("/wait?150") HELLO);

	assert_int_equal(counts().running, 1);
	assert_int_equal(atomic_load(&srv.done), 0);
	expect_answer(fd, 200, "one\ntwo\n");
	expect_answer(fd, 200, HELLO_BODY);
	EVENTUALLY(mo_http_counted(&srv.http).requests == 0);
	assert_int_equal(atomic_load(&srv.done), 2);
	assert_int_equal(atomic_load(&resumes), 1);
	assert_int_equal(atomic_load(&gones), 0);
	close(fd);
}

static void it_moves_with_what_is_behind_it(void **unused)
{
	int fd = begin(REQUEST("/wait?200") HELLO);

	pack_some(1);
	assert_int_equal(pack->items[0].moving.bytes.len, strlen(HELLO));
	move_it();
	say(fd, HELLO);
	expect_answer(fd, 200, "one\ntwo\n");
	expect_answer(fd, 200, HELLO_BODY);
	expect_answer(fd, 200, HELLO_BODY);
	close(fd);
}

static void it_moves_when_its_answer_has_begun(void **unused)
{
	static const char rest[] = "4\r\none\n\r\n4\r\ntwo\n\r\n0\r\n\r\n";
	char got[sizeof(rest)] = "", *head;
	int fd = begin(REQUEST("/flushed?200"));

	pack_some(1);
	move_it();
	head = hear_head(fd);
	assert_string_equal(field_of(head, "Transfer-Encoding"), "chunked");
	hear_n(fd, got, sizeof(rest) - 1);
	assert_string_equal(got, rest);
	free(head);
	close(fd);
}

static void pack_soon(molt_req *r)
{
	assert_true(mo_loop_post(r->loop, pack_now, NULL));
}

/* A move that was asked for in the turn in which it begins to wait meets it. */
static void a_wait_of_no_time_can_move(void **unused)
{
	int fd = dial();

	before_wait = pack_soon;
	say(fd, REQUEST("/wait?0"));
	EVENTUALLY(newest != NULL);
	(void)counts(); /* behind what was posted */
	assert_non_null(pack);
	assert_int_equal(pack->n, 1);
	move_it();
	expect_answer(fd, 200, "one\ntwo\n");
	close(fd);
}

static void closing_now(void *unused)
{
	atomic_store(&srv.http.closing, MO_CLOSING_UNMOVABLE);
}

static void not_closing(void *unused)
{
	atomic_store(&srv.http.closing, MO_CLOSING_NONE);
}

static _Atomic bool told;

static void tell(void)
{
	if (atomic_exchange(&told, true))
		return;
	assert_true(mo_loop_post(srv.loop, pack_now, NULL));
}

/* While a successor takes what moves, it waits for that, and has it told. */
static void a_wait_of_no_time_is_offered_to_a_successor(void **unused)
{
	int fd = dial();

	srv.http.app.movable = tell;
	on_loop(closing_now, NULL);
	say(fd, REQUEST("/wait?0"));
	EVENTUALLY(atomic_load(&told));
	(void)counts(); /* behind what was posted */
	assert_int_equal(atomic_load(&resumes), 0);
	assert_non_null(pack);
	assert_int_equal(pack->n, 1);
	on_loop(not_closing, NULL); /* the taker is the same server here */
	move_it();
	expect_answer(fd, 200, "one\ntwo\n");
	close(fd);
}

static void a_wait_of_no_time_goes_on_when_nobody_takes_it(void **unused)
{
	int fd = dial();

	on_loop(closing_now, NULL);
	say(fd, REQUEST("/wait?0"));
	expect_answer(fd, 200, "one\ntwo\n");
	close(fd);
}

static void one_that_is_refused_goes_on_here(void **unused)
{
	int fd = begin(REQUEST("/wait?200"));

	pack_some(1);
	on_loop(gave_now, NULL);
	pack_some(0); /* never offered again */
	expect_answer(fd, 200, "one\ntwo\n");
	assert_int_equal(atomic_load(&gones), 0);
	close(fd);
}

static void wake_now(void *unused)
{
	mo_step_wake(newest);
}

static void woken_while_it_moves_it_runs_when_it_was_refused(void **unused)
{
	int fd = begin(REQUEST("/listen?60000"));

	pack_some(1);
	on_loop(wake_now, NULL);
	usleep(50000);
	assert_int_equal(atomic_load(&resumes), 0);
	on_loop(gave_now, NULL);
	expect_answer(fd, 200, "one\ntwo\n");
	close(fd);
}

static void one_that_is_woken_runs_at_once(void **unused)
{
	int fd = begin(REQUEST("/listen?60000"));

	on_loop(wake_now, NULL);
	expect_answer(fd, 200, "one\ntwo\n");
	close(fd);
}

static void one_that_is_too_large_does_not_move(void **unused)
{
	int fd = begin(REQUEST("/large?100"));

	pack_some(0);
	assert_int_equal(hear_answer(fd, NULL, NULL), 200);
	close(fd);
}

static void a_client_that_leaves_ends_it(void **unused)
{
	int fd = begin(REQUEST("/wait?60000"));

	close(fd);
	EVENTUALLY(atomic_load(&gones) == 1);
	EVENTUALLY(open_conns() == 0);
	assert_int_equal(atomic_load(&last_status), 499);
	assert_int_equal(atomic_load(&resumes), 0);
}

static void the_end_of_a_drain_answers_503(void **unused)
{
	bool closes;
	unsigned n;
	int fd = begin(REQUEST("/wait?60000"));

	on_loop(cut_all, &n);
	assert_int_equal(n, 1);
	assert_int_equal(hear_answer(fd, NULL, &closes), 503);
	assert_true(closes);
	expect_end(fd);
	assert_int_equal(atomic_load(&gones), 1);
	assert_int_equal(atomic_load(&resumes), 0);
}

static void or_cuts_an_answer_that_has_begun(void **unused)
{
	unsigned n;
	char got[9];
	int fd = begin(REQUEST("/flushed?60000"));

	on_loop(cut_all, &n);
	free(hear_head(fd));
	hear_n(fd, got, sizeof(got));
	expect_end(fd); /* no last chunk */
}

static void also_while_it_moves(void **unused)
{
	unsigned n;
	int fd = begin(REQUEST("/wait?60000"));

	pack_some(1);
	on_loop(cut_all, &n);
	on_loop(gave_now, NULL);
	assert_int_equal(hear_answer(fd, NULL, NULL), 503);
	expect_end(fd);
}

static void close_all(void *unused)
{
	atomic_store(&srv.http.closing, MO_CLOSING_ALL);
	mo_conns_retire(srv.loop, &srv.http);
}

static void a_shutdown_ends_a_wait_for_events_and_no_other(void **unused)
{
	int listens = begin(REQUEST("/listen?60000")), fd = dial();

	say(fd, REQUEST("/wait?60000"));
	EVENTUALLY(mo_http_counted(&srv.http).requests == 2);
	(void)counts();
	on_loop(close_all, NULL);
	expect_answer(listens, 200, "one\ntwo\n");
	usleep(50000);
	assert_int_equal(mo_http_counted(&srv.http).requests, 1);
	close(listens);
	close(fd);
}

static void one_that_begins_in_a_shutdown_waits_a_second_at_most(void **unused)
{
	int fd = dial();

	on_loop(close_all, NULL);
	say(fd, REQUEST("/listen?60000"));
	EVENTUALLY(mo_http_counted(&srv.http).requests == 1);
	usleep(200000);
	assert_int_equal(atomic_load(&resumes), 0);
	expect_answer(fd, 200, "one\ntwo\n");
	close(fd);
}

#define STEPS(test) cmocka_unit_test_setup_teardown(test, step_setup, plain_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		STEPS(it_goes_on_after_its_time_with_the_same_request),
		STEPS(it_moves_with_what_is_behind_it),
		STEPS(it_moves_when_its_answer_has_begun),
		STEPS(a_wait_of_no_time_can_move),
		STEPS(a_wait_of_no_time_is_offered_to_a_successor),
		STEPS(a_wait_of_no_time_goes_on_when_nobody_takes_it),
		STEPS(one_that_is_refused_goes_on_here),
		STEPS(woken_while_it_moves_it_runs_when_it_was_refused),
		STEPS(one_that_is_woken_runs_at_once),
		STEPS(one_that_is_too_large_does_not_move),
		STEPS(a_client_that_leaves_ends_it),
		STEPS(the_end_of_a_drain_answers_503),
		STEPS(or_cuts_an_answer_that_has_begun),
		STEPS(also_while_it_moves),
		STEPS(a_shutdown_ends_a_wait_for_events_and_no_other),
		STEPS(one_that_begins_in_a_shutdown_waits_a_second_at_most),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
