/* Promises of gen/transfer/event_bus.c: events go to the neighbours in order, those from before
 * a hold before it ends, and what a mover missed is known by its number. */
#include "unit.h"

#include <errno.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <sys/socket.h>

#include "base/str.h"
#include "gen/control.h"
#include "gen/engine/engine.h"
#include "gen/transfer/event_bus.h"
#include "rt/co.h"

static char given[256]; /* data of what host->event() got */
static int up, down, ours_up, ours_down;

static void event(struct mo_event *e)
{
	strncat(given, e->data.ptr, sizeof(given) - strlen(given) - 1);
}

static const mo_gen_host host = { .event = event };

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

/* Runs fn in a coroutine of the control thread. */
static void on_control(void (*fn)(void))
{
	struct step s = { .fn = fn };

	sem_init(&s.done, 0, 0);
	assert_true(mo_loop_spawn(mo_control_loop(), run_step, &s));
	while (sem_wait(&s.done) < 0)
		continue;
	sem_destroy(&s.done);
}

static mo_event *event_of(const char *data)
{
	return mo_event_new(MO_STR("t"), MO_STR("n"), MO_STR("1"), mo_str(data));
}

static void nothing(void)
{
}

static void publish(const char *data)
{
	assert_true(mo_event_bus_publish(event_of(data)));
	on_control(nothing); /* it has passed */
}

/* What the neighbour at fd has got: the data of events, "seen N" ... */
static const char *heard(int fd)
{
	static char text[256];
	mo_wire_msg m;

	text[0] = '\0';
	while (mo_wire_recv(fd, &m) == 1) {
		if (strcmp(m.type, "event") == 0)
			strncat(text, m.blob.ptr + m.blob.len - 1, 1);
		else
			snprintf(text + strlen(text), 32, "seen %lld ",
				 mo_json_int(m.body, "seen"));
		mo_wire_free(&m);
	}
	return text;
}

static void open_links(void)
{
	mo_event_bus_up_open(ours_up);
	mo_event_bus_down_open(ours_down);
}

static void close_links(void)
{
	mo_event_bus_up_close(ours_up);
	mo_event_bus_down_close();
}

static int setup(void **state)
{
	given[0] = '\0';
	assert_int_equal(mo_wire_pair(&ours_up, &up), 0);
	assert_int_equal(mo_wire_pair(&ours_down, &down), 0);
	on_control(open_links);
	return 0;
}

static int teardown(void **state)
{
	on_control(close_links);
	close(ours_up);
	close(ours_down);
	close(up);
	close(down);
	return 0;
}

static void an_event_goes_to_both_neighbours(void **state)
{
	publish("a");
	publish("b");
	assert_string_equal(given, "ab");
	assert_string_equal(heard(up), "ab");
	assert_string_equal(heard(down), "ab");
}

static void from_neighbours(void)
{
	molt_str parts[] = { MO_STR("t"), MO_STR(""), MO_STR(""), MO_STR("x") };
	mo_wire_msg m;
	int a, b;

	assert_int_equal(mo_wire_pair(&a, &b), 0);
	for (int i = 0; i < 2; i++) {
		mo_wire_send_blob(
			b, json_pack("{s:s, s:[i, i, i]}", "type", "event", "parts", 1, 0, 0), NULL,
			0, parts, 4);
		assert_int_equal(mo_wire_recv(a, &m), 1);
		if (i == 0)
			mo_event_bus_from_above(ours_up, &m);
		else
			mo_event_bus_from_below(&m);
		mo_wire_free(&m);
	}
	close(a);
	close(b);
}

static void what_comes_from_one_side_goes_to_the_other(void **state)
{
	on_control(from_neighbours);
	assert_string_equal(given, "xx");
	assert_string_equal(heard(down), "x");
	assert_string_equal(heard(up), "x");
}

static void hold(void)
{
	assert_int_equal(mo_event_bus_hold(), 0);
}

static void release(void)
{
	mo_event_bus_settle();
	mo_event_bus_release();
}

static void events_of_a_hold_wait_for_its_end(void **state)
{
	publish("a");
	on_control(hold);
	publish("b");
	assert_string_equal(given, "ab"); /* its own subscribers do not wait */
	assert_string_equal(heard(down), "a");
	on_control(release);
	assert_string_equal(heard(down), "b");
}

static uint64_t number;
static char missed_text[4096];
static int missed_rc;

static void look_missed(void)
{
	mo_event **list;
	size_t n;

	missed_text[0] = '\0';
	missed_rc = mo_event_bus_missed(ours_up, number, &list, &n);
	for (size_t i = 0; i < n; i++) {
		strncat(missed_text, list[i]->data.ptr, 8);
		mo_event_unref(list[i]);
	}
	free(list);
}

static const char *missed(uint64_t after)
{
	number = after;
	on_control(look_missed);
	return missed_text;
}

static void see_two(void)
{
	mo_event_bus_seen(ours_up, 2);
}

static void what_the_predecessor_had_not_seen_is_missed(void **state)
{
	assert_string_equal(missed(0), "");
	for (const char *p = "abcd"; *p; p++)
		publish((char[]){ *p, '\0' });
	assert_string_equal(missed(0), "abcd");
	assert_string_equal(missed(3), "d");
	assert_string_equal(missed(4), "");
	assert_int_equal(missed_rc, 0);
	on_control(see_two);
	assert_string_equal(missed(2), "cd");
	missed(1);
	assert_int_equal(missed_rc, -ENOENT);
	missed(5);
	assert_int_equal(missed_rc, -ENOENT);
}

static void too_many_unseen_events_are_not_kept(void **state)
{
	static char big[60000];
	int i;

	memset(big, 'x', sizeof(big) - 1);
	for (i = 0; i < 200; i++) {
		publish(big);
		heard(up);
	}
	missed(0);
	assert_int_equal(missed_rc, -ENOENT);
	missed(200);
	assert_int_equal(missed_rc, 0);
}

static void bad_events_are_dropped(void)
{
	molt_str parts[] = { MO_STR("short") };
	mo_wire_msg m;
	int a, b;

	assert_int_equal(mo_wire_pair(&a, &b), 0);
	mo_wire_send_blob(b, json_pack("{s:s, s:[i, i, i]}", "type", "event", "parts", 3, 3, 3),
			  NULL, 0, parts, 1);
	assert_int_equal(mo_wire_recv(a, &m), 1);
	mo_event_bus_from_above(ours_up, &m);
	mo_wire_free(&m);
	mo_wire_send(b, json_pack("{s:s}", "type", "event"), NULL, 0);
	assert_int_equal(mo_wire_recv(a, &m), 1);
	mo_event_bus_from_above(ours_up, &m);
	mo_wire_free(&m);
	close(a);
	close(b);
}

static void an_event_that_is_cut_is_dropped(void **state)
{
	on_control(bad_events_are_dropped);
	assert_string_equal(given, "");
}

/* A field of an event stream that a neighbour's word would make several of. */
static void events_of_several_lines(void)
{
	static const char *const names[] = { "x\nid: 9", "x\rdata: y" };
	mo_wire_msg m;
	int a, b;

	assert_int_equal(mo_wire_pair(&a, &b), 0);
	for (int i = 0; i < 4; i++) {
		molt_str lines = mo_str(names[i % 2]), plain = MO_STR("n");
		molt_str parts[] = { MO_STR("t"), i < 2 ? lines : plain, i < 2 ? plain : lines,
				     MO_STR("d") };

		mo_wire_send_blob(b,
				  json_pack("{s:s, s:[i, i, i]}", "type", "event", "parts", 1,
					    (int)parts[1].len, (int)parts[2].len),
				  NULL, 0, parts, 4);
		assert_int_equal(mo_wire_recv(a, &m), 1);
		mo_event_bus_from_above(ours_up, &m);
		mo_event_bus_from_below(&m);
		mo_wire_free(&m);
	}
	close(a);
	close(b);
}

static void a_name_or_id_of_several_lines_from_a_neighbour_is_dropped(void **state)
{
	on_control(events_of_several_lines);
	assert_string_equal(given, "");
	assert_string_equal(heard(up), "");
	assert_string_equal(heard(down), "");
}

static void pin(void)
{
	assert_true(mo_event_bus_pin(ours_up));
}

static void unpin(void)
{
	mo_event_bus_unpin(ours_up);
}

/* While connections are taken, however long that takes and whoever dies. */
static void what_is_pinned_is_not_dropped(void **state)
{
	static char big[60000];

	memset(big, 'x', sizeof(big) - 1);
	on_control(pin);
	for (int i = 0; i < 100; i++) {
		publish(big);
		heard(up);
	}
	shutdown(up, SHUT_RDWR);
	for (int i = 0; i < 100; i++)
		publish(big);
	publish("a");
	missed(0);
	assert_int_equal(missed_rc, 0);
	assert_string_equal(missed(200), "a");
	on_control(unpin);
	missed(0);
	assert_int_equal(missed_rc, -ENOENT);
}

static void give_way(void)
{
	mo_event_bus_give_way(ours_up);
}

static void go_on(void)
{
	mo_event_bus_go_on(ours_up);
}

static void tell_up(void)
{
	mo_wire_send(ours_up, json_pack("{s:s, s:i}", "type", "seen", "seen", 7), NULL, 0);
}

/* An answer for which the giver's connections wait must not be behind every event. */
static void events_give_way_to_what_waits_for_room(void **state)
{
	publish("a");
	on_control(give_way);
	publish("b");
	publish("c");
	on_control(tell_up);
	on_control(go_on);
	publish("d");
	assert_string_equal(heard(up), "aseen 7 bcd");
}

static void tell(void)
{
	mo_event_bus_tell_seen();
	mo_event_bus_tell_seen();
}

static void what_was_seen_is_told_once(void **state)
{
	on_control(from_neighbours);
	heard(down);
	on_control(tell);
	assert_string_equal(heard(down), "seen 1 ");
}

static void turn_up(void)
{
	mo_event_bus_turn_up(ours_down);
}

static void see_none(void)
{
	mo_event **list = NULL;
	size_t n = 0;

	assert_int_equal(mo_event_bus_missed(ours_down, 0, &list, &n), 0);
	assert_int_equal(n, 2);
	assert_string_equal(list[0]->data.ptr, "b");
	while (n > 0)
		mo_event_unref(list[--n]);
	free(list);
	mo_event_bus_up_close(ours_down);
}

static void a_successor_that_turns_up_counts_from_there(void **state)
{
	publish("a");
	on_control(turn_up);
	publish("b");
	publish("c");
	assert_string_equal(heard(down), "abc");
	assert_string_equal(heard(up), "abc"); /* the other one above */
	on_control(see_none);
}

static void turn_down(void)
{
	mo_event_bus_down_close();
	mo_event_bus_turn_down(ours_up);
}

static void a_predecessor_that_turns_down_is_told_what_was_seen(void **state)
{
	publish("a");
	on_control(turn_down);
	publish("b");
	assert_string_equal(heard(up), "ab");
	on_control(from_neighbours); /* one of them from below */
	heard(up);
	on_control(tell);
	assert_string_equal(heard(up), "seen 1 ");
}

static int start(void **state)
{
	return mo_engine_start(&host);
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_event_goes_to_both_neighbours),
		TEST(what_comes_from_one_side_goes_to_the_other),
		TEST(events_of_a_hold_wait_for_its_end),
		TEST(what_the_predecessor_had_not_seen_is_missed),
		TEST(too_many_unseen_events_are_not_kept),
		TEST(an_event_that_is_cut_is_dropped),
		TEST(a_name_or_id_of_several_lines_from_a_neighbour_is_dropped),
		TEST(what_is_pinned_is_not_dropped),
		TEST(events_give_way_to_what_waits_for_room),
		TEST(what_was_seen_is_told_once),
		TEST(a_successor_that_turns_up_counts_from_there),
		TEST(a_predecessor_that_turns_down_is_told_what_was_seen),
	};

	return cmocka_run_group_tests(tests, start, NULL);
}
