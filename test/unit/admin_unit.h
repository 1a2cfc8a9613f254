/* The admin's functions with stand-ins for requests and the process: what test_admin.c and
 * test_admin_page.c share. */
#ifndef ADMIN_UNIT_H
#define ADMIN_UNIT_H

#include "unit.h"

#include <errno.h>
#include <jansson.h>

#include "base/buf.h"
#include "base/check.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "web/admin/admin.h"
#include "web/core/group.h"
#include "web/run/log_reopen.h"
#include "web/run/process.h"

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

static inline int peer_is_ours(const molt_req *r)
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

static inline char *keep(char *s)
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

static inline void listen_to(void *arg, enum molt_level l, const char *line)
{
	mo_buf_puts(&told, line);
}

static inline int tear_down(void **state)
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

static inline int set_up(void **state)
{
	memset(&server, 0, sizeof(server));
	memset(&group, 0, sizeof(group));
	server.admin_path = (char *)(uintptr_t) "/debug/admin";
	server.admin_group = &group;
	req = (molt_req){ .host = MO_STR("127.0.0.1:8199"),
			  .peer = &peer,
			  .version = MO_HTTP_1_1,
			  .ops = &ops,
			  .fields = sent };
	ours = 1;
	now.method = "POST";
	now.state = "serving";
	now.receipt = switched;
	molt_log_set_sink(listen_to, NULL);
	return mo_addr_parse("127.0.0.1:5000", &peer);
}

/* ---- answers ------------------------------------------------------------------------ */

static inline void field(const char *name, const char *value)
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

static inline void answers(int status, const char *part)
{
	if (now.status != status || !strstr(mo_buf_cstr(&now.out), part))
		fail_msg("%d %s, not %d %s", now.status, mo_buf_cstr(&now.out), status, part);
}

static inline void logs(const char *part)
{
	if (!strstr(mo_buf_cstr(&told), part))
		fail_msg("the log does not say \"%s\" but \"%s\"", part, mo_buf_cstr(&told));
}

#endif
