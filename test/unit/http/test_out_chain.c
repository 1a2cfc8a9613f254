/* Promises of http/conn/out_chain.h, with stages of the test's own: one that changes bytes and
 * length, one that keeps them back, one that only looks, one that fails. */
#include "http_app.h"

#include "base/check.h"
#include "http/conn/out_chain.h"

static _Atomic int added, released, seen, result;
static _Atomic bool go_on;

/* ---- the stages ---- */

typedef struct stage {
	mo_out_stage s;
	mo_buf kept;
	int64_t length; /* as takes_part() was told */
} stage;

static void stage_release(mo_out_stage *s)
{
	mo_buf_free(&((stage *)s)->kept);
	atomic_fetch_add(&released, 1);
}

static bool joins(mo_out_stage *s, molt_req *r, int64_t length)
{
	((stage *)s)->length = length;
	add_field(r, "X-Stage", s->ops->name);
	return true;
}

static bool stays_out(mo_out_stage *s, molt_req *r, int64_t length)
{
	return false;
}

static int twice(mo_out_stage *s, molt_req *r, const void *p, size_t n, enum mo_flow flow)
{
	mo_buf *out = &((stage *)s)->kept;

	out->len = 0;
	for (size_t i = 0; i < n; i++) {
		mo_buf_putc(out, ((const char *)p)[i]);
		mo_buf_putc(out, ((const char *)p)[i]);
	}
	return mo_out_pass(s, r, out->data, out->len, flow);
}

/* In several pieces. */
static int in_brackets(mo_out_stage *s, molt_req *r, const void *p, size_t n, enum mo_flow flow)
{
	mo_buf *kept = &((stage *)s)->kept;
	int rc;

	mo_buf_add(kept, p, n);
	if (flow == MO_FLOW_MORE)
		return 0;
	rc = mo_out_pass(s, r, "[", 1, MO_FLOW_MORE);
	if (rc == 0)
		rc = mo_out_pass(s, r, kept->data, kept->len, MO_FLOW_MORE);
	if (rc == 0)
		rc = mo_out_pass(s, r, "]", 1, flow);
	kept->len = 0;
	return rc;
}

static int looks(mo_out_stage *s, molt_req *r, const void *p, size_t n, enum mo_flow flow)
{
	atomic_fetch_add(&seen, (int)n);
	return mo_out_pass(s, r, p, n, flow);
}

static int fails_at_x(mo_out_stage *s, molt_req *r, const void *p, size_t n, enum mo_flow flow)
{
	return n && memchr(p, 'x', n) ? -EIO : mo_out_pass(s, r, p, n, flow);
}

static int keeps_the_end(mo_out_stage *s, molt_req *r, const void *p, size_t n, enum mo_flow flow)
{
	return mo_out_pass(s, r, p, n, flow == MO_FLOW_END ? MO_FLOW_FLUSH : flow);
}

static const mo_out_stage_ops twice_ops = { "twice", true, joins, twice, stage_release };
static const mo_out_stage_ops brackets_ops = { "brackets", true, joins, in_brackets,
					       stage_release };
static const mo_out_stage_ops looks_ops = { "looks", false, joins, looks, stage_release };
static const mo_out_stage_ops outside_ops = { "outside", true, stays_out, NULL, stage_release };
static const mo_out_stage_ops fails_ops = { "fails", true, joins, fails_at_x, stage_release };
static const mo_out_stage_ops endless_ops = { "endless", true, joins, keeps_the_end,
					      stage_release };

static stage *add_stage(molt_req *r, const mo_out_stage_ops *ops)
{
	stage *s = mo_arena_zalloc(&r->arena, sizeof(*s));

	s->s.ops = ops;
	assert_int_equal(mo_out_add(r, &s->s), 0);
	atomic_fetch_add(&added, 1);
	return s;
}

/* ---- the application: stages by the query, an answer by the path ---- */

static void add_stages(molt_req *r)
{
	for (const char *c = r->query.ptr; *c; c++) {
		if (*c == '2')
			add_stage(r, &twice_ops);
		else if (*c == 'b')
			add_stage(r, &brackets_ops);
		else if (*c == 'l')
			add_stage(r, &looks_ops);
		else if (*c == 'o')
			add_stage(r, &outside_ops);
		else if (*c == 'f')
			add_stage(r, &fails_ops);
		else if (*c == 'e')
			add_stage(r, &endless_ops);
	}
}

static int flush(molt_req *r, const char *text)
{
	return mo_out_send(r, text, strlen(text), MO_FLOW_FLUSH);
}

static void send_file_of(molt_req *r, size_t n)
{
	FILE *f = tmpfile();

	for (size_t i = 0; i < n; i++)
		fputc('a' + (int)(i % 26), f);
	fflush(f);
	r->res_length = (int64_t)n;
	if (memchr(r->query.ptr, 's', r->query.len)) /* it shrinks meanwhile */
		assert_int_equal(ftruncate(fileno(f), (off_t)n - 1), 0);
	atomic_store(&result, mo_out_file(r, fileno(f), 0, n, MO_FLOW_END));
	fclose(f);
}

static void keep_back(molt_req *r)
{
	assert_int_equal(mo_out_send(r, "kept", 4, MO_FLOW_MORE), 0);
	while (!atomic_load(&go_on) && mo_co_sleep(2) == 0)
		continue;
	out_puts(r, " back");
}

static void flood(molt_req *r)
{
	static char piece[65536];
	int rc = 0;

	for (int i = 0; i < 1000 && rc == 0; i++)
		rc = mo_out_send(r, piece, sizeof(piece), MO_FLOW_MORE);
	atomic_store(&result, rc);
	atomic_fetch_add(&srv.failed_sends, 1);
}

static void chain_handle(molt_req *r)
{
	const char *path = r->raw_path.ptr;

	add_stages(r);
	if (strcmp(path, "/text") == 0) {
		add_field(r, "ETag", "\"tag\"");
		add_field(r, "Accept-Ranges", "bytes");
		out_puts(r, "text");
	} else if (strcmp(path, "/flush") == 0) {
		atomic_store(&result, flush(r, "one"));
		flush(r, "two");
		out_puts(r, "three");
	} else if (strcmp(path, "/file") == 0) {
		send_file_of(r, 100000);
	} else if (strcmp(path, "/kept") == 0) {
		keep_back(r);
	} else if (strcmp(path, "/short") == 0) {
		r->res_length = 10;
		out_puts(r, "12345");
	} else if (strcmp(path, "/shortflush") == 0) {
		r->res_length = 10;
		flush(r, "12345");
	} else if (strcmp(path, "/long") == 0) {
		r->res_length = 5;
		atomic_store(&result, mo_out_send(r, "1234567890", 10, MO_FLOW_END));
	} else if (strcmp(path, "/range") == 0) {
		r->status = 206;
		out_puts(r, "part");
	} else if (strcmp(path, "/none") == 0) {
		r->status = 204;
	} else if (strcmp(path, "/x") == 0) {
		out_puts(r, "x");
	} else if (strcmp(path, "/flushx") == 0) {
		flush(r, "before");
		atomic_store(&result, flush(r, "x"));
	} else if (strcmp(path, "/late") == 0) {
		stage s = { .s = { &twice_ops, NULL } };

		flush(r, "begun");
		atomic_store(&result, mo_out_add(r, &s.s));
	} else if (strcmp(path, "/overdue") == 0) {
		r->write_deadline = mo_deadline(5);
		mo_co_sleep(30);
		atomic_store(&result, flush(r, "too late"));
	} else if (strcmp(path, "/flood") == 0) {
		flood(r);
	}
}

static void use_chain(void *arg)
{
	srv.http.app.handle = chain_handle;
}

static int setup(void **state)
{
	plain_setup(state);
	on_loop(use_chain, NULL);
	atomic_store(&added, 0);
	atomic_store(&released, 0);
	atomic_store(&seen, 0);
	atomic_store(&result, 0);
	atomic_store(&go_on, false);
	return 0;
}

/* Whatever has become of an answer, its stages are released. */
static int teardown(void **state)
{
	plain_teardown(state);
	assert_int_equal(atomic_load(&added), atomic_load(&released));
	return 0;
}

/* The whole answer until the end; *body: in it, as it is framed. */
static char *ask(const char *method, const char *target, char **body)
{
	char line[256], *all;
	int fd = dial();

	snprintf(line, sizeof(line), "%s %s HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
		 method, target);
	say(fd, line);
	all = hear_all(fd, NULL);
	close(fd);
	*body = strstr(all, "\r\n\r\n");
	assert_non_null(*body);
	*body += 4;
	return all;
}

static void expect(const char *target, const char *body, const char *length)
{
	char *got, *all = ask("GET", target, &got);
	const char *v = field_of(all, "Content-Length");

	assert_string_equal(got, body);
	if (length)
		assert_string_equal(v, length);
	else
		assert_null(v);
	free(all);
}

/* ---- what a stage is for ---- */

static void a_stage_changes_the_bytes_and_their_number(void **state)
{
	expect("/text", "text", "4");
	expect("/text?2", "tteexxtt", "8");
	expect("/text?b", "1\r\n[\r\n4\r\ntext\r\n1\r\n]\r\n0\r\n\r\n", NULL);
}

static void the_fields_tell_of_changed_bytes(void **state)
{
	char *body, *all = ask("GET", "/text?2", &body);

	assert_string_equal(field_of(all, "ETag"), "W/\"tag\"");
	assert_null(field_of(all, "Accept-Ranges"));
	assert_string_equal(field_of(all, "X-Stage"), "twice");
	free(all);
	all = ask("GET", "/text?l", &body);
	assert_string_equal(field_of(all, "ETag"), "\"tag\"");
	assert_string_equal(field_of(all, "Accept-Ranges"), "bytes");
	free(all);
}

static void the_stage_that_was_added_last_is_next_to_the_program(void **state)
{
	expect("/flush?2b",
	       "2\r\n[[\r\n6\r\noonnee\r\n2\r\n]]\r\n2\r\n[[\r\n6\r\nttwwoo\r\n2\r\n]]\r\n"
	       "2\r\n[[\r\na\r\ntthhrreeee\r\n2\r\n]]\r\n0\r\n\r\n",
	       NULL);
}

static void a_stage_that_only_looks_leaves_the_length(void **state)
{
	expect("/text?l", "text", "4");
	assert_int_equal(atomic_load(&seen), 4);
	expect("/flush?l", "3\r\none\r\n3\r\ntwo\r\n5\r\nthree\r\n0\r\n\r\n", NULL);
	assert_int_equal(atomic_load(&seen), 4 + 11);
}

static void who_takes_no_part_is_given_nothing(void **state)
{
	expect("/text?o", "text", "4");
	expect("/text?o2", "tteexxtt", "8");
}

static void a_file_goes_through_the_stages(void **state)
{
	char *body, *all = ask("GET", "/file?l", &body);

	assert_int_equal(strlen(body), 100000);
	assert_string_equal(field_of(all, "Content-Length"), "100000");
	assert_int_equal(atomic_load(&seen), 100000);
	free(all);
	atomic_store(&seen, 0);
	all = ask("GET", "/file?l2", &body);
	assert_string_equal(field_of(all, "Transfer-Encoding"), "chunked");
	assert_int_equal(atomic_load(&seen), 200000);
	assert_non_null(strstr(body, "aabbcc"));
	free(all);
	all = ask("GET", "/file?o", &body);
	assert_int_equal(strlen(body), 100000);
	free(all);
}

/* The program has said "more follows" only. */
static void what_is_kept_back_holds_up_no_head(void **state)
{
	char *head, *rest;
	int fd = dial();

	say(fd, "GET /kept?b HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
	head = hear_head(fd);
	free(head);
	atomic_store(&go_on, true);
	rest = hear_all(fd, NULL);
	assert_string_equal(rest, "1\r\n[\r\n9\r\nkept back\r\n1\r\n]\r\n0\r\n\r\n");
	free(rest);
	close(fd);
}

static void head_has_the_head_of_get(void **state)
{
	static const char *const targets[] = { "/text?2", "/flush?2", "/file?l", "/file?2" };
	static const char *const fields[] = { "Content-Length", "Transfer-Encoding", "X-Stage" };

	for (size_t i = 0; i < MO_COUNTOF(targets); i++) {
		char *body, *get = ask("GET", targets[i], &body);
		char *head = ask("HEAD", targets[i], &body);

		assert_string_equal(body, "");
		for (size_t k = 0; k < MO_COUNTOF(fields); k++) {
			char *of_get = mo_strdup(field_of(get, fields[k]) ?: "none");

			assert_string_equal(field_of(head, fields[k]) ?: "none", of_get);
			free(of_get);
		}
		free(get);
		free(head);
	}
	assert_int_equal(atomic_load(&seen), 100000); /* of GET alone */
}

static void a_range_is_not_changed_and_no_body_has_no_stage(void **state)
{
	char *body, *all;

	expect("/range?2l", "part", "4");
	assert_int_equal(atomic_load(&seen), 4);
	all = ask("GET", "/none?l2", &body);
	assert_null(field_of(all, "X-Stage"));
	assert_string_equal(body, "");
	free(all);
}

/* ---- what the program has said of the length ---- */

static void a_body_that_is_too_short_is_cut(void **state)
{
	char *body, *all = ask("GET", "/short?2", &body);

	assert_string_equal(body, "a\r\n1122334455\r\n");
	free(all);
	all = ask("GET", "/shortflush?2", &body);
	assert_string_equal(body, "a\r\n1122334455\r\n");
	free(all);
}

static void of_a_body_that_is_too_long_the_rest_is_not_sent(void **state)
{
	expect("/long?2", "1122334455", "10");
	assert_int_equal(atomic_load(&result), -EMSGSIZE);
}

static void a_file_that_shrinks_is_cut(void **state)
{
	char *body, *all = ask("GET", "/file?s2", &body);

	assert_int_equal(atomic_load(&result), -EIO);
	assert_null(strstr(body, "0\r\n\r\n"));
	free(all);
}

/* ---- what goes wrong ---- */

static void a_stage_that_fails_before_anything_is_sent_gives_500(void **state)
{
	char *body, *all = ask("GET", "/x?f", &body);

	assert_memory_equal(all, "HTTP/1.1 500 ", 13);
	assert_string_equal(body, "500 Internal Server Error\n");
	assert_null(field_of(all, "X-Stage"));
	free(all);
}

static void a_stage_that_fails_later_cuts_the_answer(void **state)
{
	char *body, *all = ask("GET", "/flushx?f", &body);

	assert_string_equal(body, "6\r\nbefore\r\n");
	assert_int_equal(atomic_load(&result), -EIO);
	free(all);
}

static void a_stage_that_keeps_the_end_cuts_the_answer(void **state)
{
	char *body, *all = ask("GET", "/text?e", &body);

	assert_string_equal(body, "4\r\ntext\r\n");
	free(all);
}

static void an_answer_that_has_begun_takes_no_stage(void **state)
{
	expect("/late?2", "a\r\nbbeegguunn\r\n0\r\n\r\n", NULL);
	assert_int_equal(atomic_load(&result), -EALREADY);
	expect("/late", "5\r\nbegun\r\n0\r\n\r\n", NULL);
	assert_int_equal(atomic_load(&result), -EALREADY);
}

static void an_overdue_answer_is_503_without_the_stages(void **state)
{
	char *body, *all = ask("GET", "/overdue?2", &body);

	assert_int_equal(atomic_load(&result), -ETIMEDOUT);
	assert_memory_equal(all, "HTTP/1.1 503 ", 13);
	assert_string_equal(body, "503 Service Unavailable\n");
	free(all);
}

static void a_client_that_takes_nothing_holds_up_the_program(void **state)
{
	char *head;
	int fd = dial_with(4096), before;

	say(fd, "GET /flood?l HTTP/1.1\r\nHost: a\r\n\r\n");
	head = hear_head(fd);
	free(head);
	do {
		before = atomic_load(&seen);
		usleep(100000);
	} while (atomic_load(&seen) != before);
	assert_true(before < 1000 * 65536);
	assert_int_equal(atomic_load(&srv.failed_sends), 0);
	close(fd);
	EVENTUALLY(atomic_load(&srv.failed_sends) == 1);
	assert_int_equal(atomic_load(&result), -EPIPE);
	EVENTUALLY(atomic_load(&released) == 1);
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_stage_changes_the_bytes_and_their_number),
		TEST(the_fields_tell_of_changed_bytes),
		TEST(the_stage_that_was_added_last_is_next_to_the_program),
		TEST(a_stage_that_only_looks_leaves_the_length),
		TEST(who_takes_no_part_is_given_nothing),
		TEST(a_file_goes_through_the_stages),
		TEST(what_is_kept_back_holds_up_no_head),
		TEST(head_has_the_head_of_get),
		TEST(a_range_is_not_changed_and_no_body_has_no_stage),
		TEST(a_body_that_is_too_short_is_cut),
		TEST(of_a_body_that_is_too_long_the_rest_is_not_sent),
		TEST(a_file_that_shrinks_is_cut),
		TEST(a_stage_that_fails_before_anything_is_sent_gives_500),
		TEST(a_stage_that_fails_later_cuts_the_answer),
		TEST(a_stage_that_keeps_the_end_cuts_the_answer),
		TEST(an_answer_that_has_begun_takes_no_stage),
		TEST(an_overdue_answer_is_503_without_the_stages),
		TEST(a_client_that_takes_nothing_holds_up_the_program),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
