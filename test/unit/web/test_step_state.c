/* Promises of http/h1/step_state.c and web/live/step_parts.c: what was written is read
 * again, and nothing else is: the bytes come from another process. */
#include "unit.h"

#include "base/blob.h"
#include "base/check.h"
#include "http/h1/h1_internal.h"
#include "http/h1/step_state.h"
#include "web/live/web_step.h"

#define HEAD "POST /a%2Fb?c HTTP/1.1\r\nHost: x\r\nX-Empty: \r\nContent-Length: 3\r\n\r\n"

static mo_buf bytes;

static int teardown(void **state)
{
	mo_buf_free(&bytes);
	return 0;
}

static molt_str written(void)
{
	return mo_strn(bytes.data, bytes.len);
}

static void put_field(mo_buf *b, const char *name, const char *value)
{
	mo_blob_put(b, mo_str(name));
	mo_blob_put(b, mo_str(value));
}

/* ---- the request ---- */

static mo_step_state good(void)
{
	return (mo_step_state){ .id = UINT64_MAX,
				.res_length = -1,
				.age = 5,
				.wait = MOLT_FOREVER,
				.write = 0,
				.status = 200,
				.head = MO_STR(HEAD),
				.fields = MO_STR(""),
				.out = MO_STR("half\0an answer"),
				.user = MO_STR("mine") };
}

static mo_step_state begun(enum mo_h1_framing framing)
{
	mo_step_state s = good();

	s.head_sent = true;
	s.framing = (int)framing;
	s.close = framing == MO_H1_UNTIL_CLOSE;
	return s;
}

static bool passes(const mo_step_state *s)
{
	mo_step_state out;

	bytes.len = 0;
	mo_step_state_write(s, &bytes);
	return mo_step_state_read(written(), &out);
}

static void assert_str(molt_str a, molt_str b)
{
	assert_true(mo_str_eq(a, b));
}

static void what_is_written_is_read(void **state)
{
	mo_buf fields = { 0 };
	mo_step_state in = begun(MO_H1_CHUNKED), out;

	put_field(&fields, "X-A", "b");
	put_field(&fields, "x-a", "");
	in.fields = mo_strn(fields.data, fields.len);
	in.listens = true;
	in.bytes_sent = 77;
	assert_true(passes(&in));
	assert_true(mo_step_state_read(written(), &out));
	assert_true(out.id == in.id && out.bytes_sent == 77 && out.res_length == -1);
	assert_true(out.age == 5 && out.wait == MOLT_FOREVER && out.write == 0);
	assert_true(out.status == 200 && out.framing == MO_H1_CHUNKED && out.head_sent);
	assert_true(!out.close && out.listens);
	assert_str(out.head, in.head);
	assert_str(out.fields, in.fields);
	assert_str(out.out, in.out);
	assert_str(out.user, in.user);
	mo_buf_free(&fields);
}

static void bytes_that_are_cut_or_too_many_are_refused(void **state)
{
	mo_step_state s = good(), out;
	size_t n;

	assert_true(passes(&s));
	n = bytes.len;
	for (size_t i = 0; i < n; i++) {
		char *cut = malloc(i + 1); /* a sanitizer sees the end */

		memcpy(cut, bytes.data, i);
		assert_false(mo_step_state_read(mo_strn(cut, i), &out));
		free(cut);
	}
	mo_buf_putc(&bytes, '\0');
	assert_false(mo_step_state_read(written(), &out));
}

#define REFUSED(from, change)                                                                      \
	do {                                                                                       \
		mo_step_state s = from;                                                            \
		assert_true(passes(&s));                                                           \
		change;                                                                            \
		assert_false(passes(&s));                                                          \
	} while (0)

static void numbers_out_of_their_range_are_refused(void **state)
{
	REFUSED(good(), s.status = 199);
	REFUSED(good(), s.status = 600);
	REFUSED(good(), s.age = -1);
	REFUSED(good(), s.age = MO_STEP_LONGEST + 1);
	REFUSED(good(), s.wait = -2);
	REFUSED(good(), s.wait = INT64_MAX);
	REFUSED(good(), s.write = -2);
	REFUSED(good(), s.write = INT64_MIN);
	REFUSED(good(), s.res_length = -2);
	REFUSED(begun(MO_H1_LENGTH), s.left = UINT64_MAX);
}

static void a_framing_that_does_not_fit_is_refused(void **state)
{
	REFUSED(good(), s.framing = MO_H1_CHUNKED);
	REFUSED(good(), s.left = 1);
	REFUSED(good(), s.bytes_sent = 1);
	REFUSED(begun(MO_H1_CHUNKED), s.framing = 4);
	REFUSED(begun(MO_H1_CHUNKED), s.framing = -1);
	REFUSED(begun(MO_H1_CHUNKED), s.framing = MO_H1_NO_BODY);
	REFUSED(begun(MO_H1_CHUNKED), s.status = 204);
	REFUSED(begun(MO_H1_UNTIL_CLOSE), s.close = false);
	REFUSED(begun(MO_H1_CHUNKED), s.head = MO_STR("GET / HTTP/1.0\r\n\r\n"));
}

static void a_head_that_is_none_is_refused(void **state)
{
	REFUSED(good(), s.head = MO_STR(""));
	REFUSED(good(), s.head = MO_STR(HEAD "GET"));
	REFUSED(good(), s.head = MO_STR("GET / HTTP/1.1\r\nHost: x\r\n"));
	REFUSED(good(), s.head = MO_STR("GET / HTTP/1.1\nHost: x\n\n"));
	REFUSED(good(), s.head = MO_STR("GET / HTTP/1.1\r\nHost: x\r\nA : b\r\n\r\n"));
	REFUSED(good(), s.head = MO_STR("GET / HTTP/2.0\r\nHost: x\r\n\r\n"));
}

static void a_field_that_would_split_the_answer_is_refused(void **state)
{
	static const char *const bad[][2] = { { "A\r\nB", "c" },    { "", "c" },
					      { "A:", "c" },        { "A ", "c" },
					      { "A", "b\r\nC: d" }, { "A", "\x7f" } };

	for (size_t i = 0; i < MO_COUNTOF(bad); i++) {
		mo_buf fields = { 0 };
		mo_step_state s = good();

		put_field(&fields, "Good", "field");
		s.fields = mo_strn(fields.data, fields.len);
		assert_true(passes(&s));
		put_field(&fields, bad[i][0], bad[i][1]);
		s.fields = mo_strn(fields.data, fields.len);
		assert_false(passes(&s));
		fields.len -= 1;
		s.fields = mo_strn(fields.data, fields.len);
		assert_false(passes(&s));
		mo_buf_free(&fields);
	}
}

static void an_unknown_version_is_refused(void **state)
{
	mo_step_state s = good(), out;

	assert_true(passes(&s));
	bytes.data[4]++;
	assert_false(mo_step_state_read(written(), &out));
}

/* ---- the upper layer's part ---- */

static mo_step_parts good_parts(void)
{
	return (mo_step_parts){ .name = MO_STR("a.step"),
				.state = MO_STR("state"),
				.body = MO_STR("body"),
				.has_body = true,
				.params = MO_STR("") };
}

static bool parts_pass(const mo_step_parts *p, mo_step_parts *out)
{
	mo_buf fixed = { 0 };

	bytes.len = 0;
	mo_step_parts_write_fixed(p, &fixed);
	mo_blob_put(&bytes, mo_strn(fixed.data, fixed.len));
	mo_blob_put(&bytes, p->topics);
	mo_buf_free(&fixed);
	return mo_step_parts_read(written(), out);
}

static void parts_that_are_written_are_read(void **state)
{
	mo_buf params = { 0 }, topics = { 0 };
	mo_step_parts in = good_parts(), out;

	put_field(&params, "x", "a/b");
	mo_blob_put(&topics, MO_STR("topic"));
	in.params = mo_strn(params.data, params.len);
	in.topics = mo_strn(topics.data, topics.len);
	in.error_page = true;
	assert_true(parts_pass(&in, &out));
	assert_str(out.name, in.name);
	assert_str(out.state, in.state);
	assert_str(out.body, in.body);
	assert_str(out.params, in.params);
	assert_str(out.topics, in.topics);
	assert_true(out.has_body && out.error_page);
	for (size_t i = 0; i < bytes.len; i++)
		assert_false(mo_step_parts_read(mo_strn(bytes.data, i), &out));
	mo_buf_free(&params);
	mo_buf_free(&topics);
}

#define PARTS_REFUSED(change)                                                                      \
	do {                                                                                       \
		mo_step_parts p = good_parts(), out_;                                              \
		assert_true(parts_pass(&p, &out_));                                                \
		change;                                                                            \
		assert_false(parts_pass(&p, &out_));                                               \
	} while (0)

static molt_str list_of(mo_buf *b, int n, const char *one)
{
	b->len = 0;
	for (int i = 0; i < n; i++)
		mo_blob_put(b, mo_str(one));
	return mo_strn(b->data, b->len);
}

static void parts_over_their_limits_are_refused(void **state)
{
	static char huge[MOLT_STATE_MAX + 1];
	mo_buf b = { 0 };

	memset(huge, 'x', sizeof(huge));
	PARTS_REFUSED(p.name = MO_STR(""));
	PARTS_REFUSED(p.name = mo_strn(huge, MO_STEP_NAME + 1));
	PARTS_REFUSED(p.state = mo_strn(huge, MOLT_STATE_MAX + 1));
	PARTS_REFUSED(p.has_body = false);
	PARTS_REFUSED(p.params = list_of(&b, 1, "odd"));
	PARTS_REFUSED(p.params = list_of(&b, 2 * MO_MAX_PARAMS + 2, "x"));
	PARTS_REFUSED(p.topics = list_of(&b, 1, ""));
	PARTS_REFUSED(p.topics = list_of(&b, MO_TOPICS_EACH + 1, "x"));
	PARTS_REFUSED(p.topics = mo_strn("\5\0\0\0abc", 7));
	mo_buf_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(what_is_written_is_read, teardown),
		cmocka_unit_test_teardown(bytes_that_are_cut_or_too_many_are_refused, teardown),
		cmocka_unit_test_teardown(numbers_out_of_their_range_are_refused, teardown),
		cmocka_unit_test_teardown(a_framing_that_does_not_fit_is_refused, teardown),
		cmocka_unit_test_teardown(a_head_that_is_none_is_refused, teardown),
		cmocka_unit_test_teardown(a_field_that_would_split_the_answer_is_refused, teardown),
		cmocka_unit_test_teardown(an_unknown_version_is_refused, teardown),
		cmocka_unit_test_teardown(parts_that_are_written_are_read, teardown),
		cmocka_unit_test_teardown(parts_over_their_limits_are_refused, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
