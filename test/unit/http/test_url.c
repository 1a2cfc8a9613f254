/* Promises of http/syntax/url.c: paths, escapes, queries, cookies.
 *
 * Inputs lie in heap blocks of their exact size, so that the sanitizers see one
 * byte too many being read. */
#include "unit.h"

#include <errno.h>
#include <time.h>

#include "base/mem.h"
#include "base/str.h"
#include "http/syntax/url.h"

static mo_arena arena;
static char *block;

static int set_up(void **state)
{
	mo_arena_init(&arena, NULL);
	return 0;
}

static int tear_down(void **state)
{
	mo_arena_fini(&arena);
	free(block);
	block = NULL;
	return 0;
}

/* s in a block of its own without room for one byte more. */
static molt_str exact(const char *s, size_t n)
{
	free(block);
	block = mo_malloc(n);
	if (n)
		memcpy(block, s, n);
	return mo_strn(block, n);
}

#define KEPT "\x1f" /* MO_KEPT_SLASH */

static void path_is(const char *raw, const char *wanted)
{
	molt_str out;

	assert_int_equal(mo_url_path(&arena, exact(raw, strlen(raw)), &out), 0);
	assert_string_equal(out.ptr, wanted);
	assert_int_equal(out.len, strlen(wanted));
}

static void path_is_refused(const char *raw)
{
	molt_str out;

	assert_int_equal(mo_url_path(&arena, exact(raw, strlen(raw)), &out), -EINVAL);
}

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void dots_and_double_slashes_are_resolved(void **state)
{
	path_is("/", "/");
	path_is("/a", "/a");
	path_is("/a/", "/a/");
	path_is("//a///b//", "/a/b/");
	path_is("/./a/./b/.", "/a/b/");
	path_is("/a/../b", "/b");
	path_is("/a/b/..", "/a/");
	path_is("/a/b/../", "/a/");
	path_is("/a/..", "/");
	path_is("/a//../b", "/b");
	path_is("/...", "/...");
	path_is("/.a/..b/c..", "/.a/..b/c..");
}

static void escapes_are_decoded_once(void **state)
{
	path_is("/%61%7e%C3%a9", "/a~\xC3\xA9");
	path_is("/%2561", "/%61");
	path_is("/%252e%252e/x", "/%2e%2e/x");
	path_is("/a+b", "/a+b");
	path_is("/a%20b", "/a b");
	path_is("/%25", "/%");
}

static void encoded_dots_are_dots(void **state)
{
	path_is("/a/%2e/b", "/a/b");
	path_is("/a/.%2e/b", "/b");
	path_is("/a/%2E%2e/b", "/b");
	path_is("/a/b/%2e.", "/a/");
	path_is_refused("/.%2e/etc/passwd");
	path_is_refused("/%2e%2e/etc/passwd");
	path_is_refused("/icons/.%2e/%2e%2e/%2e%2e/etc/passwd");
}

static void an_encoded_slash_stays_inside_its_segment(void **state)
{
	path_is("/a%2Fb", "/a" KEPT "b");
	path_is("/a%2fb", "/a" KEPT "b");
	path_is("/..%2f..%2fetc", "/.." KEPT ".." KEPT "etc");
	path_is("/a/%2F/../b", "/a/b");
	path_is("/%2f%2fevil", "/" KEPT KEPT "evil");
}

/* "%252F" is the text "%2F", however often somebody looks at it. */
static void a_text_that_looks_like_an_encoded_slash_is_none(void **state)
{
	path_is("/a%252Fb", "/a%2Fb");
	path_is("/..%252F..%252fetc", "/..%2F..%2fetc");
	path_is("/%25%32%46", "/%2F");
	path_is("/%252F%2F", "/%2F" KEPT);
	path_is_refused("/%1f");
	path_is_refused("/a" KEPT "b");
}

static void a_path_is_shown_with_its_slashes(void **state)
{
	molt_str path = MO_STR("/a" KEPT "b%2F" KEPT);

	assert_string_equal(mo_url_shown(&arena, path, "%2F").ptr, "/a%2Fb%2F%2F");
	assert_int_equal(mo_url_shown(&arena, path, "%2F").len, 12);
	assert_string_equal(mo_url_shown(&arena, path, "/").ptr, "/a/b%2F/");
	assert_string_equal(mo_url_shown(&arena, MO_STR(""), "/").ptr, "");
}

static void nothing_leads_above_the_root(void **state)
{
	path_is_refused("/..");
	path_is_refused("/../");
	path_is_refused("/a/../..");
	path_is_refused("//..");
	path_is_refused("/a/b/../../../c");
}

static void bad_escapes_and_control_bytes_are_refused(void **state)
{
	molt_str out;

	path_is_refused("/%");
	path_is_refused("/%4");
	path_is_refused("/%4g");
	path_is_refused("/%%41");
	path_is_refused("/a%00");
	path_is_refused("/%0d%0aSet-Cookie:x");
	path_is_refused("/%7f");
	path_is_refused("/%1b[2J");
	path_is_refused("");
	path_is_refused("a/b");
	path_is_refused("*");
	assert_int_equal(mo_url_path(&arena, exact("/a\0b", 4), &out), -EINVAL);
	assert_int_equal(mo_url_path(&arena, (molt_str){ NULL, 0 }, &out), -EINVAL);
}

/* Feeds unit repeated to size bytes and returns the CPU seconds. */
static double time_path(const char *unit, size_t size, int expected)
{
	size_t n = strlen(unit);
	char *text = mo_malloc(size + 1);
	double start;
	molt_str out;

	text[0] = '/';
	for (size_t i = 0; i < size; i++)
		text[1 + i] = unit[i % n];
	start = seconds();
	assert_int_equal(mo_url_path(&arena, mo_strn(text, size + 1), &out), expected);
	start = seconds() - start;
	free(text);
	return start;
}

static void long_paths_cost_linear_time(void **state)
{
	assert_true(time_path("/", 65536, 0) < 0.05);
	assert_true(time_path("./", 65536, 0) < 0.05);
	assert_true(time_path("a/../", 65535, 0) < 0.05);
	assert_true(time_path("a/b/c/d/e/f/../../../../../../", 3000000, 0) < 1.0);
	assert_true(time_path("%2e/", 4000000, 0) < 1.0);
	assert_true(time_path("a", 4000000, 0) < 1.0);
	assert_true(time_path("../", 65535, -EINVAL) < 0.05);
}

/* Whatever comes in, what goes out is a clean absolute path that stays itself. */
static void a_result_is_always_clean(void **state)
{
	static const char *const pieces[] = { "/",   ".",   "..", "a",   "%2e", "%2F",
					      "%25", "%41", "//", "%5c", "b",   "%252e" };
	unsigned seed = 7;

	for (int round = 0; round < 20000; round++) {
		char raw[128] = "/";
		molt_str out;

		for (int i = 0, n = rand_r(&seed) % 12; i < n; i++)
			strcat(raw, pieces[(size_t)rand_r(&seed) % 12]);
		if (mo_url_path(&arena, exact(raw, strlen(raw)), &out) < 0) {
			assert_false(mo_url_path_is_plain(exact(raw, strlen(raw))));
			continue;
		}
		if (mo_url_path_is_plain(exact(raw, strlen(raw))))
			assert_string_equal(out.ptr, raw);
		assert_true(out.len <= strlen(raw) && out.len == strlen(out.ptr));
		assert_int_equal(out.ptr[0], '/');
		assert_null(strstr(out.ptr, "//"));
		assert_null(strstr(out.ptr, "/./"));
		assert_null(strstr(out.ptr, "/../"));
		assert_false(mo_str_has_suffix(out, MO_STR("/..")));
		assert_false(mo_str_has_suffix(out, MO_STR("/.")));
	}
}

static void a_plain_path_is_one_that_stays_as_it_is(void **state)
{
	static const char *const plain[] = { "/", "/a", "/a/", "/a/b.c/d..", "/~x/;y=1/\xc3\xa9" };
	static const char *const other[] = { "",        "a",        "*",      "/%41",
					     "/a%",     "//",       "/a//b",  "/a//",
					     "/.",      "/..",      "/./a",   "/a/.",
					     "/a/../b", "/.hidden", "/a\x01", "/\x7f" };

	for (size_t i = 0; i < sizeof(plain) / sizeof(*plain); i++) {
		path_is(plain[i], plain[i]);
		assert_true(mo_url_path_is_plain(exact(plain[i], strlen(plain[i]))));
	}
	for (size_t i = 0; i < sizeof(other) / sizeof(*other); i++)
		assert_false(mo_url_path_is_plain(exact(other[i], strlen(other[i]))));
	assert_false(mo_url_path_is_plain(exact("/a\0b", 4)));
}

/* The same, byte by byte. */
static bool plain_by_bytes(const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		unsigned char b = (unsigned char)p[i];

		if (b < 0x20 || b == 0x7f || b == '%' ||
		    (i > 0 && p[i - 1] == '/' && (b == '/' || b == '.')))
			return false;
	}
	return n > 0 && p[0] == '/';
}

static void what_is_not_plain_is_seen_at_any_place(void **state)
{
	static const char bytes[] = "/.%\x01\x1f\x20\x7f\x80\xaf\xff-0$";
	char path[40];

	for (size_t n = 1; n <= 34; n++)
		for (size_t at = 0; at + 1 < n; at++)
			for (size_t k = 0; k < 13 * 13; k++) {
				memset(path, 'a', sizeof(path));
				path[0] = '/';
				path[at] = bytes[k / 13];
				path[at + 1] = bytes[k % 13];
				assert_int_equal(mo_url_path_is_plain(exact(path, n)),
						 plain_by_bytes(path, n));
			}
}

static void one_piece_is_decoded_and_bad_escapes_stay(void **state)
{
	molt_str s = mo_url_decode(&arena, exact("a%20b+c%", 8), false);

	assert_string_equal(s.ptr, "a b+c%");
	s = mo_url_decode(&arena, exact("a+%2B%zz%4", 10), true);
	assert_string_equal(s.ptr, "a +%zz%4");
	s = mo_url_decode(&arena, exact("x%00y", 5), true);
	assert_int_equal(s.len, 3);
	assert_memory_equal(s.ptr, "x\0y", 4);
	s = mo_url_decode(&arena, (molt_str){ NULL, 0 }, true);
	assert_string_equal(s.ptr, "");
}

static void encoding_is_the_inverse_of_decoding(void **state)
{
	mo_buf b = { 0 };
	char all[256];

	for (int i = 0; i < 256; i++)
		all[i] = (char)i;
	for (int keep = 0; keep < 2; keep++) {
		molt_str back;

		b.len = 0;
		mo_url_encode(&b, mo_strn(all, 256), keep == 1);
		for (size_t i = 0; i < b.len; i++)
			assert_true(b.data[i] > 0x20 && b.data[i] < 0x7f && b.data[i] != '"' &&
				    b.data[i] != '\\' && b.data[i] != ':' && b.data[i] != '<');
		back = mo_url_decode(&arena, mo_strn(b.data, b.len), true);
		assert_int_equal(back.len, 256);
		assert_memory_equal(back.ptr, all, 256);
	}
	b.len = 0;
	mo_url_encode(&b, MO_STR("/a b/\xC3\xA9"), true);
	assert_string_equal(mo_buf_cstr(&b), "/a%20b/%C3%A9");
	b.len = 0;
	mo_url_encode(&b, MO_STR("a/b&c"), false);
	assert_string_equal(mo_buf_cstr(&b), "a%2Fb%26c");
	mo_buf_free(&b);
}

static void a_query_gives_its_pairs_in_order(void **state)
{
	const char *raw = "a=1&b=x+y%21&&c&=v&a=2&d==e=";
	mo_pair *list = mo_query_parse(&arena, exact(raw, strlen(raw)));

	assert_string_equal(mo_pair_find(list, "a")->value.ptr, "1");
	assert_string_equal(mo_pair_find(list, "b")->value.ptr, "x y!");
	assert_string_equal(mo_pair_find(list, "c")->value.ptr, "");
	assert_string_equal(mo_pair_find(list, "")->value.ptr, "v");
	assert_string_equal(mo_pair_find(list, "d")->value.ptr, "=e=");
	assert_null(mo_pair_find(list, "e"));
	assert_string_equal(list->next->next->next->next->value.ptr, "2");
	assert_null(list->next->next->next->next->next->next);
	assert_null(mo_query_parse(&arena, (molt_str){ NULL, 0 }));
	assert_null(mo_query_parse(&arena, MO_STR("&&&")));
}

static void a_nul_in_a_name_does_not_shorten_it(void **state)
{
	mo_pair *list = mo_query_parse(&arena, MO_STR("admin%00x=1"));

	assert_null(mo_pair_find(list, "admin"));
	assert_int_equal(list->name.len, 7);
}

static unsigned count(const mo_pair *list)
{
	unsigned n = 0;

	for (; list; list = list->next)
		n++;
	return n;
}

static void pairs_are_limited_and_cheap(void **state)
{
	size_t n = 1000000;
	char *text = mo_malloc(n);
	double start = seconds();

	for (size_t i = 0; i < n; i++)
		text[i] = i % 2 ? '&' : 'k';
	assert_int_equal(count(mo_query_parse(&arena, mo_strn(text, n))), MO_MAX_PAIRS);
	for (size_t i = 0; i < n; i++)
		text[i] = i % 4 == 3 ? ';' : i % 4 == 1 ? '=' : 'k';
	assert_int_equal(count(mo_cookie_parse(&arena, mo_strn(text, n))), MO_MAX_PAIRS);
	memset(text, '&', n);
	assert_null(mo_query_parse(&arena, mo_strn(text, n)));
	memset(text, ';', n);
	assert_null(mo_cookie_parse(&arena, mo_strn(text, n)));
	assert_true(seconds() - start < 1.0);
	free(text);
}

static void ten_thousand_cookies_take_less_than_50_ms(void **state)
{
	mo_buf b = { 0 };
	double start;

	for (int i = 0; i < 10000; i++)
		mo_buf_fmt(&b, "c%d=%d; ", i, i);
	start = seconds();
	for (int i = 0; i < 20; i++)
		mo_pair_find(mo_cookie_parse(&arena, mo_strn(b.data, b.len)), "none");
	assert_true((seconds() - start) / 20 < 0.05);
	mo_buf_free(&b);
}

static void cookies_keep_their_values_as_they_are(void **state)
{
	const char *raw = "a=1; b=\"q v\";c = x=y ;; =no; flag; d=%41+; a=2; e=\"";
	mo_pair *list = mo_cookie_parse(&arena, exact(raw, strlen(raw)));

	assert_int_equal(count(list), 6);
	assert_string_equal(mo_pair_find(list, "a")->value.ptr, "1");
	assert_string_equal(mo_pair_find(list, "b")->value.ptr, "q v");
	assert_string_equal(mo_pair_find(list, "c")->value.ptr, "x=y");
	assert_string_equal(mo_pair_find(list, "d")->value.ptr, "%41+");
	assert_string_equal(mo_pair_find(list, "e")->value.ptr, "\"");
	assert_null(mo_pair_find(list, "flag"));
	assert_null(mo_pair_find(list, "A"));
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(dots_and_double_slashes_are_resolved),
		T(escapes_are_decoded_once),
		T(encoded_dots_are_dots),
		T(an_encoded_slash_stays_inside_its_segment),
		T(a_text_that_looks_like_an_encoded_slash_is_none),
		T(a_path_is_shown_with_its_slashes),
		T(nothing_leads_above_the_root),
		T(bad_escapes_and_control_bytes_are_refused),
		T(long_paths_cost_linear_time),
		T(a_result_is_always_clean),
		T(a_plain_path_is_one_that_stays_as_it_is),
		T(what_is_not_plain_is_seen_at_any_place),
		T(one_piece_is_decoded_and_bad_escapes_stay),
		T(encoding_is_the_inverse_of_decoding),
		T(a_query_gives_its_pairs_in_order),
		T(a_nul_in_a_name_does_not_shorten_it),
		T(pairs_are_limited_and_cheap),
		T(ten_thousand_cookies_take_less_than_50_ms),
		T(cookies_keep_their_values_as_they_are),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
