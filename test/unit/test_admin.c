/* The admin: who may, what is answered, what is run. */
#include "unit.h"

#include <errno.h>
#include <jansson.h>

#include "base/buf.h"
#include "base/check.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "web/admin.h"
#include "web/group.h"
#include "web/log_reopen.h"

/* ---- stand-ins for requests and the process ------------------------------------ */

static struct {
	const char *method, *query, *body, *type;
	struct {
		const char *name, *value;
	} fields[8];
	int body_error;
	/* What came of it. */
	int status;
	mo_buf out, head;
	int restarts, chosen, shutdowns;
	char *exe;
	void (*deferred)(void *); /* runs when the answer has been sent */
	/* The process. */
	int restart_result, reopen_result, reopen_others, reopens;
	const char *receipt, *state;
} now;

static molt_server server;
static molt_group group;
static molt_req req;
static mo_addr peer;
static mo_field sent[8];
static int ours; /* what the kernel says about the peer */
static mo_buf told;

static int peer_is_ours(const molt_req *r)
{
	return ours;
}

static const mo_exchange_ops ops = { .peer_is_ours = peer_is_ours };

const char *molt_req_method(const molt_req *r)
{
	return now.method;
}

const char *molt_req_path(const molt_req *r)
{
	return "/debug/admin/x";
}

const char *molt_req_client_ip(const molt_req *r)
{
	return "192.0.2.7";
}

molt_server *molt_req_server(const molt_req *r)
{
	return &server;
}

const char *molt_req_header(const molt_req *r, const char *name)
{
	if (!strcmp(name, "Content-Type"))
		return now.type;
	for (size_t i = 0; i < 8 && now.fields[i].name; i++)
		if (!strcasecmp(now.fields[i].name, name))
			return now.fields[i].value;
	return NULL;
}

const char *molt_req_query(const molt_req *r, const char *name)
{
	return !strcmp(name, "newExeFilePath") ? now.query : NULL;
}

molt_str molt_req_query_str(const molt_req *r, const char *name)
{
	return mo_str(molt_req_query(r, name));
}

const char *molt_req_form(molt_req *r, const char *name)
{
	return now.body && !strncmp(now.body, "newExeFilePath=", 15) ? now.body + 15 : NULL;
}

molt_str molt_req_form_str(molt_req *r, const char *name)
{
	molt_str v = mo_str(molt_req_form(r, name));

	/* "%00" in it is a NUL, in the fewest words. */
	if (v.ptr && strstr(v.ptr, "%00"))
		v = MO_STR("/bin/sh\0x");
	return v;
}

int molt_req_body(molt_req *r, molt_str *out)
{
	*out = mo_str(now.body);
	return now.body_error;
}

int molt_res_header(molt_req *r, const char *name, const char *value)
{
	mo_buf_fmt(&now.head, "%s: %s\n", name, value);
	return 0;
}

int molt_res_json(molt_req *r, int status, const char *json)
{
	now.status = status;
	mo_buf_puts(&now.out, json);
	return 0;
}

int molt_res_write(molt_req *r, const void *buf, size_t n)
{
	mo_buf_add(&now.out, buf, n);
	return 0;
}

int molt_res_html(molt_req *r, int status, const char *html)
{
	molt_res_header(r, "Content-Type", "text/html");
	return molt_res_json(r, status, html);
}

int molt_block(void (*fn)(void *), void *arg)
{
	fn(arg);
	return 0;
}

void molt_defer(molt_req *r, void (*fn)(void *), void *arg)
{
	now.deferred = fn;
}

int molt_restart(const char *exe)
{
	now.restarts++;
	free(now.exe);
	now.exe = mo_strdup(exe);
	return now.restart_result;
}

int mo_restart_chosen(const char *exe)
{
	now.chosen++;
	return molt_restart(exe);
}

int molt_shutdown(void)
{
	now.shutdowns++;
	return 0;
}

int mo_log_reopen_everywhere(int *others, char **why)
{
	now.reopens++;
	*others = now.reopen_others;
	if (now.reopen_result)
		*why = mo_strdup("a log file cannot be opened; the one before is kept");
	return now.reopen_result;
}

char *molt_receipt(void)
{
	return mo_strdup(now.receipt);
}

static char *kept[4];

static char *keep(char *s)
{
	for (size_t i = 0; i < 4; i++)
		if (!kept[i])
			return kept[i] = s;
	abort();
}

char *molt_fmt(molt_req *r, const char *fmt, ...)
{
	mo_buf b = { 0 };
	va_list ap;

	va_start(ap, fmt);
	mo_buf_vfmt(&b, fmt, ap);
	va_end(ap);
	mo_buf_cstr(&b);
	return keep(b.data);
}

char *molt_strdup(molt_req *r, const char *s)
{
	return keep(mo_strdup(s));
}

const char *molt_strerror(int err)
{
	return strerror(-err);
}

#define RECEIPT                                                                                    \
	"{\"id\":\"r1\",\"generation\":1,\"successor_generation\":2,\"target\":\"/x/<app>\","      \
	"\"outcome\":\"%s\",\"phase\":\"INIT\",\"reason\":\"it ended with status "                 \
	"3\",\"errno\":10,"                                                                        \
	"\"exit_status\":3,\"signal\":null,\"last_lines\":[\"bad <config>\",\"bye\"],\"started\":" \
	"\"2026-01-01T00:00:00Z\",\"ms\":38,\"pid\":11,\"successor_pid\":22,\"phases\":[{"         \
	"\"phase\":\"SPAWN\",\"ms\":1.5}],\"listeners\":{\"adopted\":4,\"bound\":0,\"closed\":0}," \
	"\"probes\":[{\"probe\":\"GET /h 200\",\"status\":503,\"answer\":\"<b>no\"}],"             \
	"\"drained\":null}"

static const char switched[] =
	"{\"id\":\"r1\",\"generation\":1,\"successor_generation\":2,"
	"\"outcome\":\"switched\",\"ms\":38,\"pid\":11,\"successor_pid\":22}";
static const char failed[] = "{\"id\":\"r2\",\"generation\":1,\"outcome\":\"failed\","
			     "\"reason\":\"it ended with status 3\"}";

json_t *mo_process_status(void)
{
	json_t *s =
		json_pack("{s:i,s:i,s:s,s:s,s:s,s:I,s:i,s:[{s:i,s:i}],s:[{s:s,s:b,s:s,s:[{s:s,s:"
			  "s,s:b}],s:i,s:i,"
			  "s:i,s:{s:i,s:i}}],s:[]}",
			  "pid", 11, "generation", 1, "exe", "/x/<script>", "version", "0.1.0",
			  "state", now.state, "uptime_ms", (json_int_t)3723000, "loops", 2,
			  "older_generations", "generation", 3, "pid", 9, "servers", "name", "s1",
			  "graceful", 1, "state", "started", "listeners", "address", ":0", "bound",
			  ":8199", "https", 1, "connections", 3, "requests", 1, "total_requests",
			  42, "answers", "2xx", 40, "3xx", 0, "receipts");

	return s;
}

static void listen_to(void *arg, enum molt_level l, const char *line)
{
	mo_buf_puts(&told, line);
}

static int tear_down(void **state)
{
	mo_buf_free(&now.out);
	mo_buf_free(&now.head);
	mo_buf_free(&told);
	free(now.exe);
	for (size_t i = 0; i < 4; i++)
		free(kept[i]);
	memset(kept, 0, sizeof(kept));
	memset(&now, 0, sizeof(now));
	molt_log_set_sink(NULL, NULL);
	return 0;
}

static int set_up(void **state)
{
	memset(&server, 0, sizeof(server));
	memset(&group, 0, sizeof(group));
	server.admin_path = (char *)(uintptr_t) "/debug/admin";
	server.admin_group = &group;
	req = (molt_req){ .host = MO_STR("127.0.0.1:8199"),
			  .peer = &peer,
			  .minor = 1,
			  .ops = &ops,
			  .fields = sent };
	ours = 1;
	now.method = "POST";
	now.state = "serving";
	now.receipt = switched;
	molt_log_set_sink(listen_to, NULL);
	return mo_addr_parse("127.0.0.1:5000", &peer);
}

#define TOKEN "0123456789abcdef"

/* ---- answers ------------------------------------------------------------------------ */

static void field(const char *name, const char *value)
{
	for (size_t i = 0; i < 8; i++)
		if (!now.fields[i].name) {
			now.fields[i].name = name;
			now.fields[i].value = value;
			sent[i] = (mo_field){ .name = mo_str(name), .value = mo_str(value) };
			req.nfields = i + 1;
			return;
		}
}

static void answers(int status, const char *part)
{
	if (now.status != status || !strstr(mo_buf_cstr(&now.out), part))
		fail_msg("%d %s, not %d %s", now.status, mo_buf_cstr(&now.out), status, part);
}

static void logs(const char *part)
{
	if (!strstr(mo_buf_cstr(&told), part))
		fail_msg("the log does not say \"%s\" but \"%s\"", part, mo_buf_cstr(&told));
}

static void a_refusal_has_a_reason_and_names_the_client_in_the_log(void **state)
{
	field("Origin", "http://evil.com");
	mo_admin_on_restart(&req);
	answers(403, "\"ok\":false,\"error\":\"EPERM\",\"reason\":\"the Origin is not");
	logs("admin: refused POST /debug/admin/x from 192.0.2.7: the Origin is not this host");
	assert_int_equal(now.restarts, 0);
}

static void forwarding_fields_have_no_influence(void **state)
{
	assert_int_equal(mo_addr_parse("192.0.2.7:5000", &peer), 0);
	field("X-Forwarded-For", "127.0.0.1");
	field("X-Forwarded-Host", "127.0.0.1");
	field("X-Real-IP", "127.0.0.1");
	field("Forwarded", "for=127.0.0.1");
	field("x-url-path", "/debug/admin/restart");
	mo_admin_on_restart(&req);
	answers(403, "not on this machine");
	assert_int_equal(now.restarts, 0);
}

static void a_proxys_field_ends_the_loopback_rule(void **state)
{
	static const char *const names[] = {
		"Via",       "Forwarded",       "x-forwarded-for", "X-Forwarded-Proto",
		"X-Real-IP", "CF-Connecting-IP"
	};

	for (size_t i = 0; i < MO_COUNTOF(names); i++) {
		memset(now.fields, 0, sizeof(now.fields));
		field(names[i], "1.1 x");
		mo_admin_on_restart(&req);
		answers(403, "a proxy has handed the request on");
	}
	memset(now.fields, 0, sizeof(now.fields));
	field("X-Forwarded", "not a family of one"); /* and not of that family */
	mo_buf_free(&now.out);
	mo_admin_on_restart(&req);
	answers(200, "\"ok\":true");
	assert_int_equal(now.restarts, 1);
}

static void the_kernel_says_whose_connection_it_is(void **state)
{
	ours = 0;
	mo_admin_on_shutdown(&req);
	answers(403, "another user of this machine than the server; set a token (adminToken)");
	ours = -ENOENT;
	mo_admin_on_shutdown(&req);
	answers(403, "does not tell which user");
	assert_null(now.deferred);
}

static void http_1_0_is_a_proxys(void **state)
{
	req.minor = 0;
	mo_admin_on_shutdown(&req);
	answers(403, "HTTP/1.0");
	assert_null(now.deferred);
}

/* A link in a mail, a bookmark, an address that was typed: each asks first. */
static void a_browsers_get_shows_a_button(void **state)
{
	now.method = "GET";
	now.query = "/srv/<new>";
	field("Accept", "text/html,application/xhtml+xml,*/*;q=0.8");
	field("Sec-Fetch-Site", "none");
	mo_admin_on_restart(&req);
	answers(200, "<form method=\"post\" action=\"/debug/admin/restart\">");
	answers(200, "<code id=\"exe\">/srv/&lt;new&gt;</code>");
	answers(200, "type=\"hidden\" name=\"newExeFilePath\" value=\"/srv/&lt;new&gt;\"");
	mo_admin_on_shutdown(&req);
	answers(200, "<form method=\"post\" action=\"/debug/admin/shutdown\">");
	mo_admin_on_rollback(&req);
	answers(200, "<form method=\"post\" action=\"/debug/admin/rollback\">");
	assert_int_equal(now.restarts, 0);
	assert_null(now.deferred);
}

/* The image of a page or a mail. */
static void a_browsers_get_that_shows_no_page_is_refused(void **state)
{
	now.method = "GET";
	field("Accept", "image/avif,image/webp,*/*");
	mo_admin_on_restart(&req);
	answers(403, "in a browser an action is a POST");
	memset(now.fields, 0, sizeof(now.fields));
	field("Accept", "*/*");
	field("Sec-Fetch-Mode", "no-cors");
	mo_admin_on_restart(&req);
	answers(403, "in a browser an action is a POST");
	field("Sec-Fetch-Site", "none");
	mo_admin_on_restart(&req);
	answers(403, "in a browser an action is a POST");
	now.fields[2].value = "same-origin";
	field("Sec-Fetch-Dest", "script");
	mo_admin_on_restart(&req);
	answers(403, "in a browser an action is a POST");
	assert_int_equal(now.restarts, 0);
}

static void a_scripts_get_acts(void **state)
{
	now.method = "GET";
	field("Accept", "*/*");
	mo_admin_on_restart(&req);
	assert_int_equal(now.restarts, 1);
	field("Sec-Fetch-Site", "same-origin"); /* fetch() of a page of this server */
	field("Sec-Fetch-Dest", "empty");
	mo_admin_on_restart(&req);
	assert_int_equal(now.restarts, 2);
}

static void a_missing_token_asks_for_one(void **state)
{
	server.set.admin_token = (char *)(uintptr_t)TOKEN;
	assert_int_equal(mo_addr_parse("192.0.2.7:5000", &peer), 0);
	mo_admin_on_status(&req);
	answers(401, "reason");
	assert_non_null(strstr(mo_buf_cstr(&now.head), "WWW-Authenticate: Bearer"));
	assert_null(strstr(mo_buf_cstr(&told), TOKEN));
}

static void middleware_of_the_group_replaces_the_loopback_rule(void **state)
{
	static mo_middleware own;

	group.middleware = &own;
	assert_int_equal(mo_addr_parse("192.0.2.7:5000", &peer), 0);
	mo_admin_on_restart(&req);
	answers(200, "\"ok\":true");
}

static void head_never_acts(void **state)
{
	now.method = "HEAD";
	mo_admin_on_restart(&req);
	assert_int_equal(now.status, 405);
	mo_admin_on_shutdown(&req);
	assert_int_equal(now.status, 405);
	assert_int_equal(now.restarts + now.shutdowns, 0);
	assert_non_null(strstr(mo_buf_cstr(&now.head), "Allow: GET, POST"));
}

static void a_restart_tells_the_outcome_with_its_receipt(void **state)
{
	mo_admin_on_restart(&req);
	answers(200,
		"\"ok\":true,\"outcome\":\"switched\",\"message\":\"Generation 2 (pid 22) serves");
	answers(200, "\"receipt\":{\"id\":\"r1\"");
	assert_int_equal(now.restarts, 1);
	assert_null(now.exe);
	assert_non_null(strstr(mo_buf_cstr(&now.head), "Cache-Control: no-store"));
	logs("restart asked by 192.0.2.7");
}

static void every_failure_of_a_restart_has_its_status(void **state)
{
	static const struct {
		int err, status;
		const char *name;
	} rows[] = {
		{ -EBUSY, 409, "EBUSY" },     { -ENOENT, 404, "ENOENT" },
		{ -EACCES, 422, "EACCES" },   { -ENOEXEC, 422, "ENOEXEC" },
		{ -ECHILD, 502, "ECHILD" },   { -EPROTO, 502, "EPROTO" },
		{ -ENOTSUP, 501, "ENOTSUP" }, { -ETIMEDOUT, 504, "ETIMEDOUT" },
		{ -ENOMEM, 503, "ENOMEM" },   { -EMFILE, 503, "EMFILE" },
		{ -EIO, 500, "EIO" },         { -ENFILE, 503, "ENFILE" },
		{ -EDEADLK, 500, "EIO" },     { -EREMOTEIO, 502, "EREMOTEIO" },
	};

	now.receipt = failed;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char error[64];

		now.out.len = 0;
		now.restart_result = rows[i].err;
		mo_admin_on_restart(&req);
		snprintf(error, sizeof(error), "\"ok\":false,\"error\":\"%s\"", rows[i].name);
		answers(rows[i].status, error);
		/* Without a transaction there is no receipt of this attempt. */
		if (rows[i].err == -EBUSY || rows[i].err == -ENOTSUP)
			assert_null(strstr(now.out.data, "receipt"));
		else
			answers(rows[i].status,
				"\"reason\":\"it ended with status 3\",\"receipt\":{");
	}
	logs("it ended with status 3");
}

static void a_program_outside_the_allowed_directories_is_refused(void **state)
{
	now.query = "/bin/sh";
	mo_admin_on_restart(&req);
	answers(403, "not the running program's own path");
	now.query = NULL;
	now.type = "application/x-www-form-urlencoded";
	now.body = "newExeFilePath=/bin/sh";
	now.out.len = 0;
	mo_admin_on_restart(&req);
	answers(403, "not the running program's own path");
	now.type = "application/json; charset=utf-8";
	now.body = "{\"newExeFilePath\":\"/bin/sh\"}";
	now.out.len = 0;
	mo_admin_on_restart(&req);
	answers(403, "not the running program's own path");
	assert_int_equal(now.restarts, 0);
}

static void an_allowed_program_is_started_by_its_real_path(void **state)
{
	char own[4096];
	ssize_t n = readlink("/proc/self/exe", own, sizeof(own) - 1);

	assert_true(n > 0);
	own[n] = '\0';
	now.query = "/proc/self/exe";
	mo_admin_on_restart(&req);
	answers(200, "switched");
	assert_string_equal(now.exe, own);
	assert_int_equal(now.chosen, 1);
}

/* A program that was named in a way that cannot be read is not forgotten. */
static void a_body_that_can_not_be_read_restarts_nothing(void **state)
{
	static char deep[2 * 900 + 32] = "{\"x\":";
	static const char *const bodies[] = { "[1]", "{\"newExeFilePath\":1}", "{", "null", deep };

	now.type = "application/json";
	memset(deep + 5, '[', 900);
	memset(deep + 905, ']', 900);
	deep[1805] = '}';
	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
		now.body = bodies[i];
		mo_admin_on_restart(&req);
		assert_int_equal(now.status, 400);
	}
	now.type = "application/x-www-form-urlencoded";
	now.body = "newExeFilePath=/bin/sh%00x";
	mo_admin_on_restart(&req);
	assert_int_equal(now.status, 400);
	now.type = "text/plain";
	now.body = "newExeFilePath=/bin/sh";
	mo_admin_on_restart(&req);
	assert_int_equal(now.status, 415);
	now.body_error = -E2BIG;
	mo_admin_on_restart(&req);
	assert_int_equal(now.status, 413);
	now.body_error = -EBADMSG;
	mo_admin_on_restart(&req);
	assert_int_equal(now.status, 400);
	assert_int_equal(now.restarts, 0);
}

static void an_empty_field_means_the_same_program(void **state)
{
	now.type = "application/x-www-form-urlencoded";
	now.body = "newExeFilePath=";
	mo_admin_on_restart(&req);
	answers(200, "switched");
	assert_null(now.exe);
}

static void a_browser_without_script_gets_a_page_with_a_way_back(void **state)
{
	field("Accept", "text/html,application/xhtml+xml,*/*;q=0.8");
	now.restart_result = -ECHILD;
	now.receipt = failed;
	mo_admin_on_restart(&req);
	answers(502, "Not done");
	answers(502, "it ended with status 3");
	answers(502, "<a href=\"/debug/admin\">Back");
	assert_null(strstr(now.out.data, "<script"));
	assert_null(strstr(now.out.data, "{{"));
	assert_non_null(
		strstr(mo_buf_cstr(&now.head), "Content-Security-Policy: default-src 'none'"));
}

static void a_shutdown_follows_its_answer(void **state)
{
	mo_admin_on_shutdown(&req);
	answers(200, "\"ok\":true");
	assert_int_equal(now.shutdowns, 0);
	assert_non_null(now.deferred);
	now.deferred(NULL);
	assert_int_equal(now.shutdowns, 1);
	assert_true(req.close);
}

static void a_second_shutdown_does_not_cut_the_first(void **state)
{
	now.state = "stopping";
	mo_admin_on_shutdown(&req);
	answers(200, "\"ok\":true");
	assert_null(now.deferred);
}

static void a_process_that_was_replaced_passes_the_shutdown_on(void **state)
{
	now.state = "draining";
	mo_admin_on_shutdown(&req);
	answers(409, "replaced already");
	assert_null(now.deferred);
	assert_true(req.close);
}

static void logs_are_reopened_and_a_failure_is_told(void **state)
{
	mo_admin_on_reopen(&req);
	answers(200, "The log files are open anew.\"");
	assert_int_equal(now.reopens, 1);
	mo_buf_free(&now.out);
	now.reopen_others = 2;
	mo_admin_on_reopen(&req);
	answers(200, "also in 2 older generations.\"");
	mo_buf_free(&now.out);
	now.reopen_result = -EACCES;
	mo_admin_on_reopen(&req);
	answers(422, "cannot be opened");
	now.method = "GET";
	now.fields[0].name = "Referer";
	now.fields[0].value = "http://evil.example/";
	mo_admin_on_reopen(&req);
	assert_int_equal(now.status, 403);
	assert_int_equal(now.reopens, 3);
}

static void the_control_socket_may_start_any_program(void **state)
{
	server.internal = true;
	now.query = "/bin/sh";
	mo_admin_on_restart(&req);
	answers(200, "\"ok\":true");
	assert_string_equal(now.exe, "/bin/sh");
	assert_int_equal(now.chosen, 0);
}

/* ---- pages --------------------------------------------------------------------------- */

static void the_page_escapes_what_it_shows(void **state)
{
	now.method = "GET";
	mo_admin_on_page(&req);
	answers(200, "/x/&lt;script&gt;");
	answers(200, "https :0");
	answers(200, "(:8199)");
	answers(200, "1 h 2 min");
	answers(200, "2xx: 40");
	answers(200, "generation 3, pid 9");
	answers(200, "None yet.");
	assert_null(strstr(now.out.data, "/x/<script>"));
	assert_null(strstr(now.out.data, "{{"));
	assert_null(strstr(now.out.data, "3xx"));
}

static void the_page_works_without_script_and_loads_nothing(void **state)
{
	now.method = "GET";
	mo_admin_on_page(&req);
	answers(200,
		"<form method=\"post\" data-action=\"restart\" action=\"/debug/admin/restart\">");
	answers(200, "action=\"/debug/admin/shutdown\"");
	assert_null(strstr(now.out.data, "http://"));
	assert_null(strstr(now.out.data, "https://"));
	assert_null(strstr(now.out.data, "src="));
	assert_null(strstr(now.out.data, "style=\""));
	assert_null(strstr(now.out.data, "onclick"));
}

/* A narrow window shows the label in place of the head: none may be missing or differ. */
static void each_cell_has_its_columns_title_as_label(void **state)
{
	static const char *const titles[] = { "Name",        "State",   "Listeners", "Graceful",
					      "Connections", "Running", "Requests",  "Answers" };
	char text[64];
	const char *head, *cell;
	size_t i;

	now.method = "GET";
	mo_admin_on_page(&req);
	head = strstr(mo_buf_cstr(&now.out), "<thead>");
	assert_non_null(head);
	cell = strstr(head, "<tbody>");
	assert_non_null(cell);
	for (i = 0; i < MO_COUNTOF(titles); i++) {
		snprintf(text, sizeof(text), ">%s</th>", titles[i]);
		head = strstr(head, text);
		assert_non_null(head);
		cell = strstr(cell, "<td");
		assert_non_null(cell);
		snprintf(text, sizeof(text), "<td data-label=\"%s\"", titles[i]);
		assert_memory_equal(cell, text, strlen(text));
		cell++;
	}
	cell = strstr(cell, "<td");
	assert_true(!cell || !strncmp(cell, "<td data-label=\"Name\"", 21));
	answers(200, "content: attr(data-label)");
}

static void each_page_has_a_nonce_of_its_own(void **state)
{
	char first[128] = "", *at;

	now.method = "GET";
	mo_admin_on_page(&req);
	at = strstr(mo_buf_cstr(&now.head), "'nonce-");
	assert_non_null(at);
	memcpy(first, at + 7, 32);
	answers(200, first);
	now.head.len = now.out.len = 0;
	mo_admin_on_page(&req);
	assert_null(strstr(mo_buf_cstr(&now.head), first));
	assert_null(strstr(mo_buf_cstr(&now.out), first));
}

static void a_receipt_is_shown_whole(void **state)
{
	char text[1024];
	json_t *receipt;
	mo_buf b = { 0 };

	snprintf(text, sizeof(text), RECEIPT, "failed");
	receipt = json_loads(text, 0, NULL);
	assert_non_null(receipt);
	mo_admin_view_receipt(&b, receipt, false);
	mo_buf_cstr(&b);
	assert_non_null(strstr(b.data, "<span class=\"tag bad\">failed</span>"));
	assert_non_null(strstr(b.data, "/x/&lt;app&gt;"));
	assert_non_null(strstr(b.data, "bad &lt;config&gt;\nbye"));
	assert_non_null(strstr(b.data, "SPAWN <span class=\"soft\">1.5 ms"));
	assert_non_null(strstr(b.data, "adopted 4, bound 0"));
	assert_non_null(strstr(b.data, "probe GET /h 200, status 503, answer &lt;b&gt;no"));
	assert_null(strstr(b.data, "Signal"));
	mo_buf_free(&b);
	json_decref(receipt);
}

static void a_status_without_members_is_shown_all_the_same(void **state)
{
	mo_buf b = { 0 };
	json_t *empty = json_pack("{s:{}, s:[{}, {}], s:[{}]}", "x", "servers", "receipts");

	mo_admin_view(&b, empty);
	mo_admin_view(&b, NULL);
	assert_true(b.len > 100);
	mo_buf_free(&b);
	json_decref(empty);
}

static void the_state_is_json(void **state)
{
	now.method = "GET";
	mo_admin_on_status(&req);
	answers(200, "{\"pid\":11,\"generation\":1,");
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(a_refusal_has_a_reason_and_names_the_client_in_the_log),
		T(forwarding_fields_have_no_influence),
		T(a_proxys_field_ends_the_loopback_rule),
		T(the_kernel_says_whose_connection_it_is),
		T(http_1_0_is_a_proxys),
		T(a_browsers_get_shows_a_button),
		T(a_browsers_get_that_shows_no_page_is_refused),
		T(a_scripts_get_acts),
		T(a_missing_token_asks_for_one),
		T(middleware_of_the_group_replaces_the_loopback_rule),
		T(head_never_acts),
		T(a_restart_tells_the_outcome_with_its_receipt),
		T(every_failure_of_a_restart_has_its_status),
		T(a_program_outside_the_allowed_directories_is_refused),
		T(an_allowed_program_is_started_by_its_real_path),
		T(a_body_that_can_not_be_read_restarts_nothing),
		T(an_empty_field_means_the_same_program),
		T(a_browser_without_script_gets_a_page_with_a_way_back),
		T(a_shutdown_follows_its_answer),
		T(a_second_shutdown_does_not_cut_the_first),
		T(a_process_that_was_replaced_passes_the_shutdown_on),
		T(logs_are_reopened_and_a_failure_is_told),
		T(the_control_socket_may_start_any_program),
		T(the_page_escapes_what_it_shows),
		T(the_page_works_without_script_and_loads_nothing),
		T(each_cell_has_its_columns_title_as_label),
		T(each_page_has_a_nonce_of_its_own),
		T(a_receipt_is_shown_whole),
		T(a_status_without_members_is_shown_all_the_same),
		T(the_state_is_json),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
