/* Keys of session tickets: rotation, and the way to a successor
 * (src/net/ticket.c).  Sessions themselves are resumed in
 * test/restart/test_tickets.py. */
#include "unit.h"

#include <string.h>

#include "net/ticket.h"

static void keys_are_made_once_and_exported(void **state)
{
	uint8_t a[MO_TICKET_EXPORT], b[MO_TICKET_EXPORT];

	assert_int_equal(mo_tickets_export(a), 0);
	mo_tickets_rotate();
	assert_int_equal(mo_tickets_export(a), MO_TICKET_KEY_SIZE);
	assert_int_equal(mo_tickets_export(b), MO_TICKET_KEY_SIZE);
	assert_memory_equal(a, b, MO_TICKET_KEY_SIZE);
}

static void a_rotation_puts_a_new_key_first_and_keeps_two_old_ones(void **state)
{
	uint8_t before[MO_TICKET_EXPORT], after[MO_TICKET_EXPORT];
	size_t n;

	mo_tickets_rotate();
	mo_tickets_rotate();
	assert_int_equal(mo_tickets_export(before), MO_TICKET_EXPORT);
	mo_tickets_rotate();
	n = mo_tickets_export(after);
	assert_int_equal(n, MO_TICKET_EXPORT);
	assert_memory_equal(after + MO_TICKET_KEY_SIZE, before, 2 * MO_TICKET_KEY_SIZE);
	assert_memory_not_equal(after, before, 16);
}

static void keys_of_a_predecessor_replace_ours(void **state)
{
	uint8_t theirs[2 * MO_TICKET_KEY_SIZE], now[MO_TICKET_EXPORT];

	memset(theirs, 7, sizeof(theirs));
	mo_tickets_import(theirs, sizeof(theirs));
	assert_int_equal(mo_tickets_export(now), sizeof(theirs));
	assert_memory_equal(now, theirs, sizeof(theirs));
}

static void keys_of_another_size_are_ignored(void **state)
{
	uint8_t junk[MO_TICKET_EXPORT + MO_TICKET_KEY_SIZE] = { 1 };
	uint8_t before[MO_TICKET_EXPORT], after[MO_TICKET_EXPORT];
	size_t n = mo_tickets_export(before);

	mo_tickets_import(junk, 0);
	mo_tickets_import(junk, 5);
	mo_tickets_import(junk, MO_TICKET_KEY_SIZE + 1);
	mo_tickets_import(junk, sizeof(junk));
	assert_int_equal(mo_tickets_export(after), n);
	assert_memory_equal(before, after, n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_are_made_once_and_exported),
		cmocka_unit_test(a_rotation_puts_a_new_key_first_and_keeps_two_old_ones),
		cmocka_unit_test(keys_of_a_predecessor_replace_ours),
		cmocka_unit_test(keys_of_another_size_are_ignored),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
