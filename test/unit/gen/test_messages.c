/* The list of messages, and the way to their handlers: what is whole is handed on, what is
 * not is refused, what nobody hears is ignored (src/gen/wire/messages.c). */
#include "unit.h"

#include "base/log.h"
#include "base/mem.h"
#include "gen/wire/messages.h"

static int handled, refused;
static char *why_refused;

static int handle(void *arg, mo_wire_msg *m)
{
	assert_string_equal(m->type, mo_message_of(*(enum mo_msg *)arg)->type);
	handled++;
	return 7;
}

static int refuse(void *arg, mo_wire_msg *m, const char *why)
{
	refused++;
	free(why_refused);
	why_refused = mo_strdup(why);
	return -EPROTO;
}

/* What a role that hears only that makes of it; the result of the dispatcher. */
static int hand(enum mo_msg what, json_t *body, int nfds)
{
	mo_hears hears[] = { { what, handle } };
	mo_role role = MO_ROLE(hears, refuse);
	mo_wire_msg m = { .body = body, .nfds = nfds };
	int rc;

	for (int i = 0; i < nfds; i++)
		m.fds[i] = -1;
	m.type = mo_json_str(body, "type");
	handled = refused = 0;
	rc = mo_message_hand(&role, &what, &m);
	json_decref(body);
	return rc;
}

static void assert_handed(enum mo_msg what, json_t *body, int nfds)
{
	assert_int_equal(hand(what, body, nfds), 7);
	assert_int_equal(handled, 1);
	assert_int_equal(refused, 0);
}

static void assert_refused(enum mo_msg what, json_t *body, int nfds)
{
	assert_int_equal(hand(what, body, nfds), -EPROTO);
	assert_int_equal(handled, 0);
	assert_int_equal(refused, 1);
	assert_non_null(strstr(why_refused, mo_message_of(what)->type));
}

static json_t *value(enum mo_kind kind)
{
	switch (kind) {
	case MO_TEXT:
		return json_string("x");
	case MO_NUMBER:
		return json_integer(3);
	case MO_BOOL:
		return json_true();
	case MO_LIST:
		return json_pack("[s, s]", "a", "b");
	case MO_OBJECT:
		return json_object();
	case MO_ANY:
		return json_real(0.5);
	}
	return NULL;
}

/* A whole one, by the list; all: with the members that may be absent. */
static json_t *whole(enum mo_msg what, bool all)
{
	const mo_message *of = mo_message_of(what);
	json_t *body = mo_message_new(what, NULL);

	for (int i = 0; i < MO_MSG_MEMBERS && of->members[i].name; i++)
		if (all || of->members[i].needed)
			json_object_set_new(body, of->members[i].name, value(of->members[i].kind));
	return body;
}

static int fds_of(enum mo_msg what)
{
	enum mo_msg_fds rule = mo_message_of(what)->fds;

	return rule == MO_FDS_ONE ? 1 : rule == MO_FDS_EACH ? 2 : 0;
}

#define EACH(what) for (enum mo_msg what = 0; what < MO_MSGS; what++)

static void the_list_is_whole_and_each_type_stands_once(void **state)
{
	EACH(a)
	{
		const mo_message *of = mo_message_of(a);

		assert_non_null(of->type);
		assert_in_range(of->since, MO_WIRE_PROTOCOL_LOWEST, MO_WIRE_PROTOCOL);
		if (of->fds == MO_FDS_EACH)
			assert_true(of->members[0].needed && of->members[0].kind == MO_LIST);
		EACH(b)
		assert_true(a == b || strcmp(of->type, mo_message_of(b)->type) != 0);
	}
}

static void what_is_whole_is_handed_on(void **state)
{
	EACH(what)
	{
		assert_handed(what, whole(what, true), fds_of(what));
		assert_handed(what, whole(what, false), fds_of(what));
	}
}

static void members_that_nobody_knows_are_ignored(void **state)
{
	EACH(what)
	{
		json_t *body = whole(what, true);

		json_object_set_new(body, "of a newer version", json_array());
		assert_handed(what, body, fds_of(what));
	}
}

static void a_message_without_a_needed_member_is_refused(void **state)
{
	EACH(what)
	{
		const mo_member *all = mo_message_of(what)->members;

		for (int i = 0; i < MO_MSG_MEMBERS && all[i].name; i++) {
			json_t *absent = whole(what, true), *null = whole(what, true);

			json_object_del(absent, all[i].name);
			json_object_set_new(null, all[i].name, json_null());
			if (all[i].needed) {
				assert_refused(what, absent, fds_of(what));
				assert_refused(what, null, fds_of(what));
				assert_non_null(strstr(why_refused, all[i].name));
			} else {
				assert_handed(what, absent, fds_of(what));
				assert_handed(what, null, fds_of(what));
			}
		}
	}
}

static void a_member_of_a_wrong_kind_is_refused(void **state)
{
	EACH(what)
	{
		const mo_member *all = mo_message_of(what)->members;

		for (int i = 0; i < MO_MSG_MEMBERS && all[i].name; i++)
			for (enum mo_kind kind = MO_TEXT; kind <= MO_ANY; kind++) {
				json_t *body = whole(what, true);

				json_object_set_new(body, all[i].name, value(kind));
				if (kind == all[i].kind || all[i].kind == MO_ANY)
					assert_handed(what, body, fds_of(what));
				else
					assert_refused(what, body, fds_of(what));
			}
	}
}

static void a_message_without_its_descriptors_is_refused(void **state)
{
	int some = 0;

	EACH(what)
	{
		int n = fds_of(what);

		if (mo_message_of(what)->fds == MO_FDS_FREE) {
			assert_handed(what, whole(what, true), 3);
			continue;
		}
		some++;
		assert_refused(what, whole(what, true), n - 1);
		assert_refused(what, whole(what, true), n + 1);
	}
	assert_true(some >= 6);
}

static void a_message_that_the_role_does_not_hear_is_ignored(void **state)
{
	EACH(what)
	if (what != MO_MSG_CANCEL) {
		assert_int_equal(hand(MO_MSG_CANCEL, whole(what, true), fds_of(what)), 0);
		assert_int_equal(handled + refused, 0);
	}
	assert_int_equal(hand(MO_MSG_CANCEL, json_pack("{s:s}", "type", "of a newer version"), 1),
			 0);
	assert_int_equal(handled + refused, 0);
}

static int lines;

static void count_lines(const char *line)
{
	lines += strstr(line, "\"main\" came without the number \"bake_ms\"") != NULL;
}

static void refusals_are_told_but_fill_no_log(void **state)
{
	mo_hears hears[] = { { MO_MSG_MAIN, handle } };
	mo_role role = MO_ROLE(hears, NULL);
	mo_wire_msg m = { .body = mo_message_new(MO_MSG_MAIN, NULL) };

	m.type = mo_json_str(m.body, "type");
	mo_log_set_observer(count_lines);
	handled = 0;
	for (int i = 0; i < 1000; i++)
		assert_int_equal(mo_message_hand(&role, NULL, &m), 0);
	mo_log_set_observer(NULL);
	assert_int_equal(handled, 0);
	assert_in_range(lines, 1, 20);
	json_decref(m.body);
}

static void an_answer_is_the_one_that_is_waited_for_and_whole(void **state)
{
	mo_wire_msg m = { .body = mo_message_new(MO_MSG_TOOK, "{s:[i]}", "refused", 1) };

	m.type = mo_json_str(m.body, "type");
	assert_true(mo_message_answers(&m, MO_MSG_TOOK));
	assert_false(mo_message_answers(&m, MO_MSG_SERVING));
	json_object_del(m.body, "refused");
	assert_false(mo_message_answers(&m, MO_MSG_TOOK));
	assert_true(mo_message_is(&m, MO_MSG_TOOK));
	json_decref(m.body);
}

static void a_message_that_is_made_begins_with_its_type(void **state)
{
	json_t *body = mo_message_new(MO_MSG_REOPEN, "{s:i, s:i}", "by", 1, "n", 2);
	char *text = json_dumps(body, JSON_COMPACT);

	assert_string_equal(text, "{\"type\":\"reopen\",\"by\":1,\"n\":2}");
	free(text);
	json_decref(body);
	assert_null(mo_message_new(MO_MSG_CANCEL, "{s:s}", "why", "\xff"));
}

static int forget(void **state)
{
	free(why_refused);
	why_refused = NULL;
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_list_is_whole_and_each_type_stands_once),
		cmocka_unit_test(what_is_whole_is_handed_on),
		cmocka_unit_test(members_that_nobody_knows_are_ignored),
		cmocka_unit_test(a_message_without_a_needed_member_is_refused),
		cmocka_unit_test(a_member_of_a_wrong_kind_is_refused),
		cmocka_unit_test(a_message_without_its_descriptors_is_refused),
		cmocka_unit_test(a_message_that_the_role_does_not_hear_is_ignored),
		cmocka_unit_test(refusals_are_told_but_fill_no_log),
		cmocka_unit_test(an_answer_is_the_one_that_is_waited_for_and_whole),
		cmocka_unit_test(a_message_that_is_made_begins_with_its_type),
	};

	return cmocka_run_group_tests(tests, NULL, forget);
}
