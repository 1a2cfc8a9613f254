/* Promises of http/syntax/multipart_push.c: a form gives the same events wherever its bytes are cut,
 * each limit counts as the bytes come, and nothing of the data is kept. */
#include "unit.h"

#include <errno.h>

#include "base/check.h"
#include "base/mem.h"
#include "base/str.h"
#include "http/syntax/multipart.h"

#define TYPE "multipart/form-data; boundary=XX"
#define FIELD(name) "Content-Disposition: form-data; name=\"" name "\"\r\n"

static mo_arena arena;
static mo_multipart form;
/* What has happened, as text, with the pieces of data put together. */
static mo_buf events;
static bool in_data;
static size_t given;          /* bytes of data */
static const char *refuse_at; /* name of a part */

static int on_begin(void *arg, mo_part *part)
{
	mo_buf_fmt(&events, "begin %s,%s,%s,%d:", part->name.ptr, part->filename.ptr,
		   part->type.ptr, part->is_file);
	in_data = true;
	return refuse_at && strcmp(part->name.ptr, refuse_at) == 0 ? -EPERM : 0;
}

static int on_data(void *arg, molt_str bytes)
{
	assert_true(in_data);
	if (bytes.len)
		mo_buf_add(&events, bytes.ptr, bytes.len);
	given += bytes.len;
	return 0;
}

static int on_end(void *arg)
{
	assert_true(in_data);
	in_data = false;
	mo_buf_puts(&events, ":end\n");
	return 0;
}

static const mo_multipart_user user = { on_begin, on_data, on_end };

static void start(void)
{
	mo_arena_init(&arena, NULL);
	events.len = 0;
	in_data = false;
	given = 0;
	assert_int_equal(mo_multipart_init(&form, &arena, MO_STR(TYPE), &user, NULL), 0);
}

static void stop(void)
{
	mo_multipart_free(&form);
	mo_arena_fini(&arena);
}

/* From a heap block of the exact size, which is gone afterwards. */
static int push(const char *bytes, size_t n)
{
	char *copy = mo_malloc(n ? n : 1);
	int rc;

	memcpy(copy, bytes, n);
	rc = mo_multipart_push(&form, copy, n);
	free(copy);
	return rc;
}

static int push_text(const char *text)
{
	return push(text, strlen(text));
}

/* The events of a body that is cut at a and at b, with the result at their end. */
static char *events_of(const char *body, size_t n, size_t a, size_t b)
{
	int rc;

	start();
	(void)push(body, a);
	(void)push(body + a, b - a);
	(void)push(body + b, n - b);
	rc = mo_multipart_finish(&form);
	mo_buf_fmt(&events, "result %d", rc);
	stop();
	return mo_strdup(mo_buf_cstr(&events));
}

static char *events_by_bytes(const char *body, size_t n)
{
	start();
	for (size_t i = 0; i < n; i++)
		(void)push(body + i, 1);
	mo_buf_fmt(&events, "result %d", mo_multipart_finish(&form));
	stop();
	return mo_strdup(mo_buf_cstr(&events));
}

static const char *const bodies[] = {
	"preamble\r\n--XX\r\n" FIELD(
		"a") "\r\none\r\n--XX \t \r\n"
		     "Content-Disposition: form-data; name=f; "
		     "filename=\"d/p.txt\"\r\nContent-Type: t/t\r\n\r\n"
		     "l\r\n\r\r\n--X\r\n--XXY\r\n--XX \rz\r\n--XX-\r\n--XX--epilogue\r\n--XX\r\n",
	"--XX--",
	"\r\n--XX--",
	"x\r\n--XX--",
	"--XX\r\n" FIELD("a") "\r\n\r\n--XX--\r\n",
	"--XX\r\n" FIELD("a") "\r\n--XXlong\r\n--XX\r\n" FIELD("b") "\r\n\r\r\r\n--XX--",
	"--XXY\r\n--XX\r\n" FIELD("a") "\r\n1\r\n--XX--",
	/* Broken: no empty line, and what looks like one; no name; no end. */
	"--XX\r\n" FIELD("a") "\r\n--XX--",
	"--XX\r\n" FIELD("a") "no empty line\r\n--XX--",
	"--XX\r\nContent-Type: text/plain\r\n\r\nno name\r\n--XX--",
	"--XX\r\n" FIELD("a") "\r\nfine\r\n--XX\r\n" FIELD("a") FIELD("b") "\r\nv\r\n--XX--",
	"--XX\r\n" FIELD("a") "\r\nno end\r\n--XX",
	"--XX\r\n--XX--",
	"-",
	"",
};

static void every_cut_gives_the_same_events(void **state)
{
	for (size_t i = 0; i < MO_COUNTOF(bodies); i++) {
		size_t n = strlen(bodies[i]);
		char *whole = events_of(bodies[i], n, n, n), *cut;

		for (size_t a = 0; a <= n; a++) {
			for (size_t b = a; b <= n; b += n > 150 ? 7 : 1) {
				cut = events_of(bodies[i], n, a, b);
				assert_string_equal(cut, whole);
				free(cut);
			}
		}
		cut = events_by_bytes(bodies[i], n);
		assert_string_equal(cut, whole);
		free(cut);
		free(whole);
	}
}

static void the_events_are_those_of_the_form(void **state)
{
	char *got = events_by_bytes(bodies[0], strlen(bodies[0]));

	assert_string_equal(got,
			    "begin a,,,0:one:end\n"
			    "begin f,p.txt,t/t,1:l\r\n\r\r\n--X\r\n--XXY\r\n--XX \rz\r\n--XX-:end\n"
			    "result 0");
	free(got);
	got = events_by_bytes(bodies[5], strlen(bodies[5]));
	assert_string_equal(got, "begin a,,,0:--XXlong:end\nbegin b,,,0:\r\r:end\nresult 0");
	free(got);
}

/* What the whole-body parser finds is what the events say. */
static void the_whole_body_gives_the_same_parts(void **state)
{
	for (size_t i = 0; i < MO_COUNTOF(bodies); i++) {
		size_t n = strlen(bodies[i]);
		char *pushed = events_by_bytes(bodies[i], n), *copy = mo_strdup(bodies[i]);
		mo_part *parts = NULL;
		mo_buf text = { 0 };
		mo_arena a;
		int rc;

		mo_arena_init(&a, NULL);
		rc = mo_multipart_parse(&a, MO_STR(TYPE), copy, n, &parts);
		for (const mo_part *p = parts; p; p = p->next)
			mo_buf_fmt(&text, "begin %s,%s,%s,%d:%s:end\n", p->name.ptr,
				   p->filename.ptr, p->type.ptr, p->is_file, p->data.ptr);
		mo_buf_fmt(&text, "result %d", rc);
		if (rc == 0)
			assert_string_equal(mo_buf_cstr(&text), pushed);
		else
			assert_non_null(strstr(pushed, mo_buf_cstr(&text)));
		mo_buf_free(&text);
		mo_arena_fini(&a);
		free(copy);
		free(pushed);
	}
}

/* ---- limits ---- */

static void a_head_has_8_kib_with_its_empty_line(void **state)
{
	for (int over = 0; over <= 1; over++) {
		size_t at = 0, room = 8192 + (size_t)over;
		mo_buf head = { 0 };

		mo_buf_puts(&head, FIELD("a") "X: ");
		while (head.len < room - 4)
			mo_buf_putc(&head, 'x');
		mo_buf_puts(&head, "\r\n\r\n");
		start();
		assert_int_equal(push_text("--XX\r\n"), 0);
		while (at < head.len && push(head.data + at, 1) == 0)
			at++;
		/* What may begin a delimiter waits for one byte more. */
		assert_int_equal(at, head.len);
		assert_int_equal(push_text("v\r\n--XX--"), over ? -EINVAL : 1);
		stop();
		mo_buf_free(&head);
	}
}

static void a_head_without_end_is_refused_when_it_is_too_long(void **state)
{
	start();
	assert_int_equal(push_text("--XX\r\n"), 0);
	for (int i = 0; i < 8191; i++)
		assert_int_equal(push("x", 1), 0);
	assert_int_equal(push("x", 1), -EINVAL);
	assert_true(form.head.cap <= 16384);
	stop();
}

static void the_257th_part_is_refused_when_it_begins(void **state)
{
	start();
	for (int i = 0; i < MO_MAX_PARTS; i++)
		assert_int_equal(push_text("--XX\r\n" FIELD("a") "\r\nv\r\n"), 0);
	assert_int_equal(push_text("--XX\r"), 0);
	assert_int_equal(push_text("\n"), -E2BIG);
	assert_int_equal(mo_multipart_finish(&form), -E2BIG);
	stop();
	start();
	for (int i = 0; i < MO_MAX_PARTS; i++)
		assert_int_equal(push_text("--XX\r\n" FIELD("a") "\r\nv\r\n"), 0);
	assert_int_equal(push_text("--XX--"), 1);
	assert_int_equal(mo_multipart_finish(&form), 0);
	stop();
}

static void blanks_behind_a_boundary_are_256_at_most(void **state)
{
	for (int at = 0; at < 2; at++) { /* behind the first, and behind a part */
		for (unsigned n = 256; n <= 257; n++) {
			start();
			if (at)
				assert_int_equal(push_text("--XX\r\n" FIELD("a") "\r\nv\r\n"), 0);
			assert_int_equal(push_text("--XX"), 0);
			for (unsigned i = 0; i < n; i++)
				assert_int_equal(push(i % 2 ? "\t" : " ", 1),
						 i < 256 ? 0 : -EINVAL);
			assert_int_equal(push_text("\r\n"), n > 256 ? -EINVAL : 0);
			assert_int_equal(form.state == MO_MULTIPART_HEAD, n <= 256);
			stop();
		}
	}
}

static void data_is_given_as_it_comes(void **state)
{
	char piece[1000];

	memset(piece, 'v', sizeof(piece));
	start();
	assert_int_equal(push_text("--XX\r\n" FIELD("a") "\r\n"), 0);
	for (size_t i = 1; i <= 8000; i++) {
		assert_int_equal(push(piece, sizeof(piece)), 0);
		assert_true(given >= i * sizeof(piece) && form.nheld == 0);
		events.len = 0;
	}
	/* A delimiter may have begun. */
	given = 0;
	assert_int_equal(push_text("v\r\n--XX"), 0);
	assert_int_equal(given, 1);
	assert_int_equal(push_text("v"), 0);
	assert_int_equal(given, 8);
	assert_int_equal(form.head.len, 0);
	stop();
}

/* ---- errors ---- */

static void an_error_stays(void **state)
{
	start();
	assert_int_equal(push_text("--XX\r\nbad\r\n\r\nv"), -EINVAL);
	assert_int_equal(push_text("\r\n--XX\r\n" FIELD("a") "\r\nv\r\n--XX--"), -EINVAL);
	assert_int_equal(mo_multipart_finish(&form), -EINVAL);
	assert_int_equal(events.len, 0);
	stop();
}

static void what_the_user_refuses_ends_it(void **state)
{
	refuse_at = "b";
	start();
	assert_int_equal(push_text("--XX\r\n" FIELD("a") "\r\nv\r\n--XX\r\n" FIELD("b") "\r\nw"),
			 -EPERM);
	assert_int_equal(push_text("more\r\n--XX--"), -EPERM);
	assert_string_equal(mo_buf_cstr(&events), "begin a,,,0:v:end\nbegin b,,,0:");
	stop();
	refuse_at = NULL;
}

static void an_epilogue_is_ignored(void **state)
{
	start();
	assert_int_equal(push_text("--XX--"), 1);
	assert_int_equal(push_text("\r\n--XX\r\nbad"), 1);
	assert_int_equal(mo_multipart_finish(&form), 0);
	stop();
}

static void a_type_that_is_no_forms_is_refused_at_once(void **state)
{
	mo_arena_init(&arena, NULL);
	assert_int_equal(mo_multipart_init(&form, &arena, MO_STR("text/plain"), &user, NULL),
			 -EINVAL);
	assert_int_equal(
		mo_multipart_init(&form, &arena, MO_STR("multipart/form-data"), &user, NULL),
		-EINVAL);
	mo_arena_fini(&arena);
}

static int free_events(void **state)
{
	mo_buf_free(&events);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_cut_gives_the_same_events),
		cmocka_unit_test(the_events_are_those_of_the_form),
		cmocka_unit_test(the_whole_body_gives_the_same_parts),
		cmocka_unit_test(a_head_has_8_kib_with_its_empty_line),
		cmocka_unit_test(a_head_without_end_is_refused_when_it_is_too_long),
		cmocka_unit_test(the_257th_part_is_refused_when_it_begins),
		cmocka_unit_test(blanks_behind_a_boundary_are_256_at_most),
		cmocka_unit_test(data_is_given_as_it_comes),
		cmocka_unit_test(an_error_stays),
		cmocka_unit_test(what_the_user_refuses_ends_it),
		cmocka_unit_test(an_epilogue_is_ignored),
		cmocka_unit_test(a_type_that_is_no_forms_is_refused_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, free_events);
}
