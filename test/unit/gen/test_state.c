/* Named state for the next generation (src/gen/transfer/state.c): given and offered in one
 * process, its messages taken by the same one as if it were the successor. */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>

#include "gen/transfer/state.h"

#define MESSAGES 64

static struct {
	mo_wire_msg all[MESSAGES];
	int n, fail_at;
} sent;

/* Like the other end of the channel: it gets duplicates. */
static int keep(void *arg, json_t *body, const int *fds, int n)
{
	mo_wire_msg *m = &sent.all[sent.n];

	if (sent.n == sent.fail_at) {
		json_decref(body);
		return -EPIPE;
	}
	*m = (mo_wire_msg){ .body = body, .nfds = n };
	for (int i = 0; i < n; i++)
		m->fds[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, 3);
	sent.n++;
	return 0;
}

static json_t *offer(void)
{
	json_t *told = NULL;

	sent.n = 0;
	sent.fail_at = -1;
	assert_int_equal(mo_state_offer(keep, NULL, &told), 0);
	return told;
}

/* This process forgets what it gave and becomes the successor. */
static void arrive(void)
{
	mo_state_reset();
	for (int i = 0; i < sent.n; i++) {
		assert_int_equal(mo_state_arrive(&sent.all[i]), 0);
		mo_wire_free(&sent.all[i]);
	}
	sent.n = 0;
}

static void pass(void)
{
	json_decref(offer());
	arrive();
}

static int open_count(void)
{
	int n = 0;

	for (int fd = 0; fd < 2000; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static int before;

static int set_up(void **state)
{
	before = open_count();
	return 0;
}

static int tear_down(void **state)
{
	while (sent.n > 0)
		mo_wire_free(&sent.all[--sent.n]);
	mo_state_reset();
	return open_count() == before ? 0 : -1; /* nothing leaked */
}

static void give(const char *key, const char *text)
{
	assert_int_equal(molt_state_give(key, text, strlen(text), -1), 0);
}

static void expect(const char *key, const char *text)
{
	void *buf;
	size_t len;

	assert_int_equal(molt_state_take(key, &buf, &len, NULL), 0);
	assert_int_equal(len, strlen(text));
	assert_string_equal(buf, text);
	free(buf);
}

static void expect_none(const char *key)
{
	void *buf;
	size_t len;

	assert_int_equal(molt_state_take(key, &buf, &len, NULL), -ENOENT);
}

static void expect_report(int taken, int kept, int refused)
{
	json_t *r = mo_state_report();

	assert_int_equal(mo_json_int(r, "taken"), taken);
	assert_int_equal(mo_json_int(r, "kept"), kept);
	assert_int_equal(json_array_size(json_object_get(r, "refused")), refused);
	json_decref(r);
}

static void what_is_given_is_taken_once(void **state)
{
	json_t *told;

	give("cache", "one");
	give("cache", "two"); /* replaces it */
	give("empty", "");
	told = offer();
	assert_int_equal(mo_json_int(told, "offered"), 2);
	assert_int_equal(mo_json_int(told, "bytes"), 3);
	json_decref(told);
	arrive();
	expect_report(0, 2, 0);
	expect("cache", "two");
	expect("empty", "");
	expect_none("cache");
	expect_none("other");
	expect_report(2, 0, 0);
}

static void nothing_given_is_no_message(void **state)
{
	assert_null(offer());
	assert_int_equal(sent.n, 0);
}

static void the_giver_keeps_what_it_gave(void **state)
{
	give("a", "x");
	expect_none("a"); /* it is for the successor */
	json_decref(offer());
	while (sent.n > 0)
		mo_wire_free(&sent.all[--sent.n]); /* that restart failed */
	pass();
	expect("a", "x");
}

static void bytes_are_sealed(void **state)
{
	give("a", "text");
	json_decref(offer());
	assert_int_equal(sent.all[0].nfds, 1);
	assert_true(write(sent.all[0].fds[0], "y", 1) < 0);
	assert_true(ftruncate(sent.all[0].fds[0], 1) < 0);
	assert_true(mmap(NULL, 4, PROT_WRITE, MAP_SHARED, sent.all[0].fds[0], 0) == MAP_FAILED);
}

static void descriptors_go_along(void **state)
{
	int p[2], fd = -1;
	char c = 0;
	void *buf;
	size_t len;

	assert_int_equal(pipe(p), 0);
	assert_int_equal(molt_state_give("pipe", "v1", 2, p[1]), 0);
	assert_int_equal(molt_state_give("bare", NULL, 0, p[1]), 0);
	close(p[1]); /* it was duplicated */
	pass();
	assert_int_equal(molt_state_take("pipe", &buf, &len, &fd), 0);
	free(buf);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(write(fd, "z", 1), 1);
	assert_int_equal(read(p[0], &c, 1), 1);
	assert_int_equal(c, 'z');
	close(fd);
	assert_int_equal(molt_state_take("bare", NULL, NULL, &fd), 0);
	close(fd);
	assert_int_equal(read(p[0], &c, 1), 0); /* nobody has it any more */
	close(p[0]);
}

static void a_descriptor_that_is_not_asked_for_is_closed(void **state)
{
	int p[2];
	char c;

	assert_int_equal(pipe(p), 0);
	assert_int_equal(molt_state_give("pipe", "v1", 2, p[1]), 0);
	close(p[1]);
	pass();
	expect("pipe", "v1");
	assert_int_equal(read(p[0], &c, 1), 0);
	close(p[0]);
}

static void what_nobody_takes_goes_on_to_the_next(void **state)
{
	give("a", "from one");
	give("b", "from one");
	give("c", "from one");
	pass();
	expect("b", "from one"); /* and is not given again */
	give("c", "from two");
	pass();
	expect("a", "from one");
	expect_none("b");
	expect("c", "from two");
}

static void what_is_refused_is_told_and_dropped(void **state)
{
	json_t *r, *one;

	give("cache", "v9");
	give("other", "v1");
	pass();
	expect("cache", "v9");
	assert_int_equal(molt_state_refuse("cache", "version 9"), 0);
	assert_int_equal(molt_state_refuse("other", "not wanted"), 0); /* without a look */
	assert_int_equal(molt_state_refuse("never", "x"), -ENOENT);
	expect_none("other");
	r = mo_state_report();
	one = json_array_get(json_object_get(r, "refused"), 0);
	assert_string_equal(mo_json_str(one, "key"), "cache");
	assert_string_equal(mo_json_str(one, "why"), "version 9");
	json_decref(r);
	expect_report(0, 0, 2);
	pass();
	expect_report(0, 0, 0);
}

static void what_is_dropped_is_not_offered(void **state)
{
	give("a", "x");
	assert_int_equal(molt_state_drop("a"), 0);
	assert_int_equal(molt_state_drop("a"), -ENOENT);
	assert_null(offer());
}

static void many_keys_need_several_messages(void **state)
{
	char key[16];
	int p[2];

	assert_int_equal(pipe(p), 0);
	for (int i = 0; i < MO_STATE_KEYS; i++) {
		snprintf(key, sizeof(key), "key-%d", i);
		assert_int_equal(molt_state_give(key, key, strlen(key), p[0]), 0);
	}
	assert_int_equal(molt_state_give("more", "x", 1, -1), -ENOSPC);
	assert_int_equal(molt_state_give("key-7", "x", 1, p[0]), 0); /* replaces */
	json_decref(offer());
	assert_int_equal(sent.n, MO_STATE_KEYS / 32);
	arrive();
	expect("key-0", "key-0");
	expect("key-7", "x");
	expect("key-127", "key-127");
	close(p[0]);
	close(p[1]);
}

/* Each program gives as many keys as it may and takes none: all of them go on. */
static void what_several_programs_gave_and_nobody_took_is_not_lost(void **state)
{
	char key[32];

	for (int g = 0; g < 4; g++) {
		for (int i = 0; i < MO_STATE_KEYS; i++) {
			snprintf(key, sizeof(key), "g%d.%d", g, i);
			give(key, key);
		}
		pass();
	}
	expect_report(0, 4 * MO_STATE_KEYS, 0);
	expect("g0.0", "g0.0");
	expect("g0.127", "g0.127");
	expect("g3.127", "g3.127");
}

/* Nobody is promised what could not be passed on. */
static void more_than_can_go_on_is_refused_when_it_is_given(void **state)
{
	int given = 0;
	char key[32];

	for (int g = 0; g < MO_STATE_ALL / MO_STATE_KEYS + 2; g++) {
		for (int i = 0; i < MO_STATE_KEYS; i++) {
			snprintf(key, sizeof(key), "g%d.%d", g, i);
			if (molt_state_give(key, "x", 1, -1) == 0)
				given++;
			else
				assert_int_equal(molt_state_give(key, "x", 1, -1), -ENOSPC);
		}
		pass();
	}
	assert_int_equal(given, MO_STATE_ALL);
	expect_report(0, MO_STATE_ALL, 0);
	give("g0.0", "y"); /* one that is there already */
	pass();
	expect("g0.0", "y");
}

static void one_that_cannot_be_read_stays(void **state)
{
	void *buf;
	size_t len;

	give("k", "some bytes");
	json_decref(offer());
	/* The neighbour said more bytes than there are. */
	json_array_set_new(json_array_get(json_object_get(sent.all[0].body, "list"), 0), 1,
			   json_integer(1000));
	arrive();
	assert_int_equal(molt_state_take("k", &buf, &len, NULL), -EBADMSG);
	expect_report(0, 1, 0);
	assert_int_equal(molt_state_take("k", &buf, &len, NULL), -EBADMSG);
}

static void a_length_beyond_the_limit_is_refused(void **state)
{
	give("k", "some bytes");
	json_decref(offer());
	json_array_set_new(json_array_get(json_object_get(sent.all[0].body, "list"), 0), 1,
			   json_integer((json_int_t)MO_STATE_BYTES + 1));
	mo_state_reset();
	assert_int_equal(mo_state_arrive(&sent.all[0]), -EPROTO);
}

static void wrong_arguments_are_refused(void **state)
{
	char longest[MO_STATE_KEY_MAX + 2];
	void *buf;

	memset(longest, 'k', sizeof(longest));
	longest[MO_STATE_KEY_MAX + 1] = '\0';
	assert_int_equal(molt_state_give(longest, "", 0, -1), -EINVAL);
	longest[MO_STATE_KEY_MAX] = '\0';
	assert_int_equal(molt_state_give(longest, "", 0, -1), 0);
	assert_int_equal(molt_state_give("", "", 0, -1), -EINVAL);
	assert_int_equal(molt_state_give(NULL, "", 0, -1), -EINVAL);
	assert_int_equal(molt_state_give("a b", "", 0, -1), -EINVAL);
	assert_int_equal(molt_state_give("a\n", "", 0, -1), -EINVAL);
	assert_int_equal(molt_state_give("a", NULL, 1, -1), -EINVAL);
	assert_int_equal(molt_state_give("a", "", MO_STATE_BYTES + 1, -1), -EFBIG);
	assert_int_equal(molt_state_give("a", "", 0, 9999), -EBADF);
	assert_int_equal(molt_state_take("a", &buf, NULL, NULL), -EINVAL);
	assert_int_equal(molt_state_refuse("a", NULL), -EINVAL);
}

static void a_message_that_does_not_fit_is_refused(void **state)
{
	mo_wire_msg m = { .body = json_pack("{s:[[s, I, b]]}", "list", "a", (json_int_t)5, 0) };

	assert_int_equal(mo_state_arrive(&m), -EPROTO); /* its descriptor is missing */
	mo_wire_free(&m);
	mo_state_reset();
	m = (mo_wire_msg){ .body = json_pack("{s:[[s, I, b]]}", "list", "a", (json_int_t)0, 0),
			   .nfds = 1 };
	m.fds[0] = dup(0);
	assert_int_equal(mo_state_arrive(&m), -EPROTO); /* one too many */
	mo_wire_free(&m);
	mo_state_reset();
	m = (mo_wire_msg){ .body = json_pack("{s:[[s, s]]}", "list", "a", "b") };
	assert_int_equal(mo_state_arrive(&m), -EPROTO);
	mo_wire_free(&m);
}

static void an_offer_that_fails_leaks_nothing(void **state)
{
	json_t *told = NULL;
	char key[16];

	for (int i = 0; i < 100; i++) {
		snprintf(key, sizeof(key), "key-%d", i);
		assert_int_equal(molt_state_give(key, key, strlen(key), 0), 0);
	}
	sent.n = 0;
	sent.fail_at = 1;
	assert_int_equal(mo_state_offer(keep, NULL, &told), -EPIPE);
	json_decref(told);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(what_is_given_is_taken_once),
		TEST(nothing_given_is_no_message),
		TEST(the_giver_keeps_what_it_gave),
		TEST(bytes_are_sealed),
		TEST(descriptors_go_along),
		TEST(a_descriptor_that_is_not_asked_for_is_closed),
		TEST(what_nobody_takes_goes_on_to_the_next),
		TEST(what_is_refused_is_told_and_dropped),
		TEST(what_is_dropped_is_not_offered),
		TEST(many_keys_need_several_messages),
		TEST(wrong_arguments_are_refused),
		TEST(a_message_that_does_not_fit_is_refused),
		TEST(an_offer_that_fails_leaks_nothing),
		TEST(what_several_programs_gave_and_nobody_took_is_not_lost),
		TEST(more_than_can_go_on_is_refused_when_it_is_given),
		TEST(one_that_cannot_be_read_stays),
		TEST(a_length_beyond_the_limit_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
