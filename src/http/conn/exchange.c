/* What is the same for the exchanges of every protocol: how an answer ends, counters, and
 * small questions about fields and status codes; see exchange.h. */
#include "http/conn/exchange.h"

#include <stdatomic.h>

#include "base/check.h"

const mo_field *mo_req_field(const molt_req *r, enum mo_field_id id)
{
	for (size_t i = 0; i < r->nfields; i++)
		if (r->fields[i].id == id)
			return &r->fields[i];
	return NULL;
}

mo_http_sum mo_http_counted(const mo_http_server *s)
{
	mo_http_sum sum = { 0 };

#define ADD(member) sum.member += atomic_load_explicit(&n->member, memory_order_relaxed)
	for (size_t i = 0; i < MO_LOOPS_MAX; i++) {
		const mo_http_count *n = &s->counts[i];

		ADD(requests);
		ADD(total_requests);
		for (size_t k = 0; k < MO_COUNTOF(sum.by_class); k++)
			ADD(by_class[k]);
		ADD(h2_connections);
		ADD(h2_total_connections);
		ADD(h2_requests);
		ADD(h2_calmed);
	}
#undef ADD
	return sum;
}

/* ---- the end of an answer ---- */

bool mo_exchange_begins_again(molt_req *r)
{
	if (r->head_sent) {
		r->cut = true;
		return false;
	}
	r->write_deadline = INT64_MAX;
	return true;
}

/* A small text about the status, no field of the handler's and no stage. */
static void replace_answer(molt_req *r, int status)
{
	static const molt_str name = { "Content-Type", 12 };
	static const molt_str value = { "text/plain; charset=utf-8", 25 };
	mo_out_field *f = mo_arena_zalloc(&r->arena, sizeof(*f));

	f->name = name;
	f->value = value;
	r->out_fields = f;
	r->out_tail = &f->next;
	r->status = status;
	r->res_length = -1;
	r->chain = NULL;
	r->out.len = 0;
	mo_buf_fmt(&r->out, "%d %s\n", status, mo_status_text(status));
}

void mo_exchange_times_out(molt_req *r)
{
	if (mo_exchange_begins_again(r))
		replace_answer(r, 503);
}

void mo_exchange_answer_status(molt_req *r, int status)
{
	if (!mo_exchange_begins_again(r))
		return;
	r->close = true;
	replace_answer(r, status);
	(void)r->ops->send(r, r->out.data, r->out.len, true);
}

/* ---- status codes ---- */

/* Phrases of the IANA registry, by status % 100; it has holes. */
static const char *const informational[] = {
	[0] = "Continue",
	[1] = "Switching Protocols",
	[2] = "Processing",
	[3] = "Early Hints",
};
static const char *const success[] = {
	[0] = "OK",
	[1] = "Created",
	[2] = "Accepted",
	[3] = "Non-Authoritative Information",
	[4] = "No Content",
	[5] = "Reset Content",
	[6] = "Partial Content",
	[7] = "Multi-Status",
	[8] = "Already Reported",
	[26] = "IM Used",
};
static const char *const redirection[] = {
	[0] = "Multiple Choices",   [1] = "Moved Permanently",  [2] = "Found",
	[3] = "See Other",          [4] = "Not Modified",       [5] = "Use Proxy",
	[7] = "Temporary Redirect", [8] = "Permanent Redirect",
};
static const char *const client_error[] = {
	[0] = "Bad Request",
	[1] = "Unauthorized",
	[2] = "Payment Required",
	[3] = "Forbidden",
	[4] = "Not Found",
	[5] = "Method Not Allowed",
	[6] = "Not Acceptable",
	[7] = "Proxy Authentication Required",
	[8] = "Request Timeout",
	[9] = "Conflict",
	[10] = "Gone",
	[11] = "Length Required",
	[12] = "Precondition Failed",
	[13] = "Content Too Large",
	[14] = "URI Too Long",
	[15] = "Unsupported Media Type",
	[16] = "Range Not Satisfiable",
	[17] = "Expectation Failed",
	[18] = "I'm a teapot",
	[21] = "Misdirected Request",
	[22] = "Unprocessable Content",
	[23] = "Locked",
	[24] = "Failed Dependency",
	[25] = "Too Early",
	[26] = "Upgrade Required",
	[28] = "Precondition Required",
	[29] = "Too Many Requests",
	[31] = "Request Header Fields Too Large",
	[51] = "Unavailable For Legal Reasons",
};
static const char *const server_error[] = {
	[0] = "Internal Server Error",
	[1] = "Not Implemented",
	[2] = "Bad Gateway",
	[3] = "Service Unavailable",
	[4] = "Gateway Timeout",
	[5] = "HTTP Version Not Supported",
	[6] = "Variant Also Negotiates",
	[7] = "Insufficient Storage",
	[8] = "Loop Detected",
	[10] = "Not Extended",
	[11] = "Network Authentication Required",
};

static const struct {
	const char *const *text;
	int count;
} classes[] = {
	{ NULL, 0 },
	{ informational, MO_COUNTOF(informational) },
	{ success, MO_COUNTOF(success) },
	{ redirection, MO_COUNTOF(redirection) },
	{ client_error, MO_COUNTOF(client_error) },
	{ server_error, MO_COUNTOF(server_error) },
};

const char *mo_status_text(int status)
{
	const char *text = NULL;

	if (status >= 100 && status < 600 && status % 100 < classes[status / 100].count)
		text = classes[status / 100].text[status % 100];
	return text ? text : "";
}

bool mo_status_has_body(int status)
{
	return status >= 200 && status != 204 && status != 304;
}
