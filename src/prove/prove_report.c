/* The table of a proof, from the JSON object of what was seen. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/json.h"
#include "base/str.h"
#include "command/print.h"
#include "prove/prove.h"

static double real_of(const json_t *o, const char *key)
{
	return json_number_value(json_object_get(o, key));
}

/* ---- load ----------------------------------------------------------------------------- */

static void print_kinds(const json_t *row)
{
	json_t *kinds = json_object_get(row, "by_kind"), *n;
	const char *kind;

	json_object_foreach (kinds, kind, n)
		printf("  %s %" JSON_INTEGER_FORMAT, kind, json_integer_value(n));
}

static void print_row(const char *phase, const json_t *row)
{
	printf("%-13s %-16s %7" PRId64 " %10" PRId64 " %8" PRId64 " %8" PRId64 " %9" PRId64
	       " %9.1f",
	       phase, mo_json_text_of(row, "name"), mo_json_number_of(row, "clients"),
	       mo_json_number_of(row, "requests"), mo_json_number_of(row, "failed"),
	       mo_json_number_of(row, "reopened"),
	       mo_json_number_of(row, "inside") + mo_json_number_of(row, "cut"),
	       real_of(row, "longest_ms"));
	print_kinds(row);
	putchar('\n');
}

static void print_phases(const json_t *seen)
{
	json_t *phase, *row, *line;
	size_t i, k;

	printf("%-13s %-16s %7s %10s %8s %8s %9s %9s\n", "phase", "connections", "clients",
	       "requests", "failed", "reopened", "in killed", "stall ms");
	json_array_foreach (json_object_get(seen, "phases"), i, phase) {
		json_array_foreach (json_object_get(phase, "rows"), k, row)
			print_row(k == 0 ? mo_json_text_of(phase, "name") : "", row);
	}
	json_array_foreach (json_object_get(seen, "phases"), i, phase) {
		json_array_foreach (json_object_get(phase, "examples"), k, line) {
			printf("  %s: ", mo_json_text_of(phase, "name"));
			mo_print_text(stdout, json_is_string(line) ? json_string_value(line) : "");
			putchar('\n');
		}
	}
	putchar('\n');
}

/* ---- restarts and what goes wrong --------------------------------------------------------- */

static void print_restarts(const json_t *seen)
{
	const json_t *r = json_object_get(seen, "restarts"), *ms = json_object_get(r, "ms");

	if (!r)
		return;
	printf("restarts       %" PRId64 " of %" PRId64 " done", mo_json_number_of(r, "done"),
	       mo_json_number_of(r, "asked"));
	if (ms)
		printf("; took %.1f ms at least, %.1f in the middle, %.1f at most",
		       real_of(ms, "least"), real_of(ms, "median"), real_of(ms, "most"));
	putchar('\n');
}

static void print_bad(const json_t *seen)
{
	const json_t *list = json_object_get(seen, "bad_versions");
	json_t *b;
	size_t i, good = 0;

	if (!list)
		return;
	json_array_foreach (list, i, b)
		good += json_is_true(json_object_get(b, "good"));
	printf("bad versions   %zu of %zu refused, and the old one served on\n", good,
	       json_array_size(list));
	json_array_foreach (list, i, b) {
		printf("  %-3s %-21s %-8s ",
		       json_is_true(json_object_get(b, "good")) ? "ok" : "BAD",
		       mo_json_text_of(b, "name"), mo_json_text_of(b, "outcome"));
		mo_print_text(stdout, mo_json_text_of(b, "reason"));
		putchar('\n');
	}
}

static void print_back(const json_t *seen, const char *key, const char *label, const char *what)
{
	const json_t *o = json_object_get(seen, key);

	if (o)
		printf("%-14s %zu times %s; answered again after %.1f ms at most\n", label,
		       json_array_size(json_object_get(o, "times_ms")), what,
		       real_of(o, "most_ms"));
}

/* ---- the whole ------------------------------------------------------------------------------ */

static void print_verdict(const json_t *seen)
{
	const json_t *totals = json_object_get(seen, "totals");
	bool pass = strcmp(mo_json_text_of(seen, "verdict"), "pass") == 0;
	json_t *why;
	size_t i;

	printf("\n%s: %" PRId64 " requests, %" PRId64 " failed, %" PRId64
	       " connections opened again, %.0f s\n",
	       pass ? "PASS" : "FAIL", mo_json_number_of(totals, "requests"),
	       mo_json_number_of(totals, "failed"), mo_json_number_of(totals, "reopened"),
	       real_of(seen, "seconds"));
	json_array_foreach (json_object_get(seen, "why"), i, why) {
		printf("  ");
		mo_print_text(stdout, json_string_value(why));
		putchar('\n');
	}
}

void mo_prove_print(const json_t *seen)
{
	json_t *s;
	size_t i;

	printf("molt prove ");
	mo_print_text(stdout, mo_json_text_of(seen, "target"));
	printf("\n\n");
	print_phases(seen);
	print_restarts(seen);
	print_bad(seen);
	print_back(seen, "rollback", "rollback", "the new version crashed after the switch");
	print_back(seen, "kill", "kill -9", "the only process was killed");
	json_array_foreach (json_object_get(seen, "skipped"), i, s) {
		printf("skipped        %s: ", mo_json_text_of(s, "what"));
		mo_print_text(stdout, mo_json_text_of(s, "why"));
		putchar('\n');
	}
	print_verdict(seen);
}
