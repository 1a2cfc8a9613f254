/* Patterns and the tree: what matches, what wins, what is refused, what it costs. */
#include "unit.h"

#include <errno.h>

#include "base/check.h"
#include "base/mem.h"
#include "base/str.h"
#include "web/route/router.h"

static int add(mo_router *r, const char *pattern)
{
	char *why = NULL;
	int err = mo_router_add(r, "", pattern, (void *)(uintptr_t)pattern, &why);

	assert_true((err == 0) == (why == NULL));
	free(why);
	return err;
}

/* The pattern that takes the request, or "". */
static const char *taker(const mo_router *r, const char *method, const char *host, const char *path)
{
	mo_match m;

	mo_router_match(r, mo_str(method), mo_str(host), mo_str(path), &m);
	return m.route ? m.route : "";
}

static mo_match match(const mo_router *r, const char *method, const char *path)
{
	mo_match m;

	mo_router_match(r, mo_str(method), mo_str(""), mo_str(path), &m);
	return m;
}

static void assert_param(const mo_match *m, unsigned i, const char *name, const char *value)
{
	assert_true(i < m->nparams);
	assert_int_equal(m->params[i].name.len, strlen(name));
	assert_memory_equal(m->params[i].name.ptr, name, strlen(name));
	assert_int_equal(m->params[i].value.len, strlen(value));
	assert_memory_equal(m->params[i].value.ptr, value, strlen(value));
}

/* ---- priority, in every order of adding ---- */

struct ask {
	const char *method, *host, *path, *taker;
};

static void check_asks(const mo_router *r, const struct ask *asks)
{
	for (; asks->path; asks++)
		assert_string_equal(taker(r, asks->method, asks->host, asks->path), asks->taker);
}

/* Heap's way through all orders of patterns[0..n). */
static void all_orders(const char **patterns, unsigned n, unsigned total, const struct ask *asks)
{
	if (n == 1) {
		mo_router *r = mo_router_new();

		for (unsigned i = 0; i < total; i++)
			assert_int_equal(add(r, patterns[i]), 0);
		check_asks(r, asks);
		mo_router_free(r);
		return;
	}
	for (unsigned i = 0; i < n; i++) {
		unsigned k = n % 2 ? 0 : i;
		const char *tmp;

		all_orders(patterns, n - 1, total, asks);
		tmp = patterns[k];
		patterns[k] = patterns[n - 1];
		patterns[n - 1] = tmp;
	}
}

static void the_most_specific_pattern_wins_in_every_order_of_adding(void **state)
{
	const char *patterns[] = { "/users/me",        "/users/{id}",     "/users/{id}.json",
				   "/users/{rest...}", "GET /users/{id}", "a.com/users/{id}",
				   "POST /users/me" };
	const struct ask asks[] = {
		{ "GET", "", "/users/me", "/users/me" },
		{ "POST", "", "/users/me", "POST /users/me" },
		{ "GET", "", "/users/7", "GET /users/{id}" },
		{ "HEAD", "", "/users/7", "GET /users/{id}" },
		{ "PUT", "", "/users/7", "/users/{id}" },
		{ "GET", "", "/users/7.json", "/users/{id}.json" },
		{ "GET", "", "/users/.json", "GET /users/{id}" },
		{ "GET", "", "/users/7/8", "/users/{rest...}" },
		{ "GET", "", "/users/", "/users/{rest...}" },
		{ "GET", "", "/users", "/users/{rest...}" },
		{ "GET", "a.com", "/users/me", "a.com/users/{id}" },
		{ "GET", "a.com", "/users/7/8", "/users/{rest...}" },
		{ "GET", "b.com", "/users/me", "/users/me" },
		{ "GET", "", "/user", "" },
		{ NULL, NULL, NULL, NULL },
	};

	all_orders(patterns, MO_COUNTOF(patterns), MO_COUNTOF(patterns), asks);
}

static void mixed_segments_win_by_their_literals_in_every_order(void **state)
{
	const char *patterns[] = {
		"/{hash}",       "/{hash}.{type}", "/{hash}.{type}.map", "/admin",
		"/admin-{page}", "/admin-goods",   "/admin-goods-{page}"
	};
	const struct ask asks[] = {
		{ "GET", "", "/abc", "/{hash}" },
		{ "GET", "", "/abc.js", "/{hash}.{type}" },
		{ "GET", "", "/abc.js.map", "/{hash}.{type}.map" },
		{ "GET", "", "/admin", "/admin" },
		{ "GET", "", "/admin-1", "/admin-{page}" },
		{ "GET", "", "/admin-goods", "/admin-goods" },
		{ "GET", "", "/admin-goods-2", "/admin-goods-{page}" },
		{ "GET", "", "/admin-", "/{hash}" },
		{ NULL, NULL, NULL, NULL },
	};

	all_orders(patterns, MO_COUNTOF(patterns), MO_COUNTOF(patterns), asks);
}

static void the_routes_of_goframes_tests_go_where_theirs_go(void **state)
{
	const char *patterns[] = { "/:name", "/:name/update", "/:name/:action", "/:name/*any",
				   "/user/list/{field}.html" };
	const struct ask asks[] = {
		{ "GET", "", "/john", "/:name" },
		{ "GET", "", "/john/update", "/:name/update" },
		{ "GET", "", "/john/edit", "/:name/:action" },
		{ "GET", "", "/john/edit/x", "/:name/*any" },
		{ "GET", "", "/user/list/100.html", "/user/list/{field}.html" },
		{ "GET", "", "/user/list", "/:name/:action" },
		{ NULL, NULL, NULL, NULL },
	};

	all_orders(patterns, MO_COUNTOF(patterns), MO_COUNTOF(patterns), asks);
}

/* ---- methods ---- */

static void a_path_with_other_methods_is_known_as_such(void **state)
{
	mo_router *r = mo_router_new();
	mo_arena a;
	mo_match m;

	mo_arena_init(&a, NULL);
	assert_int_equal(add(r, "GET,POST /x/{id}"), 0);
	assert_int_equal(add(r, "PURGE /x/{id}"), 0);
	m = match(r, "DELETE", "/x/7");
	assert_null(m.route);
	assert_true(m.wrong_method);
	assert_non_null(m.near);
	assert_param(&m, 0, "id", "7");
	assert_string_equal(mo_router_allow(r, &a, mo_str(""), mo_str("/x/7")),
			    "GET, HEAD, POST, OPTIONS, PURGE");
	m = match(r, "GET", "/y");
	assert_false(m.wrong_method);
	assert_true(mo_router_knows(r, MO_STR("PURGE")));
	assert_false(mo_router_knows(r, MO_STR("FROB")));
	mo_arena_fini(&a);
	mo_router_free(r);
}

static void methods_are_compared_with_their_case(void **state)
{
	mo_router *r = mo_router_new();

	assert_int_equal(add(r, "GET /get"), 0);
	assert_string_equal(taker(r, "get", "", "/get"), "");
	assert_string_equal(taker(r, "GET", "", "/get"), "GET /get");
	assert_string_equal(taker(r, "DeLeTe", "", "/get"), "");
	mo_router_free(r);
}

static void head_takes_its_own_route_before_that_of_get(void **state)
{
	mo_router *r = mo_router_new();

	assert_int_equal(add(r, "GET /a"), 0);
	assert_int_equal(add(r, "/a"), 0);
	assert_string_equal(taker(r, "HEAD", "", "/a"), "GET /a");
	assert_int_equal(add(r, "HEAD /a"), 0);
	assert_string_equal(taker(r, "HEAD", "", "/a"), "HEAD /a");
	mo_router_free(r);
}

static void trace_is_taken_only_where_it_is_named(void **state)
{
	mo_router *r = mo_router_new();
	mo_match m;

	assert_int_equal(add(r, "/a"), 0);
	assert_int_equal(add(r, "TRACE /b"), 0);
	m = match(r, "TRACE", "/a");
	assert_null(m.route);
	assert_true(m.wrong_method);
	assert_string_equal(taker(r, "TRACE", "", "/b"), "TRACE /b");
	mo_router_free(r);
}

/* ---- parameters ---- */

static void parameters_carry_the_names_of_their_own_pattern(void **state)
{
	mo_router *r = mo_router_new();
	mo_match m;

	assert_int_equal(add(r, "/u/{id}"), 0);
	assert_int_equal(add(r, "/u/{name}/posts/{post}"), 0);
	m = match(r, "GET", "/u/7");
	assert_param(&m, 0, "id", "7");
	m = match(r, "GET", "/u/joe/posts/9");
	assert_param(&m, 0, "name", "joe");
	assert_param(&m, 1, "post", "9");
	assert_string_equal(m.pattern, "/u/{name}/posts/{post}");
	mo_router_free(r);
}

static void the_rest_may_be_empty_and_keeps_its_slashes(void **state)
{
	mo_router *r = mo_router_new();
	mo_match m;

	assert_int_equal(add(r, "/files/{path...}"), 0);
	m = match(r, "GET", "/files/a/b/");
	assert_param(&m, 0, "path", "a/b/");
	assert_true(m.takes_rest);
	m = match(r, "GET", "/files/");
	assert_param(&m, 0, "path", "");
	m = match(r, "GET", "/files");
	assert_param(&m, 0, "path", "");
	assert_null(match(r, "GET", "/file").route);
	mo_router_free(r);
}

static void names_inside_a_segment_share_it(void **state)
{
	mo_router *r = mo_router_new();
	mo_match m;

	assert_int_equal(add(r, "/{name}.{ext}"), 0);
	assert_int_equal(add(r, "/d/{y}-{m}-{d}"), 0);
	m = match(r, "GET", "/a.tar.gz");
	assert_param(&m, 0, "name", "a.tar");
	assert_param(&m, 1, "ext", "gz");
	m = match(r, "GET", "/d/2018-05-18");
	assert_param(&m, 0, "y", "2018");
	assert_param(&m, 1, "m", "05");
	assert_param(&m, 2, "d", "18");
	m = match(r, "GET", "/d/a-b-c-d");
	assert_param(&m, 0, "y", "a-b");
	assert_null(match(r, "GET", "/.gz").route);
	assert_null(match(r, "GET", "/gz.").route);
	assert_null(match(r, "GET", "/d/--").route);
	assert_null(match(r, "GET", "/d/a--b").route);
	mo_router_free(r);
}

static void a_name_takes_one_whole_segment_that_is_not_empty(void **state)
{
	mo_router *r = mo_router_new();

	assert_int_equal(add(r, "/u/{id}"), 0);
	assert_int_equal(add(r, "/u/{id}/"), 0);
	assert_string_equal(taker(r, "GET", "", "/u/"), "");
	assert_string_equal(taker(r, "GET", "", "/u/1"), "/u/{id}");
	assert_string_equal(taker(r, "GET", "", "/u/1/"), "/u/{id}/");
	assert_string_equal(taker(r, "GET", "", "/u/a%2Fb"), "/u/{id}");
	mo_router_free(r);
}

static void escapes_in_a_pattern_mean_their_bytes(void **state)
{
	mo_router *r = mo_router_new();

	assert_int_equal(add(r, "/a%20b/%7Bx%7D"), 0);
	assert_string_equal(taker(r, "GET", "", "/a b/{x}"), "/a%20b/%7Bx%7D");
	mo_router_free(r);
}

/* ---- reading patterns ---- */

static void patterns_that_cannot_be_read_are_refused(void **state)
{
	static const char *const bad[] = {
		"",           "x",         "GET",       "GET x",      "api.com",   "/a//b",
		"/../a",      "/./a",      "/{a",       "/a}",        "/{a}{b}",   "/{a}/{a}",
		"/{a...}/b",  "/*a/b",     "/a*",       "/a?b",       "/a#b",      "/a b",
		"/%zz",       "/%00",      "/%2",       "/\x01",      "/{a b}",    ":8080/x",
		"a.com:80/x", "get,Foo /", "GET,GET /", ",GET /",     "GET,ALL /", "CONNECT /",
		"/x{p...}",   "a_b!c/x",   "/{a..}",    "/{a.b}.{c}", "*.a.com/x", "GET, POST /x",
	};

	for (size_t i = 0; i < MO_COUNTOF(bad); i++) {
		mo_router *r = mo_router_new();

		if (add(r, bad[i]) != -EINVAL)
			fail_msg("accepted \"%s\"", bad[i]);
		mo_router_free(r);
	}
}

static void too_many_of_anything_is_refused(void **state)
{
	mo_router *r = mo_router_new();
	char text[2 * MO_MAX_PATTERN];
	size_t n = 0;

	for (int i = 0; i < MO_MAX_PARAMS + 1; i++)
		n += (size_t)sprintf(text + n, "/{n%d}", i);
	assert_int_equal(add(r, text), -EINVAL);
	memset(text, 0, sizeof(text));
	for (int i = 0; i < 65; i++)
		memcpy(text + i * 2, "/a", 2);
	assert_int_equal(add(r, text), -EINVAL);
	text[128] = '\0';
	assert_int_equal(add(r, text), 0);
	memset(text, 'a', sizeof(text) - 1);
	text[0] = '/';
	assert_int_equal(add(r, text), -EINVAL);
	mo_router_free(r);
}

static void two_patterns_for_the_same_requests_are_refused(void **state)
{
	mo_router *r = mo_router_new();

	assert_int_equal(add(r, "/a/{x}"), 0);
	assert_int_equal(add(r, "/a/:y"), -EEXIST);
	assert_int_equal(add(r, "GET /a/{x}"), 0);
	assert_int_equal(add(r, "POST,GET /a/{z}"), -EEXIST);
	assert_int_equal(add(r, "POST /a/{z}"), 0);
	assert_int_equal(add(r, "/f/{a}.{b}"), 0);
	assert_int_equal(add(r, "/f/{b}.{a}"), -EEXIST);
	assert_int_equal(add(r, "/f/{a...}"), 0);
	assert_int_equal(add(r, "/f/*b"), -EEXIST);
	assert_int_equal(add(r, "A.com/x"), 0);
	assert_int_equal(add(r, "a.com/x"), -EEXIST);
	mo_router_free(r);
}

static void goframes_forms_mean_the_same(void **state)
{
	mo_router *r = mo_router_new();
	mo_match m;

	assert_int_equal(add(r, "get:/a/:id"), 0);
	assert_int_equal(add(r, "ALL:/b/*rest"), 0);
	m = match(r, "GET", "/a/1");
	assert_string_equal(m.pattern, "GET /a/{id}");
	m = match(r, "PUT", "/b/1/2");
	assert_string_equal(m.pattern, "/b/{rest...}");
	assert_param(&m, 0, "rest", "1/2");
	mo_router_free(r);
}

static void a_prefix_comes_before_the_path(void **state)
{
	mo_router *r = mo_router_new();
	char *why = NULL;
	mo_match m;

	assert_int_equal(mo_router_add(r, "/api/{v}", "GET /x/{id}", r, &why), 0);
	assert_int_equal(mo_router_add(r, "/api/{v}", "GET:", r, &why), 0);
	assert_int_equal(mo_router_add(r, "/api/{v}", "", r, &why), 0);
	m = match(r, "GET", "/api/2/x/7");
	assert_param(&m, 0, "v", "2");
	assert_param(&m, 1, "id", "7");
	m = match(r, "GET", "/api/2");
	assert_string_equal(m.pattern, "GET /api/{v}");
	mo_router_free(r);
}

static void keep_row(void *arg, const mo_route_row *row)
{
	char *text = arg;

	sprintf(text + strlen(text), "%s|%s|%s\n", row->host, row->path, row->methods);
}

static void the_table_is_sorted_and_has_each_route_once(void **state)
{
	mo_router *r = mo_router_new();
	char text[512] = "";

	assert_int_equal(add(r, "/b"), 0);
	assert_int_equal(add(r, "a.com/z"), 0);
	assert_int_equal(add(r, "GET,POST /a/:x"), 0);
	assert_int_equal(add(r, "DELETE /a/{x}"), 0);
	mo_router_each(r, keep_row, text);
	assert_string_equal(text, "|/a/{x}|DELETE\n|/a/{x}|GET,POST\n|/b|ALL\na.com|/z|ALL\n");
	mo_router_free(r);
}

/* ---- cost ---- */

static double lookup_ns(const mo_router *r, const char *path)
{
	molt_str p = mo_str(path);
	double start = cpu_seconds(), spent;
	long count = 0;
	mo_match m;

	do {
		for (int i = 0; i < 20; i++)
			mo_router_match(r, MO_STR("GET"), MO_STR(""), p, &m);
		count += 20;
		spent = cpu_seconds() - start;
	} while (spent < 0.02);
	return spent * 1e9 / (double)count;
}

static void ten_thousand_routes_are_found_as_fast_as_ten(void **state)
{
	mo_router *few = mo_router_new(), *many = mo_router_new();
	double few_ns, many_ns;

	for (int i = 0; i < 10000; i++) {
		char text[64], *why = NULL;
		mo_match m;

		sprintf(text, "GET /svc%d/users/{id}/item%d", i % 100, i);
		assert_int_equal(mo_router_add(many, "", text, many, &why), 0);
		if (i < 10)
			assert_int_equal(mo_router_add(few, "", text, few, &why), 0);
		sprintf(text, "/svc%d/users/joe/item%d", i % 100, i);
		m = match(many, "GET", text);
		assert_ptr_equal(m.route, many);
	}
	few_ns = lookup_ns(few, "/svc7/users/joe/item7");
	many_ns = lookup_ns(many, "/svc7/users/joe/item7");
	/* Generous for a busy machine; a walk over all would be a thousand times. */
	assert_true(many_ns < few_ns * 20 + 2000 * UNIT_SLOWDOWN);
	mo_router_free(few);
	mo_router_free(many);
}

/* Every level branches: all 2^12 ways of "a" and {x}, each ending in "z". */
static void an_adversarial_set_costs_no_more_than_its_nodes(void **state)
{
	mo_router *r = mo_router_new();
	char path[64] = "", text[256], *why = NULL;

	for (unsigned bits = 0; bits < 4096; bits++) {
		size_t n = 0;

		for (unsigned i = 0; i < 12; i++)
			n += (size_t)(bits & (1u << i) ? sprintf(text + n, "/a")
						       : sprintf(text + n, "/{x%u}", i));
		strcpy(text + n, "/z");
		assert_int_equal(mo_router_add(r, "", text, r, &why), 0);
	}
	for (int i = 0; i < 12; i++)
		strcat(path, "/a");
	strcat(path, "/q");
	assert_null(match(r, "GET", path).route);
	assert_true(lookup_ns(r, path) < 20e6 * UNIT_SLOWDOWN);
	mo_router_free(r);
}

static void long_paths_and_segments_are_harmless(void **state)
{
	mo_router *r = mo_router_new();
	size_t size = 64 << 10;
	char *path = mo_malloc(size + 1);

	assert_int_equal(add(r, "/a/{x}"), 0);
	assert_int_equal(add(r, "/a/{x}-{y}-{z}-"), 0);
	assert_int_equal(add(r, "/s/{rest...}"), 0);
	path[size] = '\0';
	memset(path, '/', size);
	assert_string_equal(taker(r, "GET", "", path), "");
	memset(path, 'a', size);
	path[0] = '/';
	path[2] = '/';
	assert_string_equal(taker(r, "GET", "", path), "/a/{x}");
	memset(path + 3, '-', size - 3);
	assert_string_equal(taker(r, "GET", "", path), "/a/{x}-{y}-{z}-");
	for (size_t i = 0; i < size; i += 2)
		memcpy(path + i, "/s", 2);
	assert_string_equal(taker(r, "GET", "", path), "/s/{rest...}");
	free(path);
	mo_router_free(r);
}

static void what_is_no_path_matches_nothing(void **state)
{
	mo_router *r = mo_router_new();

	assert_int_equal(add(r, "/{rest...}"), 0);
	assert_string_equal(taker(r, "GET", "", ""), "");
	assert_string_equal(taker(r, "OPTIONS", "", "*"), "");
	assert_string_equal(taker(r, "GET", "", "a.com:80"), "");
	assert_string_equal(taker(r, "GET", "", "/"), "/{rest...}");
	mo_router_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_most_specific_pattern_wins_in_every_order_of_adding),
		cmocka_unit_test(mixed_segments_win_by_their_literals_in_every_order),
		cmocka_unit_test(the_routes_of_goframes_tests_go_where_theirs_go),
		cmocka_unit_test(a_path_with_other_methods_is_known_as_such),
		cmocka_unit_test(methods_are_compared_with_their_case),
		cmocka_unit_test(head_takes_its_own_route_before_that_of_get),
		cmocka_unit_test(trace_is_taken_only_where_it_is_named),
		cmocka_unit_test(parameters_carry_the_names_of_their_own_pattern),
		cmocka_unit_test(the_rest_may_be_empty_and_keeps_its_slashes),
		cmocka_unit_test(names_inside_a_segment_share_it),
		cmocka_unit_test(a_name_takes_one_whole_segment_that_is_not_empty),
		cmocka_unit_test(escapes_in_a_pattern_mean_their_bytes),
		cmocka_unit_test(patterns_that_cannot_be_read_are_refused),
		cmocka_unit_test(too_many_of_anything_is_refused),
		cmocka_unit_test(two_patterns_for_the_same_requests_are_refused),
		cmocka_unit_test(goframes_forms_mean_the_same),
		cmocka_unit_test(a_prefix_comes_before_the_path),
		cmocka_unit_test(the_table_is_sorted_and_has_each_route_once),
		cmocka_unit_test(ten_thousand_routes_are_found_as_fast_as_ten),
		cmocka_unit_test(an_adversarial_set_costs_no_more_than_its_nodes),
		cmocka_unit_test(long_paths_and_segments_are_harmless),
		cmocka_unit_test(what_is_no_path_matches_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
