/* What bodies and multipart forms take, in bytes; and that a body stays as it was sent
 * though its parts are read in place.  Linked with --wrap=mo_malloc,mo_realloc: all that a
 * request takes comes from these two, and nothing is given back before its end. */
#include "unit.h"

#include <malloc.h>

#include "base/mem.h"
#include "fake_req.h"
#include "http/syntax/url.h"

#define LARGE ((size_t)8 << 20)
/* Chunks of the request's arena, and where an allocator rounds up. */
#define REQUEST_MEMORY ((size_t)16 << 10)
#define FILE_HEAD "Content-Disposition: form-data; name=%s; filename=n\r\n\r\n"
#define FIELD_HEAD "Content-Disposition: form-data; name=%s\r\n\r\n"

static size_t taken;

void *__real_mo_malloc(size_t n);
void *__wrap_mo_malloc(size_t n);
void *__real_mo_realloc(void *p, size_t n);
void *__wrap_mo_realloc(void *p, size_t n);

void *__wrap_mo_malloc(size_t n)
{
	void *p = __real_mo_malloc(n);

	taken += malloc_usable_size(p);
	return p;
}

void *__wrap_mo_realloc(void *p, size_t n)
{
	taken -= p ? malloc_usable_size(p) : 0;
	p = __real_mo_realloc(p, n);
	taken += malloc_usable_size(p);
	return p;
}

typedef struct form {
	mo_buf body;
	unsigned parts;
	size_t heads;
	fake *f;
} form;

static form the;

static int setup(void **state)
{
	*state = fake_server();
	the = (form){ 0 };
	return 0;
}

static int teardown(void **state)
{
	if (the.f)
		fake_free(the.f);
	mo_buf_free(&the.body);
	fake_server_free(*state);
	return 0;
}

/* A part of n bytes; head has the place of its name. */
static void add(const char *name, const char *head, size_t n)
{
	size_t before = the.body.len;

	mo_buf_puts(&the.body, "--B\r\n");
	while (*head) {
		if (head[0] == '%') {
			mo_buf_puts(&the.body, name);
			head += 2;
		} else {
			mo_buf_putc(&the.body, *head++);
		}
	}
	the.heads += the.body.len - before;
	mo_buf_reserve(&the.body, n + 2);
	memset(the.body.data + the.body.len, 'v', n);
	the.body.len += n;
	mo_buf_puts(&the.body, "\r\n");
	the.parts++;
}

/* A request with these parts; what it takes counts from here. */
static molt_req *send_form(molt_server *s, bool length_known)
{
	mo_buf_puts(&the.body, "--B--\r\n");
	the.f = fake_new(s, "POST", "/");
	fake_set_body(the.f, "multipart/form-data; boundary=B", the.body.data, the.body.len);
	if (!length_known)
		the.f->r.body_length = -1;
	s->http.app.route(&the.f->r);
	the.f->r.body_max = 2 * LARGE;
	taken = 0;
	return &the.f->r;
}

static void is_bounded(unsigned bodies)
{
	size_t bound =
		bodies * the.body.len + the.parts * MO_PART_MEMORY + 2 * the.heads + REQUEST_MEMORY;

	if (taken > bound)
		fail_msg("%zu bytes for a body of %zu, %zu are allowed", taken, the.body.len,
			 bound);
}

static void is_all_v(molt_str s, size_t n)
{
	assert_int_equal(s.len, n);
	assert_int_equal(strspn(s.ptr, "v"), n);
}

static void a_file_takes_its_body_once_however_often_it_is_asked_for(void **state)
{
	molt_file file = MOLT_FILE();
	molt_req *r;

	add("f", FILE_HEAD, LARGE);
	r = send_form(*state, true);
	for (int i = 0; i < 10; i++) {
		assert_int_equal(molt_req_file(r, "f", &file), 0);
		assert_string_equal(file.name, "n");
		assert_string_equal(file.type, "");
	}
	is_all_v(file.data, LARGE);
	is_bounded(1);
}

static void fields_take_their_body_once(void **state)
{
	molt_req *r;

	add("a", FIELD_HEAD, LARGE / 2);
	add("b", FIELD_HEAD, LARGE / 2 + 1);
	r = send_form(*state, true);
	for (int i = 0; i < 10; i++) {
		is_all_v(mo_str(molt_req_form(r, "a")), LARGE / 2);
		is_all_v(molt_req_form_str(r, "b"), LARGE / 2 + 1);
	}
	is_bounded(1);
}

static void a_body_of_unknown_length_is_kept_in_its_own_size(void **state)
{
	molt_file file = MOLT_FILE();
	molt_req *r;

	add("f", FILE_HEAD, LARGE);
	r = send_form(*state, false);
	assert_int_equal(molt_req_file(r, "f", &file), 0);
	is_all_v(file.data, LARGE);
	is_bounded(1);
}

static void many_tiny_parts_take_the_bytes_that_are_promised_for_each(void **state)
{
	char name[16];
	molt_file file = MOLT_FILE();
	molt_req *r;

	for (unsigned i = 0; i < MO_MAX_PARTS; i++) {
		snprintf(name, sizeof(name), "n%u", i);
		add(name, i % 2 ? FILE_HEAD : FIELD_HEAD, 1);
	}
	r = send_form(*state, true);
	for (unsigned i = 0; i < 10 * MO_MAX_PARTS; i++) {
		snprintf(name, sizeof(name), "n%u", i % MO_MAX_PARTS);
		if (i % 2)
			assert_int_equal(molt_req_file(r, name, &file), 0);
		else
			assert_string_equal(molt_req_form(r, name), "v");
	}
	is_bounded(1);
}

static void a_body_that_came_with_a_request_takes_its_size(void **state)
{
	molt_req *r;
	molt_str body;

	add("f", FILE_HEAD, LARGE);
	r = send_form(*state, true);
	mo_req_put_body(r, mo_strn(the.body.data, the.body.len));
	assert_int_equal(molt_req_body(r, &body), 0);
	assert_int_equal(body.len, the.body.len);
	is_bounded(1);
}

/* ---- the body and its parts, both asked for ---- */

static void both_are_whole(molt_str body)
{
	molt_req *r = &the.f->r;
	molt_file file = MOLT_FILE();
	char piece[64];
	size_t at = 0;
	long got;

	assert_int_equal(body.len, the.body.len);
	assert_memory_equal(body.ptr, the.body.data, body.len);
	assert_int_equal(molt_req_file(r, "f", &file), 0);
	is_all_v(file.data, 1000);
	is_all_v(mo_str(molt_req_form(r, "a")), 10);
	while ((got = molt_req_read(r, piece, sizeof(piece))) > 0) {
		assert_memory_equal(piece, the.body.data + at, (size_t)got);
		at += (size_t)got;
	}
	assert_int_equal(at, the.body.len);
	is_all_v(mo_str(molt_req_form(r, "a")), 10);
	/* For a request that moves to another program. */
	mo_req_body_as_sent(mo_web_of(r), true);
	assert_memory_equal(mo_web_of(r)->body.data, the.body.data, the.body.len);
	mo_req_body_as_sent(mo_web_of(r), false);
	is_all_v(mo_str(molt_req_form(r, "a")), 10);
	assert_memory_equal(body.ptr, the.body.data, body.len);
	is_bounded(2);
}

static void the_body_is_given_as_it_was_sent_after_its_form(void **state)
{
	molt_str body, again;
	const char *a;
	molt_req *r;

	add("f", FILE_HEAD, 1000);
	add("a", FIELD_HEAD, 10);
	r = send_form(*state, true);
	a = molt_req_form(r, "a");
	assert_int_equal(molt_req_body(r, &body), 0);
	is_all_v(mo_str(a), 10);
	both_are_whole(body);
	assert_int_equal(molt_req_body(r, &again), 0);
	assert_ptr_equal(again.ptr, body.ptr);
}

static void the_form_is_given_after_its_body(void **state)
{
	molt_str body, again;
	molt_req *r;

	add("f", FILE_HEAD, 1000);
	add("a", FIELD_HEAD, 10);
	r = send_form(*state, true);
	assert_int_equal(molt_req_body(r, &body), 0);
	both_are_whole(body);
	assert_int_equal(molt_req_body(r, &again), 0);
	assert_ptr_equal(again.ptr, body.ptr);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(a_file_takes_its_body_once_however_often_it_is_asked_for),
		T(fields_take_their_body_once),
		T(a_body_of_unknown_length_is_kept_in_its_own_size),
		T(many_tiny_parts_take_the_bytes_that_are_promised_for_each),
		T(a_body_that_came_with_a_request_takes_its_size),
		T(the_body_is_given_as_it_was_sent_after_its_form),
		T(the_form_is_given_after_its_body),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
