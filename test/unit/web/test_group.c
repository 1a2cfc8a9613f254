/* Groups, middleware, binding, the library's own answers and error pages. */
#include "unit.h"

#include <semaphore.h>

#include "fake_req.h"
#include "rt/co.h"
#include "rt/loop.h"
#include "rt/pool.h"
#include "web/live/web_step.h"

static int setup(void **state)
{
	*state = fake_server();
	return 0;
}

static int teardown(void **state)
{
	fake_server_free(*state);
	return 0;
}

static void *handle;

static void use_as_a_server(void)
{
	molt_server_port(handle, 0);
}

static void use_as_a_group(void)
{
	molt_group_new(handle, "/x");
}

static void a_handle_of_another_kind_ends_the_process(void **state)
{
	static char zeroes[4096]; /* as of a server that has been freed */

	handle = molt_routes(*state);
	assert_true(dies(use_as_a_server));
	handle = *state;
	assert_true(dies(use_as_a_group));
	handle = zeroes;
	assert_true(dies(use_as_a_server));
}

/* ---- handlers that leave a trace ---- */

static void say(molt_req *r, const char *s)
{
	molt_res_write(r, s, strlen(s));
}

#define TRACER(name)                                                                               \
	static void name(molt_req *r)                                                              \
	{                                                                                          \
		say(r, "<" #name);                                                                 \
		molt_next(r);                                                                      \
		say(r, #name ">");                                                                 \
	}
TRACER(a)
TRACER(b)
TRACER(c)

static void hello(molt_req *r)
{
	say(r, "hello");
}

static void silent(molt_req *r)
{
}

static void refuse(molt_req *r)
{
	molt_res_error(r, 401, "token required");
}

static void twice(molt_req *r)
{
	molt_next(r);
	molt_next(r);
}

/* The answer's body and status in one line; the request is freed. */
static const char *ask(molt_server *s, const char *method, const char *target)
{
	static char text[1024];
	fake *f = fake_new(s, method, target);

	fake_run(f);
	snprintf(text, sizeof(text), "%d %s", f->r.status, fake_body(f));
	fake_free(f);
	return text;
}

/* ---- middleware ---- */

static void middleware_runs_from_the_root_inwards_in_call_order(void **state)
{
	molt_server *s = *state;
	molt_group *api = molt_group_new(molt_routes(s), "/api");
	molt_group *v1 = molt_group_new(api, "/v1/");

	assert_int_equal(molt_bind(v1, "GET /x", hello, NULL), 0);
	assert_int_equal(molt_bind(molt_routes(s), "/y", hello, NULL), 0);
	assert_int_equal(molt_group_use(v1, c, NULL), 0);
	assert_int_equal(molt_group_use(molt_routes(s), a, NULL), 0);
	assert_int_equal(molt_group_use(molt_routes(s), b, NULL), 0);
	assert_string_equal(ask(s, "GET", "/api/v1/x"), "200 <a<b<chelloc>b>a>");
	assert_string_equal(ask(s, "GET", "/y"), "200 <a<bhellob>a>");
}

static void a_middleware_that_does_not_call_next_ends_the_chain(void **state)
{
	molt_server *s = *state;

	molt_group_use(molt_routes(s), a, NULL);
	molt_group_use(molt_routes(s), refuse, NULL);
	molt_group_use(molt_routes(s), b, NULL);
	molt_bind(molt_routes(s), "/x", hello, NULL);
	assert_string_equal(ask(s, "GET", "/x"), "401 Unauthorized: token required\na>");
}

static void a_second_next_runs_nothing_and_steps_over_no_refusal(void **state)
{
	molt_server *s = *state;
	molt_group *g = molt_group_new(molt_routes(s), "/g");

	molt_group_use(molt_routes(s), twice, NULL);
	molt_group_use(g, refuse, NULL);
	molt_bind(g, "/x", hello, NULL);
	molt_bind(molt_routes(s), "/y", hello, NULL);
	assert_string_equal(ask(s, "GET", "/g/x"), "401 Unauthorized: token required\n");
	assert_string_equal(ask(s, "GET", "/y"), "200 hello");
}

static void nobody_learns_behind_a_middleware_what_is_bound(void **state)
{
	molt_server *s = *state;
	molt_group *g = molt_group_new(molt_routes(s), "/in/{tenant}");

	molt_group_use(g, refuse, NULL);
	molt_bind(g, "GET /x", hello, NULL);
	molt_bind(molt_routes(s), "/out", hello, NULL);
	assert_memory_equal(ask(s, "GET", "/in/7/x"), "401", 3);
	assert_memory_equal(ask(s, "GET", "/in/7/none"), "401", 3);
	assert_memory_equal(ask(s, "GET", "/in/7"), "401", 3);
	assert_memory_equal(ask(s, "POST", "/in/7/x"), "401", 3);
	assert_memory_equal(ask(s, "OPTIONS", "/in/7/x"), "401", 3);
	assert_memory_equal(ask(s, "GET", "/in/7/x/"), "401", 3);
	assert_memory_equal(ask(s, "FROB", "/in/7/x"), "401", 3);
	assert_memory_equal(ask(s, "GET", "/%69n/7/x"), "401", 3);
	assert_memory_equal(ask(s, "GET", "//in//7/./x"), "401", 3);
	assert_memory_equal(ask(s, "GET", "/inn"), "404", 3);
}

static void two_groups_of_one_prefix_keep_their_own_middleware(void **state)
{
	molt_server *s = *state;
	molt_group *open = molt_group_new(molt_routes(s), "/api");
	molt_group *closed = molt_group_new(molt_routes(s), "/api");

	molt_group_use(closed, refuse, NULL);
	molt_bind(open, "GET /a", hello, NULL);
	molt_bind(closed, "GET /b", hello, NULL);
	assert_string_equal(ask(s, "GET", "/api/a"), "200 hello");
	assert_memory_equal(ask(s, "GET", "/api/b"), "401", 3);
	assert_memory_equal(ask(s, "POST", "/api/b"), "401", 3);
	assert_memory_equal(ask(s, "GET", "/api/c"), "404", 3);
}

/* ---- binding ---- */

static void failures_are_remembered_and_null_groups_are_harmless(void **state)
{
	molt_server *s = *state;
	molt_group *bad = molt_group_new(molt_routes(s), "no/slash");

	assert_null(bad);
	assert_int_equal(s->failure, -EINVAL);
	assert_int_equal(molt_bind(bad, "/x", hello, NULL), -EINVAL);
	assert_int_equal(molt_group_use(bad, a, NULL), -EINVAL);
	assert_int_equal(molt_group_on_status(bad, 404, a, NULL), -EINVAL);
	assert_null(molt_group_new(bad, "/x"));
	assert_null(molt_group_new(molt_routes(s), "/x/{rest...}"));
	assert_null(molt_group_new(molt_routes(s), "/a//b"));
	assert_null(molt_group_new(molt_routes(s), NULL));
	assert_int_equal(molt_bind(molt_routes(s), "/x", NULL, NULL), -EINVAL);
	assert_int_equal(molt_bind(molt_routes(s), NULL, hello, NULL), -EINVAL);
	assert_int_equal(molt_bind(molt_routes(s), "/x", hello, NULL), 0);
	assert_int_equal(molt_bind(molt_routes(s), "/x", hello, NULL), -EEXIST);
	assert_int_equal(molt_group_on_status(molt_routes(s), 200, a, NULL), -EINVAL);
	assert_int_equal(molt_bind_opts(molt_routes(s), "/y", hello, NULL,
					&MOLT_ROUTE_OPTS(.stack_size = 100)),
			 -EINVAL);
}

static void nothing_changes_after_the_start(void **state)
{
	molt_server *s = *state;
	molt_group *g = molt_routes(s);

	s->state = MO_SERVER_STARTED;
	assert_int_equal(molt_bind(g, "/x", hello, NULL), -EBUSY);
	assert_int_equal(molt_group_use(g, a, NULL), -EBUSY);
	assert_int_equal(molt_group_on_status(g, 404, a, NULL), -EBUSY);
	assert_null(molt_group_new(g, "/x"));
}

#define TEXT(s) ((char[]){ s })

/* Says its arg, or "-". */
static void say_arg(molt_req *r)
{
	const char *arg = molt_req_arg(r);

	say(r, arg ? arg : "-");
}

static void around(molt_req *r)
{
	say_arg(r);
	molt_next(r);
	say_arg(r);
}

static void say_server(molt_req *r)
{
	say(r, molt_req_server(r) == molt_req_arg(r) ? "same" : "other");
}

static void what_runs_gets_the_arg_that_was_given_with_it(void **state)
{
	molt_server *s = *state;
	molt_group *api = molt_group_new(molt_routes(s), "/api");

	molt_group_use(molt_routes(s), around, TEXT("1"));
	molt_group_use(api, around, TEXT("2"));
	molt_group_use(api, around, NULL);
	molt_bind(api, "/x", say_arg, TEXT("x"));
	molt_bind(molt_routes(s), "/server", say_server, s);
	assert_string_equal(ask(s, "GET", "/api/x"), "200 12-x-21");
	assert_string_equal(ask(s, "GET", "/server"), "200 1same1");
}

static void an_error_page_gets_its_own_arg(void **state)
{
	molt_server *s = *state;

	molt_group_on_status(molt_routes(s), 401, say_arg, TEXT("page"));
	molt_group_on_status(molt_routes(s), 404, say_arg, NULL);
	molt_bind(molt_routes(s), "/closed", refuse, TEXT("handler"));
	assert_string_equal(ask(s, "GET", "/closed"), "401 page");
	assert_string_equal(ask(s, "GET", "/none"), "404 -");
}

static void limits_of_a_route_reach_the_protocol(void **state)
{
	molt_server *s = *state;
	molt_route_opts o = MOLT_ROUTE_OPTS(.stack_size = 1 << 20, .max_body = 5, .timeout = 1000);
	fake *f;

	molt_bind_opts(molt_routes(s), "/limits", silent, NULL, &o);
	molt_bind_opts(molt_routes(s), "/stream", silent, NULL,
		       &MOLT_ROUTE_OPTS(.stream_body = true));
	f = fake_get(s, "/limits");
	f->r.started = 77;
	fake_run(f);
	assert_int_equal(f->r.stack_size, 1 << 20);
	assert_int_equal(f->r.body_max, 5);
	assert_int_equal(f->r.write_deadline, 1077);
	fake_free(f);
	f = fake_get(s, "/stream");
	fake_run(f);
	assert_true(f->r.body_max == SIZE_MAX);
	fake_free(f);
	f = fake_get(s, "/none");
	fake_run(f);
	assert_int_equal(f->r.body_max, 1000);
	assert_int_equal(f->r.stack_size, 64 << 10);
	fake_free(f);
}

/* ---- the library's own answers ---- */

static void a_wrong_method_is_told_what_is_allowed(void **state)
{
	molt_server *s = *state;
	fake *f;

	molt_bind(molt_routes(s), "GET,DELETE /x", hello, NULL);
	f = fake_new(s, "POST", "/x");
	fake_run(f);
	assert_int_equal(f->r.status, 405);
	assert_string_equal(fake_header(f, "Allow"), "GET, HEAD, DELETE, OPTIONS");
	assert_string_equal(fake_body(f), "Method Not Allowed\n");
	fake_free(f);
	assert_memory_equal(ask(s, "get", "/x"), "501", 3);
	assert_memory_equal(ask(s, "FROB", "/x"), "501", 3);
	assert_memory_equal(ask(s, "TRACE", "/x"), "405", 3);
	assert_memory_equal(ask(s, "POST", "/y"), "404", 3);
}

static void options_are_answered_unless_bound(void **state)
{
	molt_server *s = *state;
	fake *f;

	molt_bind(molt_routes(s), "PUT /x", hello, NULL);
	molt_bind(molt_routes(s), "OPTIONS /own", hello, NULL);
	f = fake_new(s, "OPTIONS", "/x");
	fake_run(f);
	assert_int_equal(f->r.status, 204);
	assert_string_equal(fake_header(f, "Allow"), "PUT, OPTIONS");
	assert_string_equal(fake_body(f), "");
	fake_free(f);
	f = fake_new(s, "OPTIONS", "*");
	fake_run(f);
	assert_int_equal(f->r.status, 204);
	assert_string_equal(fake_header(f, "Allow"), "PUT, OPTIONS");
	assert_string_equal(molt_req_path(&f->r), "*");
	fake_free(f);
	assert_string_equal(ask(s, "OPTIONS", "/own"), "200 hello");
	assert_memory_equal(ask(s, "OPTIONS", "/none"), "404", 3);
}

static void connect_is_not_implemented_and_closes(void **state)
{
	molt_server *s = *state;
	fake *f;

	molt_bind(molt_routes(s), "/{all...}", hello, NULL);
	f = fake_new(s, "CONNECT", "a.com:443");
	fake_run(f);
	assert_int_equal(f->r.status, 501);
	assert_true(f->r.close);
	fake_free(f);
}

static void head_runs_the_handler_of_get(void **state)
{
	molt_server *s = *state;
	fake *f;

	molt_bind(molt_routes(s), "GET /x", hello, NULL);
	f = fake_new(s, "HEAD", "/x");
	f->r.server->app.route(&f->r);
	f->r.server->app.handle(&f->r);
	assert_int_equal(f->r.out.len, 5);
	assert_string_equal(fake_header(f, "Content-Type"), "text/plain; charset=utf-8");
	fake_free(f);
}

static void a_bad_escape_in_the_path_is_a_400(void **state)
{
	molt_server *s = *state;

	molt_bind(molt_routes(s), "/{all...}", hello, NULL);
	assert_memory_equal(ask(s, "GET", "/%zz"), "400", 3);
	assert_memory_equal(ask(s, "GET", "/a%00"), "400", 3);
	assert_memory_equal(ask(s, "GET", "/../x"), "400", 3);
	assert_memory_equal(ask(s, "GET", "/%2e%2e/x"), "400", 3);
	assert_memory_equal(ask(s, "GET", "/ok"), "200", 3);
}

static void assert_redirect(molt_server *s, const char *method, const char *from, const char *to)
{
	fake *f = fake_new(s, method, from);

	fake_run(f);
	assert_int_equal(f->r.status, 308);
	assert_string_equal(fake_header(f, "Location"), to);
	fake_free(f);
}

static void the_other_form_of_a_trailing_slash_is_a_redirect(void **state)
{
	molt_server *s = *state;

	molt_bind(molt_routes(s), "GET /x", hello, NULL);
	molt_bind(molt_routes(s), "/dir/", hello, NULL);
	molt_bind(molt_routes(s), "/both", hello, NULL);
	molt_bind(molt_routes(s), "/both/", silent, NULL);
	molt_bind(molt_routes(s), "/{name}/u", hello, NULL);
	assert_redirect(s, "GET", "/x/?a=1&b", "/x?a=1&b");
	assert_redirect(s, "HEAD", "/dir", "/dir/");
	assert_redirect(s, "GET", "//dir", "/dir/");
	assert_redirect(s, "GET", "//evil.com/u/", "/evil.com/u");
	assert_redirect(s, "GET", "/%5Cevil.com/u/", "/%5Cevil.com/u");
	assert_redirect(s, "GET", "/a%20b/u/", "/a%20b/u");
	assert_memory_equal(ask(s, "POST", "/dir"), "404", 3);
	assert_memory_equal(ask(s, "GET", "/a%2Fb/u/"), "404", 3);
	assert_string_equal(ask(s, "GET", "/both"), "200 hello");
	assert_string_equal(ask(s, "GET", "/both/"), "200 ");
	assert_memory_equal(ask(s, "GET", "/x//"), "308", 3);
}

static void an_other_form_with_another_method_is_a_404(void **state)
{
	molt_server *s = *state;

	molt_bind(molt_routes(s), "POST /x", hello, NULL);
	assert_memory_equal(ask(s, "GET", "/x/"), "404", 3);
}

static void hosts_are_compared_without_port_and_case(void **state)
{
	molt_server *s = *state;
	static const char *const same[] = { "a.com", "A.COM:8199", "a.com.", "a.com.:80" };
	fake *f;

	molt_bind(molt_routes(s), "a.com/x", hello, NULL);
	molt_bind(molt_routes(s), "[::1]/x", hello, NULL);
	for (size_t i = 0; i < MO_COUNTOF(same); i++) {
		f = fake_get(s, "/x");
		fake_host(f, same[i]);
		fake_run(f);
		assert_int_equal(f->r.status, 200);
		assert_string_equal(molt_req_host(&f->r), "a.com");
		fake_free(f);
	}
	f = fake_get(s, "/x");
	fake_host(f, "[::1]:80");
	fake_run(f);
	assert_int_equal(f->r.status, 200);
	assert_string_equal(molt_req_host(&f->r), "[::1]");
	fake_free(f);
	assert_memory_equal(ask(s, "GET", "/x"), "404", 3);
}

static void a_handler_that_writes_nothing_answers_200(void **state)
{
	molt_server *s = *state;
	fake *f;

	molt_bind(molt_routes(s), "/x", silent, NULL);
	f = fake_get(s, "/x");
	fake_run(f);
	assert_int_equal(f->r.status, 200);
	assert_int_equal(f->sent.len, 0);
	assert_string_equal(fake_header(f, "Content-Type"), "");
	fake_free(f);
}

/* ---- error pages ---- */

static void own_404(molt_req *r)
{
	molt_res_html(r, molt_res_get_status(r), "<p>own");
}

static void api_404(molt_req *r)
{
	say(r, "api");
}

static void only_status(molt_req *r)
{
	molt_res_status(r, 403);
}

static void own_body(molt_req *r)
{
	molt_res_text(r, 404, "mine");
}

static void typed_without_body(molt_req *r)
{
	molt_res_header(r, "Content-Type", "application/json");
	molt_res_status(r, 403);
}

static void the_nearest_group_makes_the_error_page(void **state)
{
	molt_server *s = *state;
	molt_group *api = molt_group_new(molt_routes(s), "/api");
	fake *f;

	molt_group_on_status(molt_routes(s), 404, own_404, NULL);
	molt_group_on_status(api, 404, api_404, NULL);
	molt_group_on_status(api, 401, silent, NULL);
	molt_bind(api, "/body", own_body, NULL);
	molt_bind(api, "/closed", refuse, NULL);
	molt_bind(molt_routes(s), "/403", only_status, NULL);
	molt_bind(molt_routes(s), "/typed", typed_without_body, NULL);
	f = fake_get(s, "/none");
	fake_run(f);
	assert_int_equal(f->r.status, 404);
	assert_string_equal(fake_body(f), "<p>own");
	assert_string_equal(fake_header(f, "Content-Type"), "text/html; charset=utf-8");
	fake_free(f);
	assert_string_equal(ask(s, "GET", "/api/none"), "404 api");
	assert_string_equal(ask(s, "GET", "/api/body"), "404 mine");
	assert_string_equal(ask(s, "GET", "/api/closed"), "401 Unauthorized: token required\n");
	assert_string_equal(ask(s, "GET", "/403"), "403 Forbidden\n");
	assert_string_equal(ask(s, "GET", "/typed"), "403 ");
}

static void a_page_that_fails_itself_ends(void **state)
{
	molt_server *s = *state;

	molt_group_on_status(molt_routes(s), 401, refuse, NULL);
	molt_bind(molt_routes(s), "/x", refuse, NULL);
	assert_string_equal(ask(s, "GET", "/x"), "401 Unauthorized: token required\n");
}

static void evil(molt_req *r)
{
	molt_res_header(r, "ETag", "\"x\"");
	molt_res_error(r, 403, "<script>&'\"");
}

static const char *page_for_accept(molt_server *s, const char *accept, const char *target)
{
	static char type[64];
	fake *f = fake_get(s, target);

	if (accept)
		fake_field(f, accept);
	fake_run(f);
	strcpy(type, fake_header(f, "Content-Type"));
	assert_null(strstr(fake_body(f), "molt"));
	assert_true(!strstr(fake_body(f), "<script>") || !strstr(type, "html"));
	assert_string_equal(fake_header(f, "ETag"), "");
	fake_free(f);
	return type;
}

static void pages_are_html_only_for_those_who_prefer_it(void **state)
{
	molt_server *s = *state;

	molt_bind(molt_routes(s), "/evil", evil, NULL);
	assert_memory_equal(page_for_accept(s, NULL, "/evil"), "text/plain", 10);
	assert_memory_equal(page_for_accept(s, "Accept: */*", "/evil"), "text/plain", 10);
	assert_memory_equal(page_for_accept(s, "Accept: text/html,*/*;q=0.8", "/evil"), "text/html",
			    9);
	assert_memory_equal(page_for_accept(s, "Accept: text/plain, text/html;q=0.5", "/evil"),
			    "text/plain", 10);
	assert_memory_equal(page_for_accept(s, "Accept: text/html;q=0", "/evil"), "text/plain", 10);
	assert_memory_equal(page_for_accept(s, "Accept: ;;,,;q=;=,text/html;q=1", "/evil"),
			    "text/html", 9);
}

static void gone_with_vary(molt_req *r)
{
	molt_res_header(r, "Vary", molt_req_arg(r));
	molt_res_status(r, 410);
}

static void all_vary(fake *f, char *out)
{
	*out = '\0';
	for (const mo_out_field *o = f->r.out_fields; o; o = o->next) {
		if (strcasecmp(o->name.ptr, "Vary") == 0)
			sprintf(out + strlen(out), "[%s]", o->value.ptr);
	}
}

/* A shared cache must not give a browser's page to a plain client. */
static void a_page_that_depends_on_accept_says_so(void **state)
{
	static const struct {
		const char *path, *vary;
	} cases[] = {
		{ "/none", "[Accept]" },
		{ "/evil", "[Accept]" },
		{ "/plain", "[Accept]" },
		{ "/origin", "[Origin][Accept]" },
		{ "/both", "[Origin, accept]" },
		{ "/any", "[*]" },
		{ "/ok", "" },
	};
	molt_server *s = *state;
	char vary[100];

	molt_bind(molt_routes(s), "/evil", evil, NULL);
	molt_bind(molt_routes(s), "/ok", hello, NULL);
	molt_bind(molt_routes(s), "/plain", gone_with_vary, NULL);
	molt_bind(molt_routes(s), "/origin", gone_with_vary, (void *)"Origin");
	molt_bind(molt_routes(s), "/both", gone_with_vary, (void *)"Origin, accept");
	molt_bind(molt_routes(s), "/any", gone_with_vary, (void *)"*");
	for (size_t i = 0; i < MO_COUNTOF(cases); i++) {
		fake *f = fake_get(s, cases[i].path);

		fake_run(f);
		all_vary(f, vary);
		assert_string_equal(vary, cases[i].vary);
		fake_free(f);
	}
}

/* ---- the timeout of a route ---- */

static void slow_writer(molt_req *r)
{
	assert_int_equal(molt_res_write(r, "partial", 7), -ETIMEDOUT);
	assert_int_equal(molt_res_puts(r, "x"), -ETIMEDOUT);
	assert_int_equal(molt_res_flush(r), -ETIMEDOUT);
}

static void slow_streamer(molt_req *r)
{
	assert_int_equal(molt_res_puts(r, "first"), 0);
	assert_int_equal(molt_res_flush(r), 0);
	r->write_deadline = 1;
	assert_int_equal(molt_res_puts(r, "late"), -ETIMEDOUT);
}

static void writes_after_the_timeout_fail_and_the_client_gets_503(void **state)
{
	molt_server *s = *state;
	fake *f;

	molt_bind_opts(molt_routes(s), "/slow", slow_writer, NULL, &MOLT_ROUTE_OPTS(.timeout = 1));
	molt_bind(molt_routes(s), "/stream", slow_streamer, NULL);
	f = fake_get(s, "/slow");
	fake_run(f);
	assert_int_equal(f->r.status, 503);
	assert_string_equal(fake_body(f), "Service Unavailable: the handler took too long\n");
	fake_free(f);
	f = fake_get(s, "/stream");
	fake_run(f);
	assert_true(f->r.cut);
	assert_string_equal(fake_body(f), "first\n");
	fake_free(f);
}

/* ---- .blocking, on a real loop ---- */

/* What the handlers saw; cmocka's asserts belong to the test's thread. */
static struct {
	bool middleware_on_pool, handler_on_pool, called_back;
	int body, slept, flushed, blocked;
} seen;

static void call_back(void *arg)
{
	seen.called_back = true;
}

static void blocking_handler(molt_req *r)
{
	molt_str body = { 0 };

	seen.handler_on_pool = mo_on_pool_thread();
	seen.body = molt_req_body(r, &body);
	seen.slept = molt_sleep(1);
	molt_res_puts(r, molt_fmt(r, "%s %s", body.ptr, molt_req_query(r, "q")));
	seen.flushed = molt_res_flush(r);
	seen.blocked = molt_block(call_back, NULL);
	say(r, "end");
}

static void pool_middleware(molt_req *r)
{
	seen.middleware_on_pool = mo_on_pool_thread();
	molt_next(r);
}

struct job {
	fake *f;
	char answer[64], name[64];
	sem_t done;
};

static void run_job(void *arg)
{
	struct job *j = arg;

	j->f->r.loop = mo_loop_self();
	j->f->r.co = mo_co_self();
	j->f->r.arena.cache = &j->f->r.loop->chunks;
	fake_run(j->f);
	snprintf(j->answer, sizeof(j->answer), "%d %s", j->f->r.status, fake_body(j->f));
	snprintf(j->name, sizeof(j->name), "%s", mo_co_name(mo_co_self()));
	fake_free(j->f);
	sem_post(&j->done);
}

static void a_blocking_route_runs_on_a_pool_thread_with_the_same_calls(void **state)
{
	molt_server *s = *state;
	mo_loop *l = mo_loop_new(0);
	struct job j = { 0 };

	molt_group_use(molt_routes(s), pool_middleware, NULL);
	molt_bind_opts(molt_routes(s), "POST /x/{id}", blocking_handler, NULL,
		       &MOLT_ROUTE_OPTS(.blocking = true));
	sem_init(&j.done, 0, 0);
	j.f = fake_new(s, "POST", "/x/7?q=1");
	fake_set_body(j.f, "text/plain", "body", 4);
	assert_int_equal(mo_loop_start(l, "test"), 0);
	assert_true(mo_loop_spawn(l, run_job, &j));
	uninterrupted(sem_wait(&j.done));
	mo_loop_stop(l);
	mo_loop_free(l);
	mo_pool_fini();
	sem_destroy(&j.done);
	assert_string_equal(j.answer, "200 body 1\nend");
	assert_string_equal(j.name, "POST /x/{id}");
	assert_true(seen.middleware_on_pool && seen.handler_on_pool && seen.called_back);
	assert_int_equal(seen.body | seen.slept | seen.flushed | seen.blocked, 0);
}

static void steps_are_found_by_their_names(void **state)
{
	static const char *const bad[] = { "", "two words", "umlaut \xc3\xa4", "\n" };
	molt_server *s = *state;
	char longest[66];

	memset(longest, 'x', 64);
	longest[64] = '\0';
	assert_int_equal(molt_step_bind(s, "one", hello, NULL), 0);
	assert_int_equal(molt_step_bind(s, longest, silent, NULL), 0);
	assert_ptr_equal(mo_step_find(s, mo_str("one"))->route.handler, hello);
	assert_ptr_equal(mo_step_find(s, mo_str(longest))->route.handler, silent);
	assert_null(mo_step_find(s, mo_str("on")));
	assert_int_equal(s->failure, 0);
	assert_int_equal(molt_step_bind(s, "one", hello, NULL), -EEXIST);
	assert_int_equal(s->failure, -EEXIST);
	strcpy(longest + 64, "x");
	assert_int_equal(molt_step_bind(s, longest, hello, NULL), -EINVAL);
	assert_int_equal(molt_step_bind(s, NULL, hello, NULL), -EINVAL);
	assert_int_equal(molt_step_bind(s, "no function", NULL, NULL), -EINVAL);
	for (size_t i = 0; i < MO_COUNTOF(bad); i++)
		assert_int_equal(molt_step_bind(s, bad[i], hello, NULL), -EINVAL);
	s->state = MO_SERVER_STARTED;
	assert_int_equal(molt_step_bind(s, "late", hello, NULL), -EBUSY);
	s->state = MO_SERVER_NEW;
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_handle_of_another_kind_ends_the_process),
		TEST(middleware_runs_from_the_root_inwards_in_call_order),
		TEST(a_middleware_that_does_not_call_next_ends_the_chain),
		TEST(steps_are_found_by_their_names),
		TEST(a_second_next_runs_nothing_and_steps_over_no_refusal),
		TEST(nobody_learns_behind_a_middleware_what_is_bound),
		TEST(two_groups_of_one_prefix_keep_their_own_middleware),
		TEST(failures_are_remembered_and_null_groups_are_harmless),
		TEST(nothing_changes_after_the_start),
		TEST(what_runs_gets_the_arg_that_was_given_with_it),
		TEST(an_error_page_gets_its_own_arg),
		TEST(limits_of_a_route_reach_the_protocol),
		TEST(a_wrong_method_is_told_what_is_allowed),
		TEST(options_are_answered_unless_bound),
		TEST(connect_is_not_implemented_and_closes),
		TEST(head_runs_the_handler_of_get),
		TEST(a_bad_escape_in_the_path_is_a_400),
		TEST(the_other_form_of_a_trailing_slash_is_a_redirect),
		TEST(an_other_form_with_another_method_is_a_404),
		TEST(hosts_are_compared_without_port_and_case),
		TEST(a_handler_that_writes_nothing_answers_200),
		TEST(the_nearest_group_makes_the_error_page),
		TEST(a_page_that_fails_itself_ends),
		TEST(pages_are_html_only_for_those_who_prefer_it),
		TEST(a_page_that_depends_on_accept_says_so),
		TEST(writes_after_the_timeout_fail_and_the_client_gets_503),
		TEST(a_blocking_route_runs_on_a_pool_thread_with_the_same_calls),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
