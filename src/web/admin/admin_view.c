/* The state of the process as HTML, from the JSON of mo_process_status(): what
 * the API tells and what the page shows cannot differ.  Members that are missing
 * are left out; every text is escaped. */
#include <inttypes.h>
#include <string.h>

#include "base/json.h"
#include "base/str.h"
#include "web/admin/admin.h"
#include "web/out/html.h"

/* ---- pieces ----------------------------------------------------------------- */

static bool has(const json_t *o, const char *key)
{
	const json_t *v = json_object_get(o, key);

	return v && !json_is_null(v);
}

/* A scalar as text. */
static void put_value(mo_buf *b, const json_t *v)
{
	if (json_is_string(v))
		mo_html_escape(b, json_string_value(v));
	else if (json_is_integer(v))
		mo_buf_fmt(b, "%" PRId64, (int64_t)json_integer_value(v));
	else if (json_is_real(v))
		mo_buf_fmt(b, "%.1f", json_real_value(v));
	else if (json_is_boolean(v))
		mo_buf_puts(b, json_is_true(v) ? "yes" : "no");
}

static void put_row(mo_buf *b, const char *label, const json_t *o, const char *key)
{
	if (!has(o, key))
		return;
	mo_buf_fmt(b, "<dt>%s</dt><dd>", label);
	put_value(b, json_object_get(o, key));
	mo_buf_puts(b, "</dd>\n");
}

static void put_duration(mo_buf *b, int64_t ms)
{
	int64_t s = ms / 1000;

	if (s >= 86400)
		mo_buf_fmt(b, "%" PRId64 " d %" PRId64 " h", s / 86400, s / 3600 % 24);
	else if (s >= 3600)
		mo_buf_fmt(b, "%" PRId64 " h %" PRId64 " min", s / 3600, s / 60 % 60);
	else if (s >= 60)
		mo_buf_fmt(b, "%" PRId64 " min %" PRId64 " s", s / 60, s % 60);
	else
		mo_buf_fmt(b, "%" PRId64 " s", s);
}

static const char *color_of(const char *word)
{
	if (!strcmp(word, "serving") || !strcmp(word, "switched") || !strcmp(word, "started"))
		return "good";
	if (!strcmp(word, "failed") || !strcmp(word, "refused") || !strcmp(word, "crashed") ||
	    !strcmp(word, "taken back") || !strcmp(word, "rolled back"))
		return "bad";
	return "wait";
}

static void put_tag(mo_buf *b, const char *word)
{
	mo_buf_fmt(b, "<span class=\"tag %s\">", color_of(word));
	mo_html_escape(b, word);
	mo_buf_puts(b, "</span>");
}

/* ---- the process ---------------------------------------------------------- */

static void put_way_back(mo_buf *b, const json_t *to)
{
	if (!json_is_object(to))
		return;
	mo_buf_fmt(b, "<dt>Rollback</dt><dd>to generation %" PRId64,
		   mo_json_number_of(to, "generation"));
	if (has(to, "until")) {
		mo_buf_puts(b, ", which stands by until ");
		mo_html_escape(b, mo_json_text_of(to, "until"));
	}
	mo_buf_puts(b, ": ");
	mo_html_escape(b, mo_json_text_of(to, "exe"));
	mo_buf_puts(b, "</dd>\n");
}

static void put_process(mo_buf *b, const json_t *s)
{
	json_t *old;
	size_t i;

	mo_buf_puts(b, "<section aria-labelledby=\"h-process\">"
		       "<h2 id=\"h-process\">Process</h2><dl>\n<dt>State</dt><dd>");
	put_tag(b, mo_json_text_of(s, "state"));
	mo_buf_puts(b, "</dd>\n");
	put_row(b, "Pid", s, "pid");
	put_row(b, "Generation", s, "generation");
	if (mo_json_number_of(s, "predecessor_pid"))
		put_row(b, "Predecessor's pid", s, "predecessor_pid");
	json_array_foreach (json_object_get(s, "older_generations"), i, old)
		mo_buf_fmt(b,
			   "<dt>Draining</dt><dd class=\"wait\">generation %" PRId64
			   ", pid %" PRId64 "</dd>\n",
			   mo_json_number_of(old, "generation"), mo_json_number_of(old, "pid"));
	put_way_back(b, json_object_get(s, "rollback"));
	put_row(b, "Program", s, "exe");
	put_row(b, "Build", s, "build");
	put_row(b, "Molt", s, "version");
	mo_buf_puts(b, "<dt>Uptime</dt><dd>");
	put_duration(b, mo_json_number_of(s, "uptime_ms"));
	mo_buf_puts(b, "</dd>\n");
	put_row(b, "Event loops", s, "loops");
	mo_buf_puts(b, "</dl></section>\n");
}

/* ---- servers ---------------------------------------------------------------- */

static void put_listeners(mo_buf *b, const json_t *list)
{
	size_t i;
	const json_t *l;

	json_array_foreach (list, i, l) {
		const char *bound = mo_json_text_of(l, "bound");

		mo_buf_puts(b, i ? "<br>" : "");
		mo_buf_puts(b, json_is_true(json_object_get(l, "https")) ? "https " : "http ");
		mo_html_escape(b, mo_json_text_of(l, "address"));
		if (*bound && strcmp(bound, mo_json_text_of(l, "address")) != 0) {
			mo_buf_puts(b, " <span class=\"soft\">(");
			mo_html_escape(b, bound);
			mo_buf_puts(b, ")</span>");
		}
		if (json_is_true(json_object_get(l, "lost")))
			mo_buf_puts(b, " <strong>its file is gone: nobody can connect; a restart "
				       "makes it again</strong>");
	}
}

static void put_answers(mo_buf *b, json_t *answers)
{
	const char *class;
	json_t *n;

	json_object_foreach (answers, class, n) {
		if (!json_integer_value(n))
			continue;
		mo_buf_puts(b, "<span class=\"whole\">");
		mo_html_escape(b, class);
		mo_buf_fmt(b, ": %" PRId64 "</span> ", (int64_t)json_integer_value(n));
	}
}

/* The columns of the table.  Each cell has its column's title as a label, too, which a
 * narrow window shows in place of the head. */
enum { NAME, STATE, LISTENERS, GRACEFUL, CONNECTIONS, RUNNING, REQUESTS, ANSWERS, COLUMNS };

static const struct {
	const char *title;
	const char *number; /* the member that a column of numbers shows */
} columns[COLUMNS] = {
	[NAME] = { "Name", NULL },
	[STATE] = { "State", NULL },
	[LISTENERS] = { "Listeners", NULL },
	[GRACEFUL] = { "Graceful", NULL },
	[CONNECTIONS] = { "Connections", "connections" },
	[RUNNING] = { "Running", "requests" },
	[REQUESTS] = { "Requests", "total_requests" },
	[ANSWERS] = { "Answers", NULL },
};

static void put_cell(mo_buf *b, const json_t *s, int column)
{
	switch (column) {
	case NAME:
		mo_html_escape(b, mo_json_text_of(s, "name"));
		break;
	case STATE:
		put_tag(b, mo_json_text_of(s, "state"));
		break;
	case LISTENERS:
		put_listeners(b, json_object_get(s, "listeners"));
		break;
	case GRACEFUL:
		mo_buf_puts(b, json_is_true(json_object_get(s, "graceful")) ? "yes" : "no");
		break;
	case ANSWERS:
		put_answers(b, json_object_get(s, "answers"));
		break;
	default:
		put_value(b, json_object_get(s, columns[column].number));
	}
}

static const char *class_of(int column)
{
	return columns[column].number ? " class=\"n\"" : "";
}

static void put_servers(mo_buf *b, const json_t *servers)
{
	size_t i;
	int c;
	const json_t *s;

	mo_buf_puts(b, "<section aria-labelledby=\"h-servers\">"
		       "<h2 id=\"h-servers\">Servers</h2><table><thead><tr>");
	for (c = 0; c < COLUMNS; c++)
		mo_buf_fmt(b, "<th scope=\"col\"%s>%s</th>", class_of(c), columns[c].title);
	mo_buf_puts(b, "</tr></thead><tbody>\n");
	json_array_foreach (servers, i, s) {
		mo_buf_puts(b, "<tr>");
		for (c = 0; c < COLUMNS; c++) {
			mo_buf_fmt(b, "<td data-label=\"%s\"%s>", columns[c].title, class_of(c));
			put_cell(b, s, c);
			mo_buf_puts(b, "</td>");
		}
		mo_buf_puts(b, "</tr>\n");
	}
	mo_buf_puts(b, "</tbody></table></section>\n");
}

/* ---- receipts ---------------------------------------------------------------- */

static void put_phases(mo_buf *b, const json_t *phases)
{
	size_t i;
	const json_t *p;

	if (!json_array_size(phases))
		return;
	mo_buf_puts(b, "<dt>Phases</dt><dd><ol>\n");
	json_array_foreach (phases, i, p) {
		mo_buf_puts(b, "<li>");
		mo_html_escape(b, mo_json_text_of(p, "phase"));
		mo_buf_puts(b, " <span class=\"soft\">");
		put_value(b, json_object_get(p, "ms"));
		mo_buf_puts(b, " ms</span></li>\n");
	}
	mo_buf_puts(b, "</ol></dd>\n");
}

static void put_lines(mo_buf *b, const json_t *lines)
{
	size_t i;
	const json_t *line;

	if (!json_array_size(lines))
		return;
	mo_buf_puts(b, "<dt>Last lines</dt><dd><pre>");
	json_array_foreach (lines, i, line) {
		put_value(b, line);
		mo_buf_putc(b, '\n');
	}
	mo_buf_puts(b, "</pre></dd>\n");
}

/* The numbers of a flat object in one line: "adopted 4, bound 0". */
static void put_numbers(mo_buf *b, const char *label, json_t *o)
{
	const char *key, *between = "";
	json_t *v;

	if (!json_object_size(o))
		return;
	mo_buf_fmt(b, "<dt>%s</dt><dd>", label);
	json_object_foreach (o, key, v) {
		size_t i;
		json_t *item;

		mo_buf_puts(b, between);
		if (strcmp(key, "ms") != 0) {
			mo_html_escape(b, key);
			mo_buf_putc(b, ' ');
		}
		put_value(b, v);
		mo_buf_puts(b, strcmp(key, "ms") != 0 ? "" : " ms");
		json_array_foreach (v, i, item) {
			mo_buf_puts(b, i ? " " : "");
			put_value(b, item);
		}
		between = ", ";
	}
	mo_buf_puts(b, "</dd>\n");
}

static void put_summary(mo_buf *b, const json_t *r)
{
	put_tag(b, mo_json_text_of(r, "outcome"));
	mo_buf_putc(b, ' ');
	mo_html_escape(b, mo_json_text_of(r, "started"));
	if (has(r, "generation"))
		mo_buf_fmt(b, ", generation %" PRId64, mo_json_number_of(r, "generation"));
	if (mo_json_number_of(r, "successor_generation"))
		mo_buf_fmt(b, " to %" PRId64, mo_json_number_of(r, "successor_generation"));
	if (has(r, "ms"))
		mo_buf_fmt(b, ", %" PRId64 " ms", mo_json_number_of(r, "ms"));
}

void mo_admin_view_receipt(mo_buf *b, const json_t *r, bool open)
{
	json_t *probe;
	size_t i;

	mo_buf_puts(b, "<details id=\"r-");
	mo_html_escape(b, mo_json_text_of(r, "id"));
	mo_buf_fmt(b, "\"%s><summary>", open ? " open" : "");
	put_summary(b, r);
	mo_buf_puts(b, "</summary><dl>\n");
	put_row(b, "Target", r, "target");
	if (mo_json_number_of(r, "errno"))
		put_row(b, "Ended in phase", r, "phase");
	put_row(b, "Reason", r, "reason");
	if (mo_json_number_of(r, "errno"))
		put_row(b, "Error number", r, "errno");
	put_row(b, "Exit status", r, "exit_status");
	put_row(b, "Signal", r, "signal");
	put_row(b, "Pid", r, "pid");
	put_row(b, "Successor's pid", r, "successor_pid");
	put_numbers(b, "Found before", json_object_get(r, "preflight"));
	put_numbers(b, "Listeners", json_object_get(r, "listeners"));
	put_numbers(b, "State", json_object_get(r, "state"));
	json_array_foreach (json_object_get(r, "probes"), i, probe)
		put_numbers(b, "Probe", probe);
	put_numbers(b, "Drained", json_object_get(r, "drained"));
	put_phases(b, json_object_get(r, "phases"));
	put_lines(b, json_object_get(r, "last_lines"));
	mo_buf_puts(b, "</dl></details>\n");
}

static void put_receipts(mo_buf *b, const json_t *receipts)
{
	size_t i;
	const json_t *r;

	mo_buf_puts(b, "<section aria-labelledby=\"h-restarts\">"
		       "<h2 id=\"h-restarts\">Last restarts</h2>\n");
	if (!json_array_size(receipts))
		mo_buf_puts(b, "<p class=\"soft\">None yet.</p>\n");
	json_array_foreach (receipts, i, r)
		mo_admin_view_receipt(b, r, false);
	mo_buf_puts(b, "</section>\n");
}

void mo_admin_view(mo_buf *b, const json_t *status)
{
	put_process(b, status);
	put_servers(b, json_object_get(status, "servers"));
	put_receipts(b, json_object_get(status, "receipts"));
}
