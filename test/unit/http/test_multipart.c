/* Promises of http/syntax/multipart.c.  Linked with --wrap=mo_malloc. */
#include "unit.h"

#include <errno.h>
#include <time.h>

#include "base/mem.h"
#include "base/str.h"
#include "http/syntax/url.h"

#define TYPE "multipart/form-data; boundary=XX"
#define FIELD(name) "Content-Disposition: form-data; name=\"" name "\"\r\n"

static mo_arena arena;
static mo_part *parts;
static char *blocks[2];

/* Bytes that were asked for; all that an arena has comes from here. */
static size_t asked;

void *__real_mo_malloc(size_t n);
void *__wrap_mo_malloc(size_t n);
void *__wrap_mo_malloc(size_t n)
{
	asked += n;
	return __real_mo_malloc(n);
}

static int set_up(void **state)
{
	mo_arena_init(&arena, NULL);
	parts = NULL;
	return 0;
}

static int tear_down(void **state)
{
	mo_arena_fini(&arena);
	for (int i = 0; i < 2; i++) {
		free(blocks[i]);
		blocks[i] = NULL;
	}
	return 0;
}

/* Parses from heap blocks of the exact sizes; they stay until the next call. */
static int parse_n(const char *type, const char *body, size_t n)
{
	size_t type_len = strlen(type);

	tear_down(NULL);
	set_up(NULL);
	blocks[0] = mo_malloc(type_len);
	memcpy(blocks[0], type, type_len);
	blocks[1] = mo_malloc(n);
	memcpy(blocks[1], body, n);
	asked = 0;
	return mo_multipart_parse(&arena, mo_strn(blocks[0], type_len), blocks[1], n, &parts);
}

static int parse(const char *type, const char *body)
{
	return parse_n(type, body, strlen(body));
}

static void is(molt_str s, const char *wanted)
{
	assert_int_equal(s.len, strlen(wanted));
	assert_memory_equal(s.ptr, wanted, s.len);
}

static void fields_and_files_are_found_in_order(void **state)
{
	assert_int_equal(
		parse(TYPE,
		      "preamble\r\n--XX\r\n" FIELD(
			      "a") "\r\none\r\n"
				   "--XX  \r\n"
				   "content-disposition:form-data;name=f; filename=\"p.txt\"\r\n"
				   "Content-Type: text/plain\r\nX-Other: 1\r\n\r\n"
				   "line\r\n\r\n--X\r\n\r\n--XX--\r\nepilogue"),
		0);
	is(parts->name, "a");
	is(parts->data, "one");
	assert_false(parts->is_file);
	assert_string_equal(parts->data.ptr, "one");
	parts = parts->next;
	is(parts->name, "f");
	is(parts->filename, "p.txt");
	is(parts->type, "text/plain");
	is(parts->data, "line\r\n\r\n--X\r\n");
	assert_true(parts->is_file);
	assert_null(parts->next);
}

static void strings_end_with_a_nul(void **state)
{
	assert_int_equal(parse(TYPE, "--XX\r\nContent-Disposition: form-data; name=n; "
				     "filename=f\r\nContent-Type: t/t\r\n\r\nd\r\n--XX--"),
			 0);
	assert_string_equal(parts->name.ptr, "n");
	assert_string_equal(parts->filename.ptr, "f");
	assert_string_equal(parts->type.ptr, "t/t");
}

static void a_form_may_be_empty_and_so_may_a_part(void **state)
{
	assert_int_equal(parse(TYPE, "--XX--\r\n"), 0);
	assert_null(parts);
	assert_int_equal(parse(TYPE, "--XX--"), 0);
	assert_int_equal(parse(TYPE, "--XX\r\n" FIELD("a") "\r\n\r\n--XX--"), 0);
	is(parts->data, "");
	is(parts->type, "");
	is(parts->filename, "");
}

static void a_boundary_has_1_to_70_bytes(void **state)
{
	char type[256], body[512], boundary[128];

	for (size_t n = 0; n <= 72; n++) {
		memset(boundary, 'b', n);
		boundary[n] = '\0';
		snprintf(type, sizeof(type), "multipart/form-data; boundary=%s", boundary);
		snprintf(body, sizeof(body), "--%s\r\n" FIELD("a") "\r\nv\r\n--%s--\r\n", boundary,
			 boundary);
		assert_int_equal(parse(type, body), n >= 1 && n <= 70 ? 0 : -EINVAL);
		snprintf(type, sizeof(type), "multipart/form-data; boundary=\"%s\"", boundary);
		assert_int_equal(parse(type, body), n >= 1 && n <= 70 ? 0 : -EINVAL);
	}
}

static void bad_content_types_are_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"multipart/form-data",
		"multipart/form-data;",
		"multipart/form-data; boundary",
		"multipart/form-data; boundary=",
		"multipart/form-data; boundary=\"\"",
		"multipart/form-data; boundary=\"XX",
		"multipart/form-data; boundary=\"XX \"",
		"multipart/form-data; boundary=XX; boundary=YY",
		"multipart/form-data; boundary=\"XX\"YY",
		"multipart/form-data; boundary=X\x01X",
		"multipart/form-data; xboundary=XX",
		"multipart/form-dataa; boundary=XX",
		"multipart/mixed; boundary=XX",
		"application/x-www-form-urlencoded; boundary=XX",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(parse(bad[i], "--XX--\r\n"), -EINVAL);
	assert_int_equal(parse("Multipart/Form-Data ;charset=utf-8; BOUNDARY=\"XX\"", "--XX--"), 0);
}

static void broken_framing_is_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"--",
		"--XX",
		"--XX\r",
		"--XX\r\n",
		"--XX-",
		"XX--",
		"-XX--",
		"--YY--",
		" --XX--",
		"\n--XX--",
		"--XX\n" FIELD("a") "\r\nv\r\n--XX--",
		"--XX\r\n\r\nno head\r\n--XX--",
		"--XX\r\n" FIELD("a") "\r\nno end",
		"--XX\r\n" FIELD("a") "\r\nno end\r\n--XX",
		"--XX\r\n" FIELD("a") "\r\nno end\r\n--XX\r\n",
		"--XX\r\n" FIELD("a") "\r\nlf\n--XX--",
		"--XX\r\n" FIELD("a") "no empty line\r\n--XX--",
		"--XX\r\n--XX--",
		"--XX\r\nContent-Type: text/plain\r\n\r\nno name\r\n--XX--",
		"--XX\r\nContent-Disposition: form-data\r\n\r\nv\r\n--XX--",
		"--XX\r\nContent-Disposition: attachment; name=a\r\n\r\nv\r\n--XX--",
		"--XX\r\nContent-Disposition: form-data; name=\"a\r\n\r\nv\r\n--XX--",
		"--XX\r\nContent-Disposition: form-data; name=a; name=b\r\n\r\nv\r\n--XX--",
		"--XX\r\n" FIELD("a") FIELD("b") "\r\nv\r\n--XX--",
		"--XX\r\n" FIELD("a") " folded\r\n\r\nv\r\n--XX--",
		"--XX\r\nContent-Disposition : form-data; name=a\r\n\r\nv\r\n--XX--",
		"--XX\r\n: x\r\n" FIELD("a") "\r\nv\r\n--XX--",
		"--XX\r\nno colon\r\n" FIELD("a") "\r\nv\r\n--XX--",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (parse(TYPE, bad[i]) != -EINVAL)
			fail_msg("accepted: \"%s\"", bad[i]);
}

static void nuls_are_data_in_data_and_refused_elsewhere(void **state)
{
	static const char good[] = "--XX\r\n" FIELD("a") "\r\n\0x\0\r\n--XX--";
	static const char in_name[] = "--XX\r\n" FIELD("a\0b") "\r\nv\r\n--XX--";
	static const char in_file[] = "--XX\r\nContent-Disposition: form-data; name=a; "
				      "filename=\"a\0.txt\"\r\n\r\nv\r\n--XX--";
	static const char in_head[] = "--XX\r\nX: \0\r\n" FIELD("a") "\r\nv\r\n--XX--";
	static const char nothing_else[64] = "";

	assert_int_equal(parse_n(TYPE, good, sizeof(good) - 1), 0);
	assert_int_equal(parts->data.len, 3);
	assert_memory_equal(parts->data.ptr, "\0x\0", 4);
	assert_int_equal(parse_n(TYPE, in_name, sizeof(in_name) - 1), -EINVAL);
	assert_int_equal(parse_n(TYPE, in_file, sizeof(in_file) - 1), -EINVAL);
	assert_int_equal(parse_n(TYPE, in_head, sizeof(in_head) - 1), -EINVAL);
	assert_int_equal(parse_n(TYPE, nothing_else, sizeof(nothing_else)), -EINVAL);
	assert_int_equal(parse(TYPE, "--XX\r\n" FIELD("a\tb") "\r\nv\r\n--XX--"), -EINVAL);
	assert_int_equal(parse(TYPE, "--XX\r\n" FIELD("a\rb") "\r\nv\r\n--XX--"), -EINVAL);
}

static void a_file_name_is_its_last_component_only(void **state)
{
	static const char *const names[][2] = {
		{ "a.txt", "a.txt" },
		{ "../../etc/passwd", "passwd" },
		{ "/etc/passwd", "passwd" },
		{ "C:\\dir\\file.txt", "file.txt" },
		{ "C:\\\\dir\\\\file.txt", "file.txt" },
		{ "..\\..\\boot.ini", "boot.ini" },
		{ "..", "" },
		{ ".", "" },
		{ "a/..", "" },
		{ "a/", "" },
		{ "", "" },
		{ "say \\\"hi\\\".txt", "say \"hi\".txt" },
		{ "a;b=c.txt", "a;b=c.txt" },
		{ "\xC3\xA9.txt", "\xC3\xA9.txt" },
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char body[256];

		snprintf(body, sizeof(body),
			 "--XX\r\nContent-Disposition: form-data; name=f; filename=\"%s\"\r\n\r\n"
			 "v\r\n--XX--",
			 names[i][0]);
		assert_int_equal(parse(TYPE, body), 0);
		is(parts->filename, names[i][1]);
		assert_true(parts->is_file);
	}
}

static void a_longer_word_is_no_boundary(void **state)
{
	assert_int_equal(
		parse(TYPE, "--XX\r\n" FIELD("a") "\r\n1\r\n--XXY\r\n2\r\n--XX-\r\n--XX--"), 0);
	is(parts->data, "1\r\n--XXY\r\n2\r\n--XX-");
	assert_int_equal(parse(TYPE, "--XXY\r\n--XX\r\n" FIELD("a") "\r\n1\r\n--XX--"), 0);
	is(parts->data, "1");
}

static void more_than_256_parts_are_too_many(void **state)
{
	mo_buf b = { 0 };

	for (int i = 1; i <= 257; i++) {
		mo_buf_puts(&b, "--XX\r\n" FIELD("a") "\r\nv\r\n");
		if (i < 256)
			continue;
		mo_buf_puts(&b, "--XX--");
		assert_int_equal(parse_n(TYPE, b.data, b.len), i == 256 ? 0 : -E2BIG);
		b.len -= 6;
	}
	mo_buf_free(&b);
}

/* ---- memory ---- */

/* What a form may take besides its body: the delimiter, a chunk, and what each part has. */
#define FORM_MEMORY (2 * MO_ARENA_CHUNK)

static size_t heads;

/* count parts of the given head, with data of n bytes each. */
static size_t memory_of(unsigned count, const char *head, size_t n)
{
	mo_buf b = { 0 };

	for (unsigned i = 0; i < count; i++) {
		mo_buf_fmt(&b, "--XX\r\n%s\r\n", head);
		mo_buf_reserve(&b, n + 16);
		memset(b.data + b.len, 'v', n);
		b.len += n;
		mo_buf_puts(&b, "\r\n");
	}
	mo_buf_puts(&b, "--XX--");
	heads = count * strlen(head);
	assert_int_equal(parse_n(TYPE, b.data, b.len), 0);
	mo_buf_free(&b);
	return asked;
}

static void a_forms_data_is_not_copied(void **state)
{
	static const char file[] = "Content-Disposition: form-data; name=f; filename=n\r\n";

	assert_true(memory_of(1, FIELD("a"), 8 << 20) <= FORM_MEMORY);
	assert_true(memory_of(1, file, 8 << 20) <= FORM_MEMORY);
	for (unsigned n = 0; n <= 32768; n += 4096)
		assert_true(memory_of(MO_MAX_PARTS, n & 4096 ? file : FIELD("a"), n) <=
			    FORM_MEMORY + MO_MAX_PARTS * MO_PART_MEMORY + 2 * heads);
}

/* Each head as long as it may be, and full of what is read before it is known for useless. */
static void a_part_takes_no_more_than_twice_its_head(void **state)
{
	char head[8192], *at = head;

	at = stpcpy(at, "Content-Disposition: form-data; name=\"");
	for (int i = 0; i < 3000; i++)
		*at++ = 'n';
	at = stpcpy(at, "\"");
	for (int i = 0; i < 14; i++)
		at = stpcpy(at, "; p=\"\"");
	at = stpcpy(at, "; filename=\"");
	for (int i = 0; i < 4000; i++)
		*at++ = 'f';
	at = stpcpy(at, "\"\r\n");
	while (at < head + 8000)
		at = stpcpy(at, "Content-Type:\r\n");
	*at = '\0';
	assert_true(memory_of(1, head, 2) <= FORM_MEMORY + MO_PART_MEMORY + 2 * heads);
	assert_true(memory_of(MO_MAX_PARTS, head, 2) <=
		    FORM_MEMORY + MO_MAX_PARTS * MO_PART_MEMORY + 2 * heads);
}

/* The NULs behind the parts are all that changes. */
static void a_body_can_be_made_what_it_was(void **state)
{
	static const char body[] =
		"--XX\r\n" FIELD("a") "\r\none\r\n--XX\r\n" FIELD("b") "\r\n\r\n--XX--";
	char copy[sizeof(body)];

	assert_int_equal(parse(TYPE, body), 0);
	assert_string_equal(parts->data.ptr, "one");
	assert_string_equal(parts->next->data.ptr, "");
	memcpy(copy, blocks[1], sizeof(body) - 1);
	assert_memory_not_equal(copy, body, sizeof(body) - 1);
	mo_multipart_end(parts, blocks[1], copy, '\r');
	assert_memory_equal(copy, body, sizeof(body) - 1);
	assert_string_equal(parts->data.ptr, "one");
	assert_int_equal(parse_n(TYPE, body, sizeof(body) - 3), -EINVAL);
	assert_memory_equal(blocks[1], body, sizeof(body) - 3);
}

/* CPU seconds for unit repeated to 4 MB between start and end. */
static double time_body(const char *start, const char *unit, const char *end, int expected)
{
	struct timespec t0, t1;
	mo_buf b = { 0 };

	mo_buf_puts(&b, start);
	while (b.len < 4000000)
		mo_buf_puts(&b, unit);
	mo_buf_puts(&b, end);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t0);
	assert_int_equal(mo_multipart_parse(&arena, MO_STR(TYPE), b.data, b.len, &parts), expected);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t1);
	mo_buf_free(&b);
	return (double)(t1.tv_sec - t0.tv_sec) + (double)(t1.tv_nsec - t0.tv_nsec) / 1e9;
}

static void hostile_bodies_cost_linear_time(void **state)
{
	static const char head[] = "--XX\r\n" FIELD("a") "\r\n";

	assert_true(time_body(head, "\r\n--X", "\r\n--XX--", 0) < 1.0);
	assert_true(time_body(head, "\r\n--XXx", "\r\n--XX--", 0) < 1.0);
	assert_true(time_body(head, "\r\n--XX      x", "\r\n--XX--", 0) < 1.0);
	assert_true(time_body(head, "\r\n--XX-", "\r\n--XX--", 0) < 1.0);
	assert_true(time_body("--XX\r\n", "a:b\r\n", "", -EINVAL) < 1.0);
	assert_true(time_body("--XX\r\n", "a:b\r\n", "\r\nv\r\n--XX--", -EINVAL) < 1.0);
	assert_true(time_body("", "--XX\r\n", "", -EINVAL) < 1.0);
	assert_true(time_body("", "\r\n", "", -EINVAL) < 1.0);
}

/* Cut anywhere and with any byte changed, a form is read or refused, cleanly. */
static void every_cut_and_every_changed_byte_is_survived(void **state)
{
	static const char whole[] =
		"--XX\r\n" FIELD("a") "\r\none\r\n--XX\r\n"
				      "Content-Disposition: form-data; name=f; "
				      "filename=\"a\\\"b\"\r\nContent-Type: t/t\r\n\r\nx\r\n--XX--";
	static const char bytes[] = "\0\r\n-\";=\\X :";
	char copy[sizeof(whole)];

	for (size_t n = 0; n < sizeof(whole) - 1; n++)
		assert_int_equal(parse_n(TYPE, whole, n), -EINVAL);
	for (size_t i = 0; i < sizeof(whole) - 1; i++) {
		for (size_t k = 0; k < sizeof(bytes) - 1; k++) {
			int rc;

			memcpy(copy, whole, sizeof(whole));
			copy[i] = bytes[k];
			rc = parse_n(TYPE, copy, sizeof(whole) - 1);
			assert_true(rc == 0 || rc == -EINVAL);
		}
	}
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(fields_and_files_are_found_in_order),
		T(strings_end_with_a_nul),
		T(a_form_may_be_empty_and_so_may_a_part),
		T(a_boundary_has_1_to_70_bytes),
		T(bad_content_types_are_refused),
		T(broken_framing_is_refused),
		T(nuls_are_data_in_data_and_refused_elsewhere),
		T(a_file_name_is_its_last_component_only),
		T(a_longer_word_is_no_boundary),
		T(more_than_256_parts_are_too_many),
		T(a_forms_data_is_not_copied),
		T(a_part_takes_no_more_than_twice_its_head),
		T(a_body_can_be_made_what_it_was),
		T(hostile_bodies_cost_linear_time),
		T(every_cut_and_every_changed_byte_is_survived),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
