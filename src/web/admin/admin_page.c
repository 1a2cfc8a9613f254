/* Whole pages of the admin: the layout (admin_page.html) and the script
 * (admin_page.js) are put into the program by tools/embed.py.  The pages load
 * nothing from anywhere; their policy lets only the style and the script with
 * this answer's nonce run, and lets nobody frame them. */
#include <string.h>
#include <sys/random.h>

#include "base/check.h"
#include "base/str.h"
#include "web/admin/admin.h"
#include "web/out/html.h"

extern const char mo_admin_layout[], mo_admin_script[];

void mo_admin_nonce(char out[MO_NONCE_TEXT])
{
	static const char hex[] = "0123456789abcdef";
	unsigned char bytes[(MO_NONCE_TEXT - 1) / 2];

	MO_CHECK(getrandom(bytes, sizeof(bytes), 0) == (ssize_t)sizeof(bytes));
	for (size_t i = 0; i < sizeof(bytes); i++) {
		out[2 * i] = hex[bytes[i] >> 4];
		out[2 * i + 1] = hex[bytes[i] & 15];
	}
	out[MO_NONCE_TEXT - 1] = '\0';
}

void mo_admin_policy(mo_buf *out, const char *nonce)
{
	mo_buf_fmt(out,
		   "default-src 'none'; style-src 'nonce-%s'; script-src 'nonce-%s'; "
		   "connect-src 'self'; img-src data:; form-action 'self'; base-uri 'none'; "
		   "frame-ancestors 'none'",
		   nonce, nonce);
}

/* ---- the layout ------------------------------------------------------------ */

struct page {
	const char *base, *nonce, *main;
	bool script;
};

static void put_named(mo_buf *out, molt_str name, const struct page *p)
{
	if (mo_str_eq(name, MO_STR("nonce")))
		mo_buf_puts(out, p->nonce);
	else if (mo_str_eq(name, MO_STR("base")))
		mo_html_escape(out, p->base);
	else if (mo_str_eq(name, MO_STR("main")))
		mo_buf_puts(out, p->main);
	else if (mo_str_eq(name, MO_STR("script")) && p->script)
		mo_buf_fmt(out, "<script nonce=\"%s\">\n%s</script>", p->nonce, mo_admin_script);
}

/* Fills the layout's {{names}}. */
static void layout(mo_buf *out, const struct page *p)
{
	const char *at = mo_admin_layout, *open;

	while ((open = strstr(at, "{{"))) {
		const char *close = strstr(open, "}}");

		MO_CHECK(close);
		mo_buf_add(out, at, (size_t)(open - at));
		put_named(out, mo_strn(open + 2, (size_t)(close - open - 2)), p);
		at = close + 2;
	}
	mo_buf_puts(out, at);
}

/* Only while a predecessor stands by, or its program is kept. */
static void put_rollback(mo_buf *b, const char *base, const json_t *to)
{
	json_t *generation = json_object_get(to, "generation");

	if (!json_is_object(to))
		return;
	mo_buf_puts(b, "<form method=\"post\" data-action=\"rollback\" action=\"");
	mo_html_escape(b, base);
	mo_buf_fmt(b, "/rollback\"><button>Rollback to generation %lld</button></form>\n",
		   (long long)json_integer_value(generation));
}

static void put_actions(mo_buf *b, const char *base, const json_t *status)
{
	mo_buf_puts(b, "<section aria-labelledby=\"h-actions\"><h2 id=\"h-actions\">Actions</h2>\n"
		       "<form method=\"post\" data-action=\"restart\" action=\"");
	mo_html_escape(b, base);
	mo_buf_puts(b, "/restart\">\n<button>Restart</button>\n"
		       "<details id=\"d-exe\"><summary>with another program</summary>\n"
		       "<label for=\"exe\">Path of the program (empty: the same file)</label>\n"
		       "<input id=\"exe\" name=\"newExeFilePath\" autocomplete=\"off\" "
		       "spellcheck=\"false\" autocapitalize=\"off\">\n</details></form>\n");
	put_rollback(b, base, json_object_get(status, "rollback"));
	mo_buf_puts(b, "<details id=\"d-shutdown\"><summary>Shut down</summary>\n"
		       "<p>Running requests are finished; then the program ends and nothing "
		       "serves any more.</p>\n"
		       "<form method=\"post\" data-action=\"shutdown\" action=\"");
	mo_html_escape(b, base);
	mo_buf_puts(b, "/shutdown\"><button class=\"danger\">Shutdown</button></form></details>\n"
		       "<p id=\"result\" role=\"status\" aria-live=\"polite\"></p></section>\n");
}

void mo_admin_page(mo_buf *out, const char *base, const char *nonce, const json_t *status)
{
	mo_buf b = { 0 };
	struct page p = { .base = base, .nonce = nonce, .script = true };

	mo_buf_puts(&b, "<header><h1>Molt admin</h1></header>\n<main>\n");
	put_actions(&b, base, status);
	mo_buf_puts(&b, "<div id=\"state\">");
	mo_admin_view(&b, status);
	mo_buf_puts(&b, "</div>\n</main>\n<footer><p id=\"live\" class=\"soft\">"
			"Load the page again to renew it.</p><p class=\"soft\"><a href=\"");
	mo_html_escape(&b, base);
	mo_buf_puts(&b, "/status\">The state as JSON</a></p></footer>");
	p.main = mo_buf_cstr(&b);
	layout(out, &p);
	mo_buf_free(&b);
}

/* What a button of the page does, for the page that asks first. */
static const struct {
	const char *what, *title, *text;
} questions[] = {
	{ "restart", "Restart?",
	  "A new process takes over; running requests are finished in this one." },
	{ "rollback", "Roll back?", "The generation before this one serves again." },
	{ "shutdown", "Shut down?",
	  "Running requests are finished; then the program ends and nothing serves any more." },
};

void mo_admin_ask_page(mo_buf *out, const char *base, const char *nonce, const char *what,
		       const char *exe)
{
	mo_buf b = { 0 };
	struct page p = { .base = base, .nonce = nonce };
	size_t i = 0;

	while (strcmp(questions[i].what, what) != 0)
		MO_CHECK(++i < MO_COUNTOF(questions));
	mo_buf_fmt(&b,
		   "<header><h1>Molt admin</h1></header>\n<main><section>\n"
		   "<h2>%s</h2>\n<p>%s</p>\n<form method=\"post\" action=\"",
		   questions[i].title, questions[i].text);
	mo_html_escape(&b, base);
	mo_buf_fmt(&b, "/%s\">\n", what);
	if (exe && *exe && !strcmp(what, "restart")) {
		/* As text: a field would cut a long path, and this is what the reader judges. */
		mo_buf_puts(&b, "<p>With the program <code id=\"exe\">");
		mo_html_escape(&b, exe);
		mo_buf_puts(&b, "</code></p>\n"
				"<input type=\"hidden\" name=\"newExeFilePath\" value=\"");
		mo_html_escape(&b, exe);
		mo_buf_puts(&b, "\">\n");
	}
	mo_buf_fmt(&b, "<button%s>%c%s</button></form>\n<p><a href=\"",
		   strcmp(what, "shutdown") ? "" : " class=\"danger\"", what[0] - 'a' + 'A',
		   what + 1);
	mo_html_escape(&b, base);
	mo_buf_puts(&b, "\">Back to the admin page</a></p></section></main>");
	p.main = mo_buf_cstr(&b);
	layout(out, &p);
	mo_buf_free(&b);
}

void mo_admin_result_page(mo_buf *out, const char *base, const char *nonce, bool ok,
			  const char *text, const json_t *receipt)
{
	mo_buf b = { 0 };
	struct page p = { .base = base, .nonce = nonce };

	mo_buf_fmt(&b,
		   "<header><h1>Molt admin</h1></header>\n<main><section>\n"
		   "<h2 class=\"%s\">%s</h2>\n<p role=\"status\">",
		   ok ? "good" : "bad", ok ? "Done" : "Not done");
	mo_html_escape(&b, text);
	mo_buf_puts(&b, "</p>\n");
	if (receipt)
		mo_admin_view_receipt(&b, receipt, true);
	mo_buf_puts(&b, "<p><a href=\"");
	mo_html_escape(&b, base);
	mo_buf_puts(&b, "\">Back to the admin page</a></p></section></main>");
	p.main = mo_buf_cstr(&b);
	layout(out, &p);
	mo_buf_free(&b);
}
