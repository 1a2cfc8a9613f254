/* Routes that show how requests are read, routed and answered. */
#include "app.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *or_dash(const char *text)
{
	return text ? text : "-";
}

static void say_arg(molt_req *r)
{
	molt_res_puts(r, molt_req_arg(r));
}

static void say_param(molt_req *r)
{
	molt_res_printf(r, "%s %s\n", (const char *)molt_req_arg(r),
			or_dash(molt_req_param(r, "x")));
}

static void two_params(molt_req *r)
{
	molt_res_printf(r, "%s+%s\n", or_dash(molt_req_param(r, "a")),
			or_dash(molt_req_param(r, "b")));
}

/* What the library made of the request line. */
static void show(molt_req *r)
{
	const char *name = molt_req_query(r, "name");

	molt_res_printf(r, "method=%s\npath=%s\ntarget=%s\nhost=%s\nip=%s\ntls=%d\nid=%s\n",
			molt_req_method(r), molt_req_path(r), molt_req_target(r), molt_req_host(r),
			molt_req_client_ip(r), molt_req_is_tls(r), molt_req_id(r));
	if (molt_req_is_tls(r))
		molt_res_printf(
			r, "version=%s\nsuite=%s\nsni=%s\nalpn=%s\nsubject=%s\nverified=%s\n",
			molt_req_tls(r, MOLT_TLS_VERSION), molt_req_tls(r, MOLT_TLS_SUITE),
			molt_req_tls(r, MOLT_TLS_SERVER_NAME), molt_req_tls(r, MOLT_TLS_ALPN),
			molt_req_tls(r, MOLT_TLS_SUBJECT), molt_req_tls(r, MOLT_TLS_VERIFIED));
	if (name)
		molt_res_printf(
			r, "query=%s\nheader=%s\ncookie=%s\n", or_dash(molt_req_query(r, "value")),
			or_dash(molt_req_header(r, name)), or_dash(molt_req_cookie(r, name)));
}

static void echo(molt_req *r)
{
	molt_str body;

	if (molt_req_body(r, &body) != 0)
		return;
	molt_res_header(r, "Content-Type", "application/octet-stream");
	molt_res_write(r, body.ptr, body.len);
}

/* Reads the body in pieces: its length and the sum of its bytes. */
static void count(molt_req *r)
{
	unsigned char piece[1000];
	unsigned long sum = 0, length = 0;
	long n;

	while ((n = molt_req_read(r, piece, sizeof(piece))) > 0) {
		length += (unsigned long)n;
		for (long i = 0; i < n; i++)
			sum += piece[i];
	}
	if (n < 0)
		molt_log(MOLT_INFO, "count: the body ended with %s", molt_strerror((int)n));
	molt_res_printf(r, "%lu %lu %s\n", length, sum, n < 0 ? molt_strerror((int)n) : "ok");
}

/* Answers without touching the body. */
static void ignore(molt_req *r)
{
	molt_res_text(r, 200, "ignored\n");
}

static void id(molt_req *r)
{
	molt_process_info info = MOLT_PROCESS_INFO();
	int ms = app_number(r, "ms", 0);

	app_hold_sleep(app_hold(r));
	if (ms)
		molt_sleep(ms);
	molt_process_get(&info);
	molt_res_printf(r, "%s %d %u\n", or_dash(molt_req_query(r, "id")), info.pid,
			info.generation);
}

static void big(molt_req *r)
{
	int left = app_number(r, "n", 0);
	char line[100];

	memset(line, 'x', sizeof(line));
	while (left > 0) {
		size_t n = left < (int)sizeof(line) ? (size_t)left : sizeof(line);

		if (molt_res_write(r, line, n) != 0)
			return;
		left -= (int)n;
	}
}

/* Says ?say= bytes and writes ?n=; ?status= makes it an error. */
static void length(molt_req *r)
{
	molt_res_length(r, (size_t)app_number(r, "say", 0));
	if (app_number(r, "status", 0))
		molt_res_error(r, app_number(r, "status", 0), NULL);
	else
		big(r);
}

static void form(molt_req *r)
{
	const char *a = molt_req_form(r, "a"), *b = molt_req_form(r, "b");

	molt_res_printf(r, "a=%s b=%s\n", or_dash(a), or_dash(b));
}

static void upload(molt_req *r)
{
	molt_file f = MOLT_FILE();
	int err = molt_req_file(r, "file", &f);

	if (err) {
		molt_res_error(r, 400, molt_strerror(err));
		return;
	}
	molt_res_printf(r, "name=%s type=%s size=%zu\n", f.name, f.type, f.data.len);
	molt_res_write(r, f.data.ptr, f.data.len);
}

/* Tries to set field ?name= to ?value= and tells what that gave. */
static void set_header(molt_req *r)
{
	int err =
		molt_res_header(r, or_dash(molt_req_query(r, "name")), molt_req_query(r, "value"));

	molt_res_puts(r, err ? molt_strerror(err) : "ok");
}

static void set_cookie(molt_req *r)
{
	molt_cookie c = {
		.size = sizeof(c),
		.name = or_dash(molt_req_query(r, "name")),
		.value = or_dash(molt_req_query(r, "value")),
		.path = "/",
		.same_site = "Lax",
		.max_age = MOLT_MINUTE,
		.http_only = true,
	};
	int err = molt_res_cookie(r, &c);

	molt_res_puts(r, err ? molt_strerror(err) : "ok");
}

static void redirect(molt_req *r)
{
	int err = molt_res_redirect(r, app_number(r, "status", 302),
				    or_dash(molt_req_query(r, "to")));

	if (err)
		molt_res_text(r, 500, molt_strerror(err));
}

static void fail(molt_req *r)
{
	molt_res_error(r, app_number(r, "status", 500), molt_req_query(r, "why"));
}

static void status_only(molt_req *r)
{
	molt_res_status(r, app_number(r, "status", 200));
}

static void json(molt_req *r)
{
	molt_res_header(r, "Content-Type", "application/json");
	molt_res_printf(r, "{\"text\":");
	molt_res_json_str(r, or_dash(molt_req_query(r, "text")));
	molt_res_printf(r, "}");
}

static void file(molt_req *r)
{
	int err = molt_res_file(r, or_dash(molt_req_query(r, "path")));

	if (err)
		molt_res_text(r, 404, molt_strerror(err));
}

static void note_release(void *value)
{
	molt_log(MOLT_INFO, "released %s", (const char *)value);
}

/* Nested middleware: each writes around what it encloses. */
static void outer(molt_req *r)
{
	molt_req_set(r, "user", app_text("ann"), note_release);
	molt_res_header(r, "X-Outer", "1");
	molt_res_printf(r, "(");
	molt_next(r);
	molt_res_printf(r, ")");
}

static void inner(molt_req *r)
{
	const char *token = molt_req_query(r, "token");

	if (!token || strcmp(token, "ok") != 0) {
		molt_res_error(r, 401, "token required");
		return; /* the chain ends here */
	}
	molt_res_printf(r, "[");
	molt_next(r);
	molt_res_printf(r, "]");
}

static void inside(molt_req *r)
{
	molt_res_printf(r, "%s", or_dash(molt_req_get(r, "user")));
}

static void not_found_page(molt_req *r)
{
	molt_res_printf(r, "no such thing: %s\n", molt_req_path(r));
}

/* Handlers that only tell which route was taken. */
static const struct {
	const char *pattern;
	molt_handler *handler;
	const char *arg;
} rows[] = {
	{ "/", say_arg, "Hello from build " BUILD },
	{ "/build", say_arg, BUILD },
	{ "/users/{x}", say_param, "user" },
	{ "/users/me", say_arg, "me" },
	{ "/files/{x...}", say_param, "file" },
	{ "/files/readme", say_arg, "readme" },
	{ "/files/{x}/info", say_param, "info" },
	{ "/page/{a}.{b}", two_params, NULL },
	{ "GET /only-get", say_arg, "got" },
	{ "POST,PUT /only-post", say_arg, "posted" },
	{ "/both", say_arg, "any method" },
	{ "DELETE /both", say_arg, "deleted" },
	{ "/goframe/:x", say_param, "colon" },
	{ "/goframe/list/*x", say_param, "star" },
	{ "POST:/goframe-post", say_arg, "goframe post" },
	{ "/where", say_arg, "anywhere" },
	{ "api.example.com/where", say_arg, "api host" },
};

static void routing(molt_group *g)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		molt_bind(g, rows[i].pattern, rows[i].handler, app_text(rows[i].arg));
}

static void groups(molt_group *g)
{
	molt_group *api = molt_group_new(g, "/api");
	molt_group *tenant = molt_group_new(api, "/tenant/{x}");

	molt_bind(api, "/open", inside, NULL); /* before use(): order is no matter */
	molt_group_use(api, outer, NULL);
	molt_group_use(tenant, inner, NULL);
	molt_bind(tenant, "/closed", inside, NULL);
	molt_group_on_status(api, 404, not_found_page, NULL);
	molt_bind(api, "/fail", fail, NULL);
}

void app_http_routes(molt_server *s)
{
	molt_group *g = molt_routes(s);
	molt_route_opts small = MOLT_ROUTE_OPTS(.max_body = 1000);
	molt_route_opts streamed = MOLT_ROUTE_OPTS(.stream_body = true);

	molt_bind(g, "/id", id, NULL);
	molt_bind(g, "/show", show, NULL);
	molt_bind(g, "/show/{x...}", show, NULL);
	molt_bind(g, "/echo", echo, NULL);
	molt_bind_opts(g, "/small", echo, NULL, &small);
	molt_bind_opts(g, "POST /count", count, NULL, &streamed);
	molt_bind(g, "/ignore", ignore, NULL);
	molt_bind(g, "/big", big, NULL);
	molt_bind(g, "/length", length, NULL);
	molt_bind(g, "/form", form, NULL);
	molt_bind(g, "POST /upload", upload, NULL);
	molt_bind(g, "/set-header", set_header, NULL);
	molt_bind(g, "/set-cookie", set_cookie, NULL);
	molt_bind(g, "/redirect", redirect, NULL);
	molt_bind(g, "/fail", fail, NULL);
	molt_bind(g, "/status", status_only, NULL);
	molt_bind(g, "/json", json, NULL);
	molt_bind(g, "/file", file, NULL);
	routing(g);
	groups(g);
}
