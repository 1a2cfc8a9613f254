/* Promises of web/files/static.c and web/files/file.c, with requests that have no connection;
 * test/e2e/test_static.py looks at the same through a real server. */
#include "unit.h"

#include <ftw.h>
#include <sys/stat.h>

#include "fake_req.h"
#include "web/core/header.h"
#include "web/files/static.h"

#define BIG 100000

static char root[64];
static molt_server *server;

static void put(const char *path, const char *text, size_t n)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, n), n);
	close(fd);
}

static void put_big(void)
{
	char *bytes = mo_malloc(BIG);

	for (size_t i = 0; i < BIG; i++)
		bytes[i] = (char)(i % 251);
	put("big.bin", bytes, BIG);
	free(bytes);
}

static int set_up(void **state)
{
	strcpy(root, "/tmp/molt-static-XXXXXX");
	assert_non_null(mkdtemp(root));
	assert_int_equal(chdir(root), 0);
	assert_int_equal(mkdir("sub", 0755), 0);
	assert_int_equal(mkdir("empty", 0755), 0);
	put("a.txt", "0123456789", 10);
	put("nothing.css", "", 0);
	put("sub/index.html", "<p>sub</p>", 10);
	put(".hidden", "x", 1);
	put("h%65llo.txt", "literal", 7);
	assert_int_equal(mkfifo("fifo.txt", 0644), 0);
	put_big();
	server = fake_server();
	assert_int_equal(molt_static(molt_routes(server), "/s/", root,
				     &MOLT_STATIC_OPTS(.max_age = 90 * MOLT_SECOND)),
			 0);
	return 0;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
	return remove(path);
}

static int tear_down(void **state)
{
	fake_server_free(server);
	assert_int_equal(chdir("/"), 0);
	nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	return 0;
}

/* Runs one request with up to two fields. */
static fake *ask(const char *method, const char *target, const char *field, const char *other)
{
	fake *f = fake_new(server, method, target);

	if (field)
		fake_field(f, field);
	if (other)
		fake_field(f, other);
	fake_run(f);
	return f;
}

static int status_of(const char *target)
{
	fake *f = ask("GET", target, NULL, NULL);
	int status = f->r.status;

	fake_free(f);
	return status;
}

/* ---- pure parts ---- */

static void errors_tell_apart_only_what_is_ours(void **state)
{
	static const int hidden[] = { -ENOENT, -ENOTDIR, -EACCES, -EPERM,
				      -ELOOP,  -EXDEV,   -ENXIO,  -ENAMETOOLONG };

	for (size_t i = 0; i < sizeof(hidden) / sizeof(hidden[0]); i++)
		assert_int_equal(mo_static_status(hidden[i]), 404);
	assert_int_equal(mo_static_status(-EMFILE), 503);
	assert_int_equal(mo_static_status(-ENFILE), 503);
	assert_int_equal(mo_static_status(-EIO), 500);
}

static void location_is(const char *path, const char *query, const char *wanted)
{
	mo_buf b = { 0 };

	mo_static_location(&b, mo_str(path), mo_str(query));
	assert_string_equal(mo_buf_cstr(&b), wanted);
	mo_buf_free(&b);
}

static void a_location_begins_with_one_slash_whatever_comes(void **state)
{
	location_is("/dir", "", "/dir/");
	location_is("/dir", "a=1&b=2", "/dir/?a=1&b=2");
	location_is("//evil.example", "", "/evil.example/");
	location_is("///evil.example//", "", "/evil.example/");
	location_is("/\\evil.example", "", "/%5Cevil.example/");
	location_is("http://evil.example", "", "/http%3A//evil.example/");
	location_is("/a b/\xC3\xA9\r\nX: y", "", "/a%20b/%C3%A9%0D%0AX%3A%20y/");
	location_is("/", "", "/");
	location_is("", "", "/");
}

/* ---- binding ---- */

static void binding_is(int wanted, const char *prefix, const char *dir, const molt_static_opts *o)
{
	molt_server *s = fake_server();

	assert_int_equal(molt_static(molt_routes(s), prefix, dir, o), wanted);
	assert_int_equal(s->failure, wanted);
	assert_int_equal(s->failure_why != NULL, wanted != 0);
	fake_server_free(s);
}

static void wrong_arguments_are_remembered_by_the_server(void **state)
{
	binding_is(0, "/", root, NULL);
	binding_is(0, "/a/b", "sub", NULL);
	binding_is(-EINVAL, "a", root, NULL);
	binding_is(-EINVAL, "", root, NULL);
	binding_is(-EINVAL, NULL, root, NULL);
	binding_is(-EINVAL, "/", NULL, NULL);
	binding_is(-EINVAL, "/", "", NULL);
	binding_is(-ENOENT, "/", "/no/such/directory", NULL);
	binding_is(-ENOTDIR, "/", "a.txt", NULL);
	binding_is(-EINVAL, "/", root, &MOLT_STATIC_OPTS(.index = "a,../b"));
	binding_is(-EINVAL, "/", root, &MOLT_STATIC_OPTS(.max_age = -1));
	assert_int_equal(molt_static(NULL, "/", root, NULL), -EINVAL);
}

static void a_prefix_with_two_roots_is_refused(void **state)
{
	assert_int_equal(molt_static(molt_routes(server), "/s", root, NULL), -EEXIST);
}

static void a_relative_root_stays_when_the_directory_changes(void **state)
{
	molt_server *s = fake_server();
	fake *f;

	assert_int_equal(molt_static(molt_routes(s), "/", "sub", NULL), 0);
	assert_int_equal(chdir("/"), 0);
	f = fake_get(s, "/index.html");
	fake_run(f);
	assert_int_equal(f->r.status, 200);
	fake_free(f);
	fake_server_free(s);
}

/* ---- serving ---- */

static void a_small_file_is_gathered_with_its_fields(void **state)
{
	fake *f = ask("GET", "/s/a.txt", NULL, NULL);

	assert_int_equal(f->r.status, 200);
	assert_string_equal(fake_body(f), "0123456789");
	assert_int_equal(f->sends, 1);
	assert_string_equal(fake_header(f, "Content-Type"), "text/plain; charset=utf-8");
	assert_string_equal(fake_header(f, "Accept-Ranges"), "bytes");
	assert_string_equal(fake_header(f, "Cache-Control"), "max-age=90");
	assert_int_equal(strlen(fake_header(f, "Last-Modified")), 29);
	assert_int_equal(fake_header(f, "ETag")[0], '"');
	fake_free(f);
}

static void a_large_file_is_sent_with_its_length(void **state)
{
	fake *f = ask("GET", "/s/big.bin", NULL, NULL);

	assert_int_equal(f->r.res_length, BIG);
	assert_int_equal(f->sent.len, BIG);
	assert_int_equal(f->sent.data[BIG - 1], (char)((BIG - 1) % 251));
	assert_true(f->r.finished);
	fake_free(f);
	f = ask("HEAD", "/s/big.bin", "Range: bytes=0-1", NULL);
	assert_int_equal(f->r.status, 200);
	assert_int_equal(f->r.res_length, BIG);
	assert_int_equal(f->sent.len, 0);
	fake_free(f);
}

static void an_empty_file_is_an_answer(void **state)
{
	fake *f = ask("GET", "/s/nothing.css", NULL, NULL);

	assert_int_equal(f->r.status, 200);
	assert_int_equal(f->sent.len, 0);
	assert_string_equal(fake_header(f, "Content-Type"), "text/css; charset=utf-8");
	fake_free(f);
}

static void ranges_of_small_and_large_files_are_exact(void **state)
{
	fake *f = ask("GET", "/s/a.txt", "Range: bytes=2-4", NULL);

	assert_int_equal(f->r.status, 206);
	assert_string_equal(fake_body(f), "234");
	assert_string_equal(fake_header(f, "Content-Range"), "bytes 2-4/10");
	fake_free(f);
	f = ask("GET", "/s/big.bin", "Range: bytes=251-50250", NULL);
	assert_int_equal(f->r.status, 206);
	assert_int_equal(f->sent.len, 50000);
	for (size_t i = 0; i < f->sent.len; i++)
		assert_int_equal(f->sent.data[i], (char)(i % 251));
	fake_free(f);
	f = ask("GET", "/s/a.txt", "Range: bytes=10-", NULL);
	assert_int_equal(f->r.status, 416);
	assert_string_equal(fake_header(f, "Content-Range"), "bytes */10");
	assert_string_equal(fake_header(f, "ETag"), "");
	fake_free(f);
}

/* The announced length is the length of what is sent. */
static void several_ranges_have_the_announced_length(void **state)
{
	static const char *const fields[] = { "Range: bytes=0-0,9-9",
					      "Range: bytes=0-9000,20000-30000,99999-" };
	fake *f = ask("GET", "/s/a.txt", fields[0], NULL);

	assert_int_equal(f->r.status, 206);
	assert_int_equal(f->sends, 1);
	assert_non_null(strstr(fake_body(f), "Content-Range: bytes 9-9/10\r\n\r\n9\r\n--"));
	assert_string_equal(fake_header(f, "Content-Range"), "");
	fake_free(f);
	f = ask("GET", "/s/big.bin", fields[1], NULL);
	assert_int_equal(f->r.status, 206);
	assert_int_equal(f->r.res_length, f->sent.len);
	assert_true(f->sent.len > 19003);
	assert_true(f->r.finished);
	fake_free(f);
}

static void boundaries_differ_from_answer_to_answer(void **state)
{
	fake *one = ask("GET", "/s/a.txt", "Range: bytes=0-0,9-9", NULL);
	fake *two = ask("GET", "/s/a.txt", "Range: bytes=0-0,9-9", NULL);

	assert_string_not_equal(fake_header(one, "Content-Type"), fake_header(two, "Content-Type"));
	fake_free(one);
	fake_free(two);
}

static void conditions_are_of_the_whole_list_of_fields(void **state)
{
	fake *first = ask("GET", "/s/a.txt", NULL, NULL);
	char *field = mo_fmt("If-None-Match: %s", fake_header(first, "ETag"));
	fake *f = ask("GET", "/s/a.txt", "If-None-Match: \"x\"", field);

	assert_int_equal(f->r.status, 304);
	assert_int_equal(f->sent.len, 0);
	assert_string_equal(fake_header(f, "ETag"), fake_header(first, "ETag"));
	assert_string_equal(fake_header(f, "Cache-Control"), "max-age=90");
	assert_string_equal(fake_header(f, "Content-Type"), "");
	fake_free(f);
	f = ask("GET", "/s/a.txt", "If-Match: \"x\"", NULL);
	assert_int_equal(f->r.status, 412);
	fake_free(f);
	fake_free(first);
	free(field);
}

static void a_file_that_changes_has_another_tag(void **state)
{
	fake *first = ask("GET", "/s/a.txt", NULL, NULL), *second;

	put("a.txt", "changed", 7);
	second = ask("GET", "/s/a.txt", NULL, NULL);
	assert_string_not_equal(fake_header(first, "ETag"), fake_header(second, "ETag"));
	assert_string_equal(fake_body(second), "changed");
	fake_free(first);
	fake_free(second);
}

static void directories_are_asked_for_with_a_slash(void **state)
{
	fake *f = ask("GET", "/s/sub?q=1", NULL, NULL);

	assert_int_equal(f->r.status, 301);
	assert_string_equal(fake_header(f, "Location"), "/s/sub/?q=1");
	fake_free(f);
	f = ask("GET", "/s", NULL, NULL);
	assert_int_equal(f->r.status, 301);
	assert_string_equal(fake_header(f, "Location"), "/s/");
	fake_free(f);
	f = ask("GET", "//s///sub", NULL, NULL);
	assert_string_equal(fake_header(f, "Location"), "/s/sub/");
	fake_free(f);
	f = ask("GET", "/s/sub/", NULL, NULL);
	assert_int_equal(f->r.status, 200);
	assert_string_equal(fake_body(f), "<p>sub</p>");
	assert_string_equal(fake_header(f, "Content-Type"), "text/html; charset=utf-8");
	fake_free(f);
	assert_int_equal(status_of("/s/empty/"), 403);
	assert_int_equal(status_of("/s/"), 403);
}

static void the_first_index_that_is_a_file_is_taken(void **state)
{
	molt_server *s = fake_server();
	fake *f;

	assert_int_equal(molt_static(molt_routes(s), "/", root,
				     &MOLT_STATIC_OPTS(.index = "none, sub ,a.txt,big.bin")),
			 0);
	f = fake_get(s, "/");
	fake_run(f);
	assert_string_equal(fake_body(f), "0123456789");
	fake_free(f);
	fake_server_free(s);
}

static void what_must_not_be_served_looks_as_if_it_were_not_there(void **state)
{
	char target[400] = "/s/";

	assert_int_equal(symlink("/etc/passwd", "out"), 0);
	memset(target + 3, 'n', 300);
	assert_int_equal(status_of("/s/none"), 404);
	assert_int_equal(status_of("/s/.hidden"), 404);
	assert_int_equal(status_of("/s/%2ehidden"), 404);
	assert_int_equal(status_of("/s/sub/.x/y"), 404);
	assert_int_equal(status_of("/s/fifo.txt"), 404);
	assert_int_equal(status_of("/s/out"), 404);
	assert_int_equal(status_of("/s/a.txt/"), 404);
	assert_int_equal(status_of("/s/a.txt/x"), 404);
	assert_int_equal(status_of("/s/..%2f..%2fetc%2fpasswd"), 404);
	assert_int_equal(status_of("/s/../../etc/passwd"), 400);
	assert_int_equal(status_of("/s/.%2e/%2e%2e/etc/passwd"), 400);
	assert_int_equal(status_of("/s/a.txt%00.html"), 400);
	assert_int_equal(status_of(target), 404);
}

static void a_name_is_decoded_once(void **state)
{
	put("sub%2Ffile", "x", 1);
	assert_int_equal(status_of("/s/sub%252Ffile"), 200);
	assert_int_equal(status_of("/s/sub%2Ffile"), 404);
	assert_int_equal(status_of("/s/sub%2F"), 404);
	assert_int_equal(status_of("/s/h%2565llo.txt"), 200);
	assert_int_equal(status_of("/s/h%65llo.txt"), 404);
	assert_int_equal(status_of("/s/%61.txt"), 200);
	assert_int_equal(status_of("/s/%2561.txt"), 404);
}

static void too_many_open_files_are_503(void **state)
{
	struct rlimit old, none = { 0 };
	int status;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	none.rlim_max = old.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	status = status_of("/s/a.txt");
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	assert_int_equal(status, 503);
	assert_int_equal(status_of("/s/a.txt"), 200);
}

/* ---- molt_res_file() ---- */

static const char *file_path;
static int file_status, file_result;

static void file_handler(molt_req *r)
{
	molt_res_puts(r, "replaced");
	if (file_status)
		molt_res_status(r, file_status);
	file_result = molt_res_file(r, file_path);
}

static fake *answer_file(const char *path, int status, const char *field)
{
	molt_server *s = fake_server();
	fake *f;

	file_path = path;
	file_status = status;
	assert_int_equal(molt_bind(molt_routes(s), "/f", file_handler, NULL), 0);
	f = fake_get(s, "/f");
	if (field)
		fake_field(f, field);
	fake_run(f);
	fake_server_free(s);
	return f;
}

static void a_program_can_answer_with_any_file(void **state)
{
	fake *f = answer_file("a.txt", 0, "Range: bytes=0-1");

	assert_int_equal(file_result, 0);
	assert_int_equal(f->r.status, 206);
	assert_string_equal(fake_body(f), "01");
	fake_free(f);
	f = answer_file(".hidden", 0, NULL);
	assert_string_equal(fake_body(f), "x");
	fake_free(f);
}

static void another_status_sends_the_file_whole(void **state)
{
	fake *f = answer_file("a.txt", 404, "Range: bytes=0-1");

	assert_int_equal(f->r.status, 404);
	assert_string_equal(fake_body(f), "0123456789");
	fake_free(f);
}

static void a_file_that_cannot_be_sent_leaves_the_answer_as_it_was(void **state)
{
	static const struct {
		const char *path;
		int result;
	} files[] = { { "none", -ENOENT }, { "sub", -EISDIR }, { "fifo.txt", -EACCES } };

	for (size_t i = 0; i < MO_COUNTOF(files); i++) {
		fake *f = answer_file(files[i].path, 201, NULL);

		assert_int_equal(file_result, files[i].result);
		assert_int_equal(f->r.status, 201);
		assert_string_equal(fake_body(f), "replaced\n");
		fake_free(f);
	}
}

static void typed_handler(molt_req *r)
{
	molt_res_header(r, "Content-Type", "text/x-mine");
	molt_res_header(r, "Cache-Control", "no-store");
	file_result = molt_res_file(r, "a.txt");
	assert_int_equal(molt_res_file(r, "big.bin"), 0);
	assert_int_equal(molt_res_file(r, "a.txt"), -EALREADY);
}

static void fields_of_the_program_win_and_a_sent_answer_stays(void **state)
{
	molt_server *s = fake_server();
	fake *f;

	assert_int_equal(molt_bind(molt_routes(s), "/f", typed_handler, NULL), 0);
	f = fake_get(s, "/f");
	fake_run(f);
	assert_string_equal(fake_header(f, "Content-Type"), "text/x-mine");
	assert_string_equal(fake_header(f, "Cache-Control"), "no-store");
	assert_int_equal(f->sent.len, BIG);
	fake_free(f);
	fake_server_free(s);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(errors_tell_apart_only_what_is_ours),
		cmocka_unit_test(a_location_begins_with_one_slash_whatever_comes),
		T(wrong_arguments_are_remembered_by_the_server),
		T(a_prefix_with_two_roots_is_refused),
		T(a_relative_root_stays_when_the_directory_changes),
		T(a_small_file_is_gathered_with_its_fields),
		T(a_large_file_is_sent_with_its_length),
		T(an_empty_file_is_an_answer),
		T(ranges_of_small_and_large_files_are_exact),
		T(several_ranges_have_the_announced_length),
		T(boundaries_differ_from_answer_to_answer),
		T(conditions_are_of_the_whole_list_of_fields),
		T(a_file_that_changes_has_another_tag),
		T(directories_are_asked_for_with_a_slash),
		T(the_first_index_that_is_a_file_is_taken),
		T(what_must_not_be_served_looks_as_if_it_were_not_there),
		T(a_name_is_decoded_once),
		T(too_many_open_files_are_503),
		T(a_program_can_answer_with_any_file),
		T(another_status_sends_the_file_whole),
		T(a_file_that_cannot_be_sent_leaves_the_answer_as_it_was),
		T(fields_of_the_program_win_and_a_sent_answer_stays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
