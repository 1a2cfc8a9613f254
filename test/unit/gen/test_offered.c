/* What a program that starts says of an offer that it cannot take (gen/new/offered.c). */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/mem.h"
#include "gen/new/successor.h"
#include "gen/os/origin.h"
#include "gen/wire/wire.h"

static int theirs;

static int setup(void **state)
{
	return mo_wire_pair(&mo_origin_get()->handover_fd, &theirs);
}

static int teardown(void **state)
{
	mo_successor_forget();
	close(theirs);
	return 0;
}

static void offer(int protocol, int descriptors)
{
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC), fds[] = { fd, fd, fd };

	assert_int_equal(mo_wire_send(theirs,
				      json_pack("{s:s, s:i, s:i, s:i}", "type", "offer", "protocol",
						protocol, "pid", (int)getpid(), "generation", 2),
				      fds, descriptors),
			 0);
	close(fd);
}

static void expect(const char *sentence)
{
	char *why = NULL;

	assert_int_equal(mo_successor_begin(&why), -EPROTO);
	assert_string_equal(why, sentence);
	free(why);
}

static void too_few_descriptors_are_called_so(void **state)
{
	offer(MO_WIRE_PROTOCOL, 1);
	expect("the predecessor's offer came with 1 descriptors instead of 2");
}

static void another_protocol_is_called_so_whatever_came_along(void **state)
{
	char *text = mo_fmt("the predecessor speaks handover protocol %d, this program %d",
			    MO_WIRE_PROTOCOL + 1, MO_WIRE_PROTOCOL);

	offer(MO_WIRE_PROTOCOL + 1, 0);
	expect(text);
	free(text);
}

static void send_offer(json_t *body)
{
	assert_int_equal(mo_wire_send(theirs, body, NULL, 0), 0);
}

static void an_offer_that_lacks_a_member_is_refused(void **state)
{
	send_offer(json_pack("{s:s, s:i, s:i}", "type", "offer", "protocol", MO_WIRE_PROTOCOL,
			     "pid", 1));
	expect("\"offer\" came without the number \"generation\"");
}

static void of_another_protocol_the_version_counts_and_not_the_members(void **state)
{
	char *text = mo_fmt("the predecessor speaks handover protocol %d, this program %d",
			    MO_WIRE_PROTOCOL + 1, MO_WIRE_PROTOCOL);

	send_offer(json_pack("{s:s, s:i, s:s}", "type", "offer", "protocol", MO_WIRE_PROTOCOL + 1,
			     "generation", "a word"));
	expect(text);
	free(text);
}

static void what_is_offered_without_its_descriptors_is_refused(void **state)
{
	send_offer(
		json_pack("{s:s, s:[{s:s}]}", "type", "listeners", "list", "text", "127.0.0.1:1"));
	expect("\"listeners\" came with 0 descriptors instead of 1");
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(too_few_descriptors_are_called_so),
		TEST(another_protocol_is_called_so_whatever_came_along),
		TEST(an_offer_that_lacks_a_member_is_refused),
		TEST(of_another_protocol_the_version_counts_and_not_the_members),
		TEST(what_is_offered_without_its_descriptors_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
