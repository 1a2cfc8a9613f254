/* The library's own error pages: small, without a version or a path, in plain
 * text, or in HTML for clients that like it better.  Used by molt_res_error() and
 * for errors that a handler left without a body. */
#include "web/core/request.h"

#include "base/str.h"
#include "web/out/html.h"

/* Weight of one element of Accept in thousandths: "text/html;q=0.8" has 800. */
static int weight_of(molt_str params)
{
	while (params.ptr) {
		molt_str p = mo_str_trim(mo_str_split(&params, ';'));
		int value = 0, unit = 100;

		if (p.len < 3 || mo_lower(p.ptr[0]) != 'q' || p.ptr[1] != '=')
			continue;
		if (p.ptr[2] != '0')
			return 1000;
		for (size_t i = 4; i < p.len && mo_is_digit(p.ptr[i]); i++, unit /= 10)
			value += (p.ptr[i] - '0') * unit;
		return value;
	}
	return 1000;
}

/* Weights of HTML where it is named, and of plain text by any range. */
static bool prefers_html(const molt_req *r)
{
	const mo_field *f = mo_req_field(r, MO_F_ACCEPT);
	molt_str rest = f ? f->value : (molt_str){ NULL, 0 };
	int html = 0, text = -1, some_text = -1, any = -1;

	while (rest.ptr) {
		molt_str params = mo_str_split(&rest, ',');
		molt_str type = mo_str_trim(mo_str_split(&params, ';'));
		int weight = weight_of(params);

		if (mo_str_eq_ci(type, MO_STR("text/html")))
			html = weight;
		else if (mo_str_eq_ci(type, MO_STR("text/plain")))
			text = weight;
		else if (mo_str_eq_ci(type, MO_STR("text/*")))
			some_text = weight;
		else if (mo_str_eq(type, MO_STR("*/*")))
			any = weight;
	}
	if (text < 0)
		text = some_text >= 0 ? some_text : any;
	return html > 0 && html > text;
}

static void html_page(mo_buf *out, int status, const char *text, const char *why)
{
	mo_buf_fmt(out,
		   "<!doctype html>\n<html><head><meta charset=\"utf-8\">"
		   "<meta name=\"viewport\" content=\"width=device-width\">"
		   "<meta name=\"color-scheme\" content=\"light dark\"><title>%d %s</title>"
		   "</head>\n<body><h1>%d %s</h1>\n",
		   status, text, status, text);
	if (why) {
		mo_buf_puts(out, "<p>");
		mo_html_escape(out, why);
		mo_buf_puts(out, "</p>\n");
	}
	mo_buf_puts(out, "</body></html>\n");
}

/* Which page it is depends on Accept, and a cache between must know (RFC 9110 section
 * 12.5.5).  What the program says of its own answers stays. */
static void vary_by_accept(molt_req *r)
{
	for (const mo_out_field *f = r->out_fields; f; f = f->next) {
		molt_str rest = f->value;

		if (!mo_str_eq_ci(f->name, MO_STR("Vary")))
			continue;
		while (rest.ptr) {
			molt_str one = mo_str_trim(mo_str_split(&rest, ','));

			if (mo_str_eq_ci(one, MO_STR("Accept")) || mo_str_eq(one, MO_STR("*")))
				return;
		}
	}
	mo_res_add(r, "Vary", "Accept");
}

void mo_error_page(molt_req *r, const char *why)
{
	const char *text = mo_status_text(r->status);
	bool html = prefers_html(r);

	if (!*text)
		text = "Error";
	r->out.len = 0;
	r->res_length = -1;
	if (html)
		html_page(&r->out, r->status, text, why);
	else
		mo_buf_fmt(&r->out, "%s%s%s\n", text, why ? ": " : "", why ? why : "");
	mo_res_set(r, "Content-Type",
		   html ? "text/html; charset=utf-8" : "text/plain; charset=utf-8");
	vary_by_accept(r);
	/* What was said of the body that this one replaces. */
	mo_res_set(r, "Content-Encoding", NULL);
	mo_res_set(r, "ETag", NULL);
	mo_res_set(r, "Last-Modified", NULL);
}
