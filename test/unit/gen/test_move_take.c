/* Promises of gen/transfer/move.c: what a giver says of its connections is checked before anything is
 * taken, and what was acknowledged is served with the events that it missed. */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <semaphore.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/str.h"
#include "gen/control.h"
#include "gen/engine/engine.h"
#include "gen/transfer/event_bus.h"
#include "gen/transfer/move.h"
#include "rt/park.h"

#define MANY 200

static int up, ours_up; /* the giver's end, and ours */
static int prepared, taken, discarded, heard, publish_in_prepare;
static mo_gen_conn last; /* that was taken */
static char server[64];
static mo_co *taker;
static sem_t in_prepare;
static mo_gen_batch *to_give;

/* ---- the host ---- */

static void event(struct mo_event *e)
{
	(void)e;
	heard++;
}

static bool takes(const char *name, bool tls)
{
	return strcmp(name, "web") == 0 && !tls;
}

/* As a program's restore() may: it takes its time, and much is published meanwhile. */
static void prepare(mo_gen_conn *c, size_t n, bool *keep)
{
	static char big[60000];

	prepared++;
	for (size_t i = 0; i < n; i++)
		if (keep[i])
			c[i].ready = &prepared;
	memset(big, 'x', sizeof(big) - 1);
	for (int i = 0; i < publish_in_prepare; i++)
		assert_true(mo_event_bus_publish(
			mo_event_new(MO_STR("t"), MO_STR(""), MO_STR(""), mo_str(big))));
	while (heard < publish_in_prepare)
		mo_co_sleep(1);
	sem_post(&in_prepare);
}

static void take(const mo_gen_conn *c)
{
	taken++;
	last = *c;
	snprintf(server, sizeof(server), "%s", c->server);
	close(c->moving.fd);
}

static void discard(const mo_gen_conn *c)
{
	assert_ptr_equal(c->ready, &prepared);
	discarded++;
}

static mo_gen_batch *give(bool (*go_on)(void *arg), void *arg)
{
	mo_gen_batch *b = to_give;

	(void)go_on;
	(void)arg;
	to_give = NULL;
	return b;
}

static void gave(mo_gen_batch *b)
{
	(void)b;
}

static mo_rate answered(void)
{
	return (mo_rate){ 0 };
}

static const mo_gen_host host = { .event = event,
				  .takes = takes,
				  .prepare = prepare,
				  .take = take,
				  .discard = discard,
				  .give = give,
				  .gave = gave,
				  .answered = answered };

/* ---- the giver's words ---- */

static json_t *list; /* of the message; owned by it */
static molt_str blob;
static int fds[MO_GEN_BATCH], nfds;
static long result;

struct step {
	void (*fn)(void);
	sem_t done;
};

static void run_step(void *arg)
{
	struct step *s = arg;

	s->fn();
	sem_post(&s->done);
}

static void begin(struct step *s, void (*fn)(void))
{
	s->fn = fn;
	sem_init(&s->done, 0, 0);
	assert_true(mo_loop_spawn(mo_control_loop(), run_step, s));
}

static void await(sem_t *s)
{
	while (sem_wait(s) < 0)
		continue;
}

static void on_control(void (*fn)(void))
{
	struct step s;

	begin(&s, fn);
	await(&s.done);
	sem_destroy(&s.done);
}

static void take_message(void)
{
	mo_wire_msg m;
	int a, b;

	taker = mo_co_self();
	assert_int_equal(mo_wire_pair(&a, &b), 0);
	assert_int_equal(mo_wire_send_blob(b,
					   json_pack("{s:s, s:o, s:i}", "type", "conns", "list",
						     list, "seen", 0),
					   fds, nfds, &blob, 1),
			 0);
	assert_int_equal(mo_wire_recv(a, &m), 1);
	result = mo_move_take(&host, ours_up, &m);
	mo_wire_free(&m);
	close(a);
	close(b);
	for (int i = 0; i < nfds; i++)
		close(fds[i]);
}

static void refuse_message(void)
{
	mo_wire_msg m = { .nfds = 3 };

	mo_move_refuse(ours_up, &m);
}

static json_t *entry(const char *name, json_int_t left, json_int_t bytes, json_int_t state,
		     json_int_t stream)
{
	return json_pack("[s, s, I, I, s, I, I]", name, "127.0.0.1:1", left, bytes, "http/1.1",
			 state, stream);
}

static void add(json_t *what, int fd)
{
	json_array_append_new(list, what);
	fds[nfds++] = fd;
}

static int connection(void)
{
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	close(pair[1]);
	return pair[0];
}

/* How many the giver is told to serve on; -1: it has got no answer. */
static int refused(void)
{
	mo_wire_msg m;
	int n = -1;

	while (mo_wire_recv(up, &m) == 1) {
		if (strcmp(m.type, "took") == 0)
			n = (int)json_array_size(json_object_get(m.body, "refused"));
		mo_wire_free(&m);
	}
	return n;
}

static void open_link(void)
{
	mo_event_bus_up_open(ours_up);
}

static void close_link(void)
{
	mo_event_bus_up_close(ours_up);
}

static int setup(void **state)
{
	prepared = taken = discarded = heard = publish_in_prepare = nfds = 0;
	list = json_array();
	blob = MO_STR("0123456789");
	sem_init(&in_prepare, 0, 0);
	assert_int_equal(mo_wire_pair(&ours_up, &up), 0);
	on_control(open_link);
	return 0;
}

static int teardown(void **state)
{
	on_control(close_link);
	close(ours_up);
	close(up);
	return 0;
}

/* ---- tests ---- */

static void one_is_taken_with_what_belongs_to_it(void **state)
{
	add(entry("web", 1000, 4, 6, 0), connection());
	add(entry("other", 1000, 0, 0, 0), connection()); /* no such server */
	on_control(take_message);
	assert_int_equal(result, 1);
	assert_int_equal(refused(), 1);
	assert_string_equal(server, "web");
	assert_int_equal(last.moving.left, 1000);
	assert_int_equal(last.moving.bytes.len, 4);
	assert_int_equal(last.moving.state.len, 6);
	assert_false(last.deaf);
}

static void
acknowledged_ones_get_every_event_that_was_published_while_they_were_prepared(void **state)
{
	struct step s;

	publish_in_prepare = MANY;
	add(entry("web", 1000, 0, 0, 0), connection());
	begin(&s, take_message);
	await(&in_prepare);
	while (sem_trywait(&s.done) < 0) /* the giver reads */
		refused();
	assert_int_equal(result, 1);
	assert_int_equal(taken, 1);
	assert_false(last.deaf);
	assert_int_equal(last.nmissed, MANY);
}

static void lengths_that_the_message_does_not_have_are_refused(void **state)
{
	static const json_int_t bad[][3] = {
		{ 11, 0, 0 }, { 0, 11, 0 },        { 0, 0, 11 },        { 5, 5, 1 },
		{ -1, 0, 0 }, { 0, INT64_MIN, 0 }, { 0, 0, INT64_MAX }, { INT64_MAX, INT64_MAX, 2 },
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		nfds = 0;
		list = i ? json_array() : list;
		add(entry("web", 1000, bad[i][0], bad[i][1], bad[i][2]), connection());
		on_control(take_message);
		assert_int_equal(result, 0);
		assert_int_equal(refused(), 1);
	}
	assert_int_equal(prepared + taken, 0);
}

static void no_deadline_is_longer_than_sums_with_it_may_be(void **state)
{
	add(entry("web", INT64_MAX, 0, 0, 0), connection());
	on_control(take_message);
	assert_int_equal(result, 1);
	assert_true(last.moving.left > 0 && last.moving.left < INT64_MAX / 2);
}

static void only_connections_are_taken(void **state)
{
	int listening = socket(AF_UNIX, SOCK_STREAM, 0), pair[2];

	assert_int_equal(
		bind(listening, &(struct sockaddr){ .sa_family = AF_UNIX }, sizeof(sa_family_t)),
		0);
	assert_int_equal(listen(listening, 1), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair), 0);
	close(pair[1]);
	add(entry("web", 1, 0, 0, 0), listening);
	add(entry("web", 1, 0, 0, 0), pair[0]);
	add(entry("web", 1, 0, 0, 0), open("/dev/null", O_RDWR));
	on_control(take_message);
	assert_int_equal(result, 0);
	assert_int_equal(refused(), 3);
}

static void as_many_as_descriptors_or_none(void **state)
{
	add(entry("web", 1, 0, 0, 0), connection());
	json_array_append_new(list, entry("web", 1, 0, 0, 0));
	on_control(take_message);
	assert_int_equal(result, 0);
	assert_int_equal(refused(), 1);
	assert_int_equal(prepared, 0);
}

static void a_message_that_cannot_be_read_is_answered_with_none(void **state)
{
	json_decref(list); /* of the others' message */
	on_control(refuse_message);
	assert_int_equal(refused(), 3);
	assert_int_equal(prepared, 0);
}

static void fill(void)
{
	while (mo_wire_send(ours_up, json_pack("{s:s}", "type", "x"), NULL, 0) == 0)
		continue;
}

static void cancel(void)
{
	mo_co_cancel(taker, -ECANCELED);
}

/* This process ends while the giver does not read: what was prepared is given up. */
static void what_was_prepared_and_not_acknowledged_is_freed(void **state)
{
	struct step s;

	on_control(fill);
	add(entry("web", 1000, 0, 0, 0), connection());
	begin(&s, take_message);
	await(&in_prepare);
	on_control(cancel);
	await(&s.done);
	assert_int_equal(result, -ECANCELED);
	assert_int_equal(taken, 0);
	assert_int_equal(discarded, 1);
	assert_int_equal(refused(), -1);
}

static void nothing(void)
{
}

/* The giver reads late: it must not serve on what is served here. */
static void an_answer_is_repeated_until_the_giver_reads(void **state)
{
	struct step s;
	int told = -1;

	on_control(fill);
	add(entry("web", 1000, 0, 0, 0), connection());
	begin(&s, take_message);
	await(&in_prepare);
	on_control(nothing); /* it has tried to answer, and waits */
	while (sem_trywait(&s.done) < 0)
		told = told < 0 ? refused() : told;
	told = told < 0 ? refused() : told;
	assert_int_equal(told, 0);
	assert_int_equal(result, 1);
	assert_int_equal(taken, 1);
}

static size_t sent;

static int exchange(void *arg, json_t *body, const int *all, int n, const molt_str *pieces,
		    mo_wire_msg *answer)
{
	const json_t *told = json_object_get(body, "list");

	(void)arg;
	(void)all;
	(void)pieces;
	sent = json_array_size(told) == (size_t)n ? (size_t)n : 0;
	for (size_t i = 0; i < sent; i++)
		assert_string_equal(json_string_value(json_array_get(json_array_get(told, i), 1)),
				    i ? "127.0.0.1:7" : "unix");
	json_decref(body);
	*answer = (mo_wire_msg){ .body = json_pack("{s:[]}", "refused") };
	return 0;
}

static int exchange_without_end(void *arg, json_t *body, const int *all, int n,
				const molt_str *pieces, mo_wire_msg *answer)
{
	json_decref(body);
	return -ECANCELED;
}

static mo_gen_batch b = { .n = 2 };

static void make_two(void)
{
	for (size_t i = 0; i < b.n; i++)
		b.conns[i] = (mo_gen_conn){ .server = "web",
					    .moving = { .fd = -1, .protocol = "http/1.1" } };
	to_give = &b;
}

static void give_two_to_one_that_cannot_be_ended(void)
{
	mo_move_link link = { .exchange = exchange_without_end };

	make_two();
	result = mo_move_give(&host, &link);
}

/* It may have taken them: they are not served here either. */
static void what_the_taker_may_have_is_not_served_on(void **state)
{
	json_decref(list);
	on_control(give_two_to_one_that_cannot_be_ended);
	assert_int_equal(result, -ECANCELED);
	assert_true(b.conns[0].taken && b.conns[1].taken);
}

static void give_two(void)
{
	mo_move_link link = { .exchange = exchange };

	make_two();
	b.conns[0].moving.peer.u.un.sun_family = AF_UNIX;
	strcpy(b.conns[0].moving.peer.u.un.sun_path, "/tmp/caf\xe9");
	assert_int_equal(mo_addr_parse("127.0.0.1:7", &b.conns[1].moving.peer), 0);
	result = mo_move_give(&host, &link);
}

/* The name of its socket is the client's; JSON has no form for what is no UTF-8. */
static void a_client_of_any_name_takes_no_other_out_of_the_move(void **state)
{
	json_decref(list);
	on_control(give_two);
	assert_int_equal(sent, 2);
	assert_int_equal(result, 2);
}

static int start(void **state)
{
	return mo_engine_start(&host);
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(one_is_taken_with_what_belongs_to_it),
		TEST(acknowledged_ones_get_every_event_that_was_published_while_they_were_prepared),
		TEST(lengths_that_the_message_does_not_have_are_refused),
		TEST(no_deadline_is_longer_than_sums_with_it_may_be),
		TEST(only_connections_are_taken),
		TEST(as_many_as_descriptors_or_none),
		TEST(a_message_that_cannot_be_read_is_answered_with_none),
		TEST(what_was_prepared_and_not_acknowledged_is_freed),
		TEST(an_answer_is_repeated_until_the_giver_reads),
		TEST(what_the_taker_may_have_is_not_served_on),
		TEST(a_client_of_any_name_takes_no_other_out_of_the_move),
	};

	return cmocka_run_group_tests(tests, start, NULL);
}
